//! Messages that come in several segments of a connection, or in several fragments.

use sipward_tests::{
    filter_pair::FilterPair,
    frame::{ACK, Frame, SYN, tcp, udp},
    message::{clean, request, with_body, with_header},
};
use sipward_types::flow::{Flow, Transport};
use sipward_types::time::KernelTime;
use xdp_prog::abi::kind::KNOWN;

use crate::{ENFORCE, verdicts};

const SCANNER: &str = "signature:friendly-scanner";
const WITH_PASSWORD: &str =
    "Authorization: Digest username=\"201\", realm=\"pbx\", nonce=\"n\", response=\"0\"";

/// Each over a connection of its own, which both open first.
fn opened(pair: &mut FilterPair, host: usize, message: &str) -> [Frame; 2] {
    let host = 1 + host % 250;
    let frames = [tcp().from(&format!("198.51.100.{host}")), tcp().from(&format!("2001:db8:{host:x}::7"))];
    frames.map(|frame| {
        pair.open(&frame);
        frame.carrying(message)
    })
}

#[test]
fn a_signature_is_found_wherever_a_stream_is_cut() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    let scan = request("REGISTER", "friendly-scanner");
    let behind = clean("REGISTER") + &scan;
    let mark = scan.find("friendly").unwrap();
    for (sentence, message, cuts) in [
        ("in the method", &scan, &[3][..]),
        ("behind it", &scan, &[11]),
        ("in the name of the header", &scan, &[mark - 8]),
        ("before the value", &scan, &[mark]),
        ("in the value", &scan, &[mark + 4]),
        ("twice", &scan, &[mark - 3, mark + 9]),
        ("in the second message", &behind, &[behind.len() - scan.len() + 5, behind.len() - 40]),
    ] {
        for (host, frame) in opened(&mut pair, mark + cuts[0] + cuts.len(), message).iter().enumerate() {
            let found = verdicts(&mut pair, &frame.segments(cuts));
            assert!(found.iter().any(|verdict| verdict == SCANNER), "{sentence} {host}: {found:?}");
            let marked = found.iter().position(|verdict| verdict == SCANNER).unwrap();
            // It is repeated, because it was not acknowledged.
            let again = &frame.segments(cuts)[marked];
            assert_eq!(pair.judge(again), SCANNER, "{sentence}");
        }
        for frame in opened(&mut pair, 200 + cuts[0], &message.replace("friendly-scanner", "Yealink")) {
            let passed = verdicts(&mut pair, &frame.segments(cuts));
            assert!(passed.iter().all(|verdict| verdict == "request" || verdict == "stream"), "{passed:?}");
        }
    }
}

#[test]
fn byte_by_byte_the_same_is_found() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    let scan = with_body("INVITE", "v=0\r\n") + &request("REGISTER", "friendly-scanner");
    let [frame, _] = opened(&mut pair, 1, &scan);
    let cuts: Vec<usize> = (1..scan.len()).collect();
    let found = verdicts(&mut pair, &frame.segments(&cuts));
    assert!(found.iter().any(|verdict| verdict == SCANNER), "{found:?}");
}

#[test]
fn a_method_is_what_it_is_however_it_comes() {
    let mut pair = FilterPair::new(ENFORCE);
    let options = clean("OPTIONS");
    for (host, cut) in [1, 5, 8, 11].into_iter().enumerate() {
        for frame in opened(&mut pair, 10 + host, &options) {
            let found = verdicts(&mut pair, &frame.segments(&[cut]));
            assert_eq!(found, ["stream", "options-stranger"], "cut at {cut}");
        }
    }
    // Where the line of a header goes on with such a word, it is none.
    let invite = with_header("INVITE", "Allow: INVITE,\r\n OPTIONS ");
    let cut = invite.find("OPTIONS ").unwrap();
    for frame in opened(&mut pair, 20, &invite) {
        assert_eq!(verdicts(&mut pair, &frame.segments(&[cut])), ["request", "stream"]);
    }
}

#[test]
fn calls_of_those_who_mean_well_pass_in_any_pieces() {
    let mut pair = FilterPair::new(ENFORCE);
    let sdp = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=OPTIONS sip:a SIP/2.0\r\n".repeat(20);
    let call = with_body("INVITE", &sdp) + "\r\n\r\n" + &clean("ACK") + &clean("BYE");
    let lines: Vec<usize> =
        call.match_indices('\n').map(|(at, _)| at + 1).filter(|at| *at < call.len()).collect();
    for (host, cuts) in [&[600][..], &[200, 1_400], &lines].into_iter().enumerate() {
        for frame in opened(&mut pair, 30 + host, &call) {
            let passed = verdicts(&mut pair, &frame.segments(cuts));
            let innocent = ["request", "stream", "keepalive"];
            assert!(passed.iter().all(|verdict| innocent.contains(&verdict.as_str())), "{passed:?}");
        }
    }
}

#[test]
fn what_is_sent_again_is_gone_on_from_again() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    let scan = request("REGISTER", "friendly-scanner");
    let [frame, _] = opened(&mut pair, 40, &scan);
    let mark = scan.find("friendly").unwrap() + 4;
    let pieces = frame.segments(&[20, mark]);
    let order = [&pieces[0], &pieces[0], &pieces[1], &pieces[1], &pieces[2]];
    let found: Vec<String> = order.into_iter().map(|piece| pair.judge(piece)).collect();
    assert_eq!(found, ["request", "request", "stream", "stream", SCANNER]);
    // Another text at the same place: the PBX may read either.
    let [frame, _] = opened(&mut pair, 41, &scan);
    let real = frame.segments(&[mark]);
    let other = frame.clone().carrying(&clean("REGISTER").as_bytes()[..mark]).build();
    assert_eq!(verdicts(&mut pair, &[real[0].clone(), other, real[1].clone()])[..2], ["request", "request"]);
}

#[test]
fn another_connection_of_the_same_ports_begins_anew() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    let scan = request("REGISTER", "friendly-scanner");
    let first = tcp().sequence(1_000);
    pair.open(&first);
    assert_eq!(pair.judge(&first.clone().carrying("REGISTER sip:a SIP/2.0\r\nSubject: ").build()), "request");
    let second = tcp().sequence(500_000_000).acknowledging(9_000);
    pair.open(&second);
    let pieces = second.carrying(&scan).segments(&[5]);
    assert_eq!(verdicts(&mut pair, &pieces), ["stream", SCANNER]);
}

#[test]
fn a_connection_from_before_the_filter_is_known_by_what_the_pbx_sends_on_it() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    let scan = request("REGISTER", "friendly-scanner");
    let old = tcp().sequence(7_000).carrying(clean("REGISTER"));
    assert_eq!(pair.judge(&old.build()), "request");
    let length = clean("REGISTER").len() as u32;
    let answered = tcp().sequence(7_000 + length);
    pair.leave(&answered.answer().carrying("SIP/2.0 401 Unauthorized\r\nl: 0\r\n\r\n").build());
    let pieces = answered.carrying(&scan).segments(&[5]);
    assert_eq!(verdicts(&mut pair, &pieces), ["stream", SCANNER]);
}

#[test]
fn nothing_that_is_made_up_opens_a_connection() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    let scan = request("REGISTER", "friendly-scanner");
    let frame = tcp().sequence(100).acknowledging(500);
    pair.filter().test_run_egress(&frame.answer().sequence(499).flags(SYN | ACK).build(), 1).unwrap();
    for guess in [frame.clone().acknowledging(501), frame.clone().sequence(101)] {
        assert_eq!(pair.judge(&guess.flags(ACK).build()), "tcp-control");
    }
    let forged = frame.acknowledging(501).carrying(&scan).segments(&[5]);
    assert_eq!(verdicts(&mut pair, &forged[1..]), [SCANNER], "its header is seen even so");
}

#[test]
fn known_flows_are_searched_where_that_is_wanted_and_other_ports_of_their_source_always() {
    for (toml, expected) in [(ENFORCE, "request"), ("mode = \"enforce\"\nsearch_known = true\n", SCANNER)] {
        let mut pair = FilterPair::unlimited(toml);
        pair.put("192.0.2.3", KNOWN);
        for transport in [Transport::Udp, Transport::Tcp] {
            pair.know_flow("192.0.2.3", Flow { port: 40_000, transport }, 1, KernelTime::FOREVER);
        }
        let scan = request("REGISTER", "friendly-scanner");
        for (port, expected) in [(40_000, expected), (40_001, SCANNER)] {
            let from = format!("192.0.2.3:{port}");
            assert_eq!(pair.judge(&udp().from(&from).carrying(&scan).build()), expected, "{port}");
            let segment = tcp().from(&from).carrying(&scan);
            pair.open(&segment);
            assert_eq!(pair.judge(&segment.build()), expected, "{port}, TCP");
            let mark = scan.find("friendly").unwrap() + 8;
            let fragments = udp().from(&from).carrying(&scan).fragments(port, mark.next_multiple_of(8));
            let fragment = if expected == SCANNER { SCANNER } else { "fragment" };
            assert_eq!(verdicts(&mut pair, &fragments)[1], fragment, "{port}, in fragments");
        }
        assert_eq!(pair.judge(&udp().from("192.0.2.4").carrying(&scan).build()), SCANNER, "its neighbour");
    }
}

#[test]
fn a_signature_is_found_in_whichever_fragment_it_stands() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    let late = |agent: &str| {
        let padding = "X-Padding: x\r\n".repeat(20);
        request("REGISTER", agent).replace("User-Agent", &format!("{padding}User-Agent"))
    };
    let scan = late("friendly-scanner");
    let mark = scan.find("friendly").unwrap() + 8;
    let mut id = 0;
    for family in [Frame::v4, Frame::v6] {
        for size in [136, 160, 320, 400, 600] {
            id += 1;
            let fragments = family(udp()).carrying(&scan).fragments(id, size);
            let found = verdicts(&mut pair, &fragments);
            // The last of it may be in the next fragment.
            let place = (8 + mark) / size;
            assert!(found[place..].iter().take(2).any(|verdict| verdict == SCANNER), "{size}: {found:?}");
            assert!(
                found[..place].iter().all(|verdict| verdict == "request" || verdict == "fragment"),
                "{found:?}"
            );
            id += 1;
            let clean = family(udp()).carrying(late("Yealink")).fragments(id, size);
            let passed = verdicts(&mut pair, &clean);
            assert!(passed[1..].iter().all(|verdict| verdict == "fragment"), "{passed:?}");
        }
    }
    // Behind extension headers that only the first fragment has.
    let fragments = udp().v6().extension(60, 16).carrying(&scan).fragments(900, 320);
    assert!(verdicts(&mut pair, &fragments).iter().any(|verdict| verdict == SCANNER));
    // Blanks first, and the message in the second fragment.
    let hidden = "\r\n".repeat(100) + &scan;
    let fragments = udp().carrying(&hidden).fragments(901, 160);
    assert_eq!(verdicts(&mut pair, &fragments)[0], "fragment-tiny");
}

#[test]
fn fragments_of_what_is_no_sip_are_left_alone_in_any_order() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    let scan = request("REGISTER", "friendly-scanner") + &"x".repeat(1_000);
    let mut elsewhere = udp().to_port(10_000).carrying(&scan).fragments(5, 400);
    elsewhere.reverse();
    assert_eq!(verdicts(&mut pair, &elsewhere)[..2], ["fragment", "fragment"]);
    pair.put("192.0.2.3", KNOWN);
    let mut known = udp().from("192.0.2.3").carrying(with_header("INVITE", WITH_PASSWORD)).fragments(6, 200);
    known.reverse();
    let passed = verdicts(&mut pair, &known);
    assert!(passed.iter().all(|verdict| verdict == "fragment" || verdict == "request"), "{passed:?}");
}
