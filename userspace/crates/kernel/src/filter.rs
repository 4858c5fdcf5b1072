//! The filter: the program in the kernel, its maps, and the interfaces it is attached to.

use std::{
    fmt, fs,
    ops::{Deref, DerefMut},
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::PathBuf,
    time::Duration,
};

use aya::{
    Ebpf, EbpfLoader, TestRun as _, TestRunOptions,
    maps::MapType,
    programs::{Program, ProgramError, ProgramType, Xdp},
    sys::{BpfHelper, is_helper_supported, is_map_supported},
};
use xdp_prog::abi::{self, map};

use super::{
    attach::{self, XdpChoice},
    capability::missing_capabilities,
    egress,
    error::{Error, Result, system_error},
    hold::pin_maps,
    maps,
    netlink::XdpMode,
    object::OBJECT,
    pins::Pins,
    tables::Tables,
};

#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// The number of single addresses that there is room for; the object's own number if `None`.
    pub max_sources: Option<u32>,
    /// Take over what is pinned here, and be able to live on here.
    pub pins: Option<Pins>,
}

/// A program that this process has loaded. Dropped, it is gone, unless it was made to [persist](Self::persist).
pub struct Filter {
    object: Ebpf,
    tables: Tables,
    pins: Option<Pins>,
    /// Attached, and not pinned yet.
    links: Vec<(String, OwnedFd)>,
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter").field("pins", &self.pins).field("links", &self.links).finish_non_exhaustive()
    }
}

impl Deref for Filter {
    type Target = Tables;

    fn deref(&self) -> &Tables {
        &self.tables
    }
}

impl DerefMut for Filter {
    fn deref_mut(&mut self) -> &mut Tables {
        &mut self.tables
    }
}

impl Filter {
    /// Loads the program, over the pinned maps if there are some. Without a policy it passes every packet.
    pub fn load(options: &LoadOptions) -> Result<Self> {
        let pinned = match &options.pins {
            Some(pins) if pins.is_there()? => Some(pins),
            _ => None,
        };
        let mut loader = EbpfLoader::new();
        if let Some(max) = options.max_sources {
            loader.map_max_entries(map::SOURCES, max);
        }
        if let Some(pins) = pinned {
            crate::maps::check(pins)?;
            for name in map::ALL {
                loader.map_pin_path(name, pins.map(name));
            }
        }
        let mut object =
            loader.load(OBJECT).map_err(|error| lacking(&error, Error::ebpf(LOADING, &error)))?;
        xdp(&mut object)?.load().map_err(|error| lacking(&error, Error::program(LOADING, &error)))?;
        let tables = Tables { maps: maps::take(&mut object, pinned)? };
        Ok(Self { object, tables, pins: options.pins.clone(), links: Vec::new() })
    }

    /// Attaches to an interface, and says in which mode. Not where it already runs.
    pub fn attach(&mut self, interface: &str, choice: XdpChoice) -> Result<XdpMode> {
        if let Some(mode) = attach::already(self.pins.as_ref(), interface, choice)? {
            return Ok(mode);
        }
        let (link, mode) = attach::attach(program_fd(xdp(&mut self.object)?)?, interface, choice)?;
        self.links.push((interface.to_owned(), link));
        Ok(mode)
    }

    /// Gives everything a place in bpffs, where it outlives this process. Interfaces that another process
    /// has attached there go over to this program. On an error nothing new stays.
    pub fn persist(mut self) -> Result<()> {
        let Some(pins) = self.pins.take() else { return Ok(()) };
        let mut made = Made::default();
        pin_maps(&self.tables.maps, &pins, &mut made.0)?;
        let next = pins.next_program();
        // Of a command that was killed here.
        let _ = fs::remove_file(&next);
        let program = xdp(&mut self.object)?;
        program.pin(&next).map_err(|error| Error::pin(&next, &error))?;
        made.0.push(next.clone());
        for interface in pins.interfaces()? {
            attach::update(program_fd(program)?, &pins, &interface)?;
        }
        for (interface, link) in &self.links {
            let path = pins.link(interface);
            attach::pin(link.as_fd(), interface, &path)?;
            made.0.push(path);
        }
        fs::rename(&next, pins.program())
            .map_err(|error| Error::io(format!("create {}", pins.program().display()), &error))?;
        made.0.clear();
        Ok(())
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

/// The other program of the object.
impl Filter {
    /// Runs the program that watches what leaves over a frame without a network, and says how long one of `repeat` runs
    /// took. It lets every packet go on.
    pub fn test_run_egress(&mut self, frame: &[u8], repeat: u32) -> Result<(u32, Duration)> {
        const DOING: &str = "run the program that watches what leaves on a frame";
        let program = egress::program(&mut self.object)?;
        if program.fd().is_err() {
            program.load().map_err(|error| Error::program(DOING, &error))?;
        }
        let options = TestRunOptions { data_in: Some(frame), repeat, ..TestRunOptions::new() };
        let result = program.test_run(options).map_err(|error| Error::program(DOING, &error))?;
        Ok((result.return_value, result.duration))
    }
}

const LOADING: &str = "load the filter";

/// Files to be removed unless all goes well.
#[derive(Default)]
struct Made(Vec<PathBuf>);

impl Drop for Made {
    fn drop(&mut self) {
        for path in &self.0 {
            // This is the way out of another error, which is the one to tell.
            let _ = fs::remove_file(path);
        }
    }
}

fn xdp(object: &mut Ebpf) -> Result<&mut Xdp> {
    let missing =
        || Error::failed(format!("find the program {}", abi::PROGRAM), "it is not in the eBPF object");
    let program: &mut Program = object.program_mut(abi::PROGRAM).ok_or_else(missing)?;
    program.try_into().map_err(|error: ProgramError| Error::program("use the program", &error))
}

fn program_fd(program: &Xdp) -> Result<BorrowedFd<'_>> {
    Ok(program.fd().map_err(|error| Error::program("use the program", &error))?.as_fd())
}

/// Says what this process or the kernel lacks, where that is why it refused. What a missing capability looks like from
/// here is anything: features that seem not to be there, or arithmetic that the verifier objects to.
fn lacking(error: &(dyn std::error::Error + 'static), refused: Error) -> Error {
    if missing_capabilities().is_ok_and(|missing| !missing.is_empty()) {
        return Error::NotPermitted;
    }
    if matches!(refused, Error::NotPermitted) || system_error(error).is_none() {
        return refused;
    }
    // 5.8 and 5.11.
    if let Ok(false) = is_map_supported(MapType::RingBuf) {
        return Error::Unsupported { what: "BPF ring buffers" };
    }
    if let Ok(false) = is_helper_supported(ProgramType::Xdp, BpfHelper::BPF_FUNC_ktime_get_coarse_ns) {
        return Error::Unsupported { what: "coarse clock for BPF" };
    }
    refused
}
