//! What runs out.

use super::{Because, Decision, Guard, Rule, What, blind::Missed};

/// Of each kind, in one call.
const AT_ONCE: usize = 256;

const EXPIRED: Because = Because { rule: Rule::Expired, count: 0, seconds: 0 };

impl Guard {
    /// So many packets were not seen, which may have shown who works. What goes on for too long is told.
    pub fn missed(&mut self, at: u64, count: u64) -> Option<Decision> {
        let Missed { count, seconds } = self.blind.miss(at, count)?;
        self.alerts.raise(at, None, None, Because { rule: Rule::Missed, count, seconds })
    }

    /// What has run out. A call does so much and no more; what is left is for the next one.
    pub fn tick(&mut self, now: u64) -> Vec<Decision> {
        let expired = |what| Decision { at: now, what, because: EXPIRED };
        let mut decisions = Vec::new();
        for _ in 0..AT_ONCE {
            let Some(door) = self.closed.ended(now) else { break };
            self.closed.open(&door);
            let (account, source) = door;
            decisions.push(expired(What::Lift { account, source }));
        }
        for _ in 0..AT_ONCE {
            let Some(what) = self.known.ended(now, &self.settings.known, &self.blind) else { break };
            if let Some(What::Forget { source }) = &what {
                self.uses.forget(*source);
            }
            decisions.extend(what.map(expired));
        }
        for _ in 0..AT_ONCE {
            let Some(what) = self.flows.ended(now, &self.settings.known, &self.blind) else { break };
            decisions.extend(what.map(expired));
        }
        self.bans.expire(now, AT_ONCE);
        decisions
    }
}
