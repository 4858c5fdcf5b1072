//! Packets that come in IP fragments.

use super::{
    World,
    credentials::{charge_named, charge_unnamed, goes_on_in_header},
    rules::{Read, form_inside},
    verdict::Outcome,
};
use crate::{
    abi::{FRAGMENT_LIFETIME, FragmentState, Rest},
    frame::Packet,
    packed::Packed,
    reason::{Action, Reason},
    stream::{Begin, Search, Stream},
};

/// The state of the packet that a later fragment belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    pub rest: Rest,
    /// It goes on where the one before ended.
    pub fits: bool,
    /// Headers with credentials in it whose names were read.
    pub named: u32,
}

impl Fragment {
    /// The first fragment did not come, or was for no SIP port.
    pub const ALONE: Self = Self { rest: Rest::Unread, fits: false, named: 0 };
}

impl Packed for Fragment {
    type Word = u32;

    #[inline(always)]
    fn pack(self) -> u32 {
        self.rest as u32 | (self.fits as u32) << 2 | self.named << 8
    }

    #[inline(always)]
    fn unpack(word: u32) -> Self {
        Self { rest: Rest::unpack(word & 3), fits: word & 4 != 0, named: word >> 8 }
    }
}

/// A fragment without ports goes on from the one before it, if that was for a SIP port. Without any before it, it
/// passes and is remembered. Then its first one is judged as one whose rest was not read.
#[inline(always)]
pub(super) fn later_fragment<W: World>(world: &W, packet: &Packet) -> Outcome {
    let found = world.find_fragment(packet);
    match found.rest {
        Rest::Dropped => return Reason::FragmentRest.into(),
        Rest::Unread => return Reason::Fragment.into(),
        Rest::OfStranger | Rest::OfKnownFlow => {}
    }
    let Some(policy) = world.policy() else { return Reason::Fragment.into() };
    let form = if found.fits { form_inside(world, policy, packet) } else { None };
    if let Some(form) = form {
        world.settle_fragment(packet, form.reason(), Rest::Dropped);
        return form.reason().into();
    }
    let begin = if found.fits { Begin::Carried } else { Begin::Anywhere };
    let searched = matches!(found.rest, Rest::OfStranger) || policy.search_known != 0;
    let search = if searched { Search::Signatures } else { Search::Messages };
    let is_inside = found.fits && goes_on_in_header(world, packet);
    let stream = world.walk_stream(packet, begin, search);
    let (guess, named) = charge_named(world, policy, packet, is_inside, stream);
    if let Some(reason) = guess.reason() {
        world.settle_fragment(packet, reason, Rest::Dropped);
        return reason.into();
    }
    let outcome = world.judge_fragment(packet, Fragment { named, ..found }, stream);
    if outcome.charged.is_none() { Outcome { charged: guess.charged(), ..outcome } } else { outcome }
}

/// Loads the state that a later fragment goes on from.
#[inline(always)]
pub fn find_fragment<W: World>(world: &W, packet: &Packet) -> Fragment {
    let (key, now) = (packet.fragment_key(), world.now());
    let generation = world.generation();
    let before = world.with_fragment(&key, |before| {
        world.with_carried(|carried| {
            *carried = before.carried;
            carried.adapt(generation);
            (before.expires > now).then_some((before.rest, before.next, carried.is_somewhere()))
        })
    });
    let Some(Some(Some((rest, next, is_somewhere)))) = before else {
        world.remember_early_fragment(&key, now + FRAGMENT_LIFETIME);
        return Fragment::ALONE;
    };
    let end = packet.fragment_end;
    let fits = is_somewhere && end != 0 && next == end.wrapping_sub(packet.length);
    Fragment { rest: Rest::unpack(rest), fits, named: 0 }
}

/// Judges the content of a later fragment, and keeps the state for the next one.
#[inline(always)]
pub fn judge_fragment<W: World>(world: &W, packet: &Packet, found: Fragment, stream: Stream) -> Outcome {
    let fits = found.fits;
    let outcome = match stream.signature() {
        Some(signature) => Outcome { signature, ..Reason::Signature.into() },
        None => {
            let unnamed = stream.credentials().saturating_sub(found.named) + !fits as u32;
            let guess = charge_unnamed(world, packet, false, unnamed);
            Outcome { charged: guess.charged(), ..guess.reason().unwrap_or(Reason::Fragment).into() }
        }
    };
    let drops = matches!(outcome.reason.action(), Action::Drop);
    world.with_fragment(&packet.fragment_key(), |after| {
        if drops {
            after.rest = Rest::Dropped.pack();
        } else if fits {
            after.next = packet.fragment_end;
            world.with_carried(|carried| after.carried = *carried);
        }
    });
    outcome
}

/// Keeps the state after a first fragment for the others. `rest`: their fate if it passes.
#[inline(always)]
pub fn settle_fragment<W: World>(world: &W, packet: &Packet, reason: Reason, rest: Rest) {
    let key = packet.fragment_key();
    let rest = match reason.action() {
        // Its rest can never become a packet without it, and may be that of a real one under the same id.
        Action::Drop if matches!(reason, Reason::FragmentTiny | Reason::Malformed) => return,
        Action::Drop => Rest::Dropped,
        // A forged first fragment under the same id must not cost the real one its rest.
        Action::Pass if matches!(rest, Rest::Unread) => return world.forget_fragment(&key),
        Action::Pass => rest,
    };
    let expires = world.now() + FRAGMENT_LIFETIME;
    let next = packet.fragment_end;
    world.with_carried(|carried| {
        world.remember_fragment(&key, &FragmentState { expires, rest: rest.pack(), next, carried: *carried });
    });
}

/// Judges the first part of a datagram. The walk's state is carried on to the next part.
#[inline(always)]
pub fn judge_first_fragment<W: World>(world: &W, packet: &Packet, read: Read, stream: Stream) -> Outcome {
    // Fragments that came before it were not read, because they were not known to belong to this packet.
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
