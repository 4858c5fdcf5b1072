//! Access to what threads of the daemon share.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Ignores poison: every value behind these locks is consistent after each statement, so a panic of another thread does
/// not invalidate it.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
