//! Sending messages on, in both directions, to and from one PBX. The edge is a stateless proxy (RFC 3261 §16.11).
//!
//! Nothing is remembered: where an answer goes is in the branch that the edge gives to a request, where the next request
//! of a call goes is in the edge's Record-Route, and where a registered phone is reached is in its Path or Contact. Edits
//! are made to the bytes that were received; whatever is not the edge's business stays as it is.

mod answers;
mod edits;
mod refusal;
mod registration;
mod requests;
mod routes;
mod settings;

#[cfg(test)]
mod tests;

use sipward_sip::{Party, echoed, unescaped};

use self::routes::Routing;
use crate::{
    keys::Keys,
    link::{Link, Side},
    message::Message,
    token,
};

pub use self::{
    refusal::Refusal,
    settings::{Listener, Reach, Settings},
};

#[derive(Clone, Debug)]
pub struct Forwarder {
    settings: Settings,
    keys: Keys,
}

/// The facts of a dialog that all its requests say, however a PBX writes them again.
struct Dialog<'a> {
    role: Role,
    call_id: &'a [u8],
    caller_tag: Vec<u8>,
    caller: Vec<u8>,
    callee: Vec<u8>,
}

/// The part of a phone in a dialog. Whoever has been called chooses no name, and whoever calls chooses that of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Caller,
    Callee,
}

/// The phone of a dialog, as the edge has signed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DialogPhone {
    /// Where it was when the dialog began.
    pub link: Link,
    pub role: Role,
}

impl<'a> Dialog<'a> {
    fn of(request: &Message<'a>, role: Role, caller: &Party<'a>, callee: &Party<'a>) -> Self {
        Self {
            role,
            call_id: request.call_id(),
            caller_tag: echoed(caller.tag.unwrap_or_default()),
            caller: unescaped(caller.uri.user),
            callee: unescaped(callee.uri.user),
        }
    }

    fn parts(&self) -> [&[u8]; 5] {
        let role: &[u8] = match self.role {
            Role::Caller => b"caller",
            Role::Callee => b"callee",
        };
        [role, self.call_id, &self.caller_tag, &self.caller, &self.callee]
    }
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

    /// The phone of the dialog that a request says to be in. Only the edge's own Route shows that, for this Call-ID, the
    /// tag of whoever called, and the names of both ends: anybody can invent a To tag, and whoever has been in a dialog
    /// could speak for somebody else in it.
    pub fn dialog(&self, request: &Message<'_>) -> Option<DialogPhone> {
        request.to().tag?;
        self.dialog_of(request, Side::Outer, &self.routing(request))
    }

    /// `sender`: the side of the request. A phone speaks for itself only.
    fn dialog_of(&self, request: &Message<'_>, sender: Side, routing: &Routing<'_>) -> Option<DialogPhone> {
        let (from, to) = (request.from(), request.to());
        let (phone, other) = if sender == Side::Outer { (&from, &to) } else { (&to, &from) };
        let dialogs = [
            Dialog::of(request, Role::Caller, phone, other),
            Dialog::of(request, Role::Callee, other, phone),
        ];
        let read = |token| {
            dialogs.iter().find_map(|dialog| {
                let link = token::read_route(&self.keys, token, &dialog.parts())?;
                Some(DialogPhone { link, role: dialog.role })
            })
        };
        routing.tokens().find_map(read)
    }
}
