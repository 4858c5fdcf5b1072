//! Plain types of the packet path, as aya takes them.

use std::{ops::Deref, ptr};

use xdp_prog::abi::Plain;

/// A value in a map.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(super) struct Pod<T>(pub(super) T);

// SAFETY: it is the same bytes as what is in it, of which `Plain` says what aya asks for.
unsafe impl<T: Plain> aya::Pod for Pod<T> {}

impl<T> Pod<T> {
    /// Without a copy, for values that are too large for the stack.
    pub(super) const fn of(value: &T) -> &Self {
        // SAFETY: `repr(transparent)`: the same in memory.
        unsafe { &*ptr::from_ref(value).cast() }
    }
}

impl<T> Deref for Pod<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
