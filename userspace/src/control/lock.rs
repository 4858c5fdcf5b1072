//! The lock file of the daemon: locked while a daemon runs, however it ends.

use std::{
    fmt,
    fs::{self, DirBuilder, File, Permissions},
    io::{self, Read as _, Write as _},
    os::{
        fd::AsRawFd as _,
        unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    },
    path::{Path, PathBuf},
};

const NAME: &str = "daemon.lock";

/// There is one daemon for each runtime directory, and this process is it.
#[derive(Debug)]
pub struct DaemonLock {
    _file: File,
}

#[derive(Debug)]
pub enum LockError {
    /// Another daemon has it.
    Running {
        pid: Option<i32>,
    },
    /// Other users could replace the socket of the daemon.
    Exposed {
        directory: PathBuf,
    },
    Failed {
        doing: String,
        cause: io::Error,
    },
}

impl DaemonLock {
    /// The file that is locked.
    pub fn path(directory: &Path) -> PathBuf {
        directory.join(NAME)
    }

    /// Makes the runtime directory where there is none.
    pub fn take(directory: &Path) -> Result<Self, LockError> {
        make(directory)?;
        let path = Self::path(directory);
        let fail = |cause| LockError::Failed { doing: format!("lock {}", path.display()), cause };
        // Readable by root only: a user who can open the file can lock it.
        let mut options = File::options();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(fail)?;
        if !lock(&file).map_err(fail)? {
            return Err(LockError::Running { pid: read_pid(&mut file) });
        }
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(fail)?;
        Ok(Self { _file: file })
    }

    /// True if a daemon runs. The check does not disturb a daemon that starts.
    pub fn is_held(directory: &Path) -> Result<bool, LockError> {
        let path = Self::path(directory);
        let held = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            result => result.and_then(|file| is_locked(&file)),
        };
        held.map_err(|cause| LockError::Failed { doing: format!("look at {}", path.display()), cause })
    }
}

/// Everybody may look into the runtime directory, and only the daemon's user may change it.
fn make(directory: &Path) -> Result<(), LockError> {
    let fail = |cause| LockError::Failed { doing: format!("create {}", directory.display()), cause };
    if !directory.try_exists().map_err(fail)? {
        DirBuilder::new().recursive(true).mode(0o755).create(directory).map_err(fail)?;
        // Whatever the umask made of it.
        fs::set_permissions(directory, Permissions::from_mode(0o755)).map_err(fail)?;
    }
    let writable_by_others = fs::metadata(directory).map_err(fail)?.mode() & 0o022 != 0;
    if writable_by_others { Err(LockError::Exposed { directory: directory.to_owned() }) } else { Ok(()) }
}

fn read_pid(file: &mut File) -> Option<i32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// True if the lock was taken. It belongs to the open file, so neither a thread nor another opening of the same file
/// can lose it.
fn lock(file: &File) -> io::Result<bool> {
    match control(file, libc::F_OFD_SETLK) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        result => result.map(|_| true),
    }
}

fn is_locked(file: &File) -> io::Result<bool> {
    Ok(control(file, libc::F_OFD_GETLK)?.l_type != libc::F_UNLCK as libc::c_short)
}

/// `command` with a lock for one writer on all of the file.
fn control(file: &File, command: libc::c_int) -> io::Result<libc::flock> {
    // SAFETY: all zero is a `flock`.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    // SAFETY: both commands take a `flock`, and one of them writes to it.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), command, &raw mut lock) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(lock) }
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running { pid } => {
                f.write_str("another sipward daemon runs")?;
                if let Some(pid) = pid {
                    write!(f, " (pid {pid})")?;
                }
                f.write_str(": stop it first, with `systemctl stop sipward` if systemd started it")
            }
            Self::Exposed { directory } => write!(
                f,
                "{0} is writable by others than its owner, who could pose as the daemon: `chmod 755 {0}`",
                directory.display()
            ),
            Self::Failed { doing, cause } if cause.kind() == io::ErrorKind::PermissionDenied => {
                write!(f, "could not {doing}: run sipward as root, with `sudo` for example")
            }
            Self::Failed { doing, cause } => write!(f, "could not {doing}: {cause}"),
        }
    }
}

impl std::error::Error for LockError {}
