//! Counts of entries in each IPv6 /48, so that one of them does not fill a table.

use std::collections::BTreeMap;

use super::source_net::SourceNet;

/// In one /48: there may be a phone in each of its /64s.
pub(super) const OF_SITE: usize = 8_192;
/// So many go at once where there are too many, the oldest: to look for them takes long.
pub(super) const AT_ONCE: usize = OF_SITE / 16;
/// Sites whose numbers are kept; of others they are counted.
const SITES: usize = 65_536;

/// Never too few: what was forgotten since for another reason is counted as if it were there, until it matters.
#[derive(Debug, Default)]
pub(super) struct Sites(BTreeMap<SourceNet, usize>);

impl Sites {
    /// There is one more. True: there are too many.
    pub(super) fn add(&mut self, site: SourceNet, count: impl FnOnce() -> usize) -> bool {
        if let Some(known) = self.0.get_mut(&site).filter(|known| **known < OF_SITE) {
            *known += 1;
            return false;
        }
        if self.0.len() >= SITES {
            self.0.clear();
        }
        let count = count();
        self.0.insert(site, count);
        count > OF_SITE
    }

    /// There are fewer.
    pub(super) fn recount(&mut self, site: SourceNet) {
        self.0.remove(&site);
    }
}
