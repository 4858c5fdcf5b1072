//! All that is in force about accounts.

use super::Controller;
use crate::{
    refusal::Refusal,
    wire::{InForceChange, InForceFacts},
};
use sipward_kernel::clock::now;

impl Controller {
    pub fn in_force(&mut self) -> Result<InForceFacts, Refusal> {
        let enforces = self.enforces()?;
        let (guard, enforced) = (&self.guard_runtime.guard, &self.guard_runtime.enforced);
        let suspensions = enforced.suspensions(now()).filter_map(InForceChange::of_suspension);
        let worked = guard.worked_accounts(now()).map(|(source, account, until)| InForceChange::Worked {
            account: account.clone(),
            source,
            until,
        });
        Ok(InForceFacts {
            enforces,
            passes_suspended: enforced.passes(),
            guard_settings: *guard.settings(),
            changes: suspensions.chain(worked).collect(),
        })
    }
}
