//! The one checked way to read a packet.

use core::marker::PhantomData;

/// A range of packet memory. In the kernel it is `data..data_end`; on the host, a slice.
///
/// Addresses are kept as integers because that is the form in which the verifier recognises the comparison
/// of a packet pointer with the packet's end.
#[derive(Clone, Copy, Debug)]
pub struct Bytes<'a> {
    start: usize,
    end: usize,
    memory: PhantomData<&'a [u8]>,
}

impl<'a> Bytes<'a> {
    /// # Safety
    /// `start..end` must be readable for `'a`.
    #[inline(always)]
    pub const unsafe fn new(start: usize, end: usize) -> Self {
        Self { start, end, memory: PhantomData }
    }

    /// All bytes of a slice; the host's constructor.
    pub fn of(slice: &'a [u8]) -> Self {
        let start = slice.as_ptr() as usize;
        Self { start, end: start + slice.len(), memory: PhantomData }
    }

    #[inline(always)]
    pub const fn len(self) -> usize {
        self.end.saturating_sub(self.start)
    }

    #[inline(always)]
    pub const fn is_empty(self) -> bool {
        self.end <= self.start
    }

    /// `N` bytes at `offset`, or `None` where the packet ends before.
    #[inline(always)]
    pub fn chunk<const N: usize>(self, offset: usize) -> Option<&'a [u8; N]> {
        // Opaque: the bytes must be read through the very pointer that was compared with the end.
        let at = opaque(self.start + offset);
        if at + N > self.end {
            return None;
        }
        // SAFETY: `at..at + N` is within `start..end`, readable for 'a. `[u8; N]` has no alignment.
        Some(unsafe { &*(at as *const [u8; N]) })
    }

    #[inline(always)]
    pub fn byte(self, offset: usize) -> Option<u8> {
        self.chunk::<1>(offset).map(|chunk| chunk[0])
    }

    /// The bytes behind the first `offset` ones. Reads past the packet's end give `None`, as everywhere.
    #[inline(always)]
    pub const fn skip(self, offset: usize) -> Self {
        Self { start: self.start + offset, end: self.end, memory: PhantomData }
    }
}

/// A payload that can be read in one go: everywhere but in the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Whole<'a> {
    pub payload: Bytes<'a>,
    pub length: u32,
}

impl Whole<'_> {
    pub(crate) const fn from(&self, at: u32) -> Bytes<'_> {
        self.payload.skip(at as usize)
    }
}

/// The same value, of which the compiler no longer knows where it came from. The verifier knows less than the
/// compiler: what is checked here must not be computed anew after the check.
#[inline(always)]
pub fn opaque(value: usize) -> usize {
    #[cfg(target_arch = "bpf")]
    {
        let mut value = value;
        // SAFETY: a move to itself. (Without any instruction the kernel rejects the object's line information.)
        unsafe { core::arch::asm!("{0} = {0}", inout(reg) value, options(pure, nomem, nostack)) };
        value
    }
    #[cfg(not(target_arch = "bpf"))]
    value
}
