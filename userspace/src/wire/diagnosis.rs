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

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sipward_types::cause::Cause;

    use super::*;

    const NOW: KernelTime = KernelTime::from_nanos(1_000_000_000_000);

    fn read(fields: &serde_json::Value) -> Result<Diagnosis, String> {
        let mut refused = json!({ "cause": "disabled", "source": "198.51.100.7", "count": 1 });
        refused.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        refusals(&serde_json::from_value(refused).map_err(|error| error.to_string())?, NOW)
    }

    #[test]
    fn refusals_that_are_handed_in_become_a_diagnosis() {
        let ago = |seconds| NOW - Duration::from_secs(seconds);
        let fields = json!({ "account": "201", "source": "::ffff:198.51.100.7", "count": 3, "ago": 5, "within": 9,
                             "status": 403, "proven": true });
        let diagnosis = Diagnosis {
            cause: Cause::Disabled,
            account: Account::new(b"201"),
            source: "198.51.100.7".parse().unwrap(),
            count: 3,
            since: ago(14),
            last: ago(5),
            status: Some(403),
            proof: Proof::Proven,
        };
        assert_eq!(read(&fields), Ok(diagnosis));
        let least = read(&json!({})).unwrap();
        assert_eq!((least.account, least.status, least.proof), (None, None, Proof::Unproven));
    }

    #[test]
    fn what_cannot_be_is_refused_by_the_name_of_the_field() {
        for (fields, expected) in [
            (json!({ "count": 0 }), "count: this is zero"),
            (json!({ "account": "" }), "account: this is empty"),
            (json!({ "cause": "no-such-cause" }), "unknown variant `no-such-cause`"),
        ] {
            let error = read(&fields).unwrap_err();
            assert!(error.starts_with(expected), "{fields}: {error}");
        }
    }
}
