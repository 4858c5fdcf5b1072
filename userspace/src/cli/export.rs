//! `export`, of either list.

use std::{
    ffi::OsString,
    fs::{self, File},
    hash::{BuildHasher as _, Hasher as _, RandomState},
    io::{self, BufWriter, Write},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use clap::Args;

use super::{
    backend::{answers, decoded},
    failure::Failure,
    output::{Output, grouped},
};
use crate::{control::Received, list_file::text_line};
use sipward_api::{Call, Query};
use sipward_types::{list_entry::ListKind, printable::write_json, text_file::describe};

#[derive(Debug, Args)]
pub(super) struct ExportFile {
    /// File to write; - is standard output, as is the default
    file: Option<PathBuf>,
}

impl ExportFile {
    pub(super) fn run(&self, list: ListKind, output: &mut Output) -> Result<(), Failure> {
        let json = output.is_json();
        let Some(path) = self.file.as_ref().filter(|path| *path != Path::new("-")) else {
            let Written { notices, .. } = write_list(list, json, output.writer())?;
            return warn(&notices, output);
        };
        let fail = |error: io::Error| {
            Failure::No(format!("could not write {}: {}", path.display(), describe(&error)))
        };
        let mut file = NewFile::create(path).map_err(fail)?;
        let Written { entries, notices } = write_list(list, json, &mut file.writer)?;
        file.finish().map_err(fail)?;
        warn(&notices, output)?;
        Ok(output.say(format_args!("{} written to {}", grouped(entries), path.display()))?)
    }
}

struct Written {
    entries: u64,
    notices: Vec<String>,
}

fn write_list(list: ListKind, json: bool, to: &mut impl Write) -> Result<Written, Failure> {
    let mut written = Written { entries: 0, notices: Vec::new() };
    let all = Query { list, within: None, origin: None, note: None };
    answers(&Call::List(all), &mut |received| {
        match received {
            Received::Notice(notice) => written.notices.push(notice),
            Received::Item(item) => {
                if json {
                    write_json(&mut *to, &item)?;
                    writeln!(to)?;
                } else {
                    writeln!(to, "{}", text_line(&decoded(item)?))?;
                }
                written.entries += 1;
            }
        }
        Ok(())
    })?;
    Ok(written)
}

fn warn(notices: &[String], output: &mut Output) -> Result<(), Failure> {
    Ok(notices.iter().try_for_each(|notice| output.warn(notice))?)
}

/// Takes the place of the file before it once it is complete; else that one stays.
struct NewFile {
    writer: BufWriter<File>,
    /// The temporary and the final path. `None`: the target is a device or another special file.
    names: Option<(PathBuf, PathBuf)>,
}

impl NewFile {
    fn create(path: &Path) -> io::Result<Self> {
        check_links(path)?;
        let is_link = fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
        let before = fs::metadata(path).ok();
        if before.as_ref().is_some_and(|before| !before.is_file()) {
            // Other users cannot replace a checked link; if there was none, none is followed.
            let follow = if is_link { 0 } else { libc::O_NOFOLLOW };
            let device = File::options().write(true).custom_flags(follow).open(path)?;
            return Ok(Self { writer: BufWriter::new(device), names: None });
        }
        // The file itself, and not the link to it.
        let path = if is_link { fs::canonicalize(path)? } else { path.to_owned() };
        let mode = before.as_ref().map_or(0o666, |before| before.mode() & 0o777);
        let (file, name) = beside(&path, mode)?;
        let new = Self { writer: BufWriter::new(file), names: Some((name, path)) };
        if let Some(before) = before {
            new.writer.get_ref().set_permissions(before.permissions())?;
        }
        Ok(new)
    }

    fn finish(mut self) -> io::Result<()> {
        self.writer.flush()?;
        if let Some((name, path)) = self.names.take() {
            self.writer.get_ref().sync_all()?;
            fs::rename(name, path)?;
        }
        Ok(())
    }
}

/// A new file in the same directory, with an unpredictable name.
fn beside(path: &Path, mode: u32) -> io::Result<(File, PathBuf)> {
    let mut name = OsString::from(path);
    name.push(format!(".{:016x}.new", RandomState::new().build_hasher().finish()));
    let mut options = File::options();
    // A link that is there already is not followed.
    let file = options.write(true).create_new(true).mode(mode).open(&name)?;
    Ok((file, name.into()))
}

/// Follows only links that root or this user has made: in `/tmp`, another user's link could lead to any file of the
/// host.
fn check_links(path: &Path) -> io::Result<()> {
    /// As many as the kernel follows.
    const LONGEST: usize = 40;
    // SAFETY: no arguments, cannot fail.
    let me = unsafe { libc::geteuid() };
    let mut place = path.to_owned();
    for _ in 0..LONGEST {
        match fs::symlink_metadata(&place) {
            Ok(found) if found.is_symlink() && ![0, me].contains(&found.uid()) => {
                let problem = format!(
                    "{} is a link of uid {}, and sipward does not follow it: name the file itself",
                    place.display(),
                    found.uid()
                );
                return Err(io::Error::other(problem));
            }
            Ok(found) if found.is_symlink() => {
                let to = fs::read_link(&place)?;
                place = place.parent().unwrap_or(Path::new("/")).join(to);
            }
            _ => return Ok(()),
        }
    }
    Err(io::Error::from_raw_os_error(libc::ELOOP))
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some((name, _)) = &self.names {
            // The earlier error is reported.
            let _ = fs::remove_file(name);
        }
    }
}
