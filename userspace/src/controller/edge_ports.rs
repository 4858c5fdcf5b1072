//! The ports that the edge answers, as the configuration in force has them: for the observer, which has a thread of its own.

use std::sync::{Arc, Mutex, PoisonError};

use sipward_engine::observe::EdgePort;

#[derive(Clone, Debug, Default)]
pub struct EdgePorts(Arc<Mutex<Arc<[EdgePort]>>>);

impl EdgePorts {
    pub fn get(&self) -> Arc<[EdgePort]> {
        // The value is replaced as a whole; a panic leaves none half done.
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set(&self, ports: impl IntoIterator<Item = EdgePort>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = ports.into_iter().collect();
    }
}
