//! The kernel's maps as the packet path sees them.

use core::cell::Cell;

use aya_ebpf::{
    EbpfContext as _, bindings::xdp_md, btf_maps::lpm_trie::Key, helpers::generated::bpf_ktime_get_coarse_ns,
    programs::XdpContext,
};
use xdp_prog::{
    abi::{
        Active, Address, AddressHash, Carried, FRAGMENT_LIFETIME, FlowKey, FragmentKey, FragmentState,
        GuardState, GuessState, KnownFlow, Meter, Policy, PrefixState, Refunds, Scratch, Signatures,
        SourceEntry, SourceState, StreamKey, StreamState, Suspension, SuspensionKey, WATCHED_FOR,
    },
    account::{Named, Wanted},
    bytes::Bytes,
    charge::{self, Charge, Limit},
    form,
    frame::{self, Depth, OFFSET_MAX, Packet},
    guess::{Budget, Guess, Tally},
    judge::{self, Asked, Fragment, Outcome, PacketClass, Read, SourceStatus, World},
    lines,
    matcher::{self, Scan},
    reason::{Class, Reason},
    segments::{self, Place},
    sip::{self, Kind},
    stream::{self, Advance, Begin, Search, Segment, Stream, Walk},
};

use super::forms;
use super::maps::{
    ACTIVE, EARLY_FRAGMENTS, FRAGMENTS, GUARD, HANDSHAKES, KNOWN_FLOWS, POLICY, PREFIX_STATE, PREFIXES,
    SCRATCH, SIGNATURES, SOURCE_STATE, SOURCES, STREAMS, SUSPENDED, WATCHED,
};
use super::{accounts, asking, guess};

pub(super) struct Kernel {
    pub(super) ctx: *mut xdp_md,
    /// Which policy and signatures this packet is judged by.
    active: Active,
    policy: Option<&'static Policy>,
    /// When, once somebody has asked: the clock costs a call.
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
        Self::of(core::ptr::null_mut(), ACTIVE.get(0).copied().unwrap_or_default(), 0)
    }

    #[inline(always)]
    pub(super) fn of(ctx: *mut xdp_md, active: Active, now: u64) -> Self {
        // "None yet" wraps around to no slot.
        Self { ctx, active, policy: POLICY.get(active.policy.wrapping_sub(1)), now: Cell::new(now) }
    }

    /// As [`from_slots`] reads it.
    #[inline(always)]
    const fn slots(&self) -> u32 {
        self.active.policy | self.active.signatures << 16
    }
}

#[inline(always)]
fn signatures(slot: u32) -> Option<&'static Signatures> {
    // As for the policy.
    SIGNATURES.get(slot.wrapping_sub(1))
}

/// This CPU's working memory. The parts are borrowed one by one: the packet goes with all of its judgement.
#[inline(always)]
pub(super) fn scratch() -> Option<*mut Scratch> {
    SCRATCH.get_ptr_mut(0)
}

/// What rate state starts as. A static, because so many bytes are too much for the stack.
static FRESH: [u64; size_of::<PrefixState>() / 8] = [0; size_of::<PrefixState>() / 8];

#[inline(always)]
fn fresh<T: RateState>() -> &'static T {
    const { assert!(size_of::<T>() <= size_of_val(&FRESH)) };
    // SAFETY: it is large enough and of the same alignment; all zero is a valid state; nobody writes through it.
    unsafe { &*(&raw const FRESH).cast() }
}

/// Of words only, all of which may be zero.
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
        // SAFETY: a reference is what the function asks for.
        SourceStatus::from_word(unsafe { find_source_status(packet, self.now()) })
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
        // SAFETY: a reference is what the function asks for.
        Depth::from_code(unsafe { parse(self.ctx, packet) })
    }

    #[inline(always)]
    fn classify(&self, packet: &Packet) -> Kind {
        Kind::from_code(classify(self.ctx, packet.offset, packet.length))
    }

    #[inline(always)]
    fn charge_known(&self, packet: &Packet, charge: Charge) -> Limit {
        // SAFETY: a reference is what the function asks for.
        Limit::from_code(unsafe { charge_known(packet, charge.word(), self.active.policy, self.now()) })
    }

    #[inline(always)]
    fn charge_stranger(&self, packet: &Packet, charge: Charge) -> Limit {
        // SAFETY: as above.
        Limit::from_code(unsafe { charge_stranger(packet, charge.word(), self.active.policy, self.now()) })
    }

    #[inline(always)]
    fn forms(&self, packet: &Packet, begin: form::Begin) -> u32 {
        forms::find(self.ctx, packet, begin)
    }

    #[inline(always)]
    fn suspended(&self, packet: &Packet, asked: Asked) -> bool {
        // SAFETY: a reference is what the function asks for.
        unsafe { is_suspended(self.ctx, packet, asked.word(), self.now()) != 0 }
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
        Scan::from_word(scan(self.ctx, packet.offset, packet.length, self.active.signatures))
    }

    #[inline(always)]
    fn find_signature(&self, packet: &Packet, candidate: u32) -> Option<u16> {
        match find(self.ctx, packet.offset, packet.length, self.active.signatures, candidate) {
            0 => None,
            id => Some((id - 1) as u16),
        }
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
        let (offset, length, slot) = (packet.offset, packet.length, self.active.signatures);
        let how = begin as u32 | (search as u32) << 3 | slot << 8;
        if matches!(begin, Begin::Nowhere) || begin_walk(self.ctx, offset, length, how) == 0 {
            return Stream::default();
        }
        Stream::from_word(walk_stream(self.ctx))
    }

    #[inline(always)]
    fn guess(&self, packet: &Packet, wanted: Wanted, refuse_names: bool) -> Guess {
        guess::judge(self, packet, self.active.policy, wanted, refuse_names)
    }

    #[inline(always)]
    fn charge_guesses(&self, packet: &Packet, budget: Budget, fingerprint: u64, guesses: u32) -> Guess {
        guess::charge(packet, self.active.policy, budget, fingerprint, guesses, self.now())
    }

    #[inline(always)]
    fn add_guess(&self, packet: &Packet) {
        guess::add(self.ctx, packet, self.active.policy, self.now());
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
    fn fingerprint(&self, packet: &Packet, key: u64, seed: u64) -> u64 {
        guess::fingerprint(self.ctx, packet, key, seed)
    }

    #[inline(always)]
    fn guess_state(&self, budget: Budget, line: &Address) -> Option<&GuessState> {
        guess::state(budget, line, self.now())
    }

    #[inline(always)]
    fn asks_too_often(&self, packet: &Packet, credentials: bool) -> bool {
        asking::is_too_many(self, packet, credentials)
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
        // SAFETY: a reference is what the function asks for.
        Place::from_code(unsafe { find_segment(self.ctx, packet, self.active.signatures) })
    }

    #[inline(always)]
    fn keep_segment(&self, packet: &Packet) {
        // SAFETY: as above.
        unsafe { keep_segment(packet) };
    }

    #[inline(always)]
    fn packet_class(&self, packet: &Packet, encrypted: bool) -> PacketClass {
        // SAFETY: as above.
        PacketClass::from_word(unsafe { find_packet_class(self.ctx, packet, encrypted as u32) })
    }

    #[inline(always)]
    fn judge_segment(&self, packet: &Packet, read: Read, stream: Stream) -> Outcome {
        // SAFETY: as above.
        let word = unsafe { judge_segment(packet, self.slots(), read.word(), stream.word(), self.now()) };
        Outcome::from_word(word)
    }

    #[inline(always)]
    fn charge_later(&self, packet: &Packet, stream: Stream) -> Option<Reason> {
        // SAFETY: as above.
        match unsafe { charge_later(packet, self.active.policy, stream.word(), self.now()) } {
            0 => None,
            code => Some(Reason::of_code((code - 1) as u8)),
        }
    }

    #[inline(always)]
    fn judge_first_fragment(&self, packet: &Packet, read: Read, stream: Stream) -> Outcome {
        let slots = self.slots();
        // SAFETY: as above.
        let word = unsafe { judge_first_fragment(packet, slots, read.word(), stream.word(), self.now()) };
        Outcome::from_word(word)
    }

    #[inline(always)]
    fn settle_fragment(&self, packet: &Packet, reason: Reason, state: u32) {
        // SAFETY: as above.
        unsafe { settle_fragment(packet, reason as u32, state, self.now()) };
    }

    #[inline(always)]
    fn find_fragment(&self, packet: &Packet) -> Fragment {
        // SAFETY: as above.
        Fragment::from_word(unsafe { find_fragment(packet, self.slots(), self.now()) })
    }

    #[inline(always)]
    fn judge_fragment(&self, packet: &Packet, found: Fragment, stream: Stream) -> Outcome {
        let slots = self.slots();
        // SAFETY: as above.
        let word = unsafe { judge_fragment(packet, slots, found.word(), stream.word(), self.now()) };
        Outcome::from_word(word)
    }
}

// Global functions: the verifier looks at each of them once, by itself, instead of once for every way that
// leads to it. They take scalars and the context, and find the packet again from there.

#[inline(always)]
pub(super) fn payload<'a>(ctx: *mut xdp_md, offset: u32) -> Bytes<'a> {
    // SAFETY: the context is the program's own, and the packet outlives the call.
    unsafe { Bytes::new((*ctx).data as usize, (*ctx).data_end as usize) }.skip((offset & OFFSET_MAX) as usize)
}

/// # Safety
/// The kernel checks `packet` at every call: null, or room for a whole packet.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn parse(ctx: *mut xdp_md, packet: *mut Packet) -> u32 {
    // SAFETY: see above; the caller hands over a reference.
    match unsafe { packet.as_mut() } {
        Some(packet) if !ctx.is_null() => {
            let extensions = |offset, protocol: u8| extension_headers(ctx, offset, protocol as u32);
            frame::parse(payload(ctx, 0), extensions, packet) as u32
        }
        _ => Depth::BadIp as u32,
    }
}

/// # Safety
/// As for `parse`.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn charge_known(packet: *const Packet, charge: u64, slot: u32, now: u64) -> u32 {
    // SAFETY: see above.
    let Some(packet) = (unsafe { packet.as_ref() }) else { return Limit::None as u32 };
    let kernel = Kernel::of(core::ptr::null_mut(), from_slots(slot), now);
    charge::known(&kernel, packet, Charge::from_word(charge)) as u32
}

/// # Safety
/// As for `parse`.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn charge_stranger(packet: *const Packet, charge: u64, slot: u32, now: u64) -> u32 {
    // SAFETY: see above.
    let Some(packet) = (unsafe { packet.as_ref() }) else { return Limit::None as u32 };
    let kernel = Kernel::of(core::ptr::null_mut(), from_slots(slot), now);
    charge::stranger(&kernel, packet, Charge::from_word(charge)) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn extension_headers(ctx: *mut xdp_md, offset: u32, protocol: u32) -> u64 {
    if ctx.is_null() {
        return 0;
    }
    frame::extension_headers_with(offset, protocol as u8, |chain| extension_header(ctx, chain))
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn extension_header(ctx: *mut xdp_md, chain: u64) -> u64 {
    if ctx.is_null() { 0 } else { frame::extension_header(payload(ctx, 0), chain) }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn classify(ctx: *mut xdp_md, offset: u32, length: u32) -> u32 {
    if ctx.is_null() {
        return Kind::NotSip.code();
    }
    let shape = |start| Kind::from_code(shape(ctx, offset + start));
    sip::classify(payload(ctx, offset), length, || blanks(ctx, offset), shape).code()
}

#[unsafe(no_mangle)]
#[inline(never)]
pub(super) extern "C" fn blanks(ctx: *mut xdp_md, offset: u32) -> u32 {
    if ctx.is_null() { 0 } else { sip::blanks(payload(ctx, offset)) }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn shape(ctx: *mut xdp_md, offset: u32) -> u32 {
    if ctx.is_null() {
        return Kind::NotSip.code();
    }
    sip::shape(payload(ctx, offset)).code()
}

/// A row, and the slot of the set that it is a row of.
#[inline(always)]
const fn in_set(row: u16, slot: u32) -> u32 {
    slot << 16 | row as u32
}

/// A [`Scan`] as a word.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn scan(ctx: *mut xdp_md, offset: u32, length: u32, slot: u32) -> u32 {
    if ctx.is_null() {
        return 0;
    }
    let Some(set) = signatures(slot) else { return Scan::UNSEEN.word() };
    let scan = matcher::scan(payload(ctx, offset), length, &set.prefilter);
    if set.head.count == 0 { scan.without_signatures().word() } else { scan.word() }
}

/// The signature plus one, or 0.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn find(ctx: *mut xdp_md, offset: u32, length: u32, slot: u32, candidate: u32) -> u32 {
    if ctx.is_null() {
        return 0;
    }
    let Some(set) = signatures(slot) else { return 0 };
    let start = set.start_with(
        payload(ctx, offset),
        candidate,
        |most| without_empty_line(ctx, offset, most),
        |at| start_of_line(ctx, offset, at),
    );
    set.find_with(
        length,
        start,
        |row, at, most| long_steps(ctx, offset + at, most, in_set(row, slot)) as u16,
        |row, at, most| short_steps(ctx, offset + at, most, in_set(row, slot)) as u16,
    )
    .map_or(0, |id| id as u32 + 1)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn without_empty_line(ctx: *mut xdp_md, offset: u32, most: u32) -> u32 {
    if ctx.is_null() {
        return 0;
    }
    lines::without_empty_line(payload(ctx, offset), most, matcher::SCAN_MAX)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn start_of_line(ctx: *mut xdp_md, offset: u32, at: u32) -> u32 {
    if ctx.is_null() { 0 } else { lines::start_of_line(payload(ctx, offset), at, matcher::SCAN_MAX) }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn long_steps(ctx: *mut xdp_md, offset: u32, most: u32, row: u32) -> u32 {
    if ctx.is_null() {
        return 0;
    }
    let Some(set) = signatures(row >> 16) else { return 0 };
    set.long_steps(payload(ctx, offset), most, row as u16) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn short_steps(ctx: *mut xdp_md, offset: u32, most: u32, row: u32) -> u32 {
    if ctx.is_null() {
        return 0;
    }
    let Some(set) = signatures(row >> 16) else { return 0 };
    set.short_steps(payload(ctx, offset), most, row as u16) as u32
}

/// 1: it ends with the message that it begins with.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn is_whole_message(ctx: *mut xdp_md, offset: u32, length: u32) -> u32 {
    if ctx.is_null() { 0 } else { stream::is_whole_message(payload(ctx, offset), length) as u32 }
}

/// Readies the walk. 0: there is nothing to walk for.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn begin_walk(ctx: *mut xdp_md, offset: u32, length: u32, how: u32) -> u32 {
    if ctx.is_null() {
        return 0;
    }
    let (begin, search) = (Begin::from_code(how & 7), Search::from_code(how >> 3 & 3));
    let slot = how >> 8;
    let (Some(set), Some(scratch)) = (signatures(slot), scratch()) else { return 0 };
    // SAFETY: this CPU's own, and nothing else refers to this part of it.
    let walk = unsafe { &mut (*scratch).messages };
    if search.may_be_spared(begin) && is_whole_message(ctx, offset, length) != 0 {
        walk.carried = Carried::START;
        return 0;
    }
    walk.start(set, payload(ctx, offset), length, begin, search.signatures());
    walk.offset = offset & OFFSET_MAX;
    walk.slot = slot;
    1
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn walk_stream(ctx: *mut xdp_md) -> u64 {
    let Some(scratch) = scratch() else { return 0 };
    if ctx.is_null() {
        return 0;
    }
    // SAFETY: as above.
    let walk = unsafe { &mut (*scratch).messages };
    // SAFETY: a reference is what the function asks for.
    walk.finish(|walk| unsafe { walk_turn(ctx, walk) } != 0).word()
}

/// # Safety
/// As for `parse`.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn walk_turn(ctx: *mut xdp_md, walk: *mut Walk) -> u32 {
    // SAFETY: see above.
    let Some(walk) = (unsafe { walk.as_mut() }) else { return 1 };
    if ctx.is_null() {
        return 1;
    }
    let Some(set) = signatures(walk.slot) else { return 1 };
    let segment = KernelSegment { ctx, offset: walk.offset, slot: walk.slot };
    walk.turn(set, &segment) as u32
}

struct KernelSegment {
    ctx: *mut xdp_md,
    offset: u32,
    slot: u32,
}

impl Segment for KernelSegment {
    #[inline(always)]
    fn advance(&self, row: u16, at: u32, most: u32) -> Advance {
        Advance::from_word(advance(self.ctx, self.offset + at, in_set(row, self.slot), most))
    }

    #[inline(always)]
    fn skip_blanks(&self, at: u32) -> u32 {
        at + (skip_blanks(self.ctx, self.offset + at) & 0xff)
    }

    #[inline(always)]
    fn message(&self, at: u32) -> Kind {
        Kind::from_code(later_message(self.ctx, self.offset + at))
    }

    #[inline(always)]
    fn take_head(&self, carried: &mut Carried, at: u32, end: u32) -> u32 {
        // SAFETY: a reference is what the function asks for.
        at + unsafe { take_head(self.ctx, carried, self.offset + at, end.saturating_sub(at)) }
    }
}

/// # Safety
/// As for `parse`.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn take_head(ctx: *mut xdp_md, carried: *mut Carried, offset: u32, most: u32) -> u32 {
    // SAFETY: see above.
    match unsafe { carried.as_mut() } {
        Some(carried) if !ctx.is_null() => stream::take_head(payload(ctx, offset), carried, most),
        _ => most,
    }
}

/// # Safety
/// As for `parse`.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn find_segment(ctx: *mut xdp_md, packet: *mut Packet, slot: u32) -> u32 {
    // SAFETY: see above.
    match unsafe { packet.as_mut() } {
        Some(packet) if !ctx.is_null() => {
            let kernel = Kernel::of(ctx, Active { policy: 0, signatures: slot }, 0);
            segments::find(&kernel, packet) as u32
        }
        _ => Place::Unknown as u32,
    }
}

/// # Safety
/// As for `parse`.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn keep_segment(packet: *const Packet) -> u32 {
    // SAFETY: see above.
    if let Some(packet) = unsafe { packet.as_ref() } {
        segments::keep(&Kernel::of(core::ptr::null_mut(), Active::default(), 0), packet);
    }
    0
}

/// The slot of the policy, and from the 16th bit on that of the signatures.
const fn from_slots(slots: u32) -> Active {
    Active { policy: slots & 0xffff, signatures: slots >> 16 }
}

/// # Safety
/// As for `parse`.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn find_source_status(packet: *const Packet, now: u64) -> u64 {
    // SAFETY: see above.
    let Some(packet) = (unsafe { packet.as_ref() }) else { return SourceStatus::Stranger.word() };
    let kernel = Kernel::of(core::ptr::null_mut(), Active::default(), now);
    // Copied, because up to 6.4 the memory of an argument is no key for a map.
    let source = packet.source;
    judge::source_status(&kernel, &source).word()
}

/// # Safety
/// As for `parse`.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn find_fragment(packet: *const Packet, slots: u32, now: u64) -> u32 {
    // SAFETY: see above.
    let Some(packet) = (unsafe { packet.as_ref() }) else { return 0 };
    judge::find_fragment(&Kernel::of(core::ptr::null_mut(), from_slots(slots), now), packet).word()
}

/// # Safety
/// As for `parse`.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn judge_fragment(
    packet: *const Packet,
    slots: u32,
    found: u32,
    stream: u64,
    now: u64,
) -> u32 {
    // SAFETY: see above.
    let Some(packet) = (unsafe { packet.as_ref() }) else { return Outcome::from(Reason::Fragment).word() };
    let kernel = Kernel::of(core::ptr::null_mut(), from_slots(slots), now);
    judge::judge_fragment(&kernel, packet, Fragment::from_word(found), Stream::from_word(stream)).word()
}

/// # Safety
/// As for `parse`.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn settle_fragment(packet: *const Packet, reason: u32, state: u32, now: u64) -> u32 {
    // SAFETY: see above.
    if let Some(packet) = unsafe { packet.as_ref() } {
        let kernel = Kernel::of(core::ptr::null_mut(), Active::default(), now);
        judge::settle_fragment(&kernel, packet, Reason::of_code(reason as u8), state);
    }
    0
}

/// # Safety
/// As for `parse`.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn find_packet_class(ctx: *mut xdp_md, packet: *const Packet, encrypted: u32) -> u32 {
    // SAFETY: see above.
    match unsafe { packet.as_ref() } {
        Some(packet) if !ctx.is_null() => {
            let kernel = Kernel::of(ctx, Active::default(), 0);
            judge::packet_class(&kernel, packet, encrypted != 0).word()
        }
        _ => 0,
    }
}

/// `read`: a [`Read`] as a word.
///
/// # Safety
/// As for `parse`.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn judge_segment(
    packet: *const Packet,
    slots: u32,
    read: u64,
    stream: u64,
    now: u64,
) -> u32 {
    let read = Read::from_word(read);
    // SAFETY: see above.
    let Some(packet) = (unsafe { packet.as_ref() }) else {
        return Outcome::from(read.packet_class.pass).word();
    };
    let kernel = Kernel::of(core::ptr::null_mut(), from_slots(slots), now);
    judge::judge_segment(&kernel, packet, read, Stream::from_word(stream)).word()
}

/// 0, or the reason's code plus one.
///
/// # Safety
/// As for `parse`.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn charge_later(packet: *const Packet, slot: u32, stream: u64, now: u64) -> u32 {
    // SAFETY: see above.
    let Some(packet) = (unsafe { packet.as_ref() }) else { return 0 };
    let kernel = Kernel::of(core::ptr::null_mut(), from_slots(slot), now);
    judge::charge_later(&kernel, packet, Stream::from_word(stream)).map_or(0, |reason| reason as u32 + 1)
}

/// As `judge_segment`.
///
/// # Safety
/// As for `parse`.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn judge_first_fragment(
    packet: *const Packet,
    slots: u32,
    read: u64,
    stream: u64,
    now: u64,
) -> u32 {
    let read = Read::from_word(read);
    // SAFETY: see above.
    let Some(packet) = (unsafe { packet.as_ref() }) else {
        return Outcome::from(read.packet_class.pass).word();
    };
    let kernel = Kernel::of(core::ptr::null_mut(), from_slots(slots), now);
    judge::judge_first_fragment(&kernel, packet, read, Stream::from_word(stream)).word()
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn advance(ctx: *mut xdp_md, offset: u32, row: u32, most: u32) -> u64 {
    if ctx.is_null() {
        return 0;
    }
    let Some(set) = signatures(row >> 16) else { return 0 };
    set.advance(payload(ctx, offset), row as u16, most).word()
}

#[unsafe(no_mangle)]
#[inline(never)]
pub(super) extern "C" fn skip_blanks(ctx: *mut xdp_md, offset: u32) -> u32 {
    if ctx.is_null() { 0 } else { stream::skip_blanks(payload(ctx, offset)) }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn later_message(ctx: *mut xdp_md, offset: u32) -> u32 {
    if ctx.is_null() { Kind::NotSip.code() } else { stream::later_message(payload(ctx, offset)).code() }
}

/// # Safety
/// As for `parse`.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn is_suspended(ctx: *mut xdp_md, packet: *const Packet, asked: u32, now: u64) -> u32 {
    // SAFETY: see above.
    let Some(packet) = (unsafe { packet.as_ref() }) else { return 0 };
    if ctx.is_null() {
        return 0;
    }
    let kernel = Kernel::of(ctx, Active::default(), now);
    judge::suspended(&kernel, packet, Asked::from_word(asked)) as u32
}
