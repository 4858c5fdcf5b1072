//! The observer: it joins requests and answers, as the kernel hands them over, into transactions, and emits evidence.
//!
//! Pure: packets and their times go in, evidence comes out.

mod answer;
mod asked;
mod challenge_tracking;
mod counters;
mod diagnosis;
mod fingerprint;
mod histories;
mod nonce_scope;
mod nonces;
mod observer;
mod observer_state;
mod registration;
mod request;
mod rewriting;
mod settings;
mod stale_limit;
mod streams;
mod tags;
mod transactions;
mod two_tier_map;
mod verdict;
mod verified_sources;

#[cfg(test)]
mod tests;

pub use self::{
    counters::{Counters, Forgotten},
    diagnosis::{Cause, Diagnosis, Subject},
    nonces::Unseen,
    observer::{EdgePort, Observer},
    registration::{ALL_PHONES, stable_hash},
    settings::Settings,
};
