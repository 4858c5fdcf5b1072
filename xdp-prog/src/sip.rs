//! The kind of a payload, from its first bytes.

use crate::{
    bytes::{Bytes, opaque},
    packed::Packed,
    reason::Class,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Keepalive,
    Response,
    Request(Class),
    /// Shaped like a request, but the method is in no standard.
    UnknownMethod,
    NotSip,
    /// Something behind more blanks than any sender writes.
    Hidden,
}

/// Blanks and line ends before a message are skipped, as every SIP stack does. More of them than this hide
/// something.
pub const LEADING_MAX: u32 = 512;
/// No request or response is shorter ("A a SIP/2.0").
pub(crate) const SHORTEST: usize = 12;
const STUN_COOKIE: [u8; 4] = 0x2112_a442_u32.to_be_bytes();
/// RFC 4475's longest method has 43.
const METHOD_MAX: u32 = 64;

impl Packed for Kind {
    type Word = u32;

    #[inline(always)]
    fn pack(self) -> u32 {
        match self {
            Self::Keepalive => 0,
            Self::Response => 1,
            Self::UnknownMethod => 2,
            Self::NotSip => 3,
            Self::Request(class) => 4 + class as u32,
            Self::Hidden => 9,
        }
    }

    #[inline(always)]
    fn unpack(code: u32) -> Self {
        match code {
            0 => Self::Keepalive,
            1 => Self::Response,
            2 => Self::UnknownMethod,
            4..=8 => Self::Request(Class::unpack(code - 4)),
            9 => Self::Hidden,
            _ => Self::NotSip,
        }
    }
}

/// The short way: a response, or a request with a known method, at the very beginning. `None`: ask
/// [`classify`].
#[inline(always)]
pub fn classify_plain(payload: Bytes<'_>, length: u32) -> Option<Kind> {
    if length < SHORTEST as u32 {
        return None;
    }
    known(payload.chunk::<SHORTEST>(0)?)
}

/// The kind of the message that the `length` bytes of `payload` begin with. `blanks` is [`blanks`] of the payload, and
/// `shape` is [`shape`] of it from an offset on; the kernel calls them as functions that are verified by themselves.
#[inline(always)]
pub fn classify(
    payload: Bytes<'_>,
    length: u32,
    blanks: impl Fn() -> u32,
    shape: impl Fn(u32) -> Kind,
) -> Kind {
    if is_stun(payload, length) {
        return Kind::Keepalive;
    }
    let start = blanks();
    if start >= length {
        return Kind::Keepalive;
    }
    if start == LEADING_MAX {
        return Kind::Hidden;
    }
    // The same, in a form in which the verifier sees the bound.
    let start = opaque(start as usize) as u32 & (LEADING_MAX - 1);
    message(payload.skip(start as usize), length - start).unwrap_or_else(|| shape(start))
}

/// The number of blanks in front of a message, [`LEADING_MAX`] at most.
#[inline(always)]
pub fn blanks(payload: Bytes<'_>) -> u32 {
    let mut start = 0;
    while start < LEADING_MAX {
        match payload.byte(start as usize) {
            Some(byte) if byte > b' ' => break,
            Some(_) => start += 1,
            // There is no other byte, whatever length the packet claims.
            None => return u32::MAX,
        }
    }
    start
}

/// A line that can only be that of a request with a known method: a blank follows it, and more than that.
#[inline(always)]
pub fn request_line(payload: Bytes<'_>, length: u32) -> Option<Kind> {
    let Some(Kind::Request(class)) = classify_plain(payload, length) else { return None };
    let head = payload.chunk::<SHORTEST>(0)?;
    let mut at = 0;
    // A known method has nine bytes at most.
    while at < SHORTEST - 2 {
        if head[at] <= b' ' {
            let goes_on = matches!(head[at], b' ' | b'\t') && head[at + 1] > b' ';
            return if goes_on { Some(Kind::Request(class)) } else { None };
        }
        at += 1;
    }
    None
}

/// True: the payload has the mark of STUN, and no blanks.
#[inline(always)]
pub fn has_cookie(payload: Bytes<'_>) -> bool {
    payload.chunk::<8>(0).is_some_and(|head| head[4..8] == STUN_COOKIE)
}

#[inline(always)]
fn is_stun(payload: Bytes<'_>, length: u32) -> bool {
    match payload.chunk::<8>(0) {
        // All of it: in a stream something else could follow.
        Some(head) => {
            let body = u16::from_be_bytes([head[2], head[3]]) as u32;
            head[0] < 4 && head[4..8] == STUN_COOKIE && length == 20 + body
        }
        None => false,
    }
}

/// The kind of a message that starts with the first byte of `payload`. `None`: only its [`shape`] can tell.
#[inline(always)]
pub fn message(payload: Bytes<'_>, length: u32) -> Option<Kind> {
    if length < SHORTEST as u32 {
        return Some(Kind::NotSip);
    }
    match payload.chunk::<SHORTEST>(0) {
        Some(head) => known(head),
        None => Some(Kind::NotSip),
    }
}

#[inline(always)]
pub(crate) fn known(head: &[u8; SHORTEST]) -> Option<Kind> {
    let word = u64::from_le_bytes([head[0], head[1], head[2], head[3], head[4], head[5], head[6], head[7]]);
    // As a whole: for comparisons with parts of it the compiler would load byte by byte.
    let word = opaque(word as usize) as u64;
    // Exactly, but for the case of its letters: whatever else begins with `SIP` may be a request for some PBX.
    if word | SIP_LETTERS == name(b"sip/2.0 ") {
        return Some(Kind::Response);
    }
    method(word, [head[8], head[9]]).map(Kind::Request)
}

/// The bit that makes capitals small, in those three bytes.
const SIP_LETTERS: u64 = 0x0020_2020;

/// The class of a known method. Methods are case-sensitive, but PBXs are lenient, so this is too.
#[inline(always)]
fn method(word: u64, rest: [u8; 2]) -> Option<Class> {
    let is = |method: &[u8]| {
        let length = method.len();
        let mask = if length >= 8 { u64::MAX } else { (1 << (8 * length)) - 1 };
        let next = if length >= 8 { rest[0] } else { (word >> (8 * length)) as u8 };
        fold(word) & mask == fold(name(method)) & mask && next <= b' '
    };
    let is_subscribe = || fold(word) == fold(name(b"SUBSCRIB")) && rest[0] | 0x20 == b'e' && rest[1] <= b' ';
    if is(b"REGISTER") {
        Some(Class::Register)
    } else if is(b"INVITE") {
        Some(Class::Invite)
    } else if is(b"OPTIONS") {
        Some(Class::Options)
    } else if is(b"ACK") || is(b"BYE") || is(b"CANCEL") || is(b"PRACK") || is(b"UPDATE") || is(b"INFO") {
        Some(Class::Dialog)
    } else if is(b"NOTIFY") || is(b"MESSAGE") || is(b"PUBLISH") || is(b"REFER") || is_subscribe() {
        Some(Class::Other)
    } else {
        None
    }
}

/// A name's first eight bytes as a little-endian word.
#[inline(always)]
const fn name(bytes: &[u8]) -> u64 {
    let mut word = 0;
    let mut at = 0;
    while at < bytes.len() && at < 8 {
        word |= (bytes[at] as u64) << (8 * at);
        at += 1;
    }
    word
}

/// Letters in lower case. Other bytes change too, the same on both sides of a comparison.
#[inline(always)]
const fn fold(word: u64) -> u64 {
    word | 0x2020_2020_2020_2020
}

/// A request has a method of token characters and then a blank; a header, a body or noise does not.
#[inline(always)]
pub fn shape(payload: Bytes<'_>) -> Kind {
    let mut at = 0;
    while at < METHOD_MAX {
        match payload.byte(at as usize) {
            Some(b' ' | b'\t') if at > 0 => return Kind::UnknownMethod,
            Some(byte) if is_token(byte) => at += 1,
            _ => return Kind::NotSip,
        }
    }
    Kind::NotSip
}

/// RFC 3261 §25.1 `token`.
#[inline(always)]
const fn is_token(byte: u8) -> bool {
    const SET: [u64; 2] = token_set();
    // Two constants instead of an indexed table, of which the verifier would want to see the bound.
    let half = if byte & 64 == 0 { SET[0] } else { SET[1] };
    byte < 128 && half >> (byte & 63) & 1 != 0
}

const fn token_set() -> [u64; 2] {
    let mut set = [0; 2];
    let mut byte = 0u8;
    while byte < 128 {
        let punctuation =
            matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~');
        if byte.is_ascii_alphanumeric() || punctuation {
            set[(byte >> 6) as usize] |= 1 << (byte & 63);
        }
        byte += 1;
    }
    set
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn classify_all(payload: &[u8], length: u32) -> Kind {
        let shape = |start| shape(Bytes::of(&payload[start as usize..]));
        classify(Bytes::of(payload), length, || blanks(Bytes::of(payload)), shape)
    }

    fn kind(payload: &[u8]) -> Kind {
        classify_all(payload, payload.len() as u32)
    }

    #[test]
    fn payloads_are_told_apart() {
        let long_blank = [b'\r'; 512];
        let hidden = [&[b'\n'; 512][..], b"OPTIONS sip:a SIP/2.0"].concat();
        for (payload, expected) in [
            (&b""[..], Kind::Keepalive),
            (b"\r\n", Kind::Keepalive),
            (b"\r\n\r\n", Kind::Keepalive),
            (b"\0", Kind::Keepalive),
            (b"\0\0\0\0", Kind::Keepalive),
            (b"\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl", Kind::Keepalive),
            (b"\x00\x01\x00\x00\x21\x12\xa4\x43abcdefghijkl", Kind::NotSip),
            (b"SIP/2.0 200 OK\r\nCSeq: 1 OPTIONS\r\n", Kind::Response),
            (b"sip/2.0 200 OK\r\n", Kind::Response),
            (b"SIP/2.0\t200 OK\r\n", Kind::NotSip),
            (b"SIP/X sip:600@pbx SIP/2.0\r\n", Kind::NotSip),
            (b"SIP/2.0x sip:600@pbx SIP/2.0\r\n", Kind::NotSip),
            (b"SIP\x0f2.0 sip:600@pbx SIP/2.0\r\n", Kind::NotSip),
            (b"SIP /2.0 200 OK\r\n", Kind::UnknownMethod),
            (b"REGISTER sip:a SIP/2.0\r\n", Kind::Request(Class::Register)),
            (b"INVITE sip:a SIP/2.0\r\n", Kind::Request(Class::Invite)),
            (b"OPTIONS sip:a SIP/2.0\r\n", Kind::Request(Class::Options)),
            (b"options\tsip:a SIP/2.0\r\n", Kind::Request(Class::Options)),
            (b"\r\n\r\n \tOPTIONS sip:a SIP/2.0\r\n", Kind::Request(Class::Options)),
            (b"ACK sip:a SIP/2.0\r\n", Kind::Request(Class::Dialog)),
            (b"SUBSCRIBE sip:a SIP/2.0\r\n", Kind::Request(Class::Other)),
            (b"OPTIONSX sip:a SIP/2.0\r\n", Kind::UnknownMethod),
            (b"REGISTERS sip:a SIP/2.0\r\n", Kind::UnknownMethod),
            (b"!interesting-Method0123456789_*+`.%indeed'~ sip:a SIP/2.0\r\n", Kind::UnknownMethod),
            (b"a=rtpmap:0 PCMU/8000\r\n", Kind::NotSip),
            (b"User-Agent: x\r\n\r\n", Kind::NotSip),
            (b"\x80\x00\x12\x34rtprtprtprtp", Kind::NotSip),
            (b"short", Kind::NotSip),
            (&long_blank, Kind::Keepalive),
            (&hidden, Kind::Hidden),
            (b"SUBSCRIBEX sip:a SIP/2.0\r\n", Kind::UnknownMethod),
            (b"\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijklOPTIONS sip:a SIP/2.0", Kind::NotSip),
        ] {
            assert_eq!(kind(payload), expected, "{:?}", String::from_utf8_lossy(payload));
        }
    }

    #[test]
    fn the_short_way_agrees_with_the_long_one() {
        for payload in
            [&b"REGISTER sip:a SIP/2.0"[..], b"SIP/2.0 200 OK", b"BYE sip:a SIP/2.0", b"FOO sip:a SIP/2.0"]
        {
            let short = classify_plain(Bytes::of(payload), payload.len() as u32);
            assert!(short.is_none_or(|kind| kind == self::kind(payload)));
        }
        for kind in [Kind::Keepalive, Kind::Response, Kind::UnknownMethod, Kind::NotSip, Kind::Hidden] {
            assert_eq!(Kind::unpack(kind.pack()), kind);
        }
        for class in Class::ALL.into_iter().filter(|class| *class as u32 <= Class::Other as u32) {
            assert_eq!(Kind::unpack(Kind::Request(class).pack()), Kind::Request(class));
        }
    }

    #[test]
    fn length_bounds_what_is_read() {
        assert_eq!(classify_all(b"\r\nOPTIONS sip:a SIP/2.0", 2), Kind::Keepalive);
    }

    proptest! {
        #[test]
        fn any_payload_has_a_kind(payload: Vec<u8>, length: u16) {
            classify_all(&payload, u32::from(length));
        }
    }
}
