use proptest::{collection::vec, prelude::*, sample::select};

use super::{plain_bytes::WINDOW, *};
use crate::{
    bytes::{Bytes, Whole},
    packed::Packed as _,
    reason::Class,
    sip,
};

/// The forms that the judge finds in a payload.
fn forms(payload: &[u8], stream: bool) -> u32 {
    let bytes = Bytes::of(payload);
    let shape = |start: u32| sip::shape(bytes.skip(start as usize));
    let length = payload.len() as u32;
    let kind = sip::classify(bytes, length, || sip::blanks(bytes), shape);
    Begin::of(kind, stream).map_or(0, |begin| find(&Whole { payload: bytes, length }, begin))
}

const REST: &str = "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport\r\nFrom: <sip:100@pbx>;tag=1\r\n\
    To: <sip:100@pbx>\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\nContent-Length: 0\r\n\r\n";

fn request(start: &str) -> Vec<u8> {
    [start, REST].concat().into_bytes()
}

#[track_caller]
fn has(payload: &[u8], expected: &[Form]) {
    let expected = expected.iter().fold(0, |bits, form| bits | form.bit());
    assert_eq!(forms(payload, false), expected, "{}", payload.escape_ascii());
}

#[test]
fn what_all_pbxs_read_alike_is_no_form() {
    for start in [
        "REGISTER sip:pbx SIP/2.0\r\n",
        "REGISTER sip:pbx sip/2.0\r\n",
        "REGISTER sip:pbx SIP/2.0\n",
        "REGISTER  sip:pbx\t SIP/2.0 \t\r\n",
        "register sip:pbx SIP/2.0\r\n",
        "VENDORX sip:pbx SIP/2.0\r\n",
        "\r\n\r\n \0 REGISTER sip:pbx SIP/2.0\r\n",
        "\r\r\nREGISTER sip:pbx SIP/2.0\r\n",
        "OPTIONS sip:SIP/100@pbx;x=SIP/3 SIP/2.0\r\n",
        "REGISTER sip:pbx SIP/2.0\r\nX: a\r\n b\r\n",
        "REGISTER sip:pbx SIP/2.0\r\nX: a\r\n \r\n",
        "REGISTER sip:pbx SIP/2.0\r\nX : \u{e9}\u{80}\u{8d}\r\n",
        "GET / HTTP/1.1\r\nUpgrade: websocket\r\n",
    ] {
        has(&request(start), &[]);
        has(start.as_bytes(), &[]);
    }
    for payload in [
        &b"\r\r\r\r"[..],
        b"\0\0\0\0",
        b"",
        b"SIP/2.0 200 OK\r\nVia: a\rb\r\n\r\n",
        b"REGISTER sip:pbx SIP/2.0\r\n\r\n\0a\rb",
        b"REGISTER sip:pbx SIP/2.0\n\n\0a\rb\n\n\r",
        b"\x80\0\0\r\n\0\r \r",
        b"REGISTER",
        b"REGISTER sip:pbx SIP/2.0",
    ] {
        has(payload, &[]);
    }
}

#[test]
fn each_form_is_found() {
    for (start, form) in [
        ("REGISTER sip:pbx SIP/2.0\r\nX: a\rUser-Agent: friendly-scanner\r\n", Form::LineEnd),
        ("REGISTER sip:pbx SIP/2.0\r\nX: a\r\r\n", Form::LineEnd),
        ("REGISTER sip:pbx SIP/2.0\n\rX: a\r\n", Form::LineEnd),
        ("REGISTER sip:pbx SIP/2.0\r\nX: a\n\rY: a\r\n", Form::LineEnd),
        ("REGISTER sip:pbx SIP/2.0\r\nX: a\0b\r\n", Form::Nul),
        ("REGISTER sip:pbx SIP/2.0\r\nX\0: ab\r\n", Form::Nul),
        ("REGISTER sip:pbx SIP/2.0\r\n\0X: ab\r\n", Form::Nul),
        ("REGISTER sip:pbx SIP / 2.0\r\n", Form::Version),
        ("REGISTER sip:pbx SIP/ 2.0\r\n", Form::Version),
        ("REGISTER sip:pbx SIP/2.0x\r\n", Form::Version),
        ("REGISTER sip:pbx SIP/2.0 x\r\n", Form::Version),
        ("REGISTER sip:pbx SIP/3.0\r\n", Form::Version),
        ("REGISTER sip:1.2.3.4:5060SIP/2.0\r\n", Form::Version),
        ("REGISTER <sip:pbx>sip\t/2.0\r\n", Form::Version),
        ("REGISTER sip:pbx SIP/2.0 SIP/2.0x\r\n", Form::Version),
        ("SIP /2.0 200 OK\r\n", Form::Version),
        ("REGISTER sip:pbx\r\n SIP/2.0\r\n", Form::StartLine),
        ("REGISTER\r\n sip:pbx SIP/2.0\r\n", Form::StartLine),
        ("REGISTER\n\tsip:pbx SIP/2.0\r\n", Form::StartLine),
        ("REGISTER sip:pbx SIP/2.0\r\n x: y\r\n", Form::StartLine),
        ("RE@GISTER sip:pbx SIP/2.0\r\n", Form::StartLine),
        ("REGISTER<sip:pbx> SIP/2.0\r\n", Form::StartLine),
        ("REGISTER sip:pbx SIP/2.0\r\n \t\r\n", Form::BlankLine),
        ("REGISTER sip:pbx SIP/2.0\n \n", Form::BlankLine),
    ] {
        has(&request(start), &[form]);
        has(&request(&format!("\r\n \r\n{start}")), &[form]);
    }
    has(&request("SIP/X sip:600@pbx SIP/2.0\r\n"), &[Form::Version, Form::StartLine]);
    has(&request("SIP\x0f2.0 sip:600@pbx SIP/2.0\r\n"), &[Form::StartLine]);
    has(&request("SIP/2.0x sip:600@pbx SIP/2.0\r\n"), &[Form::Version, Form::StartLine]);
    has(&request(&format!("{} sip:600@pbx SIP/2.0\r\n", "A".repeat(65))), &[Form::StartLine]);
    has(&request(&format!("{}\r\n sip:600@pbx SIP/2.0\r\n", "A".repeat(65))), &[Form::StartLine]);
    has(
        &request("REGISTER sip:pbx SIP/2.0 x\r\n X: \0\r"),
        &[Form::LineEnd, Form::Nul, Form::Version, Form::StartLine],
    );
    has(&request(&format!("REGISTER sip:{} SIP/2.0\r\n", "a".repeat(1100))), &[Form::StartLine]);
    has(&request(&format!("@ sip:{} SIP/2.0\r\n", "a".repeat(1100))), &[Form::StartLine]);
    has(&request(&format!("REGISTER sip:{} SIP/2.0\r\n", "a".repeat(900))), &[]);
    let bare = String::from_utf8(request("REGISTER sip:pbx SIP/2.0\r\n")).unwrap().replace("\r\n", "\r");
    // Without any LF it has no start line for most, and for PJSIP it is a message.
    assert_eq!(forms(bare.as_bytes(), false), Form::LineEnd.bit());
}

#[test]
fn in_a_stream_later_messages_count_and_bodies_do_not() {
    let first = "REGISTER sip:pbx SIP/2.0\r\nContent-Length: 5\r\n\r\na\r\0bc";
    let clean = "SIP/2.0 200 OK\r\nX: abcdefghijklmnopqrstuvwxyz\r\n\r\n";
    for stream in [first, &format!("{first}{clean}"), &format!("{clean}{first}")] {
        assert_eq!(forms(stream.as_bytes(), true), 0, "{stream:?}");
    }
    for second in ["REGISTER sip:pbx SIP/2.0\r\nX: a\rb\r\n", "REGISTER sip:pbx SIP / 2.0\rX: a\r\n"] {
        for stream in [[first, second].concat(), [clean, second].concat()] {
            assert_eq!(forms(stream.as_bytes(), true), Form::LineEnd.bit(), "{stream:?}");
        }
    }
    // Words that a segment in the middle of something begins with.
    for middle in ["Digest username=\"1\",\r\n realm=\"2\"\r\n", "some text\r with\0 lines\r\n"] {
        assert_eq!(forms(middle.as_bytes(), true), 0, "{middle:?}");
    }
    assert_eq!(forms(b"VENDORX sip:a SIP/2.0x\r\n", true), Form::Version.bit());
}

#[test]
fn numbers_are_what_they_were() {
    for form in Form::ALL {
        assert_eq!(Form::first(form.bit()), Some(form));
        assert_eq!(form.bit() & Form::EVERY, form.bit());
    }
    assert_eq!(Form::first(0), None);
    let kinds = [Kind::Response, Kind::Request(Class::Other), Kind::UnknownMethod, Kind::NotSip];
    for begin in kinds.into_iter().filter_map(|kind| Begin::of(kind, true)) {
        assert_eq!(Begin::unpack(begin.pack()).pack(), begin.pack());
    }
}

/// A header with what may be in it, and a body.
fn header() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => "[ -~]{0,40}".prop_map(String::into_bytes),
        6 => Just(b"\r\n".to_vec()),
        1 => Just(b"\r\n\r\n".to_vec()),
        2 => vec(select(b"\0\r\n \t\x8d\x80\x8aS".to_vec()), 0..4),
        1 => vec(any::<u8>(), 0..9),
    ];
    vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

/// The plain reading: line by line, up to the empty one. A CR at the very end may have its LF elsewhere.
fn naive_in_header(text: &[u8]) -> u32 {
    let mut forms = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let (line, next) = match rest.iter().position(|byte| *byte == b'\n') {
            Some(feed) => (&rest[..feed], &rest[feed + 1..]),
            None => (rest, &rest[rest.len()..]),
        };
        if (line.is_empty() || line == b"\r") && rest.len() < text.len() && line.len() < rest.len() {
            break;
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.contains(&b'\r') {
            forms |= Form::LineEnd.bit();
        }
        if line.contains(&0) {
            forms |= Form::Nul.bit();
        }
        rest = next;
    }
    forms
}

/// The plain reading of a start line, by its words.
fn naive_version(line: &str) -> u32 {
    let line = line.trim_end_matches([' ', '\t']).to_ascii_lowercase();
    if line.strip_suffix("sip/2.0").is_some_and(|before| before.ends_with([' ', '\t'])) {
        return 0;
    }
    let mut odd = false;
    for (at, _) in line.match_indices("sip") {
        odd |= line[at + 3..].trim_start_matches([' ', '\t']).starts_with('/');
    }
    if odd { Form::Version.bit() } else { 0 }
}

proptest! {
    #[test]
    fn headers_are_read_as_line_by_line(text in header()) {
        let text = [b"x", &text[..]].concat();
        let begin = Begin::of(Kind::UnknownMethod, false).unwrap();
        let found = in_header(&Whole { payload: Bytes::of(&text), length: text.len() as u32 }, 0, begin);
        prop_assert_eq!(found, naive_in_header(&text), "{}", text.escape_ascii());
    }

    #[test]
    fn plain_bytes_have_nothing_to_find(text in header()) {
        let plain = has_plain_bytes(Bytes::of(&text), text.len() as u32);
        let usual = has_usual_bytes(Bytes::of(&text), text.len() as u32);
        let ends = |pair: &[u8]| (pair[0] == b'\r') == (pair[1] == b'\n');
        let is_usual = text.is_ascii() && text.windows(2).all(ends);
        prop_assert!(!usual || plain && text.windows(2).all(ends), "{}", text.escape_ascii());
        prop_assert!(usual || !plain || !is_usual, "{}", text.escape_ascii());
        let pair = |pair: &[u8]| pair[0] == 0 || pair[0] == b'\r' && pair[1] != b'\n';
        if plain {
            prop_assert!(!text.windows(2).any(pair), "{}", text.escape_ascii());
        } else {
            prop_assert!(text.len() < WINDOW || text.windows(2).any(pair), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn versions_are_read_as_by_words(words in vec(select(vec!["SIP", "sip", "/", "2.0", " ", "\t", "x", "s", "si", " SIP/2.0", ":"]), 0..12)) {
        let line = format!("REGISTER {}", words.concat());
        let text = [&line, "\r\n", REST].concat();
        let begin = Begin::of(Kind::Request(Class::Register), false).unwrap();
        let found = find(&Whole { payload: Bytes::of(text.as_bytes()), length: text.len() as u32 }, begin);
        prop_assert_eq!(found, naive_version(&line), "{}", line);
        let payload = Bytes::of(text.as_bytes());
        prop_assert_eq!(first_line(payload, text.len() as u32) as usize, line.len() + 2);
        let plain = is_plain_start(payload, line.len() as u32 + 2);
        prop_assert!(!plain || found == 0);
        prop_assert!(plain || found != 0 || !line.ends_with(" SIP/2.0"));
    }

    #[test]
    fn any_payload_can_be_asked(payload: Vec<u8>, stream: bool) {
        forms(&payload, stream);
    }
}
