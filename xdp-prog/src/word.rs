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

        /// Sets it if it is still `old`, and says whether it was.
        pub fn replace(&self, old: u64, new: u64) -> bool {
            self.0.compare_exchange(old, new, Relaxed, Relaxed).is_ok()
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

        /// Sets it if it is still `old`, and says whether it was.
        #[inline(always)]
        pub fn replace(&self, old: u64, new: u64) -> bool {
            let found;
            // SAFETY: the cell is valid and aligned. The target has the instruction, and the compiler no name for it.
            unsafe {
                core::arch::asm!(
                    "r0 = cmpxchg_64({cell} + 0, r0, {new})",
                    cell = in(reg) self.0.get(),
                    new = in(reg) new,
                    inout("r0") old => found,
                    options(nostack)
                );
            }
            let found: u64 = found;
            found == old
        }
    }
}

pub use inner::Word;
