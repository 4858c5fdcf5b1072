//! The counts of nonces that were used with a right digest, so that no request is accepted twice.
//!
//! A request with wrong credentials leaves no trace here, and neither does a nonce that nobody used: only customers can
//! fill the table.

use std::{collections::BTreeMap, time::Duration};

use sipward_types::time::KernelTime;

use super::{Staleness, nonce::NonceId};

/// The requests of a nonce whose retransmissions are recognised: as many as there are counts in the window, because the
/// rest would be refused for its count. A phone with a field of busy lamps subscribes to dozens at once. Each takes 16 bytes,
/// so that a full table of such phones has 64 MiB; with one request each, which is the rule, it has a few.
const RECENT: usize = u64::BITS as usize;

/// A request may come again for so long: then its transaction has ended (RFC 3261, 64*T1), and the PBX would take a copy
/// for a new request.
const RETRANSMITTED_FOR: Duration = Duration::from_secs(32);

/// Stands for a request.
pub(super) type RequestFingerprint = u64;

#[derive(Debug)]
pub(super) struct NonceCounts {
    used: BTreeMap<NonceId, Count>,
    capacity: usize,
    /// Had to make room: whether it or an older one was used is not known any more.
    forgotten: Option<NonceId>,
}

/// The use of a count by a right digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    First,
    /// The very same request was here before.
    Again,
}

#[derive(Clone, Debug)]
struct Count {
    highest: u32,
    /// Bit n: the count `highest` - n was used. UDP reorders requests.
    window: u64,
    /// The latest requests, the oldest first.
    recent: Vec<RecentRequest>,
}

#[derive(Clone, Copy, Debug)]
struct RecentRequest {
    request: RequestFingerprint,
    since: KernelTime,
}

impl NonceCounts {
    pub(super) const fn new(capacity: usize) -> Self {
        Self { used: BTreeMap::new(), capacity, forgotten: None }
    }

    /// Enters a request whose digest was right. Without qop there is no `count`, and the nonce is good for one request:
    /// nothing in a later one could set it apart from a copy of the first, which somebody on the way may have changed
    /// but for method and digest URI.
    ///
    /// `oldest`: nonces that were made before are not accepted any more.
    pub(super) fn enter(
        &mut self,
        nonce: NonceId,
        count: Option<u32>,
        request: RequestFingerprint,
        oldest: u64,
        now: KernelTime,
    ) -> Result<Use, Staleness> {
        if let Some(known) = self.used.get_mut(&nonce) {
            return known.enter(count, request, now);
        }
        if self.forgotten.is_some_and(|forgotten| nonce <= forgotten) {
            return Err(Staleness::TableFull);
        }
        self.make_room(oldest);
        self.used.insert(nonce, Count::new(count, request, now));
        Ok(Use::First)
    }

    /// The oldest goes, even if it is current: its phone is challenged anew and goes on with a nonce that is younger
    /// than all that were forgotten. A table that refused newcomers instead could be held full by one customer.
    fn make_room(&mut self, oldest: u64) {
        while let Some(entry) = self.used.first_entry() {
            let is_old = entry.key().made < oldest;
            if !is_old && self.used.len() < self.capacity {
                return;
            }
            let Some((nonce, _)) = self.used.pop_first() else { return };
            if !is_old {
                // One that came late may be older than one that was forgotten before it came.
                self.forgotten = self.forgotten.max(Some(nonce));
            }
        }
    }
}

impl Count {
    fn new(count: Option<u32>, request: RequestFingerprint, now: KernelTime) -> Self {
        let (highest, window) = match count {
            Some(count) => (count, 1),
            // All are used.
            None => (u32::MAX, u64::MAX),
        };
        Self { highest, window, recent: vec![RecentRequest { request, since: now }] }
    }

    fn enter(
        &mut self,
        count: Option<u32>,
        request: RequestFingerprint,
        now: KernelTime,
    ) -> Result<Use, Staleness> {
        let ended = self.recent.partition_point(|recent| now.since(recent.since) > RETRANSMITTED_FOR);
        if self.recent[ended..].iter().any(|recent| recent.request == request) {
            return Ok(Use::Again);
        }
        if !count.is_some_and(|count| self.take(count)) {
            return Err(Staleness::CountReused);
        }
        self.recent.drain(..ended.max((self.recent.len() + 1).saturating_sub(RECENT)));
        self.recent.push(RecentRequest { request, since: now });
        Ok(Use::First)
    }

    /// False: it was used before, or is so far back that nobody knows.
    const fn take(&mut self, count: u32) -> bool {
        if count > self.highest {
            let ahead = count - self.highest;
            self.window = if ahead < u64::BITS { self.window << ahead | 1 } else { 1 };
            self.highest = count;
            return true;
        }
        let behind = self.highest - count;
        if behind >= u64::BITS || self.window >> behind & 1 == 1 {
            return false;
        }
        self.window |= 1 << behind;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn nonce(made: u64) -> NonceId {
        NonceId { made, number: 0 }
    }

    fn at(seconds: u64) -> KernelTime {
        KernelTime::START + Duration::from_secs(seconds)
    }

    fn table(capacity: usize) -> NonceCounts {
        NonceCounts::new(capacity)
    }

    #[test]
    fn a_count_is_used_once_and_requests_may_overtake_each_other() {
        let mut counts = table(8);
        for (request, (count, expected)) in [
            (1, Ok(Use::First)),
            (2, Ok(Use::First)),
            (1, Err(Staleness::CountReused)),
            (5, Ok(Use::First)),
            (3, Ok(Use::First)),
            (3, Err(Staleness::CountReused)),
            (70, Ok(Use::First)),
            // 64 back is too far: whether it was used, nobody knows.
            (6, Err(Staleness::CountReused)),
            (7, Ok(Use::First)),
            (u32::MAX, Ok(Use::First)),
            (71, Err(Staleness::CountReused)),
            (u32::MAX - 63, Ok(Use::First)),
            (u32::MAX - 63, Err(Staleness::CountReused)),
            (0, Err(Staleness::CountReused)),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(counts.enter(nonce(1), Some(count), request as u64, 0, at(1)), expected, "{count}");
        }
    }

    #[test]
    fn a_retransmission_passes_while_its_transaction_lasts() {
        let mut counts = table(8);
        for (count, request, now, expected) in [
            (Some(1), 11, 0, Ok(Use::First)),
            (Some(1), 11, 1, Ok(Use::Again)),
            (Some(2), 12, 2, Ok(Use::First)),
            (Some(3), 13, 2, Ok(Use::First)),
            (Some(1), 11, 32, Ok(Use::Again)),
            (Some(1), 11, 33, Err(Staleness::CountReused)),
            (Some(2), 12, 34, Ok(Use::Again)),
            (Some(4), 14, 35, Ok(Use::First)),
            (Some(2), 12, 35, Err(Staleness::CountReused)),
            (Some(4), 14, 67, Ok(Use::Again)),
        ] {
            let entered = counts.enter(nonce(1), count, request, 0, at(now));
            assert_eq!(entered, expected, "{count:?} {request} {now}");
        }
    }

    /// One that subscribes to all the lamps of its console, over a network that loses a lot.
    #[test]
    fn of_a_phone_with_many_requests_under_way_each_may_come_again() {
        let mut counts = table(8);
        let mut enter = |count: u32| counts.enter(nonce(1), Some(count), count.into(), 0, at(1));
        (1..=64).for_each(|count| assert_eq!(enter(count), Ok(Use::First), "{count}"));
        (1..=64).rev().for_each(|count| assert_eq!(enter(count), Ok(Use::Again), "{count}"));
        assert_eq!(enter(65), Ok(Use::First));
        assert_eq!(enter(1), Err(Staleness::CountReused), "the oldest");
        (2..=65).for_each(|count| assert_eq!(enter(count), Ok(Use::Again), "{count}"));
        assert_eq!(counts.used[&nonce(1)].recent.len(), RECENT);
    }

    #[test]
    fn breaks_03_without_qop_a_nonce_is_good_for_one_request_and_its_retransmissions() {
        let mut counts = table(8);
        for (made, count, request, expected) in [
            (1, None, 11, Ok(Use::First)),
            (1, None, 11, Ok(Use::Again)),
            (1, None, 12, Err(Staleness::CountReused)),
            (1, Some(1), 13, Err(Staleness::CountReused)),
            (1, Some(u32::MAX), 13, Err(Staleness::CountReused)),
            (2, Some(1), 21, Ok(Use::First)),
            (2, None, 22, Err(Staleness::CountReused)),
            (2, Some(2), 23, Ok(Use::First)),
            (3, None, 31, Ok(Use::First)),
        ] {
            assert_eq!(counts.enter(nonce(made), count, request, 0, at(1)), expected, "{made} {count:?}");
        }
    }

    #[test]
    fn a_full_table_forgets_its_oldest_nonces_and_takes_them_for_used() {
        let mut counts = table(3);
        for made in [10, 11, 12] {
            assert_eq!(counts.enter(nonce(made), Some(1), made, 0, at(1)), Ok(Use::First));
        }
        for (made, count, expected) in [
            (13, 1, Ok(Use::First)),
            // Used and forgotten, or never used: nobody knows.
            (10, 2, Err(Staleness::TableFull)),
            (9, 1, Err(Staleness::TableFull)),
            (11, 2, Ok(Use::First)),
            (14, 1, Ok(Use::First)),
            (11, 3, Err(Staleness::TableFull)),
            (15, 1, Ok(Use::First)),
        ] {
            let entered = counts.enter(nonce(made), Some(count), 100 * made + u64::from(count), 0, at(1));
            assert_eq!(entered, expected, "{made} {count}");
        }
        assert_eq!(counts.used.len(), 3);
    }

    #[test]
    fn old_nonces_leave_without_a_trace() {
        let mut counts = table(3);
        for made in [10, 11, 12] {
            counts.enter(nonce(made), Some(1), 0, 0, at(1)).unwrap();
        }
        assert_eq!(counts.enter(nonce(20), Some(1), 0, 13, at(1)), Ok(Use::First));
        assert_eq!((counts.used.len(), counts.forgotten), (1, None));
    }

    proptest! {
        #[test]
        fn no_count_is_taken_twice_and_none_of_the_window_is_refused(
            uses in prop::collection::vec((0..3_u64, prop_oneof![0..150_u32, (u32::MAX - 99)..=u32::MAX]), 0..300),
        ) {
            let mut counts = table(8);
            let mut used: [HashSet<u32>; 3] = Default::default();
            for (request, (which, count)) in uses.into_iter().enumerate() {
                let used = &mut used[which as usize];
                let highest = used.iter().max().copied();
                let in_window = highest.is_none_or(|highest| count > highest || highest - count < 64);
                let entered = counts.enter(nonce(which), Some(count), request as u64, 0, at(1));
                let is_new = !used.contains(&count);
                prop_assert_eq!(entered.is_ok(), is_new && in_window, "{} of {:?}", count, used);
                if entered.is_ok() {
                    used.insert(count);
                }
            }
        }

        #[test]
        fn the_table_never_grows_beyond_its_capacity_and_accepts_nothing_twice(
            uses in prop::collection::vec((0..40_u64, 1..3_u32, 0..4_u64), 0..400),
        ) {
            let mut counts = table(5);
            let (mut accepted, mut oldest) = (HashSet::new(), 0);
            for (request, (made, count, later)) in uses.into_iter().enumerate() {
                oldest += later / 3;
                let made = oldest + made;
                if counts.enter(nonce(made), Some(count), request as u64, oldest, at(1)).is_ok() {
                    prop_assert!(accepted.insert((made, count)), "{made} {count}");
                }
                prop_assert!(counts.used.len() <= 5);
            }
            prop_assert_eq!(counts.enter(nonce(1_000), Some(1), 0, oldest, at(1)), Ok(Use::First), "a young one");
        }
    }
}
