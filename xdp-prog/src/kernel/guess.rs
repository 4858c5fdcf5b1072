//! What lines have tried, as the packet path sees it.

use aya_ebpf::bindings::xdp_md;
use xdp_prog::{
    abi::{Active, Address, AddressHash, GuessState, Refunds},
    account::Wanted,
    frame::Packet,
    guess::{self, Budget, Guess, NEW_LINES as LIMIT, Tally},
    packed::Packed as _,
    siphash,
};

use super::{
    accounts,
    maps::{CHARGED, GUESSES_ISSUED, GUESSES_OTHER, ISSUED, NEW_LINES, REFUNDS, WORKED},
    world::{Kernel, payload, scratch},
};

#[inline(always)]
pub(super) fn judge(
    kernel: &Kernel,
    packet: &Packet,
    policy: u32,
    wanted: Wanted,
    refuse_names: bool,
) -> Guess {
    let is_rest = matches!(wanted, Wanted::RestOfHeader);
    let how = refuse_names as u32 | (is_rest as u32) << 1 | policy << 2;
    let now = xdp_prog::judge::World::now(kernel);
    // SAFETY: a reference is what the function asks for.
    Guess::unpack(unsafe { judge_guess(kernel.ctx, packet, how, now) })
}

#[inline(always)]
pub(super) fn charge(
    packet: &Packet,
    policy: u32,
    budget: Budget,
    fingerprint: u64,
    guesses: u32,
    now: u64,
) -> Guess {
    let how = budget as u32 | policy << 1 | guesses << 16;
    // SAFETY: as above.
    Guess::unpack(unsafe { charge_guesses(packet, how, fingerprint, now) })
}

#[inline(always)]
pub(super) fn add(ctx: *mut xdp_md, packet: &Packet, policy: u32, now: u64) {
    // SAFETY: as above.
    unsafe { add_guess(ctx, packet, policy, now) };
}

#[inline(always)]
pub(super) fn tally() -> Tally {
    // SAFETY: this CPU's own, copied at once.
    scratch().map_or_else(Tally::default, |scratch| unsafe { (*scratch).tally })
}

#[inline(always)]
pub(super) fn set_tally(tally: Tally) {
    if let Some(scratch) = scratch() {
        // SAFETY: this CPU's own, and nothing else refers to this part of it.
        unsafe { (*scratch).tally = tally };
    }
}

#[inline(always)]
pub(super) fn worked(there: &AddressHash, now: u64) -> bool {
    // SAFETY: read at once.
    matches!(unsafe { WORKED.get(there) }, Some(until) if *until > now)
}

#[inline(always)]
pub(super) fn issued(to: &AddressHash) -> bool {
    // SAFETY: only whether it is there counts.
    to.hash != 0 && unsafe { ISSUED.get(to) }.is_some()
}

#[inline(always)]
pub(super) fn fingerprint(ctx: *mut xdp_md, packet: &Packet, key: [u64; 2]) -> u64 {
    let [key, seed] = key;
    print_of(ctx, packet.offset, packet.length, key, seed)
}

#[inline(always)]
pub(super) fn state(budget: Budget, line: &Address, now: u64) -> Option<&'static GuessState> {
    match budget {
        Budget::Issued => {
            // SAFETY: a reused slot would be another line's state: that one is charged instead, once.
            if let Some(state) = unsafe { GUESSES_ISSUED.get(line) } {
                return Some(state);
            }
            // A failure (no memory) shows in the second look-up.
            let _ = GUESSES_ISSUED.insert(line, GuessState::default(), 0);
            // SAFETY: as above.
            unsafe { GUESSES_ISSUED.get(line) }
        }
        Budget::Other => {
            // SAFETY: as above.
            if let Some(state) = unsafe { GUESSES_OTHER.get(line) } {
                return Some(state);
            }
            let meter = NEW_LINES.get(0)?;
            meter.commit(meter.admits(&LIMIT, 1, now, 1)?);
            let _ = GUESSES_OTHER.insert(line, GuessState::default(), 0);
            // SAFETY: as above.
            unsafe { GUESSES_OTHER.get(line) }
        }
    }
}

#[inline(always)]
pub(super) fn refunds(line: &Address) -> Refunds {
    // SAFETY: copied at once.
    unsafe { REFUNDS.get(line).copied() }.unwrap_or_default()
}

#[inline(always)]
pub(super) fn charged_until(credentials: &AddressHash) -> u64 {
    // SAFETY: copied at once.
    unsafe { CHARGED.get(credentials).copied() }.unwrap_or_default()
}

#[inline(always)]
pub(super) fn charge_once(credentials: &AddressHash, until: u64) {
    // On failure (no memory) a retransmission is charged, too.
    let _ = CHARGED.insert(credentials, until, 0);
}

// Global functions, for the same reason as those of `world`.

/// `how`: 1 if two names are to be refused, and twice the policy's slot.
///
/// # Safety
/// The kernel checks `packet` at every call: null, or a whole packet.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn judge_guess(ctx: *mut xdp_md, packet: *const Packet, how: u32, now: u64) -> u32 {
    // SAFETY: see above.
    let Some(packet) = (unsafe { packet.as_ref() }) else { return 0 };
    if ctx.is_null() {
        return 0;
    }
    let kernel = Kernel::of(ctx, Active { policy: how >> 2, signatures: 0 }, now);
    let wanted = if how & 2 != 0 { Wanted::RestOfHeader } else { Wanted::Credentials };
    guess::judge(&kernel, packet, wanted, how & 1 != 0) as u32
}

/// # Safety
/// As for `judge_guess`.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn add_guess(ctx: *mut xdp_md, packet: *const Packet, policy: u32, now: u64) -> u32 {
    // SAFETY: see above.
    let Some(packet) = (unsafe { packet.as_ref() }) else { return 0 };
    if ctx.is_null() {
        return 0;
    }
    guess::add(&Kernel::of(ctx, Active { policy, signatures: 0 }, now), packet, &accounts::found());
    0
}

/// `how`: the budget, twice the policy's slot, and from bit 16 on the guesses.
///
/// # Safety
/// As for `judge_guess`.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn charge_guesses(packet: *const Packet, how: u32, fingerprint: u64, now: u64) -> u32 {
    // SAFETY: see above.
    let Some(packet) = (unsafe { packet.as_ref() }) else { return 0 };
    let active = Active { policy: how >> 1 & 0xff, signatures: 0 };
    let kernel = Kernel::of(core::ptr::null_mut(), active, now);
    guess::charge(&kernel, packet, Budget::unpack(how & 1), fingerprint, how >> 16) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn print_of(ctx: *mut xdp_md, offset: u32, length: u32, key: u64, seed: u64) -> u64 {
    siphash::chained(length, [key, seed], |at, most, [key, before]| {
        print_step(ctx, offset + at, most, key, before)
    })
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn print_step(ctx: *mut xdp_md, offset: u32, most: u32, key: u64, seed: u64) -> u64 {
    if ctx.is_null() { 0 } else { siphash::hash(payload(ctx, offset), most, [key, seed]) }
}
