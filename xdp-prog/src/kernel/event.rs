//! Telling userspace about drops: sampled, so that a flood costs a look at a clock and not a ring buffer.

use aya_ebpf::{
    EbpfContext as _, bindings::xdp_md, helpers::generated::bpf_ktime_get_coarse_ns, programs::XdpContext,
};
use xdp_prog::{
    abi::{EVENT_HEAD, EVENT_SLOT_COUNT},
    bytes::Bytes,
    frame::Packet,
    judge::Verdict,
};

use super::maps::{EVENT_SLOTS, EVENTS};

const SECOND: u64 = 1_000_000_000;

/// Sends an event unless this source's slot sent one within the last second.
#[inline(always)]
pub(super) fn sample(ctx: &XdpContext, packet: &Packet, verdict: &Verdict) {
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_coarse_ns() };
    let [a, b, c, d] = packet.source.0;
    let hash = (a ^ b ^ c ^ d).wrapping_mul(0x9e37_79b1);
    let slot = hash >> (32 - EVENT_SLOT_COUNT.ilog2());
    let Some(last) = EVENT_SLOTS.get_ptr_mut(slot) else { return };
    // SAFETY: a per-CPU slot.
    unsafe {
        if *last + SECOND > now && *last != 0 {
            return;
        }
        *last = now;
    }
    // SAFETY: the packet is borrowed for longer than the call.
    unsafe { send(ctx.as_ptr().cast(), packet, encoded(verdict), now) };
}

/// A verdict as one scalar, which is all that a global function takes besides pointers.
#[inline(always)]
const fn encoded(verdict: &Verdict) -> u32 {
    verdict.reason as u32 | (verdict.enforced as u32) << 8 | (verdict.signature as u32) << 16
}

/// A global function, as in `world`: Linux 6.1 would otherwise follow the copy below once for every way through the
/// path, and give up at a million instructions.
///
/// # Safety
/// The kernel checks `packet` at every call: null, or a whole packet.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn send(ctx: *mut xdp_md, packet: *const Packet, verdict: u32, now: u64) -> u32 {
    // SAFETY: see above.
    let Some(packet) = (unsafe { packet.as_ref() }) else { return 0 };
    if ctx.is_null() {
        return 0;
    }
    // A full ring loses the event; the counters have the packet all the same.
    let Some(mut entry) = EVENTS.reserve(0) else { return 0 };
    // SAFETY: the context is the program's own, and the packet outlives the call.
    let frame = unsafe { Bytes::new((*ctx).data as usize, (*ctx).data_end as usize) };
    // SAFETY: the reservation has room for one event. Every field is written, and of `head` as much as
    // `head_length` says; the rest is zeroed before.
    unsafe {
        let event = entry.as_mut_ptr();
        (&raw mut (*event).at).write(now);
        (&raw mut (*event).source).write(packet.source);
        (&raw mut (*event).destination).write(packet.destination);
        (&raw mut (*event).interface).write((*ctx).ingress_ifindex);
        (&raw mut (*event).frame_length).write(frame.len() as u32);
        (&raw mut (*event).source_port).write(packet.source_port);
        (&raw mut (*event).destination_port).write(packet.destination_port);
        (&raw mut (*event).signature).write((verdict >> 16) as u16);
        (&raw mut (*event).protocol).write(packet.protocol);
        (&raw mut (*event).reason).write(verdict as u8);
        (&raw mut (*event).enforced).write(verdict >> 8 & 1);
        let head = (&raw mut (*event).head).cast::<u8>();
        let mut at = 0;
        while at < EVENT_HEAD {
            let word = frame.chunk::<WORD>(at).copied().unwrap_or([0; WORD]);
            head.add(at).cast::<[u8; WORD]>().write(word);
            at += WORD;
        }
        // What is left of a short frame behind its last whole word.
        let whole = frame.len() & (2 * EVENT_HEAD - 1) & !(WORD - 1);
        if whole < EVENT_HEAD {
            let mut rest = 0;
            while rest < WORD - 1 {
                let Some(byte) = frame.byte(whole + rest) else { break };
                head.add(whole + rest).write(byte);
                rest += 1;
            }
        }
        let length = if frame.len() > EVENT_HEAD { EVENT_HEAD } else { frame.len() };
        (&raw mut (*event).head_length).write(length as u32);
    }
    entry.submit(0);
    1
}

const WORD: usize = 8;
