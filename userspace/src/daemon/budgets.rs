//! The amounts that each user may hand in.

use std::{collections::HashMap, time::Duration};

use sipward_types::time::KernelTime;

/// So many items a second and so many at once, for each user, all connections together.
#[derive(Debug)]
pub(super) struct Budgets {
    a_second: u64,
    at_once: u64,
    /// By user: how long what it has handed in keeps its budget busy.
    busy_until: HashMap<u32, KernelTime>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Granted {
    pub(super) granted: u64,
    /// Seconds until the rest is granted; 0: there is none.
    pub(super) retry_in: u64,
}

impl Budgets {
    pub(super) fn new(a_second: u64, at_once: u64) -> Self {
        Self { a_second, at_once, busy_until: HashMap::new() }
    }

    pub(super) fn take(&mut self, uid: u32, asked: u64, now: KernelTime) -> Granted {
        // Whoever has all of its budget is not remembered.
        self.busy_until.retain(|_, busy_until| *busy_until > now);
        let whole = self.busy_for(self.at_once);
        let busy = self.busy_until.get(&uid).map_or(Duration::ZERO, |until| until.since(now));
        let room = (whole.saturating_sub(busy).as_nanos() / self.busy_for(1).as_nanos()) as u64;
        let granted = asked.min(room);
        let busy = busy + self.busy_for(granted);
        if granted > 0 {
            self.busy_until.insert(uid, now + busy);
        }
        let needs = busy + self.busy_for((asked - granted).min(self.at_once));
        let retry_in = needs.saturating_sub(whole).as_nanos().div_ceil(1_000_000_000) as u64;
        Granted { granted, retry_in }
    }

    /// The time for which so many items keep a budget busy.
    const fn busy_for(&self, items: u64) -> Duration {
        Duration::from_nanos(items * (1_000_000_000 / self.a_second))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A_SECOND: u64 = 5_000;
    const AT_ONCE: u64 = 20_000;

    fn at(seconds: f64) -> KernelTime {
        KernelTime::START + Duration::from_secs_f64(1_000.0 + seconds)
    }

    #[test]
    fn each_user_has_so_many_at_once_and_then_so_many_a_second() {
        let mut budgets = Budgets::new(A_SECOND, AT_ONCE);
        for (user, asked, seconds, granted, retry_in) in [
            (1, 1_000, 0.0, 1_000, 0),
            (1, 19_500, 0.0, 19_000, 1),
            (1, 500, 0.0, 0, 1),
            (2, 1_000, 0.0, 1_000, 0),
            (1, 500, 0.05, 250, 1),
            (1, 9_000, 0.05, 0, 2),
            (1, 6_000, 1.05, 5_000, 1),
            (1, 20_000, 9.0, 20_000, 0),
            (1, 0, 9.0, 0, 0),
        ] {
            let expected = Granted { granted, retry_in };
            assert_eq!(budgets.take(user, asked, at(seconds)), expected, "{user} {asked} {seconds}");
        }
    }

    #[test]
    fn whoever_has_its_whole_budget_is_forgotten() {
        let mut budgets = Budgets::new(A_SECOND, AT_ONCE);
        for user in 0..100 {
            budgets.take(user, 5_000, at(0.0));
        }
        budgets.take(100, 1, at(1.0));
        assert_eq!(budgets.busy_until.len(), 1);
    }

    proptest! {
        #[test]
        fn nobody_gets_more_and_whoever_comes_back_as_told_gets_the_rest(
            asked in prop::collection::vec((0_u64..=1_000, 0_u32..500), 1..200)
        ) {
            let mut budgets = Budgets::new(A_SECOND, AT_ONCE);
            let (mut time, mut sum) = (0.0, 0);
            for (asked, pause) in asked {
                time += f64::from(pause) / 1_000.0;
                let Granted { granted, retry_in } = budgets.take(7, asked, at(time));
                sum += granted;
                prop_assert!(sum as f64 <= AT_ONCE as f64 + time * A_SECOND as f64 + 1.0);
                prop_assert_eq!(retry_in > 0, granted < asked);
                if granted < asked {
                    time += retry_in as f64;
                    let rest = budgets.take(7, asked - granted, at(time));
                    prop_assert_eq!(rest, Granted { granted: asked - granted, retry_in: 0 });
                    sum += rest.granted;
                }
            }
        }
    }
}
