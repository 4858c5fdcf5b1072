//! Handles Ctrl-C, `kill` and a terminal that is closed: the first signal lets the current step finish, a second one of the
//! same kind ends the process at once.

use std::{
    mem, ptr,
    sync::atomic::{AtomicBool, Ordering},
};

static ASKED: AtomicBool = AtomicBool::new(false);

extern "C" fn ask(_: libc::c_int) {
    ASKED.store(true, Ordering::Relaxed);
}

/// From now on, an interruption is something to look for.
pub(super) fn listen() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: an empty `sigaction` is a valid one; the handler is one that may run at any moment, as it does
        // nothing but store an atomic.
        unsafe {
            let mut action: libc::sigaction = mem::zeroed();
            action.sa_sigaction = ask as *const () as libc::sighandler_t;
            action.sa_flags = libc::SA_RESTART | libc::SA_RESETHAND;
            libc::sigaction(signal, &raw const action, ptr::null_mut());
        }
    }
}

pub(super) fn is_asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}
