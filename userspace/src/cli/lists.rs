//! The common part of `sipward trust` and `sipward ban`.

use clap::{Args, ValueEnum};

use super::{
    backend::{answers, ask, decoded},
    failure::Failure,
    output::{Align, LongTable, Output, Table},
    target::Target,
};
use crate::control::Received;
use sipward_api::{Call, Query, Remove, item};
use sipward_types::{
    list_entry::{ListKind, Origin},
    printable::printable,
    time::{Lifetime, format_duration},
};

#[derive(Debug, Args)]
pub(super) struct Targets {
    /// Address or prefix such as 192.0.2.1 or 2001:db8::/32; repeatable
    #[arg(required = true, value_name = "ADDRESS|PREFIX")]
    targets: Vec<Target>,
}

impl Targets {
    pub(super) fn nets(&self) -> Vec<ipnet::IpNet> {
        self.targets.iter().map(|Target(net)| *net).collect()
    }
}

#[derive(Debug, Args)]
pub(super) struct Terms {
    /// Duration: 90s, 10m, 2h, 1d, forever
    #[arg(long = "for", value_name = "TIME", default_value = "forever")]
    pub(super) lasts: Lifetime,
    /// Note for readers of the list
    #[arg(long)]
    pub(super) note: Option<String>,
}

impl Terms {
    pub(super) fn seconds(&self) -> Option<u64> {
        match self.lasts {
            Lifetime::For(duration) => Some(duration.as_secs()),
            Lifetime::Forever => None,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// Only entries in this prefix
    #[arg(long, value_name = "PREFIX")]
    within: Option<Target>,
    /// Only entries of this origin
    #[arg(long, value_enum)]
    origin: Option<OriginChoice>,
    /// Only entries with this text in their note
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Order of the lines
    #[arg(long, value_enum, default_value_t = Order::Address)]
    sort: Order,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OriginChoice {
    Config,
    Hand,
    Import,
    Kernel,
    Guard,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Order {
    Address,
    /// The first to expire first
    Expiry,
    /// The newest first
    Newest,
}

impl Which {
    pub(super) fn query(&self, list: ListKind) -> Query {
        let origin = self.origin.map(|origin| match origin {
            OriginChoice::Config => Origin::Config,
            OriginChoice::Hand => Origin::Hand,
            OriginChoice::Import => Origin::Import,
            OriginChoice::Kernel => Origin::Kernel,
            OriginChoice::Guard => Origin::Guard,
        });
        Query { list, within: self.within.map(|Target(net)| net), origin, note: self.note.clone() }
    }

    pub(super) fn show(&self, list: ListKind, output: &mut Output) -> Result<(), Failure> {
        let call = Call::List(self.query(list));
        if self.sort == Order::Address && output.is_json() {
            return ask(&call, output, |_: item::Listed, _| Ok(()));
        }
        let mut lines = Lines::new(self.sort);
        answers(&call, &mut |received| match received {
            Received::Notice(notice) => Ok(output.warn(&notice)?),
            Received::Item(item) => lines.take(decoded(item)?, output),
        })?;
        lines.finish(list, output)
    }
}

/// The lines of a list on their way out. By address they come as they are to be shown.
struct Lines {
    sort: Order,
    kept: Vec<item::Listed>,
    table: LongTable,
}

impl Lines {
    fn new(sort: Order) -> Self {
        let columns = [("source", Align::Left), ("time left", Align::Right), ("note", Align::Left)];
        Self { sort, kept: Vec::new(), table: LongTable::new(Table::new(columns)) }
    }

    fn take(&mut self, listed: item::Listed, output: &mut Output) -> Result<(), Failure> {
        if self.sort == Order::Address {
            return Ok(self.table.row(row(&listed), output)?);
        }
        self.kept.push(listed);
        Ok(())
    }

    fn finish(mut self, list: ListKind, output: &mut Output) -> Result<(), Failure> {
        match self.sort {
            Order::Address => {}
            Order::Expiry => self.kept.sort_by_key(|listed| listed.until.unwrap_or(u64::MAX)),
            Order::Newest => self.kept.sort_by_key(|listed| std::cmp::Reverse(listed.since)),
        }
        for listed in &self.kept {
            output.object(listed)?;
            self.table.row(row(listed), output)?;
        }
        Ok(self.table.finish(format_args!("No entries are {}.", list.name()), output)?)
    }
}

fn row(listed: &item::Listed) -> [String; 3] {
    let shadow =
        listed.shadowed_for.map(|left| format!("(no effect: inside a trusted prefix, {})", time_left(left)));
    let origin = match listed.origin {
        Origin::Config => Some("(configuration)".to_owned()),
        Origin::Hand | Origin::Import | Origin::Kernel | Origin::Guard => None,
    };
    let note = listed.note.as_ref().map(|note| printable(note.as_bytes()));
    let note = [note, origin, shadow].into_iter().flatten().collect::<Vec<_>>().join(" ");
    [listed.source.clone(), time_left(listed.expires_in), note]
}

pub(super) fn time_left(seconds: Option<u64>) -> String {
    seconds.map_or_else(
        || "forever".to_owned(),
        |seconds| format_duration(std::time::Duration::from_secs(seconds)),
    )
}

pub(super) fn del(list: ListKind, targets: &Targets, output: &mut Output) -> Result<(), Failure> {
    let call = Call::Remove(Remove { list, sources: targets.nets() });
    ask(&call, output, |item::Deleted { deleted }, output| {
        Ok(output.say(format_args!("{deleted}: no longer {}", list.name()))?)
    })
}
