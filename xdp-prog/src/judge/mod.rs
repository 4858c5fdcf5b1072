//! The path of a packet, step by step. Each step that ends the path gives the reason.

pub mod asking;
pub mod charge;
mod credentials;
mod fragment;
pub mod guess;
mod packet_class;
mod rules;
pub mod segments;
mod source_status;
mod suspended;
mod verdict;

use crate::{
    abi::{
        Address, AddressHash, Carried, FlowKey, FragmentKey, FragmentState, GuardState, GuessState,
        KnownFlow, Meter, Policy, PrefixState, Refunds, Rest, SourceEntry, SourceState, StreamKey,
        StreamState, Suspension, SuspensionKey,
    },
    account::{Named, Wanted},
    bytes::Bytes,
    charge::{Charge, Limit},
    form::{self, Form},
    frame::{Depth, Packet, TCP, flag},
    guess::{Budget, Guess, Tally},
    matcher::Scan,
    reason::{Action, Reason},
    segments::Place,
    sip::Kind,
    stream::{Begin, Search, Stream},
};

use fragment::later_fragment;
use rules::{RuleContext, is_of_known_flow};

pub use fragment::{Fragment, find_fragment, judge_first_fragment, judge_fragment, settle_fragment};
pub use packet_class::{PacketClass, packet_class};
pub use rules::{Read, charge_later, judge_segment};
pub use source_status::{SourceStatus, source_status};
pub use suspended::{Asked, suspended};
pub use verdict::{Outcome, Reported, Verdict};

/// The surroundings of the path: the tables, the time, the frame, and those steps that the verifier checks separately.
/// The kernel implements them with maps, replay and tests with memory.
pub trait World {
    /// Monotonic nanoseconds.
    fn now(&self) -> u64;
    fn policy(&self) -> Option<&Policy>;
    fn source(&self, address: &Address) -> Option<SourceEntry>;
    /// The entry of the longest prefix that holds `address`.
    fn prefix(&self, address: &Address) -> Option<SourceEntry>;
    /// [`source_status()`] of the packet's source.
    fn source_status(&self, packet: &Packet) -> SourceStatus;
    /// The state of a source, made if there is none.
    fn source_state(&self, source: &Address) -> Option<&SourceState>;
    fn prefix_state(&self, limit_prefix: &Address) -> Option<&PrefixState>;
    fn known_flow(&self, key: &FlowKey) -> Option<&KnownFlow>;
    fn with_fragment<T>(&self, key: &FragmentKey, then: impl FnOnce(&mut FragmentState) -> T) -> Option<T>;
    fn remember_fragment(&self, key: &FragmentKey, state: &FragmentState);
    fn forget_fragment(&self, key: &FragmentKey);
    /// The time until which the arrival of a fragment before its packet's first one is remembered.
    fn early_fragment(&self, key: &FragmentKey) -> Option<u64>;
    fn remember_early_fragment(&self, key: &FragmentKey, until: u64);
    /// True: the packet answers a SYN-ACK that left.
    fn answers_handshake(&self, key: &StreamKey, packet: &Packet) -> bool;
    fn open_stream(&self, key: &StreamKey, state: &StreamState);
    fn with_stream<T>(&self, key: &StreamKey, then: impl FnOnce(&mut StreamState) -> T) -> Option<T>;
    fn guard(&self) -> GuardState;
    /// True: packets that leave the SIP ports are seen. Otherwise the recipients of nonces are not known.
    fn watched(&self) -> bool;
    fn suspension(&self, key: &SuspensionKey) -> Option<Suspension>;

    /// [`frame::parse`](crate::frame::parse) of the frame that is being judged.
    fn parse(&self, packet: &mut Packet) -> Depth;
    /// From the packet's payload to the end of the frame.
    fn payload(&self, packet: &Packet) -> Bytes<'_>;
    /// [`classify`](crate::sip::classify) of the packet's payload.
    fn classify(&self, packet: &Packet) -> Kind;
    /// [`charge::known`].
    fn charge_known(&self, packet: &Packet, charge: Charge) -> Limit;
    /// [`charge::stranger`].
    fn charge_stranger(&self, packet: &Packet, charge: Charge) -> Limit;
    /// [`form::find`] in the packet's payload.
    fn forms(&self, packet: &Packet, begin: form::Begin) -> u32;
    /// [`suspended()`].
    fn suspended(&self, packet: &Packet, asked: Asked) -> bool;
    /// Begins a walk through the accounts that the packet's message names, or all of its messages.
    fn walk_accounts(&self, packet: &Packet, wanted: Wanted);
    /// The next one.
    fn next_account(&self) -> Named;
    /// Searches the packet's payload for signs of signatures and of credentials.
    fn scan(&self, packet: &Packet) -> Scan;
    /// The signature in a datagram's payload, of which the first one may be at `candidate`.
    fn find_signature(&self, packet: &Packet, candidate: u32) -> Option<u16>;
    /// The generation of the signatures that packets are searched for.
    fn generation(&self) -> u32;
    /// Calls `then` with the state that the next walk goes on from, or that the last one left.
    fn with_carried<T>(&self, then: impl FnOnce(&mut Carried) -> T) -> Option<T>;
    /// Walks through a TCP segment or a fragment.
    fn walk_stream(&self, packet: &Packet, begin: Begin, search: Search) -> Stream;
    /// [`segments::find`].
    fn find_segment(&self, packet: &mut Packet) -> Place;
    /// [`segments::keep`].
    fn keep_segment(&self, packet: &Packet);
    /// [`packet_class()`].
    fn packet_class(&self, packet: &Packet, encrypted: bool) -> PacketClass;
    /// [`judge_segment`].
    fn judge_segment(&self, packet: &Packet, read: Read, stream: Stream) -> Outcome;
    /// [`charge_later`].
    fn charge_later(&self, packet: &Packet, stream: Stream) -> Option<Reason>;
    /// [`judge_first_fragment`].
    fn judge_first_fragment(&self, packet: &Packet, read: Read, stream: Stream) -> Outcome;
    /// [`find_fragment`].
    fn find_fragment(&self, packet: &Packet) -> Fragment;
    /// [`judge_fragment`].
    fn judge_fragment(&self, packet: &Packet, found: Fragment, stream: Stream) -> Outcome;
    /// [`settle_fragment`].
    fn settle_fragment(&self, packet: &Packet, reason: Reason, rest: Rest);

    /// [`guess::judge`].
    fn guess(&self, packet: &Packet, wanted: Wanted, refuse_names: bool) -> Guess;
    /// [`asking::is_too_many`].
    fn asks_too_often(&self, packet: &Packet, credentials: bool) -> bool;
    /// The requests of a line that is limited, made if there is none.
    fn asked(&self, line: &Address) -> Option<&Meter>;
    /// [`guess::charge`].
    fn charge_guesses(&self, packet: &Packet, budget: Budget, fingerprint: u64, guesses: u32) -> Guess;
    /// [`guess::add`] with what [`next_account`](Self::next_account) found last. The kernel verifies it as a function by
    /// itself, so that its stack is not below that of the walk.
    fn add_guess(&self, packet: &Packet);
    /// The tally that was set last.
    fn tally(&self) -> Tally;
    fn set_tally(&self, tally: Tally);
    /// True: the account has worked at the source.
    fn worked(&self, there: &AddressHash) -> bool;
    /// True: the nonce was issued to the address.
    fn issued(&self, to: &AddressHash) -> bool;
    /// The [hash](crate::siphash::chained) of the packet's payload.
    fn hash(&self, packet: &Packet, key: [u64; 2]) -> u64;
    /// [`guess::is_line_counted`].
    fn is_line_counted(&self, packet: &Packet, budget: Budget) -> bool;
    /// True: the line has a state, of either budget.
    fn has_guess_state(&self, line: &Address) -> bool;
    /// A line's state, made if there is none and room for it.
    fn guess_state(&self, budget: Budget, line: &Address) -> Option<&GuessState>;
    fn refunds(&self, line: &Address) -> Refunds;
    /// The time until which credentials are not charged once more. Zero: they were not charged.
    fn charged_until(&self, credentials: &AddressHash) -> u64;
    fn charge_once(&self, credentials: &AddressHash, until: u64);
}

/// A first fragment must hold at least this much payload: no network path cuts packets so
/// small, and less could hide the start line.
pub const FIRST_FRAGMENT_MIN: u32 = 128;

/// Judges the world's frame; `packet` is filled with what its headers say.
#[inline(always)]
pub fn judge<W: World>(world: &W, packet: &mut Packet) -> Verdict {
    match world.parse(packet) {
        Depth::Ports => {}
        Depth::LaterFragment => {
            let Outcome { reason, signature, charged } = later_fragment(world, packet);
            let enforced = matches!(world.policy(), Some(policy) if policy.enforce != 0);
            return Verdict { reason, signature, enforced, known: false, charged };
        }
        // Pass: neither is for a SIP port.
        Depth::NotIp => return untouched(Reason::NotIp),
        Depth::OtherProtocol => return untouched(Reason::OtherPort),
        // Pass: without a credible header the port is not known. The stack drops it.
        Depth::BadIp => return untouched(Reason::BadIp),
        Depth::HiddenTransport => return hidden_transport(world, packet),
    }
    // Pass: there is no policy yet, so there is nothing to enforce.
    let Some(policy) = world.policy() else { return untouched(Reason::OtherPort) };
    let Some(encrypted) = sip_port(policy, packet) else { return untouched(Reason::OtherPort) };
    let source_status = world.source_status(packet);
    let known = matches!(source_status, SourceStatus::Known { .. });
    if packet.is(flag::FIRST_FRAGMENT) {
        let generation = world.generation();
        world.with_carried(|carried| *carried = Carried::unread(generation));
    }
    packet.phones = match source_status {
        SourceStatus::Known { phones } => phones,
        SourceStatus::Decided(_) | SourceStatus::Stranger => 0,
    };
    if packet.protocol == TCP && !encrypted && is_followed(policy, source_status) {
        packet.place = world.find_segment(packet) as u32;
    }
    let outcome = judge_packet(world, policy, packet, encrypted, source_status);
    if packet.is(flag::FIRST_FRAGMENT) {
        let rest = match source_status {
            SourceStatus::Decided(_) => Rest::Unread,
            SourceStatus::Known { .. } if is_of_known_flow(world, packet) => Rest::OfKnownFlow,
            SourceStatus::Known { .. } | SourceStatus::Stranger => Rest::OfStranger,
        };
        world.settle_fragment(packet, outcome.reason, rest);
    }
    let Outcome { reason, signature, charged } = outcome;
    Verdict { reason, signature, enforced: policy.enforce != 0, known, charged }
}

/// A packet whose transport header is behind more headers than are followed, or not in its first fragment. Its port
/// cannot be known.
///
/// Dropping it is right all the same. No sender that means well writes so: RFC 7112 forbids first fragments without their
/// whole header chain, and hosts and routers may drop them; no network has five VLAN tags, nor a packet 192 extension
/// headers. And passing it would be an open door, because the stack puts such packets together, for the SIP port as for
/// any other. Without its first fragment the rest of a packet is nothing.
#[inline(always)]
fn hidden_transport<W: World>(world: &W, packet: &Packet) -> Verdict {
    // Pass: as for all packets.
    let Some(policy) = world.policy() else { return untouched(Reason::BadIp) };
    let reason = match world.source_status(packet) {
        SourceStatus::Decided(reason) => reason,
        _ if policy.trusted_only != 0 => Reason::TrustedOnly,
        SourceStatus::Known { .. } | SourceStatus::Stranger if policy.forms & Form::IpChain.bit() != 0 => {
            Reason::FormIpChain
        }
        SourceStatus::Known { .. } | SourceStatus::Stranger => Reason::BadIp,
    };
    match reason.action() {
        // It may be for any port, so that nothing else is said about it.
        Action::Pass => untouched(Reason::BadIp),
        Action::Drop => Verdict { enforced: policy.enforce != 0, ..untouched(reason) },
    }
}

/// True: the connections of such a source are followed. They are not where all packets pass or all drop.
#[inline(always)]
const fn is_followed(policy: &Policy, source_status: SourceStatus) -> bool {
    match source_status {
        SourceStatus::Decided(reason) => matches!(reason.action(), Action::Drop) && policy.enforce == 0,
        SourceStatus::Known { .. } | SourceStatus::Stranger => true,
    }
}

#[inline(always)]
fn untouched(reason: Reason) -> Verdict {
    Verdict { reason, signature: 0, enforced: true, known: false, charged: None }
}

/// `None`: the packet is for no SIP port. True: the port speaks TLS.
#[inline(always)]
fn sip_port(policy: &Policy, packet: &Packet) -> Option<bool> {
    let port = packet.destination_port;
    if packet.protocol != TCP {
        policy.udp.has(port).then_some(false)
    } else if policy.tcp.has(port) {
        Some(false)
    } else {
        policy.tls.has(port).then_some(true)
    }
}

#[inline(always)]
fn judge_packet<W: World>(
    world: &W,
    policy: &Policy,
    packet: &Packet,
    encrypted: bool,
    source_status: SourceStatus,
) -> Outcome {
    if let SourceStatus::Decided(reason) = source_status {
        return reason.into();
    }
    if policy.trusted_only != 0 {
        return Reason::TrustedOnly.into();
    }
    // Drop: the stack would refuse it too, and it is for a SIP port.
    if packet.is(flag::MALFORMED) {
        return Reason::Malformed.into();
    }
    let context = RuleContext { world, policy, packet };
    if packet.is(flag::FIRST_FRAGMENT) && packet.length < FIRST_FRAGMENT_MIN {
        return Reason::FragmentTiny.into();
    }
    let is_odd = packet.protocol == TCP && packet.is(flag::FIRST_FRAGMENT | flag::URGENT);
    if is_odd && !encrypted && policy.forms & Form::Tcp.bit() != 0 {
        return Reason::FormTcp.into();
    }
    context.judge(encrypted)
}
