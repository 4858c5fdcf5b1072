//! Diagnoses of refused requests.

use super::Offset;
use sipward_api::item::Diagnosed;
use sipward_engine::observe::Diagnosis;
use sipward_types::evidence::Proof;

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
