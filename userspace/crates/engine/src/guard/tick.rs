//! Suspensions and known sources that end with time.

use super::{Decision, Guard, GuardAction, Rule, Trigger, blind::Missed};
use sipward_types::time::KernelTime;

/// Of each kind, in one call.
const AT_ONCE: usize = 256;

const EXPIRED: Trigger = Trigger { rule: Rule::Expired, count: 0, seconds: 0 };

impl Guard {
    /// So many packets were not seen, which may have shown who works. An alert is raised if that goes on for too long.
    pub fn missed(&mut self, at: KernelTime, count: u64) -> Option<Decision> {
        let Missed { count, seconds } = self.blind.miss(at, count)?;
        self.alerts.raise(at, None, None, Trigger { rule: Rule::Missed, count, seconds })
    }

    /// Ends suspensions and known sources that have run out. A call does a bounded part; the next call does the rest.
    pub fn tick(&mut self, now: KernelTime) -> Vec<Decision> {
        let expired = |action| Decision { at: now, action, trigger: EXPIRED };
        let mut decisions = Vec::new();
        for _ in 0..AT_ONCE {
            let Some(key) = self.suspensions.ended(now) else { break };
            self.suspensions.remove(&key);
            let (account, source) = key;
            decisions.push(expired(GuardAction::Lift { account, source }));
        }
        for _ in 0..AT_ONCE {
            let Some(action) = self.known.ended(now, &self.settings.known, &self.blind) else { break };
            if let Some(GuardAction::Forget { source }) = &action {
                self.uses.forget(*source);
            }
            decisions.extend(action.map(expired));
        }
        for _ in 0..AT_ONCE {
            let Some(action) = self.flows.ended(now, &self.settings.known, &self.blind) else { break };
            decisions.extend(action.map(expired));
        }
        self.bans.expire(now, AT_ONCE);
        decisions
    }
}
