//! The nonces that leave, remembered with the address that they are sent to.

use aya_ebpf::{
    bindings::__sk_buff,
    helpers::generated::{bpf_ktime_get_coarse_ns, bpf_skb_pull_data},
};
use xdp_prog::{
    abi::AddressHash,
    account::{
        BY_CREDENTIALS, End, Header, LineSteps, Message, NONE, ParameterStep, Uri, User, Walk, Wanted,
    },
    bytes::Bytes,
    egress::CHALLENGE_MAX,
    frame::{OFFSET_MAX, Packet},
};

use super::{
    maps::ISSUED,
    subprograms::{
        sip_sent_blanks, sip_sent_header, sip_sent_line_steps, sip_sent_next_challenge, sip_sent_parameter,
        sip_sent_rest_of_line, sip_sent_value_hash,
    },
    world::scratch,
};

/// Headers with a nonce in one response: two realms, or two algorithms, and as many again.
const NONCES: u32 = 4;

/// Remembers the nonces of a response.
///
/// # Safety
/// `skb` is the program's own, and what was read of it before is not read again.
#[inline(always)]
pub(super) unsafe fn remember(skb: *mut __sk_buff, packet: &Packet) {
    let length = if packet.length < CHALLENGE_MAX { packet.length } else { CHALLENGE_MAX };
    let offset = packet.offset & OFFSET_MAX;
    // SAFETY: the caller's promise. On failure less can be read.
    unsafe { bpf_skb_pull_data(skb, offset + length) };
    let Some(scratch) = scratch() else { return };
    // SAFETY: this CPU's own. What comes in may interrupt what leaves, so that this walk has a part of its own.
    let walk = unsafe { &mut (*scratch).challenges };
    *walk = Walk::new(offset, length, Wanted::Challenges, false);
    let mut seen = 0;
    while seen < NONCES {
        sip_sent_next_challenge(skb, walk);
        let found = walk.found;
        if found.kind != BY_CREDENTIALS {
            return;
        }
        if found.nonce != NONE {
            let to = AddressHash { address: packet.destination, hash: found.nonce };
            // SAFETY: the helper has no preconditions. On failure (no memory) the nonce counts as another.
            let _ = ISSUED.insert(&to, unsafe { bpf_ktime_get_coarse_ns() }, 0);
        }
        seen += 1;
    }
}

#[inline(always)]
pub(super) fn payload<'a>(skb: *mut __sk_buff, offset: u32) -> Bytes<'a> {
    // SAFETY: the context is the program's own, and the packet outlives the call.
    unsafe { Bytes::new((*skb).data as usize, (*skb).data_end as usize) }.skip((offset & OFFSET_MAX) as usize)
}

pub(super) struct SentMessage {
    pub(super) skb: *mut __sk_buff,
    pub(super) offset: u32,
}

/// Names in a response do not matter.
impl Message for SentMessage {
    #[inline(always)]
    fn byte(&self, at: u32) -> Option<u8> {
        payload(self.skb, self.offset + at).byte(0)
    }

    #[inline(always)]
    fn line_steps(&self, at: u32, most: u32) -> LineSteps {
        sip_sent_line_steps(self.skb, self.offset + at, most)
    }

    #[inline(always)]
    fn rest_of_line(&self, at: u32, most: u32) -> u32 {
        sip_sent_rest_of_line(self.skb, self.offset + at, most)
    }

    #[inline(always)]
    fn header(&self, at: u32) -> Header {
        sip_sent_header(self.skb, self.offset + at)
    }

    #[inline(always)]
    fn skip_blanks(&self, at: u32) -> u32 {
        at + sip_sent_blanks(self.skb, self.offset + at)
    }

    #[inline(always)]
    fn uri(&self, _: u32, _: u32) -> Option<Uri> {
        None
    }

    #[inline(always)]
    fn user(&self, _: u32, _: u32, _: bool) -> Option<User> {
        None
    }

    #[inline(always)]
    fn has_tag(&self, _: u32, _: u32) -> bool {
        false
    }

    #[inline(always)]
    fn parameter(&self, at: u32, most: u32, state: u8) -> ParameterStep {
        sip_sent_parameter(self.skb, self.offset + at, most, state)
    }

    #[inline(always)]
    fn name_hash(&self, _: u32, _: u32, _: End) -> u64 {
        NONE
    }

    #[inline(always)]
    fn value_hash(&self, at: u32, most: u32, end: End) -> u64 {
        sip_sent_value_hash(self.skb, self.offset + at, most, end)
    }
}
