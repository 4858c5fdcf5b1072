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

/// The time that a daemon may take to open its control socket, or to end after closing it.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);

/// Performs a call. With `--json`, prints the answers as they are; otherwise `show` prints them.
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

/// Performs a call, and passes on each answer as it arrives.
pub(super) fn answers(call: &Call, each: Each<'_>) -> Result<(), Failure> {
    Backend::find(&Pins::default(), each)?.answers(call, each)
}

/// Goes on where the guard could not answer: there is something else to show.
pub(super) fn go_on_without(what: &str, failure: Failure, output: &mut Output) -> Result<(), Failure> {
    match failure {
        Failure::Refused(_) | Failure::Kernel(_) | Failure::Unreachable(_) => {
            let why = failure.message(false).unwrap_or_default();
            Ok(output.warn(&format!("{what}: {why}"))?)
        }
        failure => Err(failure),
    }
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
            // Otherwise a daemon has started meanwhile.
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
            // A pager may take any time to read, so the lock is released first.
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
                "a daemon runs but does not open {}: see its log, with `journalctl -u sipward` if systemd \
                 started it",
                socket.display()
            )));
        }
        thread::sleep(PAUSE);
    }
}

/// Locks the pins while no daemon runs. A daemon that starts waits for the lock.
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
        OpenOutcome::SetAside { to, fault } => Some(format!(
            "{fault}: the file is now {}, and a new database has the lists of the kernel",
            to.display()
        )),
        OpenOutcome::Closed { fault } => Some(fault.clone()),
    }
}

pub(super) fn decoded<T: DeserializeOwned>(item: Value) -> Result<T, Failure> {
    serde_json::from_value(item).map_err(garbled)
}

/// The cause would only name a field of the protocol.
fn garbled(_: serde_json::Error) -> Failure {
    Refusal::failed(
        "the daemon is another version of sipward, and this command does not understand its answer: restart the \
         daemon, with `systemctl restart sipward`",
    )
    .into()
}

#[cfg(test)]
mod tests {
    use sipward_api::item;

    use super::*;

    #[test]
    fn an_answer_of_another_version_says_to_restart_the_daemon() {
        let Err(failure) = decoded::<item::Listed>(serde_json::json!({ "source": "192.0.2.1" })) else {
            panic!("an entry without an end");
        };
        let message = failure.message(false).unwrap();
        assert!(message.contains("another version of sipward"), "{message}");
        assert!(message.contains("restart the daemon"), "{message}");
        assert!(!message.contains("field"), "{message}");
    }
}
