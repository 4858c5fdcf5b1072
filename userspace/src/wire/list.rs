//! Entries of the lists.

use super::seconds;
use crate::{clock::Clock, store::Entry};
use sipward_api::item::Listed;
use sipward_types::{
    address::show,
    list_entry::ListKind,
    time::{KernelTime, WallSeconds},
};

/// `shadowed_until`: the end of the trusted prefix that keeps a ban from having effect.
pub fn listed(entry: Entry, shadowed_until: Option<KernelTime>, clock: &Clock) -> Listed {
    Listed {
        source: show(entry.net),
        expires_in: seconds(clock.kernel.remaining(entry.until)),
        until: clock.to_wall(entry.until).map(WallSeconds::get),
        since: entry.since.seconds().get(),
        origin: entry.origin,
        shadowed_for: shadowed_until.map(|until| seconds(clock.kernel.remaining(until))),
        note: entry.note,
        evidence: entry.evidence,
    }
}

/// The command that changes a list.
pub const fn command(kind: ListKind) -> &'static str {
    match kind {
        ListKind::Trusted => "trust",
        ListKind::Banned => "ban",
    }
}
