//! The kernel side of the path.

mod accounts;
mod asking;
mod capture;
mod challenge;
mod copy;
mod egress;
mod event;
mod forms;
mod guess;
mod maps;
mod segment;
mod subprograms;
mod tap;
mod world;

use aya_ebpf::{bindings::xdp_action, macros::xdp, programs::XdpContext};
use xdp_prog::{
    abi::{Counter, MAX_SIGNATURES},
    bytes::Bytes,
    frame::Packet,
    judge::{Verdict, judge},
    reason::{Action, Reason},
};

use self::{
    maps::{COUNTERS, SIGNATURE_HITS},
    world::{Kernel, scratch},
};

#[xdp]
pub(crate) fn sipward(ctx: XdpContext) -> u32 {
    let kernel = Kernel::new(&ctx);
    let frame = frame(&ctx);
    // Pass: an array of one always has its element, which the verifier cannot know.
    let Some(scratch) = scratch() else { return xdp_action::XDP_PASS };
    // SAFETY: this CPU's own; XDP does not preempt itself on a CPU, and nothing else refers to the packet.
    let packet = unsafe { &mut (*scratch).packet };
    *packet = Packet::default();
    let verdict = judge(&kernel, packet);
    count(&verdict, frame.len() as u64);
    // Packets for other ports pay nothing for the rest.
    if verdict.reason.is_for_sip() {
        if matches!(verdict.reason.action(), Action::Drop) {
            event::sample(&ctx, &kernel, packet, &verdict);
        }
        // In monitor mode also packets that would drop: otherwise the guard could not show its decisions.
        if matches!(verdict.action(), Action::Pass) {
            tap::offer(&ctx, &kernel, packet, &verdict);
        }
        capture::offer(&ctx, &verdict);
    }
    match verdict.action() {
        Action::Pass => xdp_action::XDP_PASS,
        Action::Drop => xdp_action::XDP_DROP,
    }
}

#[inline(always)]
fn frame(ctx: &XdpContext) -> Bytes<'_> {
    // SAFETY: this is the packet's memory for as long as the program runs.
    unsafe { Bytes::new(ctx.data(), ctx.data_end()) }
}

#[inline(always)]
fn count(verdict: &Verdict, bytes: u64) {
    let monitored = if verdict.enforced { 0 } else { Reason::COUNT as u32 };
    let passes = matches!(verdict.reason.action(), Action::Pass);
    let index = verdict.reason as u32 + if passes { 0 } else { monitored };
    if let Some(counter) = COUNTERS.get_ptr_mut(index) {
        // SAFETY: a per-CPU slot; XDP does not preempt itself on a CPU.
        let Counter { packets, bytes: total } = unsafe { &mut *counter };
        *packets += 1;
        *total += bytes;
    }
    if verdict.reason as u8 == Reason::Signature as u8
        && (verdict.signature as usize) < MAX_SIGNATURES
        && let Some(hits) = SIGNATURE_HITS.get_ptr_mut(verdict.signature as u32)
    {
        // SAFETY: as above.
        unsafe { *hits += 1 };
    }
}

// A panic that survives optimisation becomes an endless loop, and the verifier refuses the program.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
