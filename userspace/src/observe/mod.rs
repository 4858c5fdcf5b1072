//! What the PBX makes of its callers: requests and answers, as the kernel hands them over, joined into transactions and
//! told as evidence.
//!
//! Pure: packets and their times go in, evidence comes out.

mod acquaintances;
mod answer;
mod asked;
mod counters;
mod diagnosis;
mod histories;
mod knowledge;
mod message;
mod mints;
mod nonces;
mod observer;
mod patience;
mod prints;
mod recent;
mod registration;
mod request;
mod rewriting;
mod rounds;
mod settings;
mod shelves;
mod streams;
mod tags;
mod tapped;
mod transactions;
mod verdict;

#[cfg(test)]
mod tests;

pub use self::{
    counters::{Counters, Forgotten},
    diagnosis::{Cause, Diagnosis, Subject},
    nonces::Unseen,
    observer::Observer,
    settings::Settings,
    tapped::{Charged, Direction, Tapped, TcpSegment},
};
