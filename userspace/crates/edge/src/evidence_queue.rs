//! Evidence that waits for the daemon: bounded, and shared out so that nobody's failures push out what else counts.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    time::Duration,
};

use sipward_types::{account::Account, address::line, time::KernelTime};

use crate::edge::{Evidence, Outcome};

/// The daemon judges nothing older.
const OLDEST: Duration = Duration::from_secs(300);
/// Outcomes of one source (of IPv6, a /64) that are no successes: many times what the guard needs to ban it.
const SHARE: usize = 1_024;

/// The meaning of an outcome to the guard. Each class has places of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// Somebody had the right password.
    Worked,
    Failed,
    /// Nobody knows who: anybody can be challenged in the name of any address.
    Asked,
}

impl Class {
    const ALL: [Self; 3] = [Self::Worked, Self::Failed, Self::Asked];

    const fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Succeeded | Outcome::Registered { .. } | Outcome::Unregistered { .. } => Self::Worked,
            Outcome::Failed { .. } => Self::Failed,
            Outcome::Challenged | Outcome::Stale => Self::Asked,
        }
    }

    const fn places(self) -> usize {
        match self {
            Self::Worked => 32_768,
            Self::Failed | Self::Asked => 16_384,
        }
    }
}

/// In the order in which it happened.
#[derive(Debug, Default)]
pub struct EvidenceQueue {
    waiting: BTreeMap<u64, (KernelTime, Evidence)>,
    /// The number of the next one.
    next: u64,
    /// The number of the latest that waits, by whom it is about and where.
    latest: HashMap<(Option<Account>, IpAddr), u64>,
    counts: [usize; Class::ALL.len()],
    /// Outcomes that are no successes, by source.
    shares: HashMap<IpAddr, usize>,
    dropped: u64,
}

impl EvidenceQueue {
    pub fn add(&mut self, evidence: Evidence, now: KernelTime) {
        let subject = subject(&evidence);
        if let Some(number) = self.latest.get(&subject).copied()
            && self.waiting.get(&number).is_some_and(|(_, before)| says_the_same(before, &evidence))
        {
            // The later one says it of both times, and nothing that waits happened there in between.
            self.remove(number);
        }
        let class = Class::of(&evidence.outcome);
        if self.counts[class as usize] >= class.places() {
            self.drop_old(now);
        }
        let source = line(subject.1);
        let share = self.shares.get(&source).copied().unwrap_or(0);
        if self.counts[class as usize] >= class.places() || class != Class::Worked && share >= SHARE {
            self.dropped += 1;
            return;
        }
        self.counts[class as usize] += 1;
        if class != Class::Worked {
            self.shares.insert(source, share + 1);
        }
        self.latest.insert(subject, self.next);
        self.waiting.insert(self.next, (now, evidence));
        self.next += 1;
    }

    /// The earliest ones, which wait no longer.
    pub fn take(&mut self, most: usize) -> Vec<(KernelTime, Evidence)> {
        let numbers: Vec<_> = self.waiting.keys().take(most).copied().collect();
        numbers.into_iter().filter_map(|number| self.remove(number)).collect()
    }

    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The number of outcomes that nobody will hear of.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    fn drop_old(&mut self, now: KernelTime) {
        while let Some((number, (at, _))) = self.waiting.first_key_value()
            && now.since(*at) > OLDEST
        {
            let number = *number;
            self.remove(number);
            self.dropped += 1;
        }
    }

    fn remove(&mut self, number: u64) -> Option<(KernelTime, Evidence)> {
        let (at, evidence) = self.waiting.remove(&number)?;
        let (subject, class) = (subject(&evidence), Class::of(&evidence.outcome));
        self.counts[class as usize] -= 1;
        if class != Class::Worked
            && let Some(share) = self.shares.get_mut(&line(subject.1))
        {
            *share -= 1;
            if *share == 0 {
                self.shares.remove(&line(subject.1));
            }
        }
        if self.latest.get(&subject) == Some(&number) {
            self.latest.remove(&subject);
        }
        Some((at, evidence))
    }
}

fn subject(evidence: &Evidence) -> (Option<Account>, IpAddr) {
    (evidence.account.clone(), evidence.from.peer.ip().to_canonical())
}

/// Of the same account and address. How long a registration lasts may have changed.
fn says_the_same(before: &Evidence, after: &Evidence) -> bool {
    let is_same = match (&before.outcome, &after.outcome) {
        (Outcome::Registered { contact, .. }, Outcome::Registered { contact: other, .. }) => contact == other,
        (before, after) => before == after,
    };
    let way = |evidence: &Evidence| (evidence.from.peer.port(), evidence.from.transport, evidence.method);
    is_same && way(before) == way(after)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use proptest::prelude::*;
    use sipward_types::{evidence::Method, flow::Transport};

    use super::*;
    use crate::link::{Link, Side};

    fn at(second: u64) -> KernelTime {
        KernelTime::START + Duration::from_secs(second)
    }

    fn evidence(account: u32, source: IpAddr, outcome: Outcome) -> Evidence {
        let peer = SocketAddr::new(source, 5060);
        let from = Link { side: Side::Outer, listener: 0, transport: Transport::Udp, peer, connection: 0 };
        let account = Account::new(account.to_string().as_bytes());
        Evidence { account, from, method: Method::Register, outcome }
    }

    fn source(number: u32) -> IpAddr {
        Ipv4Addr::from(0xC633_0000 + number).into()
    }

    fn failed(attempt: u32) -> Outcome {
        Outcome::Failed { attempt: attempt.to_string() }
    }

    fn registered(contact: &str, seconds: u64) -> Outcome {
        Outcome::Registered { contact: contact.to_owned(), lasts: Duration::from_secs(seconds) }
    }

    #[test]
    fn what_says_the_same_with_nothing_in_between_is_handed_in_once_and_as_late_as_it_was() {
        let mut queue = EvidenceQueue::default();
        let steps = [
            (201, Outcome::Challenged),
            (202, Outcome::Challenged),
            (201, Outcome::Challenged),
            (201, failed(1)),
            (201, failed(1)),
            (201, failed(2)),
            (201, Outcome::Challenged),
            (202, registered("a", 60)),
            (202, registered("a", 3_600)),
            (202, registered("b", 60)),
        ];
        for (second, (account, outcome)) in (1..).zip(steps) {
            queue.add(evidence(account, source(1), outcome), at(second));
        }
        let expected = [
            (2, 202, Outcome::Challenged),
            (3, 201, Outcome::Challenged),
            (5, 201, failed(1)),
            (6, 201, failed(2)),
            (7, 201, Outcome::Challenged),
            (9, 202, registered("a", 3_600)),
            (10, 202, registered("b", 60)),
        ];
        let expected =
            expected.map(|(second, account, outcome)| (at(second), evidence(account, source(1), outcome)));
        assert_eq!(queue.take(100), expected);
        assert_eq!((queue.len(), queue.dropped()), (0, 0));
    }

    #[test]
    fn one_source_has_its_share_of_failures_and_others_and_successes_have_theirs() {
        let mut queue = EvidenceQueue::default();
        for number in 0..100_000 {
            queue.add(evidence(number, source(1), failed(number)), at(1));
        }
        assert_eq!((queue.len(), queue.dropped()), (SHARE, 100_000 - SHARE as u64));
        queue.add(evidence(201, source(2), failed(1)), at(1));
        queue.add(evidence(202, source(1), Outcome::Succeeded), at(1));
        assert_eq!(queue.len(), SHARE + 2);
        // With each that is taken, there is room for another.
        queue.take(1);
        queue.add(evidence(203, source(1), failed(1)), at(1));
        assert_eq!(queue.len(), SHARE + 2);
    }

    #[test]
    fn forged_addresses_push_out_neither_failures_nor_successes() {
        let mut queue = EvidenceQueue::default();
        for number in 0..100_000 {
            queue.add(evidence(201, source(number), Outcome::Challenged), at(1));
        }
        let places = Class::Asked.places();
        assert_eq!(queue.len(), places);
        queue.add(evidence(201, source(1), failed(1)), at(1));
        for number in 0..100_000 {
            queue.add(evidence(number, source(2), Outcome::Succeeded), at(1));
        }
        assert_eq!(queue.len(), places + 1 + Class::Worked.places());
    }

    #[test]
    fn what_the_daemon_would_not_judge_any_more_makes_room() {
        let mut queue = EvidenceQueue::default();
        for number in 0..40_000 {
            queue.add(evidence(201, source(number), Outcome::Challenged), at(1));
        }
        let dropped = queue.dropped();
        queue.add(evidence(202, source(1), Outcome::Challenged), at(301));
        assert_eq!(queue.dropped(), dropped + 1, "all of them are judged still");
        queue.add(evidence(202, source(1), Outcome::Challenged), at(302));
        assert_eq!((queue.len(), queue.dropped()), (1, 40_000 + 1));
    }

    proptest! {
        #[test]
        fn all_come_out_in_their_order_and_the_counts_are_right(
            steps in prop::collection::vec((0_u32..3, 0_u32..3, 0_u32..5, 0_usize..3), 1..200)
        ) {
            let mut queue = EvidenceQueue::default();
            let mut taken: Vec<(KernelTime, Evidence)> = Vec::new();
            for (second, (account, from, outcome, take)) in (1..).zip(steps.iter().copied()) {
                let outcome = match outcome {
                    0 => Outcome::Challenged,
                    1 => Outcome::Succeeded,
                    2 => registered("a", second),
                    number => failed(number),
                };
                queue.add(evidence(account, source(from), outcome), at(second));
                taken.extend(queue.take(take));
            }
            taken.extend(queue.take(usize::MAX));
            prop_assert!(taken.is_sorted_by_key(|(at, _)| *at));
            prop_assert_eq!(queue.dropped(), 0);
            prop_assert!(queue.is_empty() && queue.latest.is_empty() && queue.shares.is_empty());
            prop_assert_eq!(queue.counts, [0; 3]);
            // The last of each is never merged away.
            let last = steps.last().map(|(account, from, ..)| (*account, *from)).unwrap();
            let last = evidence(last.0, source(last.1), Outcome::Challenged);
            prop_assert!(taken.iter().any(|(at_, taken)| *at_ == at(steps.len() as u64)
                && subject(taken) == subject(&last)));
        }
    }
}
