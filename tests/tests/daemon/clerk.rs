//! Changes lists with commands, as users do, or over the control socket, as programs do.

use std::{
    process::{Child, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;
use sipward::{
    control::{Client, ClientError, Received},
    paths,
    refusal::RefusalKind,
};
use sipward_api::{Add, Call, Remove};
use sipward_tests::command::{Done, Sipward};
use sipward_types::list_entry::ListKind;

use crate::model::{Answer, Deed};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Clerk {
    Person,
    /// Types where there is no daemon.
    Program,
}

impl Clerk {
    pub(crate) fn perform(self, sipward: &Sipward<'_>, source: &str, deed: Deed) -> Answer {
        match self {
            Self::Person => typed(sipward, source, deed),
            Self::Program => asked(sipward, source, deed).unwrap_or_else(|| typed(sipward, source, deed)),
        }
    }
}

fn typed(sipward: &Sipward<'_>, source: &str, deed: Deed) -> Answer {
    let done = Done::of(&mut sipward.command(&line(source, deed)));
    assert!(!done.stderr.contains("not saved"), "{done}");
    match done.code {
        Some(0) => Answer::Done(lasts(&serde_json::from_str(&done.stdout).expect("an object"))),
        Some(1) => Answer::Refused,
        Some(3) if nobody_knows(&done.stderr) => Answer::None(done.stderr),
        _ => panic!("{done}"),
    }
}

/// The same, by a command that is killed after so long.
pub(crate) fn typed_and_killed(sipward: &Sipward<'_>, source: &str, deed: Deed, after: Duration) -> Answer {
    let mut command = sipward.command(&line(source, deed));
    let mut child: Child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    thread::sleep(after);
    child.kill().expect("a child of this process");
    let ended = child.wait().expect("a child of this process");
    Answer::None(format!("killed after {after:?}: {ended}"))
}

fn line(source: &str, deed: Deed) -> String {
    let lasts =
        |lasts: Option<u64>| lasts.map_or_else(|| "forever".to_owned(), |seconds| format!("{seconds}s"));
    match deed {
        Deed::Trust(time) => format!("trust add {source} --for {} --json", lasts(time)),
        Deed::Ban(time) => format!("ban add {source} --for {} --json", lasts(time)),
        Deed::Untrust => format!("trust del {source} --json"),
        Deed::Unban => format!("ban del {source} --json"),
    }
}

fn lasts(item: &Value) -> Option<u64> {
    item["expires_in"].as_u64()
}

/// Returns true if this error means that the daemon's answer is missing.
fn nobody_knows(said: &str) -> bool {
    said.contains("not known whether the change was made") || said.contains("so nothing was done")
}

/// `None`: there is no daemon.
fn asked(sipward: &Sipward<'_>, source: &str, deed: Deed) -> Option<Answer> {
    let socket = paths::socket(&sipward.runtime());
    let mut client = Client::connect(&socket).unwrap_or_else(|error| panic!("{error}"))?;
    let mut item = Value::Null;
    let take = |told| {
        match told {
            Received::Item(told) => item = told,
            Received::Notice(notice) => panic!("{notice}"),
        }
        Ok::<_, ClientError>(())
    };
    Some(match client.ask(&call(source, deed), take) {
        Ok(Ok(())) => Answer::Done(lasts(&item)),
        Ok(Err(refusal)) if refusal.kind == RefusalKind::No => Answer::Refused,
        Ok(Err(refusal)) => panic!("{refusal}"),
        Err(error) => {
            assert!(nobody_knows(&error.to_string()), "{error}");
            Answer::None(error.to_string())
        }
    })
}

fn call(source: &str, deed: Deed) -> Call {
    let net = source.parse().or_else(|_| source.parse().map(std::net::IpAddr::into)).expect("a source");
    let sources = vec![net];
    let add = |lasts| Add { sources: vec![net], lasts, note: None, force: false, session: None };
    match deed {
        Deed::Trust(lasts) => Call::Trust(add(lasts)),
        Deed::Ban(lasts) => Call::Ban(add(lasts)),
        Deed::Untrust => Call::Remove(Remove { list: ListKind::Trusted, sources }),
        Deed::Unban => Call::Remove(Remove { list: ListKind::Banned, sources }),
    }
}
