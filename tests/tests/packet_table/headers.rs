//! Everything below SIP: VLAN tags, extension headers, fragments, lengths that are wrong.

use sipward_tests::{
    filter_pair::FilterPair,
    frame::{Frame, tcp, udp},
    message::{clean, request, with_header},
};

use crate::{ENFORCE, Row, both_families, table, verdicts};

#[test]
fn headers_below_sip_are_followed() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    let options = udp().carrying(clean("OPTIONS"));
    let v6 = || options.clone().v6();
    const IS: &str = "options-stranger";
    both_families(
        &mut pair,
        &[
            Row { case: "one VLAN tag", frame: options.clone().vlan(0x8100), reason: IS },
            Row { case: "two VLAN tags", frame: options.clone().vlan(0x88a8).vlan(0x8100), reason: IS },
            Row {
                case: "four VLAN tags",
                frame: (0..4).fold(options.clone(), |frame, _| frame.vlan(0x8100)),
                reason: IS,
            },
            Row {
                case: "five VLAN tags hide what is behind them",
                frame: (0..5).fold(options.clone(), |frame, _| frame.vlan(0x8100)),
                reason: "form:ip-chain",
            },
        ],
    );
    table(
        &mut pair,
        &[
            Row { case: "IPv4 options", frame: options.clone().ip_options(3), reason: IS },
            Row { case: "all IPv4 options", frame: options.clone().ip_options(10), reason: IS },
            Row { case: "hop-by-hop options", frame: v6().extension(0, 8), reason: IS },
            Row {
                case: "hop-by-hop and destination options",
                frame: v6().extension(0, 16).extension(60, 24),
                reason: IS,
            },
            Row { case: "a routing header", frame: v6().extension(43, 24), reason: IS },
            Row { case: "an authentication header", frame: v6().extension(51, 24), reason: IS },
            Row { case: "fifty extension headers", frame: fifty(v6()), reason: IS },
            Row {
                case: "a length of zero behind hop-by-hop options",
                frame: v6().extension(0, 8).claiming_no_length(),
                reason: IS,
            },
        ],
    );
}

fn fifty(frame: Frame) -> Frame {
    (0..50).fold(frame, |frame, _| frame.extension(60, 8))
}

#[test]
fn fragments_follow_their_first_one() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    let long = |method, agent| {
        with_header(method, &format!("User-Agent: {agent}\r\nX-Filler: {}", "f".repeat(1600)))
    };
    for family in [Frame::v4 as fn(Frame) -> Frame, Frame::v6] {
        let invite = family(udp()).carrying(long("INVITE", "Yealink")).fragments(1, 1400);
        assert_eq!(invite.len(), 2);
        assert_eq!(verdicts(&mut pair, &invite), ["request", "fragment"], "a legitimate long INVITE");
        let scan = family(udp()).carrying(long("INVITE", "friendly-scanner")).fragments(2, 1400);
        assert_eq!(verdicts(&mut pair, &scan), ["signature:friendly-scanner", "fragment-rest"]);
        let other = family(udp()).carrying(long("INVITE", "Yealink")).fragments(3, 1400);
        assert_eq!(verdicts(&mut pair, &other), ["request", "fragment"], "the dropped one has another id");
        let again = family(udp()).carrying(long("INVITE", "Yealink")).fragments(2, 1400);
        assert_eq!(verdicts(&mut pair, &again), ["request", "fragment"], "a real one after a forged one");
        let elsewhere = family(udp()).to_port(10_000).carrying([0; 2000]).fragments(4, 1400);
        assert_eq!(verdicts(&mut pair, &elsewhere), ["other-port", "fragment"]);
        let tiny = family(udp()).carrying(long("INVITE", "friendly-scanner")).fragments(5, 64);
        assert_eq!(
            verdicts(&mut pair, &tiny[..2]),
            ["fragment-tiny", "fragment"],
            "it cannot become a packet"
        );
        let lonely = family(udp()).carrying(long("INVITE", "Yealink")).fragments(6, 1400);
        assert_eq!(verdicts(&mut pair, &lonely[1..]), ["fragment"], "never dropped blindly");
    }
    let cut = tcp().carrying(clean("INVITE")).fragments(7, 8);
    assert_eq!(verdicts(&mut pair, &cut[..2]), ["fragment-tiny", "fragment"], "cut in the TCP header");
    let real = udp().carrying(long("INVITE", "Yealink")).fragments(8, 1400);
    let forged = udp().carrying(long("INVITE", "friendly-scanner")).fragments(8, 64);
    let mixed = [real[0].clone(), forged[0].clone(), real[1].clone()];
    assert_eq!(
        verdicts(&mut pair, &mixed),
        ["request", "fragment-tiny", "fragment"],
        "a forged one in between"
    );
    let atomic = udp().v6().extension(44, 8).carrying(clean("INVITE")).build();
    assert_eq!(pair.judge(&atomic), "request", "an atomic fragment is a whole packet");
}

#[test]
fn malformed_headers_have_a_verdict() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    let options = udp().carrying(clean("OPTIONS"));
    table(
        &mut pair,
        &[
            Row {
                case: "a UDP length below its header",
                frame: options.clone().claiming_udp_length(7),
                reason: "malformed",
            },
            Row {
                case: "a UDP length of nothing",
                frame: options.clone().claiming_udp_length(0),
                reason: "malformed",
            },
            Row {
                case: "a UDP length beyond the packet",
                frame: options.clone().claiming_udp_length(u16::MAX),
                reason: "malformed",
            },
            Row {
                case: "a UDP length that hides the message",
                frame: options.clone().claiming_udp_length(8),
                reason: "keepalive",
            },
            Row {
                case: "to another port it is not ours",
                frame: options.clone().claiming_udp_length(0).to_port(53),
                reason: "other-port",
            },
        ],
    );
    let broken = |change: fn(&mut Vec<u8>)| {
        let mut frame = udp().carrying(clean("OPTIONS")).build();
        change(&mut frame);
        frame
    };
    for (sentence, frame) in [
        ("IHL 4", broken(|frame| frame[14] = 0x44)),
        ("IHL 0", broken(|frame| frame[14] = 0x40)),
        ("version 5", broken(|frame| frame[14] = 0x55)),
        ("a total length below the header", broken(|frame| (frame[16], frame[17]) = (0, 19))),
        ("a total length beyond the frame", broken(|frame| frame[16] = 0xff)),
        ("an IHL beyond the packet", broken(|frame| (frame[14], frame[16], frame[17]) = (0x4f, 0, 40))),
    ] {
        assert_eq!(pair.judge(&frame), "bad-ip", "{sentence}");
    }
    let mapped = udp().from("[::ffff:192.0.2.1]:5060").carrying(clean("INVITE")).build();
    assert_eq!(pair.judge(&mapped), "bad-ip", "an IPv4 address that sends IPv6");
    let mut segment = tcp().carrying(clean("OPTIONS")).build();
    segment[14 + 20 + 12] = 4 << 4;
    assert_eq!(pair.judge(&segment), "malformed", "a TCP header of sixteen bytes");
    let mut segment = tcp().carrying("x").build();
    segment[14 + 20 + 12] = 15 << 4;
    assert_eq!(pair.judge(&segment), "malformed", "a TCP header beyond the segment");
}

#[test]
fn a_packet_cut_anywhere_has_a_verdict() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    let message = request("REGISTER", "friendly-scanner");
    for frame in [
        udp().carrying(&message),
        udp().carrying(&message).v6().extension(0, 8).extension(60, 16),
        udp().carrying(&message).vlan(0x88a8).vlan(0x8100).ip_options(4),
        tcp().carrying(&message),
        tcp().carrying(&message).v6(),
    ] {
        let frame = frame.build();
        // The kernel takes no frame shorter than an Ethernet header for a test run.
        for length in 14..frame.len() {
            pair.judge(&frame[..length]);
        }
    }
}
