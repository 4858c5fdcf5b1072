//! Tables of transcripts and the evidence that comes of them.

use std::time::Duration;

use super::script::{Packet, at_second, emitted, line, packets, run};
use crate::observe::{Observer, Settings, Subject, Unseen};
use sipward_types::{
    cause::Cause,
    evidence::{Kind, Proof},
    tapped::Charged,
};

pub(super) const PHONE: &str = "192.0.2.7:5062";

/// A REGISTER and its answer, of the phone: with credentials for `nonce`, if there is one, and an answer that challenges
/// with `with`, if there is one.
pub(super) fn register(at: f64, n: u32, credentials: &str, answer: &str) -> String {
    exchange(PHONE, at, "REGISTER", n, credentials, answer)
}

fn exchange(peer: &str, at: f64, method: &str, n: u32, credentials: &str, answer: &str) -> String {
    let authorization = match credentials {
        "" => String::new(),
        nonce => format!(
            "Authorization: Digest username=\"100\", realm=\"pbx\", nonce=\"{nonce}\", response=\"{n}\"\n"
        ),
    };
    let contact = if method == "REGISTER" { "Contact: <sip:100@10.0.0.7:5062>;expires=600\n" } else { "" };
    let (status, header) = match answer.split_once(' ') {
        Some((status, nonce)) => {
            let (nonce, stale) = nonce.split_once(' ').unwrap_or((nonce, "stale=false"));
            (status, format!("WWW-Authenticate: Digest realm=\"pbx\", nonce=\"{nonce}\", {stale}\n"))
        }
        None => (answer, if answer == "200" { contact.to_owned() } else { String::new() }),
    };
    let names = format!("{method} 100 branch=b{n} call=c cseq={n}");
    format!(
        "{at} > {peer}\n{names}\n{contact}{authorization}\n{} < {peer}\n{status} {names} tag=server-tag-{n}\n{header}",
        at + 0.01
    )
}

#[test]
fn a_challenge_is_no_failure_and_credentials_are_one_or_a_success() {
    let challenged = "192.0.2.7:5062 100 register challenged forgeable";
    let good = [register(1.0, 1, "", "401 nonce-one"), register(1.1, 2, "nonce-one", "200")].concat();
    assert_eq!(emitted(&good), [challenged, "192.0.2.7:5062 100 register registered(600) proven"]);
    let bad =
        [register(1.0, 1, "", "401 nonce-one"), register(1.1, 2, "nonce-one", "401 nonce-two")].concat();
    assert_eq!(emitted(&bad), [challenged, "192.0.2.7:5062 100 register failed proven"]);
    let forbidden = [register(1.0, 1, "", "401 nonce-one"), register(1.1, 2, "nonce-one", "403")].concat();
    assert_eq!(emitted(&forbidden), [challenged, "192.0.2.7:5062 100 register failed proven"]);
}

#[test]
fn of_what_was_charged_it_is_told_whether_the_pbx_refused_it() {
    for (answer, refused) in
        [("401 nonce-two", true), ("403", true), ("407", true), ("200", false), ("404", false)]
    {
        let script = [register(1.0, 1, "", "401 nonce-one"), register(1.1, 2, "nonce-one", answer)].concat();
        for (charged, budget) in [(Charged::Issued, "issued"), (Charged::Other, "other")] {
            let mut packets = packets(&script);
            // The challenged request was not: it has no credentials, whatever the segment had.
            packets[0].charged = Some(charged);
            packets[2].charged = Some(charged);
            let emitted = run(&mut Observer::new(Settings::default()), &packets);
            let emitted: Vec<_> = emitted.iter().map(line).filter(|line| line.contains("charged(")).collect();
            let refused = if refused { ", refused" } else { "" };
            assert_eq!(
                emitted,
                [format!("192.0.2.7:5062 100 register charged({budget}{refused}) forgeable")],
                "{answer}"
            );
        }
    }
}

#[test]
fn what_each_segment_of_a_message_was_charged_is_emitted_with_its_answer() {
    let script = [register(1.0, 1, "", "401 nonce-one"), register(1.1, 2, "nonce-one", "200")].concat();
    let mut packets = packets(&on_tcp(&script));
    let whole = packets.remove(2);
    let (first, rest) = whole.bytes.split_at(100);
    let sequence = whole.sequence.map(|sequence| sequence + 100);
    let rest = Packet { bytes: rest.to_vec(), sequence, charged: Some(Charged::Other), ..whole };
    let first = Packet { bytes: first.to_vec(), charged: Some(Charged::Issued), ..rest };
    let first = Packet { sequence: whole.sequence, ..first };
    packets.splice(2..2, [first, rest]);
    let emitted = run(&mut Observer::new(Settings::default()), &packets);
    let emitted: Vec<_> = emitted.iter().map(line).filter(|line| line.contains("charged(")).collect();
    let expected = |budget| format!("192.0.2.7:5062 100 register charged({budget}) forgeable");
    assert_eq!(emitted, [expected("issued"), expected("other")]);
}

#[test]
fn each_guess_is_a_failure_whether_its_nonce_is_new_or_the_same() {
    let mut new = register(1.0, 1, "", "401 nonce-000000");
    let mut same = new.clone();
    for n in 0..10 {
        let answer = format!("401 nonce-{:06}", n + 1);
        new += &register(2.0 + f64::from(n), n + 2, &format!("nonce-{n:06}"), &answer);
        same += &register(2.0 + f64::from(n), n + 2, "nonce-000000", &answer);
    }
    for script in [new, same] {
        let emitted = emitted(&script);
        assert_eq!(emitted.len(), 11);
        assert!(emitted[1..].iter().all(|line| line.ends_with("failed proven")), "{emitted:#?}");
    }
}

#[test]
fn nonces_fetched_in_advance_do_not_hide_guesses_for_long() {
    let mut script = String::new();
    (0..10).for_each(|n| script += &register(1.0, n, "", &format!("401 nonce-{n:06}")));
    (0..10).for_each(|n| script += &register(90.0, 20 + n, &format!("nonce-{n:06}"), "401 nonce-other"));
    let emitted = emitted(&script);
    let count = |kind: &str| emitted.iter().filter(|line| line.contains(kind)).count();
    assert_eq!((count("stale"), count("failed")), (3, 7), "{emitted:#?}");
}

#[test]
fn a_kept_nonce_is_stale_and_so_is_one_that_the_pbx_calls_so() {
    let first = [register(1.0, 1, "", "401 nonce-one"), register(1.1, 2, "nonce-one", "200")].concat();
    // Refused plainly after it was good; then all is well.
    let kept =
        [register(300.0, 3, "nonce-one", "401 nonce-two"), register(300.1, 4, "nonce-two", "200")].concat();
    let mut script = first.clone() + &kept;
    for n in 0..8 {
        let (old, new) = (format!("401 nonce-x{n}"), format!("nonce-x{n}"));
        let last = if n == 0 { "nonce-two".to_owned() } else { format!("nonce-x{}", n - 1) };
        let at = 600.0 + 300.0 * f64::from(n);
        script += &register(at, 10 + 2 * n, &last, &old);
        script += &register(at + 0.1, 11 + 2 * n, &new, "200");
    }
    let lines = emitted(&script);
    assert_eq!(lines.iter().filter(|line| line.contains("stale proven")).count(), 9, "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("failed")));
    let said =
        register(1.0, 1, "", "401 nonce-one") + &register(1.1, 2, "nonce-one", "401 nonce-two stale=TRUE");
    assert!(emitted(&said)[1].ends_with("stale proven"));
    // Sent before any challenge.
    assert_eq!(
        emitted(&register(1.0, 1, "nonce-old", "401 nonce-one")),
        ["192.0.2.7:5062 100 register stale forgeable"]
    );
}

#[test]
fn a_nonce_proves_one_address_only() {
    // The attacker fetches a nonce and uses it in the name of the phone.
    let attacker = "203.0.113.9:5060";
    let stolen = exchange(attacker, 1.0, "REGISTER", 1, "", "401 nonce-one")
        + &register(1.1, 2, "nonce-one", "401 nonce-two");
    assert_eq!(emitted(&stolen)[1], "192.0.2.7:5062 100 register stale forgeable");
    // Whoever of them got it first.
    let fetched = register(1.0, 1, "", "401 nonce-one")
        + &exchange(attacker, 1.0, "REGISTER", 2, "", "401 nonce-one")
        + &register(1.1, 3, "nonce-one", "401 nonce-two");
    assert_eq!(emitted(&fetched)[2], "192.0.2.7:5062 100 register failed forgeable");
    // A PBX that gives the same to everybody.
    let shared = exchange(attacker, 1.0, "REGISTER", 1, "", "401 nonce-one")
        + &register(1.0, 2, "", "401 nonce-one")
        + &register(1.1, 3, "nonce-one", "401 nonce-two");
    assert_eq!(emitted(&shared)[2], "192.0.2.7:5062 100 register failed forgeable");
    // Two phones behind one address: the address is proven for both.
    let twin = "192.0.2.7:6000";
    let nat = register(1.0, 1, "", "401 nonce-one")
        + &exchange(twin, 1.0, "REGISTER", 2, "", "401 nonce-one")
        + &register(1.1, 3, "nonce-one", "200")
        + &exchange(twin, 1.1, "REGISTER", 4, "nonce-one", "401 nonce-two").replace("\"100\"", "\"101\"");
    assert_eq!(
        emitted(&nat)[2..],
        ["192.0.2.7:5062 100 register registered(600) proven", "192.0.2.7:6000 101 register failed proven",]
    );
    // A nonce that can be guessed proves nothing.
    let short = register(1.0, 1, "", "401 1") + &register(1.1, 2, "1", "401 2");
    assert_eq!(emitted(&short)[1], "192.0.2.7:5062 100 register failed forgeable");
}

#[test]
fn the_same_names_from_two_sources_are_two_transactions() {
    let script = "
        1.0 > 192.0.2.7:5062
        REGISTER 100
        1.0 > 203.0.113.9:5060
        REGISTER 100
        1.1 < 203.0.113.9:5060
        403 REGISTER 100 tag=t
        1.2 < 192.0.2.7:5062
        401 REGISTER 100 tag=t
        WWW-Authenticate: Digest realm=pbx, nonce=nonce-one
    ";
    assert_eq!(
        emitted(script),
        [
            "203.0.113.9:5060 100 register refused forgeable",
            "192.0.2.7:5062 100 register challenged forgeable",
        ]
    );
}

/// Enough of a PBX's answers to see that it makes up its tags; to a caller of whom nothing else is looked at.
fn made_up_tags() -> String {
    let answer = |n: u32| {
        let answer = exchange("203.0.113.50:5060", 0.1, "INVITE", 20 + n, "", &format!("401 nonce-tag-{n}"));
        answer.replace("server-tag", &format!("{n}-server-tag"))
    };
    (0..8).map(answer).collect()
}

/// The evidence about the phone.
fn told_of_phone(script: &str) -> Vec<String> {
    emitted(script).into_iter().filter(|emitted| emitted.starts_with("192.0.2.7")).collect()
}

#[test]
fn an_ack_with_our_tag_proves_an_invite() {
    let call = made_up_tags() + &exchange(PHONE, 1.0, "INVITE", 1, "", "401 nonce-one");
    let ack = |at: f64, peer: &str, tag: &str| {
        format!("{at} > {peer}\nACK 100 branch=b1 call=c cseq=1 tag={tag}\n")
    };
    let later = register(9.0, 9, "", "401 nonce-late");
    for (ack, proof) in [
        (ack(1.1, PHONE, "server-tag-1"), "proven"),
        (ack(1.1, PHONE, "another-tag"), "forgeable"),
        (ack(1.1, "203.0.113.9:5060", "server-tag-1"), "forgeable"),
        (ack(3.5, PHONE, "server-tag-1"), "forgeable"),
        (String::new(), "forgeable"),
    ] {
        let emitted = told_of_phone(&[&call, &ack, &later].map(String::as_str).concat());
        let expected = format!("192.0.2.7:5062 100 invite challenged {proof}");
        assert_eq!(emitted.len(), 2, "{emitted:?}");
        assert_eq!(emitted[0], expected, "{ack}");
    }
    // A PBX whose tags all begin alike: they could be made up.
    let other = exchange("203.0.113.9:5060", 0.5, "INVITE", 1, "", "401 nonce-two");
    let forgeable = ["192.0.2.7:5062 100 invite challenged forgeable"];
    assert_eq!(
        told_of_phone(&[&other, &call, &ack(1.1, PHONE, "server-tag-1")].map(String::as_str).concat()),
        forgeable
    );
    // One that takes the request's own branch, whose sender can make up the ACK as well.
    let echoed = call.replace("branch=b1 ", "branch=server-tag-1 ");
    let echo = ack(1.1, PHONE, "server-tag-1").replace("branch=b1 ", "branch=server-tag-1 ");
    assert_eq!(told_of_phone(&(echoed + &echo)), forgeable);
    // One of which too little was seen.
    let alone = exchange(PHONE, 1.0, "INVITE", 1, "", "401 nonce-one");
    assert_eq!(told_of_phone(&(alone + &ack(1.1, PHONE, "server-tag-1"))), forgeable);
}

#[test]
fn what_somebody_may_have_been_told_unseen_proves_nothing() {
    let fetched = packets(&register(100.0, 1, "", "401 nonce-one"));
    let used = packets(&register(100.1, 2, "nonce-one", "401 nonce-two"));
    for (missed, proof) in [(None, Proof::Proven), (Some(94.0), Proof::Proven), (Some(96.0), Proof::Unproven)]
    {
        let mut observer = Observer::new(Settings::default());
        missed.into_iter().for_each(|second| observer.miss(Unseen::Answer, at_second(second)));
        run(&mut observer, &fetched);
        assert_eq!(
            run(&mut observer, &used).iter().map(|emitted| emitted.proof).collect::<Vec<_>>(),
            [proof],
            "{missed:?}"
        );
    }
    // Between the two.
    let mut observer = Observer::new(Settings::default());
    run(&mut observer, &fetched);
    observer.miss(Unseen::Answer, at_second(100.05));
    assert_eq!(run(&mut observer, &used)[0].proof, Proof::Unproven);
}

#[test]
fn a_secret_that_another_is_told_later_was_none_of_his_before() {
    let attacker = "203.0.113.9:5060";
    let script = register(1.0, 1, "", "401 nonce-one")
        + &register(1.1, 2, "nonce-one", "401 nonce-two")
        + &exchange(attacker, 1.2, "REGISTER", 3, "", "401 nonce-one");
    assert_eq!(emitted(&script)[1], "192.0.2.7:5062 100 register failed proven");
}

#[test]
fn ack_and_cancel_are_never_scored() {
    let script = "
        1.0 > 192.0.2.7:5062
        CANCEL 100
        1.1 < 192.0.2.7:5062
        403 CANCEL 100
        1.2 > 192.0.2.7:5062
        ACK 100
        1.3 < 192.0.2.7:5062
        403 ACK 100
    ";
    assert!(emitted(script).is_empty());
}

#[test]
fn answers_without_credentials_are_told_apart() {
    for (method, status, to, kind) in [
        ("REGISTER", 403, "100", "refused"),
        ("REGISTER", 404, "100", "unknown"),
        ("REGISTER", 604, "100", "unknown"),
        ("INVITE", 403, "200", "refused"),
        ("INVITE", 404, "200", "refused"),
        ("INVITE", 404, "100", "unknown"),
        ("OPTIONS", 404, "100", "unknown"),
        ("INVITE", 486, "200", ""),
        ("REGISTER", 500, "100", ""),
        ("INVITE", 200, "200", ""),
    ] {
        let script = format!(
            "1.0 > {PHONE}\n{method} 100 to={to}\n1.1 < {PHONE}\n{status} {method} 100 to={to}\n9.9 > {PHONE}\nACK 1"
        );
        let lower = if method == "OPTIONS" { "other".to_owned() } else { method.to_lowercase() };
        let expected = match kind {
            "" => Vec::new(),
            kind => vec![format!("192.0.2.7:5062 100 {lower} {kind} forgeable")],
        };
        assert_eq!(emitted(&script), expected, "{method} {status}");
    }
}

/// With `nonce-one` and that contact, and a 200 with that header.
fn registered(contact: &str, answer: &str) -> String {
    let credentials = "Authorization: Digest username=100, realm=pbx, nonce=nonce-one, response=1";
    format!(
        "1.0 > {PHONE}\nREGISTER 100\nContact: {contact}\n{credentials}\n1.1 < {PHONE}\n200 REGISTER 100 tag=t\n{answer}"
    )
}

#[test]
fn what_was_not_challenged_is_no_success() {
    let first = register(1.0, 1, "", "401 nonce-one");
    let call = |n: u32, at: f64, sender: &str, nonce: &str, status: &str| {
        let credentials = if nonce.is_empty() {
            String::new()
        } else {
            format!("Authorization: Digest username=100, realm=pbx, nonce={nonce}, response={n}\n")
        };
        let names = format!("INVITE {sender} branch=i{n} call=i{n} cseq={n}");
        let (status, challenge) = status.split_once(' ').unwrap_or((status, "none"));
        format!(
            "{at} > {PHONE}\n{names}\n{credentials}{} < {PHONE}\n{status} {names} tag=t{n}\nWWW-Authenticate: Digest realm=pbx, nonce={challenge}\n",
            at + 0.01
        )
    };
    let last = |script: &str| {
        // A challenge of a call waits for its ACK.
        let others = emitted(script).into_iter().filter(|line| !line.contains("challenged"));
        others.collect::<Vec<_>>().pop().unwrap_or_default()
    };
    // A call that anybody may make, with wrong credentials of somebody, and a nonce that was sent there indeed.
    let anonymous = first.clone() + &call(2, 2.0, "nobody", "nonce-one", "200");
    assert_eq!(last(&anonymous), "192.0.2.7:5062 100 invite accepted proven");
    // Nor does it help to have been asked for some as somebody else, or with some of somebody else.
    let asked = first.clone() + &call(2, 2.0, "100", "", "401 nonce-two");
    assert_eq!(
        last(&(asked.clone() + &call(3, 2.5, "nobody", "nonce-two", "200"))),
        "192.0.2.7:5062 100 invite accepted proven"
    );
    assert_eq!(
        last(&(asked + &call(3, 2.5, "100", "nonce-two", "200"))),
        "192.0.2.7:5062 100 invite succeeded proven"
    );
    // Nor does it hide that the next guess with that nonce is one.
    let guess = anonymous + &register(2.5, 3, "nonce-one", "401 nonce-two");
    assert_eq!(last(&guess), "192.0.2.7:5062 100 register failed proven");
    // A nonce that was right once is right for whatever the account does with it.
    let kept = first + &register(1.1, 2, "nonce-one", "200") + &call(3, 2.5, "other", "nonce-one", "200");
    assert_eq!(last(&kept), "192.0.2.7:5062 100 invite succeeded proven");
    // Nor is a registration without credentials one.
    assert_eq!(last(&register(1.0, 1, "", "200")), "192.0.2.7:5062 100 register accepted forgeable");
    let over_tcp = register(1.0, 1, "", "200").replace(&format!("{PHONE}\n"), &format!("{PHONE} tcp\n"));
    assert_eq!(last(&over_tcp), "192.0.2.7:5062 100 register accepted proven");
}

#[test]
fn registrations_end_when_the_pbx_says() {
    let table = [
        // The request's contact; the answer's headers; what is told.
        ("<sip:100@10.0.0.7>;expires=600", "Contact: <sip:100@10.0.0.7>;expires=120", "registered(120)"),
        ("<sip:100@10.0.0.7>;expires=600", "Expires: 300", "registered(300)"),
        ("<sip:100@10.0.0.7>;expires=600", "X: y", "registered(600)"),
        ("<sip:100@10.0.0.7>", "X: y", "registered(3600)"),
        (
            "<sip:100@10.0.0.7>",
            "Contact: <sip:100@10.0.0.8>;expires=10, <sip:100@10.0.0.7>;expires=20",
            "registered(20)",
        ),
        ("<sip:100@10.0.0.7>;expires=600", "Contact: <sip:100@192.0.2.7:5062>;expires=60", "registered(60)"),
        ("<sip:100@10.0.0.7>;expires=0", "X: y", "unregistered"),
        ("<sip:100@10.0.0.1>;expires=0, <sip:100@10.0.0.7>;expires=60", "X: y", "registered(60)"),
        ("*", "X: y", "unregistered(all)"),
    ];
    for (contact, answer, kind) in table {
        assert_eq!(
            emitted(&(register(0.5, 1, "", "401 nonce-one") + &registered(contact, answer)))[1..],
            [format!("192.0.2.7:5062 100 register {kind} proven")],
            "{contact}"
        );
    }
}

#[test]
fn a_phone_is_the_same_at_a_new_address_if_it_says_so() {
    let phone = |contact: &str| {
        let script = register(0.5, 1, "", "401 nonce-one") + &registered(contact, "X: y");
        let emitted = run(&mut Observer::new(Settings::default()), &packets(&script));
        let [_, Kind::Registered { phone, .. }] = emitted.iter().map(|it| it.kind).collect::<Vec<_>>()[..]
        else {
            panic!("{emitted:?}")
        };
        phone
    };
    assert_eq!(phone("<sip:100@10.0.0.7>"), phone("<sip:100@10.0.0.7>;expires=9"));
    assert_ne!(phone("<sip:100@10.0.0.7>"), phone("<sip:100@10.0.0.8>"));
    let device = ";+sip.instance=\"<urn:uuid:1>\"";
    assert_eq!(phone(&format!("<sip:100@10.0.0.7>{device}")), phone(&format!("<sip:100@10.0.0.8>{device}")));
}

#[test]
fn trunks_that_answer_us_are_qualified() {
    let script = "
        1.0 < 203.0.113.1:5060
        OPTIONS pbx branch=0123456789 call=abcdefghij
        1.1 > 203.0.113.1:5060
        200 OPTIONS pbx branch=0123456789 call=abcdefghij
        1.2 > 203.0.113.1:5060
        200 OPTIONS pbx branch=0123456789 call=abcdefghij
        2.0 > 203.0.113.2:5060
        200 OPTIONS pbx branch=0123456789 call=abcdefghij
        3.0 < 203.0.113.3:5060
        REGISTER me branch=1 call=2
        3.1 > 203.0.113.3:5060
        200 REGISTER me branch=1 call=2
        4.0 < 203.0.113.4:5060
        INVITE me branch=0123456789 call=invite
        4.1 > 203.0.113.4:5060
        200 INVITE me branch=0123456789 call=invite
    ";
    assert_eq!(
        emitted(script),
        ["203.0.113.1:5060 - other qualified proven", "203.0.113.3:5060 - register qualified forgeable",]
    );
}

#[test]
fn peers_that_are_asked_with_the_same_names_can_answer_for_each_other() {
    let names = "OPTIONS pbx branch=0123456789 call=abcdefghij";
    let [one, other] = ["203.0.113.1:5060", "203.0.113.2:5060"];
    let script = format!("1.0 < {one}\n{names}\n1.0 < {other}\n{names}\n1.1 > {one}\n200 {names}\n");
    assert_eq!(emitted(&script), ["203.0.113.1:5060 - other qualified forgeable"]);
}

#[test]
fn an_answer_to_the_first_attempt_says_nothing_about_the_second() {
    // The phone changes neither branch nor CSeq.
    let names = "REGISTER 100 branch=b1 call=c cseq=1";
    let first = register(1.0, 1, "", "401 nonce-one");
    let again = format!(
        "1.1 > {PHONE}\n{names}\nAuthorization: Digest username=100, realm=pbx, nonce=nonce-one, response=2\n"
    );
    let challenged = "192.0.2.7:5062 100 register challenged forgeable";
    // The answer comes twice.
    let mut twice = packets(&(first.clone() + &again));
    twice.push(Packet { at: at_second(1.15), ..twice[1].clone() });
    let lines = |packets: &[Packet]| -> Vec<String> {
        run(&mut Observer::new(Settings::default()), packets).iter().map(line).collect()
    };
    assert_eq!(lines(&twice), [challenged]);
    // It is read late.
    let mut late = packets(&(first + &again));
    late.swap(1, 2);
    assert_eq!(lines(&late), [challenged]);
}

#[test]
fn two_servers_that_challenge_one_after_the_other_are_no_failure() {
    let script = "
        1.0 > 192.0.2.7:5062
        INVITE 100 cseq=1
        1.1 < 192.0.2.7:5062
        407 INVITE 100 cseq=1 tag=server-tag
        Proxy-Authenticate: Digest realm=proxy, nonce=nonce-proxy
        1.2 > 192.0.2.7:5062
        INVITE 100 cseq=2
        Proxy-Authorization: Digest username=100, realm=proxy, nonce=nonce-proxy, response=1
        1.3 < 192.0.2.7:5062
        401 INVITE 100 cseq=2 tag=server-tag
        WWW-Authenticate: Digest realm=pbx, nonce=nonce-pbx
        1.4 > 192.0.2.7:5062
        INVITE 100 cseq=3
        Proxy-Authorization: Digest username=100, realm=proxy, nonce=nonce-proxy, response=2
        Authorization: Digest username=100, realm=pbx, nonce=nonce-pbx, response=3
        1.5 < 192.0.2.7:5062
        200 INVITE 100 cseq=3 tag=server-tag
    ";
    let emitted = emitted(script);
    assert_eq!(
        emitted[..],
        [
            "192.0.2.7:5062 100 invite challenged proven",
            "192.0.2.7:5062 100 invite succeeded proven",
            "192.0.2.7:5062 100 invite challenged forgeable",
        ]
    );
}

#[test]
fn other_credentials_under_the_same_names_are_another_attempt() {
    let mut script = register(1.0, 1, "", "401 nonce-000000");
    for n in 0..5 {
        let at = 2.0 + f64::from(n);
        let next = n + 1;
        script += &format!(
            "{at} > {PHONE}\nREGISTER 100 branch=b1 call=c cseq=1\n\
             Authorization: Digest username=100, realm=pbx, nonce=nonce-{n:06}, response={n}\n\
             {} < {PHONE}\n401 REGISTER 100 branch=b1 call=c cseq=1 tag=t{n}\n\
             WWW-Authenticate: Digest realm=pbx, nonce=nonce-{next:06}\n",
            at + 0.1
        );
    }
    assert_eq!(emitted(&script).iter().filter(|line| line.ends_with("failed proven")).count(), 5);
}

/// The script's packets on TCP.
fn on_tcp(script: &str) -> String {
    script
        .replace(&format!("> {PHONE}\n"), &format!("> {PHONE} tcp\n"))
        .replace(&format!("< {PHONE}\n"), &format!("< {PHONE} tcp\n"))
}

#[test]
fn a_connection_on_which_the_pbx_answers_proves_itself() {
    let session =
        register(1.0, 1, "", "401 1") + &register(1.1, 2, "1", "401 2") + &register(2.0, 3, "2", "200");
    assert_eq!(
        emitted(&on_tcp(&session)),
        [
            "192.0.2.7:5062 100 register challenged proven",
            "192.0.2.7:5062 100 register failed proven",
            "192.0.2.7:5062 100 register registered(600) proven",
        ]
    );
    // A segment from nowhere, which the kernel drops: nobody answers it, and the connection goes on.
    let forged = format!("1.05 > {PHONE} tcp@999999999\nREGISTER 666 branch=forged call=forged\n");
    let [first, rest] =
        [register(1.0, 1, "", "401 1"), register(1.1, 2, "1", "401 2")].map(|script| on_tcp(&script));
    assert_eq!(
        emitted(&(first + &forged + &rest)),
        ["192.0.2.7:5062 100 register challenged proven", "192.0.2.7:5062 100 register failed proven",]
    );
    // An answer on another connection is not the answer.
    let elsewhere = on_tcp(&register(1.0, 1, "", "401 1")).replace("< 192.0.2.7:5062", "< 192.0.2.7:5063");
    assert!(emitted(&elsewhere).is_empty());
    // Nonces that the PBX never sent, at one that does not look at them.
    let guesses: String = (0..6).map(|n| register(f64::from(n), n, "made-up-nonce", "401 another")).collect();
    let emitted = emitted(&on_tcp(&guesses));
    let count = |line: &str| emitted.iter().filter(|emitted| emitted.ends_with(line)).count();
    assert_eq!((count("stale proven"), count("failed proven")), (3, 3));
}

#[test]
fn an_answer_may_be_read_a_moment_before_its_request() {
    let good =
        [register(1.0, 1, "", "401 nonce-one"), register(1.1, 2, "nonce-one", "401 nonce-two")].concat();
    let mut early = packets(&good);
    early.swap(0, 1);
    early.swap(2, 3);
    let mut observer = Observer::new(Settings::default());
    let lines: Vec<String> = run(&mut observer, &early).iter().map(line).collect();
    assert_eq!(lines, emitted(&good));
    assert_eq!((observer.counters().joined, observer.counters().unmatched), (2, 0));
    // But not one that is older than it: nobody answers before he is asked.
    let mut older = packets(&register(1.0, 1, "", "401 nonce-one"));
    older[1].at = older[0].at - Duration::from_nanos(1);
    older.swap(0, 1);
    let mut observer = Observer::new(Settings::default());
    assert!(run(&mut observer, &older).is_empty());
    assert_eq!((observer.counters().unmatched, observer.counters().unanswered), (1, 1));
}

#[test]
fn an_ack_may_be_read_before_the_answer() {
    let call = exchange(PHONE, 1.0, "INVITE", 1, "", "401 nonce-one");
    let ack = format!("1.1 > {PHONE}\nACK 100 branch=b1 call=c cseq=1 tag=server-tag-1\n");
    let mut observer = Observer::new(Settings::default());
    run(&mut observer, &packets(&made_up_tags()));
    let mut packets = packets(&(call + &ack));
    packets.swap(1, 2);
    let emitted = run(&mut observer, &packets);
    assert_eq!(emitted.last().map(|emitted| emitted.proof), Some(Proof::Proven));
}

/// The diagnosis of the phone's address, and the same of the account; long after.
fn causes(script: &str) -> Vec<(Cause, u32)> {
    let packets = packets(script);
    let mut observer = Observer::new(Settings::default());
    run(&mut observer, &packets);
    let now = packets.iter().map(|packet| packet.at).max().unwrap() + Duration::from_secs(1);
    let causes = |subject| -> Vec<(Cause, u32)> {
        observer.diagnose(subject, now).iter().map(|line| (line.cause, line.count)).collect()
    };
    let of_source = causes(Subject::Source("192.0.2.7".parse().unwrap()));
    assert_eq!(of_source, causes(Subject::Account("100")));
    assert!(causes(Subject::Account("101")).is_empty(), "its neighbour");
    assert!(causes(Subject::Source("192.0.2.8".parse().unwrap())).is_empty(), "its neighbour");
    assert!(
        observer.diagnose(Subject::Account("100"), now + Duration::from_secs(86_401)).is_empty(),
        "long ago"
    );
    of_source
}

#[test]
fn causes_are_named() {
    let challenge = || register(1.0, 1, "", "401 nonce-000");
    let wrong = challenge() + &register(1.1, 2, "nonce-000", "401 nonce-001");
    assert_eq!(causes(&wrong), [(Cause::WrongPassword, 1)]);
    let worked = register(2.0, 3, "", "401 nonce-002") + &register(2.1, 4, "nonce-002", "200");
    assert_eq!(causes(&(wrong.clone() + &worked)), []);
    let realm = wrong
        .replace("realm=\"pbx\", nonce=\"nonce-000\", response", "realm=x, nonce=\"nonce-000\", response");
    assert_eq!(causes(&realm), [(Cause::WrongRealm, 1)]);
    assert_eq!(causes(&challenge()), [(Cause::ChallengeIgnored, 1)]);
    let proxy = challenge()
        + &register(1.1, 2, "nonce-000", "486")
        + &exchange(PHONE, 2.0, "INVITE", 3, "", "407 nonce-001");
    assert_eq!(causes(&proxy), [(Cause::ProxyChallengeIgnored, 1)]);
    let round = |n: u32| {
        register(1.0 + f64::from(n), n + 2, &format!("nonce-00{n}"), &format!("401 nonce-00{}", n + 1))
    };
    let rounds = challenge() + &round(0) + &round(1) + &round(2);
    assert_eq!(causes(&rounds), [(Cause::WrongPassword, 3), (Cause::AuthLoop, 1)]);
    let stale = |n: u32| register(f64::from(n) * 20.0, n, "nonce-kept", "401 nonce-new stale=true");
    assert_eq!(causes(&stale(2)), [], "once is nothing");
    assert_eq!(causes(&(stale(2) + &stale(3))), [(Cause::StaleNonces, 2)]);
    assert_eq!(causes(&register(1.0, 1, "", "403")), [(Cause::RefusedByPbx, 1)]);
    assert_eq!(causes(&register(1.0, 1, "", "404")), [(Cause::UnknownAccount, 1)]);
    assert_eq!(causes(&register(1.0, 1, "", "503")), [(Cause::Rate, 1)]);
    let again =
        ["1.5", "2.5", "4.5"].map(|at| format!("{at} > {PHONE}\nREGISTER 100 branch=b1 call=c cseq=1\n"));
    assert_eq!(causes(&(register(1.0, 1, "", "500") + &again.concat())), [(Cause::AnswerLost, 1)]);
    let alg = register(1.0, 1, "", "500").replace("10.0.0.7:5062>", "203.0.113.77:5062>");
    assert_eq!(causes(&alg), [(Cause::SipAlg, 1)]);
}

#[test]
fn what_is_forged_does_not_hide_what_is_not() {
    let mut script = register(1.0, 1, "", "401 nonce-000") + &register(1.1, 2, "nonce-000", "401 nonce-001");
    for n in 0..100 {
        let user = format!("REGISTER {n}");
        script += &register(2.0, 10 + n, "", "403").replace("REGISTER 100", &user);
    }
    let mut observer = Observer::new(Settings::default());
    run(&mut observer, &packets(&script));
    let causes = observer.diagnose(Subject::Source("192.0.2.7".parse().unwrap()), at_second(3.0));
    assert!(causes.iter().any(|line| line.cause == Cause::WrongPassword && line.proof == Proof::Proven));
    assert_eq!(causes.len(), 9);
}
