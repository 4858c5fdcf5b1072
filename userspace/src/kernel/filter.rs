//! The filter: the loaded program with its maps.

use std::{fmt, path::PathBuf, time::Duration};

use aya::{
    Ebpf, EbpfLoader, Pod, TestRun as _, TestRunOptions,
    maps::Array,
    programs::{Program, ProgramError, Xdp},
};
use xdp_prog::abi::{self, Policy, Signatures, map};

use super::{
    counters::{self, ReasonCount},
    error::{Error, Result},
    events::DropEvent,
    lists::{Prefixes, Sources},
    maps::{Maps, Single},
    object::OBJECT,
};

#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// How many single addresses there is room for; the object's own number if `None`.
    pub max_sources: Option<u32>,
    /// Where the maps and the program live on in bpffs; nowhere if `None`.
    pub pin_directory: Option<PathBuf>,
}

pub struct Filter {
    object: Ebpf,
    maps: Maps,
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter").field("object", &self.object).finish_non_exhaustive()
    }
}

impl Filter {
    /// Loads the program. Until a policy is set, it passes every packet.
    pub fn load(options: &LoadOptions) -> Result<Self> {
        let mut loader = EbpfLoader::new();
        if let Some(max) = options.max_sources {
            loader.map_max_entries(map::SOURCES, max);
        }
        let mut object = loader.load(OBJECT).map_err(|error| Error::ebpf("load the filter", &error))?;
        xdp(&mut object)?.load().map_err(|error| Error::program("load the filter", &error))?;
        let maps = Maps::from(|name| {
            object.take_map(name).ok_or_else(|| Error::Failed {
                doing: format!("find the map {name}"),
                cause: "it is not in the eBPF object".into(),
            })
        })?;
        Ok(Self { object, maps })
    }

    /// Puts a policy in force, as a whole.
    pub fn set_policy(&mut self, policy: &Policy) -> Result<()> {
        swap(&mut self.maps.policy, policy, map::POLICY)
    }

    /// Puts a set of signatures in force, as a whole.
    pub fn set_signatures(&mut self, signatures: &Signatures) -> Result<()> {
        swap(&mut self.maps.signatures, signatures, map::SIGNATURES)
    }

    pub fn sources(&mut self) -> Sources<'_> {
        Sources(&mut self.maps.sources)
    }

    pub fn prefixes(&mut self) -> Prefixes<'_> {
        Prefixes(&mut self.maps.prefixes)
    }

    pub fn counters(&self) -> Result<Vec<ReasonCount>> {
        counters::read(&self.maps.counters)
    }

    /// How often each signature, by its id in the set, has dropped a packet.
    pub fn signature_hits(&self) -> Result<Vec<u64>> {
        counters::read_hits(&self.maps.signature_hits)
    }

    /// The next drop that was told and not yet read.
    pub fn next_event(&mut self) -> Option<DropEvent> {
        while let Some(record) = self.maps.events.next() {
            if let Some(event) = DropEvent::decode(&record) {
                return Some(event);
            }
        }
        None
    }

    /// Runs the program over a frame without a network. The XDP action and the mean time of `repeat` runs.
    pub fn test_run(&mut self, frame: &[u8], repeat: u32) -> Result<(u32, Duration)> {
        let options = TestRunOptions { data_in: Some(frame), repeat, ..TestRunOptions::new() };
        let result = xdp(&mut self.object)?
            .test_run(options)
            .map_err(|error| Error::program("run the filter on a frame", &error))?;
        Ok((result.return_value, result.duration))
    }
}

fn xdp(object: &mut Ebpf) -> Result<&mut Xdp> {
    let program = object.program_mut(abi::PROGRAM).ok_or_else(|| Error::Failed {
        doing: format!("find the program {}", abi::PROGRAM),
        cause: "it is not in the eBPF object".into(),
    })?;
    <&mut Xdp>::try_from(program as &mut Program)
        .map_err(|error: ProgramError| Error::program("use the program", &error))
}

/// Fills a new inner map and puts it in the place of the old one. The kernel frees that one when no packet
/// reads it any more, and returns only then.
fn swap<T: Pod>(outer: &mut Single<T>, value: &T, name: &str) -> Result<()> {
    let fail = |error| Error::map(format!("write to the map {name}"), &error);
    let mut inner = Array::create(1, 0).map_err(fail)?;
    inner.set(0, value, 0).map_err(fail)?;
    outer.set(0, &inner, 0).map_err(fail)
}
