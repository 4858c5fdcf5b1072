//! Answers and events of the control socket, made from domain values. No other module makes them, but for the short
//! acknowledgements of commands in `controller`.

mod account;
mod audit;
mod decision;
mod diagnosis;
mod drop_event;
mod explanation;
mod list;
mod status;

use sipward_types::time::Lifetime;

pub use self::{
    account::{AccountFacts, account, closed, closing},
    audit::audited,
    decision::{DecisionFacts, decided, flagged},
    drop_event::{Offset, dropped, reason_name},
    explanation::{BudgetedFlow, InForce, ListedFact, SourceFacts, explanation, top},
    list::{command, listed},
    status::{DaemonFacts, GuardFacts, StatusFacts, interface, status},
};

/// The time left in seconds; `None`: for ever.
pub fn seconds(lasts: Lifetime) -> Option<u64> {
    match lasts {
        Lifetime::For(duration) => Some(duration.as_secs()),
        Lifetime::Forever => None,
    }
}
