//! The backend of a command: the daemon, or where none runs, a controller of the command's own.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{failure::Failure, output::Output};
use crate::{
    control::{Client, DaemonLock, Received, this_process},
    controller::{Controller, OpenOutcome, Page, Reply},
    paths,
    refusal::Refusal,
};
use sipward_api::Call;
use sipward_kernel::{PinLock, Pins};

/// How long a daemon may take to open its control socket, or to end after it closed it.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);

/// Has a call answered. With `--json` the answers are printed as they are, else `show` prints them.
pub(super) fn ask<T: DeserializeOwned>(
    call: &Call,
    output: &mut Output,
    mut show: impl FnMut(T, &mut Output) -> Result<(), Failure>,
) -> Result<(), Failure> {
    answers(call, &mut |received| match received {
        Received::Notice(notice) => Ok(output.warn(&notice)?),
        Received::Item(item) if output.is_json() => Ok(output.object(&item)?),
        Received::Item(item) => show(decoded(item)?, output),
    })
}

/// Has a call answered, each answer handed over as it comes.
pub(super) fn answers(call: &Call, each: Each<'_>) -> Result<(), Failure> {
    Backend::find(&Pins::default(), each)?.answers(call, each)
}

/// Receives each answer.
pub(super) type Each<'a> = &'a mut dyn FnMut(Received) -> Result<(), Failure>;

/// One backend answers all the calls of a command.
pub(super) enum Backend<'a> {
    Daemon(Client),
    /// A controller of the command's own.
    Local {
        controller: Box<Controller>,
        lock: Option<PinLock<'a>>,
    },
}

impl<'a> Backend<'a> {
    pub(super) fn find(pins: &'a Pins, each: Each<'_>) -> Result<Self, Failure> {
        loop {
            if let Some(client) = connect()? {
                return Ok(Self::Daemon(client));
            }
            // Otherwise a daemon has come meanwhile.
            if let Some(lock) = alone(pins)? {
                let (controller, opened) = Controller::open(pins)?;
                if let Some(notice) = store_notice(&opened) {
                    each(Received::Notice(notice))?;
                }
                return Ok(Self::Local { controller: Box::new(controller), lock: Some(lock) });
            }
        }
    }

    pub(super) fn answers(&mut self, call: &Call, each: Each<'_>) -> Result<(), Failure> {
        match self {
            Self::Daemon(client) => Ok(client.ask(call, each)??),
            // Reading may take as long as somebody pages through it: nobody waits for that.
            Self::Local { controller, lock } => match call {
                Call::List(query) => {
                    *lock = None;
                    pages(|after| controller.page(query, after), each)
                }
                Call::Accounts(which) => {
                    *lock = None;
                    pages(|after| Ok(controller.accounts(which, after)), each)
                }
                call => perform(controller, call, each),
            },
        }
    }
}

/// The daemon, if one runs.
pub(super) fn connect() -> Result<Option<Client>, Failure> {
    let runtime = paths::runtime();
    let socket = paths::socket(&runtime);
    let begun = Instant::now();
    loop {
        if let Some(client) = Client::connect(&socket)? {
            return Ok(Some(client));
        }
        if !DaemonLock::is_held(&runtime)? {
            return Ok(None);
        }
        if begun.elapsed() > PATIENCE {
            return Err(Failure::Unreachable(format!(
                "a daemon runs and does not open {}: see its log, with `journalctl -u sipward` where systemd \
                 started it",
                socket.display()
            )));
        }
        thread::sleep(PAUSE);
    }
}

/// The pins, with the certainty that no daemon works on them. A daemon that starts waits for them.
pub(super) fn alone(pins: &Pins) -> Result<Option<PinLock<'_>>, Failure> {
    let lock = pins.lock()?;
    Ok((!DaemonLock::is_held(&paths::runtime())?).then_some(lock))
}

fn perform(controller: &mut Controller, call: &Call, each: Each<'_>) -> Result<(), Failure> {
    let mut reply = Reply::default();
    let result = controller.perform(call, &this_process(), &mut reply);
    for item in reply.items {
        each(Received::Item(item))?;
    }
    for notice in reply.notices {
        each(Received::Notice(notice))?;
    }
    Ok(result?)
}

fn pages<L: Serialize, K>(
    mut page: impl FnMut(Option<K>) -> Result<Page<L, K>, Refusal>,
    each: Each<'_>,
) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let Page { lines, next } = page(after)?;
        for line in &lines {
            each(Received::Item(serde_json::to_value(line).map_err(garbled)?))?;
        }
        if next.is_none() {
            return Ok(());
        }
        after = next;
    }
}

pub(super) fn store_notice(opened: &OpenOutcome) -> Option<String> {
    match opened {
        OpenOutcome::AsLeft | OpenOutcome::New => None,
        OpenOutcome::SetAside { to, fault } => {
            Some(format!("{fault}: it is now {}, and a new one has what the kernel held", to.display()))
        }
        OpenOutcome::Closed { fault } => Some(fault.clone()),
    }
}

pub(super) fn decoded<T: DeserializeOwned>(item: Value) -> Result<T, Failure> {
    serde_json::from_value(item).map_err(garbled)
}

fn garbled(cause: impl std::fmt::Display) -> Failure {
    Refusal::failed(format!(
        "the daemon is of another version, and says what this command does not understand: {cause}"
    ))
    .into()
}
