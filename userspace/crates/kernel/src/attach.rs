//! The program on an interface.

use std::{
    fs, io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::Path,
};

use aya::programs::{
    links::{FdLink, LinkInfo, PinnedLink},
    loaded_links, loaded_programs,
};

use super::{
    error::{Error, Result},
    interface,
    netlink::{Running, XdpMode},
    pins::Pins,
    program::PinnedProgram,
    sys::{self, XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE},
};

/// Which mode is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum XdpChoice {
    /// Native, and where the driver cannot do that, generic.
    #[default]
    Auto,
    Native,
    Generic,
}

impl XdpChoice {
    fn allows(self, mode: XdpMode) -> bool {
        match self {
            Self::Auto => true,
            Self::Native => mode == XdpMode::Native,
            Self::Generic => mode == XdpMode::Generic,
        }
    }
}

/// An interface that the pinned filter was attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    pub interface: String,
    /// `None`: not any more. The interface is gone, or somebody took the program off.
    pub mode: Option<XdpMode>,
}

/// The interfaces of the pinned filter.
pub fn attachments(pins: &Pins) -> Result<Vec<Attachment>> {
    pins.interfaces()?
        .into_iter()
        .map(|interface| {
            let mode = match ours(pins, &interface) {
                Err(Error::NoInterface { .. }) => None,
                result => result?.map(|running| running.mode),
            };
            Ok(Attachment { interface, mode })
        })
        .collect()
}

/// True if an attachment may be tried, without trying: the interface is there, and nothing else is on it.
pub fn check(pins: &Pins, interface: &str, choice: XdpChoice) -> Result<()> {
    already(Some(pins), interface, choice).map(|_| ())
}

/// The mode in which the pinned filter runs on the interface. An error if something else runs there.
pub(super) fn already(pins: Option<&Pins>, interface: &str, choice: XdpChoice) -> Result<Option<XdpMode>> {
    if !interface::has_ethernet_header(interface)? {
        return Err(Error::NoEthernet { interface: interface.to_owned() });
    }
    let Some(running) = interface::running(interface)? else {
        return Ok(None);
    };
    match pins.map(|pins| ours(pins, interface)).transpose()?.flatten() {
        Some(Running { mode, .. }) if choice.allows(mode) => Ok(Some(mode)),
        Some(Running { mode, .. }) => Err(Error::AttachedOtherwise { interface: interface.to_owned(), mode }),
        None => Err(other_program(interface, running)),
    }
}

/// The program on the interface, if the pinned link put it there.
fn ours(pins: &Pins, interface: &str) -> Result<Option<Running>> {
    let Some(running) = interface::running(interface)? else { return Ok(None) };
    let path = pins.link(interface);
    // A user who may not look there does not know.
    let pinned = path.try_exists();
    if !pinned.map_err(|error| Error::io(format!("look for {}", path.display()), &error))? {
        return Ok(None);
    }
    let info = PinnedLink::from_pin(&path).and_then(|link| FdLink::from(link).info());
    let info = info.map_err(|error| Error::link(format!("open {}", path.display()), &error))?;
    Ok((info.program_id() == running.program).then_some(running))
}

/// Attaches a program.
pub(super) fn attach(
    program: BorrowedFd<'_>,
    interface: &str,
    choice: XdpChoice,
) -> Result<(OwnedFd, XdpMode)> {
    let index = interface::index(interface)?;
    let native = || sys::attach_xdp(program, index, XDP_FLAGS_DRV_MODE).map(|link| (link, XdpMode::Native));
    let generic = || sys::attach_xdp(program, index, XDP_FLAGS_SKB_MODE).map(|link| (link, XdpMode::Generic));
    let (wanted, result) = match choice {
        XdpChoice::Auto => {
            ("any", native().or_else(|error| if busy(&error) { Err(error) } else { generic() }))
        }
        XdpChoice::Native => ("native", native()),
        XdpChoice::Generic => ("generic", generic()),
    };
    result.map_err(|error| match interface::running(interface) {
        Ok(Some(running)) if busy(&error) => other_program(interface, running),
        _ if error.kind() == io::ErrorKind::PermissionDenied => Error::NotPermitted,
        _ => Error::ModeRefused { interface: interface.to_owned(), mode: wanted, cause: error.to_string() },
    })
}

/// `EBUSY`: a program is attached; `EEXIST`: one is, in the other mode.
fn busy(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EBUSY | libc::EEXIST))
}

/// Attaches the pinned program, and gives the link its place.
pub fn attach_pinned(pins: &Pins, interface: &str, choice: XdpChoice) -> Result<XdpMode> {
    if let Some(mode) = already(Some(pins), interface, choice)? {
        return Ok(mode);
    }
    let program = open_program(pins)?;
    let (link, mode) = attach(program.as_fd(), interface, choice)?;
    make_room(pins, interface)?;
    pin(link.as_fd(), interface, &pins.link(interface))?;
    Ok(mode)
}

/// Makes room for the pin of an interface's link where that of another is in the way: one that holds on to nothing any
/// more goes, and one of an interface that has been renamed is renamed, too.
fn make_room(pins: &Pins, interface: &str) -> Result<()> {
    let path = pins.link(interface);
    if !path.exists() {
        return Ok(());
    }
    let index = sys::open_pin(&path).and_then(|link| sys::link_interface(link.as_fd()));
    match index.map_err(|error| Error::io(format!("look at {}", path.display()), &error))? {
        0 => pins.remove_link(interface),
        index => match interface::name(index) {
            Some(name) if is_without_link(pins, &name)? => {
                let renamed = fs::rename(&path, pins.link(&name));
                renamed.map_err(|error| Error::io(format!("rename {}", path.display()), &error))
            }
            // Of an interface of the same name in another network namespace.
            _ => Ok(()),
        },
    }
}

/// True if the interface runs the pinned program by a link that is not called after it.
fn is_without_link(pins: &Pins, interface: &str) -> Result<bool> {
    let program = PinnedProgram::open(pins)?.id();
    let runs = interface::running(interface)?.is_some_and(|running| running.program == program);
    Ok(runs && !pins.link(interface).exists())
}

/// Has the links of another filter run this one's program, and makes them its own; nothing of the other stays. On no
/// interface is there a packet that meets neither.
pub fn take_links(from: &Pins, to: &Pins) -> Result<()> {
    let program = open_program(to)?;
    for interface in from.interfaces()? {
        update(program.as_fd(), from, &interface)?;
        let (old, new) = (from.link(&interface), to.link(&interface));
        if old.exists() {
            fs::rename(&old, &new).map_err(|error| {
                Error::io(format!("rename {} to {}", old.display(), new.display()), &error)
            })?;
        }
    }
    from.remove_all()
}

/// Has all links of a filter run its program: another build's that was killed while it took them over may be there.
pub fn keep_links(pins: &Pins) -> Result<()> {
    let program = open_program(pins)?;
    pins.interfaces()?.iter().try_for_each(|interface| update(program.as_fd(), pins, interface))
}

fn open_program(pins: &Pins) -> Result<OwnedFd> {
    let path = pins.program();
    sys::open_pin(&path).map_err(|error| Error::io(format!("open {}", path.display()), &error))
}

/// Has a pinned link run another program. A link whose interface is gone is removed.
pub(super) fn update(program: BorrowedFd<'_>, pins: &Pins, interface: &str) -> Result<()> {
    let updated =
        sys::open_pin(&pins.link(interface)).and_then(|link| sys::update_link(link.as_fd(), program));
    match updated {
        Err(error) if error.raw_os_error() == Some(libc::ENOLINK) => pins.remove_link(interface),
        result => result.map_err(|error| Error::io(format!("replace the program on {interface}"), &error)),
    }
}

/// Gives a link its place, where it holds the program on the interface without us.
pub(super) fn pin(link: BorrowedFd<'_>, interface: &str, path: &Path) -> Result<()> {
    sys::pin(link, path).map_err(|error| match error.raw_os_error() {
        Some(libc::EEXIST) => Error::failed(
            format!("attach to {interface}"),
            "an interface of the same name in another network namespace has the filter already",
        ),
        _ => Error::io(format!("create {}", path.display()), &error),
    })
}

/// Takes the pinned filter off the interfaces, or off all; with the last one everything of it goes. Those it
/// was taken off.
pub fn detach(pins: &Pins, interfaces: &[String]) -> Result<Vec<String>> {
    let attached = pins.interfaces()?;
    if !pins.is_there()? && attached.is_empty() {
        return Err(Error::NothingAttached);
    }
    if let Some(unknown) = interfaces.iter().find(|interface| !attached.contains(interface)) {
        return Err(Error::NotAttached { interface: unknown.clone() });
    }
    let wanted = if interfaces.is_empty() { attached.clone() } else { interfaces.to_vec() };
    for interface in &wanted {
        pins.remove_link(interface)?;
    }
    if pins.interfaces()?.is_empty() {
        pins.remove_all()?;
    }
    Ok(wanted)
}

fn other_program(interface: &str, running: Running) -> Error {
    let id = running.program;
    let name = loaded_programs()
        .filter_map(Result::ok)
        .find(|program| program.id() == id)
        .and_then(|program| program.name_as_str().map(str::to_owned))
        .unwrap_or_else(|| "without a name".to_owned());
    let index = interface::index(interface).ok();
    let at =
        |link: &LinkInfo| sys::open_link(link.id()).and_then(|link| sys::link_interface(link.as_fd())).ok();
    let here = |link: &LinkInfo| link.program_id() == id && at(link) == index;
    let link = loaded_links().filter_map(Result::ok).find(here);
    let remove = match (link, running.mode) {
        (Some(link), _) => format!("bpftool link detach id {}", link.id()),
        (None, XdpMode::Native) => format!("ip link set dev {interface} xdp off"),
        (None, XdpMode::Generic) => format!("ip link set dev {interface} xdpgeneric off"),
        (None, XdpMode::Offloaded) => format!("ip link set dev {interface} xdpoffload off"),
    };
    Error::OtherProgram { interface: interface.to_owned(), id, name, remove }
}
