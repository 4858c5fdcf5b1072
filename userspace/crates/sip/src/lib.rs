//! The parts of a SIP message that matter, as spans of its bytes, found in one pass.
//!
//! It reads what PBXs read and is as lenient as they are; a header that makes no sense is as good as none. The bytes may
//! be only the beginning of the message: a header line that they cut in two is left out.
//!
//! There are requests that PJSIP (Asterisk) and Kamailio read differently: with a CR that has no LF, or with two of a
//! header that should be there once. Of those there are two [readings](Message::readings), and the answer shows which of
//! them it is about.

mod address;
mod digest;
mod escapes;
pub mod framing;
mod lines;
mod pieces;

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;

use self::lines::{LineEnd, Lines, has_bare_return};
pub use self::{
    address::{Contact, Party, Uri, Via},
    digest::{Challenge, Credentials},
    escapes::{echoed, unescaped},
    lines::{is_blank, position, trim},
    pieces::{Pieces, closing_quote, find, number, parameter},
};

/// A message with more of one kind than this is not read further.
const CONTACTS_MAX: usize = 32;
const CHALLENGES_MAX: usize = 8;
/// More than a datagram of the tap's has room for: none can be hidden behind others.
const CREDENTIALS_MAX: usize = 256;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    pub start: Start<'a>,
    pub via: Via<'a>,
    /// There are further ones below it: whoever sends it passes it on.
    pub is_passed_on: bool,
    pub from: Party<'a>,
    pub to: Party<'a>,
    pub call_id: &'a [u8],
    pub sequence: Sequence<'a>,
    pub contacts: Vec<Contact<'a>>,
    /// `Contact: *`: all of them.
    pub all_contacts: bool,
    pub expires: Option<u32>,
    pub credentials: Vec<Credentials<'a>>,
    pub challenges: Vec<Challenge<'a>>,
    pub next_nonce: Option<&'a [u8]>,
    pub content_length: Option<u32>,
    /// Where the body begins; `None`: the header does not end in these bytes.
    pub body: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start<'a> {
    Request { method: &'a [u8], uri: &'a [u8] },
    Answer { status: u16 },
}

/// Of CSeq.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sequence<'a> {
    pub number: u32,
    pub method: &'a [u8],
}

impl<'a> Message<'a> {
    /// `cut`: the message goes on behind these bytes. `None`: it is no SIP message.
    pub fn parse(bytes: &'a [u8], cut: bool) -> Option<Self> {
        Self::readings(bytes, cut).next()
    }

    /// As PJSIP reads it, and as Kamailio does; once, where that is the same.
    pub fn readings(bytes: &'a [u8], cut: bool) -> impl Iterator<Item = Self> {
        let (kamailio, repeats) = Self::read(bytes, cut, Reader::Kamailio).unzip();
        let may_differ = repeats.unwrap_or(false) || has_bare_return(bytes);
        let pjsip = if may_differ { Self::read(bytes, cut, Reader::Pjsip) } else { None };
        let pjsip = pjsip.map(|(message, _)| message).filter(|message| kamailio.as_ref() != Some(message));
        pjsip.into_iter().chain(kamailio)
    }

    /// Also says whether a header is there twice that should be there once.
    fn read(bytes: &'a [u8], cut: bool, reader: Reader) -> Option<(Self, bool)> {
        let leading = bytes.iter().position(|&byte| !is_blank(byte) && byte != 0)?;
        let mut lines = Lines::new(&bytes[leading..], cut, reader.line_end());
        let mut message = Self::empty(Start::parse(lines.start()?)?);
        let (mut once, mut repeats) = (Once::default(), false);
        for line in &mut lines {
            repeats |= message.take(line.name, line.value, reader, &mut once);
        }
        // PBXs need no empty line where the datagram ends.
        message.body = (lines.complete() || !cut).then(|| leading + lines.at());
        Some((message, repeats))
    }

    /// Of the request, or of that which is answered.
    pub const fn method(&self) -> &'a [u8] {
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

    /// True if the header is there once more that should be there once.
    fn take(&mut self, name: &[u8], value: &'a [u8], reader: Reader, once: &mut Once) -> bool {
        let mut lower = [0; 24];
        let Some(lower) = lower.get_mut(..name.len()) else { return false };
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        let mut repeats = false;
        // Of those that should be there once. One that makes no sense is there, too.
        let mut takes = |is_there: &mut bool| {
            repeats |= *is_there;
            !std::mem::replace(is_there, true) || reader == Reader::Pjsip
        };
        match &*lower {
            b"via" | b"v" if self.via == Via::default() => {
                self.via = Via::parse(value).unwrap_or_default();
                self.is_passed_on = Pieces::new(value, b',', false).count() > 1;
            }
            b"via" | b"v" => self.is_passed_on = true,
            b"from" | b"f" if takes(&mut once.from) => self.from = Party::parse(value),
            b"to" | b"t" if takes(&mut once.to) => self.to = Party::parse(value),
            b"call-id" | b"i" if takes(&mut once.call_id) => self.call_id = value,
            b"cseq" if takes(&mut once.sequence) => {
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
            // Both take the first; in a stream it says where the next message begins.
            b"content-length" | b"l" if self.content_length.is_none() => {
                self.content_length = number(value);
            }
            _ => {}
        }
        repeats
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

/// Which of the headers that should be there once were there.
#[derive(Debug, Default)]
struct Once {
    from: bool,
    to: bool,
    call_id: bool,
    sequence: bool,
}

/// Whose reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    /// Of two headers it takes the last.
    Pjsip,
    /// It takes the first, or refuses the message.
    Kamailio,
}

impl Reader {
    const fn line_end(self) -> LineEnd {
        match self {
            Self::Pjsip => LineEnd::Return,
            Self::Kamailio => LineEnd::Feed,
        }
    }
}

impl<'a> Start<'a> {
    /// Of a start line, continued or not. PJSIP needs no blank around the URI and takes blanks within the version;
    /// Kamailio takes any word for a method, and anything behind the version in the same word.
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        if let Some(rest) = strip_version(line) {
            let status = trim(rest);
            let status = number(status.get(..3)?)?;
            return (100..700).contains(&status).then_some(Self::Answer { status: status as u16 });
        }
        let token = line.iter().take_while(|&&byte| is_token(byte)).count();
        let word = line.iter().position(|&byte| is_blank(byte)).unwrap_or(line.len());
        let method = &line[..if line.get(token) == Some(&b'<') && token > 0 { token } else { word }];
        let rest = &line[method.len()..];
        let version = last_version(rest)?;
        let uri = trim(&rest[..version]);
        let is_request = !method.is_empty() && (!uri.is_empty() || version > 1);
        is_request.then_some(Self::Request { method, uri })
    }
}

impl<'a> Sequence<'a> {
    /// Whatever stands there: PBXs differ in what they take, and the answer has it, too.
    fn parse(value: &'a [u8]) -> Option<Self> {
        let signs = value.iter().take_while(|&&byte| byte == b'+' || is_blank(byte)).count();
        let digits = value[signs..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, method) = value[signs..].split_at(digits);
        (!value.is_empty()).then(|| Self { number: number(digits).unwrap_or(0), method: trim(method) })
    }
}

/// The part behind the version that the line begins with. The status needs no blank before it, for PJSIP.
fn strip_version(line: &[u8]) -> Option<&[u8]> {
    let rest = &line[version_length(line)?..];
    rest.first().is_none_or(|&byte| is_blank(byte) || byte.is_ascii_digit()).then_some(rest)
}

/// Where the version begins that ends the line, whatever else there is in its last word.
fn last_version(line: &[u8]) -> Option<usize> {
    let last_blank = line.iter().rposition(|&byte| is_blank(byte)).unwrap_or(0);
    let ends_line = |&at: &usize| version_length(&line[at..]).is_some_and(|length| at + length > last_blank);
    (0..line.len()).rev().find(ends_line)
}

/// The length of the version that begins here, with the blanks in it.
fn version_length(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    for part in [&b"SIP"[..], b"/", b"2.0"] {
        at += bytes.get(at..)?.iter().take_while(|&&byte| at > 0 && is_blank(byte)).count();
        if !bytes.get(at..at + part.len())?.eq_ignore_ascii_case(part) {
            return None;
        }
        at += part.len();
    }
    Some(at)
}

/// A byte of a method, a header's name or a tag.
pub const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
}

/// Where the first start line in these bytes begins, if they do not begin with one: for streams that are joined, or
/// have lost something. The second is where the last line begins that might still become one.
pub fn find_start(bytes: &[u8]) -> Result<usize, usize> {
    let mut at = 0;
    while let Some(end) = position(&bytes[at..], b'\n') {
        if Start::parse(trim(&bytes[at..at + end])).is_some() {
            return Ok(at);
        }
        at += end + 1;
    }
    Err(at)
}
