//! Errors of the kernel, one sentence each, with a remedy.

use std::{
    error::Error as StdError,
    fmt, io,
    path::{Path, PathBuf},
};

use aya::{
    EbpfError,
    maps::MapError,
    pin::PinError,
    programs::{ProgramError, links::LinkError},
};

use xdp_prog::abi::map;

use super::{capability::missing_capabilities, layout::DECLARED, netlink::XdpMode};

pub type Result<T, E = Error> = std::result::Result<T, E>;

pub enum Error {
    /// The kernel does not let this user do it.
    NotPermitted,
    NoBpffs {
        base: PathBuf,
    },
    NoInterface {
        name: String,
        existing: Vec<String>,
    },
    /// The filter would see nothing there.
    NoEthernet {
        interface: String,
    },
    /// Somebody else's XDP program is on the interface.
    OtherProgram {
        interface: String,
        id: u32,
        name: String,
        /// The command that removes it.
        remove: String,
    },
    /// Ours is on it already, in another mode than the one wanted.
    AttachedOtherwise {
        interface: String,
        mode: XdpMode,
    },
    /// The interface does not take an XDP program in this mode.
    ModeRefused {
        interface: String,
        mode: &'static str,
        cause: String,
    },
    /// The verifier, or the kernel's limits, refused the program.
    Rejected {
        cause: String,
        log: String,
    },
    /// The kernel is too old.
    Unsupported {
        what: &'static str,
    },
    NothingAttached,
    NotAttached {
        interface: String,
    },
    /// Somebody else reads what only one can read.
    Taken {
        command: &'static str,
    },
    /// Another version of sipward pinned a map of another shape.
    OtherLayout {
        map: PathBuf,
    },
    /// A build whose maps have another layout put the filter in force.
    OtherBuild {
        version: u32,
        interfaces: Vec<String>,
    },
    /// No room for another entry.
    Full {
        map: &'static str,
    },
    /// Anything else the kernel said no to.
    Failed {
        doing: String,
        cause: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPermitted => {
                f.write_str(
                    "the kernel does not let this user do that: run sipward as root (it needs CAP_BPF, CAP_PERFMON, \
                     CAP_NET_ADMIN and access to /sys/fs/bpf",
                )?;
                match missing_capabilities().unwrap_or_default().as_slice() {
                    [] => f.write_str(")"),
                    missing => write!(f, "; this process is without {})", missing.join(", ")),
                }
            }
            Self::NoBpffs { base } => write!(
                f,
                "there is no BPF filesystem for {}: mount one with `mount -t bpf bpf /sys/fs/bpf` (`ip netns exec` \
                 hides it; `nsenter --net=/run/netns/NAME` does not)",
                base.display()
            ),
            Self::NoInterface { name, existing } => {
                write!(f, "there is no interface {name}")?;
                match existing.as_slice() {
                    [] => f.write_str(", nor any other than the loopback"),
                    existing => write!(f, "; there is {}", existing.join(", ")),
                }
            }
            Self::NoEthernet { interface } => write!(
                f,
                "frames on {interface} have no Ethernet header, so the filter would see nothing there: attach to the \
                 interface that the tunnel's packets arrive on"
            ),
            Self::OtherProgram { interface, id, name, remove } => write!(
                f,
                "{interface} already runs another XDP program, {name} (id {id}), and takes only one: remove it first \
                 with `{remove}`"
            ),
            Self::AttachedOtherwise { interface, mode } => write!(
                f,
                "the filter is already attached to {interface}, in {} mode: `sipward detach --iface {interface}` first",
                mode.name()
            ),
            Self::ModeRefused { interface, mode, cause } => write!(
                f,
                "{interface} does not take an XDP program in {mode} mode ({cause}): try without --xdp, or another mode"
            ),
            Self::Rejected { cause, .. } => {
                write!(f, "the kernel refused the filter, nothing is loaded: {cause}")
            }
            Self::Unsupported { what } => {
                write!(f, "this kernel has no {what}: sipward needs Linux 6.1 or newer")
            }
            Self::NothingAttached => f.write_str(
                "the filter is not attached to any interface: `systemctl start sipward`, or `sipward attach --iface NAME`",
            ),
            Self::NotAttached { interface } => {
                write!(f, "the filter is not attached to {interface}: see `sipward status`")
            }
            Self::Taken { command } => {
                write!(f, "another `sipward {command}` runs already: stop that one first")
            }
            Self::OtherLayout { map } => write!(
                f,
                "{} is from another build of sipward, with another layout: `sipward detach` first, then attach again",
                map.display()
            ),
            Self::OtherBuild { version, interfaces } => write!(
                f,
                "on {} the filter of another build of sipward is in force (layout {version}), and drops packets as \
                 before: `systemctl start sipward` takes over from it, `sipward detach` removes it",
                interfaces.join(", ")
            ),
            Self::Full { map } => write!(f, "the table of {} is full: delete entries first", entries_of(map)),
            Self::Failed { doing, cause } => write!(f, "could not {doing}: {cause}"),
        }
    }
}

/// The entries of a map in an operator's words.
fn entries_of(map: &str) -> &str {
    match map {
        map::SOURCES => "addresses on the lists",
        map::PREFIXES | DECLARED => "prefixes on the lists",
        map::SUSPENDED => "suspensions and locks",
        map::KNOWN_FLOWS => "known flows",
        map::WORKED => "accounts that have worked",
        map::REFUNDS => "guesses that were given back",
        other => other,
    }
}

/// A failed test shows the sentence, too.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        self.log(LOG_LINES).map_or(Ok(()), |log| write!(f, "\n{log}"))
    }
}

impl StdError for Error {}

/// The length of the end of the verifier's log that gives the reason.
pub const LOG_LINES: usize = 15;

impl Error {
    /// The verifier's last words, if it is the verifier that objects.
    pub fn log(&self, lines: usize) -> Option<String> {
        let Self::Rejected { log, .. } = self else { return None };
        let all: Vec<_> = log.lines().collect();
        Some(all[all.len().saturating_sub(lines)..].join("\n"))
    }

    pub(super) fn failed(doing: impl Into<String>, cause: impl Into<String>) -> Self {
        Self::Failed { doing: doing.into(), cause: cause.into() }
    }

    /// An error of the system while doing something.
    pub(super) fn io(doing: impl Into<String>, error: &io::Error) -> Self {
        if permission(error) { Self::NotPermitted } else { Self::failed(doing, error.to_string()) }
    }

    pub(super) fn map(doing: impl Into<String>, error: &MapError) -> Self {
        Self::classify(doing, error)
    }

    pub(super) fn program(doing: impl Into<String>, error: &ProgramError) -> Self {
        match error {
            // The verifier too says "permission denied", and then it says why.
            ProgramError::LoadError { io_error, verifier_log }
                if !verifier_log.to_string().trim().is_empty() =>
            {
                Self::Rejected { cause: io_error.to_string(), log: verifier_log.to_string() }
            }
            _ => Self::classify(doing, error),
        }
    }

    pub(super) fn ebpf(doing: impl Into<String>, error: &EbpfError) -> Self {
        Self::classify(doing, error)
    }

    pub(super) fn pin(path: &Path, error: &PinError) -> Self {
        Self::classify(format!("create {}", path.display()), error)
    }

    pub(super) fn link(doing: impl Into<String>, error: &LinkError) -> Self {
        Self::classify(doing, error)
    }

    fn classify(doing: impl Into<String>, error: &(dyn StdError + 'static)) -> Self {
        match system_error(error) {
            Some(io) if permission(io) => Self::NotPermitted,
            _ => Self::failed(doing, chain(error)),
        }
    }
}

fn permission(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

/// The system's error at the root of another.
pub(super) fn system_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a io::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref() {
            return Some(io);
        }
        next = error.source();
    }
    None
}

/// An error and its causes, none said twice.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        next = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_map_is_named_by_what_is_in_it() {
        for (map, says) in [
            (DECLARED, "table of prefixes"),
            (map::PREFIXES, "table of prefixes"),
            (map::SOURCES, "table of addresses"),
        ] {
            let message = Error::Full { map }.to_string();
            assert!(message.contains(says) && !message.contains(map), "{message}");
        }
    }
}
