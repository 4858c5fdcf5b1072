//! The guard's suspensions and locks, as the edge has last heard of them.

use std::{collections::HashMap, net::IpAddr};

use sipward_types::{account::Account, address::line, time::KernelTime};

/// Without the daemon, the edge goes on with what it has.
#[derive(Debug, Default)]
pub struct InForce {
    suspended: HashMap<(Account, IpAddr), KernelTime>,
    locked: HashMap<Account, Lock>,
    /// The end of the time for which an account's success at a source counts.
    works: HashMap<(Account, IpAddr), KernelTime>,
    /// The daemon only counts what it would refuse.
    pub monitors: bool,
}

#[derive(Clone, Copy, Debug)]
struct Lock {
    /// It holds where the account works, too.
    strict: bool,
    until: KernelTime,
}

/// The guard lets nobody in under this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// At this source.
    Suspended,
    /// Everywhere, but for where it works.
    Locked,
}

impl InForce {
    pub fn suspend(&mut self, account: Account, source: IpAddr, until: KernelTime) {
        self.suspended.insert((account, source), until);
    }

    pub fn lock(&mut self, account: Account, strict: bool, until: KernelTime) {
        self.locked.insert(account, Lock { strict, until });
    }

    /// The account has worked at the source; of an IPv6 address, in its /64.
    pub fn works(&mut self, account: Account, source: IpAddr, until: KernelTime) {
        self.works.insert((account, line(source.to_canonical())), until);
    }

    pub fn lift(&mut self, account: &Account, source: Option<IpAddr>) {
        match source {
            Some(source) => drop(self.suspended.remove(&(account.clone(), source))),
            None => drop(self.locked.remove(account)),
        }
    }

    /// Locks by hand are strict, and hold in monitor mode, too. An account is closed where it works by nothing else: otherwise whoever knows its name could shut its
    /// owner out.
    pub fn closed(&self, account: &Account, source: IpAddr, now: KernelTime) -> Option<Closed> {
        let source = source.to_canonical();
        let locked = self.locked.get(account).filter(|lock| lock.until > now);
        if locked.is_some_and(|lock| lock.strict) {
            return Some(Closed::Locked);
        }
        if self.monitors {
            return None;
        }
        let lasts = |until: Option<&KernelTime>| until.is_some_and(|until| *until > now);
        if lasts(self.works.get(&(account.clone(), line(source)))) {
            return None;
        }
        if lasts(self.suspended.get(&(account.clone(), source))) {
            return Some(Closed::Suspended);
        }
        locked.map(|_| Closed::Locked)
    }

    /// Forgets what has ended.
    pub fn forget_ended(&mut self, now: KernelTime) {
        self.suspended.retain(|_, until| *until > now);
        self.locked.retain(|_, lock| lock.until > now);
        self.works.retain(|_, until| *until > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "198.51.100.7";
    const ELSEWHERE: &str = "198.51.100.8";

    fn account(name: &str) -> Account {
        Account::new(name.as_bytes()).unwrap()
    }

    fn at(seconds: u64) -> KernelTime {
        KernelTime::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn a_suspension_is_of_one_source_and_a_lock_of_all_but_where_the_account_works() {
        let mut in_force = InForce::default();
        let [here, elsewhere] = [HERE, ELSEWHERE].map(|address| address.parse::<IpAddr>().unwrap());
        in_force.suspend(account("201"), here, at(100));
        in_force.lock(account("202"), false, at(100));
        in_force.works(account("204"), here, at(100));
        in_force.lock(account("204"), true, at(100));
        in_force.works(account("202"), elsewhere, at(50));
        for (name, source, now, expected) in [
            ("201", here, 99, Some(Closed::Suspended)),
            ("201", here, 100, None),
            ("201", elsewhere, 99, None),
            ("202", here, 99, Some(Closed::Locked)),
            ("202", elsewhere, 49, None),
            ("202", elsewhere, 50, Some(Closed::Locked)),
            ("203", here, 1, None),
            ("204", here, 99, Some(Closed::Locked)),
        ] {
            assert_eq!(in_force.closed(&account(name), source, at(now)), expected, "{name} {source} {now}");
        }
        in_force.monitors = true;
        assert_eq!(in_force.closed(&account("201"), here, at(99)), None);
        assert_eq!(in_force.closed(&account("204"), here, at(99)), Some(Closed::Locked), "by hand");
        in_force.monitors = false;
        in_force.lift(&account("201"), Some(here));
        in_force.lift(&account("202"), None);
        assert_eq!(in_force.closed(&account("201"), here, at(1)), None);
        assert_eq!(in_force.closed(&account("202"), here, at(1)), None);
        in_force.suspend(account("201"), here, at(100));
        in_force.forget_ended(at(100));
        assert!(in_force.suspended.is_empty() && in_force.works.is_empty());
    }
}
