//! What matters of a SIP message: spans of its bytes, found in one pass.
//!
//! It reads what PBXs read and is as lenient as they are; a header that makes no sense is as good as none. The bytes may
//! be only the beginning of the message: a header line that they cut in two is left out.

mod address;
mod digest;
mod lines;
mod pieces;

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;

pub(super) use self::{
    address::{Contact, Party, Uri, Via},
    digest::{Challenge, Credentials},
};
use self::{
    lines::{Lines, is_blank, position, trim},
    pieces::{Pieces, number},
};

/// A message with more of one kind than this is not read further.
const CONTACTS_MAX: usize = 32;
const CHALLENGES_MAX: usize = 8;
/// More than a datagram of the tap's has room for: none can be hidden behind others.
const CREDENTIALS_MAX: usize = 256;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub(super) start: Start<'a>,
    pub(super) via: Via<'a>,
    /// There are further ones below it: whoever sends it passes it on.
    pub(super) is_passed_on: bool,
    pub(super) from: Party<'a>,
    pub(super) to: Party<'a>,
    pub(super) call_id: &'a [u8],
    pub(super) sequence: Sequence<'a>,
    pub(super) contacts: Vec<Contact<'a>>,
    /// `Contact: *`: all of them.
    pub(super) all_contacts: bool,
    pub(super) expires: Option<u32>,
    pub(super) credentials: Vec<Credentials<'a>>,
    pub(super) challenges: Vec<Challenge<'a>>,
    pub(super) next_nonce: Option<&'a [u8]>,
    pub(super) content_length: Option<u32>,
    /// Where the body begins; `None`: the header does not end in these bytes.
    pub(super) body: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start<'a> {
    Request { method: &'a [u8], uri: &'a [u8] },
    Answer { status: u16 },
}

/// Of CSeq.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sequence<'a> {
    pub(super) number: u32,
    pub(super) method: &'a [u8],
}

impl<'a> Message<'a> {
    /// `cut`: the message goes on behind these bytes. `None`: it is no SIP message.
    pub(super) fn parse(bytes: &'a [u8], cut: bool) -> Option<Self> {
        let leading = bytes.iter().position(|&byte| !is_blank(byte))?;
        let mut lines = Lines::new(&bytes[leading..], cut);
        let mut message = Self::empty(Start::parse(lines.start()?)?);
        for line in &mut lines {
            message.take(line.name, line.value);
        }
        message.body = lines.complete().then(|| leading + lines.at());
        Some(message)
    }

    /// Of the request, or of that which is answered.
    pub(super) const fn method(&self) -> &'a [u8] {
        match self.start {
            Start::Request { method, .. } => method,
            Start::Answer { .. } => self.sequence.method,
        }
    }

    const fn empty(start: Start<'a>) -> Self {
        const NOBODY: Party<'_> = Party { uri: Uri { user: &[], host: &[], port: None }, tag: None };
        Self {
            start,
            via: Via { host: &[], port: None, branch: &[], received: None, rport: None },
            is_passed_on: false,
            from: NOBODY,
            to: NOBODY,
            call_id: &[],
            sequence: Sequence { number: 0, method: &[] },
            contacts: Vec::new(),
            all_contacts: false,
            expires: None,
            credentials: Vec::new(),
            challenges: Vec::new(),
            next_nonce: None,
            content_length: None,
            body: None,
        }
    }

    fn take(&mut self, name: &[u8], value: &'a [u8]) {
        let mut lower = [0; 24];
        let Some(lower) = lower.get_mut(..name.len()) else { return };
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        match &*lower {
            b"via" | b"v" if self.via == Via::default() => {
                self.via = Via::parse(value).unwrap_or_default();
                self.is_passed_on = Pieces::new(value, b',', false).count() > 1;
            }
            b"via" | b"v" => self.is_passed_on = true,
            b"from" | b"f" if self.from == Party::default() => self.from = Party::parse(value),
            b"to" | b"t" if self.to == Party::default() => self.to = Party::parse(value),
            b"call-id" | b"i" if self.call_id.is_empty() => self.call_id = value,
            b"cseq" if self.sequence == Sequence::default() => {
                self.sequence = Sequence::parse(value).unwrap_or_default();
            }
            b"contact" | b"m" => self.take_contacts(value),
            b"expires" if self.expires.is_none() => self.expires = number(value),
            b"authorization" | b"proxy-authorization" if self.credentials.len() < CREDENTIALS_MAX => {
                self.credentials.extend(Credentials::parse(value));
            }
            b"www-authenticate" | b"proxy-authenticate" => Challenge::parse(value, |challenge| {
                if self.challenges.len() < CHALLENGES_MAX {
                    self.challenges.push(challenge);
                }
            }),
            b"authentication-info" => self.next_nonce = digest::next_nonce(value),
            b"content-length" | b"l" if self.content_length.is_none() => {
                self.content_length = number(value);
            }
            _ => {}
        }
    }

    fn take_contacts(&mut self, value: &'a [u8]) {
        if value == b"*" {
            self.all_contacts = true;
            return;
        }
        let room = CONTACTS_MAX.saturating_sub(self.contacts.len());
        self.contacts.extend(Pieces::new(value, b',', true).take(room).map(Contact::parse));
    }
}

impl<'a> Start<'a> {
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        if let Some(rest) = strip_version(line) {
            let status = trim(rest);
            let status = number(status.get(..3)?)?;
            return (100..700).contains(&status).then_some(Self::Answer { status: status as u16 });
        }
        let method = &line[..line.iter().position(|&byte| is_blank(byte))?];
        let version = &line[line.iter().rposition(|&byte| is_blank(byte))? + 1..];
        let uri = trim(line.get(method.len()..line.len() - version.len())?);
        let is_request = method.len() + version.len() + 2 <= line.len()
            && method.iter().all(|&byte| is_token(byte))
            && strip_version(version).is_some_and(<[u8]>::is_empty);
        is_request.then_some(Self::Request { method, uri })
    }
}

impl<'a> Sequence<'a> {
    fn parse(value: &'a [u8]) -> Option<Self> {
        let blank = value.iter().position(|&byte| is_blank(byte))?;
        Some(Self { number: number(&value[..blank])?, method: trim(&value[blank..]) })
    }
}

/// What comes behind `SIP/2.0`, if it stands there as a word.
fn strip_version(line: &[u8]) -> Option<&[u8]> {
    const VERSION: &[u8] = b"SIP/2.0";
    let (version, rest) = line.split_at_checked(VERSION.len())?;
    let word = rest.first().is_none_or(|&byte| is_blank(byte));
    (word && version.eq_ignore_ascii_case(VERSION)).then_some(rest)
}

const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
}

/// Where the first start line in these bytes begins, if they do not begin with one: for streams that are joined, or
/// have lost something. The second is where the last line begins that might still become one.
pub(super) fn find_start(bytes: &[u8]) -> Result<usize, usize> {
    let mut at = 0;
    while let Some(end) = position(&bytes[at..], b'\n') {
        if Start::parse(trim(&bytes[at..at + end])).is_some() {
            return Ok(at);
        }
        at += end + 1;
    }
    Err(at)
}
