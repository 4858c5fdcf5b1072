//! A machine word that several CPUs read and write without order: the counts in the rate state.

#[cfg(not(target_arch = "bpf"))]
mod inner {
    use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

    #[derive(Debug, Default)]
    #[repr(transparent)]
    pub struct Word(AtomicU64);

    impl Word {
        pub fn get(&self) -> u64 {
            self.0.load(Relaxed)
        }

        pub fn set(&self, value: u64) {
            self.0.store(value, Relaxed);
        }
    }
}

// LLVM 22 cannot select a relaxed atomic load for BPF ("Cannot select: AtomicLoad<load monotonic>"), though
// an aligned load is one instruction.
#[cfg(target_arch = "bpf")]
mod inner {
    use core::cell::UnsafeCell;

    #[derive(Debug, Default)]
    #[repr(transparent)]
    pub struct Word(UnsafeCell<u64>);

    // SAFETY: only read and written whole, by single aligned instructions.
    unsafe impl Sync for Word {}

    impl Word {
        #[inline(always)]
        pub fn get(&self) -> u64 {
            // SAFETY: the cell is valid; see `Sync`.
            unsafe { self.0.get().read_volatile() }
        }

        #[inline(always)]
        pub fn set(&self, value: u64) {
            // SAFETY: as above.
            unsafe { self.0.get().write_volatile(value) }
        }
    }
}

pub use inner::Word;
