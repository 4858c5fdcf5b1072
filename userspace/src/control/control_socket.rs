//! Makes the control socket, and sets who may connect.

use std::{
    fmt,
    fs::{self, Permissions},
    io,
    os::unix::{
        fs::{FileTypeExt as _, PermissionsExt as _, chown},
        net::UnixStream as BlockingStream,
    },
    path::{Path, PathBuf},
};

use tokio::net::{UnixListener, UnixSocket};

use super::{
    accounts,
    lock::{DaemonLock, LockError},
    peer::{Admission, Peer},
};
use crate::file_id::FileId;

/// The backlog of connections; accepting one takes microseconds.
const QUEUE: u32 = 128;

/// The socket, which goes with it.
#[derive(Debug)]
pub struct ControlSocket {
    pub(super) listener: UnixListener,
    pub(super) admission: Admission,
    path: PathBuf,
    file: Option<FileId>,
}

#[derive(Debug)]
pub enum ControlSocketError {
    /// Another process answers on the socket.
    Running {
        pid: i32,
    },
    /// Something else is in its place.
    InTheWay {
        path: PathBuf,
    },
    NoGroup {
        name: String,
    },
    /// The daemon may not give the socket to the group.
    NotOfGroup {
        name: String,
    },
    Failed {
        doing: String,
        cause: io::Error,
    },
}

impl ControlSocket {
    /// For root, for the daemon's own user and for that group. Within a tokio runtime; the lock is a promise that no
    /// other daemon does the same at the same time.
    pub fn open(path: &Path, group: Option<&str>, _alone: &DaemonLock) -> Result<Self, ControlSocketError> {
        let group = group.map(|name| Ok((name, find(name)?))).transpose()?;
        clear(path)?;
        let fail =
            |cause| ControlSocketError::Failed { doing: format!("listen on {}", path.display()), cause };
        let socket = UnixSocket::new_stream().map_err(fail)?;
        socket.bind(path).map_err(fail)?;
        // No client can connect before `listen`, so none gets in before the mode is set.
        permit(path, group)?;
        let listener = socket.listen(QUEUE).map_err(fail)?;
        // SAFETY: no arguments, cannot fail.
        let own = unsafe { libc::geteuid() };
        let admission = Admission { own, group: group.map(|(_, id)| id) };
        Ok(Self { listener, admission, path: path.to_owned(), file: FileId::of(path) })
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if FileId::of(&self.path) == self.file {
            // A file that stays does no harm.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn find(group: &str) -> Result<u32, ControlSocketError> {
    match accounts::group_id(group) {
        Ok(Some(id)) => Ok(id),
        Ok(None) => Err(ControlSocketError::NoGroup { name: group.to_owned() }),
        Err(cause) => Err(ControlSocketError::Failed { doing: format!("look up the group {group}"), cause }),
    }
}

/// Removes what a daemon left behind that ended without a chance to.
fn clear(path: &Path) -> Result<(), ControlSocketError> {
    let fail = |cause| ControlSocketError::Failed { doing: format!("look at {}", path.display()), cause };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(fail(error)),
        Ok(there) if !there.file_type().is_socket() => {
            return Err(ControlSocketError::InTheWay { path: path.to_owned() });
        }
        Ok(_) => {}
    }
    match BlockingStream::connect(path) {
        Ok(stream) => Err(ControlSocketError::Running { pid: Peer::of(&stream).map_err(fail)?.pid }),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(fail),
        Err(error) => Err(fail(error)),
    }
}

fn permit(path: &Path, group: Option<(&str, u32)>) -> Result<(), ControlSocketError> {
    let mut mode = 0o600;
    if let Some((name, id)) = group {
        mode = 0o660;
        chown(path, None, Some(id)).map_err(|cause| match cause.kind() {
            io::ErrorKind::PermissionDenied => ControlSocketError::NotOfGroup { name: name.to_owned() },
            _ => ControlSocketError::Failed {
                doing: format!("give {} to the group {name}", path.display()),
                cause,
            },
        })?;
    }
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(|cause| ControlSocketError::Failed {
        doing: format!("set the mode of {}", path.display()),
        cause,
    })
}

impl fmt::Display for ControlSocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running { pid } => LockError::Running { pid: Some(*pid) }.fmt(f),
            Self::InTheWay { path } => {
                write!(f, "{} exists and is not a socket: move it elsewhere", path.display())
            }
            Self::NoGroup { name } => write!(
                f,
                "the group {name} of the control socket does not exist: make it with `groupadd --system \
                 {name}`, or configure no group"
            ),
            Self::NotOfGroup { name } => write!(
                f,
                "the daemon cannot give the control socket to the group {name}, because it is not a member: \
                 add `SupplementaryGroups={name}` to its unit"
            ),
            Self::Failed { doing, cause } => write!(f, "could not {doing}: {cause}"),
        }
    }
}

impl std::error::Error for ControlSocketError {}
