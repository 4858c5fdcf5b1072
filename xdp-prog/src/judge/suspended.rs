//! Suspensions and locks, by flow and by the names in a message.

use super::World;
use crate::{
    abi::{Address, GuardState, Suspension, SuspensionKey, suspension},
    account::{self, BY_CREDENTIALS, BY_FROM, MORE, Wanted},
    frame::Packet,
    packed::Packed,
};

/// True: something of that source is suspended, an account or a flow.
#[inline(always)]
pub(super) fn suspends_anything<W: World>(world: &W, source: Address, known: bool) -> bool {
    let key = SuspensionKey { source, what: SuspensionKey::ANYTHING };
    world.guard().suspended != 0
        && world.suspension(&key).is_some_and(|entry| {
            entry.expires > world.now() && !(known && entry.flags & suspension::EXEMPT_KNOWN != 0)
        })
}

impl GuardState {
    #[inline(always)]
    pub(super) const fn suspends(&self) -> bool {
        self.suspended != 0 || self.locked != 0
    }
}

/// A request that may be suspended.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Its source has authenticated lately.
    pub known: bool,
    /// It opens something. Only credentials tell the account of a request that does not.
    pub opens: bool,
    /// Its method belongs into a dialog.
    pub in_dialog: bool,
    /// It may carry credentials.
    pub credentials: bool,
}

impl Packed for Asked {
    type Word = u32;

    #[inline(always)]
    fn pack(self) -> u32 {
        self.known as u32
            | (self.in_dialog as u32) << 1
            | (self.credentials as u32) << 2
            | (self.opens as u32) << 3
    }

    #[inline(always)]
    fn unpack(word: u32) -> Self {
        Self {
            known: word & 1 != 0,
            in_dialog: word & 2 != 0,
            credentials: word & 4 != 0,
            opens: word & 8 != 0,
        }
    }
}

/// Names in one message that are looked at.
const NAMES_MAX: u32 = 16;

/// True: the request's flow, or an account that it names, is suspended here or everywhere. Credentials whose name is
/// not certain, or more of them than are looked at, count as suspended: they could be of any account.
#[inline(always)]
pub fn suspended<W: World>(world: &W, packet: &Packet, asked: Asked) -> bool {
    let guard = world.guard();
    let now = world.now();
    let source = packet.source;
    let holds = |source, what| match world.suspension(&SuspensionKey { source, what }) {
        Some(Suspension { expires, flags, .. }) => {
            expires > now && !(asked.known && flags & suspension::EXEMPT_KNOWN != 0)
        }
        None => false,
    };
    let here = guard.suspended != 0 && holds(source, SuspensionKey::ANYTHING);
    if here && holds(source, SuspensionKey::flow(packet.protocol, packet.source_port)) {
        return true;
    }
    if !here && guard.locked == 0 {
        return false;
    }
    // Somewhere some account is locked: of a known source that says nothing.
    let anybody = here || !asked.known;
    // The calls of who is known go on.
    let may_go_on = asked.in_dialog && asked.known;
    let mut held = false;
    let mut names = 0;
    world.walk_accounts(packet, Wanted::Names);
    while names < NAMES_MAX {
        let named = world.next_account();
        let name = named.name;
        held |= match named.kind {
            BY_FROM if !asked.opens => false,
            BY_FROM | BY_CREDENTIALS if named.kind == BY_FROM || named.is_certain() => {
                here && holds(source, name) || guard.locked != 0 && holds(SuspensionKey::ANYWHERE, name)
            }
            BY_CREDENTIALS => anybody,
            MORE => anybody && asked.credentials,
            _ => return held && !(may_go_on && named.flags & account::flag::IN_DIALOG != 0),
        };
        if held && !may_go_on || named.kind == MORE {
            return held;
        }
        names += 1;
    }
    held || anybody && asked.credentials
}
