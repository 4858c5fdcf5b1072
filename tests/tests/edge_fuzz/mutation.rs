//! Changes to a message: those that have made parsers disagree, and any others.

use sipward_tests::rng::Rng;

use crate::test_edge::{OTHER, OWN};

/// Lines that claim to be somebody else, or change where a message ends.
const LINES: [&str; 24] = [
    "From: <sip:240@192.0.2.1>;tag=x",
    "f: <sip:240@192.0.2.1>;tag=x",
    "FROM : <sip:240@192.0.2.1>;tag=x",
    "To: <sip:240@192.0.2.1>",
    "t: <sip:240@192.0.2.1>;tag=pbx",
    "To\x01: <sip:240@192.0.2.1>",
    "Fro\u{e9}m: <sip:240@192.0.2.1>",
    "P-Asserted-Identity: <sip:240@192.0.2.1>",
    "p-asserted-identity : <sip:240@192.0.2.1>",
    "P-Asserted-Identity:\r\n <sip:240@192.0.2.1>",
    "Remote-Party-ID: <sip:240@192.0.2.1>;party=calling",
    "X-Sipward-Source: 127.0.0.1:5060;udp;240",
    "x-sipward-source\t: 127.0.0.1:5060;udp;240",
    "Authorization: Digest username=\"240\", realm=\"pbx\", nonce=\"n\", uri=\"sip:x\", response=\"r\"",
    "Proxy-Authorization: Digest username=\"240\", realm=\"other\", nonce=\"n\", uri=\"sip:x\", response=\"r\"",
    "Content-Length: 0",
    "l: 10",
    "Content-Length: -1",
    "Route: <sip:192.0.2.1;lr>",
    "Contact: *",
    "Contact: <sip:240@198.51.100.7:5060>;+sip.instance=\"<urn:uuid:1>\";reg-id=1",
    "Max-Forwards: 0",
    "Supported: path",
    "",
];
const WORDS: [&str; 30] = [
    "\r\n",
    "\r",
    "\n",
    "\0",
    " ",
    "\t",
    "\r\n ",
    "\r\n\t",
    "\n ",
    "\u{b}",
    ":",
    ";",
    ",",
    "\"",
    "\\",
    "\\\"",
    "<",
    ">",
    "@",
    "%",
    "%32%34%30",
    "%00",
    "240",
    "sip:240@x",
    "<sip:240@x>",
    "tag=",
    ";tag=pbx",
    "\u{e9}",
    "\u{feff}",
    "()",
];

/// A few of them.
pub(crate) fn mutate(bytes: &mut Vec<u8>, rng: &mut Rng) {
    loop {
        KINDS[rng.below(KINDS.len())](bytes, rng);
        if rng.one_in(2) {
            return;
        }
    }
}

type Change = fn(&mut Vec<u8>, &mut Rng);

const KINDS: [Change; 14] = [
    add_line,
    add_line,
    add_word,
    add_word,
    name_other,
    name_other,
    fold,
    line_end,
    respell,
    repeat_line,
    drop_line,
    replace_bytes,
    cut,
    truncate,
];

/// The beginnings of all lines but the first.
fn begins(bytes: &[u8]) -> Vec<usize> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(bytes.len(), |at| at + 2);
    (1..head).filter(|at| bytes[at - 1] == b'\n').collect()
}

fn a_line(bytes: &[u8], rng: &mut Rng) -> Option<(usize, usize)> {
    let begins = begins(bytes);
    let begin = *begins.get(rng.below(begins.len().max(1)))?;
    let end = bytes[begin..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| begin + at + 1);
    Some((begin, end))
}

fn add_line(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let Some((at, _)) = a_line(bytes, rng) else { return };
    let end = *rng.pick(&["\r\n", "\r\n", "\r\n", "\n", "\r", "\r\r\n", "\0\r\n"]);
    bytes.splice(at..at, format!("{}{end}", rng.pick(&LINES)).into_bytes());
}

fn add_word(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let at = rng.below(bytes.len() + 1);
    bytes.splice(at..at, rng.pick(&WORDS).bytes());
}

/// One of the places with the phone's own name has another.
fn name_other(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let places: Vec<_> = bytes
        .windows(OWN.len())
        .enumerate()
        .filter(|(_, name)| *name == OWN.as_bytes())
        .map(|(at, _)| at)
        .collect();
    if places.is_empty() {
        return;
    }
    let at = *rng.pick(&places);
    let name = *rng.pick(&[
        OTHER,
        "240@x;201",
        "201%00240",
        "201:240",
        "%3240",
        "201@240",
        "\"240",
        "201 ",
        "2\\01",
    ]);
    bytes.splice(at..at + OWN.len(), name.bytes());
}

/// At a blank.
fn fold(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let blanks: Vec<_> = (0..bytes.len()).filter(|at| bytes[*at] == b' ').collect();
    if !blanks.is_empty() {
        let at = *rng.pick(&blanks);
        bytes.splice(at..at + 1, rng.pick(&["\r\n ", "\r\n\t", "\n ", "\r ", "\r\n \r\n "]).bytes());
    }
}

fn line_end(bytes: &mut Vec<u8>, rng: &mut Rng) {
    if let Some((_, end)) = a_line(bytes, rng).filter(|(begin, end)| end - begin >= 2) {
        bytes.splice(end - 2..end, rng.pick(&["\n", "\r", "", "\r\n\r\n", "\n\r", "\u{85}"]).bytes());
    }
}

/// The name of a header in other letters, with blanks, or short.
fn respell(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let Some((begin, end)) = a_line(bytes, rng) else { return };
    let Some(colon) = bytes[begin..end].iter().position(|byte| *byte == b':').map(|at| begin + at) else {
        return;
    };
    let name = String::from_utf8_lossy(&bytes[begin..colon]).into_owned();
    let spelled = match rng.below(6) {
        0 => name.to_uppercase(),
        1 => name.to_lowercase(),
        2 => name + " ",
        3 => name + "\t ",
        4 => format!(" {name}"),
        _ => name.chars().next().into_iter().collect(),
    };
    bytes.splice(begin..colon, spelled.into_bytes());
}

fn repeat_line(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let (Some((begin, end)), Some((at, _))) = (a_line(bytes, rng), a_line(bytes, rng)) else { return };
    let line = bytes[begin..end].to_vec();
    bytes.splice(at..at, line);
}

fn drop_line(bytes: &mut Vec<u8>, rng: &mut Rng) {
    if let Some((begin, end)) = a_line(bytes, rng) {
        bytes.drain(begin..end);
    }
}

fn replace_bytes(bytes: &mut Vec<u8>, rng: &mut Rng) {
    for _ in 0..=rng.below(3) {
        if !bytes.is_empty() {
            let at = rng.below(bytes.len());
            bytes.splice(at..=at, [rng.byte()]);
        }
    }
}

fn cut(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let begin = rng.below(bytes.len() + 1);
    let end = (begin + rng.below(40)).min(bytes.len());
    bytes.drain(begin..end);
}

fn truncate(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let length = rng.below(bytes.len() + 1);
    bytes.truncate(length);
}
