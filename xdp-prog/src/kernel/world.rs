//! The kernel's maps as the packet path sees them.

use core::cell::Cell;

use aya_ebpf::{
    EbpfContext as _, bindings::xdp_md, btf_maps::lpm_trie::Key, helpers::generated::bpf_ktime_get_coarse_ns,
    programs::XdpContext,
};
use xdp_prog::{
    abi::{
        Active, Address, AddressHash, Carried, FlowKey, FragmentKey, FragmentState, GuardState, GuessState,
        KnownFlow, Meter, Policy, PrefixState, Refunds, Rest, Scratch, Signatures, SourceEntry, SourceState,
        StreamKey, StreamState, Suspension, SuspensionKey, WATCHED_FOR,
    },
    account::{Named, Wanted},
    bytes::Bytes,
    charge::{Charge, Limit},
    form,
    frame::{Depth, OFFSET_MAX, Packet},
    guess::{Budget, Guess, GuessCharge, GuessPlan, Tally},
    judge::{Asked, Fragment, Outcome, PacketClass, Read, SourceStatus, World},
    matcher::Scan,
    reason::Reason,
    segments::Place,
    sip::Kind,
    stream::{Begin, Search, Stream, WalkPlan},
};

use super::maps::{
    ACTIVE, EARLY_FRAGMENTS, FRAGMENTS, GUARD, HANDSHAKES, KNOWN_FLOWS, POLICY, PREFIX_STATE, PREFIXES,
    SCRATCH, SIGNATURES, SOURCE_STATE, SOURCES, STREAMS, SUSPENDED, WATCHED,
};
use super::{
    accounts, asking, guess,
    subprograms::{
        sip_add_guess, sip_begin_walk, sip_charge_guesses, sip_charge_known, sip_charge_later,
        sip_charge_stranger, sip_classify, sip_find_fragment, sip_find_segment, sip_find_signature,
        sip_forms, sip_hash, sip_is_asking_too_often, sip_is_line_counted, sip_is_suspended,
        sip_judge_first_fragment, sip_judge_fragment, sip_judge_guess, sip_judge_segment, sip_keep_segment,
        sip_packet_class, sip_parse, sip_scan, sip_settle_fragment, sip_source_status, sip_walk_stream,
    },
};

pub(super) struct Kernel {
    pub(super) ctx: *mut xdp_md,
    /// Which policy and signatures this packet is judged by.
    active: Active,
    policy: Option<&'static Policy>,
    /// The time, once it was asked for: the clock costs a call.
    now: Cell<u64>,
}

impl Kernel {
    #[inline(always)]
    pub(super) fn new(ctx: &XdpContext) -> Self {
        Self { ctx: ctx.as_ptr().cast(), ..Self::lists() }
    }

    /// The lists alone, with no packet at hand.
    #[inline(always)]
    pub(super) fn lists() -> Self {
        Self::without_packet(ACTIVE.get(0).copied().unwrap_or_default(), 0)
    }

    #[inline(always)]
    pub(super) fn of(ctx: *mut xdp_md, active: Active, now: u64) -> Self {
        // "None yet" wraps around to no slot.
        Self { ctx, active, policy: POLICY.get(active.policy.wrapping_sub(1)), now: Cell::new(now) }
    }

    /// For functions that look at no bytes of the packet.
    #[inline(always)]
    pub(super) fn without_packet(active: Active, now: u64) -> Self {
        Self::of(core::ptr::null_mut(), active, now)
    }
}

#[inline(always)]
pub(super) fn signatures(slot: u32) -> Option<&'static Signatures> {
    // As for the policy.
    SIGNATURES.get(slot.wrapping_sub(1))
}

/// This CPU's working memory. The parts are borrowed one by one: the packet goes with all of its judgement.
#[inline(always)]
pub(super) fn scratch() -> Option<*mut Scratch> {
    SCRATCH.get_ptr_mut(0)
}

/// The initial rate state. A static, because so many bytes are too much for the stack.
static FRESH: [u64; size_of::<PrefixState>() / 8] = [0; size_of::<PrefixState>() / 8];

#[inline(always)]
fn fresh<T: RateState>() -> &'static T {
    const { assert!(size_of::<T>() <= size_of_val(&FRESH)) };
    // SAFETY: it is large enough and of the same alignment; all zero is a valid state; nobody writes through it.
    unsafe { &*(&raw const FRESH).cast() }
}

/// State that consists of words only, all of which may be zero.
trait RateState {}
impl RateState for SourceState {}
impl RateState for PrefixState {}

/// A trie's key begins with four bytes of length, so its address would stand across two stack words, which
/// the verifier refuses to see written at once. Four bytes before it put that right.
#[repr(C, align(8))]
struct PrefixQuery {
    align: u32,
    key: Key<[u32; 4]>,
}

macro_rules! state_or_fresh {
    ($map:ident, $key:expr) => {{
        // SAFETY: a reused slot would be another source's state: its meters are charged instead, once.
        match unsafe { $map.get($key) } {
            Some(state) => Some(state),
            None => {
                // A failure (no memory) shows in the second look-up.
                let _ = $map.insert($key, fresh(), 0);
                // SAFETY: as above.
                unsafe { $map.get($key) }
            }
        }
    }};
}

impl World for Kernel {
    #[inline(always)]
    fn now(&self) -> u64 {
        if self.now.get() == 0 {
            // SAFETY: the helper has no preconditions. Coarse: a tick of 1 to 10 ms is enough for every limit.
            self.now.set(unsafe { bpf_ktime_get_coarse_ns() });
        }
        self.now.get()
    }

    #[inline(always)]
    fn policy(&self) -> Option<&Policy> {
        self.policy
    }

    #[inline(always)]
    fn source(&self, address: &Address) -> Option<SourceEntry> {
        // SAFETY: copied at once; entries are replaced, never edited.
        unsafe { SOURCES.get(address).copied() }
    }

    #[inline(always)]
    fn prefix(&self, address: &Address) -> Option<SourceEntry> {
        let query = PrefixQuery { align: 0, key: Key::new(128, address.0) };
        // SAFETY: the key is packed, so a reference to it needs no alignment.
        PREFIXES.get(unsafe { &*(&raw const query.key) }).copied()
    }

    #[inline(always)]
    fn source_status(&self, packet: &Packet) -> SourceStatus {
        sip_source_status(packet, self.now())
    }

    #[inline(always)]
    fn source_state(&self, source: &Address) -> Option<&SourceState> {
        state_or_fresh!(SOURCE_STATE, source)
    }

    #[inline(always)]
    fn prefix_state(&self, limit_prefix: &Address) -> Option<&PrefixState> {
        state_or_fresh!(PREFIX_STATE, limit_prefix)
    }

    #[inline(always)]
    fn known_flow(&self, key: &FlowKey) -> Option<&KnownFlow> {
        // SAFETY: a reused slot would be another flow's: its meters are charged instead, once.
        unsafe { KNOWN_FLOWS.get(key) }
    }

    #[inline(always)]
    fn with_fragment<T>(&self, key: &FragmentKey, then: impl FnOnce(&mut FragmentState) -> T) -> Option<T> {
        // SAFETY: the fragments of a packet come to one CPU, as a rule. Where two write at once, or the slot is reused, the
        // rest of a packet is read from the wrong place.
        FRAGMENTS.get_ptr_mut(key).map(|state| then(unsafe { &mut *state }))
    }

    #[inline(always)]
    fn remember_fragment(&self, key: &FragmentKey, state: &FragmentState) {
        // On failure the rest passes: of a first fragment that fell it never becomes a packet.
        let _ = FRAGMENTS.insert(key, state, 0);
    }

    #[inline(always)]
    fn early_fragment(&self, key: &FragmentKey) -> Option<u64> {
        // SAFETY: as above.
        unsafe { EARLY_FRAGMENTS.get(key).copied() }
    }

    #[inline(always)]
    fn remember_early_fragment(&self, key: &FragmentKey, until: u64) {
        // On failure it counts as one that came in order.
        let _ = EARLY_FRAGMENTS.insert(key, until, 0);
    }

    #[inline(always)]
    fn answers_handshake(&self, key: &StreamKey, packet: &Packet) -> bool {
        // SAFETY: read at once; a slot that was reused has other numbers.
        unsafe { HANDSHAKES.get(key).is_some_and(|handshake| handshake.is_answered_by(packet)) }
    }

    #[inline(always)]
    fn open_stream(&self, key: &StreamKey, state: &StreamState) {
        // On failure the connection stays unknown, and what cannot be read of it is bounded.
        let _ = STREAMS.insert(key, state, 0);
        let _ = HANDSHAKES.remove(key);
    }

    #[inline(always)]
    fn with_stream<T>(&self, key: &StreamKey, then: impl FnOnce(&mut StreamState) -> T) -> Option<T> {
        // SAFETY: the segments of a connection come to one CPU, as a rule. Where two write at once, or the slot is reused,
        // what is read of a connection is wrong for a moment.
        STREAMS.get_ptr_mut(key).map(|stream| then(unsafe { &mut *stream }))
    }

    #[inline(always)]
    fn forget_fragment(&self, key: &FragmentKey) {
        // Not there is the usual case.
        let _ = FRAGMENTS.remove(key);
    }

    #[inline(always)]
    fn guard(&self) -> GuardState {
        GUARD.get(0).copied().unwrap_or_default()
    }

    #[inline(always)]
    fn watched(&self) -> bool {
        WATCHED.get(0).is_some_and(|at| self.now().saturating_sub(*at) < WATCHED_FOR)
    }

    #[inline(always)]
    fn suspension(&self, key: &SuspensionKey) -> Option<Suspension> {
        // SAFETY: copied at once; a slot that was reused for another key has another end at worst.
        unsafe { SUSPENDED.get(key).copied() }
    }

    #[inline(always)]
    fn payload(&self, packet: &Packet) -> Bytes<'_> {
        payload(self.ctx, packet.offset)
    }

    #[inline(always)]
    fn parse(&self, packet: &mut Packet) -> Depth {
        sip_parse(self.ctx, packet)
    }

    #[inline(always)]
    fn classify(&self, packet: &Packet) -> Kind {
        sip_classify(self.ctx, packet.offset, packet.length)
    }

    #[inline(always)]
    fn charge_known(&self, packet: &Packet, charge: Charge) -> Limit {
        sip_charge_known(packet, charge, self.active.policy, self.now())
    }

    #[inline(always)]
    fn charge_stranger(&self, packet: &Packet, charge: Charge) -> Limit {
        sip_charge_stranger(packet, charge, self.active.policy, self.now())
    }

    #[inline(always)]
    fn forms(&self, packet: &Packet, begin: form::Begin) -> u32 {
        sip_forms(self.ctx, packet.offset, packet.length, begin)
    }

    #[inline(always)]
    fn suspended(&self, packet: &Packet, asked: Asked) -> bool {
        sip_is_suspended(self.ctx, packet, asked, self.now())
    }

    #[inline(always)]
    fn walk_accounts(&self, packet: &Packet, wanted: Wanted) {
        accounts::begin(packet, wanted);
    }

    #[inline(always)]
    fn next_account(&self) -> Named {
        accounts::next(self.ctx)
    }

    #[inline(always)]
    fn scan(&self, packet: &Packet) -> Scan {
        sip_scan(self.ctx, packet.offset, packet.length, self.active.signatures)
    }

    #[inline(always)]
    fn find_signature(&self, packet: &Packet, candidate: u32) -> Option<u16> {
        sip_find_signature(self.ctx, packet.offset, packet.length, self.active.signatures, candidate)
    }

    #[inline(always)]
    fn generation(&self) -> u32 {
        signatures(self.active.signatures).map_or(0, |set| set.head.generation)
    }

    #[inline(always)]
    fn with_carried<T>(&self, then: impl FnOnce(&mut Carried) -> T) -> Option<T> {
        // SAFETY: this CPU's own, and nothing else refers to this part of it.
        scratch().map(|scratch| then(unsafe { &mut (*scratch).messages.carried }))
    }

    #[inline(always)]
    fn walk_stream(&self, packet: &Packet, begin: Begin, search: Search) -> Stream {
        let plan = WalkPlan { begin, search, slot: self.active.signatures };
        if matches!(begin, Begin::Nowhere) || !sip_begin_walk(self.ctx, packet.offset, packet.length, plan) {
            return Stream::default();
        }
        sip_walk_stream(self.ctx)
    }

    #[inline(always)]
    fn guess(&self, packet: &Packet, wanted: Wanted, refuse_names: bool) -> Guess {
        let is_rest = matches!(wanted, Wanted::RestOfHeader);
        let plan = GuessPlan { is_rest, refuse_names, policy: self.active.policy };
        sip_judge_guess(self.ctx, packet, plan, self.now())
    }

    #[inline(always)]
    fn charge_guesses(&self, packet: &Packet, budget: Budget, fingerprint: u64, guesses: u32) -> Guess {
        let charge = GuessCharge { budget, guesses, policy: self.active.policy };
        sip_charge_guesses(packet, charge, fingerprint, self.now())
    }

    #[inline(always)]
    fn add_guess(&self, packet: &Packet) {
        sip_add_guess(self.ctx, packet, self.active.policy, self.now());
    }

    #[inline(always)]
    fn tally(&self) -> Tally {
        guess::tally()
    }

    #[inline(always)]
    fn set_tally(&self, tally: Tally) {
        guess::set_tally(tally);
    }

    #[inline(always)]
    fn worked(&self, there: &AddressHash) -> bool {
        guess::worked(there, self.now())
    }

    #[inline(always)]
    fn issued(&self, to: &AddressHash) -> bool {
        guess::issued(to)
    }

    #[inline(always)]
    fn hash(&self, packet: &Packet, [key, seed]: [u64; 2]) -> u64 {
        sip_hash(self.ctx, packet.offset, packet.length, key, seed)
    }

    #[inline(always)]
    fn is_line_counted(&self, packet: &Packet, budget: Budget) -> bool {
        sip_is_line_counted(packet, budget, self.now())
    }

    #[inline(always)]
    fn has_guess_state(&self, line: &Address) -> bool {
        guess::has_state(line)
    }

    #[inline(always)]
    fn guess_state(&self, budget: Budget, line: &Address) -> Option<&GuessState> {
        guess::state(budget, line, self.now())
    }

    #[inline(always)]
    fn asks_too_often(&self, packet: &Packet, credentials: bool) -> bool {
        sip_is_asking_too_often(self.ctx, packet, credentials, self.now())
    }

    #[inline(always)]
    fn asked(&self, line: &Address) -> Option<&Meter> {
        asking::state(line)
    }

    #[inline(always)]
    fn refunds(&self, line: &Address) -> Refunds {
        guess::refunds(line)
    }

    #[inline(always)]
    fn charged_until(&self, credentials: &AddressHash) -> u64 {
        guess::charged_until(credentials)
    }

    #[inline(always)]
    fn charge_once(&self, credentials: &AddressHash, until: u64) {
        guess::charge_once(credentials, until);
    }

    #[inline(always)]
    fn find_segment(&self, packet: &mut Packet) -> Place {
        sip_find_segment(self.ctx, packet, self.active.signatures)
    }

    #[inline(always)]
    fn keep_segment(&self, packet: &Packet) {
        sip_keep_segment(packet);
    }

    #[inline(always)]
    fn packet_class(&self, packet: &Packet, encrypted: bool) -> PacketClass {
        sip_packet_class(self.ctx, packet, encrypted)
    }

    #[inline(always)]
    fn judge_segment(&self, packet: &Packet, read: Read, stream: Stream) -> Outcome {
        sip_judge_segment(packet, self.active, read, stream, self.now())
    }

    #[inline(always)]
    fn charge_later(&self, packet: &Packet, stream: Stream) -> Option<Reason> {
        sip_charge_later(packet, self.active.policy, stream, self.now())
    }

    #[inline(always)]
    fn judge_first_fragment(&self, packet: &Packet, read: Read, stream: Stream) -> Outcome {
        sip_judge_first_fragment(packet, self.active, read, stream, self.now())
    }

    #[inline(always)]
    fn settle_fragment(&self, packet: &Packet, reason: Reason, rest: Rest) {
        sip_settle_fragment(packet, reason, rest, self.now());
    }

    #[inline(always)]
    fn find_fragment(&self, packet: &Packet) -> Fragment {
        sip_find_fragment(packet, self.active, self.now())
    }

    #[inline(always)]
    fn judge_fragment(&self, packet: &Packet, found: Fragment, stream: Stream) -> Outcome {
        sip_judge_fragment(packet, self.active, found, stream, self.now())
    }
}

#[inline(always)]
pub(super) fn payload<'a>(ctx: *mut xdp_md, offset: u32) -> Bytes<'a> {
    // SAFETY: the context is the program's own, and the packet outlives the call.
    unsafe { Bytes::new((*ctx).data as usize, (*ctx).data_end as usize) }.skip((offset & OFFSET_MAX) as usize)
}
