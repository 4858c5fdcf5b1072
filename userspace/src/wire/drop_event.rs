//! Dropped packets as events.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use xdp_prog::{frame, reason::Reason};

use sipward_api::{item::Dropped, name::PacketVerdict};
use sipward_engine::first_line::first_line;
use sipward_kernel as kernel;
use sipward_types::{
    drop_event::DropEvent,
    time::{KernelTime, WallSeconds},
};

/// The time of the wall clock minus that of the kernel's monotonic clock.
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
        verdict: PacketVerdict::of_objection(event.enforced),
        reason: reason_name(event.reason, event.signature, names),
        bytes: event.frame_length,
        first_line: first_line(&event.head, event.frame_length)
            .map(|line| String::from_utf8_lossy(line).into_owned()),
    }
}

/// The name of a reason, with that of the signature that matched.
pub fn reason_name(reason: Reason, signature: Option<u16>, names: &[String]) -> String {
    let signature = signature.and_then(|id| names.get(usize::from(id)));
    qualified(reason, signature.map(String::as_str))
}

pub(super) fn qualified(reason: Reason, signature: Option<&str>) -> String {
    match signature {
        Some(name) => format!("{}:{name}", Reason::Signature.name()),
        None => reason.name().to_owned(),
    }
}
