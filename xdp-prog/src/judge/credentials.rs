//! Charges for credentials in streams and fragments.

use super::World;
use crate::{
    abi::{Carried, Policy, phase},
    account::Wanted,
    frame::Packet,
    guess::{Budget, Guess},
    segments,
    stream::Stream,
};

/// True: the packet goes on in the middle of a line of a header. Where it begins with a line end, that may be the end
/// of the header, and what follows may be anything.
#[inline(always)]
pub(super) fn goes_on_in_header<W: World>(world: &W, packet: &Packet) -> bool {
    let is_in_header = |carried: &mut Carried| match carried.phase {
        phase::HEADERS => true,
        phase::DATAGRAM => carried.row != 0,
        _ => false,
    };
    world.with_carried(is_in_header).unwrap_or(false)
        && !matches!(world.payload(packet).byte(0), Some(b'\r' | b'\n') | None)
}

/// Charges the credentials in the rest of a header whose names can be read, and returns the number of such headers.
#[inline(always)]
pub(super) fn charge_named<W: World>(
    world: &W,
    policy: &Policy,
    packet: &Packet,
    is_inside: bool,
    stream: Stream,
) -> (Guess, u32) {
    if !is_inside || stream.credentials() == 0 || policy.guesses.issued.interval == 0 {
        return (Guess::Free, 0);
    }
    let guess = world.guess(packet, Wanted::RestOfHeader, false);
    (guess, world.tally().headers)
}

/// Charges credentials whose names are not read. `connected`: the source address cannot be forged.
#[inline(always)]
pub(super) fn charge_unnamed<W: World>(world: &W, packet: &Packet, connected: bool, guesses: u32) -> Guess {
    let Some(policy) = world.policy() else { return Guess::Free };
    if guesses == 0 || policy.guesses.issued.interval == 0 {
        return Guess::Free;
    }
    let budget = if connected || !world.watched() { Budget::Issued } else { Budget::Other };
    world.charge_guesses(packet, budget, segments::place_number(packet, policy.fingerprint_key[1]), guesses)
}
