//! The daemon's news of what is in force, in the edge's own words.

use std::time::Duration;

use sipward_api::in_force::{InForce as Item, Suspension, Worked};
use sipward_edge::in_force::InForce;
use sipward_types::{
    account::Account,
    time::{KernelTime, Lifetime},
};

pub(super) fn apply(item: Item, in_force: &mut InForce, now: KernelTime) {
    match item {
        Item::Begin => *in_force = InForce::default(),
        Item::Suspended(Suspension { account, source, strict, expires_in }) => {
            let Some(account) = Account::new(account.as_bytes()) else { return };
            let until = now.expiry(lifetime(expires_in));
            match source {
                Some(source) => in_force.suspend(account, source, until),
                None => in_force.lock(account, strict, until),
            }
        }
        Item::Lifted { account, source } => {
            if let Some(account) = Account::new(account.as_bytes()) {
                in_force.lift(&account, source);
            }
        }
        Item::Worked(Worked { account, source, expires_in }) => {
            if let Some(account) = Account::new(account.as_bytes()) {
                in_force.works(account, source, now.expiry(lifetime(Some(expires_in))));
            }
        }
        // The filter drops what is banned, and the guard counts by its own settings.
        Item::Settings(_) | Item::Banned { .. } | Item::Unbanned { .. } | Item::Current => {}
    }
}

fn lifetime(seconds: Option<u64>) -> Lifetime {
    seconds.map_or(Lifetime::Forever, |seconds| Lifetime::For(Duration::from_secs(seconds)))
}
