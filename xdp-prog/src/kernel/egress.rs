//! Packets that leave an interface, handed to the daemon. They always go on as they are.

use core::mem::MaybeUninit;

use aya_ebpf::{
    bindings::{__sk_buff, BPF_NOEXIST},
    helpers::generated::{bpf_ktime_get_coarse_ns, bpf_skb_load_bytes},
    macros::classifier,
    programs::TcContext,
};
use xdp_prog::{
    abi::{Handshake, StreamState, tap},
    egress::{self, Chunk, Pieces},
    frame::{Packet, TCP, flag},
    judge::{SourceStatus, World as _, source_status},
    reason::Reason,
    tap::Loss,
};

use super::{
    challenge,
    maps::{HANDSHAKES, STREAMS, WATCHED},
    tap::{self as hand, Payload},
    world::Kernel,
};

/// The next program decides. The same number in a qdisc and behind a link.
const NEXT: i32 = -1;

#[classifier]
pub(crate) fn sipward_egress(ctx: TcContext) -> i32 {
    watch(&Sent { skb: ctx.skb.skb });
    NEXT
}

#[inline(always)]
fn watch(sent: &Sent) {
    let mut packet = Packet::default();
    if egress::parse(sent, &mut packet).is_none() {
        return;
    }
    let lists = Kernel::lists();
    let Some(policy) = lists.policy() else { return };
    if egress::is_from_sip_port(&packet, policy) {
        stamp();
        if egress::is_challenge(sent, &packet) {
            // SAFETY: the context is the program's own, and all else is read through helpers.
            unsafe { challenge::remember(sent.skb, &packet) };
        }
    }
    let connected = packet.protocol == TCP && policy.tcp.has(packet.source_port) && follow(&packet);
    if hand::wanted().is_none() {
        return;
    }
    if connected {
        packet.flags |= flag::CONNECTED;
    }
    let hidden = egress::is_hidden(sent, &packet, policy);
    if !hidden && !egress::is_wanted(sent, &packet, policy) {
        return;
    }
    let (known, listed) = match source_status(&lists, &packet.destination) {
        SourceStatus::Known { .. } => (true, 0),
        // Nothing that they send is looked at, but an answer to them shows that they know its nonce.
        SourceStatus::Decided(Reason::Trusted) => (true, tap::LISTED),
        SourceStatus::Decided(_) => (false, tap::LISTED),
        SourceStatus::Stranger => (false, 0),
    };
    if hidden {
        // Over TLS a trusted source may know its answers, and a banned one cannot connect.
        if listed == 0 {
            hand::hide();
        }
    } else {
        let payload = Part { sent, offset: packet.offset };
        hand::hand_over(&packet, tap::OUT | listed, known, Loss::Answer, &payload);
    }
}

/// Notes a packet of a connection that leaves: a SYN-ACK, whose answer is to be recognised, or a packet that only an
/// open connection sends, where the connection is not known because it is older than the filter or was forgotten. True:
/// the connection is open.
#[inline(always)]
fn follow(packet: &Packet) -> bool {
    let key = packet.answered_stream_key();
    if packet.is(flag::CONNECT) {
        if packet.is(flag::ACKNOWLEDGES) {
            // On failure the connection stays unknown.
            let _ = HANDSHAKES.insert(&key, Handshake::of(packet), 0);
        }
        return false;
    }
    // SAFETY: nothing of it is read.
    if unsafe { STREAMS.get(&key) }.is_some() {
        return true;
    }
    if packet.length == 0 || !packet.is(flag::ACKNOWLEDGES) {
        return false;
    }
    STREAMS.insert(&key, StreamState::new(packet.acknowledged), BPF_NOEXIST.into()).is_ok()
}

/// Notes that packets that leave are seen.
#[inline(always)]
fn stamp() {
    if let Some(at) = WATCHED.get_ptr_mut(0) {
        // SAFETY: one aligned word, of which any recent value serves; the helper has no preconditions.
        unsafe { at.write_volatile(bpf_ktime_get_coarse_ns()) };
    }
}

struct Sent {
    skb: *mut __sk_buff,
}

impl Pieces for Sent {
    #[inline(always)]
    fn read<const N: usize>(&self, offset: u32) -> Option<Chunk<N>> {
        let mut bytes = MaybeUninit::<Chunk<N>>::uninit();
        // SAFETY: the context is the program's own, and there is room for as many bytes.
        let result =
            unsafe { bpf_skb_load_bytes(self.skb.cast(), offset, bytes.as_mut_ptr().cast(), N as u32) };
        // SAFETY: it succeeded, so all is written.
        (result == 0).then(|| unsafe { bytes.assume_init() })
    }

    #[inline(always)]
    fn length(&self) -> u32 {
        // SAFETY: as above.
        unsafe { (*self.skb).len }
    }
}

struct Part<'a> {
    sent: &'a Sent,
    offset: u32,
}

impl Payload for Part<'_> {
    #[inline(always)]
    unsafe fn copy(&self, to: *mut u8, length: u32) -> i64 {
        // SAFETY: the context is the program's own; the rest is the caller's promise.
        unsafe { bpf_skb_load_bytes(self.sent.skb.cast(), self.offset, to.cast(), length) }
    }
}
