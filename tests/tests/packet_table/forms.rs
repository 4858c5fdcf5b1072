//! Messages, and packet headers, that PBXs read in different ways: for each form its reason, a similar innocent message,
//! the sources that may send it, and its switch.

use sipward_tests::{
    filter_pair::{FilterPair, lift_limits},
    frame::{ACK, Frame, tcp, udp},
    message::{OK_TO_OUR_OPTIONS, clean, request, with_body, with_header},
};
use xdp_prog::abi::kind::{BANNED, KNOWN, TRUSTED};

use super::{ENFORCE, Row, both_families, table, verdicts};

/// A form, a message that has it, and a similar one that has not.
struct Forms {
    form: &'static str,
    odd: Vec<u8>,
    plain: Vec<u8>,
}

/// The same for a start line.
struct StartLines {
    form: &'static str,
    odd: &'static str,
    plain: &'static str,
}

fn forms() -> Vec<Forms> {
    let register = clean("REGISTER");
    let start = |start: &str| register.replacen("REGISTER sip:pbx.example.com SIP/2.0\r\n", start, 1);
    let with = |header: &str| with_header("REGISTER", header).into_bytes();
    let rows = [
        Forms {
            form: "form:line-end",
            odd: with("X: a\rUser-Agent: friendly-scanner"),
            plain: with("X: a\nUser-Agent: Yealink"),
        },
        Forms { form: "form:line-end", odd: with("X: a\r\r\nY: b"), plain: with("X: a\r\n\r\nb\rc\0") },
        Forms { form: "form:line-end", odd: with("X: a\n\rY: b"), plain: with("X: a\r\nY: b") },
        Forms {
            form: "form:line-end",
            odd: register.replace("\r\n", "\r").into(),
            plain: register.replace("\r\n", "\n").into(),
        },
        Forms { form: "form:nul", odd: with("X: a\0b"), plain: with("X: a%00b\\0\u{80}") },
        Forms { form: "form:nul", odd: with("X\0: b"), plain: (register.clone() + "\0").into() },
    ];
    let starts = [
        StartLines {
            form: "form:version",
            odd: "REGISTER sip:pbx SIP / 2.0\r\n",
            plain: "REGISTER  sip:pbx \t sip/2.0 \r\n",
        },
        StartLines {
            form: "form:version",
            odd: "REGISTER sip:pbx SIP/2.0x\r\n",
            plain: "REGISTER sip:pbx;x=SIP/2.0x SIP/2.0\r\n",
        },
        StartLines {
            form: "form:version",
            odd: "REGISTER sip:192.0.2.1:5060SIP/2.0\r\n",
            plain: "REGISTER sip:192.0.2.1:5060 SIP/2.0\r\n",
        },
        StartLines {
            form: "form:version",
            odd: "SIP/X sip:600@pbx SIP/2.0\r\n",
            plain: "SIPX sip:600@pbx SIP/2.0\r\n",
        },
        StartLines {
            form: "form:start-line",
            odd: "SIP\x0f2.0 sip:600@pbx SIP/2.0\r\n",
            plain: "SIP-2.0 sip:600@pbx SIP/2.0\r\n",
        },
        StartLines {
            form: "form:start-line",
            odd: "REGISTER\r\n sip:pbx SIP/2.0\r\n",
            plain: "REGISTER sip:pbx SIP/2.0\r\n",
        },
        StartLines {
            form: "form:start-line",
            odd: "REGISTER sip:pbx\r\n\tSIP/2.0\r\n",
            plain: "REGISTER sip:pbx SIP/2.0\n",
        },
        StartLines {
            form: "form:start-line",
            odd: "REGISTER<sip:pbx> SIP/2.0\r\n",
            plain: "REGISTER <sip:pbx> SIP/2.0\r\n",
        },
        StartLines {
            form: "form:start-line",
            odd: "RE@GISTER sip:pbx SIP/2.0\r\n",
            plain: "RE!GISTER sip:pbx SIP/2.0\r\n",
        },
        StartLines {
            form: "form:blank-line",
            odd: "REGISTER sip:pbx SIP/2.0\r\n \r\n",
            plain: "REGISTER sip:pbx SIP/2.0\r\nX: y\r\n \r\n",
        },
    ];
    let starts = starts.into_iter().map(|StartLines { form, odd, plain }| Forms {
        form,
        odd: start(odd).into(),
        plain: start(plain).into(),
    });
    rows.into_iter().chain(starts).collect()
}

#[test]
fn each_form_of_a_stranger_drops_and_its_neighbour_passes() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    for Forms { form, odd, plain } in forms() {
        let name = odd.escape_ascii().to_string();
        let neighbour = plain.escape_ascii().to_string();
        both_families(
            &mut pair,
            &[
                Row { case: &name, frame: udp().carrying(&odd), reason: form },
                Row { case: &name, frame: udp().carrying([b"\r\n\r\n", &odd[..]].concat()), reason: form },
                Row { case: &neighbour, frame: udp().carrying(&plain), reason: "request" },
                Row {
                    case: &neighbour,
                    frame: udp().carrying([b"\r\n\r\n", &plain[..]].concat()),
                    reason: "request",
                },
            ],
        );
    }
}

#[test]
fn who_is_known_may_write_what_hides_nothing_and_who_is_trusted_anything() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    pair.put("192.0.2.1", KNOWN);
    pair.put("192.0.2.2", TRUSTED);
    pair.put("192.0.2.3", BANNED);
    for Forms { form, odd, .. } in forms() {
        let odd = String::from_utf8(odd).unwrap().replace("friendly-scanner", "Yealink");
        let reasons = ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
            .map(|from| pair.judge(&udp().from(from).carrying(&odd).build()));
        let hides = ["form:line-end", "form:nul"].contains(&form);
        let known = if hides { vec![form] } else { vec!["request", "not-sip"] };
        assert!(known.contains(&reasons[0].as_str()), "{odd:?}: {}", reasons[0]);
        assert_eq!(reasons[1..], ["trusted", "ban"], "{odd:?}");
    }
}

#[test]
fn each_form_has_a_switch() {
    for Forms { form, odd, .. } in forms() {
        let key = form.trim_start_matches("form:").replace('-', "_");
        let mut pair = FilterPair::adjusted(&format!("{ENFORCE}[forms]\n{key} = \"pass\"\n"), lift_limits);
        let reason = pair.judge(&udp().carrying(&odd).build());
        // Another form of the same message may be there as well, or what it hid from others.
        assert_ne!(reason, form);
    }
    let odd = request("REGISTER", "friendly-scanner").replace("SIP/2.0\r\nVia", "SIP / 2.0\r\nVia");
    let mut pair = FilterPair::unlimited("mode = \"enforce\"\n[forms]\nversion = \"pass\"\n");
    let reason = pair.judge(&udp().carrying(odd).build());
    assert_eq!(reason, "signature:friendly-scanner", "names are found behind a form that passes");
}

#[test]
fn in_a_stream_only_what_begins_a_message_is_looked_at() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    let bare = with_header("REGISTER", "X: a\rAuthorization: Digest x");
    let behind = with_body("INVITE", "a\rb") + &bare;
    table(
        &mut pair,
        &[
            Row { case: "a CR in the header", frame: tcp().carrying(&bare), reason: "form:line-end" },
            Row { case: "in a later message", frame: tcp().carrying(behind), reason: "form:line-end" },
            Row {
                case: "behind a response",
                frame: tcp().carrying(String::from(OK_TO_OUR_OPTIONS) + &bare),
                reason: "form:line-end",
            },
            Row {
                case: "in a body",
                frame: tcp().carrying(with_body("INVITE", "a\rb\0c")),
                reason: "request",
            },
            Row {
                case: "a version",
                frame: tcp().carrying(clean("REGISTER").replacen("2.0", "2.0x", 1)),
                reason: "form:version",
            },
            Row {
                case: "the middle of a header",
                frame: tcp().carrying("Digest a=\"b\",\r\n c=\"d\"\r\nX: a\rb\r\n"),
                reason: "request",
            },
            Row { case: "the middle of a body", frame: tcp().carrying("a=x\r\n b\rc\0"), reason: "stream" },
            Row {
                case: "a part of a start line",
                frame: tcp().carrying("sip:pbx.example.com SIP/2.0x\r\n"),
                reason: "stream",
            },
            Row { case: "TLS", frame: tcp().to_port(5061).carrying(&bare), reason: "stream" },
        ],
    );
}

#[test]
fn what_is_no_message_is_no_form() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    both_families(
        &mut pair,
        &[
            Row {
                case: "noise",
                frame: udp().carrying([0x81, 0, 0x0d, 0x0d, 0, 0x0a, 0x20, 0x0d].repeat(9)),
                reason: "not-sip",
            },
            Row { case: "CRs that keep a NAT open", frame: udp().carrying("\r\r\r\r"), reason: "keepalive" },
            Row { case: "NULs that do", frame: udp().carrying([0; 8]), reason: "keepalive" },
            Row {
                case: "an answer",
                frame: udp().carrying("SIP/2.0 200 OK\r\nX: a\rb\0\r\n\r\n"),
                reason: "response",
            },
            Row {
                case: "a binary body",
                frame: udp().carrying(with_body("MESSAGE", "\0\r\0\rSIP/2.0\r\n\0")),
                reason: "request",
            },
            Row {
                case: "HTTP",
                frame: udp().carrying("GET / HTTP/1.1\r\nHost: pbx.example.com\r\n\r\n"),
                reason: "request",
            },
        ],
    );
}

/// An IPv6 packet's first fragment: two headers of options belong to what is fragmented, and `kept` bytes of that to
/// this fragment.
fn first_fragment(frame: &Frame, kept: usize) -> Vec<u8> {
    let mut bytes = frame.clone().extension(44, 8).extension(60, 8).extension(60, 8).build();
    bytes[54 + 3] = 1;
    bytes[54 + 4..54 + 8].copy_from_slice(&[0, 0, 0, 9]);
    bytes.truncate(54 + 8 + kept);
    let length = u16::try_from(8 + kept).unwrap();
    bytes[18..20].copy_from_slice(&length.to_be_bytes());
    bytes
}

#[test]
fn headers_that_hide_the_port_drop_of_all_but_the_trusted() {
    const IS: &str = "form:ip-chain";
    let mut pair = FilterPair::unlimited(ENFORCE);
    pair.put("2001:db8:1::1", KNOWN);
    pair.put("2001:db8:1::2", TRUSTED);
    pair.put("2001:db8:1::3", BANNED);
    pair.put("2001:db8:5::/48", BANNED);
    let from = |address: &str| udp().from(address).carrying(clean("INVITE"));
    for (kept, stranger) in
        [(0, IS), (8, IS), (12, IS), (16, IS), (23, IS), (24, "fragment-tiny"), (160, "request")]
    {
        let fragment = |address: &str| first_fragment(&from(address), kept);
        assert_eq!(pair.judge(&fragment("2001:db8:2::1")), stranger, "{kept} bytes");
        if stranger == IS {
            assert_eq!(pair.judge(&fragment("2001:db8:1::1")), IS);
            assert_eq!(pair.judge(&fragment("2001:db8:1::2")), "bad-ip");
            assert_eq!(pair.judge(&fragment("2001:db8:1::3")), "ban");
            assert_eq!(pair.judge(&fragment("2001:db8:5::3")), "ban-prefix");
        }
        // Bytes of the frame behind the packet are not part of it.
        let padded = [fragment("2001:db8:3::1"), vec![17; 64]].concat();
        assert_eq!(pair.judge(&padded), stranger, "{kept} bytes, padded");
    }
    let many = |count| (0..count).fold(from("2001:db8:4::1"), |frame, _| frame.extension(60, 8)).build();
    assert_eq!(pair.judge(&many(100)), "request");
    assert_eq!(pair.judge(&many(193)), IS);
    let tags = |frame: Frame, count| (0..count).fold(frame, |frame, _| frame.vlan(0x8100)).build();
    assert_eq!(pair.judge(&tags(udp().carrying(clean("INVITE")), 4)), "request");
    assert_eq!(pair.judge(&tags(udp().carrying(clean("INVITE")), 5)), IS);
    assert_eq!(pair.judge(&tags(udp().to_port(80), 9)), IS, "whatever its port is");
    let whole = from("2001:db8:6::1").extension(60, 8).build();
    assert_eq!(pair.judge(&whole[..60]), "bad-ip", "not a fragment, but cut");
}

#[test]
fn headers_that_hide_the_port_have_their_switch_and_the_lock_down() {
    let hidden = first_fragment(&udp().v6().carrying(clean("INVITE")), 8);
    let mut passing = FilterPair::unlimited("mode = \"enforce\"\n[forms]\nip_chain = \"pass\"\n");
    passing.put("2001:db8:1::3", BANNED);
    assert_eq!(passing.judge(&hidden), "bad-ip");
    let banned = first_fragment(&udp().from("2001:db8:1::3").carrying(clean("INVITE")), 8);
    assert_eq!(passing.judge(&banned), "ban");
    let mut locked =
        FilterPair::new("mode = \"enforce\"\ntrusted_only = true\ntrusted = [\"2001:db8:9::/48\"]\n");
    locked.put("2001:db8:7::7", KNOWN);
    assert_eq!(locked.judge(&hidden), "trusted-only", "even if it is known");
    let mut monitored = FilterPair::new("mode = \"monitor\"\n");
    assert_eq!(monitored.judge(&hidden), "form:ip-chain", "and it passes");
}

#[test]
fn an_ipv6_packet_in_two_such_fragments_is_not_put_together() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    let whole = udp().v6().carrying(request("OPTIONS", "friendly-scanner"));
    let first = first_fragment(&whole, 8);
    let rest = {
        let mut bytes = whole.clone().extension(44, 8).extension(60, 8).build();
        bytes[54 + 3] = 8;
        bytes[54 + 4..54 + 8].copy_from_slice(&[0, 0, 0, 9]);
        bytes
    };
    // The rest alone is nothing for any stack.
    assert_eq!(verdicts(&mut pair, &[first, rest])[0], "form:ip-chain");
}

/// The stack takes a byte of urgent data out of the text, and puts the fragments of a segment together.
#[test]
fn tcp_hides_nothing_below_its_text() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    pair.put("192.0.2.9", KNOWN);
    pair.put("192.0.2.10", TRUSTED);
    let message = with_header("REGISTER", &format!("X: {}", "x".repeat(300)));
    const URG: u8 = 0x20;
    for from in ["198.51.100.7", "2001:db8:9::7", "192.0.2.9"] {
        let frame = tcp().from(from).carrying(&message);
        pair.open(&frame);
        assert_eq!(pair.judge(&frame.clone().flags(ACK | URG).build()), "form:tcp");
        let mut fragments = frame.clone().fragments(77, 240);
        assert_eq!(verdicts(&mut pair, &fragments)[0], "form:tcp");
        fragments.reverse();
        assert_eq!(verdicts(&mut pair, &fragments).last().unwrap(), "form:tcp", "in whichever order");
        assert_eq!(pair.judge(&frame.build()), "request", "as it should be");
    }
    let trusted = tcp().from("192.0.2.10").carrying(&message);
    assert_eq!(pair.judge(&trusted.clone().flags(ACK | URG).build()), "trusted");
    let tls = tcp().to_port(5061).carrying([0x17, 3, 3, 0, 40]);
    assert_eq!(pair.judge(&tls.flags(ACK | URG).build()), "stream", "nobody reads it anyway");
    let mut passing = FilterPair::unlimited("mode = \"enforce\"\n[forms]\ntcp = \"pass\"\n");
    assert_eq!(passing.judge(&tcp().carrying(&message).flags(ACK | URG).build()), "request");
}

/// The bytes that make a form, and whatever stands around them: the same in one segment or fragment and in several.
#[test]
fn a_form_is_seen_wherever_its_message_is_cut() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    pair.put("192.0.2.9", KNOWN);
    let odd = with_header("REGISTER", "X: a\rAuthorization: Digest username=\"201\"");
    let plain = odd.replace("a\rA", "a\r\nA");
    let body = with_body("MESSAGE", &format!("one\rtwo\0 and {}", "x".repeat(100)));
    let unknown = odd.replacen("REGISTER", "FOO", 1).replace("\r\n", "\r") + &clean("REGISTER");
    let mark = odd.find('\r').unwrap();
    let inside = odd.find("a\rA").unwrap();
    for (n, cuts) in
        [&[3][..], &[11], &[mark], &[mark + 1], &[inside], &[inside + 1], &[inside + 2], &[9, inside + 2]]
            .into_iter()
            .enumerate()
    {
        for from in [format!("198.51.100.{}:40000", 1 + n), format!("192.0.2.9:{}", 40_000 + n)] {
            let frame = tcp().from(&from);
            pair.open(&frame);
            let found = verdicts(&mut pair, &frame.carrying(&odd).segments(cuts));
            assert!(found.iter().any(|verdict| verdict == "form:line-end"), "{from} {cuts:?}: {found:?}");
        }
        for (m, message) in [&plain, &body].into_iter().enumerate() {
            let frame = tcp().from(&format!("203.0.113.{}:{}", 1 + n, 40_000 + m));
            pair.open(&frame);
            let found = verdicts(&mut pair, &frame.carrying(message).segments(cuts));
            let passes = |verdict: &String| verdict == "request" || verdict == "stream";
            assert!(found.iter().all(passes), "{cuts:?}: {found:?}");
        }
        let frame = tcp().from(&format!("203.0.113.{}:50000", 101 + n));
        pair.open(&frame);
        let found = verdicts(&mut pair, &frame.carrying(&unknown).segments(cuts));
        assert!(found.iter().any(|verdict| verdict == "form:line-end"), "{cuts:?}: {found:?}");
    }
    let padded = |text: &str| text.replacen("X: a", &format!("X: {}", "a".repeat(200)), 1);
    for (n, family) in [Frame::v4, Frame::v6].into_iter().enumerate() {
        for (text, is_odd) in [(padded(&odd), true), (padded(&plain), false), (body.clone(), false)] {
            let fragments =
                family(udp()).carrying(&text).fragments(40 + 2 * n as u32 + u32::from(is_odd), 208);
            let found = verdicts(&mut pair, &fragments);
            assert_eq!(found.iter().any(|verdict| verdict == "form:line-end"), is_odd, "{found:?}");
            let last = found.last().unwrap();
            assert_eq!(last == "fragment-rest" || last == "form:line-end", is_odd, "{found:?}");
        }
    }
}
