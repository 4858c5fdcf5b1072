//! Messages out of one direction of a stream.
//!
//! Only headers are kept; bodies are counted and skipped.

use crate::{Message, find_start};

/// In bytes: what a header may have. Asterisk, Kamailio and others take less.
const HEADER_MAX: usize = 16 * 1_024;
/// In bytes. A longer one is a lie or an attempt to go unseen.
const BODY_MAX: u32 = 1 << 20;

#[derive(Debug, Default)]
pub struct Framing {
    /// Of a header that is not complete.
    bytes: Vec<u8>,
    /// No header ends before that.
    scanned: usize,
    /// The bytes of a body that are still to come.
    body: u32,
    /// It is not known where the next message begins.
    seeking: bool,
    /// The number of times that this happened.
    lost: u64,
    /// Something other than a body went by and was not understood.
    missed: bool,
}

impl Framing {
    pub fn seeking() -> Self {
        Self { seeking: true, ..Self::default() }
    }

    pub fn take_bytes(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    pub fn put_bytes(&mut self, bytes: Vec<u8>) {
        self.bytes = bytes;
    }

    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    pub fn take_missed(&mut self) -> bool {
        std::mem::take(&mut self.missed)
    }

    /// Bytes are missing, as many as that where it is known.
    pub fn gap(&mut self, missing: Option<u32>) {
        match missing {
            Some(missing) if self.bytes.is_empty() && missing <= self.body => self.body -= missing,
            _ => self.lose(),
        }
    }

    /// `message` is told how many of the bytes follow its header.
    pub fn push(&mut self, bytes: &[u8], mut message: impl FnMut(&Message<'_>, usize)) {
        self.bytes.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(step) = self.step(at, &mut message) {
            at += step;
        }
        at = at.min(self.bytes.len());
        self.bytes.drain(..at);
        self.scanned = self.scanned.saturating_sub(at);
    }

    /// The number of bytes from `at` on that are done with. `None`: more have to come first.
    fn step(&mut self, at: usize, message: &mut impl FnMut(&Message<'_>, usize)) -> Option<usize> {
        let rest = self.bytes.get(at..).filter(|rest| !rest.is_empty())?;
        if self.body > 0 {
            let step = rest.len().min(self.body as usize);
            self.body -= step as u32;
            return Some(step);
        }
        let blank = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n' | 0)).count();
        if blank > 0 {
            return Some(blank);
        }
        if self.seeking {
            return self.seek(at);
        }
        let Some(end) = header_end(rest, self.scanned.saturating_sub(at)) else {
            if rest.len() > HEADER_MAX {
                self.lose();
            } else {
                self.scanned = at + rest.iter().rposition(|&byte| byte == b'\n').unwrap_or(0);
            }
            return None;
        };
        let readings = Message::readings(&rest[..end], true).filter(|_| end <= HEADER_MAX);
        let readings = readings.inspect(|reading| message(reading, rest.len() - end));
        // The last is by lines that end with LF: all PBXs look for a length in those.
        match readings.last() {
            Some(parsed) => {
                self.body = parsed.content_length.unwrap_or(0);
                if self.body > BODY_MAX {
                    self.body = 0;
                    self.get_out_of_step();
                }
                Some(end)
            }
            None => {
                let line = rest.iter().position(|&byte| byte == b'\n').map_or(end, |feed| feed + 1);
                self.get_out_of_step();
                Some(line)
            }
        }
    }

    fn seek(&mut self, at: usize) -> Option<usize> {
        let rest = &self.bytes[at..];
        let found = find_start(rest);
        self.missed |= !matches!(found, Ok(0) | Err(0));
        match found {
            Ok(start) => {
                self.seeking = false;
                Some(start)
            }
            // A line as long as a header will not become a start line.
            Err(last) if rest.len() - last > HEADER_MAX => Some(rest.len()),
            Err(0) => None,
            Err(last) => Some(last),
        }
    }

    fn lose(&mut self) {
        self.bytes.clear();
        self.scanned = 0;
        self.body = 0;
        self.get_out_of_step();
    }

    const fn get_out_of_step(&mut self) {
        self.seeking = true;
        self.lost += 1;
        self.missed = true;
    }
}

/// Behind the empty line. `from`: there is none before.
fn header_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += bytes.get(at..)?.iter().position(|&byte| byte == b'\n')? + 1;
        let returns = bytes[at..].iter().take_while(|&&byte| byte == b'\r').count();
        if bytes.get(at + returns) == Some(&b'\n') {
            return Some(at + returns + 1);
        }
    }
}
