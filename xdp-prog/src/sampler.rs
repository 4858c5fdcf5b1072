//! Samples drop events: each slot emits at most one a second, with the number of those that it suppressed.
//!
//! A slot keeps count for two sources: the one it emitted last, and the first other one that came since. The two
//! take turns. A third is counted only where all drops are; it is emitted when it comes first after the second, and
//! then takes the place of the one that waited.

use crate::abi::{Address, EVENT_SLOT_COUNT, EventSlot};

const SECOND: u64 = 1_000_000_000;
/// So long the current source stands back for one that waits.
const TURN: u64 = 4 * SECOND;

/// One sender in one word: an IPv4 address, or an IPv6 /64; see [`Address::source`].
#[inline(always)]
pub const fn sender(address: Address) -> u64 {
    let Address([a, b, _, d]) = address;
    // No IPv6 packet comes from ::/32, whose words are given to IPv4.
    let high = if a | b == 0 { d } else { b };
    (high as u64) << 32 | a as u64
}

/// The slot of a sender. Without the key, addresses that share one cannot be chosen.
#[inline(always)]
pub const fn slot(sender: u64, key: u32) -> u32 {
    // The key's multiple, and not the key itself: the top bits of the product must depend on all of the sender.
    let odd = (key as u64 ^ 0x9e37_79b9).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (sender.wrapping_mul(odd) >> (u64::BITS - EVENT_SLOT_COUNT.ilog2())) as u32
}

impl EventSlot {
    /// Counts a drop of `sender`. If it is to be emitted: how many before it were suppressed.
    #[inline(always)]
    pub fn emit(&mut self, sender: u64, now: u64) -> Option<u32> {
        // One CPU's slot and one clock: time does not go back between two drops.
        let age = now.wrapping_sub(self.emitted_at);
        if sender == self.current {
            if age < SECOND || age < TURN && self.waiting_unseen != 0 {
                self.current_unseen = self.current_unseen.wrapping_add(1);
                return None;
            }
            self.emitted_at = now;
            return Some(core::mem::take(&mut self.current_unseen));
        }
        if age < SECOND {
            if self.waiting_unseen == 0 {
                self.waiting = sender;
            }
            if self.waiting == sender {
                self.waiting_unseen = self.waiting_unseen.wrapping_add(1);
            }
            return None;
        }
        let unseen = if sender == self.waiting { self.waiting_unseen } else { 0 };
        (self.waiting, self.waiting_unseen) = (self.current, self.current_unseen);
        (self.current, self.current_unseen) = (sender, 0);
        self.emitted_at = now;
        Some(unseen)
    }

    /// Takes back what [`emit`](Self::emit) has just given: it could not be emitted. The next time is in a second.
    #[inline(always)]
    pub const fn take_back(&mut self, unseen: u32) {
        self.current_unseen = unseen.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const MILLISECOND: u64 = 1_000_000;
    /// The kernel's clock when the first drop comes.
    const BOOT: u64 = 60 * SECOND;

    /// One slot, and how many drops of each sender it has emitted.
    #[derive(Default)]
    struct Record {
        slot: EventSlot,
        emitted: BTreeMap<u64, u64>,
        times: BTreeMap<u64, Vec<u64>>,
    }

    impl Record {
        fn drop_of(&mut self, sender: u64, now: u64) {
            if let Some(unseen) = self.slot.emit(sender, now) {
                *self.emitted.entry(sender).or_default() += u64::from(unseen) + 1;
                self.times.entry(sender).or_default().push(now);
            }
        }

        fn waiting(&self, sender: u64) -> u64 {
            let EventSlot { current, waiting, current_unseen, waiting_unseen, .. } = self.slot;
            let unseen = [(current, current_unseen), (waiting, waiting_unseen)];
            unseen.iter().filter(|(who, _)| *who == sender).map(|(_, unseen)| u64::from(*unseen)).sum()
        }

        fn longest_silence(&self, sender: u64) -> u64 {
            let times = self.times.get(&sender).map_or(&[][..], Vec::as_slice);
            times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(u64::MAX)
        }
    }

    #[test]
    fn one_source_is_told_once_a_second_with_all_its_drops() {
        let mut record = Record::default();
        for packet in 0..10_000 {
            record.drop_of(7, BOOT + packet * MILLISECOND);
        }
        assert_eq!(record.times[&7].len(), 10);
        assert_eq!(record.emitted[&7] + record.waiting(7), 10_000);
    }

    #[test]
    fn what_could_not_be_told_is_told_with_the_next() {
        let mut slot = EventSlot::default();
        for (second, before, fails) in [(0, 0, true), (1, 1, true), (2, 2, false), (3, 0, false)] {
            assert_eq!(slot.emit(7, BOOT + second * SECOND), Some(before), "after {second} s");
            if fails {
                slot.take_back(before);
            }
        }
    }

    #[test]
    fn a_slow_scanner_is_told_in_seconds_beside_a_flood_in_its_slot() {
        for period in [300, 900, 1_700, 3_100, 5_300, 7_100] {
            let mut record = Record::default();
            for millisecond in 0..120_000 {
                let now = BOOT + millisecond * MILLISECOND;
                (0..3).for_each(|_| record.drop_of(1, now));
                if millisecond % period == 50 {
                    record.drop_of(2, now);
                }
            }
            let patience = (2 * period * MILLISECOND).max(5 * SECOND);
            assert!(record.longest_silence(2) <= patience, "every {period} ms: {:?}", record.times);
            assert!(record.longest_silence(1) <= TURN + SECOND, "the flood, beside one every {period} ms");
            for (sender, drops) in [(1, 360_000), (2, (120_000 - 50_u64).div_ceil(period))] {
                assert_eq!(
                    record.emitted[&sender] + record.waiting(sender),
                    drops,
                    "{sender} of {period} ms"
                );
            }
        }
    }

    #[test]
    fn a_slot_tells_one_a_second_however_many_share_it() {
        let mut record = Record::default();
        for packet in 0..60_000 {
            record.drop_of(packet % 977, BOOT + packet * MILLISECOND);
        }
        assert_eq!(record.times.values().map(Vec::len).sum::<usize>(), 60);
    }

    #[test]
    fn a_sender_is_an_ipv4_address_or_an_ipv6_64() {
        let v6 = |last| Address([0x0120_u32, 7, 1, last]);
        assert_eq!(sender(v6(1)), sender(v6(2)));
        assert_ne!(sender(v6(1)), sender(Address([0x0120, 8, 1, 1])));
        assert_ne!(sender(Address::v4(1)), sender(Address::v4(2)));
    }

    proptest! {
        #[test]
        fn no_two_senders_have_one_word(a: [u32; 4], b: [u32; 4]) {
            prop_assume!(a[0] != 0 && b[0] != 0);
            let all = [Address(a), Address(b), Address::v4(a[3]), Address::v4(b[3])];
            for (one, other) in all.iter().flat_map(|one| all.iter().map(move |other| (*one, *other))) {
                prop_assert_eq!(sender(one) == sender(other), one.source() == other.source());
            }
        }

        /// Never more than there were, whoever comes when.
        #[test]
        fn nothing_is_told_twice(drops in proptest::collection::vec((0..5u64, 0..3_000u64), 1..400)) {
            let (mut record, mut now) = (Record::default(), BOOT);
            let mut all = BTreeMap::<u64, u64>::new();
            for (sender, gap) in drops {
                now += gap * MILLISECOND;
                *all.entry(sender).or_default() += 1;
                record.drop_of(sender, now);
                prop_assert!(record.emitted.get(&sender).copied().unwrap_or(0) <= all[&sender]);
            }
        }

        /// Two addresses that share a slot under one key do not share one under another.
        #[test]
        fn another_key_parts_those_who_shared_a_slot(a: u32, b: u32, keys: [u32; 8]) {
            let (a, b) = (sender(Address::v4(a)), sender(Address::v4(b)));
            prop_assume!(a != b);
            let shared = |key: &&u32| slot(a, **key) == slot(b, **key);
            prop_assert!(keys.iter().filter(shared).count() < keys.len() / 2);
            prop_assert!(keys.iter().all(|key| (slot(a, *key) as usize) < EVENT_SLOT_COUNT));
        }
    }
}
