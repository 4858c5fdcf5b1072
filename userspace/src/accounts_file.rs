//! The text file of accounts on this host: read as a whole, and anew when it has changed.

use std::{
    fmt, fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use crate::{account_store::EDGE_GROUP, control::group_id};
use sipward_edge::{
    account::Account,
    accounts_file::{self, AccountsFileError},
};
use sipward_types::text_file;

/// The reason why there are no accounts in a file.
#[derive(Debug)]
pub enum AccountsFileFault {
    Unreadable { path: PathBuf, cause: io::Error },
    Wrong(AccountsFileError),
}

/// All accounts of a file, or all that is wrong with it.
pub fn read(path: &Path) -> Result<Vec<Account>, AccountsFileFault> {
    let text = text_file::read(path)
        .map_err(|cause| AccountsFileFault::Unreadable { path: path.to_owned(), cause })?;
    accounts_file::parse(&text, &path.display().to_string()).map_err(AccountsFileFault::Wrong)
}

/// The same of standard input.
pub fn read_stdin() -> Result<Vec<Account>, AccountsFileFault> {
    const NAME: &str = "standard input";
    let text = text_file::read_from(io::stdin())
        .map_err(|cause| AccountsFileFault::Unreadable { path: NAME.into(), cause })?;
    accounts_file::parse(&text, NAME).map_err(AccountsFileFault::Wrong)
}

/// That users may read the file who are neither root nor the edge, and the remedy. `None`: they may not.
pub fn exposure(path: &Path) -> Option<String> {
    let file = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    let edge = group_id(EDGE_GROUP).ok().flatten();
    let who = readers(file.mode(), file.gid(), edge)?;
    let path = path.display();
    let remedy = match edge {
        Some(_) => format!("`chown root:{EDGE_GROUP} {path}; chmod 640 {path}`"),
        None => format!("`chmod 600 {path}`"),
    };
    Some(format!("{who} may read {path}, with the secrets of all accounts in it: {remedy}"))
}

const ROOT_GROUP: u32 = 0;

fn readers(mode: u32, group: u32, edge: Option<u32>) -> Option<&'static str> {
    const GROUP_READS: u32 = 0o040;
    const OTHERS_READ: u32 = 0o004;
    if mode & OTHERS_READ != 0 {
        return Some("everybody");
    }
    let is_private = group == ROOT_GROUP || Some(group) == edge;
    (mode & GROUP_READS != 0 && !is_private).then_some("a group other than the edge's")
}

/// Reads a file of accounts again when it has changed.
#[derive(Debug)]
pub struct AccountsFileReader {
    path: PathBuf,
    seen: Option<Version>,
}

/// Equal for the same content, as far as its directory entry tells.
#[derive(Debug, PartialEq, Eq)]
struct Version {
    file: (u64, u64),
    size: u64,
    changed: (i64, i64),
}

impl AccountsFileReader {
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), seen: None }
    }

    /// All accounts, if they may be others than at the last call; `None` if not. After an error, those of the last call
    /// stay in force; the next call tries again.
    pub fn read_changed(&mut self, now: SystemTime) -> Result<Option<Vec<Account>>, AccountsFileFault> {
        let unreadable = |cause| AccountsFileFault::Unreadable { path: self.path.clone(), cause };
        let file = fs::metadata(&self.path).map_err(unreadable)?;
        let version = Version {
            file: (file.dev(), file.ino()),
            size: file.len(),
            changed: (file.ctime(), file.ctime_nsec()),
        };
        if self.seen.as_ref() == Some(&version) {
            return Ok(None);
        }
        let accounts = read(&self.path)?;
        // A change in the same tick of the clock would not show.
        self.seen = is_settled(&version, now).then_some(version);
        Ok(Some(accounts))
    }
}

fn is_settled(version: &Version, now: SystemTime) -> bool {
    const TICK: Duration = Duration::from_secs(2);
    let changed = Duration::from_secs(u64::try_from(version.changed.0).unwrap_or(0));
    now.duration_since(SystemTime::UNIX_EPOCH + changed).is_ok_and(|age| age > TICK)
}

impl fmt::Display for AccountsFileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, cause } => {
                write!(f, "{}: cannot read the accounts: {}", path.display(), text_file::describe(cause))
            }
            Self::Wrong(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AccountsFileFault {}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use sipward_testkit::scratch::Scratch;

    fn write(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
    }

    #[test]
    fn a_change_is_read_once_the_clock_can_tell_it_and_a_mistake_changes_nothing() {
        let scratch = Scratch::new("accounts-file");
        let path = scratch.path().join("accounts.txt");
        let mut reader = AccountsFileReader::new(&path);
        let (now, later) = (SystemTime::now(), SystemTime::now() + Duration::from_secs(60));
        let missing = reader.read_changed(now).unwrap_err().to_string();
        assert!(missing.contains("accounts.txt: cannot read the accounts: No such file"), "{missing}");
        write(&path, "201 one\n");
        assert_eq!(reader.read_changed(now).unwrap().unwrap().len(), 1);
        write(&path, "202 two\n");
        let accounts = reader.read_changed(now).unwrap().expect("the same size in the same second");
        assert_eq!(accounts[0].name.as_str(), "202");
        assert!(reader.read_changed(later).unwrap().is_some());
        assert!(reader.read_changed(later).unwrap().is_none());
        write(&path, "202 two status=s3cret\n");
        for _again in 0..2 {
            let error = reader.read_changed(later).unwrap_err().to_string();
            assert!(error.contains("accounts.txt:1: status: "), "{error}");
        }
        write(&path, "202 two\n203 three\n");
        assert_eq!(reader.read_changed(later).unwrap().unwrap().len(), 2);
    }

    #[test]
    fn a_file_is_for_root_and_the_edge() {
        const EDGE: u32 = 990;
        for (mode, group, edge, who) in [
            (0o600, 1_000, None, None),
            (0o640, 0, None, None),
            (0o640, EDGE, Some(EDGE), None),
            (0o640, 1_000, Some(EDGE), Some("a group other than the edge's")),
            (0o640, EDGE, None, Some("a group other than the edge's")),
            (0o644, EDGE, Some(EDGE), Some("everybody")),
        ] {
            assert_eq!(readers(mode, group, edge), who, "{mode:o} {group} {edge:?}");
        }
        let scratch = Scratch::new("accounts-file");
        let path = scratch.path().join("accounts.txt");
        assert_eq!(exposure(&path), None, "there is no file");
        write(&path, "201 one\n");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let exposed = exposure(&path).unwrap();
        assert!(exposed.starts_with("everybody may read") && exposed.contains("`ch"), "{exposed}");
    }
}
