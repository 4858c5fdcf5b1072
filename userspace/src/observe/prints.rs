//! Short stand-ins for what is only compared.

use std::hash::{BuildHasher, Hash, RandomState};

/// Nobody outside can tell which things share a print, so nobody can make two that do.
pub(super) type Print = u64;

#[derive(Clone, Debug, Default)]
pub(super) struct Prints(RandomState);

impl Prints {
    pub(super) fn of(&self, thing: impl Hash) -> Print {
        self.0.hash_one(thing)
    }
}
