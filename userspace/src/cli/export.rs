//! `export`, of either list.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use clap::Args;

use super::{
    desk::{answers, decoded},
    failure::Failure,
    output::{Output, grouped},
};
use crate::{
    control::{
        Told,
        protocol::{Call, Query},
    },
    list_file::text_line,
    precedence::Standing,
    text_file::told,
};

#[derive(Debug, Args)]
pub(super) struct ExportFile {
    /// Where to; standard output if nothing is said
    file: Option<PathBuf>,
}

impl ExportFile {
    pub(super) fn run(&self, list: Standing, output: &mut Output) -> Result<(), Failure> {
        let json = output.is_json();
        let Some(path) = &self.file else {
            let Written { notices, .. } = write_list(list, json, output.writer())?;
            return warn(&notices, output);
        };
        let fail =
            |error: io::Error| Failure::No(format!("could not write {}: {}", path.display(), told(&error)));
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

fn write_list(list: Standing, json: bool, to: &mut impl Write) -> Result<Written, Failure> {
    let mut written = Written { entries: 0, notices: Vec::new() };
    let all = Query { list, within: None, origin: None, note: None };
    answers(&Call::List(all), &mut |told| {
        match told {
            Told::Notice(notice) => written.notices.push(notice),
            Told::Item(item) => {
                if json {
                    writeln!(to, "{item}")?;
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
    /// What it is called until then, and then. `None`: there is a device, or whatever else is no file.
    names: Option<(PathBuf, PathBuf)>,
}

impl NewFile {
    fn create(path: &Path) -> io::Result<Self> {
        let before = fs::metadata(path).ok();
        if before.as_ref().is_some_and(|before| !before.is_file()) {
            return Ok(Self { writer: BufWriter::new(File::create(path)?), names: None });
        }
        // The file itself, and not a link to it.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mut name = OsString::from(&path);
        name.push(format!(".{}.new", std::process::id()));
        let file = File::create(&name)?;
        let new = Self { writer: BufWriter::new(file), names: Some((name.into(), path)) };
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

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some((name, _)) = &self.names {
            // What failed before is told.
            let _ = fs::remove_file(name);
        }
    }
}
