//! The functions that the verifier checks separately: once each, instead of once for every way that leads to them.
//!
//! Linux 6.1 would follow the whole program as one function until it gives up at a million instructions. Each function
//! has a symbol with the prefix `sip_`, which profiles show. Pointers are checked and other values are packed by
//! [`subprograms`] alone.

use aya_ebpf::bindings::{__sk_buff, xdp_md};
use xdp_prog::{
    abi::{Active, Carried, Rest},
    account::{self, End, Header, LineSteps, ParameterStep, Uri, User},
    asking,
    charge::{self, Charge, Limit},
    form,
    frame::{self, Depth, Extensions, Packet},
    guess::{self, Budget, Guess, GuessCharge, GuessPlan},
    judge::{self, Asked, Fragment, Outcome, PacketClass, Read, Reported, SourceStatus},
    lines,
    matcher::{self, RowInSet, Scan},
    packed::Packed,
    reason::Reason,
    segments::{self, Place},
    sip::{self, Kind},
    siphash,
    stream::{self, Advance, Begin, Stream, WalkPlan},
    tap::Passed,
};

use super::{
    accounts::{self, ReceivedMessage},
    capture,
    challenge::{self, SentMessage},
    event,
    forms::ReceivedText,
    segment::{self, ReceivedSegment},
    tap,
    world::{Kernel, payload, signatures},
};

/// A pointer that the kernel checks at every call: it is null, or refers to a whole value.
trait Pointer: Sized {
    type Raw;

    fn raw(self) -> Self::Raw;

    /// # Safety
    /// Null, or valid for the call.
    unsafe fn checked(raw: Self::Raw) -> Option<Self>;
}

impl<T> Pointer for &T {
    type Raw = *const T;

    #[inline(always)]
    fn raw(self) -> *const T {
        self
    }

    #[inline(always)]
    unsafe fn checked(raw: *const T) -> Option<Self> {
        // SAFETY: the caller's promise.
        unsafe { raw.as_ref() }
    }
}

impl<T> Pointer for &mut T {
    type Raw = *mut T;

    #[inline(always)]
    fn raw(self) -> *mut T {
        self
    }

    #[inline(always)]
    unsafe fn checked(raw: *mut T) -> Option<Self> {
        // SAFETY: the caller's promise.
        unsafe { raw.as_mut() }
    }
}

/// A context, which is the program's own.
impl<T> Pointer for *mut T {
    type Raw = Self;

    #[inline(always)]
    fn raw(self) -> Self {
        self
    }

    #[inline(always)]
    unsafe fn checked(raw: Self) -> Option<Self> {
        if raw.is_null() { None } else { Some(raw) }
    }
}

/// Declares functions as `fn name(pointers; values) -> result { … } else { … }`. A null pointer, which no caller passes,
/// leads to the `else`.
macro_rules! subprograms {
    ($(
        $(#[$doc:meta])*
        fn $name:ident($($pointer:ident: $target:ty),+; $($value:ident: $type:ty),*) -> $result:ty
        $body:block else $otherwise:block
    )+) => {$(
        $(#[$doc])*
        #[inline(always)]
        pub(super) fn $name($($pointer: $target,)+ $($value: $type),*) -> $result {
            /// # Safety
            /// The kernel checks pointers at every call: null, or a whole value.
            // SAFETY: the prefix is this program's own, so no other symbol has that name.
            #[unsafe(no_mangle)]
            #[inline(never)]
            unsafe extern "C" fn $name(
                $($pointer: <$target as Pointer>::Raw,)+
                $($value: <$type as Packed>::Word),*
            ) -> <$result as Packed>::Word {
                #[inline(always)]
                fn body($($pointer: $target,)+ $($value: $type),*) -> $result $body

                $(let $value = <$type>::unpack($value);)*
                $(
                    // SAFETY: see above.
                    let Some($pointer) = (unsafe { <$target>::checked($pointer) }) else {
                        let otherwise: $result = $otherwise;
                        return otherwise.pack();
                    };
                )+
                body($($pointer,)+ $($value),*).pack()
            }

            // SAFETY: the pointers are references, or the program's own context.
            <$result>::unpack(unsafe { $name($($pointer.raw(),)+ $($value.pack()),*) })
        }
    )+};
}

subprograms! {
    /// [`frame::parse`] of the whole frame.
    fn sip_parse(ctx: *mut xdp_md, packet: &mut Packet;) -> Depth {
        let extensions = |offset, protocol| sip_extension_headers(ctx, offset, protocol);
        frame::parse(payload(ctx, 0), extensions, packet)
    } else { Depth::BadIp }

    fn sip_extension_headers(ctx: *mut xdp_md; offset: u32, protocol: u8) -> Extensions {
        frame::extension_headers_with(offset, protocol, |chain| sip_extension_header(ctx, chain))
    } else { Extensions::CUT }

    fn sip_extension_header(ctx: *mut xdp_md; chain: Extensions) -> Extensions {
        frame::extension_header(payload(ctx, 0), chain)
    } else { Extensions::CUT }

    fn sip_source_status(packet: &Packet; now: u64) -> SourceStatus {
        // Copied, because up to 6.4 the memory of an argument is no key for a map.
        let source = packet.source;
        judge::source_status(&Kernel::without_packet(Active::default(), now), &source)
    } else { SourceStatus::Stranger }

    fn sip_packet_class(ctx: *mut xdp_md, packet: &Packet; encrypted: bool) -> PacketClass {
        judge::packet_class(&Kernel::of(ctx, Active::default(), 0), packet, encrypted)
    } else { PacketClass::unpack(0) }

    fn sip_classify(ctx: *mut xdp_md; offset: u32, length: u32) -> Kind {
        let shape = |start| sip_shape(ctx, offset + start);
        sip::classify(payload(ctx, offset), length, || sip_blanks(ctx, offset), shape)
    } else { Kind::NotSip }

    fn sip_blanks(ctx: *mut xdp_md; offset: u32) -> u32 {
        sip::blanks(payload(ctx, offset))
    } else { 0 }

    fn sip_shape(ctx: *mut xdp_md; offset: u32) -> Kind {
        sip::shape(payload(ctx, offset))
    } else { Kind::NotSip }

    fn sip_charge_known(packet: &Packet; charge: Charge, policy: u32, now: u64) -> Limit {
        charge::known(&Kernel::without_packet(Active::of_policy(policy), now), packet, charge)
    } else { Limit::None }

    fn sip_charge_stranger(packet: &Packet; charge: Charge, policy: u32, now: u64) -> Limit {
        charge::stranger(&Kernel::without_packet(Active::of_policy(policy), now), packet, charge)
    } else { Limit::None }

    fn sip_is_suspended(ctx: *mut xdp_md, packet: &Packet; asked: Asked, now: u64) -> bool {
        judge::suspended(&Kernel::of(ctx, Active::default(), now), packet, asked)
    } else { false }

    /// [`asking::is_too_many`]. `credentials`: there may be some.
    fn sip_is_asking_too_often(ctx: *mut xdp_md, packet: &Packet; credentials: bool, now: u64) -> bool {
        asking::is_too_many(&Kernel::of(ctx, Active::default(), now), packet, credentials)
    } else { false }
}

// Signatures in a datagram.
subprograms! {
    fn sip_scan(ctx: *mut xdp_md; offset: u32, length: u32, slot: u32) -> Scan {
        let Some(set) = signatures(slot) else { return Scan::UNSEEN };
        let scan = matcher::scan(payload(ctx, offset), length, &set.prefilter);
        if set.head.count == 0 { scan.without_signatures() } else { scan }
    } else { Scan::unpack(0) }

    fn sip_find_signature(
        ctx: *mut xdp_md;
        offset: u32,
        length: u32,
        slot: u32,
        candidate: u32
    ) -> Option<u16> {
        let set = signatures(slot)?;
        let start = set.start_with(
            payload(ctx, offset),
            candidate,
            |most| sip_without_empty_line(ctx, offset, most),
            |at| sip_start_of_line(ctx, offset, at),
        );
        set.find_with(
            length,
            start,
            |row, at, most| sip_long_steps(ctx, offset + at, most, RowInSet { row, slot }),
            |row, at, most| sip_short_steps(ctx, offset + at, most, RowInSet { row, slot }),
        )
    } else { None }

    fn sip_without_empty_line(ctx: *mut xdp_md; offset: u32, most: u32) -> u32 {
        lines::without_empty_line(payload(ctx, offset), most, matcher::SCAN_MAX)
    } else { 0 }

    fn sip_start_of_line(ctx: *mut xdp_md; offset: u32, at: u32) -> u32 {
        lines::start_of_line(payload(ctx, offset), at, matcher::SCAN_MAX)
    } else { 0 }

    fn sip_long_steps(ctx: *mut xdp_md; offset: u32, most: u32, row: RowInSet) -> u16 {
        signatures(row.slot).map_or(0, |set| set.long_steps(payload(ctx, offset), most, row.row))
    } else { 0 }

    fn sip_short_steps(ctx: *mut xdp_md; offset: u32, most: u32, row: RowInSet) -> u16 {
        signatures(row.slot).map_or(0, |set| set.short_steps(payload(ctx, offset), most, row.row))
    } else { 0 }
}

// TCP segments and fragments.
subprograms! {
    fn sip_find_segment(ctx: *mut xdp_md, packet: &mut Packet; slot: u32) -> Place {
        segments::find(&Kernel::of(ctx, Active { policy: 0, signatures: slot }, 0), packet)
    } else { Place::Unknown }

    fn sip_keep_segment(packet: &Packet;) -> () {
        segments::keep(&Kernel::without_packet(Active::default(), 0), packet);
    } else {}

    fn sip_judge_segment(packet: &Packet; active: Active, read: Read, stream: Stream, now: u64) -> Outcome {
        judge::judge_segment(&Kernel::without_packet(active, now), packet, read, stream)
    } else { read.packet_class.pass.into() }

    fn sip_charge_later(packet: &Packet; policy: u32, stream: Stream, now: u64) -> Option<Reason> {
        judge::charge_later(&Kernel::without_packet(Active::of_policy(policy), now), packet, stream)
    } else { None }

    fn sip_judge_first_fragment(
        packet: &Packet;
        active: Active,
        read: Read,
        stream: Stream,
        now: u64
    ) -> Outcome {
        judge::judge_first_fragment(&Kernel::without_packet(active, now), packet, read, stream)
    } else { read.packet_class.pass.into() }

    fn sip_find_fragment(packet: &Packet; active: Active, now: u64) -> Fragment {
        judge::find_fragment(&Kernel::without_packet(active, now), packet)
    } else { Fragment::ALONE }

    fn sip_judge_fragment(
        packet: &Packet;
        active: Active,
        found: Fragment,
        stream: Stream,
        now: u64
    ) -> Outcome {
        judge::judge_fragment(&Kernel::without_packet(active, now), packet, found, stream)
    } else { Reason::Fragment.into() }

    fn sip_settle_fragment(packet: &Packet; reason: Reason, rest: Rest, now: u64) -> () {
        judge::settle_fragment(&Kernel::without_packet(Active::default(), now), packet, reason, rest);
    } else {}

    /// Prepares the walk. False: there is nothing to walk for.
    fn sip_begin_walk(ctx: *mut xdp_md; offset: u32, length: u32, plan: WalkPlan) -> bool {
        segment::begin(ctx, offset, length, plan)
    } else { false }

    /// True: the segment ends with the message that it begins with.
    fn sip_is_whole_message(ctx: *mut xdp_md; offset: u32, length: u32) -> bool {
        stream::is_whole_message(payload(ctx, offset), length)
    } else { false }

    fn sip_walk_stream(ctx: *mut xdp_md;) -> Stream {
        segment::finish(|walk| sip_walk_turn(ctx, walk))
    } else { Stream::default() }

    fn sip_walk_turn(ctx: *mut xdp_md, walk: &mut stream::Walk;) -> bool {
        let Some(set) = signatures(walk.slot) else { return true };
        let segment = ReceivedSegment { ctx, offset: walk.offset, slot: walk.slot };
        walk.turn(set, &segment)
    } else { true }

    fn sip_advance(ctx: *mut xdp_md; offset: u32, row: RowInSet, most: u32) -> Advance {
        let Some(set) = signatures(row.slot) else { return Advance::unpack(0) };
        set.advance(payload(ctx, offset), row.row, most)
    } else { Advance::unpack(0) }

    fn sip_skip_blanks(ctx: *mut xdp_md; offset: u32) -> u32 {
        stream::skip_blanks(payload(ctx, offset))
    } else { 0 }

    fn sip_later_message(ctx: *mut xdp_md; offset: u32) -> Kind {
        stream::later_message(payload(ctx, offset))
    } else { Kind::NotSip }

    fn sip_take_head(ctx: *mut xdp_md, carried: &mut Carried; offset: u32, most: u32) -> u32 {
        stream::take_head(payload(ctx, offset), carried, most)
    } else { most }
}

// Forms.
subprograms! {
    fn sip_forms(ctx: *mut xdp_md; offset: u32, length: u32, begin: form::Begin) -> u32 {
        form::find(&ReceivedText { ctx, offset, length }, begin)
    } else { 0 }

    fn sip_start_line(ctx: *mut xdp_md; offset: u32, length: u32, at: u32, begin: form::Begin) -> u32 {
        let at = at & (sip::LEADING_MAX - 1);
        form::in_start_line(&ReceivedText { ctx, offset, length }, at, begin)
    } else { 0 }

    fn sip_first_line(ctx: *mut xdp_md; offset: u32, length: u32) -> u32 {
        form::first_line(payload(ctx, offset), length)
    } else { 0 }

    fn sip_has_usual_bytes(ctx: *mut xdp_md; offset: u32, length: u32) -> bool {
        form::has_usual_bytes(payload(ctx, offset), length)
    } else { false }

    fn sip_has_plain_bytes(ctx: *mut xdp_md; offset: u32, length: u32) -> bool {
        form::has_plain_bytes(payload(ctx, offset), length)
    } else { false }

    fn sip_start_steps(ctx: *mut xdp_md; offset: u32, length: u32) -> form::Walk {
        form::start_steps(payload(ctx, offset), length)
    } else { form::Walk::unpack(0) }

    fn sip_start_rest(ctx: *mut xdp_md; offset: u32, length: u32, walk: form::Walk) -> form::Walk {
        form::start_rest(payload(ctx, offset), length, walk)
    } else { walk }

    fn sip_header_steps(ctx: *mut xdp_md; offset: u32, length: u32, walk: form::Walk) -> form::Walk {
        form::header_steps(payload(ctx, offset), length, walk)
    } else { walk }

    fn sip_header_rest(ctx: *mut xdp_md; offset: u32, length: u32, walk: form::Walk) -> form::Walk {
        form::header_rest(payload(ctx, offset), length, walk)
    } else { walk }

    fn sip_continued(ctx: *mut xdp_md; offset: u32, length: u32) -> u32 {
        form::continued(payload(ctx, offset), length)
    } else { 0 }
}

// Guesses.
subprograms! {
    fn sip_judge_guess(ctx: *mut xdp_md, packet: &Packet; plan: GuessPlan, now: u64) -> Guess {
        let kernel = Kernel::of(ctx, Active::of_policy(plan.policy), now);
        guess::judge(&kernel, packet, plan.wanted(), plan.refuse_names)
    } else { Guess::OverOther }

    fn sip_add_guess(ctx: *mut xdp_md, packet: &Packet; policy: u32, now: u64) -> () {
        guess::add(&Kernel::of(ctx, Active::of_policy(policy), now), packet, &accounts::found());
    } else {}

    fn sip_charge_guesses(packet: &Packet; charge: GuessCharge, fingerprint: u64, now: u64) -> Guess {
        let kernel = Kernel::without_packet(Active::of_policy(charge.policy), now);
        guess::charge(&kernel, packet, charge.budget, fingerprint, charge.guesses)
    } else { Guess::OverOther }

    fn sip_is_line_counted(packet: &Packet; budget: Budget, now: u64) -> bool {
        guess::is_line_counted(&Kernel::without_packet(Active::default(), now), packet, budget)
    } else { false }

    fn sip_hash(ctx: *mut xdp_md; offset: u32, length: u32, key: u64, seed: u64) -> u64 {
        siphash::chained(length, [key, seed], |at, most, [key, before]| {
            sip_hash_step(ctx, offset + at, most, key, before)
        })
    } else { 0 }

    fn sip_hash_step(ctx: *mut xdp_md; offset: u32, most: u32, key: u64, before: u64) -> u64 {
        siphash::hash(payload(ctx, offset), most, [key, before])
    } else { 0 }
}

// Accounts in what comes in.
subprograms! {
    fn sip_next_account(ctx: *mut xdp_md, walk: &mut account::Walk;) -> () {
        walk.next(
            |walk| sip_header_in_line(ctx, walk),
            |walk| sip_account_in_address(ctx, walk),
            |walk| sip_credentials_in_header(ctx, walk),
        );
    } else {}

    fn sip_header_in_line(ctx: *mut xdp_md, walk: &mut account::Walk;) -> () {
        let message = ReceivedMessage { ctx, offset: walk.offset };
        walk.line(&message);
    } else {}

    fn sip_account_in_address(ctx: *mut xdp_md, walk: &mut account::Walk;) -> () {
        let message = ReceivedMessage { ctx, offset: walk.offset };
        walk.address(&message);
    } else {}

    fn sip_credentials_in_header(ctx: *mut xdp_md, walk: &mut account::Walk;) -> () {
        let message = ReceivedMessage { ctx, offset: walk.offset };
        walk.begin_credentials(&message);
        walk.credentials(|walk| sip_next_parameter(ctx, walk));
    } else {}

    fn sip_next_parameter(ctx: *mut xdp_md, walk: &mut account::Walk;) -> bool {
        let message = ReceivedMessage { ctx, offset: walk.offset };
        walk.turn(&message)
    } else { true }

    fn sip_line_steps(ctx: *mut xdp_md; offset: u32, most: u32) -> LineSteps {
        account::line_steps(payload(ctx, offset), most)
    } else { LineSteps::all(most) }

    fn sip_rest_of_line(ctx: *mut xdp_md; offset: u32, most: u32) -> u32 {
        account::rest_of_line(payload(ctx, offset), most)
    } else { most }

    fn sip_header(ctx: *mut xdp_md; offset: u32) -> Header {
        account::header(payload(ctx, offset))
    } else { Header::unpack(0) }

    fn sip_uri(ctx: *mut xdp_md; offset: u32, most: u32) -> Option<Uri> {
        account::uri(payload(ctx, offset), most)
    } else { None }

    fn sip_user(ctx: *mut xdp_md; offset: u32, most: u32, bracketed: bool) -> Option<User> {
        account::user(payload(ctx, offset), most, bracketed)
    } else { None }

    fn sip_has_tag(ctx: *mut xdp_md; offset: u32, most: u32) -> bool {
        account::has_tag(payload(ctx, offset), most)
    } else { false }

    fn sip_skip_quoted(ctx: *mut xdp_md; offset: u32, most: u32) -> u32 {
        account::skip_quoted(payload(ctx, offset), most)
    } else { 0 }

    fn sip_parameter(ctx: *mut xdp_md; offset: u32, most: u32, state: u8) -> ParameterStep {
        account::parameter(payload(ctx, offset), most, state)
    } else { ParameterStep::unpack(0) }

    fn sip_name_hash(ctx: *mut xdp_md; offset: u32, most: u32, end: End) -> u64 {
        account::name_hash(payload(ctx, offset), most, end)
    } else { account::NONE }

    fn sip_value_hash(ctx: *mut xdp_md; offset: u32, most: u32, end: End) -> u64 {
        account::value_hash(payload(ctx, offset), most, end)
    } else { account::NONE }
}

// Challenges in what leaves. They repeat some of those above, because a function has one kind of context.
subprograms! {
    fn sip_sent_next_challenge(skb: *mut __sk_buff, walk: &mut account::Walk;) -> () {
        walk.next(|walk| sip_sent_line(skb, walk), |_| {}, |walk| sip_sent_challenge(skb, walk));
    } else {}

    fn sip_sent_line(skb: *mut __sk_buff, walk: &mut account::Walk;) -> () {
        let message = SentMessage { skb, offset: walk.offset };
        walk.line(&message);
    } else {}

    fn sip_sent_challenge(skb: *mut __sk_buff, walk: &mut account::Walk;) -> () {
        let message = SentMessage { skb, offset: walk.offset };
        walk.begin_credentials(&message);
        walk.credentials(|walk| sip_sent_next_parameter(skb, walk));
    } else {}

    fn sip_sent_next_parameter(skb: *mut __sk_buff, walk: &mut account::Walk;) -> bool {
        let message = SentMessage { skb, offset: walk.offset };
        walk.turn(&message)
    } else { true }

    fn sip_sent_line_steps(skb: *mut __sk_buff; offset: u32, most: u32) -> LineSteps {
        account::line_steps(challenge::payload(skb, offset), most)
    } else { LineSteps::all(most) }

    fn sip_sent_rest_of_line(skb: *mut __sk_buff; offset: u32, most: u32) -> u32 {
        account::rest_of_line(challenge::payload(skb, offset), most)
    } else { most }

    fn sip_sent_header(skb: *mut __sk_buff; offset: u32) -> Header {
        account::header(challenge::payload(skb, offset))
    } else { Header::unpack(0) }

    fn sip_sent_blanks(skb: *mut __sk_buff; offset: u32) -> u32 {
        stream::skip_blanks(challenge::payload(skb, offset))
    } else { 0 }

    fn sip_sent_parameter(skb: *mut __sk_buff; offset: u32, most: u32, state: u8) -> ParameterStep {
        account::parameter(challenge::payload(skb, offset), most, state)
    } else { ParameterStep::unpack(0) }

    fn sip_sent_value_hash(skb: *mut __sk_buff; offset: u32, most: u32, end: End) -> u64 {
        account::value_hash(challenge::payload(skb, offset), most, end)
    } else { account::NONE }
}

// Reports to the daemon.
subprograms! {
    /// False: the event could not be sent.
    fn sip_send_event(
        ctx: *mut xdp_md,
        packet: &Packet;
        verdict: Reported,
        unseen: u32,
        now: u64
    ) -> bool {
        event::send(ctx, packet, verdict, unseen, now)
    } else { false }

    /// True: the packet was captured.
    fn sip_capture(ctx: *mut xdp_md; verdict: Reported) -> bool {
        capture::capture(ctx, verdict)
    } else { false }

    /// True: the packet was handed over.
    fn sip_tap(ctx: *mut xdp_md, packet: &Packet; passed: Passed) -> bool {
        tap::receive(ctx, packet, passed)
    } else { false }
}
