//! Messages out of the bytes of a TCP connection.

use std::ops::Range;

use sipward_sip::{Start, number, position, trim};

use super::{BODY_MAX, HEADER_MAX, Header, lines};

/// The bytes of one direction of a connection, from its begin. It keeps at most one message and what was pushed last.
#[derive(Debug, Default)]
pub struct StreamFraming {
    bytes: Vec<u8>,
    /// These have been handed out.
    taken: usize,
    /// No header ends before that.
    scanned: usize,
    /// A stream that was not understood once never will be.
    failed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A whole message, with its body.
    Message(&'a [u8]),
    /// CRLF CRLF between messages, which CRLF answers (RFC 5626 §4.4.1).
    Ping,
}

/// Why a connection has to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FramingError {
    Http,
    NotSip,
    HeaderTooLong,
    BodyTooLong,
    /// It has no Content-Length, several, or one that is no number: nobody knows where the next message begins.
    ContentLength,
    /// A header that has no clear lines has no clear end.
    Header,
}

impl FramingError {
    pub const ALL: [Self; 6] =
        [Self::Http, Self::NotSip, Self::HeaderTooLong, Self::BodyTooLong, Self::ContentLength, Self::Header];

    /// For counters and events: it stays the same.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::NotSip => "not-sip",
            Self::HeaderTooLong => "header-too-long",
            Self::BodyTooLong => "body-too-long",
            Self::ContentLength => "stream-content-length",
            Self::Header => "stream-header",
        }
    }
}

impl StreamFraming {
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.failed {
            self.bytes.drain(..self.taken);
            self.scanned = self.scanned.saturating_sub(self.taken);
            self.taken = 0;
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// Bytes of a message that has begun and is not complete. A line end between messages begins none.
    pub fn pending(&self) -> usize {
        let rest = &self.bytes[self.taken..];
        let message = rest.strip_prefix(b"\r\n").unwrap_or(rest);
        if message == b"\r" { 0 } else { message.len() }
    }

    /// To be called until there is none. After an error there is none.
    pub fn next_frame(&mut self) -> Option<Result<Frame<'_>, FramingError>> {
        match self.step() {
            Ok(None) => None,
            Ok(Some(Step::Ping)) => Some(Ok(Frame::Ping)),
            Ok(Some(Step::Message(span))) => Some(Ok(Frame::Message(&self.bytes[span]))),
            Err(error) => {
                *self = Self { failed: true, ..Self::default() };
                Some(Err(error))
            }
        }
    }

    fn step(&mut self) -> Result<Option<Step>, FramingError> {
        let rest = &self.bytes[self.taken..];
        if rest.starts_with(b"\r\n\r\n") {
            self.taken += 4;
            return Ok(Some(Step::Ping));
        }
        // A single line end is the answer to a ping, or half of one.
        let start = self.taken + if rest.starts_with(b"\r\n") { 2 } else { 0 };
        let message = &self.bytes[start..];
        if message.is_empty() || message == b"\r" {
            return Ok(None);
        }
        check_start(message)?;
        let Some(body) = header_end(&self.bytes, self.scanned.max(start)) else {
            self.scanned = self.bytes.len().saturating_sub(3).max(start);
            return if message.len() > HEADER_MAX { Err(FramingError::HeaderTooLong) } else { Ok(None) };
        };
        if body - start > HEADER_MAX {
            return Err(FramingError::HeaderTooLong);
        }
        // The same end is found again when more of the body is there.
        self.scanned = body - 4;
        let whole = body + body_length(&self.bytes[start..body])?;
        if whole > self.bytes.len() {
            return Ok(None);
        }
        self.taken = whole;
        Ok(Some(Step::Message(start..whole)))
    }
}

/// Behind the empty line. None begins before `from`.
fn header_end(bytes: &[u8], from: usize) -> Option<usize> {
    let end = bytes[from..].windows(4).position(|end| end == b"\r\n\r\n")?;
    Some(from + end + 4)
}

enum Step {
    Ping,
    Message(Range<usize>),
}

/// As soon as the first bytes show that no SIP follows.
fn check_start(bytes: &[u8]) -> Result<(), FramingError> {
    // SIP has an OPTIONS of its own.
    const HTTP: [&[u8]; 7] = [b"GET ", b"POST ", b"HEAD ", b"PUT ", b"DELETE ", b"CONNECT ", b"PRI "];
    if HTTP.iter().any(|method| bytes.starts_with(method)) {
        return Err(FramingError::Http);
    }
    if !sipward_sip::is_token(bytes[0]) {
        return Err(FramingError::NotSip);
    }
    let Some(end) = position(bytes, b'\n') else { return Ok(()) };
    let line = trim(&bytes[..end]);
    let version = line.rsplit(|&byte| byte == b' ').next().unwrap_or(line);
    match Start::parse(line) {
        _ if version.starts_with(b"HTTP/") => Err(FramingError::Http),
        None => Err(FramingError::NotSip),
        Some(_) => Ok(()),
    }
}

fn body_length(header: &[u8]) -> Result<usize, FramingError> {
    let split = lines::split(header).ok().filter(|split| split.unclear.is_none());
    let split = split.ok_or(FramingError::Header)?;
    let mut lengths = split.lines.iter().filter(|line| line.header == Header::ContentLength);
    let (Some(line), None) = (lengths.next(), lengths.next()) else {
        return Err(FramingError::ContentLength);
    };
    let length = number(&header[line.value.clone()]).ok_or(FramingError::ContentLength)? as usize;
    if length > BODY_MAX { Err(FramingError::BodyTooLong) } else { Ok(length) }
}
