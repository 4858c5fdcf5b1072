//! A call that goes on: numbered packets to the PBX, each of which must arrive, and nothing else may.

use std::{
    collections::BTreeSet,
    io::ErrorKind,
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use sipward_tests::{message::clean, namespace::Namespace};

use crate::site::SIP;

/// Between two packets: many more than the limits allow a stranger.
const PAUSE: Duration = Duration::from_millis(2);
/// In every message, before its number.
const MARK: &str = "call-";

/// Sends messages in turn until `over`, and returns their number. Half of them are such as only trusted sources may
/// send.
pub(crate) fn talk(phones: &[UdpSocket], over: &AtomicBool) -> u64 {
    let messages = ["INVITE", "OPTIONS"].map(clean);
    let mut count = 0;
    let mut next = Instant::now();
    for (phone, message) in phones.iter().cycle().zip(messages.iter().flat_map(|m| [m, m]).cycle()) {
        thread::sleep(next.saturating_duration_since(Instant::now()));
        // Without haste after a pause that the machine has made.
        next = Instant::now().max(next) + PAUSE;
        if over.load(Ordering::Relaxed) {
            break;
        }
        let message = message.replace("a84b4c76e66710", &format!("{MARK}{count}"));
        phone.send(message.as_bytes()).expect("a packet is sent");
        count += 1;
    }
    count
}

/// The PBX's socket, for both families.
#[derive(Debug)]
pub(crate) struct Ear(UdpSocket);

/// The packets that arrived.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Numbers of the phone's messages.
    pub(crate) calls: BTreeSet<u64>,
    /// First lines of what came from anybody else, and from whom.
    pub(crate) others: Vec<(SocketAddr, String)>,
}

impl Ear {
    pub(crate) fn open(host: &Namespace) -> Self {
        Self(host.roomy_udp(&format!("[::]:{SIP}")))
    }

    /// Hears everything until it is over and nothing comes any more.
    pub(crate) fn hear(&self, phones: &[IpAddr], over: &AtomicBool) -> Heard {
        let mut heard = Heard::default();
        let mut buffer = [0; 4096];
        loop {
            match self.0.recv_from(&mut buffer) {
                Ok((length, from)) => heard.take(&buffer[..length], from, phones),
                Err(error) if error.kind() == ErrorKind::WouldBlock && over.load(Ordering::Relaxed) => {
                    return heard;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

impl Heard {
    fn take(&mut self, message: &[u8], from: SocketAddr, phones: &[IpAddr]) {
        let message = String::from_utf8_lossy(message);
        let number = message.split_once(MARK).and_then(|(_, rest)| rest.split('@').next()?.parse().ok());
        match number {
            Some(number) if phones.contains(&from.ip().to_canonical()) => {
                assert!(self.calls.insert(number), "{number} came twice");
            }
            _ => self.others.push((from, message.lines().next().unwrap_or_default().to_owned())),
        }
    }
}
