//! The pinned program by itself, without its maps.

use std::os::fd::{AsFd as _, OwnedFd};

use xdp_prog::reason::Action;

use super::{
    error::{Error, Result},
    interface,
    pins::Pins,
    sys,
};

const XDP_DROP: u32 = 1;
const XDP_PASS: u32 = 2;

/// The program that the pinned filter consists of.
#[derive(Debug)]
pub struct PinnedProgram {
    program: OwnedFd,
    id: u32,
}

impl PinnedProgram {
    pub fn open(pins: &Pins) -> Result<Self> {
        pins.check_there()?;
        let path = pins.program();
        let fail = |error| Error::io(format!("open {}", path.display()), &error);
        let program = sys::open_pin(&path).map_err(fail)?;
        let id = sys::program_id(program.as_fd()).map_err(fail)?;
        Ok(Self { program, id })
    }

    /// By which the kernel tells it from all others.
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// The action of the program on a frame, without a network.
    pub fn test_run(&self, frame: &[u8]) -> Result<Action> {
        const DOING: &str = "run the filter on a frame";
        match sys::test_run(self.program.as_fd(), frame).map_err(|error| Error::io(DOING, &error))? {
            XDP_DROP => Ok(Action::Drop),
            XDP_PASS => Ok(Action::Pass),
            other => Err(Error::failed(DOING, format!("it answered {other}, neither pass nor drop"))),
        }
    }
}

/// The id of the XDP program on an interface, whosever it is.
pub fn program_on(interface: &str) -> Result<Option<u32>> {
    Ok(interface::running(interface)?.map(|running| running.program))
}
