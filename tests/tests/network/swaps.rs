//! Signatures are replaced under traffic, without a gap between two sets.

use std::{
    io::ErrorKind,
    net::UdpSocket,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use sipward_kernel::{Pins, Tables};
use sipward_signature::{Compiled, SignatureSet};
use sipward_tests::{
    message::{clean, request},
    namespace::v4,
    wait::wait_until,
};

use crate::{dropped, protect_with, site};

const SWAPS: usize = 100;
/// Enough for a hundred swaps many times over.
const AT_MOST: Duration = Duration::from_secs(20);

/// Limits would hide what the signatures do.
const NO_LIMITS: &str = "[rate]\nregister = 'off'\n[prefix_rate]\nregister = 'off'\n";

/// Three sets of different sizes; the scanner's signature has another number in each.
fn sets() -> [Compiled; 3] {
    let shipped = SignatureSet::shipped();
    [0, 40, 120].map(|more| {
        let table =
            |n| format!("[[signature]]\nname = 'more-{n}'\nin = 'Via'\ncontains = 'never-seen-{n}'\n");
        let text: String = (0..more).map(table).collect();
        let more = SignatureSet::parse(&text, "the test").unwrap();
        more.overlaid(&shipped).compile().unwrap()
    })
}

#[test]
fn no_scanner_slips_through_while_signatures_are_swapped() {
    let lan = site();
    let [host, customer, other] = lan.hosts();
    let socket = host.udp(&format!("{}:5060", v4(1)));
    let sipward = protect_with(host, NO_LIMITS);
    let mut tables = Tables::open(&Pins::at(sipward.pins())).unwrap();
    let sets = sets();

    let (done, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let (scanner, phone) = (other.udp("0.0.0.0:0"), customer.udp("0.0.0.0:0"));
    for sender in [&scanner, &phone] {
        sender.connect(socket.local_addr().unwrap()).unwrap();
    }
    let calls = thread::scope(|scope| {
        scope.spawn(|| {
            let _end = End(&done);
            scan(&scanner, &done, &sent);
        });
        let calls = scope.spawn(|| {
            let _end = End(&done);
            talk(&phone, &socket, &done)
        });
        let end = End(&done);
        for compiled in sets.iter().cycle().take(SWAPS) {
            let before = sent.load(Ordering::Relaxed);
            tables.set_signatures(&compiled.tables).unwrap();
            wait_until("the scanner goes on", AT_MOST, || {
                sent.load(Ordering::Relaxed) > before || done.load(Ordering::Relaxed)
            });
        }
        drop(end);
        calls.join().unwrap()
    });
    let sent = sent.load(Ordering::Relaxed);
    println!("{SWAPS} swaps, {sent} packets of the scanner, {calls} of the phone");
    assert!(sent > 1_000 && calls > 100, "{sent}, {calls}");
    wait_until("all are counted", Duration::from_secs(2), || dropped(&sipward, "signature") == sent);
    assert_eq!(dropped(&sipward, "request"), calls);

    // The scanner's packets do arrive where nothing stops them.
    sipward.ok("detach");
    let message = request("REGISTER", "friendly-scanner");
    scanner.send(message.as_bytes()).unwrap();
    assert_eq!(receive(&socket), message.as_bytes());
}

/// Ends all threads of a test when one ends, also by a panic.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sends until it is over, with a breath now and then: full queues between the hosts would lose packets, too.
fn scan(socket: &UdpSocket, done: &AtomicBool, sent: &AtomicU64) {
    let message = request("REGISTER", "friendly-scanner");
    let start = Instant::now();
    while !done.load(Ordering::Relaxed) && start.elapsed() < AT_MOST {
        for _ in 0..16 {
            match socket.send(message.as_bytes()) {
                Ok(_) => sent.fetch_add(1, Ordering::Relaxed),
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => panic!("{error}"),
            };
        }
        thread::sleep(Duration::from_micros(200));
    }
}

/// Sends one message after the other, each when the one before has arrived. Returns how many.
fn talk(phone: &UdpSocket, pbx: &UdpSocket, done: &AtomicBool) -> u64 {
    let mut count = 0;
    while !done.load(Ordering::Relaxed) {
        let message = clean("REGISTER").replace("a84b4c76e66710", &format!("call-{count}"));
        phone.send(message.as_bytes()).unwrap();
        assert_eq!(String::from_utf8_lossy(&receive(pbx)), message);
        count += 1;
    }
    count
}

fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 4096];
    let length = socket.recv(&mut buffer).expect("a packet arrives");
    buffer.truncate(length);
    buffer
}
