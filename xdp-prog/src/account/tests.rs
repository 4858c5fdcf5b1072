use proptest::prelude::*;

use super::{
    parameter::{FOUND, OTHER_VALUE, PARAMETERS, QUOTED},
    *,
};
use crate::bytes::{Bytes, Whole};

fn all(message: &[u8], wanted: Wanted, stream: bool) -> Vec<Named> {
    let length = message.len() as u32;
    let mut walk = Walk::new(0, length, wanted, stream);
    let message = Whole { payload: Bytes::of(message), length };
    let mut found = vec![];
    while found.last().is_none_or(|last: &Named| !matches!(last.kind, NOTHING | MORE)) {
        found.push(message.next(&mut walk));
    }
    found
}

fn names(message: &[u8]) -> Vec<u64> {
    let found = all(message, Wanted::Names, false);
    found.iter().map(|named| named.name).filter(|name| *name != NONE).collect()
}

/// The credentials in a request with these header lines.
fn credentials(headers: &str) -> Vec<Named> {
    let message = format!("REGISTER sip:a SIP/2.0\r\n{headers}\r\nCall-ID: x\r\n\r\n");
    let mut found = all(message.as_bytes(), Wanted::Credentials, false);
    assert_eq!(found.pop().map(|last| last.kind), Some(NOTHING), "{headers}");
    found
}

fn hashes(names: &[&str]) -> Vec<u64> {
    names.iter().map(|name| hash(name.as_bytes())).collect()
}

/// The names in a request with these header lines.
fn of(headers: &str) -> Vec<u64> {
    names(format!("REGISTER sip:a SIP/2.0\r\n{headers}\r\nCall-ID: x\r\n\r\n").as_bytes())
}

#[test]
fn a_name_has_one_hash_and_no_other_name_has_it() {
    let names = ["", "1", "2", "201", "202", "alice", "Alice", "alice@example.org"];
    let hashes: std::collections::HashSet<_> = names.map(|name| hash(name.as_bytes())).into();
    assert_eq!(hashes.len(), names.len());
    assert!(hashes.iter().all(|hash| is_hash(*hash)));
    assert!(!is_hash(0));
}

#[test]
fn only_the_first_whole_characters_of_a_long_name_count() {
    let long = "x".repeat(64);
    assert_eq!(hash(long.as_bytes()), hash(format!("{long}y").as_bytes()));
    assert_ne!(hash(long.as_bytes()), hash("x".repeat(63).as_bytes()));
    let cut = format!("{}\u{fc}", "x".repeat(63));
    assert_eq!(hash(cut.as_bytes()), hash("x".repeat(63).as_bytes()));
    let whole = format!("{}\u{fc}", "x".repeat(62));
    assert_eq!(hash(whole.as_bytes()), hash(format!("{whole}y").as_bytes()));
}

#[test]
fn the_user_of_from_is_found_however_it_is_written() {
    for (header, user) in [
        ("From: <sip:201@pbx>;tag=1", "201"),
        ("From: sip:201@pbx;tag=1", "201"),
        ("From: sip:201@pbx", "201"),
        ("f: <sip:201@pbx>;tag=1", "201"),
        ("F:<sip:201@pbx>", "201"),
        ("FROM \t: \t <SIP:201@pbx>", "201"),
        ("from:\r\n <sips:201@pbx>", "201"),
        ("From: Ann\r\n\t<sip:201@pbx>", "201"),
        ("From:\n <sip:201@pbx>", "201"),
        ("From: \"Ann\" <sip:201@pbx>", "201"),
        ("From: \"<sip:202@pbx>\" <sip:201@pbx>", "201"),
        ("From: \"\\\" <sip:202@pbx>\" <sip:201@pbx>", "201"),
        ("From: \"\\\\\" <sip:201@pbx>", "201"),
        ("From: Ann O'Neill <sip:201@pbx>", "201"),
        ("From: <sip:201:secret@pbx>", "201"),
        ("From: <sip:201;phone-context=x@pbx>", "201;phone-context=x"),
        ("From: <sip:%32%30%31@pbx>", "%32%30%31"),
        ("From: <sip:+49301@pbx;user=phone>", "+49301"),
        ("From: <tel:+49301;phone-context=x>", "+49301"),
        ("From: tel:+49301", "+49301"),
        ("From: <tel:201>", "201"),
        ("Via: x\r\nFrom: <sip:201@pbx>", "201"),
        ("P-Asserted-Identity: <sip:202@pbx>\r\nFrom: <sip:201@pbx>", "201"),
    ] {
        assert_eq!(of(header), hashes(&[user]), "{header}");
    }
}

#[test]
fn what_has_no_user_has_no_name() {
    for header in [
        "From: <sip:pbx>",
        "From: sip:pbx;tag=a@b",
        "From: <sip:@pbx>",
        "From: <sip::secret@pbx>",
        "From: <mailto:201@pbx>",
        "From: \"<sip:201@pbx>",
        "From: ",
        "From",
        "Fromage: <sip:201@pbx>",
        "To: <sip:201@pbx>",
        "Subject: From: <sip:201@pbx>",
        "X: y\r\n From: <sip:201@pbx>",
        "From: <sip:201\r\nX: @pbx>",
        "Authorization: Digest realm=\"pbx\"",
        "Authorization: Digest username=",
        "Authorization: Digest username=\"\"",
        "Authorization: Digest username=\"201",
        "Authorization: Digest username*=\"201\"",
        "Authorization: Digest xusername=\"201\"",
        "Authorization: Digest realm=\"username=201\"",
        "Authentication-Info: username=\"201\"",
    ] {
        assert_eq!(of(header), [], "{header}");
    }
}

#[test]
fn the_user_name_of_credentials_is_found_however_it_is_written() {
    for (header, name) in [
        ("Authorization: Digest username=\"201\", realm=\"pbx\"", "201"),
        ("AUTHORIZATION:DIGEST USERNAME=\"201\"", "201"),
        ("proxy-Authorization : Digest realm=\"pbx\",username=\"201\"", "201"),
        ("Authorization: Digest realm=\"a, username=\\\"202\\\"\", username=\"201\"", "201"),
        ("Authorization: Digest username = \"201\"", "201"),
        ("Authorization: Digest\r\n username\r\n =\r\n \"201\"", "201"),
        ("Authorization: Digest username=201, realm=\"pbx\"", "201"),
        ("Authorization: Digest username=201", "201"),
        ("Authorization: Digest username=\"201@pbx\"", "201"),
        ("Authorization: Digest username=201@pbx", "201"),
        ("Authorization: Digest username=\"Ann \\\"O\"", "Ann \\\"O"),
        ("Authorization: Digest user=\"x\", username=\"201\"", "201"),
        ("Authorization: Digest username*=x, username=\"201\"", "201"),
    ] {
        assert_eq!(of(header), hashes(&[name]), "{header}");
    }
}

#[test]
fn of_several_user_names_the_last_is_taken_and_the_credentials_are_marked() {
    for (header, name) in [
        ("Authorization: Digest username=\"201\", username=\"202\"", "202"),
        ("Authorization: Digest username=201,username=202 , username=\"203\"", "203"),
        ("Authorization: Digest username=\"username=1\", username=\"202\"", "202"),
        ("Authorization: Digest username=\"201\",\r\n username=\"202\"", "202"),
        ("Authorization: Digest username=\"201\", realm=\"x\", Digest username=\"202\"", "202"),
    ] {
        assert_eq!(of(header), hashes(&[name]), "{header}");
        assert_eq!(credentials(header)[0].flags, flag::NAMES, "{header}");
    }
    for header in [
        "Authorization: Digest username=\"201\", realm=\"username=202\"",
        "Authorization: Digest username=\"201\"\r\nX: username=\"202\"",
        "Authorization: Digest username=\"201\", username=201",
    ] {
        assert_eq!(credentials(header)[0].flags, 0, "{header}");
    }
    // One PBX reads these as a part of a string, and another as a name.
    for shadow in
        ["\"\\\"", "a\"b", "\"a\"\"", "'\"", "\"a\" \"b", "\"a\"b"].map(|it| format!("x={it}, username=201"))
    {
        let header = format!("Authorization: Digest username=\"202\", {shadow}");
        assert_eq!(credentials(&header)[0].flags, flag::NAMES, "{header}");
    }
    for colon in ["\"x:201@pbx\"", "x:201"].map(|it| format!("Authorization: Digest username={it}")) {
        assert_eq!(credentials(&colon)[0].flags, flag::ODD, "{colon}");
    }
    // The last header of all, without an end.
    let cut = "REGISTER sip:a SIP/2.0\r\nAuthorization: Digest username=201, username=202";
    assert_eq!(names(cut.as_bytes()), hashes(&["202"]));
}

#[test]
fn two_credentials_for_one_realm_under_two_names_are_marked() {
    let of = |first: &str, second: &str| {
        let found =
            credentials(&format!("Authorization: Digest {first}\r\nProxy-Authorization: Digest {second}"));
        [found[0].flags, found[1].flags]
    };
    let (a, b) = ("username=\"201\", realm=\"a\"", "username=\"202\", realm=\"a\"");
    assert_eq!(of(a, b), [0, flag::NAMES]);
    assert_eq!(of(a, "realm=a,username=202"), [0, flag::NAMES]);
    assert_eq!(of("username=\"201\"", "username=\"202\""), [0, flag::NAMES]);
    assert_eq!(of(a, a), [0, 0]);
    assert_eq!(of(a, "username=\"202\", realm=\"b\""), [0, 0]);
    // Nor are they in a segment, which may have several requests.
    let one = format!(
        "REGISTER sip:a SIP/2.0\r\nAuthorization: Digest {a}\r\nProxy-Authorization: Digest {b}\r\n\r\n"
    );
    assert!(all(one.as_bytes(), Wanted::Credentials, true).iter().any(|named| named.flags == flag::NAMES));
    let two = format!("REGISTER sip:a SIP/2.0\r\nAuthorization: Digest {a}\r\n\r\n").into_bytes();
    let two = [two.as_slice(), &two].concat();
    let two = String::from_utf8(two).unwrap().replacen("201", "202", 1);
    assert!(
        all(two.as_bytes(), Wanted::Credentials, true).iter().all(|named| named.flags & !flag::LATER == 0)
    );
}

#[test]
fn a_name_that_a_pbx_may_read_otherwise_is_marked() {
    for header in [
        "Authorization: Digest username=\"x\", %75sername=\"201\"",
        "Authorization: Digest username=\"x\", user%6Eame=\"201\"",
        "Authorization: Digest username=%32%30%31",
        "Authorization: Digest username=2%301",
        "Authorization: Digest username=\"2\\01\"",
    ] {
        assert_eq!(credentials(header)[0].flags & flag::ODD, flag::ODD, "{header}");
    }
    for header in [
        "Authorization: Digest username=\"201\", uri=\"sip:%20@x\", realm=\"a\\b\"",
        "Authorization: Digest username=\"201\", uri=sip:%20@x",
        "Authorization: Digest username=\"%32\"",
    ] {
        assert_eq!(credentials(header)[0].flags, 0, "{header}");
    }
}

#[test]
fn the_nonce_is_found_however_it_is_written() {
    let nonce = nonce_hash(b"1764470516/0123456789abcdef0123456789abcdef");
    for header in [
        "username=\"201\", nonce=\"1764470516/0123456789abcdef0123456789abcdef\"",
        "NONCE = \"1764470516/0123456789abcdef0123456789abcdef\",username=\"201\"",
        "cnonce=\"x\",nonce=1764470516/0123456789abcdef0123456789abcdef , opaque=\"nonce=1\"",
        "nonce=\"1764470516/0123456789abcdef0123456789abcdef\", nc=00000001, cnonce=\"nonce=2\"",
        "nextnonce=\"1764470516/0123456789abcdef0123456789abcdef\", nextnonc=\"x\", nnonce=\"y\"",
    ] {
        let found = credentials(&format!("Authorization: Digest {header}"));
        assert_eq!(found[0].nonce, nonce, "{header}");
    }
    for header in ["nonce=\"\"", "cnonce=\"x\"", "xnonce=\"x\"", "nonce", "nonce=\"x"] {
        assert_eq!(credentials(&format!("Authorization: Digest {header}"))[0].nonce, NONE, "{header}");
    }
}

#[test]
fn no_decoy_hides_credentials() {
    let decoys = "X: username=\"x\"\r\n".repeat(20);
    let long = "a".repeat(3000);
    for headers in [
        format!("{decoys}Authorization: Digest username=\"201\""),
        format!("Authorization: Digest realm=\"{long}\", username=\"201\""),
        format!("X: {long}\r\nAuthorization: Digest username=\"201\""),
        "Authorization\r\n : Digest username=\"201\"".to_owned(),
        format!("Authorization{}: Digest username=\"201\"", " ".repeat(300)),
        format!("Authorization: Digest {}username=\"201\"", "a=b,".repeat(500)),
    ] {
        let found = credentials(&headers);
        assert_eq!((found[0].kind, found[0].name), (BY_CREDENTIALS, hash(b"201")), "{headers}");
    }
    let many = credentials(&format!("Authorization: Digest {}username=\"201\"", "nonce=b,".repeat(70)));
    assert!(!many[0].is_certain());
    let nine = "Authorization: Digest username=\"x\"\r\n".repeat(9);
    let nine = credentials(&format!("{nine}Authorization: Digest username=\"201\""));
    assert_eq!(nine.len(), 10);
    assert!(!nine[9].is_certain());
}

#[test]
fn a_message_that_goes_on_behind_what_is_looked_at_says_so() {
    let last =
        |message: &str| all(message.as_bytes(), Wanted::Credentials, false).last().map(|last| last.kind);
    assert_eq!(last(&format!("INVITE sip:a SIP/2.0\r\n{}\r\n", "X: y\r\n".repeat(120))), Some(NOTHING));
    assert_eq!(last(&format!("INVITE sip:a SIP/2.0\r\n{}\r\n", "X: y\r\n".repeat(130))), Some(MORE));
    assert_eq!(last(&format!("INVITE sip:a SIP/2.0\r\nX: {}\r\n\r\n", "y".repeat(5000))), Some(MORE));
    assert_eq!(last(&format!("INVITE sip:a SIP/2.0\r\n\r\n{}", "X: y\r\n".repeat(2000))), Some(NOTHING));
}

#[test]
fn credentials_that_are_cut_are_marked() {
    let message = "INFO sip:a SIP/2.0\r\nAuthorization: Digest username=\"201\", realm=\"pbx\"\r\n\r\n";
    let end = message.len() as u32 - 2;
    for length in 40..message.len() as u32 {
        let mut walk = Walk::new(0, length, Wanted::Credentials, false);
        let named = Whole { payload: Bytes::of(message.as_bytes()), length }.next(&mut walk);
        assert_eq!(named.flags == flag::CUT, length < end, "{length}");
    }
}

#[test]
fn credentials_of_the_second_message_in_a_segment_are_found() {
    let request = |name| format!("INFO sip:a SIP/2.0\r\nAuthorization: Digest username=\"{name}\"\r\n\r\n");
    let both = request("201") + &request("202");
    let found = all(both.as_bytes(), Wanted::Credentials, true);
    assert_eq!(found.iter().map(|named| named.name).collect::<Vec<_>>(), [hash(b"201"), hash(b"202"), NONE]);
}

#[test]
fn the_nonces_of_challenges_are_found_and_none_that_is_echoed() {
    let response = "SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP x;a,nonce=\"forged\"\r\n\
                    Call-ID: ,nonce=\"forged\"\r\nFrom: \"nonce=\" <sip:a@b>;x=\"\r\n\
                    Authorization: Digest nonce=\"forged\"\r\n\
                    WWW-Authenticate: Digest realm=\"a\",nonce=\"one\",opaque=\"nonce=1\"\r\n\
                    proxy-authenticate : Digest\r\n nonce=\"two\"\r\n\r\nWWW-Authenticate: Digest nonce=\"forged\"";
    let found = all(response.as_bytes(), Wanted::Challenges, false);
    let nonces: Vec<_> = found.iter().map(|named| named.nonce).collect();
    assert_eq!(nonces, [nonce_hash(b"one"), nonce_hash(b"two"), NONE]);
}

#[test]
fn a_tag_of_to_is_found_however_it_is_written() {
    for (to, inside) in [
        ("To: <sip:201@pbx>;tag=1", true),
        ("t:sip:201@pbx ; TAG = 1", true),
        ("To: \"a;tag=1\" <sip:201@pbx>;x=y;tag=1", true),
        ("To: <sip:201@pbx>\r\n ;tag=1", true),
        ("To: <sip:201@pbx>", false),
        ("To: <sip:201@pbx;tag=1>", false),
        ("To: \"a;tag=1\" <sip:201@pbx>", false),
        ("To: <sip:201@pbx>;xtag=1;tagx=1", false),
        ("Via: x;tag=1", false),
        ("To: <sip:201@pbx>;tag=1\r\nTo: <sip:201@pbx>", false),
    ] {
        let message = format!("INFO sip:a SIP/2.0\r\n{to}\r\n\r\n");
        let last = *all(message.as_bytes(), Wanted::Names, false).last().unwrap();
        assert_eq!((last.kind, last.flags != 0), (NOTHING, inside), "{to}");
    }
}

#[test]
fn all_names_of_a_message_are_found_and_none_of_its_body() {
    let message = "\r\n\r\nINVITE sip:203@pbx SIP/2.0\r\nTo: <sip:203@pbx>\r\nFrom: <sip:201@pbx>;tag=1\r\n\
                   Authorization: Digest username=\"a\"\r\nProxy-Authorization: Digest username=\"b\"\r\n\
                   \r\nFrom: <sip:202@pbx>\r\n";
    assert_eq!(names(message.as_bytes()), hashes(&["201", "a", "b"]));
    let with_feeds = message.replace("\r\n", "\n");
    assert_eq!(names(with_feeds.as_bytes()), hashes(&["201", "a", "b"]));
}

#[test]
fn a_message_that_is_cut_anywhere_has_no_other_names() {
    let message = "INVITE sip:a SIP/2.0\r\nFrom: \"A\" <sip:201@pbx>\r\n\
                   Authorization: Digest realm=\"x\", username=\"202\"\r\n\r\n";
    let all = hashes(&["201", "202"]);
    for length in 0..=message.len() {
        let found = names(&message.as_bytes()[..length]);
        assert!(all.starts_with(&found), "{length}");
    }
    // Bytes behind the message's end do not belong to it.
    let mut walk = Walk::new(0, 60, Wanted::Names, false);
    let whole = Whole { payload: Bytes::of(message.as_bytes()), length: 60 };
    assert_eq!(whole.next(&mut walk).name, all[0]);
    let cut = whole.next(&mut walk);
    assert_eq!((cut.kind, cut.name), (BY_CREDENTIALS, NONE));
    assert_eq!(whole.next(&mut walk).kind, NOTHING);
}

#[test]
fn a_line_ends_with_its_first_line_feed() {
    for length in 0..40 {
        for rest in ["", "x", "\n", "\nxxxxxxxxxxxxxxxx\n"] {
            let line = format!("{}\n{rest}", "\u{b}".repeat(length));
            let most = line.len() as u32;
            let whole = Whole { payload: Bytes::of(line.as_bytes()), length: most };
            assert_eq!(whole.line_length(0, most), length as u32 + 1);
        }
        let endless = "x".repeat(length);
        let whole = Whole { payload: Bytes::of(endless.as_bytes()), length: length as u32 };
        assert_eq!(whole.line_length(0, length as u32), length as u32);
    }
}

/// Bytes that mean something, more often than others.
fn telling() -> impl Strategy<Value = String> {
    let pieces = [
        "From:",
        "f:",
        "Authorization:",
        "Digest ",
        "username=",
        "nonce=",
        "%",
        "To:",
        "\"",
        "\\",
        "<",
        ">",
        "sip:",
        "tel:",
        "@",
        ":",
        ";",
        ",",
        " ",
        "\t",
        "\r\n",
        "\n",
        "201",
        "\u{fc}",
        "x",
    ];
    proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..60).prop_map(|all| all.concat())
}

proptest! {
    #[test]
    fn the_walk_ends_whatever_it_walks_through(message: Vec<u8>) {
        prop_assert!(names(&message).into_iter().all(is_hash));
    }

    #[test]
    fn the_walk_ends_among_what_it_looks_for(message in telling()) {
        prop_assert!(names(message.as_bytes()).len() < 60);
    }

    /// To look at eight bytes at once is to look at one after the other.
    #[test]
    fn quoted_text_is_read_like_any_other(
        text in r#"[ -~\u{0}\u{ff}"\\\\]{0,300}"#, most in 0..310u32, quoted: bool
    ) {
        let payload = Bytes::of(text.as_bytes());
        let begin = if quoted { QUOTED } else { OTHER_VALUE };
        let most = most.min(text.len() as u32);
        let (mut state, mut at) = (begin, 0);
        while at < most && at < PARAMETER_STEP as u32 && state < FOUND {
            state = PARAMETERS.next(state, text.as_bytes()[at as usize]);
            at += 1;
        }
        let (mut read, mut read_state) = (0, begin);
        while read < most && read < PARAMETER_STEP as u32 && read_state < FOUND {
            if read_state == QUOTED {
                read += skip_quoted(payload.skip(read as usize), most - read);
            }
            let step = parameter(payload.skip(read as usize), most - read, read_state);
            (read, read_state) = (read + step.read, step.state);
        }
        if read <= PARAMETER_STEP as u32 {
            prop_assert_eq!((read, read_state), (at, state));
        }
        let ends = text.as_bytes()[..most as usize].split(|byte| *byte == b'"').next().unwrap_or_default();
        if !ends.contains(&b'\\') && ends.len() < most as usize && ends.len() < VALUE_MAX {
            prop_assert_eq!(value_hash(payload, most, End::Quote), nonce_hash(ends));
        }
    }

    #[test]
    fn any_name_is_the_same_in_both_places(name in "[!-9A-Za-z=~\u{fc}\u{4e2d}]{1,70}") {
        let plain: String = name.chars().filter(|char| !"\"\\:;,<>@".contains(*char)).collect();
        if !plain.is_empty() {
            let wanted = hashes(&[&plain]);
            prop_assert_eq!(of(&format!("From: <sip:{plain}@pbx>")), wanted.clone());
            prop_assert_eq!(of(&format!("Authorization: Digest username=\"{plain}\"")), wanted);
        }
    }
}
