//! Telling userspace about drops: sampled, so that a flood costs a look at a clock and not a ring buffer.

use aya_ebpf::{EbpfContext as _, helpers::generated::bpf_ktime_get_coarse_ns, programs::XdpContext};
use xdp_prog::{
    abi::{EVENT_HEAD, EVENT_SLOT_COUNT},
    frame::Packet,
    judge::Verdict,
};

use super::{
    frame,
    maps::{EVENT_SLOTS, EVENTS},
};

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
    send(ctx, packet, verdict, now);
}

#[inline(always)]
fn send(ctx: &XdpContext, packet: &Packet, verdict: &Verdict, now: u64) {
    // A full ring loses the event; the counters have the packet all the same.
    let Some(mut entry) = EVENTS.reserve(0) else { return };
    let frame = frame(ctx);
    // SAFETY: the reservation has room for one event. Every field is written, and of `head` as much as
    // `head_length` says; the rest is zeroed before.
    unsafe {
        let event = entry.as_mut_ptr();
        (&raw mut (*event).at).write(now);
        (&raw mut (*event).source).write(packet.source);
        (&raw mut (*event).destination).write(packet.destination);
        (&raw mut (*event).interface)
            .write((*ctx.as_ptr().cast::<aya_ebpf::bindings::xdp_md>()).ingress_ifindex);
        (&raw mut (*event).frame_length).write(frame.len() as u32);
        (&raw mut (*event).source_port).write(packet.source_port);
        (&raw mut (*event).destination_port).write(packet.destination_port);
        (&raw mut (*event).signature).write(verdict.signature);
        (&raw mut (*event).protocol).write(packet.protocol);
        (&raw mut (*event).reason).write(verdict.reason as u8);
        (&raw mut (*event).enforced).write(verdict.enforced as u32);
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
}

const WORD: usize = 8;
