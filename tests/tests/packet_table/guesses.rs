//! The limits of guesses: the kernel and replay agree, and no line pays for the guesses of another.

use sipward_tests::{
    filter_pair::FilterPair,
    frame::{Frame, tcp, udp},
    message::{clean, with_body, with_header},
};
use sipward_types::time::KernelTime;
use xdp_prog::{
    abi::{FOREVER, Refunds, kind::KNOWN},
    reason::Class,
};

use crate::{ENFORCE, an_hour};

const ATTACKER: &str = "198.51.100.66";
const CUSTOMER: &str = "198.51.100.7";
const XDP_PASS: u32 = 2;
const ISSUED: &str = "rate:credentials";
const OTHER: &str = "rate:nonce";

/// A try of one password for an account.
struct Try<'a> {
    method: &'a str,
    account: &'a str,
    nonce: &'a str,
    number: u32,
}

impl Try<'_> {
    fn request(&self) -> String {
        let Self { method, account, nonce, number } = self;
        let credentials = format!(
            "Authorization: Digest username=\"{account}\", realm=\"pbx\", nonce=\"{nonce}\", uri=\"sip:pbx\", \
             response=\"{number:032x}\""
        );
        with_header(method, &credentials)
    }
}

fn guess(nonce: &str, number: u32) -> String {
    Try { method: "REGISTER", account: "201", nonce, number }.request()
}

fn pair() -> FilterPair {
    FilterPair::adjusted(ENFORCE, |policy| {
        let guesses = policy.guesses;
        sipward_tests::filter_pair::lift_limits(policy);
        policy.guesses = guesses;
    })
}

fn judge(pair: &mut FilterPair, frame: Frame, from: &str) -> String {
    pair.judge(&frame.from(from).build())
}

/// The number that passes of a hundred, and the reasons of the others.
fn hundred(pair: &mut FilterPair, from: &str, request: impl Fn(u32) -> Frame) -> (usize, Vec<String>) {
    let verdicts: Vec<_> = (0..100).map(|number| judge(pair, request(number), from)).collect();
    let mut reasons: Vec<_> = verdicts.iter().filter(|verdict| *verdict != "request").cloned().collect();
    reasons.dedup();
    (verdicts.iter().filter(|verdict| *verdict == "request").count(), reasons)
}

#[test]
fn guesses_are_few_whatever_the_method_and_the_nonce() {
    for method in
        ["REGISTER", "INVITE", "INFO", "UPDATE", "PRACK", "MESSAGE", "SUBSCRIBE", "OPTIONS", "BYE", "VENDORX"]
    {
        let mut pair = FilterPair::adjusted("options = \"pass\"", |policy| {
            let guesses = policy.guesses;
            sipward_tests::filter_pair::lift_limits(policy);
            policy.guesses = guesses;
        });
        pair.issue(ATTACKER, "right");
        let request =
            |nonce| move |number| udp().carrying(Try { method, account: "201", nonce, number }.request());
        assert_eq!(hundred(&mut pair, ATTACKER, request("made up")), (2, vec![OTHER.to_owned()]), "{method}");
        assert_eq!(hundred(&mut pair, ATTACKER, request("right")), (8, vec![ISSUED.to_owned()]), "{method}");
        assert_eq!(judge(&mut pair, udp().carrying(clean("REGISTER")), ATTACKER), "request");
        assert_eq!(judge(&mut pair, request("made up")(0), CUSTOMER), "request", "{method}");
    }
}

#[test]
fn a_forger_spends_nothing_that_a_phone_needs_who_answers_its_challenge() {
    let mut pair = pair();
    pair.issue(CUSTOMER, "of the customer");
    pair.issue(ATTACKER, "of the attacker");
    for nonce in ["made up", "of the attacker", ""] {
        let forged = |number| udp().carrying(guess(nonce, number));
        hundred(&mut pair, CUSTOMER, forged);
    }
    for number in 0..8 {
        assert_eq!(judge(&mut pair, udp().carrying(guess("of the customer", number)), CUSTOMER), "request");
    }
    assert_eq!(judge(&mut pair, udp().carrying(guess("of the customer", 8)), CUSTOMER), ISSUED);
}

#[test]
fn in_a_crowd_who_answers_the_pbx_is_let_in_and_nobody_else() {
    const CROWD: &str = "prefix-rate:register";
    let mut pair = FilterPair::adjusted(ENFORCE, |policy| {
        let guesses = policy.guesses;
        sipward_tests::filter_pair::lift_limits(policy);
        policy.guesses = guesses;
        policy.newcomer_packets = 20;
        policy.newcomers[Class::Register as usize] = an_hour(1);
        policy.prefix[Class::Register as usize] = an_hour(1);
    });
    pair.issue(CUSTOMER, "of the customer");
    for (from, expected) in
        [("198.51.100.8", "request"), ("198.51.100.9", "request"), (CUSTOMER, CROWD), (ATTACKER, CROWD)]
    {
        assert_eq!(judge(&mut pair, udp().carrying(clean("REGISTER")), from), expected, "{from}");
    }
    assert_eq!(judge(&mut pair, udp().carrying(guess("made up", 0)), CUSTOMER), CROWD);
    assert_eq!(judge(&mut pair, udp().carrying(guess("of the customer", 0)), ATTACKER), CROWD);
    let answer = |number| udp().carrying(guess("of the customer", number));
    let bound = vec![ISSUED.to_owned(), CROWD.to_owned()];
    assert_eq!(hundred(&mut pair, CUSTOMER, answer), (8, bound), "as many guesses as ever, as a newcomer");
    pair.set_worked("198.51.100.10", "201", KernelTime::FOREVER);
    assert_eq!(judge(&mut pair, udp().carrying(guess("made up", 1)), "198.51.100.10"), "request");
}

#[test]
fn an_account_that_has_worked_there_pays_nothing_and_frees_nobody_else() {
    let mut pair = pair();
    pair.issue(ATTACKER, "right");
    pair.set_worked(CUSTOMER, "201", KernelTime::FOREVER);
    pair.put(CUSTOMER, KNOWN);
    let of = |account, number| {
        udp().carrying(Try { method: "REGISTER", account, nonce: "made up", number }.request())
    };
    assert_eq!(hundred(&mut pair, CUSTOMER, |number| of("201", number)).0, 100);
    assert_eq!(hundred(&mut pair, CUSTOMER, |number| of("202", number)).0, 2, "another account there");
    assert_eq!(hundred(&mut pair, ATTACKER, |number| of("201", number)).0, 2, "the account elsewhere");
    assert_eq!(hundred(&mut pair, CUSTOMER, |number| of("201", number)).0, 100);
    pair.set_worked(CUSTOMER, "201", KernelTime::from_nanos(1));
    assert_eq!(hundred(&mut pair, CUSTOMER, |number| of("201", number)).0, 0, "it was long ago");
}

#[test]
fn no_decoy_makes_another_account_of_it() {
    let header = |header: &str| with_header("INFO", header);
    let long = "a".repeat(1_100);
    let nine = "Authorization: Digest username=\"201\"\r\n".repeat(9);
    for (decoy, expected) in [
        (header("Authorization: Digest username=\"201\", user%6eame=\"202\""), OTHER),
        (header("Authorization: Digest username=\"202\", username=\"201\""), "form:names"),
        (header("Authorization: Digest username=\"201\", username=\"202\""), "form:names"),
        (
            header("Authorization: Digest username=\"201\"\r\nProxy-Authorization: Digest username=\"202\""),
            "form:names",
        ),
        (
            header(
                "Authorization: Digest username=\"201\", realm=\"a\"\r\nAuthorization: Digest realm=\"b\", username=\"202\"",
            ),
            OTHER,
        ),
        (header(&format!("{nine}Authorization: Digest realm=\"pbx\", username=\"201\"")), OTHER),
        (header(&format!("Authorization: Digest realm=\"{long}\", username=\"202\"")), OTHER),
        (header("Authorization: Digest realm=\"pbx\""), OTHER),
        (header("Authorization: Digest username=\"2\\01\""), OTHER),
        (header("Authorization: Digest username=%32%30%31"), OTHER),
        (header("Authorization\r\n : Digest username=\"202\""), OTHER),
        (header(&format!("X: {long}\r\nAuthorization: Digest username=\"202\"")), OTHER),
        (header(&format!("{}Authorization: Digest username=\"202\"", "X: y\r\n".repeat(130))), OTHER),
        (header("From: <sip:201@pbx>\r\nAuthorization: Digest username=\"202\""), OTHER),
    ] {
        let mut pair = pair();
        pair.issue(CUSTOMER, "right");
        pair.set_worked(ATTACKER, "201", KernelTime::FOREVER);
        for number in 0..2 {
            judge(
                &mut pair,
                udp().carrying(guess("made up", number).replace("\"201\"", "\"200\"")),
                ATTACKER,
            );
        }
        assert_eq!(judge(&mut pair, udp().carrying(&decoy), ATTACKER), expected, "{decoy}");
        assert_eq!(judge(&mut pair, udp().carrying(guess("made up", 0)), ATTACKER), "request", "201 itself");
    }
}

#[test]
fn the_second_request_of_a_segment_is_a_guess_too() {
    let mut pair = pair();
    pair.issue(ATTACKER, "right");
    let both = |number| tcp().carrying(guess("made up", 2 * number) + &guess("made up", 2 * number + 1));
    assert_eq!(hundred(&mut pair, ATTACKER, both), (1, vec![OTHER.to_owned()]));
    let hidden = |number| tcp().carrying(clean("ACK") + &guess("right", number));
    assert_eq!(hundred(&mut pair, ATTACKER, hidden), (8, vec![ISSUED.to_owned()]));
    // Over a connection, and behind a request that the PBX has not answered yet.
    let behind = |number| clean("REGISTER") + &guess("right", number);
    let mut at = 0;
    let segments: Vec<_> = (0..20)
        .map(|number| {
            let frame = tcp().from("198.51.100.67").sequence(1000 + at).carrying(behind(number));
            at += behind(number).len() as u32;
            frame
        })
        .collect();
    pair.issue("198.51.100.67", "right");
    pair.open(&segments[0]);
    let found: Vec<_> = segments.iter().map(|frame| pair.judge(&frame.build())).collect();
    assert_eq!(found.iter().filter(|verdict| *verdict == "request").count(), 8, "{found:?}");
}

#[test]
fn two_names_in_a_body_are_nobodys() {
    let mut pair = pair();
    let line = "Authorization: Digest username=\"1\", username=\"2\"\r\n";
    let message = with_body("MESSAGE", line);
    for frame in [udp().carrying(&message), tcp().carrying(&message)] {
        assert_eq!(judge(&mut pair, frame, ATTACKER), "request");
    }
    let refused = tcp().carrying(with_header("MESSAGE", line.trim_end()));
    assert_eq!(judge(&mut pair, refused, "198.51.100.68"), "form:names", "in the header");
}

#[test]
fn the_same_request_again_is_no_new_guess() {
    let mut pair = pair();
    pair.issue(ATTACKER, "right");
    for nonce in ["right", "made up"] {
        let again = |_| udp().carrying(guess(nonce, 1));
        assert_eq!(hundred(&mut pair, ATTACKER, again).0, 100, "{nonce}");
    }
    assert_eq!(hundred(&mut pair, ATTACKER, |number| udp().carrying(guess("right", number + 2))).0, 7);
    // Their budget is spent; who sends the first request again pays nothing all the same.
    for nonce in ["right", "made up"] {
        assert_eq!(judge(&mut pair, udp().carrying(guess(nonce, 1)), ATTACKER), "request", "{nonce}");
    }
}

/// Two texts of one length, in which the same parts have changed places: nobody can know which pairs look alike.
#[test]
fn requests_of_the_same_parts_are_two_guesses() {
    let mut pair = pair();
    pair.issue(ATTACKER, "right");
    let request = |number: u32| {
        let part =
            |at: u32| if (at.count_ones() + (number >> (at % 6))) & 1 == 0 { "00000000" } else { "00000001" };
        let parts: String = (0..128).map(part).collect();
        udp().carrying(guess("right", 1).replace("\r\n\r\n", &format!("\r\nX-Parts: {parts}\r\n\r\n")))
    };
    let (passed, reasons) = hundred(&mut pair, ATTACKER, |number| request(number % 64));
    assert_eq!((passed, reasons), (16, vec![ISSUED.to_owned()]), "eight, and the same eight once more");
}

/// Of a phone that is known, in however many pieces its message comes: whose credentials they are is read in each of them.
#[test]
fn who_has_worked_there_pays_nothing_for_a_message_in_pieces() {
    let mut pair = pair();
    pair.set_worked(CUSTOMER, "201", KernelTime::FOREVER);
    pair.put(CUSTOMER, KNOWN);
    let of = |account: &str, number: u32| {
        let padding = format!("X-Padding: {}\r\n", "x".repeat(400));
        let request = Try { method: "REGISTER", account, nonce: "made up", number }.request();
        request.replace("Authorization", &(padding + "Authorization"))
    };
    let mut at = 1;
    let mut passed = |pair: &mut FilterPair, account: &str, number: u32, is_tcp: bool| {
        let text = of(account, number);
        let frames = if is_tcp {
            let frame = tcp().from(CUSTOMER).sequence(at).carrying(&text);
            at += u32::try_from(text.len()).unwrap();
            frame.segments(&[text.find("X-Padding").unwrap() + 100])
        } else {
            udp().from(CUSTOMER).carrying(&text).fragments(number + 1, 480)
        };
        let verdicts: Vec<_> = frames.iter().map(|frame| pair.judge(frame)).collect();
        !verdicts.iter().any(|verdict| verdict.starts_with("rate:"))
    };
    pair.issue(ATTACKER, "right");
    pair.open(&tcp().from(CUSTOMER));
    for is_tcp in [true, false] {
        let of_phone = (0..30).filter(|n| passed(&mut pair, "201", *n, is_tcp)).count();
        assert_eq!(of_phone, 30, "{is_tcp}");
    }
    let guesses = (100..130).filter(|n| passed(&mut pair, "202", *n, false)).count();
    assert_eq!(guesses, 2, "somebody else behind that address");
    let guesses = (200..230).filter(|n| passed(&mut pair, "202", *n, true)).count();
    assert_eq!(guesses, 8, "over TCP, where nobody can be in his name");
    let mut reversed = |number: u32| {
        let mut fragments = udp().from(CUSTOMER).carrying(of("202", number)).fragments(number, 480);
        fragments.reverse();
        fragments.iter().all(|frame| !pair.judge(frame).starts_with("rate:"))
    };
    assert_eq!((300..330).filter(|n| reversed(*n)).count(), 0, "the last fragment first");
}

/// The source of a connection is not forged, so it makes no difference on which side of a cut the nonce is.
#[test]
fn where_a_message_is_cut_does_not_choose_the_budget() {
    for cut in ["username", "nonce=", "uri="] {
        let mut pair = pair();
        pair.issue(ATTACKER, "right");
        pair.open(&tcp().from(ATTACKER));
        let mut at = 1;
        let mut guesses = |number| {
            let text = guess("right", number);
            let frame = tcp().from(ATTACKER).sequence(at).carrying(&text);
            at += u32::try_from(text.len()).unwrap();
            let segments = frame.segments(&[text.find(cut).unwrap()]);
            !segments.iter().any(|segment| pair.judge(segment) == ISSUED)
        };
        assert_eq!((0..20).filter(|number| guesses(*number)).count(), 8, "cut before {cut}");
    }
}

#[test]
fn more_headers_than_are_looked_at_are_charged_whoever_has_worked() {
    let mut pair = pair();
    pair.set_worked(CUSTOMER, "201", KernelTime::FOREVER);
    pair.put(CUSTOMER, KNOWN);
    pair.issue(ATTACKER, "right");
    for decoys in [15, 16, 17, 20, 40] {
        let many = |number| {
            let decoy = |n| format!("Authorization: Digest username=\"201\", realm=\"o{n}\"\r\n");
            let decoys: String = (0..decoys).map(decoy).collect();
            let guess = Try { method: "REGISTER", account: "202", nonce: "made up", number }.request();
            udp().carrying(guess.replacen("Authorization", &(decoys + "Authorization"), 1))
        };
        let passed = hundred(&mut pair, CUSTOMER, many).0;
        assert!(passed <= 2, "{passed} behind {decoys} decoys");
    }
}

/// A PBX may refuse a request for something else, which is given back: the same credentials in the next one are no less a
/// guess than before.
#[test]
fn the_same_credentials_in_another_request_are_another_guess() {
    let mut pair = pair();
    pair.issue(ATTACKER, "right");
    let hops = |number: u32| guess("right", 1).replacen("Forwards: 70", &format!("Forwards: {number}"), 1);
    assert_ne!(hops(0), hops(1));
    assert_eq!(hundred(&mut pair, ATTACKER, |number| udp().carrying(hops(number))).0, 8);
    let segments = |number| tcp().from(CUSTOMER).sequence(1_000 + 700 * number).carrying(guess("made up", 1));
    let found = hundred(&mut pair, CUSTOMER, segments);
    assert_eq!(found.0, 2, "at another place of a stream: {found:?}");
    let again = |_| tcp().from("198.51.100.9").carrying(guess("made up", 1));
    assert_eq!(hundred(&mut pair, "198.51.100.9", again).0, 100, "at the same place");
}

#[test]
fn credentials_of_which_a_part_is_unseen_are_never_the_same_again() {
    let cut = |_| {
        let whole = guess("right", 1).replace("nonce=", &format!("opaque=\"{}\", nonce=", "a".repeat(2_000)));
        udp().carrying(whole).fragments(7, 1_480)[0].clone()
    };
    let lines = |_| {
        let lines = "X: y\r\n".repeat(130);
        udp()
            .carrying(with_header("INFO", &format!("Authorization: Digest nonce=\"x\"\r\n{lines}X: z")))
            .build()
    };
    for build in [&cut as &dyn Fn(u32) -> Vec<u8>, &lines] {
        let mut pair = pair();
        pair.issue(CUSTOMER, "right");
        let frames: Vec<_> = (0..10).map(build).collect();
        let passed = frames.iter().filter(|frame| pair.judge(frame) == "request").count();
        assert_eq!(passed, 2);
    }
}

#[test]
fn what_was_given_back_is_there_once() {
    let mut pair = pair();
    pair.issue(ATTACKER, "right");
    let right = |first| move |number| udp().carrying(guess("right", first + number));
    assert_eq!(hundred(&mut pair, ATTACKER, right(0)).0, 8);
    pair.give_back(ATTACKER, Refunds { issued: 3, other: 1, ..Refunds::default() });
    assert_eq!(hundred(&mut pair, ATTACKER, right(1_000)).0, 3);
    assert_eq!(hundred(&mut pair, ATTACKER, right(2_000)).0, 0);
    pair.give_back(ATTACKER, Refunds { issued: 4, other: 1, ..Refunds::default() });
    assert_eq!(hundred(&mut pair, ATTACKER, right(3_000)).0, 1);
    pair.give_back(ATTACKER, Refunds { issued: 4, other: 1, room: 5, room_until: FOREVER });
    assert_eq!(hundred(&mut pair, ATTACKER, right(4_000)).0, 5);
    // A daemon that lost its map begins anew.
    pair.give_back(ATTACKER, Refunds { issued: 1, room: 5, room_until: 1, ..Refunds::default() });
    assert_eq!(hundred(&mut pair, ATTACKER, right(5_000)).0, 0);
    pair.give_back(ATTACKER, Refunds { issued: 7, ..Refunds::default() });
    assert_eq!(hundred(&mut pair, ATTACKER, right(6_000)).0, 1, "five of six are the room that is gone");
}

#[test]
fn an_office_of_forty_that_succeeds_is_in() {
    let mut pair = pair();
    let mut refunds = Refunds::default();
    for phone in 0..40 {
        let (account, nonce) = (phone.to_string(), format!("nonce {phone}"));
        pair.issue(CUSTOMER, &nonce);
        let request = Try { method: "REGISTER", account: &account, nonce: &nonce, number: phone }.request();
        assert_eq!(judge(&mut pair, udp().carrying(request), CUSTOMER), "request", "{phone}");
        if phone % 4 == 3 {
            refunds.issued += 4;
            pair.give_back(CUSTOMER, refunds);
        }
    }
}

#[test]
fn one_ipv6_line_is_one_whatever_its_network() {
    let mut pair = pair();
    let addresses: Vec<_> = (0..16).map(|net| format!("2001:db8:0:a{net:02x}::7")).collect();
    for address in &addresses {
        pair.issue(address, "right");
    }
    let mut passed = 0;
    for (number, address) in addresses.iter().cycle().take(100).enumerate() {
        let request = udp().carrying(guess("right", number as u32)).v6();
        passed += usize::from(judge(&mut pair, request, address) == "request");
    }
    assert_eq!(passed, 8);
    pair.issue("2001:db8:0:b00::7", "right");
    let neighbour = udp().carrying(guess("right", 1)).v6();
    assert_eq!(judge(&mut pair, neighbour, "2001:db8:0:b00::7"), "request");
}

#[test]
fn without_anybody_who_sees_what_leaves_the_plain_limit_holds() {
    let mut pair = pair();
    assert_eq!(
        hundred(&mut pair, ATTACKER, |number| udp().carrying(guess("made up", number))),
        (8, vec![ISSUED.to_owned()])
    );
}

#[test]
fn forged_senders_do_not_push_out_who_has_tried() {
    let mut pair = pair();
    pair.issue(CUSTOMER, "right");
    assert_eq!(hundred(&mut pair, ATTACKER, |number| udp().carrying(guess("made up", number))).0, 2);
    // By the kernel alone: the two clocks are not the same, and a new line comes in each tenth of a second.
    let mut forge = |from: &str, number| {
        let frame = udp().carrying(guess("made up", number)).from(from).build();
        pair.filter().test_run(&frame, 1).unwrap().0 == XDP_PASS
    };
    let mut passed = 0;
    for number in 0..20_000_u32 {
        let [_, a, b, c] = number.to_be_bytes();
        passed += usize::from(forge(&format!("203.{a}.{b}.{c}"), number));
    }
    assert!((4_096..6_000).contains(&passed), "{passed}");
    assert!((500..600).all(|number| !forge(ATTACKER, number)), "who had tried is still known");
    let request = udp().carrying(guess("right", 1)).from(CUSTOMER).build();
    assert_eq!(pair.filter().test_run(&request, 1).unwrap().0, XDP_PASS);
}

#[test]
fn switched_off_nothing_is_counted() {
    let mut pair = FilterPair::adjusted("guesses = \"off\"", |policy| {
        let guesses = policy.guesses;
        sipward_tests::filter_pair::lift_limits(policy);
        policy.guesses = guesses;
    });
    pair.issue(CUSTOMER, "right");
    assert_eq!(hundred(&mut pair, ATTACKER, |number| udp().carrying(guess("made up", number))).0, 100);
}
