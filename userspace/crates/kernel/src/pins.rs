//! Where the filter lives on in bpffs when no process of ours runs:
//! `BASE/vN/{program, maps/NAME, link-INTERFACE}`, `N` being the version of the maps' layout.
//!
//! The base directory is of root alone. A bpffs may well let everybody make directories in it, and whoever can open a
//! directory can lock it, and so keep the daemon and all commands waiting.

use std::{
    ffi::CString,
    fs::{self, DirBuilder, File, Permissions, TryLockError},
    io,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    },
    path::{Path, PathBuf},
};

use xdp_prog::abi::VERSION;

use super::{
    error::{Error, Result},
    layout, sys,
};

/// The directory that all versions share, unless the environment says otherwise.
const BASE: &str = "/sys/fs/bpf/sipward";
/// For tests, which must not meet each other.
const BASE_VARIABLE: &str = "SIPWARD_PIN_DIR";
/// For tests, which play a build with maps of another layout.
const VERSION_VARIABLE: &str = "SIPWARD_PIN_VERSION";
const LINK: &str = "link-";
/// Of the base directory.
const PRIVATE: u32 = 0o700;
const BPF_FS_MAGIC: libc::__fsword_t = 0xcafe_4a11;

/// The place of one filter in bpffs.
#[derive(Clone, Debug)]
pub struct Pins {
    base: PathBuf,
    version: u32,
}

impl Default for Pins {
    fn default() -> Self {
        let version = std::env::var(VERSION_VARIABLE).ok().and_then(|version| version.parse().ok());
        let pins = Self::at(std::env::var_os(BASE_VARIABLE).unwrap_or_else(|| BASE.into()));
        Self { version: version.unwrap_or(VERSION), ..pins }
    }
}

impl Pins {
    pub fn at(base: impl Into<PathBuf>) -> Self {
        Self { base: base.into(), version: VERSION }
    }

    pub const fn version(&self) -> u32 {
        self.version
    }

    fn directory(&self) -> PathBuf {
        self.base.join(format!("v{}", self.version))
    }

    /// Another one whenever the maps are others.
    pub fn generation(&self) -> Option<u64> {
        fs::metadata(self.directory().join("maps")).ok().map(|maps| maps.ino())
    }

    /// The filters of builds whose maps have another layout.
    pub fn others(&self) -> Result<Vec<Self>> {
        let fail = |error: io::Error| Error::io(format!("list {}", self.base.display()), &error);
        let entries = match fs::read_dir(&self.base) {
            Ok(entries) => entries.collect::<io::Result<Vec<_>>>().map_err(fail)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(fail(error)),
        };
        let version = |name: &str| name.strip_prefix('v')?.parse().ok();
        let versions = entries.iter().filter_map(|entry| version(entry.file_name().to_str()?));
        let others = versions.filter(|version| *version != self.version);
        Ok(others.map(|version| Self { version, ..self.clone() }).collect())
    }

    pub(super) fn program(&self) -> PathBuf {
        self.directory().join("program")
    }

    /// A second place, to be renamed over the first: a program that takes over is never half there.
    pub(super) fn next_program(&self) -> PathBuf {
        self.directory().join("program-next")
    }

    pub(super) fn map(&self, name: &str) -> PathBuf {
        self.directory().join("maps").join(name)
    }

    pub(super) fn link(&self, interface: &str) -> PathBuf {
        self.directory().join(link_name(interface))
    }

    /// True if a filter lives here, all of it: a map that is missing cannot be had back, and without it the others are
    /// of no use.
    pub fn is_there(&self) -> Result<bool> {
        for path in layout::all().map(|layout| self.map(layout.name)).chain([self.program()]) {
            match path.try_exists() {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(error) => return Err(Error::io(format!("look into {}", self.base.display()), &error)),
            }
        }
        Ok(true)
    }

    /// An error that says what to do if it is not.
    pub(super) fn check_there(&self) -> Result<()> {
        if self.is_there()? {
            return Ok(());
        }
        if self.interfaces()?.is_empty() {
            return Err(self.of_another_build()?.unwrap_or(Error::NothingAttached));
        }
        let cause = format!(
            "a part of {} is missing, and packets are judged as they were; `sipward attach`, or a start of the \
             daemon, makes all of it anew",
            self.directory().display()
        );
        Err(Error::failed("use the filter that runs", cause))
    }

    /// The error that says that a build with another layout is in force, if one is.
    fn of_another_build(&self) -> Result<Option<Error>> {
        for other in self.others()? {
            let interfaces = other.interfaces()?;
            if !interfaces.is_empty() {
                return Ok(Some(Error::OtherBuild { version: other.version, interfaces }));
            }
        }
        Ok(None)
    }

    /// The interfaces it was attached to.
    pub fn interfaces(&self) -> Result<Vec<String>> {
        let fail = |error: io::Error| Error::io(format!("list {}", self.directory().display()), &error);
        let mut names: Vec<_> = match fs::read_dir(self.directory()) {
            Ok(entries) => entries
                .map(|entry| Ok(interface_of(&entry?.file_name().to_string_lossy())))
                .filter_map(Result::transpose)
                .collect::<io::Result<_>>()
                .map_err(fail)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(fail(error)),
        };
        names.sort();
        Ok(names)
    }

    /// True if pins may be made here.
    fn check_bpffs(&self) -> Result<()> {
        let existing = self.base.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
        match magic(existing) {
            Ok(BPF_FS_MAGIC) => Ok(()),
            Ok(_) => Err(Error::NoBpffs { base: self.base.clone() }),
            Err(error) => Err(Error::io(format!("look at {}", existing.display()), &error)),
        }
    }

    /// Takes the filter off an interface and forgets the link.
    pub(super) fn remove_link(&self, interface: &str) -> Result<()> {
        let path = self.link(interface);
        let fail = |error: io::Error| Error::io(format!("detach from {interface}"), &error);
        match sys::open_pin(&path).and_then(|link| sys::detach_link(std::os::fd::AsFd::as_fd(&link))) {
            // The interface is gone, and the link has nothing to hold on to any more.
            Err(error) if error.raw_os_error() == Some(libc::ENOLINK) => {}
            result => result.map_err(fail)?,
        }
        fs::remove_file(&path).map_err(fail)
    }

    /// Removes all that is pinned, and the directories.
    pub(super) fn remove_all(&self) -> Result<()> {
        let fail = |error: io::Error| Error::io(format!("remove {}", self.directory().display()), &error);
        self.remove_version().map_err(fail)?;
        match fs::remove_dir(&self.base) {
            // Another version lives beside, or another command was faster.
            Err(error)
                if !matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotFound) =>
            {
                Err(fail(error))
            }
            _ => Ok(()),
        }
    }

    fn remove_version(&self) -> io::Result<()> {
        // The program first: without it, what somebody leaves who is killed here counts for nothing.
        for result in [fs::remove_file(self.program()), fs::remove_dir_all(self.directory())] {
            match result {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Makes room for a filter, or joins the one that is there, with the lock held.
    pub fn claim(&self) -> Result<PinLock<'_>> {
        self.check_bpffs()?;
        let fail = |error: io::Error| Error::io(format!("create {}", self.directory().display()), &error);
        loop {
            self.make_base().map_err(fail)?;
            let lock = match self.lock() {
                Err(Error::NothingAttached) => continue,
                result => result?,
            };
            if !self.is_there()? {
                // Of a command that failed. Links stay: they may hold a program that protects an interface.
                match fs::remove_dir_all(self.directory().join("maps")) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
                    _ => {}
                }
            }
            self.make_directories()?;
            return Ok(lock);
        }
    }

    pub(super) fn make_directories(&self) -> Result<()> {
        let maps = self.directory().join("maps");
        self.make_base()
            .and_then(|()| fs::create_dir_all(&maps))
            .map_err(|error| Error::io(format!("create {}", maps.display()), &error))
    }

    fn make_base(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(PRIVATE).create(&self.base)
    }

    /// Keeps other sipward commands from changing the filter until the lock is dropped.
    pub fn lock(&self) -> Result<PinLock<'_>> {
        let fail = |error: io::Error| Error::io(format!("lock {}", self.base.display()), &error);
        loop {
            let directory = match open_directory(&self.base) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Error::NothingAttached),
                result => result.map_err(fail)?,
            };
            self.keep_private(&directory)?;
            directory.lock().map_err(fail)?;
            // While this waited, a `detach` may have removed the directory that is now locked.
            let locked = directory.metadata().map_err(fail)?.ino();
            if fs::metadata(&self.base).is_ok_and(|now| now.ino() == locked) {
                return Ok(PinLock { pins: self, _directory: directory });
            }
        }
    }

    /// A directory that somebody else made in this place is not used. An earlier version let everybody open it.
    fn keep_private(&self, directory: &File) -> Result<()> {
        let fail = |error: io::Error| Error::io(format!("look at {}", self.base.display()), &error);
        let found = directory.metadata().map_err(fail)?;
        // SAFETY: no arguments, cannot fail.
        let me = unsafe { libc::geteuid() };
        if ![0, me].contains(&found.uid()) {
            let base = self.base.display();
            let cause = format!(
                "it belongs to uid {}: remove it with `rm -r {base}`, and keep others from making it \
                 again with `chmod 700 /sys/fs/bpf`",
                found.uid()
            );
            return Err(Error::failed(format!("use {base}"), cause));
        }
        if found.uid() == me && found.mode() & 0o777 != PRIVATE {
            directory.set_permissions(Permissions::from_mode(PRIVATE)).map_err(fail)?;
        }
        Ok(())
    }

    /// Makes this the one reader of the events, until the lock is dropped.
    pub fn lock_events(&self) -> Result<File> {
        lock_one(&self.directory().join("maps"), "events")
    }

    /// Makes this the one who captures, until the lock is dropped.
    pub fn lock_captures(&self) -> Result<File> {
        lock_one(&self.directory(), "capture")
    }
}

/// The directory itself, and not one that a link leads to.
fn open_directory(path: &Path) -> io::Result<File> {
    File::options().read(true).custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW).open(path)
}

/// `command`: of whoever else has it.
fn lock_one(directory: &Path, command: &'static str) -> Result<File> {
    let fail = |error: io::Error| Error::io(format!("lock {}", directory.display()), &error);
    let lock = File::open(directory).map_err(fail)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Error::Taken { command }),
        Err(TryLockError::Error(error)) => Err(fail(error)),
    }
}

/// See [`Pins::lock`]. Dropped, it leaves nothing behind where there is no filter: neither what a failed
/// command made nor what a killed one left.
#[derive(Debug)]
pub struct PinLock<'a> {
    pins: &'a Pins,
    _directory: File,
}

impl Drop for PinLock<'_> {
    fn drop(&mut self) {
        if let Ok(false) = self.pins.is_there()
            && self.pins.interfaces().is_ok_and(|links| links.is_empty())
        {
            // Nobody would want to hear of an empty directory that stays.
            let _ = self.pins.remove_all();
        }
    }
}

/// bpffs wants no dots in names, and VLAN interfaces have them; a colon is in no interface's name.
fn link_name(interface: &str) -> String {
    format!("{LINK}{}", interface.replace('.', ":"))
}

fn interface_of(file: &str) -> Option<String> {
    Some(file.strip_prefix(LINK)?.replace(':', "."))
}

fn magic(path: &Path) -> io::Result<libc::__fsword_t> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut stat = std::mem::MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: a C string, and room for one `statfs`.
    if unsafe { libc::statfs(path.as_ptr(), stat.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it succeeded, so all is written.
    let stat = unsafe { stat.assume_init() };
    Ok(stat.f_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_named_after_its_interface() {
        for interface in ["eth0", "eth0.100", "bond0.4094", "wg-a_b"] {
            let name = link_name(interface);
            assert!(!name.contains('.'), "{name}");
            assert_eq!(interface_of(&name).as_deref(), Some(interface));
        }
        assert_eq!(interface_of("program"), None);
    }

    #[test]
    fn a_place_without_bpffs_is_said() {
        let error = Pins::at("/tmp/sipward").check_bpffs().unwrap_err();
        assert!(matches!(error, Error::NoBpffs { .. }), "{error}");
    }
}
