//! Refusals, counted together, until they are handed in: bounded, however many are refused and whoever they come from.

use std::{collections::HashMap, net::IpAddr};

use sipward_types::{account::Account, address::line, cause::Cause, time::KernelTime};

/// Those of a kind that wait at once. What is proven and what anybody could have sent have each so many places, so that
/// forged packets push out nothing.
const PLACES: usize = 128;
/// Of these, those of one source (of IPv6, a /64).
const SHARE: usize = 16;

/// A kind of refusal. The same again only counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Refusal {
    pub cause: Cause,
    /// As it was named.
    pub account: Option<Account>,
    pub source: IpAddr,
    /// Nobody else could have sent it in the name of that address.
    pub is_proven: bool,
}

/// The times that something was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    pub count: u32,
    pub first: KernelTime,
    pub last: KernelTime,
    /// Of the last answer, where there was one.
    pub status: Option<u16>,
}

impl Times {
    pub const fn once(at: KernelTime, status: Option<u16>) -> Self {
        Self { count: 1, first: at, last: at, status }
    }

    fn add(&mut self, others: Self) {
        if others.last >= self.last {
            (self.last, self.status) = (others.last, others.status);
        }
        self.count = self.count.saturating_add(others.count);
        self.first = self.first.min(others.first);
    }
}

#[derive(Clone, Debug, Default)]
pub struct Refusals {
    waiting: HashMap<Refusal, Times>,
    left_out: u64,
}

impl Refusals {
    pub fn add(&mut self, refusal: Refusal, times: Times) {
        if let Some(before) = self.waiting.get_mut(&refusal) {
            before.add(times);
            return;
        }
        let alike = self.waiting.keys().filter(|other| other.is_proven == refusal.is_proven);
        let neighbours = alike.clone().filter(|other| line(other.source) == line(refusal.source));
        if alike.clone().count() >= PLACES || neighbours.count() >= SHARE {
            self.left_out += u64::from(times.count);
            return;
        }
        self.waiting.insert(refusal, times);
    }

    /// The account was let in there: what it was refused for just before, such as a nonce that was too old, was no problem.
    pub fn forget(&mut self, account: &Account, source: IpAddr) {
        self.waiting
            .retain(|refusal, _| refusal.source != source || refusal.account.as_ref() != Some(account));
    }

    /// All that wait, the earliest first.
    pub fn take(&mut self) -> Vec<(Refusal, Times)> {
        let mut all: Vec<_> = self.waiting.drain().collect();
        all.sort_by_key(|(_, times)| times.last);
        all
    }

    /// The number of refusals that found no place, so that nobody hears of them by name.
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, time::Duration};

    use super::*;

    fn at(second: u64) -> KernelTime {
        KernelTime::START + Duration::from_secs(second)
    }

    fn refusal(cause: Cause, account: &str, source: &str, is_proven: bool) -> Refusal {
        Refusal {
            cause,
            account: Account::new(account.as_bytes()),
            source: source.parse().unwrap(),
            is_proven,
        }
    }

    #[test]
    fn the_same_again_counts_and_is_handed_in_once() {
        let mut refusals = Refusals::default();
        let disabled = refusal(Cause::Disabled, "201", "192.0.2.1", true);
        for (second, status) in [(3, Some(403)), (1, None), (9, Some(401))] {
            refusals.add(disabled.clone(), Times::once(at(second), status));
        }
        let other = refusal(Cause::Disabled, "202", "192.0.2.1", true);
        refusals.add(other.clone(), Times::once(at(5), None));
        let times = Times { count: 3, first: at(1), last: at(9), status: Some(401) };
        assert_eq!(refusals.take(), [(other, Times::once(at(5), None)), (disabled.clone(), times)]);
        assert_eq!(refusals.take(), []);
        // A report that failed puts them back, and the latest status stays.
        refusals.add(disabled.clone(), Times::once(at(12), Some(403)));
        refusals.add(disabled.clone(), times);
        assert_eq!(
            refusals.take(),
            [(disabled, Times { count: 4, first: at(1), last: at(12), status: Some(403) })]
        );
    }

    #[test]
    fn whoever_is_let_in_was_refused_for_nothing_that_matters() {
        let mut refusals = Refusals::default();
        let stale = refusal(Cause::StaleNonces, "201", "192.0.2.1", false);
        let elsewhere = refusal(Cause::StaleNonces, "201", "192.0.2.2", false);
        for refusal in [&stale, &elsewhere] {
            refusals.add(refusal.clone(), Times::once(at(1), Some(401)));
        }
        refusals.forget(&Account::new(b"201").unwrap(), "192.0.2.1".parse().unwrap());
        assert_eq!(refusals.take(), [(elsewhere, Times::once(at(1), Some(401)))]);
    }

    #[test]
    fn forged_refusals_leave_room_for_proven_ones_and_one_source_leaves_room_for_others() {
        let mut refusals = Refusals::default();
        for number in 0..1_000_u32 {
            let forged = refusal(Cause::StaleNonces, "201", &Ipv4Addr::from(number + 7).to_string(), false);
            refusals.add(forged, Times::once(at(1), None));
        }
        assert_eq!((refusals.waiting.len(), refusals.left_out()), (PLACES, 1_000 - PLACES as u64));
        for number in 0..100 {
            let source = format!("2001:db8::{number:x}");
            refusals.add(refusal(Cause::WrongPassword, "201", &source, true), Times::once(at(2), None));
        }
        assert_eq!(refusals.waiting.len(), PLACES + SHARE);
        refusals.add(refusal(Cause::Expired, "202", "2001:db8:1::1", true), Times::once(at(3), None));
        assert_eq!(refusals.waiting.len(), PLACES + SHARE + 1);
    }
}
