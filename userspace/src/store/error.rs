//! Errors of the store, in words for the operator who repairs it.

use std::{
    ffi::CString,
    fmt, fs, io,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, ErrorCode, ffi};

pub(super) type Result<T, E = StoreError> = std::result::Result<T, E>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// The file does not hold what was written.
    Corrupt,
    Full,
    ReadOnly,
    /// This user may not.
    Denied,
    /// Of a version that this one does not know.
    Newer,
    Busy,
    /// A change was cut off in the middle, and this user may not undo it.
    Interrupted,
    /// Removed or replaced while it was open: what is written now goes nowhere.
    Lost,
    Other,
}

#[derive(Clone, PartialEq, Eq)]
pub struct StoreError {
    kind: StoreErrorKind,
    path: PathBuf,
    cause: String,
}

impl StoreError {
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn cause(&self) -> &str {
        &self.cause
    }

    pub(crate) fn new(kind: StoreErrorKind, path: &Path, cause: impl Into<String>) -> Self {
        // A damaged database is quoted.
        let cause = cause.into().replace(char::is_control, "?");
        Self { kind, path: path.to_owned(), cause }
    }

    pub(crate) fn io(path: &Path, error: &io::Error) -> Self {
        Self::system(path, error.raw_os_error().unwrap_or(0), error.to_string(), StoreErrorKind::Other)
    }

    /// `connection`: the one that failed, if it came to one.
    pub(crate) fn sqlite(path: &Path, connection: Option<&Connection>, error: &rusqlite::Error) -> Self {
        let Some(code) = error.sqlite_error_code() else {
            return Self::new(decoding(error), path, error.to_string());
        };
        let kind = match code {
            ErrorCode::ReadOnly if is_interrupted(error) => StoreErrorKind::Interrupted,
            // `Unknown`: a statement that makes no sense; `TooBig`: a value of a billion bytes. Ours make sense and are
            // small, so it is what they meet that is broken.
            ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase
            | ErrorCode::Unknown
            | ErrorCode::TooBig
            | ErrorCode::TypeMismatch => StoreErrorKind::Corrupt,
            ErrorCode::DiskFull => StoreErrorKind::Full,
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreErrorKind::Busy,
            ErrorCode::CannotOpen | ErrorCode::SystemIoFailure => {
                // SQLite tries several ways, and its last error does not always name the cause.
                let number = forbidden(path).or_else(|| connection.map(system_error)).unwrap_or(0);
                return Self::system(path, number, error.to_string(), StoreErrorKind::Other);
            }
            ErrorCode::ReadOnly | ErrorCode::PermissionDenied => {
                let number = forbidden(path).unwrap_or(0);
                return Self::system(path, number, error.to_string(), StoreErrorKind::ReadOnly);
            }
            _ => StoreErrorKind::Other,
        };
        Self::new(kind, path, error.to_string())
    }

    fn system(path: &Path, number: i32, cause: String, otherwise: StoreErrorKind) -> Self {
        match number {
            libc::ENOSPC | libc::EDQUOT => Self::new(StoreErrorKind::Full, path, cause),
            libc::EROFS => Self::new(StoreErrorKind::ReadOnly, path, cause),
            libc::EACCES | libc::EPERM => Self::new(StoreErrorKind::Denied, path, ownership(path)),
            0 => Self::new(otherwise, path, cause),
            _ => Self::new(otherwise, path, format!("{cause}: {}", io::Error::from_raw_os_error(number))),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, cause) = (self.path.display(), &self.cause);
        match self.kind {
            StoreErrorKind::Corrupt => {
                write!(f, "{path} is damaged ({cause}); sipward moves it aside and makes a new one")
            }
            StoreErrorKind::Full => {
                write!(
                    f,
                    "the disk is full, so {path} cannot grow: make room, `df -h {}` shows where",
                    place(&self.path)
                )
            }
            StoreErrorKind::ReadOnly => write!(
                f,
                "{path} cannot be written, because its file system is read-only: remount it (`findmnt -T \
                 {}` shows it), or allow it in the systemd unit with ReadWritePaths=",
                place(&self.path)
            ),
            StoreErrorKind::Denied => {
                write!(
                    f,
                    "this user may not read and write {path} ({cause}): run sipward as root, or `chown` it"
                )
            }
            StoreErrorKind::Newer => write!(
                f,
                "{path} was written by a newer sipward ({cause}): install that version again, or move the \
                 file away"
            ),
            StoreErrorKind::Busy => {
                write!(f, "{path} is locked by another program: `fuser -v {path}` shows which")
            }
            StoreErrorKind::Interrupted => write!(
                f,
                "a change of {path} was cut off in the middle, and this user may not undo it: any command of \
                 sipward that reads it does so as root"
            ),
            StoreErrorKind::Lost => write!(
                f,
                "{path} was removed or replaced while it was in use: sipward makes a new one from the lists \
                 of the kernel"
            ),
            StoreErrorKind::Other => write!(f, "could not use {path}: {cause}"),
        }
    }
}

/// A failed test shows the sentence, too.
impl fmt::Debug for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.kind)
    }
}

impl std::error::Error for StoreError {}

/// SQLite read something, but it is nothing that was ever written there.
fn decoding(error: &rusqlite::Error) -> StoreErrorKind {
    match error {
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::QueryReturnedNoRows
        | rusqlite::Error::Utf8Error(..) => StoreErrorKind::Corrupt,
        _ => StoreErrorKind::Other,
    }
}

/// Whoever opens it to write undoes what the journal says is half done.
fn is_interrupted(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_READONLY_ROLLBACK)
}

/// The last error of the system that SQLite saw.
fn system_error(connection: &Connection) -> i32 {
    // SAFETY: the handle is open as long as `connection` is borrowed, and the function only reads from it.
    unsafe { ffi::sqlite3_system_errno(connection.handle()) }
}

/// The reason why the file or its directory cannot be used: SQLite does not always report it.
fn forbidden(path: &Path) -> Option<i32> {
    let path = if path.exists() { path } else { path.parent()? };
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    let wanted = libc::R_OK | libc::W_OK;
    // SAFETY: `path` is a C string that outlives the call.
    let result = unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), wanted, libc::AT_EACCESS) };
    if result == 0 { None } else { io::Error::last_os_error().raw_os_error() }
}

fn ownership(path: &Path) -> String {
    // SAFETY: it has no preconditions and cannot fail.
    let user = unsafe { libc::geteuid() };
    match fs::metadata(path) {
        Ok(file) => {
            format!("it belongs to uid {}, mode {:o}; this is uid {user}", file.uid(), file.mode() & 0o777)
        }
        Err(_) => format!("this is uid {user}"),
    }
}

fn place(path: &Path) -> std::path::Display<'_> {
    path.parent().unwrap_or(path).display()
}
