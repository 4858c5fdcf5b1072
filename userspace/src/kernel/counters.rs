//! What the filter has counted, summed over the CPUs.

use aya::maps::{MapData, PerCpuArray};
use xdp_prog::{
    abi::{Counter, map},
    reason::Reason,
};

use super::error::{Error, Result};

/// What one reason has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReasonCount {
    pub reason: Reason,
    /// What was done as the reason says.
    pub enforced: Counter,
    /// What would have been dropped, but passed in monitor mode.
    pub monitored: Counter,
}

pub(super) fn read(counters: &PerCpuArray<MapData, Counter>) -> Result<Vec<ReasonCount>> {
    let sum = |index: usize| -> Result<Counter> {
        let values = counters
            .get(&(index as u32), 0)
            .map_err(|error| Error::map(format!("read the map {}", map::COUNTERS), &error))?;
        Ok(values.iter().fold(Counter::default(), |sum, one| Counter {
            packets: sum.packets + one.packets,
            bytes: sum.bytes + one.bytes,
        }))
    };
    Reason::ALL
        .iter()
        .map(|&reason| {
            let index = reason as usize;
            Ok(ReasonCount { reason, enforced: sum(index)?, monitored: sum(Reason::COUNT + index)? })
        })
        .collect()
}

/// By signature id.
pub(super) fn read_hits(hits: &PerCpuArray<MapData, u64>) -> Result<Vec<u64>> {
    hits.iter()
        .map(|values| match values {
            Ok(values) => Ok(values.iter().sum()),
            Err(error) => Err(Error::map(format!("read the map {}", map::SIGNATURE_HITS), &error)),
        })
        .collect()
}
