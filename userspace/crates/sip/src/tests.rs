use proptest::prelude::*;

use super::*;

fn parsed(text: &str) -> Message<'_> {
    Message::parse(text.as_bytes(), false).expect("a SIP message")
}

const REGISTER: &str = "REGISTER sip:pbx.example SIP/2.0\r\n\
    Via: SIP/2.0/UDP 10.0.0.7:5062;branch=z9hG4bKa1;rport, SIP/2.0/UDP proxy;branch=z9hG4bKno\r\n\
    Via: SIP/2.0/UDP other;branch=z9hG4bKno\r\n\
    From: \"Doe, <J> \\\"x\" <sip:100:pw@pbx.example:5061;x=y>;tag=ft\r\n\
    To: sip:100@pbx.example;tag=tt\r\n\
    Call-ID: c1@10.0.0.7\r\n\
    CSeq: 42 REGISTER\r\n\
    Contact: <sip:100@10.0.0.7:5062;transport=udp>;expires=600;+sip.instance=\"<urn:uuid:1>\", sip:b@[2001:db8::1]:9\r\n\
    Expires: 3600\r\n\
    Authorization: Digest username=\"1\\\"00\", realm=\"a, b\", nonce=\"n=1\",uri=\"sip:x\", response=\"00\"\r\n\
    Proxy-Authorization: Digest username = p , realm=r, nonce=n2\r\n\
    Content-Length: 3\r\n\r\nabc";

#[test]
fn a_request_is_read() {
    let message = parsed(REGISTER);
    assert_eq!(message.start, Start::Request { method: b"REGISTER", uri: b"sip:pbx.example" });
    assert_eq!(
        message.via,
        Via { host: b"10.0.0.7", port: Some(5062), branch: b"z9hG4bKa1", received: None, rport: None }
    );
    assert_eq!(message.from.uri, Uri { user: b"100", host: b"pbx.example", port: Some(5061) });
    assert_eq!((message.from.tag, message.to.tag), (Some(&b"ft"[..]), Some(&b"tt"[..])));
    assert_eq!(message.call_id, b"c1@10.0.0.7");
    assert_eq!(message.sequence, Sequence { number: 42, method: b"REGISTER" });
    let [first, second] = &message.contacts[..] else { panic!("{:?}", message.contacts) };
    assert_eq!(first.uri, Uri { user: b"100", host: b"10.0.0.7", port: Some(5062) });
    assert_eq!((first.expires, first.instance), (Some(600), Some(&b"<urn:uuid:1>"[..])));
    assert_eq!(second.uri, Uri { user: b"b", host: b"[2001:db8::1]", port: Some(9) });
    assert_eq!(message.expires, Some(3600));
    let [www, proxy] = &message.credentials[..] else { panic!("{:?}", message.credentials) };
    assert_eq!((www.username, www.realm, www.nonce), (&b"1\\\"00"[..], &b"a, b"[..], &b"n=1"[..]));
    assert_eq!((proxy.username, proxy.realm, proxy.nonce), (&b"p"[..], &b"r"[..], &b"n2"[..]));
    assert_eq!(message.content_length, Some(3));
    assert_eq!(message.body, Some(REGISTER.len() - 3));
}

#[test]
fn an_answer_is_read() {
    let message = parsed(
        "SIP/2.0 401 Unauthorized\r\nv: SIP / 2.0 / TCP h : 99 ;received=192.0.2.1;rport=7;branch = b\r\n\
         f:<sip:1@x>;tag=1\r\nt:<sip:1@x>;tag=\"2\"\r\ni:c\r\nCSEQ: 7  \r\n INVITE\r\nm: *\r\nl:0\r\n\
         WWW-Authenticate: Basic realm=\"no\", Digest realm=\"one\", nonce=\"n1\", Digest realm=two,nonce=n2,stale=TRUE\r\n\
         Authentication-Info: qop=auth, nextnonce=\"nn\"\r\n\r\n",
    );
    assert_eq!(message.start, Start::Answer { status: 401 });
    assert_eq!(
        message.via,
        Via { host: b"h", port: Some(99), branch: b"b", received: Some(b"192.0.2.1"), rport: Some(7) }
    );
    assert_eq!((message.from.tag, message.to.tag), (Some(&b"1"[..]), Some(&b"2"[..])));
    assert_eq!(message.sequence, Sequence { number: 7, method: b"INVITE" });
    assert!(message.all_contacts && message.contacts.is_empty());
    assert_eq!(message.content_length, Some(0));
    assert_eq!(
        message.challenges,
        [
            Challenge { realm: b"one", nonce: b"n1", stale: false },
            Challenge { realm: b"two", nonce: b"n2", stale: true }
        ]
    );
    assert_eq!(message.next_nonce, Some(&b"nn"[..]));
}

#[test]
fn users_are_found_where_they_are() {
    for (from, user) in [
        ("sip:100@h", "100"),
        ("<sip:100@h>", "100"),
        ("<SIPS:100;x=1@h>", "100;x=1"),
        ("<tel:+431;phone-context=x>", "+431"),
        ("100 <sip:h>", ""),
        ("\"<sip:liar@h>\" <sip:100@h>", "100"),
        ("\"unclosed <sip:100@h>", "100"),
        ("<sip:100@h", "100"),
        ("<http://100@h>", ""),
        ("<sip:%31@h>", "%31"),
        ("100", ""),
        ("", ""),
    ] {
        let text = format!("A b SIP/2.0\r\nFrom: {from}\r\n\r\n");
        assert_eq!(parsed(&text).from.uri.user, user.as_bytes(), "{from}");
    }
}

#[test]
fn only_sip_begins_like_sip() {
    for (line, is_sip) in [
        ("REGISTER sip:x SIP/2.0", true),
        ("REGISTER sip:x y sip/2.0", true),
        ("!.*%_+'~`-a b SIP/2.0", true),
        ("SIP/2.0 200 OK", true),
        ("SIP/2.0 200", true),
        ("\r\n\r\nSIP/2.0 200 OK", true),
        ("REGISTER SIP/2.0", false),
        ("REGISTER sip:x SIP/2.01", true),
        ("REGISTER sip:x SIP/2.0 1", false),
        ("REGISTER sip:x SIP/3.0", false),
        ("REGISTER sip:x SIP / 2.0", true),
        ("REGISTER sip:1.2.3.4:5060SIP\t/2.0", true),
        ("REGISTER<sip:x>SIP/2.0", true),
        ("RE@G sip:x SIP/2.0", true),
        ("SIP/X sip:x SIP/2.0", true),
        ("SIP / 2.0 200 OK", true),
        ("SIP/2.0200 OK", true),
        ("SIP/2.0 99 OK", false),
        ("SIP/2.0 700 OK", false),
        ("SIP/2.0 x", false),
        ("SIP/2.0", false),
        ("GET / HTTP/1.1", false),
        ("\r\n\r\n", false),
        ("", false),
    ] {
        assert_eq!(Message::parse(format!("{line}\r\n").as_bytes(), false).is_some(), is_sip, "{line}");
    }
}

/// The parts of a reading by which an answer is found, or that it is about.
fn names(message: &Message<'_>) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let users = message.credentials.iter().map(|credentials| text(credentials.username));
    let number = message.sequence.number.to_string();
    [text(message.from.uri.user), text(message.call_id), number].into_iter().chain(users).collect()
}

fn readings(text: &str) -> Vec<Vec<String>> {
    Message::readings(text.as_bytes(), false).map(|message| names(&message)).collect()
}

const FIRST: &str = "From: <sip:1@x>;tag=a\r\nCall-ID: one\r\nCSeq: 1 REGISTER\r\n";
const DIGEST: &str = "Authorization: Digest username=\"7\", realm=\"r\", nonce=\"n\"";

#[test]
fn a_request_is_read_as_each_pbx_reads_it() {
    let usual = vec!["1".to_owned(), "one".to_owned(), "1".to_owned(), "7".to_owned()];
    for start in [
        "REGISTER sip:x SIP/2.0\r\n",
        "REGISTER sip:x SIP / 2.0\r\n",
        "REGISTER sip:x\r\n SIP/2.0\r\n",
        "REGISTER\r\n\tsip:x SIP/2.0\n",
        "REGISTER sip:x SIP/2.0\r\n \t\r\n",
        "REGISTER<sip:x>SIP/2.0\r\n",
        "\0\r\n REGISTER sip:x SIP/2.0\r\n",
    ] {
        for headers in [
            format!("{FIRST}{DIGEST}\r\n\r\n"),
            format!("{FIRST}{DIGEST}\r\n \r\n\r\n"),
            format!("{FIRST}{}\r\n\r\n", DIGEST.replace(": ", "\r\n : ")),
            format!("{FIRST}{}\r\n\r\n", DIGEST.replace(", ", ",\r\n\t")),
            format!("{FIRST}{DIGEST}\n\n").replace("\r\n", "\n"),
        ] {
            assert_eq!(readings(&(start.to_owned() + &headers)), [usual.as_slice()], "{start:?} {headers:?}");
        }
    }
    let start = "REGISTER sip:x SIP/2.0\r\n";
    let plain = format!("{start}{FIRST}{DIGEST}\r\n\r\n");
    assert_eq!(readings(&plain.replace("\r\n", "\r"))[0], usual);
    let without = usual[..3].to_vec();
    let hidden = format!("{start}{FIRST}X: y\r{DIGEST}\r\n\r\n");
    assert_eq!(readings(&hidden), [usual.clone(), without.clone()]);
    let folded = format!("{start}{FIRST}{}\r\n\r\n", DIGEST.replace(", ", ",\r "));
    assert_eq!(readings(&folded), [usual.as_slice(); 1]);
    let quoted =
        format!("{start}{FIRST}{}\r\n\r\n", DIGEST.replace("Digest ", "Digest opaque=\"a\rb\\\"c\", "));
    assert_eq!(readings(&quoted), [usual.as_slice()]);
    let unquoted = format!("{start}{FIRST}X: \"a\r{DIGEST}\r\n\r\n");
    assert_eq!(readings(&unquoted), [usual.clone(), without.clone()]);
    // An empty line that begins with a CR is one for both.
    for empty in ["\r", "\n\r"] {
        let over = format!("{start}{}{empty}{DIGEST}\r\n\r\n", FIRST.trim_end_matches('\n'));
        assert_eq!(readings(&over)[0], without, "{empty:?}");
    }
    let twice = format!("{start}{FIRST}{DIGEST}\r\nf: <sip:2@x>\r\ni: two\r\nCSeq: 2 REGISTER\r\n\r\n");
    let last = vec!["2".to_owned(), "two".to_owned(), "2".to_owned(), "7".to_owned()];
    assert_eq!(readings(&twice), [last, usual.clone()]);
    let same = format!("{start}{FIRST}{FIRST}{DIGEST}\r\n\r\n");
    assert_eq!(readings(&same), [usual]);
}

#[test]
fn what_is_cut_is_not_taken_for_whole() {
    let whole = parsed(REGISTER);
    for end in 0..REGISTER.len() {
        let Some(message) = Message::parse(&REGISTER.as_bytes()[..end], true) else {
            assert!(end < REGISTER.find("\r\n").unwrap() + 3, "{end}");
            continue;
        };
        assert!([&b""[..], b"c1@10.0.0.7"].contains(&message.call_id), "{end}");
        assert!(message.from == Party::default() || message.from == whole.from, "{end}");
        assert!(whole.credentials.starts_with(&message.credentials), "{end}");
        assert!(message.content_length.is_none() || message.content_length == Some(3));
        assert_eq!(message.body.is_some(), end >= REGISTER.len() - 3, "{end}");
    }
}

#[test]
fn the_time_is_linear() {
    // Each of them would take minutes if it were not.
    for piece in ["\\\",", "<,", "\",", ";\"", " \n ", "a=\"\\\","] {
        for header in ["Via", "From", "Contact", "Authorization", "WWW-Authenticate", "X"] {
            let text = format!("A b SIP/2.0\r\n{header}: {}\r\n\r\n", piece.repeat(1 << 18));
            parsed(&text);
        }
    }
}

#[test]
fn the_valid_messages_of_rfc_4475_are_read() {
    for (name, message) in sipward_testkit::torture::valid_messages() {
        let message = Message::parse(&message, false).unwrap_or_else(|| panic!("{name} is SIP"));
        assert!(!message.call_id.is_empty(), "{name}");
        assert!(!message.sequence.method.is_empty(), "{name}");
        assert!(!message.via.host.is_empty(), "{name}");
        if let Start::Request { method, .. } = message.start {
            assert_eq!(method, message.sequence.method, "{name}");
        }
    }
}

#[test]
fn a_start_is_found() {
    assert_eq!(find_start(b"x\r\nREGISTER a SIP/2.0\r\n"), Ok(3));
    assert_eq!(find_start(b"SIP/2.0 200 OK\r\n"), Ok(0));
    assert_eq!(find_start(b"x\r\nREGISTER a SIP/2.0"), Err(3));
    assert_eq!(find_start(b""), Err(0));
}

/// Headers as attackers would write them.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    const LINE: &str = "(Via|v|From|f|To|Call-ID|CSeq|Contact|m|Authorization|WWW-Authenticate|Content-Length|X)\
        [ \t]{0,2}:?[ -~\r\n\t]{0,40}[\"<>;,=@:\\\\]{0,12}(\r\n|\n|\r\n )";
    let text = prop::collection::vec(LINE, 0..12);
    text.prop_map(|lines| ["REGISTER sip:x SIP/2.0\r\n", &lines.concat()].concat().into_bytes())
}

/// Headers with line ends of all kinds.
fn odd_header() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec!["\r\n", "\n", "\r", "\r\n ", "\r\t", "\n\r", "\r\r\n"]),
        3 => prop::sample::select(vec!["X: a", "Via: b", "Via: \"", "\"", "\\", "To : c", " ", "no colon", "Call-ID:"]),
    ];
    prop::collection::vec(piece, 1..12).prop_map(|pieces| ["X: ", &pieces.concat()].concat().into_bytes())
}

/// The plain reading, byte by byte: all line ends are found first, and then headers are what is between those that no
/// blank follows.
fn naive_lines(text: &[u8], ends: LineEnd) -> Vec<[Vec<u8>; 2]> {
    let mut headers = Vec::new();
    let mut line = Vec::new();
    let (mut at, mut quoted) = (0, false);
    while at < text.len() {
        let rest = &text[at..];
        let quotes = line.first().is_some_and(|first: &u8| b"VT".contains(first));
        let end = match rest {
            [b'\r', b'\n', ..] if !quoted || ends == LineEnd::Feed => 2,
            [b'\n', ..] => 1,
            [b'\r', ..] if line.is_empty() || ends == LineEnd::Return && !quoted => 1,
            _ => 0,
        };
        if end == 0 {
            let escaped = quoted && line.iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1;
            quoted ^= rest[0] == b'"' && quotes && !escaped;
            line.push(rest[0]);
            at += 1;
            continue;
        }
        if line.is_empty() {
            break;
        }
        // Quotes do not go beyond an LF.
        quoted &= rest[0] == b'\r' && end == 1;
        line.extend(&rest[..end]);
        at += end;
        if !matches!(text.get(at), Some(b' ' | b'\t')) {
            headers.push(std::mem::take(&mut line));
        }
    }
    headers.push(line);
    let header = |line: Vec<u8>| {
        let colon = position(&line, b':')?;
        Some([trim(&line[..colon]).to_vec(), trim(&line[colon + 1..]).to_vec()])
    };
    headers.into_iter().filter_map(header).collect()
}

proptest! {
    #[test]
    fn garbage_is_survived(bytes: Vec<u8>, cut: bool) {
        Message::parse(&bytes, cut);
        let _ = find_start(&bytes);
    }

    #[test]
    fn lines_end_where_they_do_for_each_pbx(text in odd_header()) {
        for ends in [LineEnd::Return, LineEnd::Feed] {
            let mut lines = Lines::new(&text, false, ends);
            let read: Vec<_> = lines.by_ref().map(|line| [line.name, line.value].map(<[u8]>::to_vec)).collect();
            prop_assert_eq!(read, naive_lines(&text, ends), "{:?} {}", ends, text.escape_ascii());
        }
    }

    #[test]
    fn hostile_headers_are_survived(bytes in hostile(), cut: bool, end: prop::sample::Index) {
        prop_assert!(Message::parse(&bytes, cut).is_some());
        Message::parse(&bytes[..end.index(bytes.len() + 1)], cut);
    }
}
