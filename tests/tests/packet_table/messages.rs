//! Payloads by what they are: legitimate traffic, scanners, methods, and what is not SIP.

use sipward_testkit::torture::valid_messages;
use sipward_tests::{
    filter_pair::FilterPair,
    frame::{ACK, SYN, tcp, udp},
    message::{OK_TO_OUR_OPTIONS, clean, request, with_body, with_header},
};

use crate::{ENFORCE, Row, both_families};

#[test]
fn what_is_not_for_a_sip_port_is_never_touched() {
    let mut pair = FilterPair::new(ENFORCE);
    let scan = request("OPTIONS", "friendly-scanner");
    both_families(
        &mut pair,
        &[
            Row { case: "RTP", frame: udp().to_port(10_000).carrying([0x80; 172]), reason: "other-port" },
            Row {
                case: "a scanner's message to another port",
                frame: udp().to_port(5062).carrying(&scan),
                reason: "other-port",
            },
            Row { case: "DNS", frame: udp().to_port(53).carrying([0; 40]), reason: "other-port" },
            Row {
                case: "ssh",
                frame: tcp().to_port(22).carrying("SSH-2.0-OpenSSH_9.2"),
                reason: "other-port",
            },
            Row {
                case: "UDP to the TLS port",
                frame: udp().to_port(5061).carrying(&scan),
                reason: "other-port",
            },
            Row {
                case: "from the SIP port, not to it",
                frame: udp().source_port(5060).to_port(40_000).carrying(&scan),
                reason: "other-port",
            },
        ],
    );
    let mut arp = udp().build();
    arp[12..14].copy_from_slice(&[0x08, 0x06]);
    assert_eq!(pair.judge(&arp), "not-ip");
    let mut icmp = udp().carrying(&scan).build();
    icmp[14 + 9] = 1;
    assert_eq!(pair.judge(&icmp), "other-port");
}

#[test]
fn legitimate_traffic_passes() {
    let mut pair = FilterPair::new(ENFORCE);
    let scanner_in_body = with_body("MESSAGE", "User-Agent: friendly-scanner\r\n\r\nsipvicious");
    let scanner_in_sdp =
        with_body("INVITE", "v=0\r\no=friendly-scanner 1 1 IN IP4 192.0.2.1\r\ns=sipvicious\r\n");
    let named = clean("INVITE").replace("Ann O'Neill", "friendly-scanner sipvicious");
    let without_agent = clean("INVITE").replace("User-Agent: Yealink SIP-T46S 66.86.0.15\r\n", "");
    both_families(
        &mut pair,
        &[
            Row { case: "REGISTER", frame: udp().carrying(clean("REGISTER")), reason: "request" },
            Row { case: "INVITE", frame: udp().carrying(clean("INVITE")), reason: "request" },
            Row { case: "ACK", frame: udp().carrying(clean("ACK")), reason: "request" },
            Row { case: "BYE", frame: udp().carrying(clean("BYE")), reason: "request" },
            Row { case: "CANCEL", frame: udp().carrying(clean("CANCEL")), reason: "request" },
            Row { case: "SUBSCRIBE", frame: udp().carrying(clean("SUBSCRIBE")), reason: "request" },
            Row { case: "NOTIFY", frame: udp().carrying(clean("NOTIFY")), reason: "request" },
            Row { case: "MESSAGE", frame: udp().carrying(clean("MESSAGE")), reason: "request" },
            Row { case: "REFER", frame: udp().carrying(clean("REFER")), reason: "request" },
            Row {
                case: "a method of no standard",
                frame: udp().carrying(clean("VENDORX")),
                reason: "request",
            },
            Row { case: "INVITE over TCP", frame: tcp().carrying(clean("INVITE")), reason: "request" },
            Row { case: "two CRLFs", frame: udp().carrying("\r\n\r\n"), reason: "keepalive" },
            Row { case: "one CRLF", frame: udp().carrying("\r\n"), reason: "keepalive" },
            Row { case: "a NUL", frame: udp().carrying([0]), reason: "keepalive" },
            Row { case: "four NULs", frame: udp().carrying([0; 4]), reason: "keepalive" },
            Row { case: "nothing", frame: udp(), reason: "keepalive" },
            Row { case: "two CRLFs over TCP", frame: tcp().carrying("\r\n\r\n"), reason: "keepalive" },
            Row { case: "STUN", frame: udp().carrying(stun()), reason: "keepalive" },
            Row {
                case: "the answer to our OPTIONS",
                frame: udp().carrying(OK_TO_OUR_OPTIONS),
                reason: "response",
            },
            Row { case: "the same over TCP", frame: tcp().carrying(OK_TO_OUR_OPTIONS), reason: "response" },
            Row {
                case: "Allow: OPTIONS",
                frame: udp().carrying(with_header("INVITE", "Allow: OPTIONS, INVITE")),
                reason: "request",
            },
            Row {
                case: "a scanner's name in a body",
                frame: udp().carrying(scanner_in_body),
                reason: "request",
            },
            Row {
                case: "a scanner's name in SDP",
                frame: udp().carrying(&scanner_in_sdp),
                reason: "request",
            },
            Row { case: "the same over TCP", frame: tcp().carrying(&scanner_in_sdp), reason: "request" },
            Row {
                case: "a scanner's name in a display name",
                frame: udp().carrying(named),
                reason: "request",
            },
            Row {
                case: "a scanner's name in Subject",
                frame: udp().carrying(with_header("INVITE", "Subject: sipvicious")),
                reason: "request",
            },
            Row { case: "no User-Agent", frame: udp().carrying(without_agent), reason: "request" },
            Row {
                case: "a phone system with a traitor in its name",
                frame: udp().carrying(request("INVITE", "3CXPhoneSystem")),
                reason: "request",
            },
            Row { case: "a TCP handshake", frame: tcp().flags(SYN), reason: "tcp-control" },
            Row { case: "a TCP acknowledgement", frame: tcp().flags(ACK), reason: "tcp-control" },
            Row {
                case: "the middle of a TCP message",
                frame: tcp().carrying("a=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"),
                reason: "stream",
            },
            Row { case: "a TLS handshake", frame: tcp().to_port(5061).flags(SYN), reason: "tcp-control" },
            Row {
                case: "a TLS record",
                frame: tcp().to_port(5061).carrying([0x17, 3, 3, 0, 40]),
                reason: "stream",
            },
        ],
    );
}

fn stun() -> Vec<u8> {
    [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12]].concat()
}

#[test]
fn scanners_are_dropped_however_they_dress() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    let register = request("REGISTER", "friendly-scanner");
    let scan = |header: &str| udp().carrying(with_header("REGISTER", header));
    let lf_only = register.replace("\r\n", "\n");
    let twice = with_body("INVITE", "v=0\r\n") + &register;
    let behind_response = OK_TO_OUR_OPTIONS.to_owned() + &register;
    const IS: &str = "signature:friendly-scanner";
    both_families(
        &mut pair,
        &[
            Row { case: "plain", frame: udp().carrying(&register), reason: IS },
            Row { case: "over TCP", frame: tcp().carrying(&register), reason: IS },
            Row { case: "in capitals", frame: scan("USER-AGENT: FRIENDLY-SCANNER"), reason: IS },
            Row {
                case: "white space before the colon",
                frame: scan("User-Agent \t : friendly-scanner"),
                reason: IS,
            },
            Row { case: "no space after the colon", frame: scan("User-Agent:friendly-scanner"), reason: IS },
            Row { case: "folded", frame: scan("User-Agent:\r\n friendly-scanner"), reason: IS },
            Row {
                case: "folded with LF and a tab",
                frame: scan("User-Agent:\n\tfriendly-scanner"),
                reason: IS,
            },
            Row {
                case: "in the middle of the value",
                frame: scan("User-Agent: Yealink (friendly-scanner) 1.0"),
                reason: IS,
            },
            Row { case: "lines end with LF", frame: udp().carrying(&lf_only), reason: IS },
            Row { case: "lines end with LF, over TCP", frame: tcp().carrying(&lf_only), reason: IS },
            Row { case: "behind CRLFs", frame: udp().carrying(format!("\r\n\r\n{register}")), reason: IS },
            Row {
                case: "behind CRLFs, over TCP",
                frame: tcp().carrying(format!("\r\n\r\n{register}")),
                reason: IS,
            },
            Row { case: "second in a TCP segment, behind a body", frame: tcp().carrying(twice), reason: IS },
            Row {
                case: "behind a response in a TCP segment",
                frame: tcp().carrying(behind_response),
                reason: IS,
            },
            Row {
                case: "at the very end",
                frame: udp().carrying("REGISTER sip:a SIP/2.0\r\nUser-Agent: friendly-scanner"),
                reason: IS,
            },
            Row { case: "sipvicious", frame: scan("User-Agent: sipvicious"), reason: "signature:sipvicious" },
            Row { case: "SIPScan", frame: scan("User-Agent: SIPScan"), reason: "signature:sipscan" },
            Row { case: "sipcli", frame: scan("User-Agent: sipcli/v1.8"), reason: "signature:sipcli" },
            Row {
                case: "VaxSIPUserAgent",
                frame: scan("User-Agent: VaxSIPUserAgent/3.1"),
                reason: "signature:vaxsipuseragent",
            },
            Row { case: "pplsip", frame: scan("User-Agent: pplsip"), reason: "signature:pplsip" },
            Row { case: "smap, exactly", frame: scan("User-Agent: smap"), reason: "signature:smap" },
            Row { case: "not quite smap", frame: scan("User-Agent: smapper"), reason: "request" },
            Row { case: "a near miss", frame: scan("User-Agent: friendly-scanne"), reason: "request" },
        ],
    );
}

#[test]
fn options_of_strangers_drop() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    let options = clean("OPTIONS");
    const IS: &str = "options-stranger";
    both_families(
        &mut pair,
        &[
            Row { case: "over UDP", frame: udp().carrying(&options), reason: IS },
            Row { case: "over TCP", frame: tcp().carrying(&options), reason: IS },
            Row {
                case: "in small letters",
                frame: udp().carrying(options.replacen("OPTIONS", "options", 1)),
                reason: IS,
            },
            Row { case: "behind CRLFs", frame: udp().carrying(format!("\r\n\r\n\r\n{options}")), reason: IS },
            Row { case: "behind blanks", frame: udp().carrying(format!(" \t{options}")), reason: IS },
            Row {
                case: "a tab behind the method",
                frame: udp().carrying(options.replacen("OPTIONS ", "OPTIONS\t", 1)),
                reason: IS,
            },
            Row {
                case: "second in a TCP segment",
                frame: tcp().carrying(clean("REGISTER") + &options),
                reason: IS,
            },
            Row {
                case: "third, behind CRLFs",
                frame: tcp().carrying(clean("ACK") + &clean("BYE") + "\r\n\r\n" + &options),
                reason: IS,
            },
            Row {
                case: "in a body it is innocent",
                frame: tcp().carrying(with_body("MESSAGE", &options)),
                reason: "request",
            },
            Row {
                case: "behind a hundred CRLFs",
                frame: udp().carrying("\r\n".repeat(100) + &options),
                reason: IS,
            },
            Row {
                case: "the same over TCP",
                frame: tcp().carrying("\r\n".repeat(100) + &options),
                reason: IS,
            },
            Row {
                case: "more blanks than anybody sends",
                frame: udp().carrying("\r\n".repeat(257) + &options),
                reason: "malformed",
            },
            Row {
                case: "in a stream they may be a text",
                frame: tcp().carrying("\r\n".repeat(257) + &options),
                reason: "stream",
            },
            Row {
                case: "behind a message and many CRLFs",
                frame: tcp().carrying(clean("ACK") + &"\r\n".repeat(35) + &options),
                reason: "malformed",
            },
            Row {
                case: "behind STUN in a TCP segment",
                frame: tcp().carrying([&stun(), options.as_bytes()].concat()),
                reason: "stream",
            },
            Row {
                case: "in the SYN of TCP Fast Open",
                frame: tcp().flags(SYN).carrying(&options),
                reason: IS,
            },
        ],
    );
}

#[test]
fn settings_change_what_happens_to_methods() {
    let mut pair =
        FilterPair::unlimited("mode = \"enforce\"\noptions = \"pass\"\nunknown_methods = \"drop\"\n");
    both_families(
        &mut pair,
        &[
            Row { case: "OPTIONS", frame: udp().carrying(clean("OPTIONS")), reason: "request" },
            Row {
                case: "a method of no standard",
                frame: udp().carrying(clean("VENDORX")),
                reason: "method-unknown",
            },
            Row {
                case: "the same over TCP",
                frame: tcp().carrying(clean("VENDORX")),
                reason: "method-unknown",
            },
            Row {
                case: "the same second in a segment",
                frame: tcp().carrying(clean("ACK") + &clean("VENDORX")),
                reason: "method-unknown",
            },
            Row { case: "noise is not a method", frame: udp().carrying([0x81; 40]), reason: "not-sip" },
        ],
    );
}

#[test]
fn a_segment_whose_messages_cannot_be_told_apart_is_refused() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    let two_lengths = with_header("MESSAGE", "Content-Length: 900") + &request("OPTIONS", "friendly-scanner");
    assert_eq!(pair.judge(&tcp().carrying(two_lengths).build()), "malformed");
    let many = tcp().carrying("ACK sip:a S\n\n".repeat(150)).build();
    assert_eq!(pair.judge(&many), "malformed");
}

#[test]
fn the_valid_torture_messages_pass() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    for (name, message) in valid_messages() {
        // One of them is longer than a frame.
        let datagrams = [udp(), udp().v6()].map(|frame| frame.carrying(&message).fragments(1, 1400));
        let segments =
            message.chunks(1400).flat_map(|part| [tcp().carrying(part), tcp().v6().carrying(part)]);
        for frame in datagrams.into_iter().flatten().chain(segments.map(|segment| segment.build())) {
            let reason = pair.judge(&frame);
            let innocent = ["request", "response", "fragment", "stream"].contains(&reason.as_str());
            // OPTIONS is a stranger's however valid.
            let options = reason == "options-stranger" && message.starts_with(b"OPTIONS");
            // It has a NUL in a display name.
            let nul = reason == "form:nul" && name == "intmeth";
            assert!(innocent || options || nul, "{name}: {reason}");
        }
    }
}
