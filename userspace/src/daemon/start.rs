//! The start of the daemon: from nothing, or from the state of the last daemon, to a filter in force and an open
//! control socket.

use std::path::{Path, PathBuf};

use tracing::{error, info, warn};

use super::{Options, links};
use crate::{
    control::{Access, Admission, ControlSocket, ControlSocketError, DaemonLock},
    controller::{Controller, OpenOutcome, ProgramFate, Settings, Started},
    fault_log::FaultLog,
    paths,
    refusal::Refusal,
};
use sipward_engine::policy::DEFAULT_PATH;
use sipward_kernel::{Error, Pins};

pub(super) struct Begun {
    pub(super) controller: Controller,
    pub(super) control_socket: ControlSocket,
    /// Whom the control socket admits.
    pub(super) access: Access,
}

pub(super) fn start(options: &Options, lock: &DaemonLock) -> Result<Begun, Refusal> {
    let file = options.config.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_PATH));
    let settings = settings(&file)?;
    let access = Access { group: settings.resolved.group.clone(), roles: settings.resolved.roles.clone() };
    let pins = Pins::default();
    // A command that found no daemon holds the pins while it works, and looks again for a daemon once it has them.
    let claimed = pins.claim()?;
    let (mut controller, started) = Controller::start(&pins, Some(settings), false)?;
    report(&started);
    attach(&mut controller)?;
    links::look_after_taps(&mut controller, &mut FaultLog::default());
    // From now on the filter does not go with its pins. A fault is logged when they are looked at next.
    let _ = controller.keep_pinned();
    let control_socket = control_socket(&access, lock)?;
    drop(claimed);
    Ok(Begun { controller, control_socket, access })
}

/// A wrong name must not leave the host unprotected.
pub(super) fn control_socket(access: &Access, lock: &DaemonLock) -> Result<ControlSocket, Refusal> {
    let socket = paths::socket(&paths::runtime());
    let (admission, errors) = Admission::of(access);
    errors.iter().for_each(|error| error!("{error}; until then nobody gets in by that name"));
    open_for(&socket, admission, lock).map_err(|error| Refusal::failed(error.to_string()))
}

/// Leaves out those who cannot be let in on this host, so that the others can.
fn open_for(
    socket: &Path,
    admission: Admission,
    lock: &DaemonLock,
) -> Result<ControlSocket, ControlSocketError> {
    match ControlSocket::open(socket, admission.clone(), lock) {
        Err(error @ ControlSocketError::NotOfGroup { .. }) => {
            error!("{error}; until then it does not get in");
            open_for(socket, admission.without_group(), lock)
        }
        Err(error @ ControlSocketError::NoLists { .. }) => {
            error!("{error}; until then root and the members of `group` get in, and nobody of [roles]");
            open_for(socket, admission.without_roles(), lock)
        }
        result => result,
    }
}

/// The settings of the file; if that is broken, the last good ones.
fn settings(file: &Path) -> Result<Settings, Refusal> {
    Settings::of_daemon(file).or_else(|fault| {
        let last = Settings::last_good(file, &fault).ok_or_else(|| fault.clone())?;
        error!("{fault}");
        error!("the last good configuration is used instead: correct the file, then `sipward reload`");
        Ok(last)
    })
}

fn report(started: &Started) {
    match started.program {
        ProgramFate::Kept => info!("the filter was in force and stays"),
        ProgramFate::Replaced => info!("the filter of another build was replaced"),
        ProgramFate::Migrated => info!("the filter of another build was replaced, and so were its maps"),
        ProgramFate::New => info!("the filter is loaded"),
    }
    match &started.store {
        OpenOutcome::AsLeft => {}
        OpenOutcome::New => info!("a new database was made"),
        OpenOutcome::SetAside { to, fault } => {
            error!(
                "{fault}: the file is now {}, and a new database has the lists of the kernel",
                to.display()
            );
        }
        OpenOutcome::Closed { fault } => error!("the lists stay as they are in the kernel: {fault}"),
    }
    match &started.lists {
        Ok(lists) => info!("lists: {lists}"),
        Err(fault) => warn!("the lists cannot be saved: {fault}"),
    }
    if let Err(fault) = &started.recalled {
        warn!("the guard starts with no counts: {fault}");
    }
    match &started.guarded {
        Ok(guarded) => info!("guard: {guarded}"),
        Err(fault) => warn!("suspensions stay as they are in the kernel: {fault}"),
    }
}

/// The daemon waits for missing interfaces; it logs any other fault at once.
fn attach(controller: &mut Controller) -> Result<(), Refusal> {
    let (attached, failed) = controller.attach_missing();
    for interface in attached {
        info!("{interface}: the filter is attached");
    }
    let mut fatal = None;
    for (interface, error) in failed {
        match error {
            Error::NoInterface { .. } => {
                warn!("{interface}: does not exist yet; it will be protected as soon as it does")
            }
            error => {
                error!("{error}");
                fatal = Some(error);
            }
        }
    }
    match fatal {
        Some(error) if controller.interfaces()?.iter().all(|interface| interface.mode.is_none()) => {
            Err(error.into())
        }
        _ => Ok(()),
    }
}
