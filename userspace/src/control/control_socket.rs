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
    acl,
    admission::Admission,
    lock::{DaemonLock, LockError},
    peer::Peer,
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
    /// The file system of the socket cannot let single users in.
    NoLists {
        path: PathBuf,
        cause: io::Error,
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
    /// Within a tokio runtime; the lock is a promise that no other daemon does the same at the same time.
    pub fn open(path: &Path, admission: Admission, _alone: &DaemonLock) -> Result<Self, ControlSocketError> {
        clear(path)?;
        let fail =
            |cause| ControlSocketError::Failed { doing: format!("listen on {}", path.display()), cause };
        let socket = UnixSocket::new_stream().map_err(fail)?;
        socket.bind(path).map_err(fail)?;
        // No client can connect before `listen`, so none gets in before the mode is set.
        permit(path, &admission)?;
        let listener = socket.listen(QUEUE).map_err(fail)?;
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

/// Lets those connect that are admitted, and nobody else: whoever is only turned away could still keep others out of the
/// backlog.
fn permit(path: &Path, admission: &Admission) -> Result<(), ControlSocketError> {
    let mut mode = 0o600;
    if let Some((name, id)) = &admission.group {
        mode = 0o660;
        chown(path, None, Some(*id)).map_err(|cause| match cause.kind() {
            io::ErrorKind::PermissionDenied => ControlSocketError::NotOfGroup { name: name.clone() },
            _ => ControlSocketError::Failed {
                doing: format!("give {} to the group {name}", path.display()),
                cause,
            },
        })?;
    }
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(|cause| ControlSocketError::Failed {
        doing: format!("set the mode of {}", path.display()),
        cause,
    })?;
    let (users, groups) = admission.shared_with();
    if users.is_empty() && groups.is_empty() {
        return Ok(());
    }
    acl::share(path, admission.group.is_some(), &users, &groups)
        .map_err(|cause| ControlSocketError::NoLists { path: path.to_owned(), cause })
}

impl fmt::Display for ControlSocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running { pid } => LockError::Running { pid: Some(*pid) }.fmt(f),
            Self::InTheWay { path } => {
                write!(f, "{} exists and is not a socket: move it elsewhere", path.display())
            }
            Self::NoLists { path, cause } => write!(
                f,
                "{} cannot have an access control list for the users of [roles]: {cause}; mount a tmpfs on /run, or \
                 use `group` instead of [roles]",
                path.display()
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
