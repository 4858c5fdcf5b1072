//! Answers that the edge gives itself, without a state (RFC 3261 §8.2.6 and §8.2.7).

mod status;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use crate::{
    base64url,
    keys::{Keys, Purpose},
    message::{Header, Message},
};

pub use self::status::Status;

/// A status and what is said beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    status: Status,
    headers: String,
    /// Lines that are left out where there is no room, the last first.
    optional: Vec<String>,
}

impl Answer {
    pub const fn new(status: Status) -> Self {
        Self { status, headers: String::new(), optional: Vec::new() }
    }

    /// 503. Without Retry-After, or with one of zero, some carriers close a trunk.
    pub fn service_unavailable(retry_after: u32) -> Self {
        Self::new(Status::ServiceUnavailable).header("Retry-After", &retry_after.max(1).to_string())
    }

    /// 420: the options that nobody here knows.
    pub fn bad_extension(unsupported: &str) -> Self {
        Self::new(Status::BadExtension).header("Unsupported", unsupported)
    }

    pub const fn status(&self) -> Status {
        self.status
    }

    /// A header that the answer is worth nothing without.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers += &line(name, value);
        self
    }

    /// A header that is left out where the answer would be too long with it.
    pub fn optional(mut self, name: &str, value: &str) -> Self {
        self.optional.push(line(name, value));
        self
    }

    /// The reason in words (RFC 3261 §20.43), for those who look into a trace.
    pub fn warning(self, host: &str, words: &str) -> Self {
        self.optional("Warning", &format!("399 {host} \"{}\"", words.replace(['"', '\\'], "'")))
    }

    /// The answer to a request from `source`. `None`: nothing is ever answered to an ACK, or to an answer.
    ///
    /// A source that could be anybody must not get more bytes than it sent: with `most`, optional headers are left out as far as
    /// they do not fit. The rest is as long as it has to be.
    pub fn write(
        &self,
        request: &Message<'_>,
        source: SocketAddr,
        keys: &Keys,
        most: Option<usize>,
    ) -> Option<Vec<u8>> {
        request.method().filter(|&method| method != b"ACK")?;
        let mut answer = Vec::with_capacity(1_024);
        answer.extend_from_slice(
            format!("SIP/2.0 {} {}\r\n", self.status.code(), self.status.reason()).as_bytes(),
        );
        write_vias(&mut answer, request, source);
        for header in [Header::From, Header::To, Header::CallId, Header::CSeq] {
            write_line(&mut answer, request, header, keys);
        }
        answer.extend_from_slice(self.headers.as_bytes());
        const END: &[u8] = b"Content-Length: 0\r\n\r\n";
        for line in &self.optional {
            if most.is_some_and(|most| answer.len() + line.len() + END.len() > most) {
                break;
            }
            answer.extend_from_slice(line.as_bytes());
        }
        answer.extend_from_slice(END);
        Some(answer)
    }
}

/// Values come from elsewhere, too: none of them begins a line of its own.
fn line(name: &str, value: &str) -> String {
    format!("{name}: {}\r\n", value.replace(|letter: char| letter.is_ascii_control(), " "))
}

/// All of them, in their order; the topmost says where the request came from.
fn write_vias(answer: &mut Vec<u8>, request: &Message<'_>, source: SocketAddr) {
    let top = request.via();
    let stamped = request.span(top.value);
    for line in request.lines_of(Header::Via) {
        let whole = line.whole.clone();
        if whole.contains(&stamped.start) {
            answer.extend_from_slice(&request.bytes()[whole.start..stamped.start]);
            answer.extend_from_slice(&top.stamped(source));
            answer.extend_from_slice(&request.bytes()[stamped.end..whole.end]);
        } else {
            answer.extend_from_slice(&request.bytes()[whole]);
        }
    }
}

/// As it is in the request; To gets a tag where it has none.
fn write_line(answer: &mut Vec<u8>, request: &Message<'_>, header: Header, keys: &Keys) {
    let Some(line) = request.lines_of(header).next() else { return };
    answer.extend_from_slice(&request.bytes()[line.whole.start..line.value.end]);
    if header == Header::To && request.to().tag.is_none() {
        answer.extend_from_slice(format!(";tag={}", tag(request, keys)).as_bytes());
    }
    answer.extend_from_slice(b"\r\n");
}

/// In bytes.
pub(crate) const TAG: usize = 12;

/// The same for a request that is sent again, and for the ACK to its answer.
fn tag(request: &Message<'_>, keys: &Keys) -> String {
    base64url::encode(&transaction_signature(request, keys))
}

/// The same for an INVITE and the ACK to its answer, unless that is a 2xx.
pub(crate) fn transaction_signature(request: &Message<'_>, keys: &Keys) -> [u8; TAG] {
    let sequence = request.sequence().number.to_le_bytes();
    keys.sign(Purpose::Tag, &transaction(request, &sequence))
}

/// True if the To tag is one that the edge has given, in an answer to the same transaction: such an ACK ends here.
pub fn is_our_tag(request: &Message<'_>, keys: &Keys) -> bool {
    let claimed = request.to().tag.and_then(base64url::decode);
    let Some(claimed) = claimed.and_then(|tag| <[u8; TAG]>::try_from(tag).ok()) else { return false };
    let sequence = request.sequence().number.to_le_bytes();
    keys.has_signed(Purpose::Tag, &transaction(request, &sequence), &claimed)
}

fn transaction<'a>(request: &Message<'a>, sequence: &'a [u8; 4]) -> [&'a [u8]; 4] {
    [request.call_id(), request.from().tag.unwrap_or_default(), sequence, request.via().via.branch]
}
