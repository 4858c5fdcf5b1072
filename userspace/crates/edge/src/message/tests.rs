use proptest::prelude::*;
use sipward_testkit::message::{Request, clean, with_body};
use sipward_testkit::torture;

use super::*;

fn read(text: &str) -> Result<Message<'_>, Unclear> {
    Message::read(text.as_bytes(), Carrier::Datagram).map_err(|refused| refused.cause)
}

const INVITE: &str = "INVITE sip:201@pbx.example SIP/2.0\r\n\
    v: SIP/2.0/UDP 10.0.0.7:5062;branch=z9hG4bKa1;rport , SIP / 2.0 / TCP [2001:db8::9];branch=z9hG4bKb\r\n\
    Via: SIP/2.0/UDP third\r\n\
    Max-Forwards: 0070\r\n\
    Route: <sip:one.example;lr>, <sip:two@h:5070;lr;x=a>\r\n\
    ROUTE : \"a, b\" <sip:three;lr>;x=y\r\n\
    f: \"Doe, \\\"x\" <sip:100@pbx.example:5061>;tag=ft\r\n\
    To: sip:201@pbx.example\r\n\
    Call-ID: c1@10.0.0.7\r\n\
    CSeq: 42\r\n INVITE\r\n\
    Contact: <sip:100@10.0.0.7:5062;ob>;+sip.instance=\"<urn:uuid:1>\"\r\n\
    k: 100rel, path\r\n\
    Expires: 300\r\n\
    Authorization: Digest username=\"100\", realm=\"a, b\", nonce=\"n=\", uri=sip:x,response=\"00\"\r\n\
    Proxy-Authorization: Basic x\r\n\
    Content-Length: 3\r\n\r\nabcdef";

#[test]
fn a_clear_request_is_read() {
    let message = read(INVITE).unwrap();
    assert_eq!(message.start(), Start::Request { method: b"INVITE", uri: b"sip:201@pbx.example" });
    let via = message.via();
    assert_eq!(
        (via.via.host, via.via.port, via.via.branch),
        (&b"10.0.0.7"[..], Some(5062), &b"z9hG4bKa1"[..])
    );
    assert!(via.asks_for_port);
    assert_eq!(message.listed(Header::Via).count(), 3);
    assert_eq!((message.from().uri.user, message.from().tag), (&b"100"[..], Some(&b"ft"[..])));
    assert_eq!((message.to().uri.user, message.to().tag), (&b"201"[..], None));
    assert_eq!(message.call_id(), b"c1@10.0.0.7");
    assert_eq!(message.sequence(), Sequence { number: 42, method: b"INVITE" });
    assert_eq!(message.max_forwards(), Some(70));
    assert_eq!(message.expires(), Some(300));
    let routes: Vec<_> = message.listed(Header::Route).map(|route| route.uri()).collect();
    assert_eq!(routes, [&b"sip:one.example;lr"[..], b"sip:two@h:5070;lr;x=a", b"sip:three;lr"]);
    assert_eq!(message.contacts().next().unwrap().uri.port, Some(5062));
    assert!(message.supports("Path") && !message.supports("outbound"));
    let credentials: Vec<_> = message.credentials().map(|(header, value)| (header, value.len())).collect();
    assert_eq!(credentials, [(Header::Authorization, 72), (Header::ProxyAuthorization, 7)]);
    assert_eq!(message.body(), b"abc");
    assert!(message.bytes().ends_with(b"\r\n\r\nabc"));
}

#[test]
fn an_answer_is_read() {
    let message = read(
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h\r\nFrom: <sip:1@x>;tag=1\r\nTo: <sip:1@x;tag=2>\r\n\
         Call-ID: c\r\nCSeq: 1 REGISTER\r\nContact: *\r\n\r\n",
    )
    .unwrap();
    assert_eq!(message.start(), Start::Answer { status: 200 });
    assert_eq!((message.method(), message.uri(), message.body()), (None, None, &b""[..]));
    assert_eq!(message.to().tag, Some(&b"2"[..]));
    assert!(message.has_all_contacts() && message.contacts().next().is_none());
}

/// A clear message, one part of it written otherwise, and the cause to refuse it for; with whether it gets an answer.
const UNCLEAR: &[(&str, &str, Unclear, bool)] = &[
    ("INVITE sip:", "INVITE  sip:", Unclear::StartLine, false),
    (" SIP/2.0\r\n", " SIP/2.0 \r\n", Unclear::StartLine, false),
    (" SIP/2.0\r\n", " sip/2.0\r\n", Unclear::StartLine, false),
    (" SIP/2.0\r\n", " SIP/3.0\r\n", Unclear::StartLine, false),
    ("INVITE sip:", "INV@ITE sip:", Unclear::StartLine, false),
    (" SIP/2.0\r\n", "\r\n SIP/2.0\r\n", Unclear::FoldedStartLine, false),
    (" SIP/2.0\r\n", " SIP/2.0\r\n X: y\r\n", Unclear::FoldedStartLine, false),
    ("INVITE sip:201@pbx.example.com SIP", "INVITE <sip:201@pbx.example.com> SIP", Unclear::RequestUri, true),
    ("INVITE sip:201@pbx.example.com SIP", "INVITE 201 SIP", Unclear::RequestUri, true),
    ("INVITE sip:201@pbx.example.com SIP", "INVITE sip:201@pbx@example.com SIP", Unclear::RequestUri, true),
    ("INVITE sip:201@pbx.example.com SIP", "INVITE sip:201@pbx;x=@y SIP", Unclear::RequestUri, true),
    ("INVITE sip:201@pbx.example.com SIP", "INVITE sip:201@pbx:5060x SIP", Unclear::RequestUri, true),
    ("INVITE sip:201@pbx.example.com SIP", "INVITE sip:201@2001:db8::1 SIP", Unclear::RequestUri, true),
    ("INVITE sip:201@pbx.example.com SIP", "INVITE sip:201@ SIP", Unclear::RequestUri, true),
    ("Max-Forwards", "X: a\rP-Asserted-Identity: <sip:boss@x>\r\nMax-Forwards", Unclear::BareReturn, false),
    ("Max-Forwards", "X: a\nP-Asserted-Identity: <sip:boss@x>\r\nMax-Forwards", Unclear::BareFeed, false),
    ("Max-Forwards", "X: \0\r\nMax-Forwards", Unclear::ControlByte, false),
    ("Max-Forwards", "X: \x7f\r\nMax-Forwards", Unclear::ControlByte, false),
    ("\r\n\r\n", "\r\n", Unclear::NoEmptyLine, false),
    ("\r\n\r\n", "", Unclear::NoEmptyLine, false),
    ("Max-Forwards", "X\r\nMax-Forwards", Unclear::NoColon, true),
    ("Max-Forwards", "X\r\n : y\r\nMax-Forwards", Unclear::NoColon, true),
    ("Max-Forwards", ": y\r\nMax-Forwards", Unclear::HeaderName, true),
    ("Max-Forwards", "To\x01: y\r\nMax-Forwards", Unclear::ControlByte, false),
    ("Max-Forwards", "T\u{f6}: y\r\nMax-Forwards", Unclear::HeaderName, true),
    ("Max-Forwards", "T o: y\r\nMax-Forwards", Unclear::HeaderName, true),
    ("Max-Forwards", "X: y\r\n \t\r\nMax-Forwards", Unclear::BlankFold, true),
    ("Max-Forwards", "f: <sip:1@x>;tag=1\r\nMax-Forwards", Unclear::RepeatedHeader, true),
    ("Max-Forwards", "TO: <sip:1@x>\r\nMax-Forwards", Unclear::RepeatedHeader, true),
    ("Max-Forwards", "i : x\r\nMax-Forwards", Unclear::RepeatedHeader, true),
    ("Max-Forwards", "cseq: 314159 INVITE\r\nMax-Forwards", Unclear::RepeatedHeader, true),
    ("Max-Forwards", "Max-Forwards: 70\r\nMax-Forwards", Unclear::RepeatedHeader, true),
    ("Max-Forwards", "l: 0\r\nMax-Forwards", Unclear::RepeatedHeader, true),
    ("Max-Forwards", "Expires: 1\r\nExpires: 2\r\nMax-Forwards", Unclear::RepeatedHeader, true),
    ("Via:", "X:", Unclear::NoVia, false),
    ("From:", "X:", Unclear::NoFrom, false),
    ("To:", "X:", Unclear::NoTo, false),
    ("Call-ID:", "X:", Unclear::NoCallId, false),
    ("CSeq:", "X:", Unclear::NoCSeq, false),
    ("SIP/2.0/UDP 198", "SIP/2.0/UDP198", Unclear::Via, false),
    ("198.51.100.7:40000;", "198.51.100.7:0;", Unclear::Via, false),
    ("198.51.100.7:40000;", "198.51.100.7:70000;", Unclear::Via, false),
    ("198.51.100.7:40000;", "198.51.100.7 :40000 x;", Unclear::Via, false),
    ("198.51.100.7:40000;", "2001:db8::1;", Unclear::Via, false),
    (";rport", ";rport;branch=z9hG4bKother", Unclear::Via, false),
    (";rport", ";received=1.1.1.1;RECEIVED=2.2.2.2", Unclear::Via, false),
    (";rport", ";x=\"", Unclear::Via, false),
    (";rport", ",,SIP/2.0/UDP h", Unclear::Via, true),
    ("Max-Forwards", "Via: SIP/2.0/UDP h;x=\"\r\nMax-Forwards", Unclear::Via, true),
    ("tag=1928301774", "tag=1;tag=2", Unclear::From, true),
    ("tag=1928301774", "tag", Unclear::From, true),
    ("tag=1928301774", "tag=", Unclear::From, true),
    ("tag=1928301774", "tag=\"1\"", Unclear::From, true),
    ("\"Ann O'Neill\"", "\"Ann O'Neill", Unclear::From, true),
    ("\"Ann O'Neill\"", "<sip:boss@x>", Unclear::From, true),
    ("\"Ann O'Neill\"", "sip:boss@x,", Unclear::From, true),
    ("\"Ann O'Neill\"", "sip:boss@x;tag=1", Unclear::From, true),
    ("To: <sip:201@pbx.example.com>", "To: <sip:201@pbx.example.com;tag=1>", Unclear::To, true),
    ("To: <sip:201@pbx.example.com>", "To: <sip:201@pbx.example.com>, <sip:2@x>;tag=1", Unclear::To, true),
    ("To: <sip:201@pbx.example.com>", "To: sip:201;x=y@pbx.example.com", Unclear::To, true),
    ("To: <sip:201@pbx.example.com>", "To: < sip:201@pbx.example.com>", Unclear::To, true),
    ("To: <sip:201@pbx.example.com>", "To: <sip:201@pbx.example.com", Unclear::To, true),
    ("To: <sip:201@pbx.example.com>", "To: 201", Unclear::To, true),
    ("a84b4c76e66710@", "a84b4c76 e66710@", Unclear::CallId, true),
    ("314159", "-1", Unclear::CSeq, true),
    ("314159", "2147483648", Unclear::CSeq, true),
    ("314159 INVITE", "314159INVITE", Unclear::CSeq, true),
    ("314159 INVITE", "314159 INVITE x", Unclear::CSeq, true),
    ("314159 INVITE", "314159 invite", Unclear::Method, true),
    ("314159 INVITE", "314159 BYE", Unclear::Method, true),
    ("Max-Forwards: 70", "Max-Forwards: 70x", Unclear::MaxForwards, true),
    ("Max-Forwards: 70", "Max-Forwards: 256", Unclear::MaxForwards, true),
    ("Max-Forwards", "Expires: -1\r\nMax-Forwards", Unclear::Expires, true),
    ("Max-Forwards", "Route: sip:x\r\nMax-Forwards", Unclear::Route, true),
    ("Max-Forwards", "Route: <sip:x;lr>, <sip:y\r\nMax-Forwards", Unclear::Route, true),
    ("Max-Forwards", "Route: <sip:x:5060 ;lr>\r\nMax-Forwards", Unclear::Route, true),
    ("Max-Forwards", "m: <sip:x>, *\r\nMax-Forwards", Unclear::Contact, true),
    ("Max-Forwards", "m: \"<sip:x>\r\nMax-Forwards", Unclear::Contact, true),
    (
        "Max-Forwards",
        "Authorization: Digest username=\"1\",username=\"2\"\r\nMax-Forwards",
        Unclear::Credentials,
        true,
    ),
    (
        "Max-Forwards",
        "Authorization: Digest username=\"1\\\",x=\"\r\nMax-Forwards",
        Unclear::Credentials,
        true,
    ),
    ("Max-Forwards", "Authorization: Digest username=\"1\\\"\r\nMax-Forwards", Unclear::Credentials, true),
    ("Max-Forwards", "Authorization: Digest,username=\"1\"\r\nMax-Forwards", Unclear::Credentials, true),
    ("Max-Forwards", "Authorization: Digest username=\"1\" x\r\nMax-Forwards", Unclear::Credentials, true),
    ("Length: 5", "Length: -5", Unclear::ContentLength, true),
    ("Length: 5", "Length: +5", Unclear::ContentLength, true),
    ("Length: 5", "Length: 5, 5", Unclear::ContentLength, true),
    ("Length: 5", "Length:", Unclear::ContentLength, true),
    ("Length: 5", "Length: 6", Unclear::CutBody, true),
    ("Length: 5", "Length: 99999999999999999999", Unclear::CutBody, true),
];

fn clear() -> String {
    let request = Request {
        method: "INVITE",
        uri: "sip:201@pbx.example.com",
        contact: None,
        headers: "User-Agent: x\r\n",
        body: "a\r\n\r\n",
        ..Request::default()
    };
    request.write()
}

#[test]
fn breaks_07_and_19_what_could_be_read_in_two_ways_is_refused() {
    assert!(read(&clear()).is_ok());
    for &(part, other, cause, answerable) in UNCLEAR {
        // The last, because that is where the body's length and the header's end are.
        let clear = clear().replace("a\r\n\r\n", "abcde");
        let at = clear.find(part).unwrap_or_else(|| panic!("no {part:?}"));
        let unclear = format!("{}{other}{}", &clear[..at], &clear[at + part.len()..]);
        let refused = Message::read(unclear.as_bytes(), Carrier::Datagram).expect_err(&unclear);
        assert_eq!((refused.cause, refused.answerable.is_some()), (cause, answerable), "{unclear}");
    }
}

#[test]
fn nothing_is_read_into_odd_but_clear_messages() {
    for (part, other) in [
        ("Max-Forwards: 70", "mAX-fORWARDS\t :\r\n\t70"),
        ("User-Agent: x", "User-Agent:"),
        ("User-Agent: x", "Authorization: Bearer a b \"c"),
        ("User-Agent: x", "Authorization: Digest username = \"a@b\" ,\r\n realm=x, opaque=\"\\\\\""),
        ("User-Agent: x", "m: *"),
        ("User-Agent: x", "m: sip:a@h;expires=1;+sip.instance=\"<urn:uuid:1>\", <sip:b@h;q=1,2>;q=0.5"),
        ("\"Ann O'Neill\" <", "M\u{fc}ller (2nd) <"),
        ("\"Ann O'Neill\" <", "<"),
        (";tag=1928301774", ""),
        (";tag=1928301774", " ; x ; tag = 1"),
        ("Content-Length: 5\r\n", ""),
        ("INVITE sip:", "\r\n\r\nINVITE sip:"),
        ("198.51.100.7:40000;", "[2001:db8::1] : 5060 ;"),
        (
            "User-Agent: x",
            "m: <sip:a:b;c?d@[fe80::1%25eth0]:5060;transport=tcp?x=y>, <sips:h>, <mailto:a@b@c>",
        ),
    ] {
        let odd = clear().replace(part, other);
        assert_ne!(odd, clear(), "{part}");
        assert!(read(&odd).is_ok(), "{odd}: {:?}", read(&odd).err());
    }
}

#[test]
fn breaks_19_a_content_length_counts_bytes_and_not_characters() {
    let cut = with_body("INVITE", "\u{20ac}uro").replace("Content-Length: 6", "Content-Length: 2");
    assert_eq!(read(&cut).unwrap().body(), &"\u{20ac}".as_bytes()[..2]);
    let stream =
        |text: &str| Message::read(text.as_bytes(), Carrier::Stream).map_err(|refused| refused.cause).err();
    assert_eq!(stream(&clear().replace("Content-Length", "X")), Some(Unclear::NoContentLength));
    assert_eq!(stream(&clear()), None);
}

#[test]
fn breaks_17_addresses_are_read_as_rfc_5118_says() {
    // By its sections.
    for (section, uri, via, cause) in [
        ("4.1", "sip:[2001:db8::10]", "[2001:db8::9:1]", None),
        ("4.2", "sip:2001:db8::10", "[2001:db8::9:1]", Some(Unclear::RequestUri)),
        ("4.3", "sip:[2001:db8::10:5070]", "[2001:db8::9:1]", None),
        ("4.4", "sip:[2001:db8::10]:5070", "[2001:db8::9:1]", None),
        ("4.5", "sip:[2001:db8::10]", "[2001:db8::9:1];received=[2001:db8::9:255]", None),
        ("4.5", "sip:[2001:db8::10]", "[2001:db8::9:1];received=2001:db8::9:255", None),
        ("4.8", "sip:user@example.com", "[2001:db8::9:1]:5060", None),
        ("4.9", "sip:user@[::ffff:192.0.2.10]:19823", "[::ffff:192.0.2.10]:19823", None),
    ] {
        let request = Request { uri, sent_by: via, ..Request::default() }.write();
        assert_eq!(read(&request).err(), cause, "{section}: {uri} {via}");
        if cause.is_none() {
            let host = via.split_inclusive(']').next().unwrap();
            assert_eq!(read(&request).unwrap().via().via.host, host.as_bytes(), "{section}");
        }
    }
}

#[test]
fn what_keeps_a_nat_open_is_no_message() {
    for (datagram, is_keepalive) in [
        (&b"\r\n\r\n"[..], true),
        (b"\0\0\0\0", true),
        (b"", true),
        (b"\0\x01\0\0\x21\x12\xa4\x42abcdefghijkl", true),
        (b"\0\x01\0\0\x21\x12\xa4", false),
        (b"\r\nx", false),
    ] {
        assert_eq!(super::is_keepalive(datagram), is_keepalive, "{}", datagram.escape_ascii());
    }
}

#[test]
fn bytes_behind_the_body_are_no_part_of_the_message() {
    let two = clean("REGISTER") + &clean("OPTIONS");
    let message = read(&two).unwrap();
    assert_eq!(message.bytes(), clean("REGISTER").as_bytes());
}

#[test]
fn the_valid_messages_of_rfc_4475_are_read_where_they_are_clear() {
    for (name, bytes) in torture::valid_messages() {
        let cause = Message::read(&bytes, Carrier::Datagram).map_err(|refused| refused.cause).err();
        // A NUL in a quoted string ends the message for software written in C.
        let expected = (name == "intmeth").then_some(Unclear::ControlByte);
        assert_eq!(cause, expected, "{name}");
    }
}

#[test]
fn every_cause_has_its_name() {
    let mut names: Vec<_> = Unclear::ALL.iter().map(|cause| cause.name()).collect();
    names.extend(FramingError::ALL.map(FramingError::name));
    let is_kebab = |name: &&str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    assert!(names.iter().all(is_kebab));
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    for &(.., cause, _) in UNCLEAR {
        assert!(Unclear::ALL.contains(&cause), "{cause:?}");
    }
}

#[test]
fn breaks_16_answers_go_back_through_a_nat_and_never_to_an_address_in_the_message() {
    use crate::link::Side;
    use sipward_types::flow::Transport;
    for (via, transport, port) in [
        ("203.0.113.1:5062", Transport::Udp, 5062),
        ("203.0.113.1", Transport::Udp, 5060),
        ("phone.example:5062", Transport::Udp, 5062),
        ("10.0.0.7:5062", Transport::Udp, 4000),
        ("[2001:db8::1]:5062", Transport::Udp, 4000),
        ("203.0.113.1:5062;rport", Transport::Udp, 4000),
        ("10.0.0.7:5062;rport=99;received=9.9.9.9;maddr=9.9.9.9", Transport::Udp, 4000),
        ("203.0.113.1:5062", Transport::Tcp, 4000),
    ] {
        let request = clear().replace("198.51.100.7:40000;branch=z9hG4bK776asdhds;rport", via);
        let peer = ([203, 0, 113, 1], 4000).into();
        let from = Link { side: Side::Outer, listener: 3, transport, peer, connection: 9 };
        let expected = Link { peer: ([203, 0, 113, 1], port).into(), ..from };
        assert_eq!(read(&request).unwrap().reply_to(from), expected, "{via}");
    }
}

/// All frames of these bytes, pushed in pieces of that size; pings are empty.
fn frames(bytes: &[u8], size: usize) -> (Vec<Vec<u8>>, Option<FramingError>) {
    let mut framing = StreamFraming::default();
    let mut found = Vec::new();
    for piece in bytes.chunks(size) {
        framing.push(piece);
        loop {
            match framing.next_frame() {
                None => break,
                Some(Ok(Frame::Ping)) => found.push(Vec::new()),
                Some(Ok(Frame::Message(message))) => found.push(message.to_vec()),
                Some(Err(error)) => return (found, Some(error)),
            }
        }
    }
    (found, None)
}

#[test]
fn messages_come_whole_out_of_a_stream_however_it_is_cut() {
    let (first, second) = (with_body("INVITE", "v=0\r\n\r\n"), clean("OPTIONS"));
    let stream = format!("\r\n\r\n{first}\r\n{second}\r\n\r\n\r\n\r\n{first}");
    let expected = [b"", first.as_bytes(), second.as_bytes(), b"", b"", first.as_bytes()];
    for size in [1, 2, 3, 7, 100, stream.len()] {
        assert_eq!(frames(stream.as_bytes(), size), (expected.map(<[u8]>::to_vec).to_vec(), None), "{size}");
    }
}

#[test]
fn breaks_20_streams_that_cannot_be_understood_end_and_say_why() {
    let lying = |length: &str| clean("OPTIONS").replace("Content-Length: 0", length);
    let head = clean("OPTIONS").replace("\r\n\r\n", "\r\n");
    for (stream, error) in [
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), FramingError::Http),
        ("GET ".to_owned(), FramingError::Http),
        ("PRI * HTTP/2.0\r\n".to_owned(), FramingError::Http),
        ("OPTIONS / HTTP/1.1\r\n".to_owned(), FramingError::Http),
        ("HTTP/1.1 200 OK\r\n".to_owned(), FramingError::NotSip),
        ("\x16\x03\x01".to_owned(), FramingError::NotSip),
        ("hello\r\n".to_owned(), FramingError::NotSip),
        ("\r\n\rx".to_owned(), FramingError::NotSip),
        ("x".repeat(HEADER_MAX + 1), FramingError::HeaderTooLong),
        (head + &"X: y\r\n".repeat(3_000), FramingError::HeaderTooLong),
        (lying("Content-Length: 65537"), FramingError::BodyTooLong),
        (lying("Content-Length: 99999999999"), FramingError::BodyTooLong),
        (lying("Content-Length: -1"), FramingError::ContentLength),
        (lying("l: 0\r\nContent-Length: 0"), FramingError::ContentLength),
        (lying("X: 0"), FramingError::ContentLength),
        (lying("X: a\nContent-Length: 0"), FramingError::Header),
    ] {
        for size in [1, stream.len()] {
            assert_eq!(frames(stream.as_bytes(), size), (Vec::new(), Some(error)), "{stream}");
        }
    }
    assert_eq!(frames(&[clean("OPTIONS").as_bytes(), b"GET /"].concat(), 5).0.len(), 1);
}

#[test]
fn a_failed_stream_keeps_nothing() {
    let mut framing = StreamFraming::default();
    framing.push(b"GET / HTTP/1.1\r\n");
    assert_eq!(framing.next_frame(), Some(Err(FramingError::Http)));
    framing.push(clean("OPTIONS").as_bytes());
    assert_eq!(framing.next_frame(), None);
    assert_eq!(framing.pending(), 0);
}

#[test]
fn line_ends_between_messages_begin_none() {
    let mut framing = StreamFraming::default();
    for (bytes, pending) in [("\r\n", 0), ("\r", 0), ("\n", 0), ("\r", 0), ("\nO", 1), ("P", 2)] {
        framing.push(bytes.as_bytes());
        while framing.next_frame().is_some_and(|frame| frame == Ok(Frame::Ping)) {}
        assert_eq!(framing.pending(), pending, "{bytes:?}");
    }
}

/// Messages that are nearly clear.
pub(crate) fn nearly_clear() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        Just("Via: SIP/2.0/UDP h;branch=z9hG4bKx".to_owned()),
        Just("From: <sip:1@x>;tag=a".to_owned()),
        Just("t: \"a\" <sip:2@x>".to_owned()),
        Just("Call-ID: c".to_owned()),
        Just("CSeq: 1 REGISTER".to_owned()),
        Just("Authorization: Digest username=\"7\", realm=\"r\", nonce=\"n\"".to_owned()),
        "(From|f|To|Via|Authorization|CSeq|i) ?:[ -~\t\r\n]{0,20}[\"\\\\<>,;=@a]{0,8}",
        "Proxy-Authorization: Digest (username=[\"\\\\a,@:]{1,8},? ?){1,3}",
        "(f|t|m): [\"\\\\<>,;=@a:]{0,8}sip:a@b[\"\\\\<>,;=@a:]{0,8}(;tag=[ab\"]{1,3})?",
    ];
    let end = prop::sample::select(vec!["\r\n", "\r\n", "\r\n", "\r\n ", "\n", "\r"]);
    let lines = prop::collection::vec((line, end), 0..4);
    const CLEAR: &str =
        "Via: SIP/2.0/UDP h\r\nFrom: <sip:1@x>;tag=a\r\nTo: <sip:2@x>\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\n";
    (lines, 0..6_usize, any::<bool>()).prop_map(|(lines, without, whole)| {
        let lines: String = lines.into_iter().map(|(line, end)| line + end).collect();
        let clear: String = CLEAR
            .split_inclusive('\n')
            .enumerate()
            .filter(|(at, _)| *at != without)
            .map(|(_, line)| line)
            .collect();
        let end = if whole { "\r\n" } else { "" };
        format!("REGISTER sip:x SIP/2.0\r\n{lines}{clear}{end}").into_bytes()
    })
}

/// By which others know a request, and whom it is from.
fn identity(message: &sipward_sip::Message<'_>) -> Vec<Vec<u8>> {
    let party = |party: Party<'_>| [party.uri.user, party.uri.host, party.tag.unwrap_or_default()].concat();
    let fixed = [
        party(message.from),
        party(message.to),
        message.call_id.to_vec(),
        message.sequence.number.to_string().into_bytes(),
        message.via.branch.to_vec(),
    ];
    let names = message.credentials.iter().map(|credentials| credentials.username.to_vec());
    fixed.into_iter().chain(names).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn all_read_a_clear_message_alike(bytes in nearly_clear()) {
        let Ok(message) = Message::read(&bytes, Carrier::Datagram) else { return Ok(()) };
        let readings: Vec<_> = sipward_sip::Message::readings(message.bytes(), false).collect();
        prop_assert_eq!(readings.len(), 1, "{}", bytes.escape_ascii());
        let reading = &readings[0];
        let ours = sipward_sip::Message {
            from: message.from(),
            to: message.to(),
            call_id: message.call_id(),
            sequence: message.sequence(),
            via: message.via().via,
            ..reading.clone()
        };
        prop_assert_eq!(identity(&ours), identity(reading), "{}", bytes.escape_ascii());
        for credentials in &reading.credentials {
            for name in credentials.names() {
                prop_assert_eq!(name, credentials.username, "{}", bytes.escape_ascii());
            }
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes: Vec<u8>, size in 1..40_usize) {
        let _ = Message::read(&bytes, Carrier::Datagram);
        frames(&bytes, size);
    }

    #[test]
    fn a_stream_is_cut_alike_however_it_comes(bytes in nearly_clear(), size in 1..40_usize) {
        let bytes = [&bytes[..], b"\r\n\r\n", clean("OPTIONS").as_bytes()].concat();
        prop_assert_eq!(frames(&bytes, size), frames(&bytes, bytes.len()));
    }
}
