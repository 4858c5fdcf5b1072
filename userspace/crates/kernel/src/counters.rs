//! The counters of the filter, summed over the CPUs.

use aya::maps::{MapData, MapError, PerCpuArray, PerCpuValues};
use xdp_prog::{
    abi::{Counter, map},
    reason::Reason,
};

use super::{
    error::{Error, Result},
    pod::Pod,
};

/// The counts of one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReasonCount {
    pub reason: Reason,
    /// Packets to which the verdict of the reason was applied.
    pub enforced: Counter,
    /// Packets that would have been dropped, but passed in monitor mode.
    pub monitored: Counter,
}

pub(super) fn read(counters: &PerCpuArray<&MapData, Pod<Counter>>) -> Result<Vec<ReasonCount>> {
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
pub(super) fn read_hits(hits: &PerCpuArray<&MapData, u64>) -> Result<Vec<u64>> {
    hits.iter().map(|values| Ok(values.map_err(|error| hits_error(&error))?.iter().sum())).collect()
}

/// Gives the hits of each signature to its new id. A hit that is counted meanwhile may be lost.
pub(super) fn carry_over(
    mut hits: PerCpuArray<&mut MapData, u64>,
    before: &[String],
    after: &[String],
) -> Result<()> {
    let old = hits.iter().collect::<Result<Vec<_>, _>>().map_err(|error| hits_error(&error))?;
    let zero = vec![0; old.first().map_or(0, |values| values.len())];
    for id in 0..before.len().max(after.len()) {
        let old_id = after.get(id).and_then(|name| before.iter().position(|old| old == name));
        let values = old_id.map_or_else(|| zero.clone(), |id| old[id].to_vec());
        let values = PerCpuValues::try_from(values).map_err(|error| hits_error(&error.into()))?;
        hits.set(id as u32, values, 0).map_err(|error| hits_error(&error))?;
    }
    Ok(())
}

fn hits_error(error: &MapError) -> Error {
    Error::map(format!("use the map {}", map::SIGNATURE_HITS), error)
}
