//! Guesses that are to go unseen, and evidence that is to fall on others.

use super::script::told;

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
    told(script).into_iter().map(kind).collect()
}

#[test]
fn nothing_in_the_headers_hides_a_guess() {
    let guess = credentials("100", "nonce-one", 1);
    let decoys: String = (0..40).map(|n| credentials("x", "nonce-none", n)).collect();
    for headers in [
        guess.clone(),
        guess.replace(", response", ", foo bar=1, response"),
        guess.replace("Digest ", "dIGEST\t"),
        decoys + &guess,
    ] {
        let script = fetched(ATTACKER) + &refused(1, &headers);
        assert_eq!(kinds(&script), ["challenged forgeable", "failed proven"], "{headers}");
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
            let told = kinds(&(first.clone() + &script));
            assert_eq!(told, ["challenged forgeable", "failed proven"], "{script}");
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
    let script = fetched(ATTACKER) + &accepted(&(decoy + &own));
    assert_eq!(told(&script)[1], "203.0.113.9:5060 - register registered(600) proven");
    let script = fetched(ATTACKER) + &accepted(&own);
    assert_eq!(told(&script)[1], "203.0.113.9:5060 300 register registered(600) proven");
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
    // What it was asked for does.
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
    // Who never worked may be guessing.
    let kinds = kinds(&(call(2, 3.0, "403") + &call(3, 4.0, "403")));
    assert_eq!(kinds.iter().filter(|kind| *kind == "failed proven").count(), 2, "{kinds:?}");
}
