//! The program that hands over what leaves an interface. Nothing is filtered by it: it lives as long as its reader.

use std::{
    fmt,
    os::fd::{AsFd as _, OwnedFd},
};

use aya::{
    Ebpf, EbpfLoader,
    programs::{
        ProgramError, SchedClassifier, TcAttachType,
        tc::{self, NlOptions, TcAttachOptions, TcError, TcHandle},
    },
};
use xdp_prog::abi::{EGRESS_PROGRAM, map};

use super::{
    error::{Error, Result},
    interface,
    object::OBJECT,
    pins::Pins,
    sys,
};

/// Where on an interface it is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EgressHook {
    /// Linux 6.6. Gone with its holder, however that ends.
    Tcx,
    /// A filter of the qdisc of that name, which stays empty behind. Of a holder that was killed the next one removes it.
    Clsact,
}

/// Before and beside other filters: it always lets them go on.
const PRIORITY: u16 = 1;
const HANDLE: TcHandle = TcHandle::new(0, 0x51b);

/// An interface whose packets are handed over. Dropped, it is detached.
pub struct EgressTap {
    // Both only for their drop: this one takes a filter off.
    _object: Ebpf,
    _link: Option<OwnedFd>,
    hook: EgressHook,
}

impl fmt::Debug for EgressTap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EgressTap").field("hook", &self.hook).finish_non_exhaustive()
    }
}

impl EgressTap {
    /// Has what leaves the interface handed over by the filter that is pinned, in whichever way the kernel offers.
    pub fn attach(pins: &Pins, interface: &str) -> Result<Self> {
        match Self::attach_to(pins, interface, EgressHook::Tcx) {
            Err(Error::Failed { .. }) => Self::attach_to(pins, interface, EgressHook::Clsact),
            result => result,
        }
    }

    pub fn attach_to(pins: &Pins, interface: &str, hook: EgressHook) -> Result<Self> {
        let index = interface::index(interface)?;
        remove_leftover(interface)?;
        let mut object = load(pins)?;
        let program = program(&mut object)?;
        let link = match hook {
            EgressHook::Tcx => Some(attach_tcx(program, interface, index)?),
            EgressHook::Clsact => {
                attach_filter(program, interface)?;
                None
            }
        };
        Ok(Self { _object: object, _link: link, hook })
    }

    pub const fn hook(&self) -> EgressHook {
        self.hook
    }
}

/// Over the pinned maps; the program that filters is left alone.
fn load(pins: &Pins) -> Result<Ebpf> {
    const LOADING: &str = "load the program that watches what is sent";
    pins.check_there()?;
    crate::maps::check(pins)?;
    let mut loader = EbpfLoader::new();
    for name in map::ALL {
        loader.map_pin_path(name, pins.map(name));
    }
    let mut object = loader.load(OBJECT).map_err(|error| Error::ebpf(LOADING, &error))?;
    program(&mut object)?.load().map_err(|error| Error::program(LOADING, &error))?;
    Ok(object)
}

pub(super) fn program(object: &mut Ebpf) -> Result<&mut SchedClassifier> {
    let missing =
        || Error::failed(format!("find the program {EGRESS_PROGRAM}"), "it is not in the eBPF object");
    let program = object.program_mut(EGRESS_PROGRAM).ok_or_else(missing)?;
    program.try_into().map_err(|error: ProgramError| Error::program("use the program", &error))
}

fn attach_tcx(program: &SchedClassifier, interface: &str, index: u32) -> Result<OwnedFd> {
    let fd = program.fd().map_err(|error| Error::program("use the program", &error))?;
    sys::attach_tcx_egress(fd.as_fd(), index)
        .map_err(|error| Error::io(format!("watch what leaves {interface}"), &error))
}

fn attach_filter(program: &mut SchedClassifier, interface: &str) -> Result<()> {
    // An error if it is there already; and if it could not be made, the next step says so.
    let _ = tc::qdisc_add_clsact(interface);
    let options = NlOptions { priority: PRIORITY, handle: HANDLE, classid: None };
    program
        .attach_with_options(interface, TcAttachType::Egress, TcAttachOptions::Netlink(options))
        .map(|_| ())
        .map_err(|error| Error::program(format!("watch what leaves {interface}"), &error))
}

/// The filter of a holder that was killed.
fn remove_leftover(interface: &str) -> Result<()> {
    match tc::qdisc_detach_program(interface, TcAttachType::Egress, EGRESS_PROGRAM) {
        Ok(()) => Ok(()),
        Err(TcError::IoError(error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        // Without a clsact qdisc there are no filters to ask for.
        Err(TcError::NetlinkError(_)) => Ok(()),
        Err(error) => Err(Error::failed(format!("look at what watches {interface}"), error.to_string())),
    }
}
