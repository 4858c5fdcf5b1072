//! Diagnoses of refused requests, observed or handed in.

use std::time::Duration;

use super::Offset;
use sipward_api::{
    item::{self, Diagnosed},
    report,
};
use sipward_engine::observe::Diagnosis;
use sipward_types::{account::Account, evidence::Proof, time::KernelTime};

/// Refusals that the edge hands in. The error names the field and what it should be.
pub fn refusals(refused: &report::Refused, now: KernelTime) -> Result<Diagnosis, String> {
    let report::Refused { cause, account, source, proven, status, count, ago, within } = refused;
    let account = account.as_ref().map(|name| {
        Account::new(name.as_bytes()).ok_or("account: this is empty; write the user name, or leave it out")
    });
    if *count == 0 {
        return Err("count: this is zero; leave out what did not happen".to_owned());
    }
    let last = now - Duration::from_secs(*ago);
    Ok(Diagnosis {
        cause: *cause,
        account: account.transpose()?,
        source: source.to_canonical(),
        count: *count,
        since: last - Duration::from_secs(*within),
        last,
        status: *status,
        proof: if *proven { Proof::Proven } else { Proof::Unproven },
    })
}

/// The same as an event.
pub fn refused(refusals: &Diagnosis, offset: Offset) -> item::Refused {
    let Diagnosis { cause, account, source, count, last, status, proof, .. } = refusals;
    item::Refused {
        ts: offset.to_wall(*last).as_secs_f64(),
        refused: cause.name().to_owned(),
        account: account.as_ref().map(ToString::to_string),
        source: source.to_string(),
        count: *count,
        status: *status,
        proven: *proof == Proof::Proven,
    }
}

pub(super) fn diagnosed(diagnoses: &[Diagnosis]) -> Vec<Diagnosed> {
    let offset = Offset::now();
    let one = |diagnosis: &Diagnosis| {
        let Diagnosis { cause, account, source, count, since, last, status, proof } = diagnosis;
        Diagnosed {
            cause: cause.name().to_owned(),
            account: account.as_ref().map(ToString::to_string),
            source: source.to_string(),
            count: *count,
            since: offset.to_wall(*since).as_secs(),
            last: offset.to_wall(*last).as_secs(),
            status: *status,
            proven: *proof == Proof::Proven,
            sentence: cause.sentence().to_owned(),
            remedy: cause.remedy().to_owned(),
        }
    };
    diagnoses.iter().map(one).collect()
}
