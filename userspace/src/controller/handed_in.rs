//! Evidence that a local program hands in.

use super::Controller;
use crate::{ban_safety::own_addresses, caller::Who, refusal::Refusal};
use sipward_kernel::clock::now;
use sipward_types::evidence::Evidence;

impl Controller {
    /// Evidence about sources that are judged: not those that are trusted, whose packets the observer does not judge
    /// either, and not this host itself, whose packets it does not get.
    pub fn judgeable(&mut self, evidence: Vec<Evidence>) -> Result<Vec<Evidence>, Refusal> {
        let (own, now) = (own_addresses(), now());
        let mut judgeable = Vec::with_capacity(evidence.len());
        for evidence in evidence {
            let source = evidence.source;
            let is_here = source.is_loopback() || own.contains(&source);
            if !is_here && !self.lists.trusts(&mut self.tables, source, now)? {
                judgeable.push(evidence);
            }
        }
        Ok(judgeable)
    }

    /// Judges it, and names who handed it in with each decision that follows.
    pub fn witness_of(&mut self, who: &Who, evidence: &[Evidence]) -> Result<(), Refusal> {
        // The store reports its own faults.
        self.witness(evidence, Some(&format!("by evidence of {}", who.name))).map(drop)
    }
}
