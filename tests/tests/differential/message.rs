//! Payloads that are SIP, nearly SIP, or were SIP before something happened to them.

use sipward_tests::dice::Dice;

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
pub(crate) fn payload(dice: &mut Dice) -> Vec<u8> {
    let mut payload = Vec::new();
    if dice.one_in(12) {
        payload.extend(*dice.pick(&NOISE));
    } else {
        payload.extend(blanks(dice));
        for _ in 0..1 + dice.below(5) / 3 * dice.below(4) {
            payload.extend(message(dice).bytes());
            payload.extend(blanks(dice));
        }
    }
    for _ in 0..dice.below(3) * dice.below(3) {
        mutate(dice, &mut payload);
    }
    payload
}

fn blanks(dice: &mut Dice) -> Vec<u8> {
    match dice.below(12) {
        0 => vec![*dice.pick(b"\r\n \t\0"); 60 + dice.below(10)],
        1 | 2 => b"\r\n".repeat(dice.below(5)),
        _ => vec![],
    }
}

fn message(dice: &mut Dice) -> String {
    let end = *dice.pick(&["\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r"]);
    let method = *dice.pick(&METHODS);
    let mut message = match dice.below(6) {
        0 => format!("SIP/2.0 200 OK{end}CSeq: 1 {method}{end}"),
        _ => format!("{method} sip:201@pbx.example.com SIP/2.0{end}"),
    };
    for _ in 0..dice.below(9) {
        message += &header(dice, end);
    }
    let body = if dice.one_in(3) { *dice.pick(&BODIES) } else { "" };
    message += &lengths(dice, body.len(), end);
    message + end + body
}

fn header(dice: &mut Dice, end: &str) -> String {
    let (name, mut value) = (*dice.pick(&NAMES), (*dice.pick(&VALUES)).to_owned());
    let colon = dice.pick(&[": ", ": ", ": ", ":", " : ", "\t:\t"]);
    if dice.one_in(8) {
        value = value.replace(' ', &format!("{end} "));
    }
    let fold = if dice.one_in(8) { format!("{end}\t") } else { String::new() };
    let filler = if dice.one_in(16) { "f".repeat(dice.below(500)) } else { String::new() };
    format!("{name}{colon}{fold}{value}{filler}{end}")
}

/// Content-Length, mostly right.
fn lengths(dice: &mut Dice, length: usize, end: &str) -> String {
    let lie = dice.below(2000);
    match dice.below(10) {
        0 => String::new(),
        1 => format!("l:{length}{end}"),
        2 => format!("Content-Length : {end} {length}{end}"),
        3 => format!("Content-Length: {lie}{end}"),
        4 => format!("l: {length}{end}Content-Length: {lie}{end}"),
        5 => {
            format!("Content-Length: {}{end}", dice.pick(&["-1", "+0", "x", "0x1", "99999999999", "1 2", ""]))
        }
        _ => format!("Content-Length: {length}{end}"),
    }
}

fn mutate(dice: &mut Dice, bytes: &mut Vec<u8>) {
    let at = dice.below(bytes.len() + 1);
    match dice.below(4) {
        0 => bytes.truncate(at),
        1 => drop(bytes.splice(at..at, dice.pick(&MISCHIEF).bytes())),
        2 => drop(bytes.drain(at..(at + dice.below(8)).min(bytes.len()))),
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = if dice.one_in(2) { dice.byte() } else { *byte ^ 1 << dice.below(8) };
            }
        }
    }
}
