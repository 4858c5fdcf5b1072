//! Packets on their way to the host with the daemon.

use std::{
    net::UdpSocket,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use sipward_tests::{
    message::request,
    namespace::{Namespace, v4},
};

use crate::site::Until;

/// Sends the same packet repeatedly, from a trusted source and from a stranger, for which it is a scan, until
/// `work` is done. All of the one arrive, and none of the other.
pub(crate) fn while_packets_come(
    pbx: &Namespace,
    trusted: &Namespace,
    stranger: &Namespace,
    work: impl FnOnce(),
) {
    let ear = pbx.roomy_udp(&format!("{}:5060", v4(1)));
    let senders = [(trusted, v4(2)), (stranger, v4(4))].map(|(host, from)| host.udp(&format!("{from}:5060")));
    let over = AtomicBool::new(false);
    let (sent, heard) = thread::scope(|scope| {
        let until = Until(&over);
        let sending = scope.spawn(|| send(&senders, &over));
        let hearing = scope.spawn(|| hear(&ear, &over));
        work();
        drop(until);
        (sending.join().unwrap(), hearing.join().unwrap())
    });
    assert!(sent > 100, "{sent} is not all the while");
    assert_eq!(heard, (sent, 0), "of {sent} each, those of the trusted and those of the stranger arrived");
}

/// Sends until `over`. Returns the number of packets that each sender has sent.
fn send(senders: &[UdpSocket; 2], over: &AtomicBool) -> usize {
    let scan = request("OPTIONS", "friendly-scanner");
    let mut sent = 0;
    while !over.load(Ordering::Relaxed) {
        for sender in senders {
            sender.send_to(scan.as_bytes(), format!("{}:5060", v4(1))).unwrap();
        }
        sent += 1;
        thread::sleep(Duration::from_millis(1));
    }
    sent
}

/// Receives until `over`. Returns the numbers of packets from the trusted source and from the stranger.
fn hear(ear: &UdpSocket, over: &AtomicBool) -> (usize, usize) {
    let mut heard = (0, 0);
    let mut packet = [0; 2_000];
    loop {
        match ear.recv_from(&mut packet) {
            Ok((_, from)) if from.ip().to_string() == v4(2) => heard.0 += 1,
            Ok(_) => heard.1 += 1,
            // Nothing for a while: all that was sent is here.
            Err(_) if over.load(Ordering::Relaxed) => return heard,
            Err(_) => {}
        }
    }
}

/// Returns true if a harmless packet arrives.
pub(crate) fn ping(pbx: &Namespace, from: &Namespace, address: &str) -> bool {
    let ear = pbx.udp(&format!("{}:5060", v4(1)));
    ear.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let sender = from.udp(&format!("{address}:5060"));
    sender.send_to(b"\r\n\r\n", format!("{}:5060", v4(1))).unwrap();
    ear.recv(&mut [0; 100]).is_ok()
}
