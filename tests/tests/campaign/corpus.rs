//! The findings of campaigns as text: a request, its answer, and the reading of both by sipward.
//!
//! ```text
//! == TITLE
//! pbx asterisk
//! account 201
//! realm asterisk
//! nonce 1700000000/0123456789abcdef
//! port 40000
//! expected read
//! > REGISTER sip:pbx SIP/2.0\r\n
//! >3 \r\n
//! < SIP/2.0 401 Unauthorized\r\n
//! ```
//!
//! `>` is the request and `<` the answer, with escapes for other characters than printable ASCII. A number behind it repeats
//! the piece. `pieces LENGTH LENGTH` makes the request a stream of such segments. `expected` is one of these:
//!
//! - `read`: the observer names the account, and the kernel has its name, or reports that it is uncertain.
//! - `refused REASON`: the filter refuses it from strangers.
//! - `charged`: the filter sees only a part of it, and charges it as a guess. `unseen`: the same without credentials.
//! - `open`: none of these.

use std::fmt::{self, Write as _};

use crate::{
    draft::{Draft, Plan},
    reading::{Exchange, Reading},
};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) title: String,
    pub(crate) pbx: String,
    /// The account that the PBX has read.
    pub(crate) account: String,
    pub(crate) realm: String,
    pub(crate) nonce: String,
    pub(crate) port: u16,
    pub(crate) expected: String,
    /// The lengths of the pieces of a stream. A datagram has none.
    pub(crate) pieces: Vec<usize>,
    pub(crate) request: Vec<u8>,
    pub(crate) answer: Vec<u8>,
}

impl Entry {
    pub(crate) fn reading(&self) -> Reading {
        let plan =
            Plan { method: "REGISTER", account: "239", id: 1, port: 40_000, transport: "UDP", answers: None };
        let asked = Draft::new(&plan).write();
        let challenge = format!(
            "SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP 10.90.0.2:40000;rport=40000;branch=z9hG4bKb1x\r\n\
             From: <sip:239@pbx>;tag=f1x\r\nTo: <sip:239@pbx>;tag=pbx\r\nCall-ID: c1x@10.90.0.2\r\nCSeq: 1 REGISTER\r\n\
             WWW-Authenticate: Digest realm=\"{}\", nonce=\"{}\", qop=\"auth\"\r\nContent-Length: 0\r\n\r\n",
            self.realm, self.nonce,
        );
        Reading::of(&Exchange {
            challenge: (&asked, challenge.as_bytes()),
            request: &self.request,
            pieces: &self.pieces,
            answer: &self.answer,
            port: self.port,
        })
    }

    /// The reading by sipward, as `expected` writes it.
    pub(crate) fn outcome(&self) -> String {
        let reading = self.reading();
        let let_in = self.answer.starts_with(b"SIP/2.0 2");
        let seen =
            if let_in { reading.is_let_in(&self.account) } else { reading.is_attributed(&self.account) };
        if reading.is_refused() {
            format!("refused {}", reading.reason.name())
        } else if reading.fragmented {
            let seen = if reading.has_credentials { "open" } else { "unseen" };
            if reading.uncertain { "charged" } else { seen }.into()
        } else if seen && (reading.is_charged(&self.account) || !reading.has_credentials) {
            "read".into()
        } else {
            "open".into()
        }
    }
}

pub(crate) fn parse(text: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if word == "==" {
            entries.push(Entry { title: rest.to_owned(), ..Entry::default() });
            continue;
        }
        let entry = entries.last_mut().expect("an entry begins with its title");
        match word {
            "pbx" => entry.pbx = rest.to_owned(),
            "account" => entry.account = rest.to_owned(),
            "realm" => entry.realm = rest.to_owned(),
            "nonce" => entry.nonce = rest.to_owned(),
            "port" => entry.port = rest.parse().expect("a port"),
            "pieces" => {
                entry.pieces = rest.split(' ').map(|piece| piece.parse().expect("a length")).collect();
            }
            "expected" => entry.expected = rest.to_owned(),
            _ => {
                let (bytes, times) = match word.split_at(1) {
                    (">", times) => (&mut entry.request, times),
                    ("<", times) => (&mut entry.answer, times),
                    _ => panic!("no line of an entry begins so: {line}"),
                };
                let times = if times.is_empty() { 1 } else { times.parse().expect("a number") };
                bytes.extend(unescaped(rest).repeat(times));
            }
        }
    }
    entries
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { title, pbx, account, realm, nonce, port, pieces, expected, request, answer } = self;
        writeln!(f, "== {title}\npbx {pbx}\naccount {account}\nrealm {realm}\nnonce {nonce}\nport {port}")?;
        if !pieces.is_empty() {
            let pieces: Vec<String> = pieces.iter().map(ToString::to_string).collect();
            writeln!(f, "pieces {}", pieces.join(" "))?;
        }
        writeln!(f, "expected {expected}")?;
        write_lines(f, '>', request)?;
        write_lines(f, '<', answer)
    }
}

fn write_lines(f: &mut fmt::Formatter<'_>, mark: char, bytes: &[u8]) -> fmt::Result {
    let mut lines = bytes.split_inclusive(|&byte| byte == b'\n').peekable();
    while let Some(line) = lines.next() {
        let mut times = 1;
        while lines.next_if_eq(&line).is_some() {
            times += 1;
        }
        let number = if times > 1 { times.to_string() } else { String::new() };
        writeln!(f, "{mark}{number} {}", escaped(line))?;
    }
    Ok(())
}

fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes {
        match byte {
            b'\r' => text += "\\r",
            b'\n' => text += "\\n",
            b'\t' => text += "\\t",
            b'\\' => text += "\\\\",
            b' '..=b'~' => text.push(char::from(byte)),
            _ => write!(text, "\\x{byte:02x}").expect("a string takes everything"),
        }
    }
    // An editor may take blanks away at the end of a line.
    match text.strip_suffix(' ') {
        Some(head) => format!("{head}\\x20"),
        None => text,
    }
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next().expect("an escape") {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'x' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let value = digit().zip(digit()).expect("two digits");
                (value.0 * 16 + value.1) as u8
            }
            other => other,
        });
    }
    bytes
}

#[test]
fn entries_are_read_as_they_are_written() {
    let bytes: Vec<u8> = (0..=255).chain(*b"a\nb \n\n\n\n \\x20 ").collect();
    let entry = Entry {
        title: "a title".into(),
        pbx: "asterisk".into(),
        account: "201".into(),
        realm: "asterisk".into(),
        nonce: "a/b=".into(),
        port: 40_000,
        expected: "refused form:nul".into(),
        pieces: vec![100, 200],
        request: bytes,
        answer: b"SIP/2.0 401 Unauthorized\r\n\r\n".to_vec(),
    };
    assert_eq!(parse(&entry.to_string()), [entry]);
}

#[test]
fn what_was_found_is_read_as_it_says() {
    let mut wrong = String::new();
    for entry in parse(include_str!("corpus/finds.txt")) {
        let outcome = entry.outcome();
        if outcome != entry.expected {
            let Entry { title, pbx, expected, .. } = &entry;
            writeln!(wrong, "{pbx}: {title}: expected {expected}, is {outcome}").expect("a string");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
