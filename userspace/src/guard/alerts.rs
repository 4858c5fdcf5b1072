//! Nothing is done; somebody should know, but not a thousand times.

use std::time::Duration;

use ipnet::IpNet;

use super::{
    Account, Because, Decision, Rule, What,
    moment::is_recent,
    room::{Keep, Room},
    score::{Score, WHOLE},
};
/// One of a rule about the same subject.
pub(super) const SILENCE: Duration = Duration::from_secs(3600);
/// Of all together: so many at once, and then one each minute.
pub(super) const BURST: u32 = 30;
const PAUSE: Duration = Duration::from_secs(60);
const SUBJECTS: usize = 4_096;

type Subject = (Rule, Option<IpNet>, Option<Account>);

#[derive(Debug)]
pub(super) struct Alerts {
    told: Room<Subject, Told>,
    lately: Score,
    pub(super) raised: u64,
    pub(super) withheld: u64,
}

#[derive(Debug, Default)]
struct Told(Option<u64>);

impl Keep for Told {
    fn weight(&self) -> usize {
        1
    }

    fn worth(&self) -> u32 {
        0
    }

    fn last(&self) -> u64 {
        self.0.unwrap_or_default()
    }
}

impl Default for Alerts {
    fn default() -> Self {
        Self { told: Room::new(SUBJECTS), lately: Score::default(), raised: 0, withheld: 0 }
    }
}

impl Alerts {
    pub(super) fn raise(
        &mut self,
        at: u64,
        source: Option<IpNet>,
        account: Option<Account>,
        because: Because,
    ) -> Option<Decision> {
        let subject = (because.rule, source, account);
        let told = self.told.get(&subject).and_then(|told| told.0);
        if told.is_some_and(|told| is_recent(told, at, SILENCE)) {
            return None;
        }
        if self.lately.count(at, PAUSE) >= BURST {
            self.withheld += 1;
            return None;
        }
        self.lately.add(WHOLE, at, PAUSE);
        self.raised += 1;
        self.told.change(&subject, |told| told.0 = Some(at));
        let (_, source, account) = subject;
        Some(Decision { at, what: What::Alert { source, account }, because })
    }
}
