//! Guesses that are to go unseen, and evidence that is to fall on others.

use super::script::{at_second, emitted, packets, run};
use crate::observe::{Observer, Settings};
use sipward_types::evidence::Kind;

const ATTACKER: &str = "203.0.113.9:5060";
const PHONE: &str = "192.0.2.7:5062";

/// With the PBX's realm, and a response of its own.
fn credentials(user: &str, nonce: &str, response: u32) -> String {
    format!(
        "Authorization: Digest username=\"{user}\", realm=\"pbx\", nonce=\"{nonce}\", response=\"{response}\"\n"
    )
}

fn challenge(nonce: &str) -> String {
    format!("WWW-Authenticate: Digest realm=\"pbx\", nonce=\"{nonce}\"\n")
}

/// A challenge with `nonce-one`.
fn fetched(peer: &str) -> String {
    let names = "REGISTER 100 branch=fetch call=c cseq=1";
    format!("1.0 > {peer}\n{names}\n1.001 < {peer}\n401 {names} tag=t\n{}", challenge("nonce-one"))
}

/// A guess with these headers, refused.
fn refused(n: u32, headers: &str) -> String {
    let (at, names) = (2.0 + f64::from(n), format!("REGISTER 100 branch=b{n} call=c cseq=2"));
    let answer = format!("401 {names} tag=t{n}\n{}", challenge("nonce-two"));
    format!("{at} > {ATTACKER}\n{names}\n{headers}{} < {ATTACKER}\n{answer}", at + 0.001)
}

fn kinds(script: &str) -> Vec<String> {
    let kind = |line: String| line.splitn(4, ' ').last().unwrap_or_default().to_owned();
    emitted(script).into_iter().map(kind).collect()
}

#[test]
fn nothing_in_the_headers_hides_a_guess() {
    let guess = credentials("100", "nonce-one", 1);
    let decoys: String = (0..40).map(|n| credentials("x", "nonce-none", n)).collect();
    for headers in [
        guess.clone(),
        guess.replace(", response", ", foo bar=1, response"),
        guess.replace("Digest ", "dIGEST\t"),
    ] {
        let script = fetched(ATTACKER) + &refused(1, &headers);
        assert_eq!(kinds(&script), ["challenged forgeable", "failed proven"], "{headers}");
    }
    let script = fetched(ATTACKER) + &refused(1, &(decoys.clone() + &guess));
    assert_eq!(kinds(&script)[1..], ["named proven", "failed proven"], "the first of the PBX's realm");
    let of_this_realm = decoys.replace("\"pbx\"", "\"elsewhere\"") + &guess;
    assert_eq!(
        emitted(&(fetched(ATTACKER) + &refused(1, &of_this_realm)))[1..],
        ["203.0.113.9:5060 x register named proven", "203.0.113.9:5060 100 register failed proven"]
    );
}

#[test]
fn who_names_several_accounts_has_failed_with_the_one_that_the_pbx_reads() {
    let twice = credentials("100", "nonce-one", 1).replace(", realm", ", username=\"200\", realm");
    let last = credentials("100", "nonce-one", 1).replace("response", "USERNAME = 200, response");
    let headers = credentials("100", "nonce-one", 1) + &credentials("200", "nonce-one", 2);
    // The last of a header, and the first header of its realm.
    for (headers, failed, named) in [(twice, "200", "100"), (last, "200", "100"), (headers, "100", "200")] {
        let emitted = emitted(&(fetched(ATTACKER) + &refused(1, &headers)));
        let [_, other, one] = emitted.as_slice() else { panic!("{emitted:?}") };
        assert_eq!(*one, format!("203.0.113.9:5060 {failed} register failed proven"), "{headers}");
        assert_eq!(*other, format!("203.0.113.9:5060 {named} register named proven"), "{headers}");
    }
    // Nobody works by it.
    let names = "REGISTER 100 branch=b1 call=c cseq=2";
    let twice = credentials("100", "nonce-one", 1).replace(", realm", ", username=200, realm");
    let accepted = format!(
        "2.0 > {ATTACKER}\n{names}\nContact: <sip:1@10.0.0.9>\n{twice}2.1 < {ATTACKER}\n200 {names} tag=t\n"
    );
    assert_eq!(
        emitted(&(fetched(ATTACKER) + &accepted))[1],
        "203.0.113.9:5060 - register registered(3600) proven"
    );
}

/// The phone's packets on one connection, and others of it somewhere in its numbers.
fn on_tcp(script: &str, at: &str) -> String {
    script.replace(&format!("{PHONE}\n"), &format!("{PHONE} tcp{at}\n"))
}

#[test]
fn a_request_that_the_pbx_has_not_read_is_not_answered() {
    let names = |n: u32| format!("REGISTER 100 branch=b{n} call=c cseq={n}");
    let asked = |at: f64, n: u32| format!("{at} > {PHONE}\n{}\n", names(n));
    let answered = |at: f64, n: u32| format!("{at} < {PHONE}\n403 {} tag=t{n}\n", names(n));
    let works = on_tcp(&(asked(1.0, 1) + &answered(1.1, 1)), "");
    assert_eq!(kinds(&works), ["refused proven"]);
    // Somebody has a proxy send an answer of his own on the phone's connection. The request for it the kernel never took:
    // somewhere in the stream, twice as if it went on there, or behind what was read.
    let reflected = on_tcp(&answered(2.1, 2), "");
    for at in ["@900000000", "@500000", "@4000000000"] {
        let forged = on_tcp(&asked(2.0, 2), at);
        assert_eq!(kinds(&(works.clone() + &forged + &reflected)), ["refused proven"], "{at}");
    }
    let (first, then) = (on_tcp(&asked(2.0, 3), "@900000000"), on_tcp(&asked(2.0, 2), "@900000242"));
    let length = packets(&first)[0].bytes.len();
    let then = then.replace("@900000242", &format!("@{}", 900_000_000 + length));
    assert_eq!(kinds(&(works.clone() + &first + &then + &reflected)), ["refused proven"]);
    // The phone's own are, before and after.
    let again = on_tcp(&(asked(3.0, 4) + &answered(3.1, 4)), "");
    assert_eq!(kinds(&(works.clone() + &first + &then + &again)), ["refused proven"; 2]);
}

#[test]
fn a_guess_that_comes_in_the_place_of_what_the_kernel_dropped_is_seen() {
    let first = on_tcp(&fetched(PHONE), "");
    let names = "REGISTER 100 branch=b1 call=c cseq=2";
    let guess = credentials("100", "nonce-one", 1);
    let start = packets(&first)[0].bytes.len();
    // With a wrong checksum, and a body that would hide all that follows.
    let decoy =
        format!("1.9 > {PHONE} tcp@{start}\nREGISTER 100 branch=d call=d cseq=2\nContent-Length: 1000000\n");
    let real = format!("2.0 > {PHONE} tcp@{start}\n{names}\n{guess}");
    let refused = format!("2.1 < {PHONE} tcp\n401 {names} tag=u\n{}", challenge("nonce-two"));
    for script in [decoy.clone() + &real, real.clone() + &decoy] {
        let mut seen = packets(&(first.clone() + &script + &refused));
        let length = seen.iter().find(|packet| packet.at == at_second(2.0)).unwrap().bytes.len();
        seen.last_mut().unwrap().acknowledged = Some((start + length) as u32);
        let mut observer = Observer::new(Settings::default());
        let emitted = run(&mut observer, &seen);
        assert!(matches!(emitted.last().unwrap().kind, Kind::Failed { .. }), "{emitted:?}");
    }
}

#[test]
fn what_has_the_names_of_a_guess_hides_none() {
    let names = "REGISTER 100 branch=b call=c cseq=2";
    let send = |at: f64, headers: &str| format!("{at} > {ATTACKER}\n{names}\n{headers}");
    let guess = |n| credentials("100", "nonce-one", n);
    let answer = |at: f64| format!("{at} < {ATTACKER}\n401 {names} tag=t\n{}", challenge("nonce-two"));
    let (first, old) = (fetched(ATTACKER), credentials("100", "nonce-none", 1));
    // One that the PBX did not get, behind the guess or before it.
    for decoy in ["", &old] {
        let behind = send(2.0, &guess(1)) + &send(2.0001, decoy) + &answer(2.001);
        let before = send(2.0, decoy) + &send(2.0001, &guess(1)) + &answer(2.001);
        for script in [behind, before] {
            let emitted = kinds(&(first.clone() + &script));
            assert_eq!(emitted, ["challenged forgeable", "failed proven"], "{script}");
        }
    }
    // Several at once, of which the answers are all the same.
    let volley = send(2.0, &guess(1)) + &send(2.0001, &guess(2)) + &send(2.0002, &guess(3));
    let script = first.clone() + &volley + &answer(2.001) + &answer(2.0011) + &answer(2.0012);
    assert_eq!(kinds(&script)[1..], ["failed proven"; 3]);
    // An answer that comes again is none to what was asked since.
    let again = first + &send(2.0, &guess(1)) + &answer(2.001) + &send(2.01, &guess(2)) + &answer(2.5);
    assert_eq!(kinds(&again)[1..], ["failed proven"]);
}

#[test]
fn whose_credentials_were_good_is_not_said_where_there_are_several() {
    let names = "REGISTER 300 branch=good call=c cseq=3";
    let own = credentials("300", "nonce-one", 2);
    let contact = "Contact: <sip:300@10.0.0.9>;expires=600\n";
    let accepted = |headers: &str| {
        format!(
            "9.0 > {ATTACKER}\n{names}\n{contact}{headers}9.001 < {ATTACKER}\n200 {names} tag=g\n{contact}"
        )
    };
    let decoy = credentials("100", "nonce-none", 1);
    let fetched = fetched(ATTACKER).replace("REGISTER 100", "REGISTER 300");
    let script = fetched.clone() + &accepted(&(decoy + &own));
    assert_eq!(emitted(&script)[1], "203.0.113.9:5060 - register registered(600) proven");
    let script = fetched + &accepted(&own);
    assert_eq!(emitted(&script)[1], "203.0.113.9:5060 300 register registered(600) proven");
}

#[test]
fn a_nonce_that_a_proxy_only_passed_on_proves_nothing() {
    // The attacker has answered nobody's question, with a nonce of his own, and the proxy sent it where the Via said.
    let reflected = format!(
        "1.0 < {PHONE}\n401 REGISTER 100 branch=r call=r cseq=1 tag=t\n{}",
        challenge("nonce-of-the-attackers")
    );
    let names = "REGISTER 100 branch=b call=c cseq=2";
    let guess = credentials("100", "nonce-of-the-attackers", 1);
    let forged = format!(
        "2.0 > {PHONE}\n{names}\n{guess}2.001 < {PHONE}\n401 {names} tag=u\n{}",
        challenge("nonce-two")
    );
    assert_eq!(kinds(&(reflected.clone() + &forged)), ["failed forgeable"]);
    // Nor does it where the proxy was asked in the victim's name for what it does not answer.
    let names = "REGISTER 100 branch=r call=r cseq=1";
    let silent = format!("0.9 > {PHONE}\n{names}\n");
    let sent = format!(
        "0.99 > {ATTACKER}\n401 {names} tag=t\nVia: SIP/2.0/UDP 192.0.2.7\n{}",
        challenge("nonce-of-the-attackers")
    );
    assert_eq!(kinds(&(silent + &sent + &reflected + &forged)), ["challenged forgeable", "failed forgeable"]);
    // The answer to its challenge does.
    let asked = fetched(PHONE) + &forged.replace("nonce-of-the-attackers", "nonce-one");
    assert_eq!(kinds(&asked)[1], "failed proven");
}

#[test]
fn a_question_that_is_only_passed_on_makes_nobody_a_trunk() {
    let names = "OPTIONS 100 branch=a-long-enough-branch call=a-long-enough-call cseq=1";
    let asked = |headers: &str| {
        format!("1.0 < {ATTACKER}\n{names}\n{headers}1.1 > {ATTACKER}\n200 {names} tag=t\n{headers}")
    };
    assert_eq!(kinds(&asked("")), ["qualified proven"]);
    assert_eq!(kinds(&asked("Via: SIP/2.0/UDP 203.0.113.10;branch=z9hG4bKx\n")), [""; 0]);
}

#[test]
fn a_call_that_is_forbidden_to_somebody_who_works_is_no_guess() {
    let call = |n: u32, at: f64, status: &str| {
        let names = format!("INVITE 100 branch=i{n} call=i{n} cseq=1");
        let guess = credentials("100", &format!("nonce-call-{n}"), n);
        let first = format!(
            "{at} > {PHONE}\n{names}0\n{} < {PHONE}\n407 {names}0 tag=c{n}\nProxy-{}",
            at + 0.001,
            challenge(&format!("nonce-call-{n}")).replacen("WWW-", "", 1)
        );
        first
            + &format!(
                "{} > {PHONE}\n{names}1\n{guess}{} < {PHONE}\n{status} {names}1 tag=d{n}\n",
                at + 0.1,
                at + 0.2
            )
    };
    let works = call(1, 2.0, "200") + &call(2, 3.0, "403");
    assert!(kinds(&works).contains(&"refused proven".to_owned()), "{:?}", kinds(&works));
    assert!(!kinds(&works).iter().any(|kind| kind.contains("failed")));
    // An account that never worked may be guessing.
    let kinds = kinds(&(call(2, 3.0, "403") + &call(3, 4.0, "403")));
    assert_eq!(kinds.iter().filter(|kind| *kind == "failed proven").count(), 2, "{kinds:?}");
}
