//! Payloads that are SIP, nearly SIP, or were SIP before something happened to them.

use sipward_tests::rng::Rng;

const METHODS: [&str; 20] = [
    "REGISTER",
    "REGISTER",
    "INVITE",
    "INVITE",
    "OPTIONS",
    "OPTIONS",
    "ACK",
    "BYE",
    "CANCEL",
    "PRACK",
    "UPDATE",
    "INFO",
    "NOTIFY",
    "MESSAGE",
    "PUBLISH",
    "REFER",
    "SUBSCRIBE",
    "options",
    "VENDORX",
    "SUBSCRIBER",
];
const NAMES: [&str; 16] = [
    "Via",
    "v",
    "From",
    "f",
    "To",
    "t",
    "Call-ID",
    "i",
    "User-Agent",
    "user-agent",
    "USER-AGENT",
    "Contact",
    "m",
    "Subject",
    "Server",
    "X-User-Agent",
];
/// Innocent ones, the marks of scanners, and what is nearly such a mark.
const VALUES: [&str; 18] = [
    "SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK776asdhds",
    "\"Ann\" <sip:201@pbx.example.com>;tag=1928301774",
    "<sip:201@pbx.example.com>",
    "a84b4c76e66710@198.51.100.7",
    "Yealink SIP-T46S 66.86.0.15",
    "friendly-scanner",
    "Friendly-Scanner 1.0",
    "friendly-scanne",
    "sipvicious",
    "sipcli/v1.8",
    "SIPClient",
    "smap",
    "smapper",
    "Nmap NSE",
    "\"x\" <sip:100@1.1.1.1>",
    "<sip:a@b>;tag = 3206210844",
    "e5f4a0123456789e4f7a",
    "",
];
const BODIES: [&str; 5] = [
    "v=0\r\no=x 16264 18299 IN IP4 192.0.2.1\r\ns=-\r\n",
    "v=0\r\no=x 1 1 IN IP4 192.0.2.1\r\ns=-\r\n",
    "User-Agent: friendly-scanner\r\n\r\n",
    "OPTIONS sip:a SIP/2.0\r\n\r\n",
    "x",
];
const NOISE: [&[u8]; 7] = [
    b"",
    b"\r\n\r\n",
    b"\0\0\0\0",
    b"\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl",
    b"\x80\x00rtp",
    b"x",
    b"SIP",
];
const MISCHIEF: [&str; 14] = [
    "\r", "\n", "\r\n", "\r\n ", "\n\t", "\r\n\r\n", "\n\n", ":", " ", "\0", "\u{80}", "\r\nl: 7",
    "OPTIONS ", "SIP/",
];

/// The payload of a datagram or of a segment: now and then several messages, noise, or both.
pub(crate) fn payload(rng: &mut Rng) -> Vec<u8> {
    let mut payload = Vec::new();
    if rng.one_in(12) {
        payload.extend(*rng.pick(&NOISE));
    } else {
        payload.extend(blanks(rng));
        for _ in 0..1 + rng.below(5) / 3 * rng.below(4) {
            payload.extend(message(rng).bytes());
            payload.extend(blanks(rng));
        }
    }
    for _ in 0..rng.below(3) * rng.below(3) {
        mutate(rng, &mut payload);
    }
    payload
}

fn blanks(rng: &mut Rng) -> Vec<u8> {
    match rng.below(12) {
        0 => vec![*rng.pick(b"\r\n \t\0"); 60 + rng.below(10)],
        1 | 2 => b"\r\n".repeat(rng.below(5)),
        _ => vec![],
    }
}

fn message(rng: &mut Rng) -> String {
    let end = *rng.pick(&["\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r"]);
    let method = *rng.pick(&METHODS);
    let mut message = match rng.below(6) {
        0 => format!("SIP/2.0 200 OK{end}CSeq: 1 {method}{end}"),
        _ => format!("{method} sip:201@pbx.example.com SIP/2.0{end}"),
    };
    for _ in 0..rng.below(9) {
        message += &header(rng, end);
    }
    let body = if rng.one_in(3) { *rng.pick(&BODIES) } else { "" };
    message += &lengths(rng, body.len(), end);
    message + end + body
}

fn header(rng: &mut Rng, end: &str) -> String {
    let (name, mut value) = (*rng.pick(&NAMES), (*rng.pick(&VALUES)).to_owned());
    let colon = rng.pick(&[": ", ": ", ": ", ":", " : ", "\t:\t"]);
    if rng.one_in(8) {
        value = value.replace(' ', &format!("{end} "));
    }
    let fold = if rng.one_in(8) { format!("{end}\t") } else { String::new() };
    let filler = if rng.one_in(16) { "f".repeat(rng.below(500)) } else { String::new() };
    format!("{name}{colon}{fold}{value}{filler}{end}")
}

/// Content-Length, mostly right.
fn lengths(rng: &mut Rng, length: usize, end: &str) -> String {
    let lie = rng.below(2000);
    match rng.below(10) {
        0 => String::new(),
        1 => format!("l:{length}{end}"),
        2 => format!("Content-Length : {end} {length}{end}"),
        3 => format!("Content-Length: {lie}{end}"),
        4 => format!("l: {length}{end}Content-Length: {lie}{end}"),
        5 => {
            format!("Content-Length: {}{end}", rng.pick(&["-1", "+0", "x", "0x1", "99999999999", "1 2", ""]))
        }
        _ => format!("Content-Length: {length}{end}"),
    }
}

fn mutate(rng: &mut Rng, bytes: &mut Vec<u8>) {
    let at = rng.below(bytes.len() + 1);
    match rng.below(4) {
        0 => bytes.truncate(at),
        1 => drop(bytes.splice(at..at, rng.pick(&MISCHIEF).bytes())),
        2 => drop(bytes.drain(at..(at + rng.below(8)).min(bytes.len()))),
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = if rng.one_in(2) { rng.byte() } else { *byte ^ 1 << rng.below(8) };
            }
        }
    }
}
