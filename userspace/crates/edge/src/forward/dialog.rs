//! Dialogs, as the edge knows them again: by what it has signed in its Route.

use sipward_sip::{Party, echoed, unescaped};
use sipward_types::time::WallSeconds;

use super::{Forwarder, routes::Routing};
use crate::{
    keys::Purpose,
    link::Side,
    message::Message,
    token::{self, AccountMark, Hour, Phone, Route},
};

/// The hours for which the route of a dialog lets its phone in. Hardly a call is as long; whoever goes on after that, such
/// as with a subscription, is asked for a password once more with each request.
const LETS_IN: u16 = 24;

/// The part of a phone in a dialog. Whoever has been called chooses no name, and whoever calls chooses that of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Caller,
    Callee,
}

/// The phone of a dialog, as the edge has signed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DialogPhone {
    /// At the place where it was when the dialog began, with the account that it was let in by.
    pub phone: Phone,
    /// The request has the names that both ends had when the dialog began.
    pub is_named: bool,
    begun: Hour,
}

impl DialogPhone {
    /// A clock that was set wrong costs a phone one more challenge.
    pub fn lets_in(&self, now: WallSeconds) -> bool {
        self.begun.distance(Hour::of(now)) <= LETS_IN
    }
}

impl Forwarder {
    /// The phone of the dialog that a phone's request says to be in. Only the edge's own Route shows that, for this Call-ID
    /// and the tag of whoever called: anybody can invent a To tag, and whoever has been in a dialog could speak for
    /// somebody else in it.
    pub fn dialog(&self, request: &Message<'_>) -> Option<DialogPhone> {
        request.to().tag?;
        self.dialog_of(request, Side::Outer, &self.routing(request))
    }

    /// `sender`: the side of the request. The PBX may give the ends other names in the course of a dialog (RFC 4916); it is
    /// a phone whose names have to be right.
    pub(super) fn dialog_of(
        &self,
        request: &Message<'_>,
        sender: Side,
        routing: &Routing<'_>,
    ) -> Option<DialogPhone> {
        let (from, to) = (request.from(), request.to());
        let (phone, other) = if sender == Side::Outer { (&from, &to) } else { (&to, &from) };
        let read = |token| {
            [(Role::Caller, phone), (Role::Callee, other)].into_iter().find_map(|(role, caller)| {
                with_dialog(request, role, caller, |dialog| token::read_route(&self.keys, token, dialog))
            })
        };
        let Route { phone: at, names, begun } = routing.tokens().find_map(read)?;
        let [own, others] = names_of(phone, other);
        let is_named = self.keys.has_signed(Purpose::Names, &[&own, &others], &names);
        Some(DialogPhone { phone: at, is_named, begun })
    }

    /// The token of the dialog that a request begins with this phone.
    pub(super) fn route_token(
        &self,
        request: &Message<'_>,
        role: Role,
        phone: Phone,
        now: WallSeconds,
    ) -> String {
        let (from, to) = (request.from(), request.to());
        let [own, others] = match role {
            Role::Caller => names_of(&from, &to),
            Role::Callee => names_of(&to, &from),
        };
        let names = self.keys.sign(Purpose::Names, &[&own, &others]);
        let route = Route { phone, names, begun: Hour::of(now) };
        with_dialog(request, role, &from, |dialog| token::route(&self.keys, &route, dialog))
    }

    /// Stands for an account in tokens. Of a request without credentials it is nobody's.
    pub(super) fn account_mark(&self, account: Option<&str>) -> AccountMark {
        self.keys.sign(Purpose::Account, &[account.unwrap_or_default().as_bytes()])
    }
}

/// The facts that all requests of a dialog say, however a PBX writes them again.
fn with_dialog<T>(
    request: &Message<'_>,
    role: Role,
    caller: &Party<'_>,
    then: impl FnOnce(&[&[u8]]) -> T,
) -> T {
    let role: &[u8] = match role {
        Role::Caller => b"caller",
        Role::Callee => b"callee",
    };
    then(&[role, request.call_id(), &echoed(caller.tag.unwrap_or_default())])
}

/// That of the phone, and that of the other end.
fn names_of(phone: &Party<'_>, other: &Party<'_>) -> [Vec<u8>; 2] {
    [unescaped(phone.uri.user), unescaped(other.uri.user)]
}
