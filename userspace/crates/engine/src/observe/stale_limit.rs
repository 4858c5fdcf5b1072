//! The limit up to which refusals are put down to kept nonces.
//!
//! A phone that kept a nonce is refused once, gets a new one and is accepted. Who is refused with kept nonces again and
//! again and never accepted is guessing: with nonces that were fetched in advance, or at a PBX that looks at no nonce.

use std::net::IpAddr;

use super::fingerprint::Fingerprint;
use sipward_types::fifo_map::FifoMap;

/// In a row.
const PER_ACCOUNT: u32 = 3;
/// For all accounts of a source: an office may come back from a restart of its PBX with that many.
const PER_SOURCE: u32 = 32;

#[derive(Debug)]
pub(super) struct StaleLimit {
    /// By account and source.
    accounts: FifoMap<Fingerprint, StaleStreak>,
    sources: FifoMap<IpAddr, u32>,
}

#[derive(Debug, Default)]
struct StaleStreak {
    refused: u32,
    /// Requests of which the end was not seen: one may have been a success.
    open: u32,
}

impl StaleLimit {
    pub(super) fn new(capacity: usize) -> Self {
        Self { accounts: FifoMap::new(capacity), sources: FifoMap::new(capacity) }
    }

    pub(super) fn asked(&mut self, account: Fingerprint) {
        match self.accounts.renew(&account) {
            Some(streak) => streak.open += 1,
            None => {
                self.accounts.insert(account, StaleStreak { refused: 0, open: 1 });
            }
        }
    }

    pub(super) fn ended(&mut self, account: Fingerprint) {
        if let Some(streak) = self.accounts.get_mut(&account) {
            streak.open = streak.open.saturating_sub(1);
        }
    }

    pub(super) fn worked(&mut self, account: Fingerprint, source: IpAddr) {
        self.accounts.remove(&account);
        self.sources.remove(&source);
    }

    /// Refused with a kept nonce: whether that is still believed.
    pub(super) fn lasts(&mut self, account: Fingerprint, source: IpAddr) -> bool {
        let of_account = match self.accounts.renew(&account) {
            Some(streak) if streak.open > 0 => {
                *streak = StaleStreak::default();
                1
            }
            Some(streak) => {
                streak.refused += 1;
                streak.refused
            }
            None => {
                self.accounts.insert(account, StaleStreak { refused: 1, open: 0 });
                1
            }
        };
        let of_source = match self.sources.renew(&source) {
            Some(refused) => {
                *refused += 1;
                *refused
            }
            None => {
                self.sources.insert(source, 1);
                1
            }
        };
        of_account <= PER_ACCOUNT && of_source <= PER_SOURCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFICE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    #[test]
    fn it_ends_for_an_account_that_never_works() {
        let mut stale_limit = StaleLimit::new(64);
        assert_eq!([(); 5].map(|()| stale_limit.lasts(1, OFFICE)), [true, true, true, false, false]);
        assert!(stale_limit.lasts(2, OFFICE), "its neighbour");
        stale_limit.worked(1, OFFICE);
        assert!(stale_limit.lasts(1, OFFICE));
    }

    #[test]
    fn it_ends_for_a_source_with_many_accounts() {
        let mut stale_limit = StaleLimit::new(64);
        let lasted = (0..40).filter(|account| stale_limit.lasts(*account, OFFICE)).count();
        assert_eq!(lasted, 32);
        stale_limit.worked(0, OFFICE);
        assert!(stale_limit.lasts(41, OFFICE));
    }

    #[test]
    fn what_was_not_seen_may_have_worked() {
        let mut stale_limit = StaleLimit::new(64);
        for _ in 0..10 {
            stale_limit.asked(1);
            stale_limit.ended(1);
            assert!(stale_limit.lasts(1, OFFICE));
            stale_limit.asked(1);
        }
    }
}
