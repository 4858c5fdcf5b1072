//! Sending messages on, in both directions, to and from one PBX. The edge is a stateless proxy (RFC 3261 §16.11).
//!
//! Nothing is remembered: where an answer goes is in the branch that the edge gives to a request, where the next request
//! of a call goes is in the edge's Record-Route, and where a registered phone is reached is in its Path or Contact. Edits
//! are made to the bytes that were received; whatever is not the edge's business stays as it is.

mod answers;
mod dialog;
mod edits;
mod refusal;
mod registration;
mod requests;
mod routes;
mod settings;

#[cfg(test)]
mod tests;

use self::dialog::Role;
pub use self::{
    dialog::DialogPhone,
    refusal::Refusal,
    registration::PbxContact,
    settings::{Listener, Reach, Settings},
};
use crate::{keys::Keys, link::Link};

#[derive(Clone, Debug)]
pub struct Forwarder {
    settings: Settings,
    keys: Keys,
}

/// The facts of a phone's request that are not in it.
#[derive(Clone, Copy, Debug, Default)]
pub struct LetIn<'a> {
    /// The account that its credentials were right for.
    pub account: Option<&'a str>,
    /// The contacts that the PBX is to forget after this REGISTER.
    pub former: &'a [String],
}

/// A message that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarded {
    pub to: Link,
    pub bytes: Vec<u8>,
}

impl Forwarder {
    pub const fn new(settings: Settings, keys: Keys) -> Self {
        Self { settings, keys }
    }
}
