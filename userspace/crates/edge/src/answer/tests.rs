use proptest::prelude::*;
use sipward_testkit::message::{Request, clean, header, status};

use super::*;
use crate::message::{Carrier, tests::nearly_clear};

const ALL: [Status; 13] = [
    Status::BadRequest,
    Status::Unauthorized,
    Status::Forbidden,
    Status::ProxyAuthenticationRequired,
    Status::UnsupportedScheme,
    Status::BadExtension,
    Status::FlowFailed,
    Status::TemporarilyUnavailable,
    Status::NoSuchCall,
    Status::LoopDetected,
    Status::TooManyHops,
    Status::ServerError,
    Status::ServiceUnavailable,
];

fn keys() -> Keys {
    Keys::new([7; 32], None)
}

fn read(text: &str) -> Message<'_> {
    Message::read(text.as_bytes(), Carrier::Datagram).unwrap_or_else(|error| panic!("{error:?}: {text}"))
}

fn written(answer: &Answer, request: &str, source: &str, most: Option<usize>) -> String {
    let bytes = answer.write(&read(request), source.parse().unwrap(), &keys(), most);
    String::from_utf8(bytes.expect("an answer")).unwrap()
}

const REQUEST: &str = "INVITE sip:2@x SIP/2.0\r\n\
    v : SIP/2.0/UDP 192.0.2.7:5062;rport;branch=z9hG4bK1;x=y,\r\n SIP/2.0/UDP below;received=1.2.3.4\r\n\
    Via: SIP/2.0/TCP lowest\r\n\
    f: <sip:1@x>\r\n ;tag=a\r\n\
    To: \"B\" <sip:2@x>  \r\n\
    i: c1\r\n\
    Record-Route: <sip:r;lr>\r\n\
    CSeq: 7 INVITE\r\n\r\nbody";

#[test]
fn an_answer_repeats_what_it_has_to_and_says_where_the_request_came_from() {
    let answer = written(&Answer::new(Status::Forbidden), REQUEST, "203.0.113.1:4000", None);
    let tag = header(&answer, "To").unwrap().rsplit('=').next().unwrap();
    assert_eq!(tag.len(), 16);
    let expected = format!(
        "SIP/2.0 403 Forbidden\r\n\
         v : SIP/2.0/UDP 192.0.2.7:5062;branch=z9hG4bK1;x=y;received=203.0.113.1;rport=4000,\r\n SIP/2.0/UDP below;received=1.2.3.4\r\n\
         Via: SIP/2.0/TCP lowest\r\n\
         f: <sip:1@x>\r\n ;tag=a\r\n\
         To: \"B\" <sip:2@x>;tag={tag}\r\n\
         i: c1\r\n\
         CSeq: 7 INVITE\r\n\
         Content-Length: 0\r\n\r\n"
    );
    assert_eq!(answer, expected);
}

#[test]
fn breaks_17_the_topmost_via_is_stamped_as_rfc_3581_says() {
    for (via, source, stamped) in [
        ("10.0.0.7", "10.0.0.7:5060", "10.0.0.7"),
        ("10.0.0.7", "10.0.0.8:5060", "10.0.0.7;received=10.0.0.8"),
        ("10.0.0.7;rport", "10.0.0.7:9", "10.0.0.7;received=10.0.0.7;rport=9"),
        ("10.0.0.7;RPORT=1;Received=9.9.9.9", "10.0.0.7:9", "10.0.0.7;received=10.0.0.7;rport=9"),
        ("10.0.0.7;received=9.9.9.9", "10.0.0.7:9", "10.0.0.7"),
        ("phone.example;branch=z9", "10.0.0.7:9", "phone.example;branch=z9;received=10.0.0.7"),
        ("[2001:db8::7]:5061", "[2001:db8::7]:9", "[2001:db8::7]:5061"),
        ("[2001:DB8:0::7]", "[2001:db8::7]:9", "[2001:DB8:0::7]"),
        ("[2001:db8::8];rport", "[2001:db8::7]:9", "[2001:db8::8];received=2001:db8::7;rport=9"),
    ] {
        let request = clean("OPTIONS").replace("198.51.100.7:40000;branch=z9hG4bK776asdhds;rport", via);
        let answer = written(&Answer::new(Status::BadRequest), &request, source, None);
        assert_eq!(header(&answer, "Via"), Some(format!("SIP/2.0/UDP {stamped}").as_str()), "{via} {source}");
    }
}

#[test]
fn breaks_12_the_ack_to_our_own_answer_is_known_and_nothing_is_answered_to_an_ack() {
    let invite = Request { method: "INVITE", ..Request::default() };
    let answer = written(&Answer::new(Status::Unauthorized), &invite.write(), "192.0.2.1:5060", None);
    assert_eq!(answer, written(&Answer::new(Status::Unauthorized), &invite.write(), "192.0.2.1:5060", None));
    let to = header(&answer, "To").unwrap();
    let ack = Request { method: "ACK", to, ..invite };
    assert!(is_our_tag(&read(&ack.write()), &keys()));
    assert!(
        Answer::new(Status::BadRequest)
            .write(&read(&ack.write()), ([1, 2, 3, 4], 5).into(), &keys(), None)
            .is_none()
    );
    for other in [
        Request { branch: "z9hG4bKother", ..ack },
        Request { call_id: "other", ..ack },
        Request { sequence: 1, ..ack },
        Request { tag: "other", ..ack },
        Request { to: "<sip:201@pbx.example.com>;tag=as6f2c1d", ..ack },
        Request { to: "<sip:201@pbx.example.com>", ..ack },
    ] {
        assert!(!is_our_tag(&read(&other.write()), &keys()), "{other:?}");
    }
    assert!(!is_our_tag(&read(&ack.write()), &Keys::new([8; 32], None)));
    assert!(is_our_tag(&read(&ack.write()), &Keys::new([8; 32], Some([7; 32]))));
}

#[test]
fn a_tag_that_is_there_stays() {
    let request = Request { method: "BYE", to: "<sip:2@x>;tag=theirs", ..Request::default() };
    let answer = written(&Answer::new(Status::NoSuchCall), &request.write(), "192.0.2.1:5060", None);
    assert_eq!(header(&answer, "To"), Some("<sip:2@x>;tag=theirs"));
}

#[test]
fn breaks_27_every_status_is_final_and_has_its_reason() {
    for status_given in ALL {
        let answer = written(&Answer::new(status_given), REQUEST, "192.0.2.1:5060", None);
        assert_eq!(status(&answer), Some(status_given.code()));
        assert!(status_given.code() >= 400 && !status_given.reason().is_empty());
    }
}

#[test]
fn answers_that_need_a_header_have_it() {
    for (answer, name, value) in [
        (Answer::service_unavailable(0), "Retry-After", "1"),
        (Answer::service_unavailable(30), "Retry-After", "30"),
        (Answer::bad_extension("a, b"), "Unsupported", "a, b"),
        (Answer::new(Status::Forbidden).warning("e.x", "a \"b\\"), "Warning", "399 e.x \"a 'b'\""),
        (Answer::new(Status::Forbidden).header("X", "a\r\nY: b"), "X", "a  Y: b"),
    ] {
        let answer = written(&answer, REQUEST, "192.0.2.1:5060", None);
        assert_eq!(header(&answer, name), Some(value));
        read(&answer);
    }
}

#[test]
fn optional_headers_are_left_out_where_they_do_not_fit() {
    let answer = Answer::new(Status::Forbidden)
        .header("X-Needed", "n")
        .optional("Server", "sipward")
        .optional("Allow", "INVITE, ACK");
    let length = |answer: &str| answer.len();
    let whole = length(&written(&answer, REQUEST, "192.0.2.1:5060", None));
    for (most, headers) in [(whole, 2), (whole - 1, 1), (whole - 21, 0), (0, 0)] {
        let shorter = written(&answer, REQUEST, "192.0.2.1:5060", Some(most));
        let found = ["Server", "Allow"].iter().filter(|name| header(&shorter, name).is_some()).count();
        assert_eq!(found, headers, "{most}");
        assert!(header(&shorter, "X-Needed").is_some());
        assert!(most == 0 || shorter.len() <= most);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn breaks_07_an_unclear_request_is_answered_from_what_is_clear_in_it(bytes in nearly_clear()) {
        let Err(unclear) = Message::read(&bytes, Carrier::Datagram) else { return Ok(()) };
        let Some(request) = unclear.answerable else { return Ok(()) };
        let source = ([192, 0, 2, 1], 5060).into();
        let answer = Answer::new(Status::BadRequest).write(&request, source, &keys(), None).expect("an answer");
        let answer = String::from_utf8(answer).unwrap();
        prop_assert!(answer.ends_with("\r\nContent-Length: 0\r\n\r\n"));
        for (name, compact) in [("From", "f"), ("To", "t"), ("Call-ID", "i"), ("CSeq", "cseq")] {
            let lines = answer.split("\r\n").filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim_end());
            let is_it = |found: &&str| [name, compact].iter().any(|name| found.eq_ignore_ascii_case(name));
            prop_assert_eq!(lines.filter(is_it).count(), 1, "{}: {}", name, answer);
        }
    }
}
