//! Messages that can be read in one way only.
//!
//! PBXs and phones take a lot that RFC 3261 does not allow, each in its own way. Whoever gets a message past the edge that
//! the PBX reads differently is somebody else there. So a message that is not clear is refused here, and what is sent on
//! are the bytes that were understood, and none behind them.

mod framing;
mod grammar;
mod hop;
mod lines;
mod unclear;

#[cfg(test)]
pub(crate) mod tests;

use std::ops::Range;

use sipward_sip::{Contact, Party, Pieces, Sequence, Uri, is_blank, number, trim};

use self::grammar::{Address, are_credentials, is_balanced, is_name, is_uri, is_via, sequence};
use crate::link::Link;

pub use self::{
    framing::{Frame, FramingError, StreamFraming},
    hop::Hop,
    lines::{Header, Line},
    unclear::Unclear,
};

/// In bytes, of a stream's messages. A datagram has its own bound.
pub const HEADER_MAX: usize = 16 * 1_024;
pub const BODY_MAX: usize = 64 * 1_024;

/// A message in a stream needs a length; one in a datagram ends with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    Datagram,
    /// The bytes are one message out of a stream.
    Stream,
}

#[derive(Clone, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    start: Start<'a>,
    lines: Vec<Line>,
    body: Range<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start<'a> {
    Request { method: &'a [u8], uri: &'a [u8] },
    Answer { status: u16 },
}

/// A message that is not to be acted upon.
#[derive(Clone, Debug)]
pub struct UnclearMessage<'a> {
    pub cause: Unclear,
    /// A request that is clear enough to be answered with 400. It is good for nothing else.
    pub answerable: Option<Box<Message<'a>>>,
}

/// One value of a header that may have several.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'m, 'a> {
    pub line: &'m Line,
    pub value: &'a [u8],
}

impl<'a> Message<'a> {
    /// Line ends before the start line are skipped; bytes behind the body are left out.
    pub fn read(bytes: &'a [u8], carrier: Carrier) -> Result<Self, UnclearMessage<'a>> {
        let silently = |cause| UnclearMessage { cause, answerable: None };
        let (message, unclear_line) = Self::split(bytes).map_err(silently)?;
        message.has_what_answers_need().map_err(silently)?;
        match unclear_line.map_or_else(|| message.check(carrier), Err) {
            Ok(body) => Ok(Self { bytes: &message.bytes[..body.end], body, ..message }),
            Err(cause) => {
                let is_request = message.method().is_some_and(|method| method != b"ACK");
                Err(UnclearMessage { cause, answerable: is_request.then(|| Box::new(message)) })
            }
        }
    }

    fn split(bytes: &'a [u8]) -> Result<(Self, Option<Unclear>), Unclear> {
        let leading = bytes.chunks(2).take_while(|pair| pair == b"\r\n").count() * 2;
        let bytes = &bytes[leading..];
        let split = lines::split(bytes)?;
        let start = Start::read(&bytes[split.start]).ok_or(Unclear::StartLine)?;
        Ok((Self { bytes, start, lines: split.lines, body: split.body..bytes.len() }, split.unclear))
    }

    /// The headers that an answer repeats, and where it would go.
    fn has_what_answers_need(&self) -> Result<(), Unclear> {
        for (header, missing) in [
            (Header::Via, Unclear::NoVia),
            (Header::From, Unclear::NoFrom),
            (Header::To, Unclear::NoTo),
            (Header::CallId, Unclear::NoCallId),
            (Header::CSeq, Unclear::NoCSeq),
        ] {
            self.first(header).ok_or(missing)?;
        }
        let via = self.first(Header::Via).filter(|via| is_balanced(via)).unwrap_or_default();
        let is_clear = Pieces::new(via, b',', true).next().is_some_and(is_via);
        if is_clear { Ok(()) } else { Err(Unclear::Via) }
    }

    /// All else; says where the body is.
    fn check(&self, carrier: Carrier) -> Result<Range<usize>, Unclear> {
        for (at, line) in self.lines.iter().enumerate() {
            let is_again = |other: &Line| other.header == line.header;
            if line.header.is_single() && self.lines[..at].iter().any(is_again) {
                return Err(Unclear::RepeatedHeader);
            }
            self.check_line(line)?;
        }
        if let Start::Request { method, uri } = self.start {
            if !is_uri(uri) {
                return Err(Unclear::RequestUri);
            }
            if method != self.sequence().method || grammar::is_miswritten(method) {
                return Err(Unclear::Method);
            }
        }
        self.find_body(carrier)
    }

    fn check_line(&self, line: &Line) -> Result<(), Unclear> {
        let value = self.value(line);
        let is_request = self.method().is_some();
        let each =
            |is_clear: fn(&[u8]) -> bool| is_balanced(value) && Pieces::new(value, b',', true).all(is_clear);
        let (is_clear, unclear) = match line.header {
            Header::Via => (each(is_via), Unclear::Via),
            Header::From => (is_party(value, is_request), Unclear::From),
            Header::To => (is_party(value, is_request), Unclear::To),
            Header::CallId => {
                (!value.is_empty() && !value.iter().any(|&byte| is_blank(byte)), Unclear::CallId)
            }
            Header::CSeq => (sequence(value).is_some(), Unclear::CSeq),
            Header::MaxForwards => (number(value).is_some_and(|hops| hops <= 255), Unclear::MaxForwards),
            Header::Expires => (number(value).is_some(), Unclear::Expires),
            Header::Route | Header::RecordRoute | Header::Path => {
                (each(|value| Address::read(value).is_some_and(|route| route.is_bracketed)), Unclear::Route)
            }
            Header::Contact => {
                (value == b"*" || each(|value| Address::read(value).is_some()), Unclear::Contact)
            }
            Header::Authorization | Header::ProxyAuthorization => {
                (are_credentials(value), Unclear::Credentials)
            }
            _ => (true, Unclear::HeaderName),
        };
        if is_clear { Ok(()) } else { Err(unclear) }
    }

    fn find_body(&self, carrier: Carrier) -> Result<Range<usize>, Unclear> {
        let Range { start, end } = self.body.clone();
        match self.lines_of(Header::ContentLength).next() {
            Some(line) => {
                let value = self.value(line);
                let length = number(value).ok_or(Unclear::ContentLength)?;
                let end = start.saturating_add(length as usize);
                if end <= self.bytes.len() { Ok(start..end) } else { Err(Unclear::CutBody) }
            }
            None if carrier == Carrier::Stream => Err(Unclear::NoContentLength),
            None => Ok(start..end),
        }
    }

    /// The start line, the header and the body.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub const fn start(&self) -> Start<'a> {
        self.start
    }

    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    pub fn lines_of(&self, header: Header) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(move |line| line.header == header)
    }

    pub fn value(&self, line: &Line) -> &'a [u8] {
        &self.bytes[line.value.clone()]
    }

    fn first(&self, header: Header) -> Option<&'a [u8]> {
        self.lines_of(header).next().map(|line| self.value(line))
    }

    /// All values of a header, in the order of the message, whether they are in one line or in several.
    pub fn listed(&self, header: Header) -> impl Iterator<Item = Listed<'_, 'a>> {
        self.lines_of(header).flat_map(|line| {
            let values = Pieces::new(self.value(line), b',', true);
            values.map(move |value| Listed { line, value })
        })
    }

    /// The place of a part of the message in it. An empty one has none.
    pub fn span(&self, part: &'a [u8]) -> Range<usize> {
        let start = part.as_ptr() as usize - self.bytes.as_ptr() as usize;
        start..start + part.len()
    }

    /// Of a request.
    pub const fn method(&self) -> Option<&'a [u8]> {
        match self.start {
            Start::Request { method, .. } => Some(method),
            Start::Answer { .. } => None,
        }
    }

    /// The Request-URI.
    pub const fn uri(&self) -> Option<&'a [u8]> {
        match self.start {
            Start::Request { uri, .. } => Some(uri),
            Start::Answer { .. } => None,
        }
    }

    /// The topmost Via.
    pub fn via(&self) -> Hop<'a> {
        self.listed(Header::Via).next().map(|via| Hop::read(via.value)).unwrap_or_default()
    }

    /// The link that answers to a request from there go to.
    pub fn reply_to(&self, from: Link) -> Link {
        Link { peer: self.via().reply_to(from.peer, from.transport), ..from }
    }

    pub fn from(&self) -> Party<'a> {
        self.first(Header::From).map(Party::parse).unwrap_or_default()
    }

    pub fn to(&self) -> Party<'a> {
        self.first(Header::To).map(Party::parse).unwrap_or_default()
    }

    pub fn call_id(&self) -> &'a [u8] {
        self.first(Header::CallId).unwrap_or_default()
    }

    pub fn sequence(&self) -> Sequence<'a> {
        let sequence = self.first(Header::CSeq).and_then(sequence);
        sequence.map(|(number, method)| Sequence { number, method }).unwrap_or_default()
    }

    pub fn max_forwards(&self) -> Option<u8> {
        self.first(Header::MaxForwards).and_then(number).and_then(|hops| u8::try_from(hops).ok())
    }

    /// In seconds.
    pub fn expires(&self) -> Option<u32> {
        self.first(Header::Expires).and_then(number)
    }

    /// Without the `*` that stands for all of them.
    pub fn contacts(&self) -> impl Iterator<Item = Contact<'a>> {
        let contacts = self.listed(Header::Contact).filter(|contact| contact.value != b"*");
        contacts.map(|contact| Contact::parse(contact.value))
    }

    /// `Contact: *`.
    pub fn has_all_contacts(&self) -> bool {
        self.first(Header::Contact) == Some(b"*")
    }

    /// The values of Authorization and Proxy-Authorization, in the order of the message.
    pub fn credentials(&self) -> impl Iterator<Item = (Header, &'a [u8])> {
        let is_credentials =
            |line: &&Line| matches!(line.header, Header::Authorization | Header::ProxyAuthorization);
        self.lines.iter().filter(is_credentials).map(|line| (line.header, self.value(line)))
    }

    /// True if the Supported header has this option tag.
    pub fn supports(&self, option: &str) -> bool {
        self.listed(Header::Supported).any(|tag| tag.value.eq_ignore_ascii_case(option.as_bytes()))
    }

    pub fn body(&self) -> &'a [u8] {
        &self.bytes[self.body.clone()]
    }
}

/// True for datagrams that only keep a NAT open: line ends, NUL bytes, and STUN requests (RFC 5626 §4.4). Nobody is to
/// blame for those.
pub fn is_keepalive(datagram: &[u8]) -> bool {
    const STUN_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
    let is_stun = matches!(datagram, [0 | 1, ..]) && datagram.get(4..8) == Some(&STUN_COOKIE[..]);
    is_stun || datagram.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0))
}

impl<'a> Listed<'_, 'a> {
    /// The URI within the value.
    pub fn uri(&self) -> &'a [u8] {
        Address::read(self.value).map(|address| address.uri).unwrap_or_default()
    }

    /// The parts of the URI that matter.
    pub fn address(&self) -> Uri<'a> {
        Uri::parse(self.uri())
    }
}

impl<'a> Start<'a> {
    fn read(line: &'a [u8]) -> Option<Self> {
        if let Some(rest) = line.strip_prefix(b"SIP/2.0 ") {
            let status = number(rest.get(..3)?).and_then(|status| u16::try_from(status).ok())?;
            let is_answer = (100..700).contains(&status) && matches!(rest.get(3), None | Some(b' '));
            return is_answer.then_some(Self::Answer { status });
        }
        let mut words = line.splitn(3, |&byte| byte == b' ');
        let (method, uri, version) = (words.next()?, words.next()?, words.next()?);
        let is_request = is_name(method) && !uri.is_empty() && version == b"SIP/2.0";
        is_request.then_some(Self::Request { method, uri })
    }
}

/// A value of From or To. In requests the tag is where it belongs: elsewhere PBXs find it, or not.
fn is_party(value: &[u8], request: bool) -> bool {
    let Some(address) = Address::read(value) else { return false };
    let is_tag = |name: &[u8]| name.eq_ignore_ascii_case(b"tag");
    let tags = || address.parameters().filter(|(name, _)| is_tag(name));
    let is_clear = |tag: Option<&[u8]>| tag.is_some_and(|tag| !tag.is_empty() && tag[0] != b'"');
    let has_tag_within = grammar::raw_parameters(address.uri).skip(1).any(|(name, _)| is_tag(trim(name)));
    tags().count() <= 1 && tags().all(|(_, tag)| is_clear(tag)) && !(request && has_tag_within)
}
