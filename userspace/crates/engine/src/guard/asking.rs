//! Requests without credentials whose challenges are never answered: somebody looks for accounts, or for a PBX.
//!
//! Each challenge waits for credentials; whether those are right is another matter. What has waited in vain counts against
//! the line. So many are free, and one more each minute; above that the line is limited to one a minute while it goes on.
//! Anybody can ask in the name of another, so this bounds strangers and bans nobody, but who asked over TCP.
//!
//! A success pays back: one for each account in an hour, also of what had waited in vain. So an office that comes back
//! after an outage, and one that is behind a carrier's NAT with many others, owes nothing.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use super::{
    bounded_map::{BoundedMap, Evictable},
    score::{Score, WHOLE},
    source_net::Line,
    time::is_recent,
};
use sipward_types::time::KernelTime;
use sipward_types::{
    account::Account,
    evidence::{Evidence, Proof},
};

/// A challenge waits that long (RFC 3261's timer F).
const ANSWERED_WITHIN: Duration = Duration::from_secs(32);
/// In vain at once, and then one each minute.
pub(super) const FREE: u32 = 60;
const PAUSE: Duration = Duration::from_secs(60);
/// The number of requests beyond that are counted.
const AFTERWARDS: u32 = 10;
/// Of those that are proven, as all are that come over TCP; and then one each ten minutes.
pub(super) const PROVEN_FREE: u32 = 120;
const PROVEN_PAUSE: Duration = Duration::from_secs(600);
/// A line is limited that long. Renewed in time while it goes on.
pub(super) const LIMITED: Duration = Duration::from_secs(600);
const RENEWED: Duration = Duration::from_secs(300);
/// An account pays back once in that time.
const PAID: Duration = Duration::from_secs(3_600);
/// Challenges of one line that wait: as many as phones may come at once from behind one address.
const WAITING: usize = 1_024;
/// Accounts of one line that have paid back.
const PAYERS: usize = 256;
/// Challenges that wait, of all lines.
const ROOM: usize = 65_536;

#[derive(Debug)]
pub(super) struct Asking(BoundedMap<Line, LineQuestions>);

#[derive(Debug, Default)]
struct LineQuestions {
    all: InVain,
    /// Of them, those that nobody can have sent in the name of another.
    proven: InVain,
    payers: BTreeSet<Account>,
    payers_since: KernelTime,
    limited_until: KernelTime,
    last: KernelTime,
}

#[derive(Debug, Default)]
struct InVain {
    /// When they were challenged; the oldest first.
    waiting: VecDeque<(KernelTime, Option<Account>)>,
    count: Score,
}

/// The consequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follows {
    Nothing,
    /// The line is limited until then: so many asked in vain.
    Limit {
        until: KernelTime,
        count: u32,
    },
    /// So many that are proven.
    Ban {
        count: u32,
    },
}

impl Default for Asking {
    fn default() -> Self {
        Self(BoundedMap::new(ROOM))
    }
}

impl Asking {
    /// A request without credentials was challenged. `is_known`: there is nobody to limit.
    pub(super) fn challenged(&mut self, evidence: &Evidence, is_known: bool) -> Follows {
        let at = evidence.at;
        self.0.change(&Line::of(evidence.source), |asked| {
            asked.last = asked.last.max(at);
            asked.all.wait(evidence, PAUSE, FREE + AFTERWARDS);
            if evidence.proof == Proof::Unproven {
                return asked.limit(at, is_known);
            }
            asked.proven.wait(evidence, PROVEN_PAUSE, PROVEN_FREE + 1);
            let count = asked.proven.count.count(at, PROVEN_PAUSE);
            if count > PROVEN_FREE { Follows::Ban { count } } else { asked.limit(at, is_known) }
        })
    }

    /// Credentials came from there: it was no idle question. Some phones authenticate by another name than they ask by.
    pub(super) fn followed(&mut self, evidence: &Evidence) {
        self.0.change_if_any(&Line::of(evidence.source), |asked| {
            asked.all.followed(evidence.account.as_ref());
            asked.proven.followed(evidence.account.as_ref());
        });
    }

    /// Credentials of that account were accepted there.
    pub(super) fn worked(&mut self, evidence: &Evidence) {
        let Some(account) = &evidence.account else { return };
        self.0.change_if_any(&Line::of(evidence.source), |asked| {
            if asked.pays(account, evidence.at) {
                asked.all.count.take(WHOLE, PAUSE);
                asked.proven.count.take(WHOLE, PROVEN_PAUSE);
            }
        });
    }

    pub(super) fn banned(&mut self, line: Line) {
        self.0.remove(&line);
    }

    #[cfg(test)]
    pub(super) const fn weight(&self) -> usize {
        self.0.weight()
    }
}

impl LineQuestions {
    /// Each account once in a while.
    fn pays(&mut self, account: &Account, at: KernelTime) -> bool {
        if !is_recent(self.payers_since, at, PAID) {
            self.payers.clear();
            self.payers_since = at;
        }
        self.payers.len() < PAYERS && self.payers.insert(account.clone())
    }

    fn limit(&mut self, at: KernelTime, is_known: bool) -> Follows {
        let count = self.all.count.count(at, PAUSE);
        let is_limited = self.limited_until > at + RENEWED;
        if count <= FREE || is_limited || is_known {
            return Follows::Nothing;
        }
        self.limited_until = at + LIMITED;
        Follows::Limit { until: self.limited_until, count }
    }
}

impl InVain {
    /// `most` are counted: a flood ends soon after it has ended.
    fn wait(&mut self, evidence: &Evidence, pause: Duration, most: u32) {
        self.waiting.push_back((evidence.at, evidence.account.clone()));
        while let Some((at, _)) = self.waiting.front()
            && (self.waiting.len() > WAITING || !is_recent(*at, evidence.at, ANSWERED_WITHIN))
        {
            if self.count.count(evidence.at, pause) < most {
                self.count.add(WHOLE, evidence.at, pause);
            }
            self.waiting.pop_front();
        }
    }

    fn followed(&mut self, account: Option<&Account>) {
        let before = self.waiting.len();
        self.waiting.retain(|(_, waiting)| waiting.is_none() || waiting.as_ref() != account);
        if self.waiting.len() == before {
            self.waiting.pop_front();
        }
    }
}

impl Evictable for LineQuestions {
    fn weight(&self) -> usize {
        self.all.waiting.len() + self.proven.waiting.len() + 1
    }

    /// A line is kept that cannot be somebody else's, is limited, or asked in vain, rather than one that has only
    /// just asked.
    fn worth(&self) -> u32 {
        let asked = |in_vain: &InVain| in_vain.count != Score::default();
        let is_proven = asked(&self.proven) || !self.proven.waiting.is_empty();
        2 * u32::from(is_proven)
            + u32::from(self.limited_until > KernelTime::START)
            + u32::from(asked(&self.all))
    }

    fn last(&self) -> KernelTime {
        self.last
    }
}
