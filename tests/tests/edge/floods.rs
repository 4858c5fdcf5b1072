//! Floods and rudeness over TCP and UDP, with no filter before the edge: whoever is served notices nothing.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream, UdpSocket},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use sipward_tests::{
    auth_pbx::PbxKind,
    flood::{Jet, flood},
    guesser::another,
    length::by_length,
    message::Request,
    namespace::Family,
    sip_phone::{Phone, State, Transport, drive},
    tcp::connect,
};

use crate::site::{CALLEE, CALLER, Hosts, Site};

const PBX: &str = "10.90.0.1:5060";
const PATIENCE: Duration = Duration::from_secs(5);
/// Of the program, its accounts, and what attackers may make it keep, in kB.
const MEMORY: u64 = 100_000;
/// The connections of a source, as the edge allows them.
const OF_A_SOURCE: usize = 512;

/// Phones that register and call all the time.
struct Served([Phone; 2]);

impl Served {
    fn new(hosts: &Hosts) -> Self {
        Self(
            [(Transport::Udp, 201), (Transport::Tcp, 202)]
                .map(|(transport, account)| hosts.phone(CALLEE, transport, Family::V4, account)),
        )
    }

    /// Once each.
    fn go_on(&mut self) {
        for phone in &mut self.0 {
            let outcome = phone.register(120);
            assert_eq!(outcome.statuses(), [401, 200], "{}", phone.transcript());
            let call = phone.invite("600");
            drive("it talks", [phone], |[phone]| phone.call(call).state == State::Established);
            phone.hang_up(call);
            drive("it has hung up", [phone], |[phone]| phone.call(call).state == State::Ended);
        }
    }

    /// For as long as the attack lasts.
    fn during<T: Send>(&mut self, what: &str, site: &Site<'_>, attack: impl FnOnce() -> T + Send) -> T {
        let (mut rounds, mut longest, mut memory) = (0, Duration::ZERO, 0);
        let result = thread::scope(|scope| {
            let attack = scope.spawn(attack);
            while rounds == 0 || !attack.is_finished() {
                let begun = Instant::now();
                self.go_on();
                (rounds, longest) = (rounds + 1, longest.max(begun.elapsed()));
                memory = memory.max(edge_memory(site));
            }
            attack.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        println!(
            "{what}: {rounds} times two registrations and two calls, at most {longest:.0?} for all; {memory} kB"
        );
        assert!(memory < MEMORY, "{what}: {memory} kB");
        result
    }
}

fn edge_memory(site: &Site<'_>) -> u64 {
    site.edge.as_ref().expect("it runs").memory()
}

/// Connections of one address each, from the attackers' host.
fn attackers(hosts: &Hosts, count: usize) -> Vec<SocketAddr> {
    let own = |number| format!("10.90.0.{}", 50 + number);
    for number in 0..count {
        hosts.host(CALLER).ip(&format!("address add {}/24 dev eth0", own(number)));
    }
    (0..count).map(|number| SocketAddr::new(own(number).parse().expect("an address"), 0)).collect()
}

fn open(hosts: &Hosts, from: &[SocketAddr], of_each: usize) -> Vec<TcpStream> {
    let to = PBX.parse().expect("an address");
    hosts.host(CALLER).enter(|| {
        let each = from.iter().flat_map(|from| std::iter::repeat_n(*from, of_each));
        each.map(|from| connect(from, to, PATIENCE).expect("a connection")).collect()
    })
}

/// True: the other end has closed it, with or without an answer before.
fn is_closed(stream: &mut TcpStream, patience: Duration) -> bool {
    stream.set_read_timeout(Some(patience)).expect("a timeout that is not zero");
    let mut buffer = [0; 4_096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

fn register(headers: &str) -> String {
    let number = another();
    Request {
        uri: "sip:10.90.0.1",
        transport: "TCP",
        branch: &format!("z9hG4bK{number:x}"),
        call_id: &number.to_string(),
        headers,
        ..Request::default()
    }
    .write()
}

#[test]
fn whoever_is_served_over_tcp_and_udp_does_not_notice_what_strangers_do_to_connections() {
    let hosts = Hosts::new();
    let Some(site) = Site::start(&hosts, PbxKind::EdgedAsterisk, "") else { return };
    let mut served = Served::new(&hosts);
    let begin = edge_memory(&site);
    let each = by_length(100, 500);
    let from = attackers(&hosts, by_length(10, 20));

    let mut slow = open(&hosts, &from[..1], 50);
    // A single line end begins no message, so the time for one does not run.
    let mut quiet = hosts.phone(CALLER, Transport::Tcp, Family::V4, 203);
    assert_eq!(quiet.register(120).statuses(), [401, 200]);
    quiet.send_raw(b"\r\n");
    served.during("a byte a second", &site, || {
        let text = register("");
        let begun = Instant::now();
        for byte in text.bytes() {
            let sent = slow.iter_mut().filter_map(|stream| stream.write_all(&[byte]).ok()).count();
            if sent == 0 {
                break;
            }
            thread::sleep(Duration::from_secs(1));
        }
        let lasted = begun.elapsed();
        assert!((8..30).contains(&lasted.as_secs()), "they were closed after {lasted:?}");
    });
    drop(slow);
    thread::sleep(Duration::from_secs(2));
    quiet.poll(Duration::from_millis(10));
    assert!(quiet.is_connected());
    assert_eq!(quiet.register(120).status(), Some(200), "{}", quiet.transcript());

    served.during("half open, and with a message that has begun", &site, || {
        let open = open(&hosts, &from, each);
        for mut stream in open.iter().step_by(2) {
            stream.write_all(b"REGISTER sip:x SIP/2.0\r\nVia: ").expect("a connection");
        }
        thread::sleep(by_length(Duration::from_secs(1), Duration::from_secs(20)));
    });

    served.during("giant headers", &site, || {
        let giant = register(&format!("X: {}\r\n", "x".repeat(20_000)));
        let mut open = open(&hosts, &from[..1], 20);
        for stream in &mut open {
            // It may be closed before all is written.
            let _ = stream.write_all(giant.as_bytes());
            assert!(is_closed(stream, PATIENCE), "20,000 bytes of a header");
        }
    });

    served.during("lying lengths", &site, || {
        for (length, is_refused) in
            [("-1", true), ("99999999", true), ("1, 2", true), ("70000", true), ("200", false)]
        {
            let lying = register("").replace("Content-Length: 0", &format!("Content-Length: {length}"));
            let mut stream = open(&hosts, &from[..1], 1).remove(0);
            stream.write_all(lying.as_bytes()).expect("a connection");
            // A body that never comes is waited for.
            let patience = if is_refused { PATIENCE } else { Duration::from_millis(200) };
            assert_eq!(is_closed(&mut stream, patience), is_refused, "{length}");
        }
    });

    served.during("HTTP", &site, || {
        for text in ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST /", "PRI * HTTP/2.0", "\x16\x03\x01"] {
            let mut stream = open(&hosts, &from[..1], 1).remove(0);
            stream.write_all(text.as_bytes()).expect("a connection");
            assert!(is_closed(&mut stream, PATIENCE), "{text}");
        }
    });

    served.during("requests whose answers are never read", &site, || {
        let mut open = open(&hosts, &from[..1], 20);
        let burst = register(&format!("Via: SIP/2.0/UDP {};branch=x\r\n", "x".repeat(4_000))).repeat(64);
        for stream in &mut open {
            stream.set_write_timeout(Some(Duration::from_millis(500))).expect("a timeout that is not zero");
            for _ in 0..20 {
                if stream.write_all(burst.as_bytes()).is_err() {
                    break;
                }
            }
        }
        let is_gone = |stream: &mut TcpStream| stream.write_all(b"\r\n").is_err();
        let closed = open.iter_mut().map(is_gone).filter(|is_gone| *is_gone).count();
        assert!(closed > 0, "one that does not read is disconnected");
    });
    println!("before all that: {begin} kB; after it: {} kB", edge_memory(&site));
}

#[test]
fn a_source_with_too_many_connections_loses_its_own_oldest_ones() {
    let hosts = Hosts::new();
    let Some(site) = Site::start(&hosts, PbxKind::EdgedAsterisk, "") else { return };
    let mut served = Served::new(&hosts);
    served.go_on();
    let from = attackers(&hosts, 2);
    let mut neighbour = open(&hosts, &from[1..], 1).remove(0);
    let mut own = hosts.phone(CALLER, Transport::Tcp, Family::V4, 203);
    assert_eq!(own.register(120).statuses(), [401, 200]);
    let own_address = SocketAddr::new(own.local().ip(), 0);
    let mut open = open(&hosts, &[own_address], OF_A_SOURCE);
    assert!(is_closed(&mut open[0], PATIENCE), "the oldest");
    assert!(!is_closed(&mut open[1], Duration::from_millis(50)), "one too many");
    assert!(!is_closed(&mut neighbour, Duration::from_millis(50)));
    own.poll(Duration::from_millis(10));
    assert!(own.is_connected(), "it had the right password");
    served.go_on();
    drop(site);
}

/// Requests that come at once go to the PBX over one connection, and none is lost.
#[test]
fn a_burst_over_tcp_reaches_the_pbx() {
    let hosts = Hosts::new();
    let Some(_site) = Site::start(&hosts, PbxKind::EdgedAsterisk, "") else { return };
    let mut phone = hosts.phone(CALLER, Transport::Tcp, Family::V4, 201);
    assert_eq!(phone.register(120).statuses(), [401, 200]);
    let ids: Vec<_> = (0..200)
        .map(|_| phone.send("OPTIONS", "sip:600@10.90.0.1", sipward_tests::sip_phone::Edit::none()))
        .collect();
    for id in ids {
        assert_eq!(phone.wait(id).statuses(), [401, 200], "{}", phone.transcript());
    }
}

/// The core has a queue for each, and serves them in turn.
#[test]
fn a_flood_over_one_transport_leaves_the_other_its_share() {
    const LASTS: Duration = Duration::from_secs(2);
    let hosts = Hosts::new();
    let Some(site) = Site::start(&hosts, PbxKind::EdgedAsterisk, "") else { return };
    let Served([mut by_udp, mut by_tcp]) = Served::new(&hosts);
    let from = attackers(&hosts, 1);
    let streams = open(&hosts, &from, 200);
    let burst = register("").repeat(32);
    let longest = thread::scope(|scope| {
        let flood = scope.spawn(|| over_tcp(&streams, burst.as_bytes(), LASTS));
        while_it_lasts(&mut by_udp, || flood.is_finished())
    });
    println!("UDP beside a flood of TCP: at most {longest:.0?}; {} kB", edge_memory(&site));
    drop(streams);

    let socket = hosts.host(CALLER).udp("10.90.0.2:0");
    socket.connect(PBX).expect("an address");
    let jets = [Jet { socket, message: register("").replace("SIP/2.0/TCP", "SIP/2.0/UDP") }];
    let over = AtomicBool::new(false);
    let (longest, flooded) = thread::scope(|scope| {
        let flood = scope.spawn(|| flood(&jets, 20_000, &over));
        let begun = Instant::now();
        let longest = while_it_lasts(&mut by_tcp, || begun.elapsed() > LASTS);
        over.store(true, Ordering::Relaxed);
        (longest, flood.join().expect("the flood"))
    });
    println!(
        "TCP beside {:.0} datagrams a second: at most {longest:.0?}; {} kB",
        flooded.rate(),
        edge_memory(&site)
    );
}

/// Registers again and again. Returns the longest time that it took.
fn while_it_lasts(phone: &mut Phone, is_over: impl Fn() -> bool) -> Duration {
    let mut longest = Duration::ZERO;
    while !is_over() {
        let begun = Instant::now();
        let outcome = phone.register(120);
        assert_eq!(outcome.statuses(), [401, 200], "{}", phone.transcript());
        longest = longest.max(begun.elapsed());
    }
    longest
}

/// Writes as much as the other end takes, and reads all answers.
fn over_tcp(streams: &[TcpStream], burst: &[u8], lasts: Duration) {
    let (begun, mut buffer) = (Instant::now(), vec![0; 1 << 16]);
    for stream in streams {
        stream.set_nonblocking(true).expect("an open socket");
    }
    let mut written = vec![0; streams.len()];
    while begun.elapsed() < lasts {
        for (mut stream, written) in streams.iter().zip(&mut written) {
            // If it would block, the next one has its turn.
            *written += stream.write(&burst[*written % burst.len()..]).unwrap_or(0);
            while stream.read(&mut buffer).is_ok_and(|length| length > 0) {}
        }
    }
}

#[test]
fn challenges_that_nobody_answers_cost_no_memory() {
    let hosts = Hosts::new();
    let Some(site) = Site::start(&hosts, PbxKind::EdgedAsterisk, "") else { return };
    let mut served = Served::new(&hosts);
    served.go_on();
    let begin = edge_memory(&site);
    let wanted = by_length(20_000, 1_000_000);
    served.during(&format!("{wanted} challenges"), &site, || ask(&hosts, wanted));
    let grown = edge_memory(&site).saturating_sub(begin);
    println!("before them {begin} kB, and {grown} kB more afterwards");
    assert!(grown < 30_000, "{grown} kB");
}

/// From many ports, until so many challenges have come. Some are on their way at any time.
fn ask(hosts: &Hosts, wanted: usize) {
    const UNDER_WAY: usize = 32;
    let host = hosts.host(CALLER);
    let sockets: Vec<UdpSocket> = (0..16)
        .map(|_| {
            let socket = host.udp("10.90.0.2:0");
            socket.connect(PBX).expect("an address");
            socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout that is not zero");
            socket
        })
        .collect();
    let (mut challenged, mut buffer) = (0, [0; 4_096]);
    let end = Instant::now() + by_length(Duration::from_secs(60), Duration::from_secs(1_800));
    for socket in sockets.iter().cycle() {
        if challenged >= wanted {
            return;
        }
        assert!(Instant::now() < end, "{challenged} of {wanted} challenges");
        let local = socket.local_addr().expect("a bound socket").to_string();
        for _ in 0..UNDER_WAY {
            let text =
                register("").replace("198.51.100.7:40000", &local).replace("SIP/2.0/TCP", "SIP/2.0/UDP");
            socket.send(text.as_bytes()).expect("a datagram");
        }
        for _ in 0..UNDER_WAY {
            match socket.recv(&mut buffer) {
                Ok(_) => challenged += usize::from(buffer.starts_with(b"SIP/2.0 401")),
                Err(_) => break,
            }
        }
    }
}
