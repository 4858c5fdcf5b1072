//! Verdicts on packets under the default policy.

use sipward_testkit::frame::{other, udp};

use super::{filter, frames::*, reason};
use sipward_types::time::KernelTime;

const STRANGER_OPTIONS: &str = "options-stranger";

#[test]
fn a_packet_is_judged_by_what_it_is() {
    let lead = |blanks: &str, method| [blanks.as_bytes(), &request(method)].concat();
    let response = b"SIP/2.0 200 OK\r\nCSeq: 1 OPTIONS\r\nAllow: INVITE, OPTIONS\r\n\r\n";
    for (what, packet, expected) in [
        ("OPTIONS", datagram(PHONE, PBX, &request("OPTIONS")), STRANGER_OPTIONS),
        ("OPTIONS in lower case", datagram(PHONE, PBX, &request("options")), STRANGER_OPTIONS),
        ("OPTIONS behind empty lines", datagram(PHONE, PBX, &lead("\r\n\r\n", "OPTIONS")), STRANGER_OPTIONS),
        ("OPTIONS over IPv6", datagram(PHONE6, PBX6, &request("OPTIONS")), STRANGER_OPTIONS),
        ("OPTIONS over TCP", segment(PHONE, PBX, ACK, &request("OPTIONS")), STRANGER_OPTIONS),
        ("REGISTER", datagram(PHONE, PBX, &request("REGISTER")), "request"),
        ("INVITE over TCP", segment(PHONE, PBX, ACK, &request("INVITE")), "request"),
        ("a method of no standard", datagram(PHONE, PBX, &request("NEWMETHOD")), "request"),
        ("a response", datagram(PHONE, PBX, response), "response"),
        ("a keepalive", datagram(PHONE, PBX, b"\r\n\r\n"), "keepalive"),
        ("an empty datagram", datagram(PHONE, PBX, b""), "keepalive"),
        ("noise", datagram(PHONE, PBX, b"\x80\x08 some RTP that went astray"), "not-sip"),
        ("a connection", segment(PHONE, PBX, SYN, b""), "tcp-control"),
        ("an acknowledgement", segment(PHONE, PBX, ACK, b""), "tcp-control"),
        ("the middle of a message", segment(PHONE, PBX, ACK, b"a=rtpmap:0 PCMU/8000\r\n"), "stream"),
        ("TLS", segment(PHONE, "198.51.100.1:5061", ACK, &request("OPTIONS")), "stream"),
        ("OPTIONS to another port", datagram(PHONE, "198.51.100.1:5062", &request("OPTIONS")), "other-port"),
        ("a request from port 5060 to another", datagram(PBX, PHONE, &request("OPTIONS")), "other-port"),
        ("ICMP", ip(PHONE, PBX, 1, &[8; 64]), "other-port"),
    ] {
        let memory = filter("");
        assert_eq!(reason(&memory, &ethernet(&packet)), expected, "{what}");
        assert_eq!(reason(&memory, &tagged(&[0x8100], &packet)), expected, "{what}, in a VLAN");
        assert_eq!(reason(&memory, &tagged(&[0x88a8, 0x8100], &packet)), expected, "{what}, in two VLANs");
        assert_eq!(reason(&memory, &tagged(&[0x8100; 4], &packet)), expected, "{what}, in four VLANs");
        assert_eq!(reason(&memory, &tagged(&[0x8100; 5], &packet)), "form:ip-chain", "{what}, in five VLANs");
    }
}

#[test]
fn the_headers_are_told_as_they_are() {
    let memory = filter("");
    let (_, packet) = memory.judge(&ethernet(&datagram(PHONE6, PBX6, &request("INVITE"))));
    assert_eq!(sipward_types::address::from_key(packet.source).to_string(), "2001:db8:1:2::9");
    assert_eq!(sipward_types::address::from_key(packet.destination).to_string(), "2001:db8:ff::1");
    assert_eq!((packet.source_port, packet.destination_port), (5070, 5060));
}

#[test]
fn the_longest_prefix_decides_and_an_address_comes_before_all() {
    let memory = filter(
        "trusted = [\"10.1.0.0/16\", \"10.2.2.2\", \"2001:db8:1::/48\"]
         banned = [\"10.0.0.0/8\", \"192.0.2.9\", \"2001:db8::/32\"]",
    );
    for (from, expected) in [
        ("10.9.9.9:5060", "ban-prefix"),
        ("10.1.2.3:5060", "trusted"),
        ("10.2.2.2:5060", "trusted"),
        ("10.2.2.3:5060", "ban-prefix"),
        ("192.0.2.9:5060", "ban"),
        ("192.0.2.10:5060", "request"),
    ] {
        assert_eq!(reason(&memory, &ethernet(&datagram(from, PBX, &request("INVITE")))), expected, "{from}");
    }
    for (from, expected) in [
        ("[2001:db8:2::1]:5060", "ban-prefix"),
        ("[2001:db8:1::1]:5060", "trusted"),
        ("[2001:db9::1]:5060", "request"),
    ] {
        assert_eq!(reason(&memory, &ethernet(&datagram(from, PBX6, &request("INVITE")))), expected, "{from}");
    }
}

#[test]
fn only_the_trusted_pass_a_lock_down() {
    let memory = filter("trusted = [\"192.0.2.9\"]\ntrusted_only = true");
    assert_eq!(reason(&memory, &ethernet(&datagram(PHONE, PBX, &request("INVITE")))), "trusted");
    let stranger = "192.0.2.10:5060";
    assert_eq!(reason(&memory, &ethernet(&datagram(stranger, PBX, &request("INVITE")))), "trusted-only");
    assert_eq!(reason(&memory, &ethernet(&datagram(stranger, "198.51.100.1:53", b"dns"))), "other-port");
}

#[test]
fn a_later_fragment_follows_the_first_one() {
    let long = |method| [request(method), vec![b'x'; 2000]].concat();
    for (method, first, later) in
        [("OPTIONS", STRANGER_OPTIONS, "fragment-rest"), ("INVITE", "request", "fragment")]
    {
        let memory = filter("");
        let parts = fragments(PHONE, &long(method), 1024);
        let reasons: Vec<&str> = parts.iter().map(|part| reason(&memory, part)).collect();
        assert_eq!(reasons, [first, later, later], "{method}");
    }
}

#[test]
fn the_same_over_ipv6() {
    let memory = filter("");
    let whole = udp().from(PHONE6).to(PBX6).carrying(request("OPTIONS")).claiming_udp_length(2008);
    let later = other(UDP).from(PHONE6).to(PBX6).carrying([b'x'; 900]);
    assert_eq!(reason(&memory, &whole.fragment(99, 0, true).build()), STRANGER_OPTIONS);
    assert_eq!(reason(&memory, &later.clone().fragment(99, 1024, false).build()), "fragment-rest");
    assert_eq!(reason(&memory, &later.fragment(98, 1024, false).build()), "fragment");
}

#[test]
fn a_dropped_fragment_is_forgotten_in_time_and_by_a_first_one_that_passes() {
    let parts = |method| fragments(PHONE, &[request(method), vec![b'x'; 900]].concat(), 800);
    let (dropped, passed) = (parts("OPTIONS"), parts("INVITE"));
    let memory = filter("");
    memory.set_now(KernelTime::from_nanos(1_000_000_000));
    assert_eq!(reason(&memory, &dropped[0]), STRANGER_OPTIONS);
    memory.set_now(KernelTime::from_nanos(2_900_000_000));
    assert_eq!(reason(&memory, &dropped[1]), "fragment-rest");
    memory.set_now(KernelTime::from_nanos(3_000_000_000));
    assert_eq!(reason(&memory, &dropped[1]), "fragment");
    // The same id again, this time from somebody who forged it before the real one came.
    assert_eq!(reason(&memory, &dropped[0]), STRANGER_OPTIONS);
    assert_eq!(reason(&memory, &passed[0]), "request");
    assert_eq!(reason(&memory, &passed[1]), "fragment");
}

#[test]
fn monitor_mode_counts_apart_and_lets_pass() {
    use xdp_prog::reason::{Action, Reason};
    let frame = ethernet(&datagram(PHONE, PBX, &request("OPTIONS")));
    for (mode, action, index) in [
        ("enforce", Action::Drop, Reason::OptionsStranger as usize),
        ("monitor", Action::Pass, Reason::OptionsStranger as usize + Reason::COUNT),
    ] {
        let memory = filter(&format!("mode = \"{mode}\""));
        assert_eq!(memory.judge(&frame).0.action(), action, "{mode}");
        let counters = memory.counters();
        assert_eq!((counters[index].packets, counters[index].bytes), (1, frame.len() as u64), "{mode}");
        assert_eq!(counters.iter().map(|counter| counter.packets).sum::<u64>(), 1, "{mode}");
    }
}
