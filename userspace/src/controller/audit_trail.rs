//! The audit trail, for answers.

use crate::{
    clock::Clock,
    refusal::Refusal,
    store::{AuditGone, Store, StoreError},
    wire::audited,
};
use sipward_api::{Audit, item};
use sipward_types::time::format_duration;

#[derive(Debug)]
pub struct AuditTrail {
    /// The latest first.
    pub lines: Vec<item::Audited>,
    /// Of what is no longer kept, where they end before as many were found as were asked for.
    pub gone: Vec<String>,
}

pub fn audit_trail(store: &Store, audit: &Audit) -> Result<AuditTrail, Refusal> {
    let failed = |error: StoreError| Refusal::failed(error.to_string());
    let Audit { limit, source, account } = audit;
    let entries = store.audit(*limit as usize, *source, account.as_deref()).map_err(failed)?;
    let gone = if entries.len() < *limit as usize { store.audit_gone().map_err(failed)? } else { Vec::new() };
    Ok(AuditTrail {
        lines: entries.into_iter().map(audited).collect(),
        gone: gone.into_iter().map(|gone| older(gone, &Clock::read())).collect(),
    })
}

fn older(AuditGone { of_guard, lines, at }: AuditGone, now: &Clock) -> String {
    let whose = if of_guard { "of the guard" } else { "of others than the guard" };
    let age = format_duration(now.wall.since(at));
    format!("{lines} older lines {whose} have been deleted; the latest of them was {age} old")
}
