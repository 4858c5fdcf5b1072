//! Packets that nobody saw prove nothing, and nothing is concluded from them.

use super::script::{Packet, at_second, line, packets, run};
use crate::observe::{Observer, Settings, Unseen};
use sipward_types::evidence::{Evidence, Kind, Proof};

const PHONE: &str = "192.0.2.7:5062";
const ATTACKER: &str = "203.0.113.9:5060";

/// A challenge with that nonce, to a request of a call of its own.
fn challenged(at: f64, peer: &str, call: &str, nonce: &str) -> String {
    let names = format!("REGISTER 100 branch={call}{at} call={call} from={call} cseq=1");
    format!(
        "{at} > {peer}\n{names}\n{at} < {peer}\n401 {names} tag=t\nWWW-Authenticate: Digest realm=pbx, nonce={nonce}\n"
    )
}

/// A guess with that nonce, refused.
fn guess(at: f64, peer: &str, nonce: &str) -> String {
    let names = format!("REGISTER 100 branch=g{at} call=guess cseq=2");
    let credentials =
        format!("Authorization: Digest username=100, realm=pbx, nonce={nonce}, response={at}\n");
    format!(
        "{at} > {peer}\n{names}\n{credentials}{at} < {peer}\n401 {names} tag=u\nWWW-Authenticate: Digest realm=pbx, nonce=next-{at}\n"
    )
}

fn see(observer: &mut Observer, script: &str) -> Vec<Evidence> {
    let mut emitted = Vec::new();
    packets(script).iter().for_each(|packet| observer.see(&packet.tapped(), &mut emitted));
    emitted
}

/// True if a guess at the phone's is proven, where something went unseen just before its challenge.
fn is_proven(observer: &mut Observer, at: f64, unseen: Option<Unseen>) -> bool {
    unseen.into_iter().for_each(|unseen| observer.miss(unseen, at_second(at - 0.5)));
    let nonce = format!("nonce-of-the-phone-{at}");
    see(observer, &challenged(at, PHONE, "phone", &nonce));
    let emitted = see(observer, &guess(at + 0.1, PHONE, &nonce));
    assert!(matches!(emitted[0].kind, Kind::Failed { .. }));
    emitted[0].proof == Proof::Proven
}

#[test]
fn what_somebody_was_told_over_tls_may_be_what_another_was_told() {
    let mut observer = Observer::new(Settings::default());
    assert!(is_proven(&mut observer, 100.0, None));
    for (at, unseen) in [(200.0, Unseen::Hidden), (300.0, Unseen::Answer), (400.0, Unseen::Foreign)] {
        assert!(!is_proven(&mut observer, at, Some(unseen)), "{unseen:?}");
        assert!(is_proven(&mut observer, at + 10.0, None), "long after");
    }
}

/// The PBX's answer to an accomplice, who is banned or trusted, is no proof of anybody else; and nothing is judged of him.
#[test]
fn what_somebody_was_told_whom_nobody_judges_may_be_what_another_was_told() {
    for (at, way) in [(100.0, "listed"), (200.0, "listed tcp"), (300.0, "listed part")] {
        let mut observer = Observer::new(Settings::default());
        assert!(is_proven(&mut observer, at, None));
        let nonce = format!("nonce-of-the-phone-{}", at + 10.0);
        let names = "REGISTER 100 branch=a call=a from=a cseq=1";
        let challenge = format!("WWW-Authenticate: Digest realm=pbx, nonce={nonce}");
        let script = format!("{} < {ATTACKER} {way}\n401 {names} tag=t\n{challenge}\n", at + 9.9);
        assert_eq!(see(&mut observer, &script), []);
        assert!(!is_proven(&mut observer, at + 10.0, None), "{way}");
        assert!(is_proven(&mut observer, at + 30.0, None), "another one, {way}");
    }
}

/// Of an office of two phones, each with names of its own, and a phone elsewhere, all within a fifth of a second.
fn others(at: f64, nonces: [&str; 4]) -> String {
    let [first, second, third, fourth] = nonces.map(|nonce| format!("nonce-{nonce}-{at}"));
    challenged(at, "192.0.2.20:5060", "one", &first)
        + &challenged(at + 0.05, "192.0.2.20:6060", "two", &second)
        + &challenged(at + 0.1, "192.0.2.30:5060", "three", &third)
        + &challenged(at + 0.15, "192.0.2.40:5060", "four", &fourth)
}

#[test]
fn a_pbx_whose_nonces_are_for_one_address_tells_nobody_those_of_others() {
    for (nonces, is_known) in [
        (["office", "office", "a", "b"], true),
        // They may be of the time alone, and a second has just ended.
        (["old", "old", "new", "new2"].map(|nonce| nonce.trim_end_matches('2')), false),
        // Of what stands in the requests.
        (["one", "two", "three", "four"], false),
    ] {
        let mut observer = Observer::new(Settings::default());
        see(&mut observer, &others(50.0, nonces));
        assert_eq!(is_proven(&mut observer, 200.0, Some(Unseen::Hidden)), is_known, "{nonces:?}");
        // A Via may have sent an answer for that address elsewhere.
        assert!(!is_proven(&mut observer, 300.0, Some(Unseen::Answer)), "{nonces:?}");
        // Whoever makes one of his own that the PBX passes on makes it for whom he likes.
        assert!(!is_proven(&mut observer, 400.0, Some(Unseen::Foreign)));
        // Once it has given one to two addresses all that is over.
        see(&mut observer, &challenged(500.0, ATTACKER, "x", "shared"));
        see(&mut observer, &challenged(500.1, PHONE, "y", "shared"));
        assert!(!is_proven(&mut observer, 600.0, Some(Unseen::Hidden)));
        assert!(is_proven(&mut observer, 700.0, None));
    }
}

#[test]
fn what_a_proxy_passes_on_is_not_how_it_makes_its_own() {
    let passed_on: String = ["office", "a", "b"]
        .map(|nonce| {
            format!(
                "49.0 > {ATTACKER}\n401 REGISTER 100 branch={nonce} tag=t\nWWW-Authenticate: Digest realm=pbx, nonce=nonce-{nonce}-50\n"
            )
        })
        .concat();
    let mut observer = Observer::new(Settings::default());
    see(&mut observer, &(passed_on + &others(50.0, ["office", "office", "a", "b"])));
    assert!(!is_proven(&mut observer, 200.0, Some(Unseen::Hidden)));
}

#[test]
fn a_trunk_answers_us_whatever_others_are_told_over_tls() {
    let names = "OPTIONS pbx branch=0123456789 call=abcdefghij";
    let script = format!("1.0 < 203.0.113.1:5060\n{names}\n1.1 > 203.0.113.1:5060\n200 {names}\n");
    for (unseen, proof) in [(Unseen::Hidden, Proof::Proven), (Unseen::Answer, Proof::Unproven)] {
        let mut observer = Observer::new(Settings::default());
        observer.miss(unseen, at_second(0.9));
        assert_eq!(see(&mut observer, &script)[0].proof, proof, "{unseen:?}");
    }
}

/// Its header ends nowhere in what was seen.
fn cut(script: &str) -> Vec<Packet> {
    let mut packets = packets(script);
    for packet in packets.iter_mut().filter(|packet| packet.part) {
        packet.bytes.truncate(packet.bytes.len() - 4);
    }
    packets
}

#[test]
fn a_request_of_which_a_part_was_not_seen_may_have_been_a_guess() {
    let names = "REGISTER 100 branch=b1 call=c cseq=1";
    let contact = "Contact: <sip:100@10.0.0.7>\n";
    let asked = |part: &str| format!("1.0 > {PHONE} {part}\n{names}\n{contact}");
    let answered = |status: &str| format!("1.1 < {PHONE}\n{status} {names} tag=t\n{contact}");
    for (status, whole, part) in [
        ("401", "100 register challenged forgeable", "100 register failed forgeable"),
        ("403", "100 register refused forgeable", "100 register refused forgeable"),
        ("200", "100 register accepted forgeable", "- register accepted forgeable"),
    ] {
        for (part, expected) in [("", whole), ("part", part)] {
            let emitted =
                run(&mut Observer::new(Settings::default()), &cut(&(asked(part) + &answered(status))));
            let lines: Vec<_> = emitted.iter().map(line).collect();
            assert_eq!(lines, [format!("{PHONE} {expected}")], "{status} {part}");
        }
    }
    // One that is only longer than what is copied is no better.
    let mut packets = packets(&(asked("") + &answered("401")));
    let bytes = packets[0].bytes.clone();
    let mut observer = Observer::new(Settings::default());
    let mut emitted = Vec::new();
    let tapped = packets[0].tapped();
    observer
        .see(&sipward_types::tapped::Tapped { payload: &bytes[..bytes.len() - 4], ..tapped }, &mut emitted);
    observer.see(&packets.remove(1).tapped(), &mut emitted);
    assert_eq!(line(&emitted[0]), format!("{PHONE} 100 register failed forgeable"));
    // A body in pieces is no harm.
    let long = asked("part") + &answered("401");
    let emitted = run(&mut Observer::new(Settings::default()), &super::script::packets(&long));
    assert_eq!(line(&emitted[0]), format!("{PHONE} 100 register challenged forgeable"));
}

#[test]
fn credentials_in_what_was_seen_are_a_guess_and_no_proof_of_what_was_not() {
    let script = challenged(1.0, PHONE, "phone", "nonce-one");
    let names = "REGISTER 100 branch=b1 call=c cseq=1";
    let credentials = "Authorization: Digest username=100, realm=pbx, nonce=nonce-one, response=1\n";
    for (status, expected) in
        [("401", "100 register failed proven"), ("200", "- register registered(3600) proven")]
    {
        let asked = format!("2.0 > {PHONE} part\n{names}\nContact: <sip:1@10.0.0.7>\n{credentials}");
        let answered = format!("2.1 < {PHONE}\n{status} {names} tag=t\n");
        let emitted =
            run(&mut Observer::new(Settings::default()), &cut(&(script.clone() + &asked + &answered)));
        assert_eq!(line(&emitted[1]), format!("{PHONE} {expected}"));
    }
}

#[test]
fn an_answer_of_which_a_part_was_not_seen_may_have_told_more() {
    let names = "REGISTER 100 branch=long call=long cseq=1";
    let long = format!("99.5 < {ATTACKER} part\n404 {names} tag=t\n");
    for (packets, expected) in [(cut(&long), false), (packets(&long.replace(" part", "")), true)] {
        let mut observer = Observer::new(Settings::default());
        let mut emitted = Vec::new();
        packets.iter().for_each(|packet| observer.see(&packet.tapped(), &mut emitted));
        assert_eq!(is_proven(&mut observer, 100.0, None), expected);
    }
}

#[test]
fn what_the_pbx_says_on_tcp_and_is_not_understood_may_have_told_more() {
    let answer = |n: u32| {
        format!(
            "99.{n} < {ATTACKER} tcp\n401 REGISTER 100 branch=w call=w{n}\nWWW-Authenticate: Digest realm=pbx, nonce=nonce-{n}\n"
        )
    };
    let whole = packets(&(answer(1) + &answer(2)));
    // In a frame of WebSocket; and of which the end has not been sent yet.
    let (mut framed, mut begun) = (whole.clone(), whole.clone());
    framed.iter_mut().for_each(|packet| packet.bytes.splice(..0, [0x81, 0x7e, 1, 0]).for_each(drop));
    begun[1].bytes.truncate(200);
    for (packets, expected) in [(whole, true), (framed, false), (begun, false)] {
        let mut observer = Observer::new(Settings::default());
        let mut emitted = Vec::new();
        packets.iter().for_each(|packet| observer.see(&packet.tapped(), &mut emitted));
        assert_eq!(is_proven(&mut observer, 100.0, None), expected);
    }
}
