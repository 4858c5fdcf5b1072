//! In streams: the tables say which byte ends the headers and which are the digits of Content-Length.

use std::sync::LazyLock;

use proptest::{collection::vec, prelude::*, sample::select};
use xdp_prog::{
    abi::{Carried, ROW_UNIT, Signatures, phase},
    bytes::Bytes,
    stream::{Begin, Stream},
};

use super::{
    super::SignatureSet,
    Both,
    agreement::{IN_LINES, message, tight_message},
    generated,
};

static EMPTY: LazyLock<Box<Signatures>> = LazyLock::new(|| SignatureSet::default().compile().unwrap().tables);
static SHIPPED: LazyLock<Box<Signatures>> =
    LazyLock::new(|| SignatureSet::shipped().compile().unwrap().tables);

/// The places that a walk through one message passes, each with the byte's number.
#[derive(Debug, Default, PartialEq, Eq)]
struct Frame {
    digits: Vec<usize>,
    /// The colons behind the names of headers with credentials.
    credentials: Vec<usize>,
    headers_end: Option<usize>,
    found: bool,
}

/// As the tables see it.
fn walked(tables: &Signatures, start: u16, message: &[u8]) -> Frame {
    let head = tables.head;
    let mut frame = Frame::default();
    let mut row = start;
    for (at, byte) in message.iter().enumerate() {
        let column = tables.classes[*byte as usize] as usize / 2;
        row = tables.rows[row as usize * ROW_UNIT + column];
        if row >= head.accept {
            frame.found = true;
            break;
        } else if row >= head.digit {
            frame.digits.push(at);
        } else if row >= head.credentials {
            frame.credentials.push(at);
        } else if row >= head.body {
            assert_eq!(frame.headers_end, None, "the headers end twice");
            frame.headers_end = Some(at);
        }
        assert!(row != 0 || frame.headers_end.is_some(), "dead before the body");
    }
    frame
}

/// As a reader of the RFC would: line by line.
fn read(message: &[u8]) -> Frame {
    let mut frame = Frame::default();
    let mut at = message.iter().position(|byte| *byte > b' ').unwrap_or(message.len());
    let mut start_line = true;
    while at < message.len() {
        let rest = &message[at..];
        if rest.starts_with(b"\n") || rest.starts_with(b"\r\n") {
            frame.headers_end = Some(if rest[0] == b'\n' { at } else { at + 1 });
            break;
        }
        let folds = |end: usize| matches!(rest.get(end), Some(b' ' | b'\t'));
        let end = (1..rest.len()).find(|end| rest[end - 1] == b'\n' && !folds(*end)).unwrap_or(rest.len());
        if !start_line {
            frame.digits.extend(length_digits(&rest[..end]).map(|digit| at + digit));
            frame.credentials.extend(credentials_colon(&rest[..end]).map(|colon| at + colon));
        }
        start_line = false;
        at += end;
    }
    frame
}

/// Where a header's name ends, if it is one with credentials.
fn credentials_colon(line: &[u8]) -> Option<usize> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = String::from_utf8_lossy(&line[..colon]).to_lowercase();
    ["authorization", "proxy-authorization"].contains(&name.trim_end_matches([' ', '\t'])).then_some(colon)
}

/// Where a header line has the digits of its length, if it is one that tells it.
fn length_digits(line: &[u8]) -> std::ops::Range<usize> {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else { return 0..0 };
    let name = String::from_utf8_lossy(&line[..colon]).to_lowercase();
    if !["l", "content-length"].contains(&name.trim_end_matches([' ', '\t'])) {
        return 0..0;
    }
    let from = |start: usize, until: fn(&u8) -> bool| {
        line[start..].iter().position(until).map_or(line.len(), |length| start + length)
    };
    let first = from(colon + 1, |byte| !byte.is_ascii_whitespace());
    first..from(first, |byte| !byte.is_ascii_digit())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn frames_are_found_in_requests_and_responses(
        message in message(),
        tables in select(vec![&*EMPTY, &*SHIPPED]),
    ) {
        let expected = read(message.as_bytes());
        let response = walked(tables, tables.head.response, message.as_bytes());
        prop_assert_eq!(&response, &expected);
        let request = walked(tables, tables.head.request, message.as_bytes());
        prop_assert!(request.found || request == expected);
    }
}

#[test]
fn a_response_is_never_judged() {
    let both = Both::of(&generated(64));
    let tables = &both.compiled.tables;
    let message = b"SIP/2.0 200 OK\r\nUser-Agent: dial-kit/v1\r\nUser-Agent: scanner000\r\nl: 12\r\n\r\nbody";
    assert!(walked(tables, tables.head.request, message).found);
    let expected = Frame { digits: vec![68, 69], headers_end: Some(73), ..Frame::default() };
    assert_eq!(walked(tables, tables.head.response, message), expected);
}

/// The short look at a segment sees what the walk through all of it sees, but for its own credentials, and for one
/// thing: a message that tells its length twice is tangled only if something is behind it.
fn in_short_and_in_full(tables: &Signatures, segment: &[u8], response: bool) -> Result<(), TestCaseError> {
    let (payload, length) = (Bytes::of(segment), segment.len() as u32);
    let begin = if response { Begin::Response } else { Begin::Request };
    let short = tables.find_in_stream(payload, length, begin, true, Carried::LOST);
    let full = tables.walk_stream(payload, length, begin, true, Carried::LOST);
    if short.0 == Stream::default() && short.1.phase == phase::START {
        prop_assert!(full.0.nothing_later() && full.0.signature().is_none() || full.0.is_tangled());
        let is_longer = full.1.phase == phase::BODY;
        prop_assert!(
            is_longer || full.1 == short.1 || full.0.is_tangled(),
            "{:?}, in full {:?}",
            short,
            full
        );
    } else {
        prop_assert_eq!(short, full);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn segments_are_the_same_in_short_and_in_full(
        messages in vec(prop_oneof![message(), tight_message(), framed()], 1..4),
        response: bool,
    ) {
        let segment = messages.concat();
        for tables in [&*EMPTY, &*SHIPPED, &IN_LINES.compiled.tables] {
            in_short_and_in_full(tables, segment.as_bytes(), response)?;
        }
    }
}

/// A message whose length is mostly right.
fn framed() -> impl Strategy<Value = String> {
    let name = select(vec!["l", "Content-Length", "content-length ", "L\t"]);
    let lines = vec("[A-Z][a-z]{0,9}: [a-z0-9 ]{0,60}(\r\n [a-z]{0,9})?\r\n", 0..9);
    let off = prop_oneof![4 => Just(0), 1 => 0..9_usize];
    (lines, name, "[a-z\r\n ]{0,40}", off, 0..3_usize).prop_map(|(lines, name, body, off, before)| {
        let (before, after) = lines.split_at(lines.len().min(before));
        let length = body.len() + off;
        let (before, after) = (before.concat(), after.concat());
        format!("INVITE sip:x SIP/2.0\r\n{before}{name}: {length}\r\n{after}\r\n{body}")
    })
}
