//! Evidence that a local program hands in.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use sipward_api::evidence::{AuthOutcome, OLDEST, Outcome, Transport};
use sipward_engine::observe::{ALL_PHONES, stable_hash};
use sipward_types::{
    account::Account,
    evidence::{Evidence, Kind, Proof},
    flow::Flow,
    time::KernelTime,
};

/// A longer registration counts for so long: no packet shows whether it is true, and a figure that is wrong would keep its
/// source known for decades. A phone that is there is handed in again within a week.
const LONGEST_REGISTRATION: Duration = Duration::from_secs(7 * 86_400);

/// Numbers the attempts of failures.
#[derive(Debug, Default)]
pub struct Attempts {
    hasher: RandomState,
    /// For failures that do not say which attempt they are.
    count: AtomicU64,
}

impl Attempts {
    fn number(&self, attempt: Option<&str>) -> u64 {
        match attempt {
            Some(attempt) => self.hasher.hash_one(("said", attempt)),
            None => self.hasher.hash_one(("new", self.count.fetch_add(1, Ordering::Relaxed))),
        }
    }
}

/// As the guard takes it, `None` if it is too old. The error names the field and what it should be.
pub fn evidence(
    outcome: &AuthOutcome,
    attempts: &Attempts,
    now: KernelTime,
) -> Result<Option<Evidence>, String> {
    let account = outcome.account.as_ref().map(|name| {
        Account::new(name.as_bytes()).ok_or("account: this is empty; write the user name of the credentials")
    });
    let account = account.transpose()?;
    let may_be_nobody = matches!(outcome.outcome, Outcome::Challenged | Outcome::Refused);
    if account.is_none() && !may_be_nobody {
        return Err("account: missing; write the user name of the credentials".to_owned());
    }
    let at = now - Duration::from_secs(outcome.ago);
    let kind = kind(outcome, attempts, at)?;
    let is_proven = outcome.proven || outcome.transport != Transport::Udp;
    Ok((outcome.ago <= OLDEST).then(|| Evidence {
        at,
        source: outcome.source.to_canonical(),
        flow: Flow { port: outcome.port, transport: outcome.transport.of_packets() },
        account,
        method: outcome.method,
        kind,
        proof: if is_proven { Proof::Proven } else { Proof::Unproven },
        // The filter may not be able to drop what is suspended, as over TLS. So a failure after a suspension is no sign
        // of a way around it. Nor could the edge say more: it hears of a suspension a moment after the decision, and later
        // where the daemon was away, and whoever fails in that moment has found no way around anything.
        made_after: KernelTime::START,
    }))
}

fn kind(outcome: &AuthOutcome, attempts: &Attempts, at: KernelTime) -> Result<Kind, String> {
    let AuthOutcome { attempt, contact, lasts, .. } = outcome;
    let fields = [
        ("attempt", attempt.is_some(), matches!(outcome.outcome, Outcome::Failed)),
        (
            "contact",
            contact.is_some(),
            matches!(outcome.outcome, Outcome::Registered | Outcome::Unregistered),
        ),
        ("lasts", lasts.is_some(), matches!(outcome.outcome, Outcome::Registered)),
    ];
    if let Some((field, ..)) = fields.into_iter().find(|(_, is_there, belongs)| *is_there && !*belongs) {
        return Err(format!("{field}: this does not belong to the outcome; leave it out"));
    }
    Ok(match outcome.outcome {
        Outcome::Succeeded => Kind::Succeeded,
        Outcome::Failed => Kind::Failed { attempt: attempts.number(attempt.as_deref()) },
        Outcome::Registered => {
            let lasts = lasts.filter(|lasts| *lasts > 0).ok_or(
                "lasts: missing or zero; write the seconds until the registration ends, or the outcome unregistered",
            )?;
            let phone = phone(contact.as_deref().unwrap_or_default());
            Kind::Registered {
                phone,
                until: at + Duration::from_secs(lasts.into()).min(LONGEST_REGISTRATION),
            }
        }
        Outcome::Unregistered => Kind::Unregistered { phone: contact.as_deref().map_or(ALL_PHONES, phone) },
        Outcome::Stale => Kind::Stale,
        Outcome::Challenged => Kind::Challenged,
        Outcome::Refused => Kind::Refused,
    })
}

fn phone(contact: &str) -> u64 {
    // Zero means all phones.
    stable_hash(&[b"handed in", contact.as_bytes()]).max(ALL_PHONES + 1)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use sipward_types::{evidence::Method, flow};

    use super::*;

    const NOW: KernelTime = KernelTime::from_nanos(1_000_000_000_000);

    /// A failure, with these fields over it.
    fn outcome(fields: Value) -> AuthOutcome {
        let mut outcome = json!({
            "account": "201", "source": "198.51.100.7", "method": "register", "outcome": "failed"
        });
        outcome.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        serde_json::from_value(outcome).unwrap()
    }

    fn taken(fields: Value) -> Evidence {
        evidence(&outcome(fields), &Attempts::default(), NOW).unwrap().expect("it is not too old")
    }

    fn ago(seconds: u64) -> KernelTime {
        NOW - Duration::from_secs(seconds)
    }

    #[test]
    fn every_outcome_becomes_its_evidence() {
        for (fields, kind) in [
            (json!({ "outcome": "succeeded" }), Kind::Succeeded),
            (json!({ "outcome": "stale" }), Kind::Stale),
            (json!({ "outcome": "challenged" }), Kind::Challenged),
            (json!({ "outcome": "challenged", "account": null }), Kind::Challenged),
            (json!({ "outcome": "refused", "account": null }), Kind::Refused),
            (
                json!({ "outcome": "registered", "lasts": 60, "contact": "a" }),
                Kind::Registered { phone: phone("a"), until: NOW + Duration::from_secs(60) },
            ),
            (
                json!({ "outcome": "registered", "lasts": 60, "ago": 100 }),
                Kind::Registered { phone: phone(""), until: ago(40) },
            ),
            (
                json!({ "outcome": "registered", "lasts": u32::MAX }),
                Kind::Registered { phone: phone(""), until: NOW + LONGEST_REGISTRATION },
            ),
            (json!({ "outcome": "unregistered", "contact": "a" }), Kind::Unregistered { phone: phone("a") }),
            (json!({ "outcome": "unregistered" }), Kind::Unregistered { phone: ALL_PHONES }),
        ] {
            assert_eq!(taken(fields.clone()).kind, kind, "{fields}");
        }
        assert!(matches!(taken(json!({})).kind, Kind::Failed { .. }));
    }

    #[test]
    fn only_tcp_is_proven_by_itself() {
        for (fields, transport, proof) in [
            (json!({}), flow::Transport::Udp, Proof::Unproven),
            (json!({ "proven": true }), flow::Transport::Udp, Proof::Proven),
            (json!({ "transport": "tcp" }), flow::Transport::Tcp, Proof::Proven),
            (json!({ "transport": "tls" }), flow::Transport::Tcp, Proof::Proven),
            (json!({ "transport": "ws" }), flow::Transport::Tcp, Proof::Proven),
            (json!({ "transport": "wss", "proven": false }), flow::Transport::Tcp, Proof::Proven),
        ] {
            let evidence = taken(fields.clone());
            assert_eq!((evidence.flow.transport, evidence.proof), (transport, proof), "{fields}");
        }
    }

    #[test]
    fn an_address_is_as_packets_show_it_and_a_time_as_long_ago() {
        let evidence =
            taken(json!({ "source": "::ffff:198.51.100.7", "port": 5062, "ago": 300, "method": "invite" }));
        assert_eq!(evidence.source.to_string(), "198.51.100.7");
        assert_eq!((evidence.flow.port, evidence.at, evidence.method), (5062, ago(300), Method::Invite));
        assert_eq!(evidence.made_after, KernelTime::START);
        for ago in [301, u64::MAX] {
            assert_eq!(super::evidence(&outcome(json!({ "ago": ago })), &Attempts::default(), NOW), Ok(None));
        }
    }

    #[test]
    fn a_failure_is_an_attempt_of_its_own_unless_it_says_which() {
        let attempts = Attempts::default();
        let number = |fields| match evidence(&outcome(fields), &attempts, NOW) {
            Ok(Some(Evidence { kind: Kind::Failed { attempt }, .. })) => attempt,
            other => panic!("{other:?}"),
        };
        assert_ne!(number(json!({})), number(json!({})));
        assert_eq!(number(json!({ "attempt": "a" })), number(json!({ "attempt": "a" })));
        assert_ne!(number(json!({ "attempt": "a" })), number(json!({ "attempt": "b" })));
    }

    #[test]
    fn what_does_not_fit_together_is_refused_by_the_name_of_the_field() {
        for (fields, expected) in [
            (json!({ "account": null }), "account: missing; write"),
            (json!({ "account": "" }), "account: this is empty; write"),
            (json!({ "account": null, "outcome": "stale" }), "account: missing; write"),
            (json!({ "outcome": "registered" }), "lasts: missing or zero; write"),
            (json!({ "outcome": "registered", "lasts": 0 }), "lasts: missing or zero; write"),
            (json!({ "lasts": 60 }), "lasts: this does not belong"),
            (json!({ "contact": "a" }), "contact: this does not belong"),
            (json!({ "outcome": "succeeded", "attempt": "a" }), "attempt: this does not belong"),
        ] {
            let error = evidence(&outcome(fields.clone()), &Attempts::default(), NOW).unwrap_err();
            assert!(error.starts_with(expected), "{fields}: {error}");
        }
    }
}
