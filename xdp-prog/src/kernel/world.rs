//! The kernel's maps as the packet path sees them.

use aya_ebpf::{
    EbpfContext as _,
    bindings::xdp_md,
    btf_maps::lpm_trie::Key,
    helpers::generated::bpf_ktime_get_coarse_ns,
    programs::XdpContext,
};
use xdp_prog::{
    abi::{Address, FRAGMENT_LIFETIME, FragmentKey, Policy, SourceEntry, SourceState},
    bytes::Bytes,
    frame,
    judge::World,
    matcher::{self, Stream},
};

use super::maps::{FRAGMENTS, POLICY, PREFIX_STATE, PREFIXES, SIGNATURES, SOURCE_STATE, SOURCES};

pub(super) struct Kernel {
    ctx: *mut xdp_md,
}

impl Kernel {
    #[inline(always)]
    pub(super) fn new(ctx: &XdpContext) -> Self {
        Self { ctx: ctx.as_ptr().cast() }
    }
}

/// What a source's state starts as. A static, because 216 bytes are too much for the stack.
static FRESH: [u64; size_of::<SourceState>() / 8] = [0; size_of::<SourceState>() / 8];

#[inline(always)]
fn fresh() -> &'static SourceState {
    // SAFETY: the same size and alignment; all zero is a valid state; nobody writes through it.
    unsafe { &*(&raw const FRESH).cast() }
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
        // SAFETY: the helper has no preconditions. Coarse: a tick of 1 to 10 ms is enough for every limit.
        unsafe { bpf_ktime_get_coarse_ns() }
    }

    #[inline(always)]
    fn policy(&self) -> Option<&Policy> {
        POLICY.get_value(0, &0)
    }

    #[inline(always)]
    fn source(&self, address: &Address) -> Option<SourceEntry> {
        // SAFETY: copied at once; entries are replaced, never edited.
        unsafe { SOURCES.get(address).copied() }
    }

    #[inline(always)]
    fn prefix(&self, address: &Address) -> Option<SourceEntry> {
        let mut bytes = [0; 16];
        for (index, word) in address.0.iter().enumerate() {
            bytes[index * 4..][..4].copy_from_slice(&word.to_ne_bytes());
        }
        PREFIXES.get(&Key::new(128, bytes)).copied()
    }

    #[inline(always)]
    fn source_state(&self, source: &Address) -> Option<&SourceState> {
        state_or_fresh!(SOURCE_STATE, source)
    }

    #[inline(always)]
    fn prefix_state(&self, neighbourhood: &Address) -> Option<&SourceState> {
        state_or_fresh!(PREFIX_STATE, neighbourhood)
    }

    #[inline(always)]
    fn fragment_was_dropped(&self, key: &FragmentKey, now: u64) -> bool {
        // SAFETY: read at once.
        matches!(unsafe { FRAGMENTS.get(key) }, Some(until) if *until > now)
    }

    #[inline(always)]
    fn remember_dropped_fragment(&self, key: &FragmentKey, now: u64) {
        // On failure the rest passes and never becomes a packet, as its first fragment is gone.
        let _ = FRAGMENTS.insert(key, now + FRAGMENT_LIFETIME, 0);
    }

    #[inline(always)]
    fn forget_fragment(&self, key: &FragmentKey) {
        // Not there is the usual case.
        let _ = FRAGMENTS.remove(key);
    }

    #[inline(always)]
    fn extension_headers(&self, offset: u32, protocol: u8) -> u64 {
        extension_headers(self.ctx, offset, protocol as u32)
    }

    #[inline(always)]
    fn find_signature(&self, offset: u32, length: u32) -> Option<u16> {
        if may_match(self.ctx, offset, length) == 0 {
            return None;
        }
        match find(self.ctx, offset, length) {
            0 => None,
            id => Some((id - 1) as u16),
        }
    }

    #[inline(always)]
    fn walk_stream(&self, offset: u32, length: u32, response: bool) -> Stream {
        Stream::from_word(walk_stream(self.ctx, offset, length, response as u32))
    }
}

// Global functions: the verifier looks at each of them once, by itself, instead of once for every way that
// leads to it. They take scalars and the context, and find the packet again from there.

/// No header chain that ends before the payload is longer.
const OFFSET_MAX: u32 = 0x3fff;

#[inline(always)]
fn payload<'a>(ctx: *mut xdp_md, offset: u32) -> Bytes<'a> {
    // SAFETY: the context is the program's own, and the packet outlives the call.
    unsafe { Bytes::new((*ctx).data as usize, (*ctx).data_end as usize) }.skip((offset & OFFSET_MAX) as usize)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn extension_headers(ctx: *mut xdp_md, offset: u32, protocol: u32) -> u64 {
    if ctx.is_null() {
        return 0;
    }
    frame::extension_headers(payload(ctx, 0), offset & OFFSET_MAX, protocol as u8)
}

/// 1: a signature may be there.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn may_match(ctx: *mut xdp_md, offset: u32, length: u32) -> u32 {
    if ctx.is_null() {
        return 0;
    }
    let Some(set) = SIGNATURES.get_value(0, &0) else { return 0 };
    if set.head.count == 0 {
        return 0;
    }
    matcher::may_match(payload(ctx, offset), length, &set.prefilter) as u32
}

/// The signature plus one, or 0.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn find(ctx: *mut xdp_md, offset: u32, length: u32) -> u32 {
    if ctx.is_null() {
        return 0;
    }
    let Some(set) = SIGNATURES.get_value(0, &0) else { return 0 };
    set.find(payload(ctx, offset), length).map_or(0, |id| id as u32 + 1)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn walk_stream(ctx: *mut xdp_md, offset: u32, length: u32, response: u32) -> u64 {
    if ctx.is_null() {
        return 0;
    }
    let Some(set) = SIGNATURES.get_value(0, &0) else { return 0 };
    set.find_in_stream(payload(ctx, offset), length, response != 0).word()
}
