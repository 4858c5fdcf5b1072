//! The nonces that leave, remembered with the address that they are sent to.

use aya_ebpf::{
    bindings::__sk_buff,
    helpers::generated::{bpf_ktime_get_coarse_ns, bpf_skb_pull_data},
};
use xdp_prog::{
    abi::AddressHash,
    account::{self, BY_CREDENTIALS, End, Header, Message, NONE, Walk, Wanted},
    bytes::Bytes,
    egress::CHALLENGE_MAX,
    frame::{OFFSET_MAX, Packet},
    stream,
};

use super::{maps::ISSUED, world::scratch};

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
    unsafe { (*scratch).challenges = Walk::new(offset, length, Wanted::Challenges, false) };
    let mut seen = 0;
    while seen < NONCES {
        // SAFETY: as above, and a pointer is what the function asks for.
        let found = unsafe {
            next_challenge(skb, &raw mut (*scratch).challenges);
            (*scratch).challenges.found
        };
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
fn payload<'a>(skb: *mut __sk_buff, offset: u32) -> Bytes<'a> {
    // SAFETY: the context is the program's own, and the packet outlives the call.
    unsafe { Bytes::new((*skb).data as usize, (*skb).data_end as usize) }.skip((offset & OFFSET_MAX) as usize)
}

// Global functions, for the same reason as those of `world`. They are not the ones of `accounts`: a function has one
// kind of context.

/// # Safety
/// The kernel checks `walk` at every call: null, or a whole walk.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn next_challenge(skb: *mut __sk_buff, walk: *mut Walk) -> u32 {
    // SAFETY: see above.
    let Some(walk) = (unsafe { walk.as_mut() }) else { return 0 };
    // SAFETY: a reference is what the functions ask for.
    walk.next(
        |walk| unsafe {
            sent_line(skb, walk);
        },
        |_| {},
        |walk| unsafe {
            sent_challenge(skb, walk);
        },
    );
    0
}

/// # Safety
/// As for `next_challenge`.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn sent_line(skb: *mut __sk_buff, walk: *mut Walk) -> u32 {
    // SAFETY: see above.
    if let Some(walk) = unsafe { walk.as_mut() }
        && !skb.is_null()
    {
        let message = SentMessage { skb, offset: walk.offset };
        walk.line(&message);
    }
    0
}

/// # Safety
/// As for `next_challenge`.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn sent_challenge(skb: *mut __sk_buff, walk: *mut Walk) -> u32 {
    // SAFETY: see above.
    if let Some(walk) = unsafe { walk.as_mut() }
        && !skb.is_null()
    {
        let message = SentMessage { skb, offset: walk.offset };
        walk.begin_credentials(&message);
        // SAFETY: a reference is what the function asks for.
        walk.credentials(|walk| unsafe { sent_parameter(skb, walk) } != 0);
    }
    0
}

/// # Safety
/// As for `next_challenge`.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn sent_parameter(skb: *mut __sk_buff, walk: *mut Walk) -> u32 {
    // SAFETY: see above.
    match unsafe { walk.as_mut() } {
        Some(walk) if !skb.is_null() => {
            let message = SentMessage { skb, offset: walk.offset };
            walk.turn(&message) as u32
        }
        _ => 1,
    }
}

struct SentMessage {
    skb: *mut __sk_buff,
    offset: u32,
}

/// Names in a response are nobody's.
impl Message for SentMessage {
    #[inline(always)]
    fn byte(&self, at: u32) -> Option<u8> {
        payload(self.skb, self.offset + at).byte(0)
    }

    #[inline(always)]
    fn line_steps(&self, at: u32, most: u32) -> u32 {
        sent_line_steps(self.skb, self.offset + at, most)
    }

    #[inline(always)]
    fn rest_of_line(&self, at: u32, most: u32) -> u32 {
        sent_rest_of_line(self.skb, self.offset + at, most)
    }

    #[inline(always)]
    fn header(&self, at: u32) -> Header {
        Header::from_word(sent_header(self.skb, self.offset + at))
    }

    #[inline(always)]
    fn skip_blanks(&self, at: u32) -> u32 {
        at + sent_blanks(self.skb, self.offset + at)
    }

    #[inline(always)]
    fn uri(&self, _: u32, most: u32) -> u32 {
        most
    }

    #[inline(always)]
    fn user(&self, _: u32, most: u32, _: bool) -> u32 {
        most
    }

    #[inline(always)]
    fn has_tag(&self, _: u32, _: u32) -> bool {
        false
    }

    #[inline(always)]
    fn parameter(&self, at: u32, most: u32, state: u8) -> u32 {
        sent_parameters(self.skb, self.offset + at, most, state as u32)
    }

    #[inline(always)]
    fn name_hash(&self, _: u32, _: u32, _: End) -> u64 {
        NONE
    }

    #[inline(always)]
    fn value_hash(&self, at: u32, most: u32, end: End) -> u64 {
        sent_value_hash(self.skb, self.offset + at, most, end as u32)
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sent_line_steps(skb: *mut __sk_buff, offset: u32, most: u32) -> u32 {
    if skb.is_null() { most } else { account::line_steps(payload(skb, offset), most) }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sent_rest_of_line(skb: *mut __sk_buff, offset: u32, most: u32) -> u32 {
    if skb.is_null() { most } else { account::rest_of_line(payload(skb, offset), most) }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sent_header(skb: *mut __sk_buff, offset: u32) -> u32 {
    if skb.is_null() { 0 } else { account::header(payload(skb, offset)).word() }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sent_blanks(skb: *mut __sk_buff, offset: u32) -> u32 {
    if skb.is_null() { 0 } else { stream::skip_blanks(payload(skb, offset)) }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sent_parameters(skb: *mut __sk_buff, offset: u32, most: u32, state: u32) -> u32 {
    if skb.is_null() { 0 } else { account::parameter(payload(skb, offset), most, state as u8) }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sent_value_hash(skb: *mut __sk_buff, offset: u32, most: u32, end: u32) -> u64 {
    if skb.is_null() {
        return NONE;
    }
    account::value_hash(payload(skb, offset), most, End::from_code(end))
}
