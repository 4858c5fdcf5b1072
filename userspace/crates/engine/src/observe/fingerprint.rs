//! Short stand-ins for what is only compared.

use std::hash::{BuildHasher, Hash, RandomState};

/// Nobody outside can tell which things share a fingerprint, so nobody can make two that do.
pub(super) type Fingerprint = u64;

#[derive(Clone, Debug, Default)]
pub(super) struct Fingerprinter(RandomState);

impl Fingerprinter {
    pub(super) fn of(&self, thing: impl Hash) -> Fingerprint {
        self.0.hash_one(thing)
    }
}
