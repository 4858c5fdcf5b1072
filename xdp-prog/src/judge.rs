//! The path of a packet, step by step. Each step says why it lets go of the packet.

use crate::{
    abi::{
        Address, AddressHash, FlowKey, FragmentKey, GuardState, GuessState, KnownFlow, Meter, Policy,
        PrefixState, Refunds, SourceEntry, SourceState, Suspension, SuspensionKey, kind, suspension,
    },
    account::{self, BY_CREDENTIALS, BY_FROM, MORE, Named, Wanted},
    bytes::Bytes,
    charge::{Charge, Limit},
    form::{self, Form},
    frame::{Depth, Packet, TCP, flag},
    guess::{Budget, Guess, Tally},
    matcher::Scan,
    reason::{Action, Class, Reason},
    sip::{self, Kind},
    stream::Stream,
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
    /// The state of a source, made if there is none.
    fn source_state(&self, source: &Address) -> Option<&SourceState>;
    fn prefix_state(&self, neighbourhood: &Address) -> Option<&PrefixState>;
    fn known_flow(&self, key: &FlowKey) -> Option<&KnownFlow>;
    fn fragment_was_dropped(&self, key: &FragmentKey, now: u64) -> bool;
    fn remember_dropped_fragment(&self, key: &FragmentKey, now: u64);
    fn forget_fragment(&self, key: &FragmentKey);
    fn guard(&self) -> GuardState;
    /// Whether what leaves the SIP ports is seen: without that nobody knows what was answered to whom.
    fn watched(&self) -> bool;
    fn suspension(&self, key: &SuspensionKey) -> Option<Suspension>;

    /// [`frame::parse`](crate::frame::parse) of the frame that is being judged.
    fn parse(&self, packet: &mut Packet) -> Depth;
    /// From the packet's payload to the end of the frame.
    fn payload(&self, packet: &Packet) -> Bytes<'_>;
    /// [`nature`].
    fn nature(&self, packet: &Packet, encrypted: bool) -> Nature;
    /// [`sip::classify`] of the packet's payload.
    fn classify(&self, packet: &Packet) -> Kind;
    /// [`charge`](crate::charge::charge).
    fn charge(&self, packet: &Packet, charge: Charge) -> Limit;
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
    /// What is in a TCP segment: with a signature, if it is to `search` for one.
    fn walk_stream(&self, packet: &Packet, response: bool, search: bool) -> Stream;

    /// [`guess::judge`](crate::guess::judge).
    fn guess(&self, packet: &Packet, refuse_names: bool) -> Guess;
    /// [`asking::is_too_many`](crate::asking::is_too_many).
    fn asks_too_often(&self, packet: &Packet, credentials: bool) -> bool;
    /// What a line that is limited has asked, made if there is none.
    fn asked(&self, line: &Address) -> Option<&Meter>;
    /// [`guess::charge`](crate::guess::charge).
    fn charge_guesses(&self, packet: &Packet, budget: Budget, print: u64, guesses: u32) -> Guess;
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
    /// The hash of credentials, as [`siphash`](crate::siphash) makes it.
    fn print(&self, packet: &Packet, named: &Named, key: [u64; 2]) -> u64;
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
}

/// Why, and which signature.
#[derive(Clone, Copy)]
struct Because {
    reason: Reason,
    signature: u16,
    charged: Option<Budget>,
}

impl From<Reason> for Because {
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
        Depth::LaterFragment => return later_fragment(world, packet),
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
    let standing = standing(world, &packet.source);
    let known = matches!(standing, Standing::Known { .. });
    let because = judge_packet(world, policy, packet, encrypted, standing);
    if packet.is(flag::FIRST_FRAGMENT) {
        settle_fragment(world, packet, because.reason);
    }
    let Because { reason, signature, charged } = because;
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
    let reason = match standing(world, &packet.source) {
        Standing::Decided(reason) => reason,
        _ if policy.trusted_only != 0 => Reason::TrustedOnly,
        Standing::Known { .. } | Standing::Stranger if policy.forms & Form::IpChain.bit() != 0 => {
            Reason::FormIpChain
        }
        Standing::Known { .. } | Standing::Stranger => Reason::BadIp,
    };
    match reason.action() {
        // It may be for any port, so that nothing else is said about it.
        Action::Pass => untouched(Reason::BadIp),
        Action::Drop => Verdict { enforced: policy.enforce != 0, ..untouched(reason) },
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

/// A fragment without ports follows its first one; without a dropped one it passes, whoever sent it.
#[inline(always)]
fn later_fragment<W: World>(world: &W, packet: &Packet) -> Verdict {
    if !world.fragment_was_dropped(&packet.fragment_key(), world.now()) {
        return untouched(Reason::Fragment);
    }
    let enforced = matches!(world.policy(), Some(policy) if policy.enforce != 0);
    Verdict { reason: Reason::FragmentRest, signature: 0, enforced, known: false, charged: None }
}

#[inline(always)]
fn settle_fragment<W: World>(world: &W, packet: &Packet, reason: Reason) {
    let key = packet.fragment_key();
    match reason.action() {
        // Its rest can never become a packet without it, and may be that of a real one under the same id.
        Action::Drop if matches!(reason, Reason::FragmentTiny | Reason::Malformed) => {}
        Action::Drop => world.remember_dropped_fragment(&key, world.now()),
        // A forged first fragment under the same id must not cost the real one its rest.
        Action::Pass => world.forget_fragment(&key),
    }
}

#[inline(always)]
fn judge_packet<W: World>(
    world: &W,
    policy: &Policy,
    packet: &Packet,
    encrypted: bool,
    standing: Standing,
) -> Because {
    let budget = match standing {
        Standing::Decided(reason) => return reason.into(),
        Standing::Known { budget } => budget,
        Standing::Stranger => 0,
    };
    if policy.trusted_only != 0 {
        return Reason::TrustedOnly.into();
    }
    // Drop: the stack would refuse it too, and it is for a SIP port.
    if packet.is(flag::MALFORMED) {
        return Reason::Malformed.into();
    }
    let turn = Turn { world, policy, packet, budget };
    if packet.is(flag::FIRST_FRAGMENT) && packet.length < FIRST_FRAGMENT_MIN {
        return Reason::FragmentTiny.into();
    }
    turn.judge(encrypted)
}

/// What the lists say of an address.
#[derive(Clone, Copy, Debug)]
pub enum Standing {
    Decided(Reason),
    /// Has authenticated lately, from this many phones.
    Known {
        budget: u32,
    },
    Stranger,
}

/// Trusted beats banned, and banned beats known.
#[inline(always)]
pub fn standing<W: World>(world: &W, address: &Address) -> Standing {
    let now = world.now();
    let mut budget = 0;
    if let Some(entry) = world.source(address)
        && entry.expires > now
    {
        match entry.kind {
            // This ban lies inside a trusted prefix.
            kind::BANNED if entry.shadowed_until > now => return Standing::Decided(Reason::Trusted),
            kind::BANNED => return Standing::Decided(Reason::Ban),
            kind::TRUSTED => return Standing::Decided(Reason::Trusted),
            kind::KNOWN => budget = if entry.budget == 0 { 1 } else { entry.budget },
            _ => {}
        }
    }
    if let Some(entry) = world.prefix(address)
        && entry.expires > now
    {
        match entry.kind {
            kind::BANNED if entry.shadowed_until > now => return Standing::Decided(Reason::Trusted),
            kind::BANNED => return Standing::Decided(Reason::BanPrefix),
            kind::TRUSTED => return Standing::Decided(Reason::Trusted),
            _ => {}
        }
    }
    if budget == 0 { Standing::Stranger } else { Standing::Known { budget } }
}

/// One packet in front of the rules for those who are neither trusted nor banned.
struct Turn<'a, W> {
    world: &'a W,
    policy: &'a Policy,
    packet: &'a Packet,
    /// Phones behind a known source; zero: a stranger.
    budget: u32,
}

/// What a packet is, before any limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nature {
    kind: Kind,
    class: Class,
    /// Why it passes if no rule objects.
    pass: Reason,
    /// It may open a flow.
    opens: bool,
    /// It has a message that signatures may be in.
    message: bool,
}

impl Nature {
    /// In a word, because that is all a separately verified function may return.
    #[inline(always)]
    pub const fn word(self) -> u32 {
        let pass = match self.pass {
            Reason::Response => 1,
            Reason::Keepalive => 2,
            Reason::NotSip => 3,
            Reason::Stream => 4,
            Reason::TcpControl => 5,
            _ => 0,
        };
        self.kind.code()
            | (self.class as u32) << 8
            | pass << 16
            | (self.opens as u32) << 24
            | (self.message as u32) << 25
    }

    #[inline(always)]
    pub const fn from_word(word: u32) -> Self {
        let pass = match word >> 16 & 0xff {
            1 => Reason::Response,
            2 => Reason::Keepalive,
            3 => Reason::NotSip,
            4 => Reason::Stream,
            5 => Reason::TcpControl,
            _ => Reason::Request,
        };
        Self {
            kind: Kind::from_code(word & 0xff),
            class: Class::from_code(word >> 8 & 0xff),
            pass,
            opens: word >> 24 & 1 != 0,
            message: word >> 25 & 1 != 0,
        }
    }
}

impl<W: World> Turn<'_, W> {
    #[inline(always)]
    const fn stranger(&self) -> bool {
        self.budget == 0
    }

    #[inline(always)]
    fn judge(&self, encrypted: bool) -> Because {
        let nature = self.world.nature(self.packet, encrypted);
        if let Some(reason) = self.method_refused(nature.kind) {
            return reason.into();
        }
        // Before the search: it costs a fraction, and a flood ends here.
        let limit = self.charge(nature.class, 1, nature.opens);
        let over = limit.reason(nature.class);
        if let Some(reason) = over
            && !(nature.message && self.may_answer(limit))
        {
            return reason.into();
        }
        if !nature.message {
            return nature.pass.into();
        }
        if let Some(form) = self.form_refused(nature.kind) {
            return form.reason().into();
        }
        let scan = self.world.scan(self.packet);
        if self.suspended(nature.kind, scan) {
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
        if self.asks_too_often(nature.kind, scan) {
            return Reason::RateAsking.into();
        }
        let refused = self.message_refused(nature.kind, scan.candidate());
        refused.unwrap_or(Because { charged: guess.charged(), ..nature.pass.into() })
    }

    /// In a crowd, newcomers may still answer what the PBX has asked them: so whoever has got through once is in. Of that
    /// they may guess no more than ever, and send as little as newcomers do.
    #[inline(always)]
    const fn may_answer(&self, limit: Limit) -> bool {
        matches!(limit, Limit::Newcomers) && self.policy.guesses.issued.interval != 0
    }

    /// Because of a signature, or of a request behind the first one in a segment.
    #[inline(always)]
    fn message_refused(&self, kind: Kind, candidate: Option<u32>) -> Option<Because> {
        if self.packet.protocol == TCP {
            let response = matches!(kind, Kind::Response);
            return self.later_refused(self.world.walk_stream(self.packet, response, candidate.is_some()));
        }
        let signature = self.world.find_signature(self.packet, candidate?)?;
        Some(Because { signature, ..Reason::Signature.into() })
    }

    /// Charges credentials.
    #[inline(always)]
    fn guess(&self, scan: Scan) -> Guess {
        let refuse_names = self.stranger() && self.policy.forms & Form::Names.bit() != 0;
        let judged = self.policy.guesses.issued.interval != 0 || refuse_names;
        if judged && scan.credentials() { self.world.guess(self.packet, refuse_names) } else { Guess::Free }
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

    /// Requests behind the first one in a segment are judged like it.
    #[inline(always)]
    fn later_refused(&self, stream: Stream) -> Option<Because> {
        if let Some(signature) = stream.signature() {
            return Some(Because { signature, ..Reason::Signature.into() });
        }
        if stream.nothing_later() {
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
        for class in [Class::Register, Class::Invite, Class::Options, Class::Dialog, Class::Other] {
            let unknown = if matches!(class, Class::Other) { stream.later_unknown() } else { 0 };
            let packets = stream.later(class) + unknown;
            if packets > 0
                && let Some(reason) = self.charge(class, packets, false).reason(class)
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
            Kind::Request(Class::Options) if self.policy.drop_options != 0 && self.stranger() => {
                Some(Reason::OptionsStranger)
            }
            Kind::Hidden if self.packet.protocol != TCP => Some(Reason::Malformed),
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
        self.world.charge(self.packet, Charge { class, packets, opens, budget: self.budget })
    }
}

/// A TCP segment is judged by what it begins with: a message that was split elsewhere passes as the
/// middle of a stream.
#[inline(always)]
pub fn nature<W: World>(world: &W, packet: &Packet, encrypted: bool) -> Nature {
    let tcp = packet.protocol == TCP;
    let quiet = |class, pass| Nature { kind: Kind::NotSip, class, pass, opens: false, message: false };
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
    let kind = kind(world, packet);
    match kind {
        Kind::Keepalive => quiet(Class::Keepalive, Reason::Keepalive),
        // Blanks may be the middle of a text that was sent in pieces.
        Kind::NotSip | Kind::Hidden if tcp => quiet(Class::Stream, Reason::Stream),
        // Behind a response in a TCP segment there may be a request.
        Kind::Response => {
            Nature { kind, class: Class::Response, pass: Reason::Response, opens: false, message: tcp }
        }
        Kind::Request(class) => Nature { kind, class, pass: Reason::Request, opens: !tcp, message: true },
        Kind::UnknownMethod => {
            Nature { kind, class: Class::Other, pass: Reason::Request, opens: !tcp, message: true }
        }
        Kind::NotSip | Kind::Hidden => {
            Nature { kind, class: Class::Other, pass: Reason::NotSip, opens: true, message: true }
        }
    }
}

#[inline(always)]
fn kind<W: World>(world: &W, packet: &Packet) -> Kind {
    match sip::classify_plain(world.payload(packet), packet.length) {
        Some(kind) => kind,
        None => world.classify(packet),
    }
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

impl Asked {
    /// In a word, because that is all a separately verified function takes.
    #[inline(always)]
    pub const fn word(self) -> u32 {
        self.known as u32
            | (self.in_dialog as u32) << 1
            | (self.credentials as u32) << 2
            | (self.opens as u32) << 3
    }

    #[inline(always)]
    pub const fn from_word(word: u32) -> Self {
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
