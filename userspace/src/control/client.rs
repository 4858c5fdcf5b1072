//! The client of the control socket, for commands.

use std::{
    fmt, fs,
    io::{self, BufRead as _, Write as _},
    net::Shutdown,
    os::unix::{fs::MetadataExt as _, net::UnixStream},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Serialize;
use serde_json::Value;

use super::{accounts, read_ahead::ReadAhead};
use crate::refusal::Refusal;
use sipward_api::{Answer, Call, Events, VERSION, status::Status};

/// A daemon that sends nothing for this long hangs.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    answers: ReadAhead,
}

/// An answer before the end.
#[derive(Clone, Debug, PartialEq)]
pub enum Received {
    Item(Value),
    Notice(String),
}

#[derive(Debug)]
pub enum ClientError {
    /// This user may not use the socket.
    NoAccess {
        socket: PathBuf,
        group: Option<String>,
    },
    Unreachable {
        socket: PathBuf,
        cause: io::Error,
    },
    /// It was not asked.
    NotAsked,
    /// It was asked, and is gone or has given up on this client before the answers had ended.
    Lost {
        change: bool,
    },
    /// The daemon does not answer.
    Silent {
        change: bool,
    },
    /// The answer is not understood.
    Garbled {
        answer: String,
    },
}

impl Client {
    /// None if no daemon listens.
    pub fn connect(socket: &Path) -> Result<Option<Self>, ClientError> {
        let unreachable = |cause| ClientError::Unreachable { socket: socket.to_owned(), cause };
        let stream = match UnixStream::connect(socket) {
            Ok(stream) => stream,
            Err(error) => {
                return match error.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(None),
                    io::ErrorKind::PermissionDenied => {
                        Err(ClientError::NoAccess { socket: socket.to_owned(), group: group_of(socket) })
                    }
                    _ => Err(unreachable(error)),
                };
            }
        };
        stream.set_write_timeout(Some(PATIENCE)).map_err(unreachable)?;
        let answers = stream.try_clone().and_then(ReadAhead::of).map_err(unreachable)?;
        Ok(Some(Self { stream, answers }))
    }

    /// Calls `each` with everything until the answers end. If `each` fails, the rest is not waited for, and the client
    /// is of no use any more.
    pub fn ask<E: From<ClientError>>(
        &mut self,
        call: &Call,
        mut each: impl FnMut(Received) -> Result<(), E>,
    ) -> Result<Result<(), Refusal>, E> {
        let call_kind = CallKind::of(call);
        let sent = self.send(call);
        self.answers.patience = if call_kind == CallKind::Endless { None } else { Some(PATIENCE) };
        loop {
            let received = match self.receive(call_kind) {
                Ok(Answer::Done) => return Ok(Ok(())),
                // The daemon may have answered before it read the whole request.
                Ok(Answer::Failed(refusal)) => return Ok(Err(refusal.into())),
                Err(ClientError::Lost { .. }) if sent.is_err() => return Err(ClientError::NotAsked.into()),
                Err(error) => {
                    self.hang_up();
                    return Err(error.into());
                }
                Ok(Answer::Item(item)) => Received::Item(item),
                Ok(Answer::Notice(notice)) => Received::Notice(notice),
            };
            if let Err(error) = each(received) {
                self.hang_up();
                return Err(error);
            }
        }
    }

    fn send(&mut self, call: &Call) -> io::Result<()> {
        #[derive(Serialize)]
        struct Asked<'a> {
            version: u32,
            #[serde(flatten)]
            call: &'a Call,
        }
        let mut line = serde_json::to_vec(&Asked { version: VERSION, call })?;
        line.push(b'\n');
        self.stream.write_all(&line)
    }

    fn receive(&mut self, call_kind: CallKind) -> Result<Answer, ClientError> {
        let change = call_kind == CallKind::Change;
        let mut line = Vec::new();
        match self.answers.read_until(b'\n', &mut line) {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                return Err(ClientError::Silent { change });
            }
            Err(_) => return Err(ClientError::Lost { change }),
            Ok(_) if !line.ends_with(b"\n") => return Err(ClientError::Lost { change }),
            Ok(_) => {}
        }
        serde_json::from_slice(&line).map_err(|_| {
            let answer = String::from_utf8_lossy(&line[..line.len().min(200)]).trim_end().to_owned();
            ClientError::Garbled { answer }
        })
    }

    fn hang_up(&self) {
        // Fails if it is hung up already.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// The answer of a daemon to `status`, for whom it is no more than a part of the work. `None`: no daemon listens.
pub fn daemon_status(socket: &Path) -> Result<Option<Status>, String> {
    let Some(mut client) = Client::connect(socket).map_err(|error| error.to_string())? else {
        return Ok(None);
    };
    let mut status = None;
    let take = |received| {
        if let Received::Item(item) = received {
            status = serde_json::from_value(item).ok();
        }
        Ok::<(), ClientError>(())
    };
    let answered = client.ask(&Call::Status, take).map_err(|error| error.to_string())?;
    answered.map(|()| status).map_err(|refusal| refusal.to_string())
}

impl Drop for Client {
    fn drop(&mut self) {
        // The thread that reads ahead has the socket, too.
        self.hang_up();
    }
}

/// The consequence of a missing answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CallKind {
    Question,
    Change,
    /// Nothing may happen for a long time.
    Endless,
}

impl CallKind {
    const fn of(call: &Call) -> Self {
        match call {
            Call::Trust(_)
            | Call::Ban(_)
            | Call::Remove(_)
            | Call::Import(_)
            | Call::Mode(_)
            | Call::Only(_)
            | Call::Confirm
            | Call::Signatures(_)
            | Call::Reload
            | Call::Attach
            | Call::Detach(_)
            | Call::Lock(_)
            | Call::Unlock(_)
            | Call::Evidence(_)
            | Call::Report(_) => Self::Change,
            Call::Events(Events { follow: true, .. }) | Call::InForce => Self::Endless,
            Call::List(_)
            | Call::Status
            | Call::Explain(_)
            | Call::Accounts(_)
            | Call::Account(_)
            | Call::Rules
            | Call::Events(_)
            | Call::Top
            | Call::Audit(_) => Self::Question,
        }
    }
}

/// The group that may use the socket.
fn group_of(socket: &Path) -> Option<String> {
    let socket = fs::metadata(socket).ok()?;
    // With an access control list, root's own group seems to have what is for somebody on the list.
    let is_for_group = socket.mode() & 0o060 == 0o060 && socket.gid() != 0;
    if is_for_group { accounts::group_name(socket.gid()).ok()? } else { None }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAccess { socket, group: None } => {
                write!(
                    f,
                    "only root, and those with a role in its configuration, may use {}: try again with sudo",
                    socket.display()
                )
            }
            Self::NoAccess { socket, group: Some(group) } => write!(
                f,
                "only root and the group {group} may use {}: try again with sudo, or join the group with `usermod -aG \
                 {group} USER` and log in again",
                socket.display()
            ),
            Self::Unreachable { socket, cause } => {
                write!(f, "cannot reach the daemon at {}: {cause}", socket.display())
            }
            Self::NotAsked => f.write_str(
                "the daemon ended before it had the request, so nothing was done: try again, and see `systemctl \
                 status sipward`",
            ),
            Self::Lost { change } => {
                write!(f, "the daemon closed the connection before its answer had ended{}", unknown(*change))
            }
            Self::Silent { change } => write!(
                f,
                "the daemon has not answered for {} seconds{}",
                PATIENCE.as_secs(),
                unknown(*change)
            ),
            Self::Garbled { answer } => write!(
                f,
                "the daemon's answer is not understood, as of another version of sipward (restart the daemon if it \
                 was upgraded): {answer:?}"
            ),
        }
    }
}

/// The open question after a missing answer, and how to answer it.
const fn unknown(change: bool) -> &'static str {
    if change {
        ", so it is not known whether the change was made: look with `sipward audit`, `sipward trust list` or \
         `sipward ban list`; `journalctl -u sipward` may say why"
    } else {
        ": try again; `journalctl -u sipward` may say why"
    }
}

impl std::error::Error for ClientError {}
