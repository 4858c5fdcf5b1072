//! The accounts that a request names: the user of its From header and the user names of its credentials, as they are
//! written. The kernel keeps only their hashes.
//!
//! Credentials may have several user names, in one header or in several. Kamailio and PJSIP, so Asterisk too, take the
//! last of a header, and the first header for their realm, which is not known here. So all headers count, and a header
//! with two names, or with one that a PBX may read otherwise, is [marked](flag).
//!
//! The message is walked line by line. What is read has a bound, and a message that goes on behind it is reported as
//! such ([`MORE`]).

mod address;
mod hash;
mod line;
mod parameter;
mod quoted;
mod table;
mod walk;
mod whole;

pub use address::{Uri, User, has_tag, uri, user};
pub use hash::{End, NAME_MAX, hash, is_hash, name_hash, nonce_hash, value_hash};
pub use line::{Header, HeaderKind, LineSteps, header, line_steps, rest_of_line};
pub use parameter::{ParameterStep, parameter};
pub use quoted::skip_quoted;
pub use walk::Walk;

/// Lines of a message that are looked at: no phone or trunk has half as many headers.
pub const LINES_MAX: u32 = 128;
/// Bytes of a message.
pub const MESSAGE_MAX: usize = 4096;
/// More lines of one header than these hide something.
const FOLDS_MAX: u32 = 32;
/// Blanks between a header's name and its colon.
const BLANKS_MAX: usize = 16;
/// Bytes in front of the URI of a From header: the display name.
const DISPLAY_MAX: usize = 512;
/// Bytes of a URI up to its `@`.
const USER_MAX: usize = 256;
/// Bytes of a nonce or a realm that count: longer than any that is known.
const VALUE_MAX: usize = 128;
/// Bytes of credentials that are read at once, and how often that is done: more than a whole message at once, and many
/// more parameters than any phone sends.
const PARAMETER_STEP: usize = 256;
const PARAMETER_TURNS: u32 = 64;
/// Credentials whose realms are compared.
const REALMS: usize = 4;

/// No name here.
pub const NONE: u64 = 0;

/// A message as the walk reads it; positions count from its beginning, and of what is read, `most` bytes belong to it.
/// The kernel verifies each as a function by itself.
pub trait Message {
    fn byte(&self, at: u32) -> Option<u8>;
    /// [`line_steps`] from there.
    fn line_steps(&self, at: u32, most: u32) -> LineSteps;
    /// [`rest_of_line`] from there.
    fn rest_of_line(&self, at: u32, most: u32) -> u32;
    /// [`header`] that begins there.
    fn header(&self, at: u32) -> Header;
    /// The end of the blanks and line ends that begin there.
    fn skip_blanks(&self, at: u32) -> u32;
    /// [`uri`] of the From header whose value begins there.
    fn uri(&self, at: u32, most: u32) -> Option<Uri>;
    /// [`user`] of the URI that begins there.
    fn user(&self, at: u32, most: u32, bracketed: bool) -> Option<User>;
    /// [`has_tag`] of the To header whose value begins there.
    fn has_tag(&self, at: u32, most: u32) -> bool;
    /// [`skip_quoted`] of the string that goes on there. Nothing need be skipped.
    fn skip_quoted(&self, _at: u32, _most: u32) -> u32 {
        0
    }
    /// [`parameter()`] of the credentials that go on there.
    fn parameter(&self, at: u32, most: u32, state: u8) -> ParameterStep;
    /// [`name_hash`] of the name that begins there.
    fn name_hash(&self, at: u32, most: u32, end: End) -> u64;
    /// [`value_hash`] of the value that begins there.
    fn value_hash(&self, at: u32, most: u32, end: End) -> u64;

    /// The number of bytes up to the end of this line, its LF included, or up to the end of `most`.
    #[inline(always)]
    fn line_length(&self, at: u32, most: u32) -> u32 {
        let steps = self.line_steps(at, most);
        let length = steps.length;
        let rest = if steps.has_rest { self.rest_of_line(at + length, most - length) } else { 0 };
        // A step may have gone beyond.
        if length + rest > most { most } else { length + rest }
    }
}

/// The aim of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// From and credentials, and whether To has a tag.
    Names,
    Credentials,
    /// Credentials in a text that goes on in the middle of a header, no further than up to the empty line.
    RestOfHeader,
    /// The challenges of a response, which give nonces to the other side.
    Challenges,
}

/// The sender of a message according to one of its headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Named {
    /// [`NOTHING`], [`BY_FROM`], [`BY_CREDENTIALS`] or [`MORE`].
    pub kind: u32,
    /// A set of [`flag`]s.
    pub flags: u32,
    /// The hash of the user name, the last one of credentials; [`NONE`]: it has none.
    pub name: u64,
    /// For credentials, the hash of their nonce, or [`NONE`].
    pub nonce: u64,
    /// For credentials, the end of their value in the message.
    pub end: u32,
    pub reserved: u32,
}

/// The message has no further names.
pub const NOTHING: u32 = 0;
pub const BY_FROM: u32 = 1;
pub const BY_CREDENTIALS: u32 = 2;
/// The message has more lines or bytes of headers than are looked at.
pub const MORE: u32 = 3;

pub mod flag {
    /// Credentials have two user names that differ, or those before for the same realm have another one.
    pub const NAMES: u32 = 1;
    /// A PBX may read another name here than this walk does: it decodes `%` escapes, or `\` escapes in quotes.
    pub const ODD: u32 = 2;
    /// At the end of the message: its To header has a tag.
    pub const IN_DIALOG: u32 = 4;
    /// Credentials that go on behind what is there of the message.
    pub const CUT: u32 = 8;
    /// In a stream, behind an empty line: in another message, or in a body.
    pub const LATER: u32 = 16;
}

impl Named {
    /// The name is certain: every PBX reads this one.
    #[inline(always)]
    pub const fn is_certain(&self) -> bool {
        self.flags & !flag::LATER == 0 && self.name != NONE
    }
}

/// A mark on a position: it is that of the From header's value.
const FROM: u32 = 1 << 31;
/// The same for the To header.
const TO: u32 = 1 << 30;

#[cfg(test)]
mod tests;
