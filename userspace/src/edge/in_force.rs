//! The daemon's news of what is in force, in the edge's own words.

use std::time::Duration;

use sipward_api::{
    in_force::{InForce as Item, Suspension, Worked},
    name::FilterMode,
};
use sipward_edge::in_force::InForce;
use sipward_types::{
    account::Account,
    time::{KernelTime, Lifetime},
};

/// The state in force, and the next one while it comes in: the edge never goes by a half of it.
#[derive(Debug, Default)]
pub(super) struct Feed(Option<InForce>);

impl Feed {
    pub(super) fn take(&mut self, item: Item, in_force: &mut InForce, now: KernelTime) {
        match item {
            Item::Begin => self.0 = Some(InForce::default()),
            Item::Current => {
                if let Some(next) = self.0.take() {
                    *in_force = next;
                }
            }
            item => apply(item, self.0.as_mut().unwrap_or(in_force), now),
        }
    }
}

fn apply(item: Item, in_force: &mut InForce, now: KernelTime) {
    match item {
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
        Item::Settings(settings) => in_force.monitors = settings.mode == FilterMode::Monitor,
        Item::Begin | Item::Current | Item::Banned { .. } | Item::Unbanned { .. } => {}
    }
}

fn lifetime(seconds: Option<u64>) -> Lifetime {
    seconds.map_or(Lifetime::Forever, |seconds| Lifetime::For(Duration::from_secs(seconds)))
}

#[cfg(test)]
mod tests {
    use sipward_edge::in_force::Closed;

    use super::*;

    #[test]
    fn what_is_in_force_stays_so_until_all_of_the_next_is_there() {
        let (mut feed, mut in_force, now) = (Feed::default(), InForce::default(), KernelTime::from_nanos(1));
        let (account, source) = (Account::new(b"201").unwrap(), "198.51.100.7".parse().unwrap());
        let suspended = || {
            Item::Suspended(Suspension {
                account: "201".to_owned(),
                source: Some(source),
                strict: false,
                expires_in: Some(60),
            })
        };
        for item in [Item::Begin, suspended(), Item::Current, Item::Begin] {
            feed.take(item, &mut in_force, now);
        }
        assert_eq!(
            in_force.closed(&account, source, now),
            Some(Closed::Suspended),
            "the next one has only begun"
        );
        feed.take(Item::Current, &mut in_force, now);
        assert_eq!(in_force.closed(&account, source, now), None);
        feed.take(suspended(), &mut in_force, now);
        assert_eq!(in_force.closed(&account, source, now), Some(Closed::Suspended), "a change");
    }
}
