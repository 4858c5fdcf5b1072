//! The sockets that the edge answers at, as the configuration in force has them: for the observer, which has a thread of its own.

use std::sync::{Arc, Mutex, PoisonError};

use sipward_engine::observe::EdgeSocket;

#[derive(Clone, Debug, Default)]
pub struct EdgeSockets(Arc<Mutex<Arc<[EdgeSocket]>>>);

impl EdgeSockets {
    pub fn get(&self) -> Arc<[EdgeSocket]> {
        // The value is replaced as a whole; a panic leaves none half done.
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set(&self, sockets: impl IntoIterator<Item = EdgeSocket>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = sockets.into_iter().collect();
    }
}
