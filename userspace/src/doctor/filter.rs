//! Checks of the filter and of the daemon.

use std::{io, os::unix::net::UnixStream, path::Path};

use xdp_prog::abi::VERSION;

use super::finding::Finding;
use sipward_kernel::{self as kernel, Error, Filter, LoadOptions, Pins, Tables};

pub(super) enum Facts {
    Loaded {
        enforce: bool,
        trusted_only: bool,
    },
    /// The result of a trial load; none if there was no trial.
    Absent {
        trial: Option<Result<(), String>>,
    },
    Unseen,
    /// Of another build, and in force there.
    OtherBuild(Vec<String>),
    /// Pinned, and unusable.
    Broken(String),
}

impl Facts {
    pub(super) const fn is_loaded(&self) -> bool {
        matches!(self, Self::Loaded { .. })
    }
}

pub(super) fn read(pins: &Pins) -> Facts {
    match Tables::open(pins).and_then(|tables| tables.policy()) {
        Ok(Some(policy)) => {
            Facts::Loaded { enforce: policy.enforce != 0, trusted_only: policy.trusted_only != 0 }
        }
        Ok(None) | Err(Error::NothingAttached) => Facts::Absent { trial: trial() },
        Err(Error::NotPermitted) => Facts::Unseen,
        Err(Error::OtherBuild { interfaces, .. }) => Facts::OtherBuild(interfaces),
        Err(error) => Facts::Broken(error.to_string()),
    }
}

/// Loads the filter, attached to nothing, and lets it go again.
fn trial() -> Option<Result<(), String>> {
    if !kernel::missing_capabilities().is_ok_and(|missing| missing.is_empty()) {
        return None;
    }
    /// The smallest possible maps: the trial load needs no lists.
    const SOURCES: u32 = 1;
    let options = LoadOptions { max_sources: Some(SOURCES), ..LoadOptions::default() };
    Some(Filter::load(&options).map(drop).map_err(|error| error.to_string()))
}

pub(super) fn check(facts: &Facts) -> Finding {
    const CHECK: &str = "filter";
    const START: &str = "`systemctl start sipward`, or `sipward attach --iface NAME`";
    match facts {
        Facts::Loaded { enforce: true, trusted_only } => {
            let only = if *trusted_only { ", only trusted sources pass" } else { "" };
            Finding::ok(CHECK, format!("loaded (layout {VERSION}), enforces{only}"))
        }
        Facts::Loaded { enforce: false, .. } => Finding::warn(
            CHECK,
            format!("loaded (layout {VERSION}), in monitor mode: it counts and drops nothing"),
            "`sipward mode enforce`, once the counters of `sipward status` look right",
        ),
        Facts::Absent { trial: Some(Ok(())) } => {
            Finding::warn(CHECK, "not loaded, nothing is dropped; this kernel accepts the filter", START)
        }
        Facts::Absent { trial: None } => Finding::warn(CHECK, "not loaded, nothing is dropped", START),
        Facts::Absent { trial: Some(Err(error)) } => Finding::bad(
            CHECK,
            format!("cannot be loaded: {error}"),
            "`sipward attach --iface NAME --verbose` shows the whole message of the kernel",
        ),
        Facts::Unseen => Finding::unseen(CHECK, "whether the filter is loaded"),
        Facts::OtherBuild(interfaces) => Finding::bad(
            CHECK,
            format!(
                "that of another build of sipward is in force on {}, and drops packets as before; commands of this \
                 build cannot change it",
                interfaces.join(", ")
            ),
            "`systemctl restart sipward` takes over from it, `sipward detach` removes it",
        ),
        Facts::Broken(error) => {
            Finding::bad(CHECK, error, "`sipward detach`, then `sipward attach --iface NAME`")
        }
    }
}

pub(super) enum Daemon {
    Listens,
    Silent,
    Unseen,
    Failed(String),
}

impl Daemon {
    pub(super) fn at(socket: &Path) -> Self {
        match UnixStream::connect(socket) {
            Ok(_) => Self::Listens,
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Self::Silent,
                io::ErrorKind::PermissionDenied => Self::Unseen,
                _ => Self::Failed(format!("{}: {error}", socket.display())),
            },
        }
    }

    pub(super) const fn runs(&self) -> bool {
        matches!(self, Self::Listens)
    }

    pub(super) fn check(&self) -> Finding {
        const CHECK: &str = "daemon";
        match self {
            Self::Listens => Finding::ok(CHECK, "runs"),
            Self::Silent => Finding::warn(
                CHECK,
                "not running: a loaded filter stays in force, without observer and guard",
                "`systemctl start sipward`; `journalctl -u sipward` says why it ended",
            ),
            Self::Unseen => Finding::unseen(CHECK, "whether the daemon answers"),
            Self::Failed(error) => Finding::bad(CHECK, error, "`systemctl restart sipward`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::{
        super::finding::{State, tests::says},
        *,
    };

    #[test]
    fn the_filter_is_in_one_of_these_states() {
        let loaded = |enforce, trusted_only| Facts::Loaded { enforce, trusted_only };
        for (facts, state, said) in [
            (loaded(true, false), State::Ok, &["enforces"][..]),
            (loaded(true, true), State::Ok, &["only trusted sources pass"]),
            (loaded(false, false), State::Warn, &["monitor mode", "`sipward mode enforce`"]),
            (
                Facts::Absent { trial: Some(Ok(())) },
                State::Warn,
                &["this kernel accepts the filter", "systemctl start"],
            ),
            (Facts::Absent { trial: None }, State::Warn, &["not loaded", "systemctl start sipward"]),
            (
                Facts::Absent { trial: Some(Err("too many instructions".to_owned())) },
                State::Bad,
                &["too many instructions", "--verbose"],
            ),
            (Facts::Unseen, State::Warn, &["may not see whether the filter is loaded"]),
            (
                Facts::OtherBuild(vec!["eth0".to_owned(), "eth1".to_owned()]),
                State::Bad,
                &["another build", "on eth0, eth1", "systemctl restart sipward", "`sipward detach`"],
            ),
            (Facts::Broken("another layout".to_owned()), State::Bad, &["another layout", "`sipward detach`"]),
        ] {
            says(&check(&facts), state, said);
            assert_eq!(facts.is_loaded(), check(&facts).found.contains("loaded (layout"));
        }
    }

    #[test]
    fn a_daemon_answers_or_says_what_to_do() {
        says(&Daemon::Listens.check(), State::Ok, &["runs"]);
        says(&Daemon::Silent.check(), State::Warn, &["not running", "systemctl start sipward"]);
        says(&Daemon::Unseen.check(), State::Warn, &["may not see"]);
        says(&Daemon::Failed("too many files".to_owned()).check(), State::Bad, &["too many", "restart"]);
    }

    #[test]
    fn a_daemon_is_there_while_somebody_listens() {
        let path = std::env::temp_dir().join(format!("sipward-doctor-{}.sock", std::process::id()));
        assert!(matches!(Daemon::at(&path), Daemon::Silent));
        let listener = UnixListener::bind(&path).unwrap();
        assert!(matches!(Daemon::at(&path), Daemon::Listens));
        drop(listener);
        // A daemon that was killed leaves the socket behind.
        assert!(matches!(Daemon::at(&path), Daemon::Silent));
        std::fs::remove_file(&path).unwrap();
    }
}
