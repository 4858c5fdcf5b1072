//! The program on an interface.

use std::{
    fs, io, iter,
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

/// True if an attachment may be tried, without trying: the interface is there, and nothing else is on it but the filter of
/// another build, which is taken over.
pub fn check(pins: &Pins, interface: &str, choice: XdpChoice) -> Result<()> {
    match already(Some(pins), interface, choice) {
        Err(Error::OtherProgram { .. }) if is_of_another_build(pins, interface)? => Ok(()),
        result => result.map(drop),
    }
}

/// True if a build whose maps have another layout put the program on the interface.
pub fn is_of_another_build(pins: &Pins, interface: &str) -> Result<bool> {
    let mut others = pins.others()?.into_iter();
    others.try_fold(false, |found, other| Ok(found || ours(&other, interface)?.is_some()))
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

/// Takes the pinned filter off the interfaces, or off all; with the last one everything of it goes. That of another build
/// goes the same way: its links are all that has to be understood of it. The interfaces that it was taken off.
pub fn detach(pins: &Pins, interfaces: &[String]) -> Result<Vec<String>> {
    let others = pins.others()?;
    let is_there = pins.is_there()? || !others.is_empty();
    let filters: Vec<_> = iter::once(pins.clone()).chain(others).collect();
    let mut attached = Vec::new();
    for filter in &filters {
        attached.extend(filter.interfaces()?.into_iter().map(|interface| (filter, interface)));
    }
    if !is_there && attached.is_empty() {
        return Err(Error::NothingAttached);
    }
    let is_on = |name: &String| attached.iter().any(|(_, interface)| interface == name);
    if let Some(unknown) = interfaces.iter().find(|name| !is_on(name)) {
        return Err(Error::NotAttached { interface: unknown.clone() });
    }
    let is_wanted = |name: &String| interfaces.is_empty() || interfaces.contains(name);
    let mut detached = Vec::new();
    for (filter, interface) in attached.into_iter().filter(|(_, interface)| is_wanted(interface)) {
        filter.remove_link(&interface)?;
        detached.push(interface);
    }
    for filter in &filters {
        if filter.interfaces()?.is_empty() {
            filter.remove_all()?;
        }
    }
    Ok(detached)
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
