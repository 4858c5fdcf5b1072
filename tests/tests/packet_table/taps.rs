//! The packets that are tapped for the daemon, incoming and outgoing.

use std::{net::SocketAddr, time::Instant};

use sipward_kernel::clock::now;
use sipward_kernel::{Tap, TapLosses, Tapping, Taps};
use sipward_tests::{
    cpu::stay_on_one,
    filter_pair::FilterPair,
    frame::{ACK, FIN, Frame, RST, SYN, tcp, udp},
    message::{OK_TO_OUR_OPTIONS, answer_to_our_options as answer, clean, register_of, request},
};
use sipward_types::time::KernelTime;
use sipward_types::{flow::Transport, tapped::Direction};
use xdp_prog::abi::kind::{BANNED, KNOWN, TRUSTED};

use crate::ENFORCE;

const PLENTY: Option<Tapping> = Some(Tapping { strangers_per_second: 1_000_000 });
const NEXT: u32 = u32::MAX;

fn tapping(toml: &str) -> (FilterPair, Taps) {
    let mut pair = FilterPair::unlimited(toml);
    pair.filter().set_tapping(PLENTY).unwrap();
    assert_eq!(pair.filter().tapping().unwrap(), PLENTY);
    let taps = pair.filter().taps().unwrap();
    (pair, taps)
}

fn drain(taps: &mut Taps) -> Vec<Tap> {
    let mut all = Vec::new();
    taps.drain(KernelTime::FOREVER, usize::MAX, |tap| all.push(tap.clone()));
    all
}

/// The taps of an incoming frame.
fn incoming(pair: &mut FilterPair, taps: &mut Taps, frame: &Frame) -> Vec<Tap> {
    pair.judge(&frame.build());
    drain(taps)
}

/// The same of one that leaves.
fn outgoing(pair: &mut FilterPair, taps: &mut Taps, frame: &Frame) -> Vec<Tap> {
    let (next, _) = pair.filter().test_run_egress(&frame.build(), 1).unwrap();
    assert_eq!(next, NEXT, "it goes on");
    drain(taps)
}

fn socket(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Of a connection that was never opened.
fn forged() -> Frame {
    tcp().from("198.51.100.66")
}

/// From the PBX to a stranger.
fn sent(frame: Frame) -> Frame {
    frame.from("203.0.113.1:5060").to("198.51.100.7:40000")
}

fn sent_v6(frame: Frame) -> Frame {
    frame.from("[2001:db8:ffff::1]:5060").to("[2001:db8:7::7]:40000")
}

#[test]
fn a_request_that_passes_is_handed_over_as_it_came() {
    let (mut pair, mut taps) = tapping(ENFORCE);
    let register = register_of(700);
    for frame in [
        udp(),
        udp().v6(),
        udp().vlan(0x8100),
        udp().ip_options(3),
        udp().v6().extension(0, 8),
        tcp(),
        tcp().v6(),
    ] {
        let before = now();
        if frame.is_tcp() {
            pair.open(&frame);
            assert!(drain(&mut taps)[0].tapped().tcp.unwrap().begins);
        }
        let taken = incoming(&mut pair, &mut taps, &frame.clone().carrying(&register));
        let [tap] = taken.as_slice() else { panic!("{frame:?}: {taken:?}") };
        let tapped = tap.tapped();
        assert!((before..=now()).contains(&tapped.at));
        assert_eq!(tapped.direction, Direction::In);
        assert_eq!(tapped.payload, register.as_bytes());
        assert_eq!(tapped.length as usize, register.len());
        let (remote, local) = if tapped.remote.is_ipv4() {
            ("198.51.100.7:40000", "203.0.113.1:5060")
        } else {
            ("[2001:db8:7::7]:40000", "[2001:db8:ffff::1]:5060")
        };
        assert_eq!((tapped.remote, tapped.local), (socket(remote), socket(local)));
        if tapped.transport() == Transport::Tcp {
            let segment = tapped.tcp.unwrap();
            assert_eq!((segment.sequence, segment.begins, segment.ends), (1, false, false));
        }
    }
    for length in [500, 512, 513, 1_024, 1_025, 1_400, 2_048, 2_049, 3_000] {
        let register = register_of(length);
        let taken = incoming(&mut pair, &mut taps, &udp().carrying(&register));
        assert_eq!(taken[0].tapped().payload, register.as_bytes(), "{length}");
    }
    assert_eq!(pair.filter().tap_losses().unwrap(), TapLosses::default());
}

#[test]
fn of_what_comes_in_only_what_tells_something_is_handed_over() {
    let (mut pair, mut taps) = tapping(ENFORCE);
    pair.put("192.0.2.2", TRUSTED);
    pair.put("192.0.2.3", BANNED);
    for (sentence, frame, wanted) in [
        ("a request", udp().carrying(clean("REGISTER")), true),
        ("an ACK", udp().carrying(clean("ACK")), true),
        ("of no standard", udp().carrying(clean("VENDORX")), true),
        ("an answer that accepts", udp().carrying(OK_TO_OUR_OPTIONS), true),
        ("one that challenges", udp().carrying(answer("401 Unauthorized")), true),
        ("one that fails", udp().carrying(answer("503 Service Unavailable")), false),
        ("one that is not final", udp().carrying(answer("180 Ringing")), false),
        ("a keepalive", udp().carrying("\r\n\r\n"), false),
        ("noise", udp().carrying([0x81; 40]), false),
        ("RTP", udp().to_port(10_000).carrying([0x80; 172]), false),
        ("of a trusted source", udp().from("192.0.2.2").carrying(clean("REGISTER")), false),
        ("of a banned one", udp().from("192.0.2.3").carrying(clean("REGISTER")), false),
        ("of a scanner", udp().carrying(request("REGISTER", "friendly-scanner")), false),
        ("a stranger's OPTIONS", udp().carrying(clean("OPTIONS")), false),
        ("a SYN", tcp().flags(SYN), false),
        ("a segment of no connection", forged().carrying("a=sendrecv\r\n"), false),
        ("a request in one", forged().carrying(clean("REGISTER")), false),
        ("its end", forged().flags(RST), false),
        ("TLS", tcp().to_port(5061).carrying([0x17, 3, 3, 0, 40]), false),
        ("the beginning of TLS", tcp().to_port(5061).flags(SYN), false),
    ] {
        let taken = incoming(&mut pair, &mut taps, &frame);
        assert_eq!(taken.len(), usize::from(wanted), "{sentence}: {taken:?}");
    }
    pair.open(&tcp().acknowledging(77));
    let opened = drain(&mut taps);
    let segment = opened[0].tapped().tcp.unwrap();
    assert_eq!((segment.sequence, segment.acknowledged), (1, Some(77)));
    assert_eq!((opened.len(), segment.begins, segment.ends), (1, true, false));
    for (sentence, frame, wanted) in [
        ("a refusal over TCP", tcp().carrying(answer("403 Forbidden")), true),
        ("the middle of a stream", tcp().carrying("a=sendrecv\r\n"), true),
        ("a keepalive in a stream", tcp().carrying("\r\n\r\n"), true),
        ("its end", tcp().flags(FIN | ACK), true),
        ("its sudden end", tcp().flags(RST), true),
        ("an acknowledgement", tcp().flags(ACK), false),
        ("a segment from far away", tcp().sequence(1 << 30).carrying("x"), false),
    ] {
        let taken = incoming(&mut pair, &mut taps, &frame);
        assert_eq!(taken.len(), usize::from(wanted), "{sentence}: {taken:?}");
    }
    let ends = &incoming(&mut pair, &mut taps, &tcp().flags(FIN | ACK).carrying("x"))[0];
    let segment = ends.tapped().tcp.unwrap();
    assert_eq!((segment.sequence, segment.begins, segment.ends), (1, false, true));
}

#[test]
fn in_monitor_mode_what_would_drop_is_handed_over_too() {
    let (mut pair, mut taps) = tapping("mode = \"monitor\"\n");
    pair.put("192.0.2.2", TRUSTED);
    pair.put("192.0.2.3", BANNED);
    for (sentence, frame, wanted) in [
        ("a stranger's OPTIONS", udp().carrying(clean("OPTIONS")), true),
        ("of a scanner", udp().carrying(request("REGISTER", "friendly-scanner")), true),
        ("of a banned source", udp().from("192.0.2.3").carrying(clean("REGISTER")), true),
        ("an answer of one", udp().from("192.0.2.3").carrying(answer("200 OK")), true),
        ("one that tells nothing", udp().from("192.0.2.3").carrying(answer("180 Ringing")), false),
        ("of a trusted one", udp().from("192.0.2.2").carrying(clean("REGISTER")), false),
        ("what passes anyway", udp().carrying(clean("INVITE")), true),
    ] {
        assert_eq!(incoming(&mut pair, &mut taps, &frame).len(), usize::from(wanted), "{sentence}");
    }
    let banned = tcp().from("192.0.2.3");
    assert_eq!(incoming(&mut pair, &mut taps, &banned.clone().carrying("x")), [], "of no connection");
    pair.filter().test_run_egress(&banned.answer().sequence(0).flags(SYN | ACK).build(), 1).unwrap();
    assert_eq!(incoming(&mut pair, &mut taps, &banned.clone().carrying("x")).len(), 1);
}

#[test]
fn of_what_leaves_only_what_tells_something_is_handed_over() {
    let (mut pair, mut taps) = tapping(ENFORCE);
    pair.put("192.0.2.2", TRUSTED);
    pair.put("192.0.2.3", BANNED);
    let refusal = || udp().carrying(answer("401 Unauthorized"));
    for (sentence, frame, wanted) in [
        ("a challenge", sent(refusal()), true),
        ("an acceptance", sent(udp().carrying(OK_TO_OUR_OPTIONS)), true),
        ("one over IPv6", sent_v6(refusal()), true),
        ("behind extension headers", sent_v6(refusal()).extension(0, 8).extension(60, 16), true),
        ("behind IPv4 options", sent(refusal()).ip_options(5), true),
        ("behind VLAN tags", sent(refusal()).vlan(0x88a8).vlan(0x8100), true),
        ("not final", sent(udp().carrying(answer("100 Trying"))), false),
        ("not final, either", sent(udp().carrying(answer("183 Session Progress"))), false),
        ("our OPTIONS", sent(udp().carrying(clean("OPTIONS"))), true),
        ("our REGISTER", sent(udp().carrying(clean("REGISTER"))), true),
        ("our INVITE", sent(udp().carrying(clean("INVITE"))), false),
        ("a keepalive", sent(udp().carrying("\r\n\r\n")), false),
        ("from another port", sent(refusal()).source_port(5080), false),
        ("RTP", sent(udp()).source_port(10_000).carrying([0x80; 172]), false),
        ("over TCP", sent(tcp().carrying(answer("401 Unauthorized"))), true),
        ("a piece of one", sent(tcp().carrying("Content-Length: 0\r\n\r\n")), true),
        ("over TCP and IPv6", sent_v6(tcp().carrying(answer("401 Unauthorized"))), true),
        ("the end of a connection", sent(tcp().flags(FIN | ACK)), true),
        ("what a SYN is answered", sent(tcp().flags(SYN | ACK)), false),
        ("what a forged segment is answered", sent(tcp()).to("198.51.100.8:40000").flags(RST), false),
        ("an acknowledgement", sent(tcp().flags(ACK)), false),
        ("TLS", sent(tcp()).source_port(5061).carrying([0x17, 3, 3, 0, 40]), false),
        ("a TCP port alone", sent(tcp()).source_port(22).carrying("SSH-2.0"), false),
    ] {
        let taken = outgoing(&mut pair, &mut taps, &frame);
        assert_eq!(taken.len(), usize::from(wanted), "{sentence}: {taken:?}");
        for tap in taken {
            let tapped = tap.tapped();
            assert_eq!((tapped.direction, tapped.listed), (Direction::Out, false), "{sentence}");
            let (remote, local) = if tapped.remote.is_ipv4() {
                ("198.51.100.7:40000", "203.0.113.1:5060")
            } else {
                ("[2001:db8:7::7]:40000", "[2001:db8:ffff::1]:5060")
            };
            assert_eq!((tapped.remote, tapped.local), (socket(remote), socket(local)), "{sentence}");
            assert!(frame.build().ends_with(tapped.payload), "{sentence}");
            assert_eq!(tapped.length as usize, tapped.payload.len(), "{sentence}");
        }
    }
    for (address, sort) in [("192.0.2.2:5060", "trusted"), ("192.0.2.3:5060", "banned")] {
        for frame in [sent(refusal()), sent(tcp().carrying(answer("407 No")))] {
            let taken = outgoing(&mut pair, &mut taps, &frame.to(address));
            assert!(taken.len() == 1 && taken[0].tapped().listed, "what a {sort} source is told: {taken:?}");
        }
    }
    let long = || answer("401 Unauthorized") + &"x".repeat(1_500);
    let pieces: Vec<_> = [sent(udp().carrying(long())), sent_v6(udp().carrying(long()))]
        .into_iter()
        .flat_map(|frame| frame.fragments(7, 1_400))
        .map(|frame| pair.filter().test_run_egress(&frame, 1).map(|_| drain(&mut taps).len()).unwrap())
        .collect();
    assert_eq!(pieces, [1, 0, 1, 0], "the first fragment begins the message");
}

#[test]
fn what_is_a_part_of_a_packet_says_so() {
    let (mut pair, mut taps) = tapping(ENFORCE);
    let long = register_of(2_000);
    for frame in [udp(), udp().v6()] {
        assert!(!incoming(&mut pair, &mut taps, &frame.clone().carrying(&long))[0].tapped().part);
        let [first, rest] = frame.carrying(&long).fragments(7, 1_400).try_into().unwrap();
        pair.judge(&first);
        pair.judge(&rest);
        let taken = drain(&mut taps);
        let [tap] = taken.as_slice() else { panic!("{taken:?}") };
        assert!(tap.tapped().part);
        assert!((1_000..2_000).contains(&tap.tapped().payload.len()));
    }
    let long = || answer("401 Unauthorized") + &"x".repeat(1_500);
    for frame in [sent(udp().carrying(long())), sent_v6(udp().carrying(long()))] {
        assert!(!outgoing(&mut pair, &mut taps, &frame)[0].tapped().part);
        let first = &frame.fragments(7, 1_400)[0];
        pair.filter().test_run_egress(first, 1).unwrap();
        assert!(drain(&mut taps)[0].tapped().part);
    }
}

#[test]
fn what_the_pbx_says_where_nobody_listens_is_counted_and_not_handed_over() {
    let (mut pair, mut taps) = tapping(ENFORCE);
    pair.put("192.0.2.1", KNOWN);
    pair.put("192.0.2.2", TRUSTED);
    let tls = || sent(tcp()).source_port(5061).carrying([0x17, 3, 3, 0, 40]);
    let elsewhere = |payload: String| sent(tcp()).source_port(40_123).carrying(payload);
    for (sentence, frame, hidden) in [
        ("to a stranger", tls(), 1),
        ("over IPv6", sent_v6(tcp()).source_port(5061).carrying([0x17, 3, 3, 0, 40]), 1),
        ("to a known source", tls().to("192.0.2.1:40000"), 1),
        ("to a trusted one", tls().to("192.0.2.2:40000"), 0),
        ("an acknowledgement", sent(tcp().flags(ACK)).source_port(5061), 0),
        ("of no SIP port", tls().source_port(443), 0),
        ("in the clear", sent(tcp()).carrying("x"), 0),
        ("a challenge where the PBX has called", elsewhere(answer("407 No")), 1),
        ("a success there", elsewhere(answer("200 OK")), 0),
        ("something else there", elsewhere("HTTP/1.1 404 Not Found".to_owned()), 0),
        ("UDP", sent(udp()).source_port(5061).carrying(answer("401 Unauthorized")), 0),
    ] {
        let before = pair.filter().tap_losses().unwrap();
        let clear = usize::from(sentence == "in the clear");
        assert_eq!(outgoing(&mut pair, &mut taps, &frame).len(), clear, "{sentence}");
        let expected = TapLosses { hidden: before.hidden + hidden, ..before };
        assert_eq!(pair.filter().tap_losses().unwrap(), expected, "{sentence}");
    }
    pair.filter().set_tapping(None).unwrap();
    let before = pair.filter().tap_losses().unwrap();
    assert_eq!(outgoing(&mut pair, &mut taps, &tls()), []);
    assert_eq!(pair.filter().tap_losses().unwrap(), before, "nobody listens");
}

#[test]
fn a_segment_says_what_its_sender_has_read() {
    let (mut pair, mut taps) = tapping(ENFORCE);
    let acknowledged = |taken: Vec<Tap>| taken[0].tapped().tcp.unwrap().acknowledged;
    for frame in [tcp(), tcp().v6()] {
        pair.open(&frame);
        drain(&mut taps);
        let frame = frame.acknowledging(0x0102_0304).carrying(clean("REGISTER"));
        assert_eq!(acknowledged(incoming(&mut pair, &mut taps, &frame)), Some(0x0102_0304));
    }
    for frame in [sent(tcp()), sent_v6(tcp())] {
        let frame = frame.acknowledging(u32::MAX).carrying(answer("401 Unauthorized"));
        assert_eq!(acknowledged(outgoing(&mut pair, &mut taps, &frame)), Some(u32::MAX));
    }
}

#[test]
fn what_is_lost_and_may_have_been_an_answer_is_counted_as_that() {
    stay_on_one();
    let (mut pair, _taps) = tapping(ENFORCE);
    pair.open(&tcp());
    pair.filter().set_tapping(Some(Tapping { strangers_per_second: 0 })).unwrap();
    for (sentence, frame, foreign) in [
        ("a request", udp().carrying(clean("REGISTER")), 0),
        ("a challenge", udp().carrying(answer("401 Unauthorized")), 1),
        ("a refusal", udp().carrying(answer("404 Not Found")), 1),
        ("one for all", udp().carrying(answer("603 Decline")), 1),
        ("any part of a stream", tcp().carrying("a=sendrecv\r\n"), 1),
        ("a request in one", tcp().carrying(clean("REGISTER")), 1),
        ("a segment of no connection", forged().carrying("a=sendrecv\r\n"), 0),
        ("what is not wanted", udp().carrying(answer("180 Ringing")), 0),
    ] {
        let before = pair.filter().tap_losses().unwrap().foreign;
        pair.judge(&frame.build());
        assert_eq!(pair.filter().tap_losses().unwrap().foreign, before + foreign, "{sentence}");
    }
    assert_eq!(pair.filter().tap_losses().unwrap().answers, 0);
    pair.filter().test_run_egress(&sent(udp().carrying(answer("401 No"))).build(), 1).unwrap();
    let losses = pair.filter().tap_losses().unwrap();
    assert_eq!((losses.answers, losses.foreign), (1, 5));
}

#[test]
fn a_packet_that_leaves_goes_on_wherever_it_is_cut() {
    let (mut pair, mut taps) = tapping(ENFORCE);
    for frame in [
        sent(udp().carrying(answer("401 Unauthorized"))).vlan(0x8100),
        sent_v6(udp().carrying(answer("401 Unauthorized"))).extension(0, 8),
        sent(tcp().carrying("x")),
    ] {
        let frame = frame.build();
        // The kernel takes no frame for a test run that is shorter than an Ethernet and an IP header.
        for length in 14 + 40..frame.len() {
            let (next, _) = pair.filter().test_run_egress(&frame[..length], 1).unwrap();
            assert_eq!(next, NEXT);
        }
    }
    for tap in drain(&mut taps) {
        assert!(tap.tapped().payload.len() <= tap.tapped().length as usize);
    }
}

#[test]
fn both_lanes_are_read_in_the_order_of_time_and_strangers_have_a_budget() {
    stay_on_one();
    let (mut pair, mut taps) = tapping(ENFORCE);
    pair.put("192.0.2.1", KNOWN);
    let known = udp().from("192.0.2.1").carrying(clean("REGISTER")).build();
    let answered = udp().from("203.0.113.1:5060").to("192.0.2.1:40000").carrying(answer("200 OK")).build();
    let stranger = udp().carrying(clean("REGISTER")).build();
    pair.judge(&stranger);
    pair.judge(&known);
    pair.filter().test_run_egress(&answered, 1).unwrap();
    let order: Vec<_> = drain(&mut taps).iter().map(|tap| tap.tapped().remote.ip().to_string()).collect();
    assert_eq!(order, ["198.51.100.7", "192.0.2.1", "192.0.2.1"]);
    pair.judge(&stranger);
    let then = now();
    pair.judge(&known);
    assert_eq!(
        taps.drain(then, usize::MAX, |tap| assert!(tap.tapped().at <= then)),
        1,
        "what came later waits"
    );
    assert_eq!(drain(&mut taps).len(), 1);

    let filter = pair.filter();
    filter.set_tapping(Some(Tapping { strangers_per_second: 5 })).unwrap();
    let begun = Instant::now();
    filter.test_run(&stranger, 100).unwrap();
    // Seconds that may have begun meanwhile, with the first.
    let seconds = begun.elapsed().as_secs() + 2;
    filter.test_run(&known, 100).unwrap();
    let taken = drain(&mut taps);
    let of_known = taken.iter().filter(|tap| tap.tapped().remote.ip().to_string() == "192.0.2.1").count();
    let of_strangers = (taken.len() - of_known) as u64;
    assert_eq!(of_known, 100);
    // Some were taken in this second before.
    assert!(of_strangers <= 5 * seconds, "{of_strangers}");
    let losses = filter.tap_losses().unwrap();
    assert_eq!(losses, TapLosses { strangers: 100 - of_strangers, ..TapLosses::default() });
}

#[test]
fn a_reader_that_does_not_read_loses_packets_and_changes_nothing_else() {
    let (mut pair, mut taps) = tapping(ENFORCE);
    pair.put("192.0.2.1", KNOWN);
    let filter = pair.filter();
    let known = udp().from("192.0.2.1").carrying(clean("REGISTER")).build();
    let stranger = udp().carrying(clean("REGISTER")).build();
    let (action, _) = filter.test_run(&stranger, 20_000).unwrap();
    assert_eq!(action, 2, "it passes as ever");
    let losses = filter.tap_losses().unwrap();
    assert!(losses.strangers > 10_000, "{losses:?}");
    filter.test_run(&known, 1_000).unwrap();
    assert_eq!(filter.tap_losses().unwrap(), TapLosses { known: 0, ..losses }, "strangers crowd out nobody");
    let all = drain(&mut taps);
    let of_known = all.iter().filter(|tap| tap.tapped().remote.ip().to_string() == "192.0.2.1").count();
    assert_eq!((of_known, (all.len() - of_known) as u64 + losses.strangers), (1_000, 20_000));
}

#[test]
fn while_nobody_listens_nothing_is_handed_over() {
    let (mut pair, mut taps) = tapping(ENFORCE);
    pair.filter().set_tapping(None).unwrap();
    assert_eq!(pair.filter().tapping().unwrap(), None);
    assert_eq!(incoming(&mut pair, &mut taps, &udp().carrying(clean("REGISTER"))), []);
    assert_eq!(outgoing(&mut pair, &mut taps, &sent(udp().carrying(answer("401 No")))), []);
    pair.filter().set_tapping(PLENTY).unwrap();
    pair.judge(&udp().carrying(clean("REGISTER")).build());
    let mut later = pair.filter().taps().unwrap();
    assert_eq!(drain(&mut later), [], "a new reader begins anew");
    assert_eq!(pair.filter().tap_losses().unwrap(), TapLosses::default());
}
