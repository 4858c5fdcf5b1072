//! The only place that knows aya: the program and its maps, loaded, attached, pinned, read and written.

mod counters;
mod error;
mod events;
mod filter;
mod lists;
mod maps;
mod object;

pub use self::{
    counters::ReasonCount,
    error::{Error, Result},
    events::DropEvent,
    filter::{Filter, LoadOptions},
    lists::{Prefixes, Sources},
};
