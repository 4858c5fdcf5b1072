//! Suspensions, locks, bans of ports and limits of the guard, as rows and as words.

use super::{
    lists::time_left,
    output::{Align, Table},
};
use sipward_api::{Closing, item};
use sipward_types::printable::printable;

pub(super) fn closed_table() -> Table {
    Table::new([
        ("account", Align::Left),
        ("status", Align::Left),
        ("from", Align::Left),
        ("time left", Align::Right),
        ("why", Align::Left),
    ])
}

pub(super) fn closed_row(closed: &item::Closed) -> [String; 5] {
    let name = closed.account.as_ref().or(closed.flow.as_ref());
    let from = match (&closed.source, closed.strict) {
        (Some(source), _) => source.clone(),
        (None, true) => "anywhere".to_owned(),
        (None, false) => "except where it works".to_owned(),
    };
    [
        name.map_or_else(String::new, |name| printable(name.as_bytes())),
        closing(closed.status).to_owned(),
        from,
        time_left(closed.expires_in),
        why(closed),
    ]
}

const fn closing(status: Closing) -> &'static str {
    match status {
        Closing::Suspended => "suspended",
        Closing::Locked => "locked",
        Closing::Banned => "banned",
        Closing::Limited => "limited",
    }
}

/// `suspend: 6 in 2s`, or `hand: root (alice)`.
fn why(closed: &item::Closed) -> String {
    let item::Closed { rule, count, seconds, who, .. } = closed;
    if *count > 0 { format!("{rule}: {count} in {seconds}s") } else { format!("{rule}: {who}") }
}

/// In one cell of a table.
pub(super) fn closed_words(closed: &[item::Closed]) -> String {
    let words = |closed: &item::Closed| {
        let at = closed.source.as_ref().map_or_else(String::new, |source| format!(" at {source}"));
        format!("{}{at}, {}", closing(closed.status), time_left(closed.expires_in))
    };
    match closed {
        [] => String::new(),
        [one] => words(one),
        [first, more @ ..] => format!("{}; and {} more", words(first), more.len()),
    }
}
