//! `import`, of either list.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Read as _},
    iter::Peekable,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
    vec,
};

use clap::Args;
use serde::Serialize;

use super::{
    backend::{Backend, decoded},
    failure::{Failure, wrong},
    interrupt,
    output::{Output, grouped},
    progress::Progress,
};
use crate::{
    ban_safety,
    control::Received,
    list_file::{self, Defaults},
};
use sipward_api::{Call, Import, Imported, item::ImportedCount};
use sipward_kernel::Pins;
use sipward_types::{address::to_prefix, list_entry::ListKind, text_file::describe, time::Lifetime};

#[derive(Debug, Args)]
pub(super) struct ImportFile {
    /// File with addresses and prefixes, one a line, or with output of `export`; - is standard input
    file: PathBuf,
    /// Duration for lines without an end: 90s, 10m, 2h, 1d, forever
    #[arg(long = "for", value_name = "TIME", default_value = "forever")]
    lasts: Lifetime,
    /// Note for lines without one
    #[arg(long)]
    note: Option<String>,
}

impl ImportFile {
    /// Nothing is done if anything is wrong with the file.
    pub(super) fn run(&self, list: ListKind, force: bool, output: &mut Output) -> Result<(), Failure> {
        let (file, bytes) = self.bytes()?;
        let mut entries = list_file::read(&bytes, &file, &self.defaults()).map_err(wrong)?;
        drop(bytes);
        // As the store has them: what is near to each other is written faster together.
        entries.sort_by_key(|entry| to_prefix(entry.source));
        let mut sum = Sum { entries: entries.len() as u64, ..Sum::default() };
        let ended = send(entries, list, force, &file, &mut sum, !output.is_json());
        if ended.is_ok() || sum.done > 0 {
            sum.say(list, output)?;
        }
        match ended {
            Ok(()) => sum.outcome(),
            Err(failure) => {
                if let Some(stopped) = sum.stopped().filter(|_| sum.done > 0) {
                    output.warn(&stopped)?;
                }
                Err(failure)
            }
        }
    }

    /// And what they are called.
    fn bytes(&self) -> Result<(String, Vec<u8>), Failure> {
        let stdin = self.file == Path::new("-");
        let name = if stdin { "standard input".to_owned() } else { self.file.display().to_string() };
        let bytes = if stdin { from_stdin() } else { fs::read(&self.file) };
        let bytes =
            bytes.map_err(|error| wrong(format_args!("{name}: cannot be read: {}", describe(&error))))?;
        Ok((name, bytes))
    }

    fn defaults(&self) -> Defaults {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let until = match self.lasts {
            Lifetime::For(time) => Some(now.saturating_add(time).as_secs()),
            Lifetime::Forever => None,
        };
        Defaults { until, note: self.note.clone() }
    }
}

fn from_stdin() -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Part by part, until all is done or Ctrl-C stops it.
fn send(
    entries: Vec<Imported>,
    list: ListKind,
    force: bool,
    file: &str,
    sum: &mut Sum,
    bar: bool,
) -> Result<(), Failure> {
    let pins = Pins::default();
    let mut backend = Backend::find(&pins, &mut |received| sum.hear(received))?;
    let mut progress = Progress::new(sum.entries, bar);
    let mut entries = entries.into_iter().peekable();
    let session = ban_safety::session();
    interrupt::listen();
    while !interrupt::is_asked() {
        let part = next_part(&mut entries);
        if part.is_empty() {
            break;
        }
        let length = part.len() as u64;
        let call = Call::Import(Import { list, entries: part, file: file.to_owned(), force, session });
        backend.answers(&call, &mut |received| sum.hear(received))?;
        sum.done += length;
        progress.at(sum.done);
    }
    Ok(())
}

/// Few enough that others have their turn in between.
const PART: usize = 10_000;
/// Half of the longest request.
const PART_BYTES: usize = 2 << 20;
/// The size of an entry in a request without its note, and the maximum for each byte of the note, as `\u001b`.
const ENTRY_BYTES: usize = 96;
const NOTE_BYTES: usize = 6;

fn next_part(entries: &mut Peekable<vec::IntoIter<Imported>>) -> Vec<Imported> {
    let (mut part, mut bytes) = (Vec::new(), 0);
    let size = |entry: &Imported| ENTRY_BYTES + NOTE_BYTES * entry.note.as_ref().map_or(0, String::len);
    while part.len() < PART
        && let Some(entry) = entries.next_if(|next| bytes == 0 || bytes + size(next) <= PART_BYTES)
    {
        bytes += size(&entry);
        part.push(entry);
    }
    part
}

/// The totals of an import.
#[derive(Debug, Default, Serialize)]
struct Sum {
    /// In the file.
    entries: u64,
    imported: u64,
    shadowed: u64,
    over: u64,
    refused: u64,
    /// The first of the refused, and why.
    because: Vec<String>,
    /// Whatever became of them.
    #[serde(skip)]
    done: u64,
    /// Each once, though each part may give it.
    #[serde(skip)]
    notices: BTreeSet<String>,
}

/// Refused entries that are named.
const NAMED: usize = 10;

impl Sum {
    fn hear(&mut self, received: Received) -> Result<(), Failure> {
        match received {
            Received::Notice(notice) => drop(self.notices.insert(notice)),
            Received::Item(item) => {
                let ImportedCount { imported, shadowed, over, refused } = decoded(item)?;
                self.imported += imported;
                self.shadowed += shadowed;
                self.over += over;
                self.refused += refused.len() as u64;
                let room = NAMED.saturating_sub(self.because.len());
                self.because.extend(refused.into_iter().take(room));
            }
        }
        Ok(())
    }

    fn say(&self, list: ListKind, output: &mut Output) -> Result<(), Failure> {
        for notice in &self.notices {
            output.warn(notice)?;
        }
        output.object(self)?;
        output.say(format_args!("{} {}", grouped(self.imported), list.name()))?;
        if self.shadowed > 0 {
            let shadowed = grouped(self.shadowed);
            output
                .say(format_args!("{shadowed} of them without effect: they are inside trusted prefixes"))?;
        }
        if self.over > 0 {
            output.say(format_args!("{} left out: they had expired", grouped(self.over)))?;
        }
        Ok(())
    }

    fn outcome(&self) -> Result<(), Failure> {
        let mut problems = Vec::new();
        if self.refused > 0 {
            problems.push(format!("{} refused:", grouped(self.refused)));
            problems.extend(self.because.iter().cloned());
            if self.refused > NAMED as u64 {
                problems.push(format!("and {} more", grouped(self.refused - NAMED as u64)));
            }
        }
        problems.extend(self.stopped());
        if problems.is_empty() { Ok(()) } else { Err(Failure::No(problems.join("\n"))) }
    }

    /// If not all was done.
    fn stopped(&self) -> Option<String> {
        let (done, entries) = (grouped(self.done), grouped(self.entries));
        (self.done < self.entries).then(|| {
            format!(
                "stopped after {done} of {entries} entries. Those stay; import the file again for the rest"
            )
        })
    }
}
