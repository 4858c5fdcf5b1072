//! The rules for sources that are neither trusted nor banned, in their order.

use super::{
    World,
    credentials::{charge_named, charge_unnamed, goes_on_in_header},
    packet_class::PacketClass,
    suspended::{Asked, suspends_anything},
    verdict::Outcome,
};
use crate::{
    abi::Policy,
    account::Wanted,
    charge::{Charge, Limit, charge},
    form::{self, Form},
    frame::{Packet, TCP, flag},
    guess::Guess,
    matcher::Scan,
    packed::Packed,
    reason::{Action, Class, Reason},
    segments::{self, Place},
    sip::Kind,
    stream::{Begin, Search, Stream},
};

/// A packet for the rules for sources that are neither trusted nor banned.
pub(super) struct RuleContext<'a, W> {
    pub(super) world: &'a W,
    pub(super) policy: &'a Policy,
    pub(super) packet: &'a Packet,
}

impl<W: World> RuleContext<'_, W> {
    #[inline(always)]
    const fn stranger(&self) -> bool {
        self.packet.phones == 0
    }

    #[inline(always)]
    pub(super) fn judge(&self, encrypted: bool) -> Outcome {
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

    /// In a crowd, newcomers may still answer the PBX's challenges, so that a phone that has got through once is in.
    /// They may guess no more than otherwise, and send as little as newcomers do.
    #[inline(always)]
    const fn may_answer(&self, limit: Limit) -> bool {
        matches!(limit, Limit::Newcomers) && self.policy.guesses.issued.interval != 0
    }

    /// Searches for signatures, and judges the content of a segment or of a part of a datagram.
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
        // In monitor mode nothing drops, and the stack gets the segment whatever the reason is.
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

    /// True: a request that opens something is one too many without credentials.
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

    /// True: signatures are looked for. They are in all packets that do not come from a known port of their source.
    /// Anybody can forge the address of a known source, and an attacker may share it.
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

    /// Signatures, OPTIONS and unknown methods in requests behind the first one in a segment. Their rates: `charge_later`.
    #[inline(always)]
    fn later_refused(&self, begin: Begin, stream: Stream) -> Option<Outcome> {
        if let Some(signature) = stream.signature() {
            return Some(Outcome { signature, ..Reason::Signature.into() });
        }
        // If the beginning of a segment is not known, an empty line in it may stand in a text.
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

    /// The policy's objection to the method alone.
    #[inline(always)]
    fn method_refused(&self, kind: Kind) -> Option<Reason> {
        match kind {
            Kind::Request(Class::Options) if self.policy.drop_options != 0 && self.stranger() => {
                Some(Reason::OptionsStranger)
            }
            Kind::Hidden if self.packet.protocol != TCP => Some(Reason::Malformed),
            // Blanks come in fragments only if a message is to follow them.
            Kind::Keepalive if self.packet.is(flag::FIRST_FRAGMENT) => Some(Reason::FragmentTiny),
            Kind::UnknownMethod if self.policy.drop_unknown_methods != 0 => Some(Reason::MethodUnknown),
            _ => None,
        }
    }

    /// A form that the policy refuses. A known source has shown that the PBX understands those that hide nothing.
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

/// A form that the policy refuses, in a packet that goes on where another one ended. Only those that hide headers apply there,
/// which drop for known sources, too.
#[inline(always)]
pub(super) fn form_inside<W: World>(world: &W, policy: &Policy, packet: &Packet) -> Option<Form> {
    let refused = policy.forms & Form::HIDING;
    if refused == 0 {
        return None;
    }
    let begin = world.with_carried(|carried| form::Begin::inside(carried))??;
    Form::first(world.forms(packet, begin) & refused)
}

/// The things that are known of a segment or of a first fragment before it is read.
#[derive(Clone, Copy, Debug)]
pub struct Read {
    pub packet_class: PacketClass,
    pub search: Search,
    /// Headers with credentials whose names were read, in a segment or fragment that continues a header.
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

/// Charges the requests behind the first one in a segment. Returns the reason if the segment drops.
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

/// Judges all of a TCP segment: the message that it goes on with and those that it begins, but not the charges of
/// [`charge_later`].
#[inline(always)]
pub fn judge_segment<W: World>(world: &W, packet: &Packet, read: Read, stream: Stream) -> Outcome {
    // Pass: no policy, no rule.
    let Some(policy) = world.policy() else { return read.packet_class.pass.into() };
    let context = RuleContext { world, policy, packet };
    context.stream(read, stream)
}

/// True: the packet comes from a known port.
#[inline(always)]
pub(super) fn is_of_known_flow<W: World>(world: &W, packet: &Packet) -> bool {
    world.known_flow(&packet.flow_key()).is_some_and(|flow| flow.expires > world.now())
}
