//! The compiled tables against the plain reading.

mod agreement;
mod format;
mod framing;
mod shipped;
mod streams;

use xdp_prog::{bytes::Bytes, matcher};

use super::{Compiled, Reference, SignatureSet};

/// A set in both forms, the references in the order of the compiled numbers.
struct Both {
    compiled: Compiled,
    references: Vec<Reference>,
}

impl Both {
    fn of(set: &SignatureSet) -> Self {
        let compiled = set.compile().unwrap();
        let kernel = set.iter().filter(|signature| signature.in_kernel());
        Self { compiled, references: kernel.map(|signature| Reference::new(signature).unwrap()).collect() }
    }

    fn parse(text: &str) -> Self {
        Self::of(&SignatureSet::parse(text, "test").unwrap())
    }

    /// The kernel's verdict on a datagram.
    fn judge(&self, message: &[u8]) -> Option<u16> {
        self.compiled.tables.find(Bytes::of(message), message.len() as u32)
    }

    /// The same by the automaton alone, over the whole message.
    fn walk(&self, message: &[u8]) -> Option<u16> {
        self.compiled.tables.find_from(Bytes::of(message), message.len() as u32, 0)
    }

    /// True if the tables and the plain reading say the same.
    fn agrees(&self, message: &[u8]) -> Result<(), String> {
        let seen = &message[..message.len().min(matcher::SCAN_MAX as usize)];
        let mut expected = (0..).zip(&self.references).filter(|(_, reference)| reference.matches(seen));
        let name = |number: u16| &self.compiled.names[number as usize];
        let (verdict, walk) = (self.judge(message), self.walk(message));
        if verdict != walk {
            let names = (verdict.map(name), walk.map(name));
            return Err(format!("in short {:?}, in full {:?}", names.0, names.1));
        }
        match verdict {
            Some(number) if self.references[number as usize].matches(seen) => Ok(()),
            Some(number) => Err(format!("the tables find `{}`, which is not there", name(number))),
            None => {
                expected.next().map_or(Ok(()), |(number, _)| Err(format!("`{}` is missed", name(number))))
            }
        }
    }
}

/// `count` signatures as operators could write them, in all places and ways.
fn generated(count: usize) -> SignatureSet {
    let places = [
        "'User-Agent'",
        "'User-Agent'",
        "'User-Agent'",
        "['From', 'To']",
        "'Via'",
        "'Call-ID'",
        "'body'",
        "'start-line'",
        "'message'",
        "'Content-Length'",
    ];
    let tables = (0..count).map(|number| {
        let place = places[number % places.len()];
        let word = word(number);
        let value = place.contains("body") || place.contains("message");
        let way = match number % 7 {
            0 => format!("equals = '{word}'"),
            1 => format!("starts = '{word}'"),
            2 => format!("regex = '^{word}[0-9]+[.]x|{word}$'"),
            3 => format!("contains = '{word} v{number}'"),
            _ => format!("contains = '{word}'"),
        };
        let way = if value { format!("contains = '{word}'") } else { way };
        format!("[[signature]]\nname = 's{number}'\nin = {place}\n{way}\n")
    });
    SignatureSet::parse(&tables.collect::<String>(), "generated").unwrap()
}

/// A name that no other number has.
fn word(number: usize) -> String {
    const FIRST: [&str; 8] = ["scan", "Probe", "dial-", "voip", "brute", "x-War", "hunter", "sweep"];
    const SECOND: [&str; 8] = ["ner", "bot_", "TOOL", "kit", "er/", "monkey", "zilla", "force"];
    format!("{}{}{:03}", FIRST[number % 8], SECOND[number / 8 % 8], number * 7 % 1000)
}
