//! Access to what threads share.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Ignores poison: every value behind these locks is consistent after each statement, so a panic of another thread does
/// not invalidate it.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
