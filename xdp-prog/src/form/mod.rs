//! Forms: ways to write a message, or the headers in front of it, that some PBX accepts although others, or this
//! program, read something else in them. A stranger who writes like that wants two programs to read different things.
//!
//! The behaviour of PBXs was read in the sources of PJSIP (Asterisk), Kamailio and Sofia-SIP (FreeSWITCH); the
//! reference describes it for operators. A way of writing that all of them read alike is no form: lines that end in a
//! lone LF, blanks around a colon, folded headers, blanks behind the version, line ends in front of the message.
//!
//! A clean message costs one look at the end of its start line and one pass over its bytes. Only what is suspicious
//! there is walked byte by byte.

mod begin;
mod header;
mod plain_bytes;
mod start_line;
mod walk;
mod whole;

use crate::{
    reason::Reason,
    sip::{Kind, LEADING_MAX},
};

use begin::Inside;
use header::in_header;
use start_line::IS_MESSAGE;

pub use begin::Begin;
pub use header::{header_rest, header_steps};
pub use plain_bytes::{has_plain_bytes, has_usual_bytes};
pub use start_line::{continued, first_line, in_start_line, is_plain_start, start_rest, start_steps};
pub use walk::Walk;

/// A form. Its number is its bit in [`Policy::forms`](crate::abi::Policy::forms).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Form {
    /// A CR without its LF in a header. PJSIP ends the line there; others go on with it.
    LineEnd,
    /// A NUL in a header. C strings end there; PJSIP takes it within quotes.
    Nul,
    /// Anything but ` SIP/2.0` where the version stands, or something that begins like a response and is none.
    Version,
    /// A start line that goes on in the next line, or begins with what is no method.
    StartLine,
    /// A line of nothing but blanks behind the start line. For PJSIP it belongs to the start line.
    BlankLine,
    /// Two user names for one realm.
    Names,
    /// IP headers that are not all in the first fragment, or more of them than are followed.
    IpChain,
    /// A TCP segment with urgent data, of which the stack takes a byte out of the stream, or one in IP fragments.
    Tcp,
}

impl Form {
    pub const ALL: [Self; 8] = [
        Self::LineEnd,
        Self::Nul,
        Self::Version,
        Self::StartLine,
        Self::BlankLine,
        Self::Names,
        Self::IpChain,
        Self::Tcp,
    ];
    /// The bits of all of them.
    pub const EVERY: u32 = (1 << Self::ALL.len()) - 1;
    /// Those that hide a header from a program that reads by lines, credentials and `maddr` included. They drop for
    /// known sources as well: another host behind a known address could guess passwords unseen, and the address can be
    /// forged.
    pub const HIDING: u32 = Self::LineEnd.bit() | Self::Nul.bit() | Self::IpChain.bit() | Self::Tcp.bit();

    #[inline(always)]
    pub const fn bit(self) -> u32 {
        1 << self as u32
    }

    #[inline(always)]
    pub const fn reason(self) -> Reason {
        match self {
            Self::LineEnd => Reason::FormLineEnd,
            Self::Nul => Reason::FormNul,
            Self::Version => Reason::FormVersion,
            Self::StartLine => Reason::FormStartLine,
            Self::BlankLine => Reason::FormBlankLine,
            Self::Names => Reason::FormNames,
            Self::IpChain => Reason::FormIpChain,
            Self::Tcp => Reason::FormTcp,
        }
    }

    /// The first of a set.
    #[inline(always)]
    pub const fn first(bits: u32) -> Option<Self> {
        let mut at = 0;
        while at < Self::ALL.len() {
            if bits & Self::ALL[at].bit() != 0 {
                return Some(Self::ALL[at]);
            }
            at += 1;
        }
        None
    }
}

/// The text that is searched for forms. Positions count from the payload's beginning. The kernel verifies each of these
/// as a separate function.
pub trait Text {
    /// [`first_line`] from there.
    fn first_line(&self, at: u32) -> u32;
    /// [`in_start_line`] from there.
    fn start_line(&self, at: u32, begin: Begin) -> u32;
    /// [`is_plain_start`] from there.
    fn is_plain_start(&self, at: u32, line: u32) -> bool;
    /// [`has_usual_bytes`] of the payload.
    fn has_usual_bytes(&self) -> bool;
    /// [`has_plain_bytes`] of the payload.
    fn has_plain_bytes(&self) -> bool;
    /// [`blanks`](crate::sip::blanks) of the payload.
    fn blanks(&self) -> u32;
    /// The number of bytes.
    fn length(&self) -> u32;
    /// The first bytes from there.
    fn head(&self, at: u32) -> Option<[u8; 4]>;
    /// [`start_steps`] from there.
    fn start_steps(&self, at: u32, length: u32) -> Walk;
    /// [`start_rest`] from there.
    fn start_rest(&self, at: u32, length: u32, walk: Walk) -> Walk;
    /// [`header_steps`] from there.
    fn header_steps(&self, at: u32, length: u32, walk: Walk) -> Walk;
    /// [`header_rest`] from there.
    fn header_rest(&self, at: u32, length: u32, walk: Walk) -> Walk;
    /// [`continued`] where the start line ends.
    fn continued(&self, at: u32) -> u32;
}

/// The forms of a payload, as a set of bits.
#[inline(always)]
pub fn find(text: &impl Text, begin: Begin) -> u32 {
    let is_inside = !matches!(begin.inside, Inside::Nowhere);
    let has_plain_start = is_inside
        || matches!(begin.kind, Kind::Response)
        || begin.has_method() && text.is_plain_start(0, text.first_line(0));
    let has_plain_bytes =
        !matches!(begin.inside, Inside::Return) && (text.has_usual_bytes() || text.has_plain_bytes());
    if has_plain_start && has_plain_bytes {
        return 0;
    }
    let at = if is_inside { 0 } else { text.blanks() & (LEADING_MAX - 1) };
    let start = if has_plain_start { IS_MESSAGE } else { text.start_line(at, begin) };
    if start & IS_MESSAGE == 0 {
        return 0;
    }
    let header = if has_plain_bytes { 0 } else { in_header(text, at, begin) };
    start & Form::EVERY | header
}

#[cfg(test)]
mod tests;
