//! The path of a packet, step by step. Each step says why it lets go of the packet.

use crate::{
    abi::{Address, FragmentKey, Policy, RateLimit, SourceEntry, SourceState, kind},
    bytes::Bytes,
    frame::{self, Frame, Packet, Transport},
    matcher::Stream,
    meter::ticks,
    reason::{Action, Class, Reason},
    sip::{self, Kind},
};

/// What the path needs from outside: the tables, the time, and the functions that the kernel verifies by
/// themselves. The kernel backs it with maps, replay and tests with memory.
pub trait World {
    /// Monotonic nanoseconds.
    fn now(&self) -> u64;
    fn policy(&self) -> Option<&Policy>;
    fn source(&self, address: &Address) -> Option<SourceEntry>;
    /// The entry of the longest prefix that holds `address`.
    fn prefix(&self, address: &Address) -> Option<SourceEntry>;
    /// The state of a source, made if there is none.
    fn source_state(&self, source: &Address) -> Option<&SourceState>;
    fn prefix_state(&self, neighbourhood: &Address) -> Option<&SourceState>;
    fn fragment_was_dropped(&self, key: &FragmentKey, now: u64) -> bool;
    fn remember_dropped_fragment(&self, key: &FragmentKey, now: u64);
    fn forget_fragment(&self, key: &FragmentKey);
    /// [`frame::extension_headers`] of the frame being judged.
    fn extension_headers(&self, offset: u32, protocol: u8) -> u64;
    /// The signature in the datagram whose payload is `length` bytes from `offset`.
    fn find_signature(&self, offset: u32, length: u32) -> Option<u16>;
    /// The same for a TCP segment, with what else is in it.
    fn walk_stream(&self, offset: u32, length: u32, response: bool) -> Stream;
}

/// A packet's fate, and what an event about it needs.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    pub reason: Reason,
    /// The signature that matched, where that is the reason.
    pub signature: u16,
    /// False in monitor mode: the reason stands, the packet passes.
    pub enforced: bool,
    pub seen: Seen,
}

/// Of a packet that was judged beyond its IP header; all zero otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    pub source: Address,
    pub destination: Address,
    pub source_port: u16,
    pub destination_port: u16,
    pub protocol: u8,
}

impl Verdict {
    /// What is done with the packet in the end.
    #[inline(always)]
    pub const fn action(&self) -> Action {
        if self.enforced { self.reason.action() } else { Action::Pass }
    }
}

/// Why, and which signature.
#[derive(Clone, Copy)]
struct Because {
    reason: Reason,
    signature: u16,
}

impl From<Reason> for Because {
    #[inline(always)]
    fn from(reason: Reason) -> Self {
        Self { reason, signature: 0 }
    }
}

/// The first fragment of a stranger must hold at least this much payload: no network path cuts packets so
/// small, and less could hide the start line.
const FIRST_FRAGMENT_MIN: u32 = 128;

/// Judges one frame.
#[inline(always)]
pub fn judge<W: World>(world: &W, frame: Bytes<'_>) -> Verdict {
    let packet = match frame::parse(frame, |offset, protocol| world.extension_headers(offset, protocol)) {
        Frame::Packet(packet) => packet,
        Frame::LaterFragment(key) => return later_fragment(world, &key),
        Frame::Foreign(reason) => return untouched(reason),
    };
    // Pass: there is no policy yet, so there is nothing to enforce.
    let Some(policy) = world.policy() else { return untouched(Reason::OtherPort) };
    let Some(encrypted) = sip_port(policy, &packet) else { return untouched(Reason::OtherPort) };
    let because = judge_packet(world, policy, &packet, encrypted);
    if let Some(id) = packet.fragment {
        settle_fragment(world, &packet, id, because.reason);
    }
    Verdict {
        reason: because.reason,
        signature: because.signature,
        enforced: policy.enforce != 0,
        seen: Seen {
            source: packet.source,
            destination: packet.destination,
            source_port: packet.source_port,
            destination_port: packet.destination_port,
            protocol: packet.transport.protocol(),
        },
    }
}

#[inline(always)]
fn untouched(reason: Reason) -> Verdict {
    Verdict { reason, signature: 0, enforced: true, seen: Seen::default() }
}

/// Whether the packet is for a SIP port, and if so whether that port speaks TLS.
#[inline(always)]
fn sip_port(policy: &Policy, packet: &Packet<'_>) -> Option<bool> {
    let port = packet.destination_port;
    match packet.transport {
        Transport::Udp => policy.udp.has(port).then_some(false),
        Transport::Tcp { .. } if policy.tcp.has(port) => Some(false),
        Transport::Tcp { .. } => policy.tls.has(port).then_some(true),
    }
}

/// A fragment without ports follows its first one; without a dropped one it passes, whoever sent it.
#[inline(always)]
fn later_fragment<W: World>(world: &W, key: &FragmentKey) -> Verdict {
    if !world.fragment_was_dropped(key, world.now()) {
        return untouched(Reason::Fragment);
    }
    let enforced = matches!(world.policy(), Some(policy) if policy.enforce != 0);
    let seen = Seen {
        source: key.source,
        destination: key.destination,
        protocol: key.protocol as u8,
        ..Seen::default()
    };
    Verdict { reason: Reason::FragmentRest, signature: 0, enforced, seen }
}

#[inline(always)]
fn settle_fragment<W: World>(world: &W, packet: &Packet<'_>, id: u32, reason: Reason) {
    let key = FragmentKey {
        source: packet.source,
        destination: packet.destination,
        id,
        protocol: packet.transport.protocol() as u32,
    };
    match reason.action() {
        Action::Drop => world.remember_dropped_fragment(&key, world.now()),
        // A forged first fragment under the same id must not cost the real one its rest.
        Action::Pass => world.forget_fragment(&key),
    }
}

#[inline(always)]
fn judge_packet<W: World>(world: &W, policy: &Policy, packet: &Packet<'_>, encrypted: bool) -> Because {
    let now = world.now();
    let standing = match standing(world, &packet.source, now) {
        Ok(standing) => standing,
        Err(reason) => return reason.into(),
    };
    if policy.trusted_only != 0 {
        return Reason::TrustedOnly.into();
    }
    // Drop: the stack would refuse it too, and it is for a SIP port.
    if packet.malformed {
        return Reason::Malformed.into();
    }
    if packet.fragment.is_some() && standing.stranger() && packet.length < FIRST_FRAGMENT_MIN {
        return Reason::FragmentTiny.into();
    }
    let turn = Turn { world, policy, packet, standing, now };
    match packet.transport {
        Transport::Udp => turn.datagram(),
        Transport::Tcp { connect: true } => turn.within(Class::Connect, true, Reason::TcpControl),
        Transport::Tcp { .. } if packet.length == 0 => turn.within(Class::Stream, false, Reason::TcpControl),
        Transport::Tcp { .. } if encrypted => turn.within(Class::Stream, false, Reason::Stream),
        Transport::Tcp { .. } => turn.segment(),
    }
}

/// Who sends, once the trusted and the banned are dealt with.
#[derive(Clone, Copy)]
struct Standing {
    /// Phones behind a known source; zero: a stranger.
    budget: u32,
}

impl Standing {
    #[inline(always)]
    const fn stranger(self) -> bool {
        self.budget == 0
    }
}

#[inline(always)]
fn standing<W: World>(world: &W, address: &Address, now: u64) -> Result<Standing, Reason> {
    if let Some(entry) = world.source(address)
        && entry.expires > now
    {
        match entry.kind {
            // Trusted beats banned: this ban lies inside a trusted prefix.
            kind::BANNED if entry.shadowed_until > now => return Err(Reason::Trusted),
            kind::BANNED => return Err(Reason::Ban),
            kind::TRUSTED => return Err(Reason::Trusted),
            kind::KNOWN => return Ok(Standing { budget: if entry.budget == 0 { 1 } else { entry.budget } }),
            _ => {}
        }
    }
    if let Some(entry) = world.prefix(address)
        && entry.expires > now
    {
        match entry.kind {
            kind::BANNED if entry.shadowed_until > now => return Err(Reason::Trusted),
            kind::BANNED => return Err(Reason::BanPrefix),
            kind::TRUSTED => return Err(Reason::Trusted),
            _ => {}
        }
    }
    Ok(Standing { budget: 0 })
}

/// One packet in front of the rules for those who are neither trusted nor banned.
struct Turn<'a, W> {
    world: &'a W,
    policy: &'a Policy,
    packet: &'a Packet<'a>,
    standing: Standing,
    now: u64,
}

impl<W: World> Turn<'_, W> {
    #[inline(always)]
    fn datagram(&self) -> Because {
        let kind = sip::classify(self.packet.payload, self.packet.length);
        let (class, pass) = match kind {
            Kind::Keepalive => return self.within(Class::Keepalive, false, Reason::Keepalive),
            Kind::Response => return self.within(Class::Response, false, Reason::Response),
            Kind::Request(class) => (class, Reason::Request),
            Kind::UnknownMethod => (Class::Other, Reason::Request),
            Kind::NotSip => (Class::Other, Reason::NotSip),
        };
        if let Some(reason) = self.method_refused(kind) {
            return reason.into();
        }
        // Before the search: it costs a fraction, and a flood ends here.
        if let Some(reason) = self.over_limit(class, 1, true) {
            return reason.into();
        }
        match self.world.find_signature(self.packet.offset, self.packet.length) {
            Some(signature) => Because { reason: Reason::Signature, signature },
            None => pass.into(),
        }
    }

    /// A TCP segment with payload. What it begins with is all that one packet can show of it: a message
    /// that was split elsewhere passes as the middle of a stream.
    #[inline(always)]
    fn segment(&self) -> Because {
        let kind = sip::classify(self.packet.payload, self.packet.length);
        let (class, pass) = match kind {
            Kind::Keepalive => return self.within(Class::Keepalive, false, Reason::Keepalive),
            Kind::NotSip => return self.within(Class::Stream, false, Reason::Stream),
            Kind::Response => (Class::Response, Reason::Response),
            Kind::Request(class) => (class, Reason::Request),
            Kind::UnknownMethod => (Class::Other, Reason::Request),
        };
        if let Some(reason) = self.method_refused(kind) {
            return reason.into();
        }
        if let Some(reason) = self.over_limit(class, 1, false) {
            return reason.into();
        }
        let response = matches!(kind, Kind::Response);
        let stream = self.world.walk_stream(self.packet.offset, self.packet.length, response);
        match self.later_refused(stream) {
            Some(because) => because,
            None => pass.into(),
        }
    }

    /// Requests behind the first one in a segment are judged like it.
    #[inline(always)]
    fn later_refused(&self, stream: Stream) -> Option<Because> {
        if let Some(signature) = stream.signature() {
            return Some(Because { reason: Reason::Signature, signature });
        }
        if stream.nothing_later() {
            return None;
        }
        if stream.later(Class::Options) > 0
            && let Some(reason) = self.method_refused(Kind::Request(Class::Options))
        {
            return Some(reason.into());
        }
        if stream.later_unknown()
            && let Some(reason) = self.method_refused(Kind::UnknownMethod)
        {
            return Some(reason.into());
        }
        for class in [Class::Register, Class::Invite, Class::Options, Class::Dialog, Class::Other] {
            let packets = stream.later(class);
            if packets > 0
                && let Some(reason) = self.over_limit(class, packets, false)
            {
                return Some(reason.into());
            }
        }
        None
    }

    /// What the policy says of the method alone.
    #[inline(always)]
    fn method_refused(&self, kind: Kind) -> Option<Reason> {
        match kind {
            Kind::Request(Class::Options) if self.policy.drop_options != 0 && self.standing.stranger() => {
                Some(Reason::OptionsStranger)
            }
            Kind::UnknownMethod if self.policy.drop_unknown_methods != 0 => Some(Reason::MethodUnknown),
            _ => None,
        }
    }

    /// Passes for reason `pass` if the limits of `class` allow.
    #[inline(always)]
    fn within(&self, class: Class, new_flow: bool, pass: Reason) -> Because {
        self.over_limit(class, 1, new_flow).unwrap_or(pass).into()
    }

    /// Charges the source and, for a stranger, its neighbourhood.
    #[inline(always)]
    fn over_limit(&self, class: Class, packets: u32, new_flow: bool) -> Option<Reason> {
        let source = self.packet.source.source();
        // Pass: the kernel found no memory for the state of this source.
        let state = self.world.source_state(&source)?;
        if !self.standing.stranger() {
            let limit = &self.policy.known[class as usize];
            let admitted = state.meters[class as usize].admit(limit, self.standing.budget, self.now, packets);
            return (!admitted).then_some(class.over_source_rate());
        }
        if !self.admit(state, &self.policy.stranger, class, packets) {
            return Some(class.over_source_rate());
        }
        if new_flow && !self.admit_flow(state, self.policy.flows_per_source) {
            return Some(Reason::Flows);
        }
        let prefix = self.world.prefix_state(&self.packet.source.neighbourhood())?;
        if !self.admit(prefix, &self.policy.prefix, class, packets) {
            return Some(class.over_prefix_rate());
        }
        if new_flow && !self.admit_flow(prefix, self.policy.flows_per_prefix) {
            return Some(Reason::FlowsPrefix);
        }
        None
    }

    #[inline(always)]
    fn admit(
        &self,
        state: &SourceState,
        limits: &[RateLimit; Class::COUNT],
        class: Class,
        packets: u32,
    ) -> bool {
        state.meters[class as usize].admit(&limits[class as usize], 1, self.now, packets)
    }

    #[inline(always)]
    fn admit_flow(&self, state: &SourceState, limit: u32) -> bool {
        state.flows.admit(flow(self.packet), limit, self.policy.flow_window, ticks(self.now))
    }
}

/// A number for the flow; neighbouring ports of one address differ in their low bits.
#[inline(always)]
fn flow(packet: &Packet<'_>) -> u32 {
    let Address([a, b, c, d]) = packet.source;
    let address = (a ^ b ^ c ^ d).wrapping_mul(0x9e37_79b1);
    (address >> 24) ^ (address >> 16) ^ packet.source_port as u32 ^ (packet.source_port as u32 >> 8)
}
