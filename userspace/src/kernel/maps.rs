//! The maps with their types.

use aya::maps::{Array, ArrayOfMaps, HashMap, LpmTrie, Map, MapData, MapError, PerCpuArray, RingBuf};
use xdp_prog::abi::{Address, Counter, Policy, Signatures, SourceEntry, map};

use super::error::{Error, Result};

pub(super) type Single<T> = ArrayOfMaps<MapData, Array<MapData, T>>;

pub(super) struct Maps {
    pub(super) policy: Single<Policy>,
    pub(super) signatures: Single<Signatures>,
    pub(super) sources: HashMap<MapData, Address, SourceEntry>,
    pub(super) prefixes: LpmTrie<MapData, [u8; 16], SourceEntry>,
    pub(super) counters: PerCpuArray<MapData, Counter>,
    pub(super) signature_hits: PerCpuArray<MapData, u64>,
    pub(super) events: RingBuf<MapData>,
}

impl Maps {
    /// Gets each map by its name from `take`.
    pub(super) fn from(mut take: impl FnMut(&'static str) -> Result<Map>) -> Result<Self> {
        Ok(Self {
            policy: typed(&mut take, map::POLICY)?,
            signatures: typed(&mut take, map::SIGNATURES)?,
            sources: typed(&mut take, map::SOURCES)?,
            prefixes: typed(&mut take, map::PREFIXES)?,
            counters: typed(&mut take, map::COUNTERS)?,
            signature_hits: typed(&mut take, map::SIGNATURE_HITS)?,
            events: typed(&mut take, map::EVENTS)?,
        })
    }
}

fn typed<T: TryFrom<Map, Error = MapError>>(
    take: &mut impl FnMut(&'static str) -> Result<Map>,
    name: &'static str,
) -> Result<T> {
    T::try_from(take(name)?).map_err(|error| Error::map(format!("use the map {name}"), &error))
}
