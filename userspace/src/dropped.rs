//! A dropped packet, in words.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use xdp_prog::{frame, reason::Reason};

use sipward_api::item::Dropped;
use sipward_engine::first_line::first_line;
use sipward_kernel as kernel;
use sipward_types::{
    drop_event::DropEvent,
    time::{KernelTime, WallSeconds},
};

/// The kernel's monotonic clock on the wall's: how far the one is behind the other.
#[derive(Clone, Copy, Debug)]
pub struct Offset(Duration);

impl Offset {
    pub fn now() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(wall.saturating_sub(sipward_kernel::clock::now().since(KernelTime::START)))
    }

    /// Since 1970.
    pub fn to_wall(self, kernel: KernelTime) -> Duration {
        self.0 + kernel.since(KernelTime::START)
    }

    pub fn to_seconds(self, kernel: KernelTime) -> WallSeconds {
        WallSeconds::new(self.to_wall(kernel).as_secs())
    }
}

/// `names`: of the signatures in force.
pub fn dropped(event: &DropEvent, names: &[String], offset: Offset) -> Dropped {
    Dropped {
        ts: offset.to_wall(event.at).as_micros() as f64 / 1e6,
        src: event.source.to_string(),
        sport: event.source_port,
        dst: event.destination.to_string(),
        dport: event.destination_port,
        transport: match event.protocol {
            frame::TCP => "tcp".to_owned(),
            _ => "udp".to_owned(),
        },
        interface: kernel::interface_name(event.interface),
        verdict: if event.enforced { "drop".to_owned() } else { "would-drop".to_owned() },
        reason: reason_name(event.reason, event.signature, names),
        bytes: event.frame_length,
        first_line: first_line(&event.head, event.frame_length)
            .map(|line| String::from_utf8_lossy(line).into_owned()),
    }
}

/// With the signature's name, where one is the reason.
pub fn reason_name(reason: Reason, signature: Option<u16>, names: &[String]) -> String {
    match signature.and_then(|id| names.get(usize::from(id))) {
        Some(name) => format!("{}:{name}", Reason::Signature.name()),
        None => reason.name().to_owned(),
    }
}
