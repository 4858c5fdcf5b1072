//! The path of a packet, step by step. Each step says why it lets go of the packet.

use crate::{
    abi::{
        Address, AddressHash, Carried, FRAGMENT_LIFETIME, FlowKey, FragmentKey, FragmentState, GuardState,
        GuessState, KnownFlow, Meter, Policy, PrefixState, Refunds, SourceEntry, SourceState, StreamKey,
        StreamState, Suspension, SuspensionKey, fragments, kind, phase, suspension,
    },
    account::{self, BY_CREDENTIALS, BY_FROM, MORE, Named, Wanted},
    bytes::Bytes,
    charge::{Charge, Limit, charge},
    form::{self, Form},
    frame::{Depth, Packet, TCP, flag},
    guess::{Budget, Guess, Tally},
    matcher::Scan,
    packed::{Packed, packed_newtype},
    reason::{Action, Class, Reason},
    segments::{self, Place},
    sip::{self, Kind},
    stream::{Begin, Search, Stream},
};

/// What the path needs from outside: the tables, the time, the frame, and those steps that the kernel verifies
/// as functions by themselves. The kernel backs it with maps, replay and tests with memory.
pub trait World {
    /// Monotonic nanoseconds.
    fn now(&self) -> u64;
    fn policy(&self) -> Option<&Policy>;
    fn source(&self, address: &Address) -> Option<SourceEntry>;
    /// The entry of the longest prefix that holds `address`.
    fn prefix(&self, address: &Address) -> Option<SourceEntry>;
    /// [`source_status`] of the packet's source.
    fn source_status(&self, packet: &Packet) -> SourceStatus;
    /// The state of a source, made if there is none.
    fn source_state(&self, source: &Address) -> Option<&SourceState>;
    fn prefix_state(&self, limit_prefix: &Address) -> Option<&PrefixState>;
    fn known_flow(&self, key: &FlowKey) -> Option<&KnownFlow>;
    fn with_fragment<T>(&self, key: &FragmentKey, then: impl FnOnce(&mut FragmentState) -> T) -> Option<T>;
    fn remember_fragment(&self, key: &FragmentKey, state: &FragmentState);
    fn forget_fragment(&self, key: &FragmentKey);
    /// Until when it is remembered that a fragment of a packet came whose first one had not.
    fn early_fragment(&self, key: &FragmentKey) -> Option<u64>;
    fn remember_early_fragment(&self, key: &FragmentKey, until: u64);
    /// Whether the packet answers a SYN-ACK that left.
    fn answers_handshake(&self, key: &StreamKey, packet: &Packet) -> bool;
    fn open_stream(&self, key: &StreamKey, state: &StreamState);
    fn with_stream<T>(&self, key: &StreamKey, then: impl FnOnce(&mut StreamState) -> T) -> Option<T>;
    fn guard(&self) -> GuardState;
    /// Whether what leaves the SIP ports is seen: without that nobody knows what was answered to whom.
    fn watched(&self) -> bool;
    fn suspension(&self, key: &SuspensionKey) -> Option<Suspension>;

    /// [`frame::parse`](crate::frame::parse) of the frame that is being judged.
    fn parse(&self, packet: &mut Packet) -> Depth;
    /// From the packet's payload to the end of the frame.
    fn payload(&self, packet: &Packet) -> Bytes<'_>;
    /// [`sip::classify`] of the packet's payload.
    fn classify(&self, packet: &Packet) -> Kind;
    /// [`charge::known`](crate::charge::known).
    fn charge_known(&self, packet: &Packet, charge: Charge) -> Limit;
    /// [`charge::stranger`](crate::charge::stranger).
    fn charge_stranger(&self, packet: &Packet, charge: Charge) -> Limit;
    /// [`form::find`] in the packet's payload.
    fn forms(&self, packet: &Packet, begin: form::Begin) -> u32;
    /// [`suspended`].
    fn suspended(&self, packet: &Packet, asked: Asked) -> bool;
    /// Begins a walk through the accounts that the packet's message names, or all of its messages.
    fn walk_accounts(&self, packet: &Packet, wanted: Wanted);
    /// The next one.
    fn next_account(&self) -> Named;
    /// Which signatures there may be in the packet's payload, and whether there may be credentials.
    fn scan(&self, packet: &Packet) -> Scan;
    /// The signature in a datagram's payload, of which the first one may be at `candidate`.
    fn find_signature(&self, packet: &Packet, candidate: u32) -> Option<u16>;
    /// Of the signatures that packets are searched for.
    fn generation(&self) -> u32;
    /// With what the next walk goes on from, or what the last one left.
    fn with_carried<T>(&self, then: impl FnOnce(&mut Carried) -> T) -> Option<T>;
    /// What is in a TCP segment, or in a fragment.
    fn walk_stream(&self, packet: &Packet, begin: Begin, search: Search) -> Stream;
    /// [`segments::find`].
    fn find_segment(&self, packet: &mut Packet) -> Place;
    /// [`segments::keep`].
    fn keep_segment(&self, packet: &Packet);
    /// [`packet_class`].
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
    fn settle_fragment(&self, packet: &Packet, reason: Reason, state: u32);

    /// [`guess::judge`](crate::guess::judge).
    fn guess(&self, packet: &Packet, wanted: Wanted, refuse_names: bool) -> Guess;
    /// [`asking::is_too_many`](crate::asking::is_too_many).
    fn asks_too_often(&self, packet: &Packet, credentials: bool) -> bool;
    /// What a line that is limited has asked, made if there is none.
    fn asked(&self, line: &Address) -> Option<&Meter>;
    /// [`guess::charge`](crate::guess::charge).
    fn charge_guesses(&self, packet: &Packet, budget: Budget, fingerprint: u64, guesses: u32) -> Guess;
    /// [`guess::add`] with what [`next_account`](Self::next_account) found last. The kernel verifies it as a function by
    /// itself, so that its stack is not below that of the walk.
    fn add_guess(&self, packet: &Packet);
    /// What was set last.
    fn tally(&self) -> Tally;
    fn set_tally(&self, tally: Tally);
    /// Whether an account has worked at a source.
    fn worked(&self, there: &AddressHash) -> bool;
    /// Whether a nonce was issued to an address.
    fn issued(&self, to: &AddressHash) -> bool;
    /// The hash of the packet's payload, as [`siphash`](crate::siphash) makes it.
    fn fingerprint(&self, packet: &Packet, key: [u64; 2]) -> u64;
    /// A line's state, made if there is none and room for it.
    fn guess_state(&self, budget: Budget, line: &Address) -> Option<&GuessState>;
    fn refunds(&self, line: &Address) -> Refunds;
    /// Until when credentials are not charged once more; zero: they were not charged.
    fn charged_until(&self, credentials: &AddressHash) -> u64;
    fn charge_once(&self, credentials: &AddressHash, until: u64);
}

/// A packet's fate.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    pub reason: Reason,
    /// The signature that matched, where that is the reason.
    pub signature: u16,
    /// False in monitor mode: the reason stands, the packet passes.
    pub enforced: bool,
    /// Its source has authenticated lately.
    pub known: bool,
    /// Which budget its credentials were charged to.
    pub charged: Option<Budget>,
}

impl Verdict {
    /// What is done with the packet in the end.
    #[inline(always)]
    pub const fn action(&self) -> Action {
        if self.enforced { self.reason.action() } else { Action::Pass }
    }

    #[inline(always)]
    pub const fn reported(&self) -> Reported {
        Reported { reason: self.reason, signature: self.signature, enforced: self.enforced }
    }
}

/// The part of a verdict that events and captures carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reported {
    pub reason: Reason,
    pub signature: u16,
    pub enforced: bool,
}

impl Packed for Reported {
    type Word = u32;

    #[inline(always)]
    fn pack(self) -> u32 {
        self.reason as u32 | (self.enforced as u32) << 8 | (self.signature as u32) << 16
    }

    #[inline(always)]
    fn unpack(word: u32) -> Self {
        Self { reason: Reason::unpack(word), enforced: word >> 8 & 1 != 0, signature: (word >> 16) as u16 }
    }
}

/// Why, and which signature.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    pub reason: Reason,
    pub signature: u16,
    pub charged: Option<Budget>,
}

impl Packed for Outcome {
    type Word = u32;

    #[inline(always)]
    fn pack(self) -> u32 {
        (self.signature as u32) << 16 | self.charged.pack() << 8 | self.reason as u32
    }

    #[inline(always)]
    fn unpack(word: u32) -> Self {
        let charged = Option::unpack(word >> 8 & 3);
        Self { reason: Reason::unpack(word), signature: (word >> 16) as u16, charged }
    }
}

impl From<Reason> for Outcome {
    #[inline(always)]
    fn from(reason: Reason) -> Self {
        Self { reason, signature: 0, charged: None }
    }
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
        // Pass: without a credible header nobody can say that this is for a SIP port. The stack drops it.
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
        SourceStatus::Known { budget } => budget,
        SourceStatus::Decided(_) | SourceStatus::Stranger => 0,
    };
    if packet.protocol == TCP && !encrypted && is_followed(policy, source_status) {
        packet.place = world.find_segment(packet) as u32;
    }
    let outcome = judge_packet(world, policy, packet, encrypted, source_status);
    if packet.is(flag::FIRST_FRAGMENT) {
        let state = match source_status {
            SourceStatus::Decided(_) => 0,
            SourceStatus::Known { .. } if is_of_known_flow(world, packet) => fragments::OF_KNOWN_FLOW,
            SourceStatus::Known { .. } | SourceStatus::Stranger => fragments::OF_STRANGER,
        };
        world.settle_fragment(packet, outcome.reason, state);
    }
    let Outcome { reason, signature, charged } = outcome;
    Verdict { reason, signature, enforced: policy.enforce != 0, known, charged }
}

/// A packet whose transport header is behind more than is followed, or in another fragment than its first one: nobody can
/// say which port it is for.
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

/// Whether its connections are followed: not where all passes or all drops.
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

/// Whether the packet is for a SIP port, and if so whether that port speaks TLS.
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
fn later_fragment<W: World>(world: &W, packet: &Packet) -> Outcome {
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

/// What the lists say of an address.
#[derive(Clone, Copy, Debug)]
pub enum SourceStatus {
    Decided(Reason),
    /// Has authenticated lately, from this many phones.
    Known {
        budget: u32,
    },
    Stranger,
}

impl SourceStatus {
    const DECIDED: u64 = 1;
    const KNOWN: u64 = 2;
}

impl Packed for SourceStatus {
    type Word = u64;

    #[inline(always)]
    fn pack(self) -> u64 {
        match self {
            Self::Stranger => 0,
            Self::Decided(reason) => Self::DECIDED | (reason as u64) << 8,
            Self::Known { budget } => Self::KNOWN | (budget as u64) << 32,
        }
    }

    #[inline(always)]
    fn unpack(word: u64) -> Self {
        match word & 3 {
            Self::DECIDED => Self::Decided(Reason::unpack((word >> 8) as u32)),
            Self::KNOWN => Self::Known { budget: (word >> 32) as u32 },
            _ => Self::Stranger,
        }
    }
}

/// Trusted beats banned, and banned beats known.
#[inline(always)]
pub fn source_status<W: World>(world: &W, address: &Address) -> SourceStatus {
    let now = world.now();
    let mut budget = 0;
    if let Some(entry) = world.source(address)
        && entry.expires > now
    {
        match entry.kind {
            // This ban lies inside a trusted prefix.
            kind::BANNED if entry.shadowed_until > now => return SourceStatus::Decided(Reason::Trusted),
            kind::BANNED => return SourceStatus::Decided(Reason::Ban),
            kind::TRUSTED => return SourceStatus::Decided(Reason::Trusted),
            kind::KNOWN => budget = if entry.budget == 0 { 1 } else { entry.budget },
            _ => {}
        }
    }
    if let Some(entry) = world.prefix(address)
        && entry.expires > now
    {
        match entry.kind {
            kind::BANNED if entry.shadowed_until > now => return SourceStatus::Decided(Reason::Trusted),
            kind::BANNED => return SourceStatus::Decided(Reason::BanPrefix),
            kind::TRUSTED => return SourceStatus::Decided(Reason::Trusted),
            _ => {}
        }
    }
    if budget == 0 { SourceStatus::Stranger } else { SourceStatus::Known { budget } }
}

/// One packet in front of the rules for those who are neither trusted nor banned.
struct RuleContext<'a, W> {
    world: &'a W,
    policy: &'a Policy,
    packet: &'a Packet,
}

/// What a packet is, before any limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketClass {
    pub kind: Kind,
    pub class: Class,
    /// Why it passes if no rule objects.
    pub pass: Reason,
    /// It may open a flow.
    pub opens: bool,
    /// It has a message that signatures may be in.
    pub message: bool,
    /// It is part of a TCP stream that can be read.
    pub followed: bool,
}

impl Packed for PacketClass {
    type Word = u32;

    #[inline(always)]
    fn pack(self) -> u32 {
        let flags = self.opens as u32 | (self.message as u32) << 1 | (self.followed as u32) << 2;
        self.kind.pack() | (self.class as u32) << 8 | (self.pass as u32) << 16 | flags << 24
    }

    #[inline(always)]
    fn unpack(word: u32) -> Self {
        Self {
            kind: Kind::unpack(word & 0xff),
            class: Class::unpack(word >> 8 & 0xff),
            pass: Reason::unpack(word >> 16),
            opens: word >> 24 & 1 != 0,
            message: word >> 25 & 1 != 0,
            followed: word >> 26 & 1 != 0,
        }
    }
}

/// What a packet is. `encrypted`: its port speaks TLS.
#[inline(always)]
pub fn packet_class<W: World>(world: &W, packet: &Packet, encrypted: bool) -> PacketClass {
    let place = Place::unpack(packet.place);
    let tcp = packet.protocol == TCP;
    let quiet = |class, pass| PacketClass {
        kind: Kind::NotSip,
        class,
        pass,
        opens: false,
        message: false,
        followed: false,
    };
    if packet.is(flag::CONNECT) && packet.length == 0 {
        // No flow: a crowd that connects is bounded by connects a second, not by its ports.
        return quiet(Class::Connect, Reason::TcpControl);
    }
    if tcp && packet.length == 0 {
        return quiet(Class::Stream, Reason::TcpControl);
    }
    if encrypted {
        return quiet(Class::Stream, Reason::Stream);
    }
    let alone = || match sip::classify_plain(world.payload(packet), packet.length) {
        Some(kind) => kind,
        None => world.classify(packet),
    };
    let kind = if tcp { segments::kind(place, world.payload(packet), packet.length, alone) } else { alone() };
    let (class, pass) = match kind {
        Kind::Keepalive => (Class::Keepalive, Reason::Keepalive),
        // The middle of a message, or nothing that anybody knows.
        Kind::NotSip | Kind::Hidden if tcp => (Class::Stream, Reason::Stream),
        Kind::Response => (Class::Response, Reason::Response),
        Kind::Request(class) => (class, Reason::Request),
        Kind::UnknownMethod => (Class::Other, Reason::Request),
        Kind::NotSip | Kind::Hidden => (Class::Other, Reason::NotSip),
    };
    let silent = matches!(kind, Kind::Keepalive | Kind::Response);
    let message = if tcp { begins_message(kind) } else { !silent };
    PacketClass { kind, class, pass, opens: !tcp && !silent, message, followed: tcp }
}

impl<W: World> RuleContext<'_, W> {
    #[inline(always)]
    const fn stranger(&self) -> bool {
        self.packet.phones == 0
    }

    #[inline(always)]
    fn judge(&self, encrypted: bool) -> Outcome {
        let packet_class = self.world.packet_class(self.packet, encrypted);
        if let Some(reason) = self.method_refused(packet_class.kind) {
            return reason.into();
        }
        // Before the search: it costs a fraction, and a flood ends here.
        let limit = self.charge(packet_class.class, 1, packet_class.opens);
        let over = limit.reason(packet_class.class);
        if let Some(reason) = over
            && !(packet_class.message && self.may_answer(limit))
        {
            return reason.into();
        }
        if !packet_class.message && !packet_class.followed {
            return packet_class.pass.into();
        }
        let (mut candidate, mut charged) = (Some(0), None);
        if packet_class.message {
            if let Some(form) = self.form_refused(packet_class.kind) {
                return form.reason().into();
            }
            let scan = self.world.scan(self.packet);
            if self.suspended(packet_class.kind, scan) {
                return Reason::Suspended.into();
            }
            let guess = self.guess(scan);
            if let Some(reason) = guess.reason() {
                return reason.into();
            }
            if let Some(reason) = over
                && !guess.is_answer()
            {
                return reason.into();
            }
            if self.asks_too_often(packet_class.kind, scan) {
                return Reason::RateAsking.into();
            }
            (candidate, charged) = (scan.candidate(), guess.charged());
        } else if matches!(Place::unpack(self.packet.place), Place::Inside)
            && let Some(form) = form_inside(self.world, self.policy, self.packet)
        {
            return form.reason().into();
        }
        let outcome = self.content(&packet_class, candidate);
        if outcome.charged.is_none() { Outcome { charged, ..outcome } } else { outcome }
    }

    /// In a crowd, newcomers may still answer what the PBX has asked them: so whoever has got through once is in. Of that
    /// they may guess no more than ever, and send as little as newcomers do.
    #[inline(always)]
    const fn may_answer(&self, limit: Limit) -> bool {
        matches!(limit, Limit::Newcomers) && self.policy.guesses.issued.interval != 0
    }

    /// What a signature says, or what else is in a segment or in a part of a datagram.
    #[inline(always)]
    fn content(&self, packet_class: &PacketClass, candidate: Option<u32>) -> Outcome {
        if packet_class.followed {
            return self.segment(self.read(packet_class, candidate.is_some()));
        }
        if self.packet.is(flag::FIRST_FRAGMENT) {
            let read = self.read(packet_class, true);
            let stream = self.world.walk_stream(self.packet, Begin::Datagram, read.search);
            return self.world.judge_first_fragment(self.packet, read, stream);
        }
        if !self.is_searched() {
            return packet_class.pass.into();
        }
        match candidate.and_then(|candidate| self.world.find_signature(self.packet, candidate)) {
            Some(signature) => Outcome { signature, ..Reason::Signature.into() },
            None => packet_class.pass.into(),
        }
    }

    #[inline(always)]
    fn segment(&self, read: Read) -> Outcome {
        let begin = segments::begin(Place::unpack(self.packet.place), read.packet_class.kind);
        let is_inside = matches!(begin, Begin::Carried) && goes_on_in_header(self.world, self.packet);
        let stream = self.world.walk_stream(self.packet, begin, read.search);
        let (guess, named) = charge_named(self.world, self.policy, self.packet, is_inside, stream);
        let mut outcome = match guess.reason() {
            Some(reason) => reason.into(),
            None => self.world.judge_segment(self.packet, Read { named, ..read }, stream),
        };
        if outcome.charged.is_none() {
            outcome.charged = guess.charged();
        }
        if matches!(outcome.reason.action(), Action::Pass)
            && !stream.nothing_later()
            && !matches!(begin, Begin::Anywhere)
            && let Some(reason) = self.world.charge_later(self.packet, stream)
        {
            outcome = reason.into();
        }
        // Where nothing drops, the stack gets it whatever the reason is.
        if Place::unpack(self.packet.place).is_connected()
            && (matches!(outcome.reason.action(), Action::Pass) || self.policy.enforce == 0)
        {
            self.world.keep_segment(self.packet);
        }
        outcome
    }

    /// `may_be`: there may be a signature in it.
    #[inline(always)]
    fn read(&self, packet_class: &PacketClass, may_be: bool) -> Read {
        let search = match (self.is_searched(), may_be) {
            (false, _) => Search::Messages,
            (true, false) => Search::Rest,
            (true, true) => Search::Signatures,
        };
        Read { packet_class: *packet_class, search, named: 0 }
    }

    /// Charges credentials.
    #[inline(always)]
    fn guess(&self, scan: Scan) -> Guess {
        let refuse_names = self.stranger() && self.policy.forms & Form::Names.bit() != 0;
        let judged = self.policy.guesses.issued.interval != 0 || refuse_names;
        if judged && scan.credentials() {
            self.world.guess(self.packet, Wanted::Credentials, refuse_names)
        } else {
            Guess::Free
        }
    }

    /// Of a request that opens something.
    #[inline(always)]
    fn asks_too_often(&self, kind: Kind, scan: Scan) -> bool {
        let opens = match kind {
            Kind::Request(class) => !matches!(class, Class::Dialog),
            Kind::UnknownMethod => true,
            Kind::Response | Kind::Keepalive | Kind::NotSip | Kind::Hidden => false,
        };
        let may_be_limited = opens && self.stranger() && self.world.guard().suspended != 0;
        may_be_limited && self.world.asks_too_often(self.packet, scan.credentials())
    }

    /// Whether signatures are looked for: in whatever does not come from a port that is known at its source. Anybody can
    /// write the address of a known source, and an attacker may share it.
    #[inline(always)]
    fn is_searched(&self) -> bool {
        self.stranger() || self.policy.search_known != 0 || !is_of_known_flow(self.world, self.packet)
    }

    #[inline(always)]
    fn stream(&self, read: Read, stream: Stream) -> Outcome {
        let place = Place::unpack(self.packet.place);
        let begin = segments::begin(place, read.packet_class.kind);
        if let Some(outcome) = self.later_refused(begin, stream) {
            return outcome;
        }
        let unread = matches!(begin, Begin::Anywhere) && self.stranger();
        let found = stream.credentials() + unread as u32;
        // Those in a segment that begins with a message were read with their names.
        if found == 0 || read.packet_class.message {
            return read.packet_class.pass.into();
        }
        if suspends_anything(self.world, self.packet.source, !self.stranger()) {
            return Reason::Suspended.into();
        }
        let guesses = found.saturating_sub(read.named);
        let guess = charge_unnamed(self.world, self.packet, place.is_connected(), guesses);
        Outcome { charged: guess.charged(), ..guess.reason().unwrap_or(read.packet_class.pass).into() }
    }

    /// Requests behind the first one in a segment are judged like it.
    #[inline(always)]
    fn later_refused(&self, begin: Begin, stream: Stream) -> Option<Outcome> {
        if let Some(signature) = stream.signature() {
            return Some(Outcome { signature, ..Reason::Signature.into() });
        }
        // Where nobody knows how a segment begins, an empty line in it may stand in a text.
        if stream.nothing_later() || matches!(begin, Begin::Anywhere) {
            return None;
        }
        if stream.is_tangled() {
            return Some(Reason::Malformed.into());
        }
        if stream.later(Class::Options) > 0
            && let Some(reason) = self.method_refused(Kind::Request(Class::Options))
        {
            return Some(reason.into());
        }
        if stream.later_unknown() > 0
            && let Some(reason) = self.method_refused(Kind::UnknownMethod)
        {
            return Some(reason.into());
        }
        None
    }

    /// What the policy says of the method alone.
    #[inline(always)]
    fn method_refused(&self, kind: Kind) -> Option<Reason> {
        match kind {
            Kind::Request(Class::Options) if self.policy.drop_options != 0 && self.stranger() => {
                Some(Reason::OptionsStranger)
            }
            Kind::Hidden if self.packet.protocol != TCP => Some(Reason::Malformed),
            // Nobody sends blanks in fragments, unless a message is to follow them.
            Kind::Keepalive if self.packet.is(flag::FIRST_FRAGMENT) => Some(Reason::FragmentTiny),
            Kind::UnknownMethod if self.policy.drop_unknown_methods != 0 => Some(Reason::MethodUnknown),
            _ => None,
        }
    }

    /// A form that the policy refuses. Whoever is known has shown that the PBX understands those that hide nothing.
    #[inline(always)]
    fn form_refused(&self, kind: Kind) -> Option<Form> {
        let refused = self.policy.forms & if self.stranger() { Form::EVERY } else { Form::HIDING };
        if refused == 0 {
            return None;
        }
        let begin = form::Begin::of(kind, self.packet.protocol == TCP)?;
        Form::first(self.world.forms(self.packet, begin) & refused)
    }

    /// Only what opens something, or carries credentials: a call that runs goes on, and ends as it should.
    #[inline(always)]
    fn suspended(&self, kind: Kind, scan: Scan) -> bool {
        let opens = match kind {
            Kind::Request(Class::Dialog) | Kind::Response | Kind::NotSip | Kind::Hidden => false,
            Kind::Request(_) | Kind::UnknownMethod => true,
            Kind::Keepalive => return false,
        };
        let credentials = scan.credentials();
        (opens || credentials) && self.world.guard().suspends() && {
            let in_dialog = matches!(kind, Kind::Request(Class::Dialog));
            self.world
                .suspended(self.packet, Asked { known: !self.stranger(), opens, in_dialog, credentials })
        }
    }

    #[inline(always)]
    fn charge(&self, class: Class, packets: u32, opens: bool) -> Limit {
        charge(self.world, self.packet, Charge { class, packets, opens })
    }
}

/// A form that the policy refuses, of what goes on where another packet ended. They are of those that drop for everybody.
#[inline(always)]
fn form_inside<W: World>(world: &W, policy: &Policy, packet: &Packet) -> Option<Form> {
    let refused = policy.forms & Form::HIDING;
    if refused == 0 {
        return None;
    }
    let begin = world.with_carried(|carried| form::Begin::inside(carried))??;
    Form::first(world.forms(packet, begin) & refused)
}

/// What is known of a segment or of a first fragment before it is read.
#[derive(Clone, Copy, Debug)]
pub struct Read {
    pub packet_class: PacketClass,
    pub search: Search,
    /// Headers with credentials whose names were read, in what goes on in a header.
    pub named: u32,
}

impl Packed for Read {
    type Word = u64;

    #[inline(always)]
    fn pack(self) -> u64 {
        ((self.named & 0xff) as u64) << 40 | (self.search as u64) << 32 | self.packet_class.pack() as u64
    }

    #[inline(always)]
    fn unpack(word: u64) -> Self {
        Self {
            packet_class: PacketClass::unpack(word as u32),
            search: Search::unpack((word >> 32) as u32 & 0xff),
            named: (word >> 40) as u32 & 0xff,
        }
    }
}

/// Charges the requests behind the first one in a segment. Says why the segment drops, if it does.
#[inline(always)]
pub fn charge_later<W: World>(world: &W, packet: &Packet, stream: Stream) -> Option<Reason> {
    for class in [Class::Register, Class::Invite, Class::Options, Class::Dialog, Class::Other] {
        let unknown = if matches!(class, Class::Other) { stream.later_unknown() } else { 0 };
        let packets = stream.later(class) + unknown;
        if packets == 0 {
            continue;
        }
        let limit = charge(world, packet, Charge { class, packets, opens: false });
        if let Some(reason) = limit.reason(class) {
            return Some(reason);
        }
    }
    None
}

/// All of a TCP segment: what it goes on with, and what it begins, but for what [`charge_later`] charges.
#[inline(always)]
pub fn judge_segment<W: World>(world: &W, packet: &Packet, read: Read, stream: Stream) -> Outcome {
    // Pass: no policy, no rule.
    let Some(policy) = world.policy() else { return read.packet_class.pass.into() };
    let context = RuleContext { world, policy, packet };
    context.stream(read, stream)
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

/// Whether the packet comes from a port that is known.
#[inline(always)]
fn is_of_known_flow<W: World>(world: &W, packet: &Packet) -> bool {
    world.known_flow(&packet.flow_key()).is_some_and(|flow| flow.expires > world.now())
}

/// Whether a segment of that kind begins with a message.
#[inline(always)]
const fn begins_message(kind: Kind) -> bool {
    matches!(kind, Kind::Request(_) | Kind::UnknownMethod | Kind::Response)
}

/// Whether a packet goes on in the middle of a line of a header. Where it begins with a line end, that may be the end of the
/// header, and what follows may be anything.
#[inline(always)]
fn goes_on_in_header<W: World>(world: &W, packet: &Packet) -> bool {
    let is_in_header = |carried: &mut Carried| match carried.phase {
        phase::HEADERS => true,
        phase::DATAGRAM => carried.row != 0,
        _ => false,
    };
    world.with_carried(is_in_header).unwrap_or(false)
        && !matches!(world.payload(packet).byte(0), Some(b'\r' | b'\n') | None)
}

/// Charges the credentials in the rest of a header whose names can be read, and says of how many headers that is so.
#[inline(always)]
fn charge_named<W: World>(
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

/// Charges credentials of which nobody reads whose they are. `connected`: over a connection nobody is in another's name.
#[inline(always)]
fn charge_unnamed<W: World>(world: &W, packet: &Packet, connected: bool, guesses: u32) -> Guess {
    let Some(policy) = world.policy() else { return Guess::Free };
    if guesses == 0 || policy.guesses.issued.interval == 0 {
        return Guess::Free;
    }
    let budget = if connected || !world.watched() { Budget::Issued } else { Budget::Other };
    world.charge_guesses(packet, budget, segments::fingerprint(packet, policy.key), guesses)
}

/// Whether anything of that source is suspended: an account, or a flow.
#[inline(always)]
fn suspends_anything<W: World>(world: &W, source: Address, known: bool) -> bool {
    let key = SuspensionKey { source, what: SuspensionKey::ANYTHING };
    world.guard().suspended != 0
        && world.suspension(&key).is_some_and(|entry| {
            entry.expires > world.now() && !(known && entry.flags & suspension::EXEMPT_KNOWN != 0)
        })
}

impl GuardState {
    #[inline(always)]
    const fn suspends(&self) -> bool {
        self.suspended != 0 || self.locked != 0
    }
}

/// A request of which is asked whether it is suspended.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Its source has authenticated lately.
    pub known: bool,
    /// It opens something, whoever it is from. What does not is somebody's by its credentials alone.
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

/// Whether the request's flow, or an account that it names, is suspended here or everywhere. Credentials whose name is
/// not certain, or more of them than are looked at, count as suspended: they could be of anybody.
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
