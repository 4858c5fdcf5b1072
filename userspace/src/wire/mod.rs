//! Answers and events of the control socket, made from domain values, and the domain's evidence, made from what is handed
//! in. No other module makes them, but for the short acknowledgements of commands in `controller`.

mod account;
mod audit;
mod decision;
mod diagnosis;
mod drop_event;
mod evidence;
mod explanation;
mod in_force;
mod list;
mod status;

use sipward_types::time::Lifetime;

pub use self::{
    account::{AccountFacts, account, closed, closing},
    audit::audited,
    decision::{DecisionFacts, decided, flagged},
    diagnosis::{refusals, refused},
    drop_event::{Offset, dropped, reason_name},
    evidence::{Attempts, evidence},
    explanation::{BudgetedFlow, FilterFacts, ListedFact, SourceFacts, explanation, top},
    in_force::{InForceChange, InForceFacts, in_force, in_force_settings},
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
