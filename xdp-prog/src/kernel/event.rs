//! Events of dropped packets, sampled: a flood costs a look at a clock and not a place in the ring.

use aya_ebpf::{EbpfContext as _, bindings::xdp_md, programs::XdpContext};
use xdp_prog::{
    frame::Packet,
    judge::{Reported, Verdict, World as _},
    sampler,
};

use super::{
    copy::{self, frame_length},
    maps::{EVENT_SLOTS, EVENTS},
    subprograms::sip_send_event,
    world::Kernel,
};

/// Sends an event if this source's slot is due. The policy's key costs a few instructions: that is an array, whose
/// look-up the kernel inlines, and the line of memory that the verdict has just come from.
#[inline(always)]
pub(super) fn sample(ctx: &XdpContext, kernel: &Kernel, packet: &Packet, verdict: &Verdict) {
    let key = kernel.policy().map_or(0, |policy| policy.key);
    let now = kernel.now();
    let sender = sampler::sender(packet.source);
    let Some(slot) = EVENT_SLOTS.get_ptr_mut(sampler::slot(sender, key)) else { return };
    // SAFETY: a per-CPU slot; XDP does not preempt itself on a CPU.
    let slot = unsafe { &mut *slot };
    let Some(unseen) = slot.emit(sender, now) else { return };
    if !sip_send_event(ctx.as_ptr().cast(), packet, verdict.reported(), unseen, now) {
        slot.take_back(unseen);
    }
}

/// Writes the event into the ring. False: there is no room.
#[inline(always)]
pub(super) fn send(ctx: *mut xdp_md, packet: &Packet, verdict: Reported, unseen: u32, now: u64) -> bool {
    let Some(mut entry) = EVENTS.reserve(0) else { return false };
    let event = entry.as_mut_ptr();
    // SAFETY: the reservation has room for one event. Every field is written, and of `head` as much as
    // `head_length` says: the rest may be of older events, which whoever reads this one could read too.
    unsafe {
        (&raw mut (*event).at).write(now);
        (&raw mut (*event).source).write(packet.source);
        (&raw mut (*event).destination).write(packet.destination);
        (&raw mut (*event).interface).write((*ctx).ingress_ifindex);
        (&raw mut (*event).frame_length).write(frame_length(ctx) as u32);
        (&raw mut (*event).unseen).write(unseen);
        (&raw mut (*event).source_port).write(packet.source_port);
        (&raw mut (*event).destination_port).write(packet.destination_port);
        (&raw mut (*event).signature).write(verdict.signature);
        (&raw mut (*event).protocol).write(packet.protocol);
        (&raw mut (*event).reason).write(verdict.reason as u8);
        (&raw mut (*event).enforced).write(verdict.enforced as u8);
        (&raw mut (*event).reserved).write(0);
        let head = copy::frame(ctx, &raw mut (*event).head).unwrap_or(0);
        (&raw mut (*event).head_length).write(head as u16);
    }
    entry.submit(0);
    true
}
