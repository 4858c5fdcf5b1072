//! Packets that come in IP fragments.

use super::{
    World,
    credentials::{charge_named, charge_unnamed, goes_on_in_header},
    rules::{Read, form_inside},
    verdict::Outcome,
};
use crate::{
    abi::{FRAGMENT_LIFETIME, FragmentState, fragments},
    frame::Packet,
    packed::packed_newtype,
    reason::{Action, Reason},
    stream::{Begin, Search, Stream},
};

/// What is known of the packet that a later fragment belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Fragment(u32);

impl Fragment {
    /// Its first one did not come, or was for no SIP port.
    const ALONE: Self = Self(0);
    const DROPPED: u32 = 1;
    const OF_STRANGER: u32 = 2;
    const OF_KNOWN_FLOW: u32 = 4;
    /// It goes on where the one before ended.
    const FITS: u32 = 8;
    /// Where the number of names stands.
    const NAMED: u32 = 8;

    /// Headers with credentials in it whose names were read.
    #[inline(always)]
    const fn named(self) -> u32 {
        self.0 >> Self::NAMED
    }

    #[inline(always)]
    const fn with_named(self, headers: u32) -> Self {
        Self(self.0 | headers << Self::NAMED)
    }

    #[inline(always)]
    const fn is(self, flag: u32) -> bool {
        self.0 & flag != 0
    }

    #[inline(always)]
    const fn is_read(self) -> bool {
        !self.is(Self::DROPPED) && self.is(Self::OF_STRANGER | Self::OF_KNOWN_FLOW)
    }
}

packed_newtype!(Fragment, u32);

/// A fragment without ports goes on from the one before it, if that was for a SIP port. Without any before it passes, whoever
/// sent it, and is remembered: then its first one is judged as one whose rest nobody has read.
#[inline(always)]
pub(super) fn later_fragment<W: World>(world: &W, packet: &Packet) -> Outcome {
    let found = world.find_fragment(packet);
    if found.is(Fragment::DROPPED) {
        return Reason::FragmentRest.into();
    }
    if !found.is_read() {
        return Reason::Fragment.into();
    }
    let Some(policy) = world.policy() else { return Reason::Fragment.into() };
    let form = if found.is(Fragment::FITS) { form_inside(world, policy, packet) } else { None };
    if let Some(form) = form {
        world.settle_fragment(packet, form.reason(), fragments::DROPPED);
        return form.reason().into();
    }
    let begin = if found.is(Fragment::FITS) { Begin::Carried } else { Begin::Anywhere };
    let searched = found.is(Fragment::OF_STRANGER) || policy.search_known != 0;
    let search = if searched { Search::Signatures } else { Search::Messages };
    let is_inside = found.is(Fragment::FITS) && goes_on_in_header(world, packet);
    let stream = world.walk_stream(packet, begin, search);
    let (guess, named) = charge_named(world, policy, packet, is_inside, stream);
    if let Some(reason) = guess.reason() {
        world.settle_fragment(packet, reason, fragments::DROPPED);
        return reason.into();
    }
    let outcome = world.judge_fragment(packet, found.with_named(named), stream);
    if outcome.charged.is_none() { Outcome { charged: guess.charged(), ..outcome } } else { outcome }
}

/// Readies what a later fragment goes on from.
#[inline(always)]
pub fn find_fragment<W: World>(world: &W, packet: &Packet) -> Fragment {
    let (key, now) = (packet.fragment_key(), world.now());
    let generation = world.generation();
    let before = world.with_fragment(&key, |before| {
        world.with_carried(|carried| {
            *carried = before.carried;
            carried.adapt(generation);
            (before.expires > now).then_some((before.state, before.next, carried.is_somewhere()))
        })
    });
    let Some(Some(Some((state, next, is_somewhere)))) = before else {
        world.remember_early_fragment(&key, now + FRAGMENT_LIFETIME);
        return Fragment::ALONE;
    };
    let end = packet.fragment_end;
    let fits = is_somewhere && end != 0 && next == end.wrapping_sub(packet.length);
    let state = match state {
        fragments::DROPPED => Fragment::DROPPED,
        fragments::OF_STRANGER => Fragment::OF_STRANGER,
        _ => Fragment::OF_KNOWN_FLOW,
    };
    Fragment(state | if fits { Fragment::FITS } else { 0 })
}

/// Judges what a later fragment holds, and keeps what it leaves for the next.
#[inline(always)]
pub fn judge_fragment<W: World>(world: &W, packet: &Packet, found: Fragment, stream: Stream) -> Outcome {
    let fits = found.is(Fragment::FITS);
    let outcome = match stream.signature() {
        Some(signature) => Outcome { signature, ..Reason::Signature.into() },
        None => {
            let unnamed = stream.credentials().saturating_sub(found.named()) + !fits as u32;
            let guess = charge_unnamed(world, packet, false, unnamed);
            Outcome { charged: guess.charged(), ..guess.reason().unwrap_or(Reason::Fragment).into() }
        }
    };
    let drops = matches!(outcome.reason.action(), Action::Drop);
    world.with_fragment(&packet.fragment_key(), |after| {
        if drops {
            after.state = fragments::DROPPED;
        } else if fits {
            after.next = packet.fragment_end;
            world.with_carried(|carried| after.carried = *carried);
        }
    });
    outcome
}

/// Keeps what a first fragment left for the others. `state`: one of [`fragments`], or zero: they are not looked at.
#[inline(always)]
pub fn settle_fragment<W: World>(world: &W, packet: &Packet, reason: Reason, state: u32) {
    let key = packet.fragment_key();
    let state = match reason.action() {
        // Its rest can never become a packet without it, and may be that of a real one under the same id.
        Action::Drop if matches!(reason, Reason::FragmentTiny | Reason::Malformed) => return,
        Action::Drop => fragments::DROPPED,
        // A forged first fragment under the same id must not cost the real one its rest.
        Action::Pass if state == 0 => return world.forget_fragment(&key),
        Action::Pass => state,
    };
    let expires = world.now() + FRAGMENT_LIFETIME;
    let next = packet.fragment_end;
    world.with_carried(|carried| {
        world.remember_fragment(&key, &FragmentState { expires, state, next, carried: *carried });
    });
}

/// The first part of a datagram: what it leaves off in is carried on to the next.
#[inline(always)]
pub fn judge_first_fragment<W: World>(world: &W, packet: &Packet, read: Read, stream: Stream) -> Outcome {
    // Where others came before it, nobody has read them: nobody knew that they belong to this.
    let is_late = world.early_fragment(&packet.fragment_key()).is_some_and(|until| until > world.now());
    let guess = charge_unnamed(world, packet, false, is_late as u32);
    if let Some(reason) = guess.reason() {
        return reason.into();
    }
    match stream.signature() {
        Some(signature) => Outcome { signature, ..Reason::Signature.into() },
        None => Outcome { charged: guess.charged(), ..read.packet_class.pass.into() },
    }
}
