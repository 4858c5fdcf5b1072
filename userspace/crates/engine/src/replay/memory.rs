//! The filter in ordinary memory: the packet path of the kernel over tables that behave like its maps.

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    rc::Rc,
    sync::Arc,
};

use ipnet::IpNet;
use xdp_prog::{
    abi::{
        Address, AddressHash, COUNTER_COUNT, Carried, Counter, FlowKey, FragmentKey, FragmentState,
        GuardState, GuessState, Handshake, KnownFlow, MAX_ASKED, MAX_EARLY_FRAGMENTS, MAX_FRAGMENTS,
        MAX_HANDSHAKES, MAX_PREFIX_STATES, MAX_SOURCE_STATES, MAX_STREAMS, Meter, Policy, PrefixState,
        Refunds, Rest, Signatures, SourceEntry, SourceState, StreamKey, StreamState, Suspension,
        SuspensionKey,
    },
    account::{BY_CREDENTIALS, Named, Walk, Wanted},
    asking,
    bytes::{Bytes, Whole},
    charge::{self, Charge, Limit},
    egress, form,
    frame::{self, Depth, Packet, TCP, flag},
    guess::{self, Budget, Guess, Tally},
    judge::{self, Asked, Fragment, Outcome, PacketClass, Read, SourceStatus, Verdict, World},
    matcher::{self, Scan},
    reason::{Action, Reason},
    segments::{self, Place},
    sip::{self, Kind},
    siphash,
    stream::{Begin, Search, Stream},
};

use super::{guesses::Guesses, lru_map::LruMap};
use sipward_types::{
    address::{to_key, to_prefix},
    meters,
    time::KernelTime,
};

type States<T> = RefCell<LruMap<Address, Rc<T>>>;

/// A filter with its tables. The clock stands still until it is set.
#[derive(Debug)]
pub struct Memory {
    // Shared, because they are large and never change.
    policy: Arc<Policy>,
    signatures: Arc<Signatures>,
    sources: HashMap<Address, SourceEntry>,
    /// By length, so that the longest is found first from the end.
    prefixes: BTreeMap<u8, HashMap<u128, SourceEntry>>,
    source_states: States<SourceState>,
    prefix_states: States<PrefixState>,
    suspensions: HashMap<SuspensionKey, Suspension>,
    known_flows: HashMap<FlowKey, KnownFlow>,
    fragments: RefCell<LruMap<FragmentKey, FragmentState>>,
    /// Of each, until when it is remembered.
    early_fragments: RefCell<LruMap<FragmentKey, u64>>,
    /// The guesses of lines.
    guesses: Guesses,
    /// Without knowing what was sent to whom, nobody can say which budget a packet is charged to.
    judges_guesses: Cell<bool>,
    /// The requests without credentials of limited lines.
    asked: States<Meter>,
    /// True if outgoing packets are seen.
    watched: Cell<bool>,
    handshakes: RefCell<LruMap<StreamKey, Handshake>>,
    streams: RefCell<LruMap<StreamKey, StreamState>>,
    counters: RefCell<[Counter; COUNTER_COUNT]>,
    now: Cell<u64>,
}

impl Memory {
    pub fn new(policy: impl Into<Arc<Policy>>, signatures: impl Into<Arc<Signatures>>) -> Self {
        Self {
            policy: policy.into(),
            signatures: signatures.into(),
            sources: HashMap::new(),
            prefixes: BTreeMap::new(),
            source_states: RefCell::new(LruMap::new(MAX_SOURCE_STATES)),
            prefix_states: RefCell::new(LruMap::new(MAX_PREFIX_STATES)),
            suspensions: HashMap::new(),
            known_flows: HashMap::new(),
            fragments: RefCell::new(LruMap::new(MAX_FRAGMENTS)),
            guesses: Guesses::default(),
            judges_guesses: Cell::new(false),
            asked: RefCell::new(LruMap::new(MAX_ASKED)),
            watched: Cell::new(false),
            early_fragments: RefCell::new(LruMap::new(MAX_EARLY_FRAGMENTS)),
            handshakes: RefCell::new(LruMap::new(MAX_HANDSHAKES)),
            streams: RefCell::new(LruMap::new(MAX_STREAMS)),
            counters: RefCell::new([Counter::default(); COUNTER_COUNT]),
            now: Cell::new(0),
        }
    }

    /// Sets the clock, which counts from any beginning. Like the kernel's it never goes back: captures
    /// from several interfaces are not always in order.
    pub fn set_now(&self, now: KernelTime) {
        self.now.set(now.as_nanos().max(self.now.get()));
    }

    /// A single address is looked up by itself, before all prefixes.
    pub fn insert(&mut self, net: IpNet, entry: SourceEntry) {
        if net.prefix_len() == net.max_prefix_len() {
            self.sources.insert(to_key(net.addr()), entry);
        } else {
            let (bytes, length) = to_prefix(net);
            self.prefixes.entry(length).or_default().insert(u128::from_be_bytes(bytes), entry);
        }
    }

    /// An entry as the kernel has it. Those of a source need its marker, too.
    pub fn suspend(&mut self, key: SuspensionKey, suspension: Suspension) {
        self.suspensions.insert(key, suspension);
    }

    pub fn lift_all(&mut self) {
        self.suspensions.clear();
    }

    /// A flow as the kernel has it, with what it has sent.
    pub fn know_flow(&mut self, key: FlowKey, flow: KnownFlow) {
        self.known_flows.insert(key, flow);
    }

    pub fn forget_flow(&mut self, key: &FlowKey) {
        self.known_flows.remove(key);
    }

    /// A SYN-ACK has left, to which that is the answer.
    pub fn expect_answer(&self, key: StreamKey, handshake: Handshake) {
        self.handshakes.borrow_mut().insert(key, handshake);
    }

    /// Takes a connection for open from its SYN on, or from what came out of it: a capture may not have what left.
    pub fn follow(&self, packet: &Packet, verdict: &Verdict) {
        if verdict.reason == Reason::TcpControl && packet.is(flag::CONNECT) {
            self.streams.borrow_mut().insert(packet.stream_key(), StreamState::new(packet.sequence));
        } else if verdict.reason == Reason::OtherPort {
            self.follow_answer(packet);
        }
    }

    /// As the egress program does.
    pub fn follow_answer(&self, packet: &Packet) {
        let is_answer = packet.protocol == TCP
            && packet.length > 0
            && packet.is(flag::ACKNOWLEDGES)
            && self.policy.tcp.has(packet.source_port);
        let (key, mut streams) = (packet.answered_stream_key(), self.streams.borrow_mut());
        if is_answer && streams.get(&key).is_none() {
            streams.insert(key, StreamState::new(packet.acknowledged));
        }
    }

    /// Those of an address that have not run out, as [`FlowKey`] numbers them.
    pub fn known_flows(&self, address: IpAddr) -> impl Iterator<Item = u64> {
        let (source, now) = (to_key(address), self.now.get());
        let flows = self.known_flows.iter();
        flows.filter(move |(key, flow)| key.source == source && flow.expires > now).map(|(key, _)| key.flow)
    }

    /// Sets how much the source of `address` has sent lately.
    pub fn set_source_state(&mut self, address: IpAddr, state: SourceState) {
        self.source_states.get_mut().insert(to_key(address).source(), Rc::new(state));
    }

    /// The same for its neighbourhood.
    pub fn set_prefix_state(&mut self, address: IpAddr, state: PrefixState) {
        self.prefix_states.get_mut().insert(to_key(address).limit_prefix(), Rc::new(state));
    }

    /// A copy for packets from `address`: with all that decides about those, and nothing else.
    pub fn copy_for(&self, address: IpAddr) -> Self {
        let key = to_key(address);
        let mut copy = Self::new(Arc::clone(&self.policy), Arc::clone(&self.signatures));
        copy.set_now(self.now());
        copy.sources.extend(self.sources.get(&key).map(|entry| (key, *entry)));
        let about = |suspended: &SuspensionKey| [key, SuspensionKey::ANYWHERE].contains(&suspended.source);
        let suspensions = self.suspensions.iter().filter(|(key, _)| about(key));
        copy.suspensions.extend(suspensions.map(|(key, suspension)| (*key, *suspension)));
        let flows = self.known_flows.iter().filter(|(flow, _)| flow.source == key);
        copy.known_flows.extend(flows.map(|(key, flow)| (*key, meters::copy_flow(flow))));
        // The longest prefix is the only one that is looked at, so that its length says nothing more.
        copy.prefixes.extend(self.longest_prefix(&key).map(|entry| (0, HashMap::from([(0, entry)]))));
        if let Some(state) = self.source_states.borrow_mut().get(&key.source()) {
            copy.set_source_state(address, meters::copy_source(state));
        }
        if let Some(state) = self.prefix_states.borrow_mut().get(&key.limit_prefix()) {
            copy.set_prefix_state(address, meters::copy_prefix(state));
        }
        copy
    }

    /// Has guesses judged.
    pub fn judge_guesses(&mut self) -> &mut Guesses {
        self.judges_guesses.set(true);
        &mut self.guesses
    }

    pub(super) fn has_judged_guesses(&self) -> bool {
        self.judges_guesses.get()
    }

    /// Says whether what leaves is seen, from now on.
    pub fn set_watched(&self, watched: bool) {
        self.watched.set(watched);
    }

    /// A frame that leaves, or would if this were its sender's host. If it challenges somebody, guesses are judged from
    /// now on.
    pub fn sent(&self, frame: &[u8]) {
        let view = View::new(self, frame);
        let mut packet = Packet::default();
        let is_whole = matches!(view.parse(&mut packet), Depth::Ports);
        if !is_whole || !egress::is_from_sip_port(&packet, &self.policy) {
            return;
        }
        let message = Whole { payload: view.payload(&packet), length: packet.length };
        if !egress::is_challenge(&frame, &packet) {
            return;
        }
        self.set_watched(true);
        self.judges_guesses.set(true);
        let length = packet.length.min(egress::CHALLENGE_MAX);
        let mut walk = Walk::new(packet.offset, length, Wanted::Challenges, false);
        loop {
            let challenge = message.next(&mut walk);
            if challenge.kind != BY_CREDENTIALS {
                return;
            }
            self.guesses
                .issue(AddressHash { address: packet.destination, hash: challenge.nonce }, self.now());
        }
    }

    pub fn now(&self) -> KernelTime {
        KernelTime::from_nanos(self.now.get())
    }

    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    fn longest_prefix(&self, address: &Address) -> Option<SourceEntry> {
        let bits = address.0.iter().fold(0, |bits, word| bits << 32 | u128::from(u32::from_be(*word)));
        let longest_first = self.prefixes.iter().rev();
        let mask = |length: u8| u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
        longest_first.filter_map(|(length, nets)| nets.get(&(bits & mask(*length)))).next().copied()
    }

    /// Judges and counts one Ethernet frame. Also says what its headers were, as far as they could be read.
    pub fn judge(&self, frame: &[u8]) -> (Verdict, Packet) {
        let mut packet = Packet::default();
        let verdict = judge::judge(&View::new(self, frame), &mut packet);
        self.count(verdict, frame.len());
        (verdict, packet)
    }

    /// The headers of a frame, without a verdict.
    pub fn headers(&self, frame: &[u8]) -> Packet {
        let mut packet = Packet::default();
        View::new(self, frame).parse(&mut packet);
        packet
    }

    /// By the reason's code; drops that monitor mode let pass stand [`Reason::COUNT`] further on.
    pub fn counters(&self) -> [Counter; COUNTER_COUNT] {
        *self.counters.borrow()
    }

    fn count(&self, verdict: Verdict, bytes: usize) {
        let let_pass = verdict.reason.action() == Action::Drop && !verdict.enforced;
        let index = verdict.reason as usize + if let_pass { Reason::COUNT } else { 0 };
        let counter = &mut self.counters.borrow_mut()[index];
        counter.packets += 1;
        counter.bytes += bytes as u64;
    }
}

/// The filter in front of one frame.
struct View<'a> {
    memory: &'a Memory,
    frame: Bytes<'a>,
    // The frame has one source, so each state is fetched at most once and held while it is judged.
    source_state: OnceCell<Rc<SourceState>>,
    prefix_state: OnceCell<Rc<PrefixState>>,
    guess_states: [OnceCell<Option<Rc<GuessState>>>; 2],
    asked: OnceCell<Rc<Meter>>,
    carried: Cell<Carried>,
    names: Cell<Walk>,
    tally: Cell<Tally>,
}

impl<'a> View<'a> {
    fn new(memory: &'a Memory, frame: &'a [u8]) -> Self {
        Self {
            memory,
            frame: Bytes::of(frame),
            source_state: OnceCell::new(),
            prefix_state: OnceCell::new(),
            guess_states: Default::default(),
            asked: OnceCell::new(),
            names: Cell::default(),
            tally: Cell::default(),
            carried: Cell::default(),
        }
    }
}

impl View<'_> {
    fn guesses<T>(&self, ask: impl FnOnce(&Guesses) -> T) -> T {
        ask(&self.memory.guesses)
    }
}

/// The state of `key`, made if there is none.
fn state<T: Default>(states: &States<T>, key: &Address) -> Rc<T> {
    let mut states = states.borrow_mut();
    if let Some(state) = states.get(key) {
        return Rc::clone(state);
    }
    let state = Rc::new(T::default());
    states.insert(*key, Rc::clone(&state));
    state
}

impl World for View<'_> {
    fn now(&self) -> u64 {
        self.memory.now.get()
    }

    fn policy(&self) -> Option<&Policy> {
        Some(&self.memory.policy)
    }

    fn source(&self, address: &Address) -> Option<SourceEntry> {
        self.memory.sources.get(address).copied()
    }

    fn prefix(&self, address: &Address) -> Option<SourceEntry> {
        self.memory.longest_prefix(address)
    }

    fn source_status(&self, packet: &Packet) -> SourceStatus {
        judge::source_status(self, &packet.source)
    }

    fn source_state(&self, source: &Address) -> Option<&SourceState> {
        Some(self.source_state.get_or_init(|| state(&self.memory.source_states, source)))
    }

    fn prefix_state(&self, limit_prefix: &Address) -> Option<&PrefixState> {
        Some(self.prefix_state.get_or_init(|| state(&self.memory.prefix_states, limit_prefix)))
    }

    fn known_flow(&self, key: &FlowKey) -> Option<&KnownFlow> {
        self.memory.known_flows.get(key)
    }

    fn with_fragment<T>(&self, key: &FragmentKey, then: impl FnOnce(&mut FragmentState) -> T) -> Option<T> {
        self.memory.fragments.borrow_mut().get_mut(key).map(then)
    }

    fn remember_fragment(&self, key: &FragmentKey, state: &FragmentState) {
        self.memory.fragments.borrow_mut().insert(*key, *state);
    }

    fn forget_fragment(&self, key: &FragmentKey) {
        self.memory.fragments.borrow_mut().remove(key);
    }

    fn early_fragment(&self, key: &FragmentKey) -> Option<u64> {
        self.memory.early_fragments.borrow_mut().get(key).copied()
    }

    fn remember_early_fragment(&self, key: &FragmentKey, until: u64) {
        self.memory.early_fragments.borrow_mut().insert(*key, until);
    }

    fn answers_handshake(&self, key: &StreamKey, packet: &Packet) -> bool {
        let mut handshakes = self.memory.handshakes.borrow_mut();
        handshakes.get(key).is_some_and(|handshake| handshake.is_answered_by(packet))
    }

    fn open_stream(&self, key: &StreamKey, state: &StreamState) {
        self.memory.handshakes.borrow_mut().remove(key);
        self.memory.streams.borrow_mut().insert(*key, *state);
    }

    fn with_stream<T>(&self, key: &StreamKey, then: impl FnOnce(&mut StreamState) -> T) -> Option<T> {
        self.memory.streams.borrow_mut().get_mut(key).map(then)
    }

    fn guard(&self) -> GuardState {
        let locked =
            self.memory.suspensions.keys().filter(|key| key.source == SuspensionKey::ANYWHERE).count();
        let suspended = self.memory.suspensions.len() - locked;
        GuardState { suspended: suspended as u32, locked: locked as u32, ..GuardState::default() }
    }

    fn watched(&self) -> bool {
        self.memory.watched.get()
    }

    fn suspension(&self, key: &SuspensionKey) -> Option<Suspension> {
        self.memory.suspensions.get(key).copied()
    }

    fn parse(&self, packet: &mut Packet) -> Depth {
        let extensions = |offset, protocol| frame::extension_headers(self.frame, offset, protocol);
        frame::parse(self.frame, extensions, packet)
    }

    fn payload(&self, packet: &Packet) -> Bytes<'_> {
        self.frame.skip(packet.offset as usize)
    }

    fn packet_class(&self, packet: &Packet, encrypted: bool) -> PacketClass {
        judge::packet_class(self, packet, encrypted)
    }

    fn classify(&self, packet: &Packet) -> Kind {
        let payload = self.payload(packet);
        let shape = |start| sip::shape(payload.skip(start as usize));
        sip::classify(payload, packet.length, || sip::blanks(payload), shape)
    }

    fn charge_known(&self, packet: &Packet, charge: Charge) -> Limit {
        charge::known(self, packet, charge)
    }

    fn charge_stranger(&self, packet: &Packet, charge: Charge) -> Limit {
        charge::stranger(self, packet, charge)
    }

    fn forms(&self, packet: &Packet, begin: form::Begin) -> u32 {
        form::find(&Whole { payload: self.payload(packet), length: packet.length }, begin)
    }

    fn suspended(&self, packet: &Packet, asked: Asked) -> bool {
        judge::suspended(self, packet, asked)
    }

    fn walk_accounts(&self, packet: &Packet, wanted: Wanted) {
        self.names.set(Walk::new(packet.offset, packet.length, wanted, packet.protocol == TCP));
    }

    fn next_account(&self) -> Named {
        let mut walk = self.names.get();
        let payload = self.frame.skip(walk.offset as usize);
        let named = Whole { payload, length: walk.length }.next(&mut walk);
        self.names.set(walk);
        named
    }

    fn scan(&self, packet: &Packet) -> Scan {
        let scan = matcher::scan(self.payload(packet), packet.length, &self.memory.signatures.prefilter);
        if self.memory.signatures.head.count == 0 { scan.without_signatures() } else { scan }
    }

    fn find_signature(&self, packet: &Packet, candidate: u32) -> Option<u16> {
        let (payload, signatures) = (self.payload(packet), &self.memory.signatures);
        signatures.find_from(payload, packet.length, signatures.start(payload, candidate))
    }

    fn guess(&self, packet: &Packet, wanted: Wanted, refuse_names: bool) -> Guess {
        if self.memory.has_judged_guesses() {
            guess::judge(self, packet, wanted, refuse_names)
        } else {
            Guess::Free
        }
    }

    fn charge_guesses(&self, packet: &Packet, budget: Budget, fingerprint: u64, guesses: u32) -> Guess {
        if self.memory.has_judged_guesses() {
            guess::charge(self, packet, budget, fingerprint, guesses)
        } else {
            Guess::Free
        }
    }

    fn add_guess(&self, packet: &Packet) {
        guess::add(self, packet, &self.names.get().found);
    }

    fn tally(&self) -> Tally {
        self.tally.get()
    }

    fn set_tally(&self, tally: Tally) {
        self.tally.set(tally);
    }

    fn worked(&self, there: &AddressHash) -> bool {
        self.guesses(|guesses| guesses.worked(there, self.now()))
    }

    fn issued(&self, to: &AddressHash) -> bool {
        self.guesses(|guesses| guesses.issued(to))
    }

    fn hash(&self, packet: &Packet, key: [u64; 2]) -> u64 {
        let payload = self.payload(packet);
        siphash::chained(packet.length, key, |at, most, key| {
            siphash::hash(payload.skip(at as usize), most, key)
        })
    }

    fn is_line_counted(&self, packet: &Packet, budget: Budget) -> bool {
        guess::is_line_counted(self, packet, budget)
    }

    fn has_guess_state(&self, line: &Address) -> bool {
        self.guesses(|guesses| guesses.has_state(line))
    }

    fn guess_state(&self, budget: Budget, line: &Address) -> Option<&GuessState> {
        let state = &self.guess_states[budget as usize];
        let fetch = || self.guesses(|guesses| guesses.state(budget, line, self.now()));
        state.get_or_init(fetch).as_deref()
    }

    fn asks_too_often(&self, packet: &Packet, credentials: bool) -> bool {
        asking::is_too_many(self, packet, credentials)
    }

    fn asked(&self, line: &Address) -> Option<&Meter> {
        Some(self.asked.get_or_init(|| state(&self.memory.asked, line)))
    }

    fn refunds(&self, line: &Address) -> Refunds {
        self.guesses(|guesses| guesses.refunds(line))
    }

    fn charged_until(&self, credentials: &AddressHash) -> u64 {
        self.guesses(|guesses| guesses.charged_until(credentials))
    }

    fn charge_once(&self, credentials: &AddressHash, until: u64) {
        self.guesses(|guesses| guesses.charge_once(credentials, until));
    }

    fn generation(&self) -> u32 {
        self.memory.signatures.head.generation
    }

    fn with_carried<T>(&self, then: impl FnOnce(&mut Carried) -> T) -> Option<T> {
        let mut carried = self.carried.get();
        let result = then(&mut carried);
        self.carried.set(carried);
        Some(result)
    }

    fn walk_stream(&self, packet: &Packet, begin: Begin, search: Search) -> Stream {
        let (signatures, payload) = (&self.memory.signatures, self.payload(packet));
        let (found, carried) =
            signatures.walk_segment(payload, packet.length, begin, search, self.carried.get());
        self.carried.set(carried);
        found
    }

    fn find_segment(&self, packet: &mut Packet) -> Place {
        segments::find(self, packet)
    }

    fn keep_segment(&self, packet: &Packet) {
        segments::keep(self, packet);
    }

    fn judge_segment(&self, packet: &Packet, read: Read, stream: Stream) -> Outcome {
        judge::judge_segment(self, packet, read, stream)
    }

    fn charge_later(&self, packet: &Packet, stream: Stream) -> Option<Reason> {
        judge::charge_later(self, packet, stream)
    }

    fn judge_first_fragment(&self, packet: &Packet, read: Read, stream: Stream) -> Outcome {
        judge::judge_first_fragment(self, packet, read, stream)
    }

    fn find_fragment(&self, packet: &Packet) -> Fragment {
        judge::find_fragment(self, packet)
    }

    fn settle_fragment(&self, packet: &Packet, reason: Reason, rest: Rest) {
        judge::settle_fragment(self, packet, reason, rest);
    }

    fn judge_fragment(&self, packet: &Packet, found: Fragment, stream: Stream) -> Outcome {
        judge::judge_fragment(self, packet, found, stream)
    }
}
