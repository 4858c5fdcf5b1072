//! Ends all threads of a test when one ends, also by a panic.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

/// Set when it goes.
#[derive(Debug)]
pub(crate) struct Over<'a>(pub(crate) &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Set when it goes by a panic.
#[derive(Debug)]
pub(crate) struct OverIfPanicking<'a>(pub(crate) &'a AtomicBool);

impl Drop for OverIfPanicking<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            drop(Over(self.0));
        }
    }
}
