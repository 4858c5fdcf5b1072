//! Recent incidents of accounts and sources, for `Observer::diagnose`.

use std::{net::IpAddr, time::Duration};

use super::{
    diagnosis::{Diagnosis, Subject},
    fingerprint::{Fingerprint, Fingerprinter},
    two_tier_map::TwoTierMap,
    verified_sources::VerifiedSources,
};
use sipward_types::{account::Account, cause::Cause, evidence::Proof, time::KernelTime};

/// Of each proof. What is forged in somebody's name does not push out what is not.
const LINES_MAX: usize = 8;
/// A day.
const LATELY: Duration = Duration::from_secs(86_400);
/// A phone that kept one nonce is no problem.
const STALE_MIN: u32 = 2;

/// By account and by source: one line for each cause, account and source.
#[derive(Debug)]
pub(super) struct Histories {
    subjects: TwoTierMap<Fingerprint, Vec<Diagnosis>>,
    forgotten: u64,
}

/// Something that went wrong.
#[derive(Clone, Debug)]
pub(super) struct Incident {
    pub(super) at: KernelTime,
    pub(super) cause: Cause,
    pub(super) account: Option<Account>,
    pub(super) source: IpAddr,
    pub(super) status: Option<u16>,
    pub(super) proof: Proof,
}

impl Incident {
    /// As the first of its kind.
    pub(super) fn diagnosis(&self) -> Diagnosis {
        let Self { at, cause, ref account, source, status, proof } = *self;
        Diagnosis { cause, account: account.clone(), source, count: 1, since: at, last: at, status, proof }
    }
}

impl Histories {
    pub(super) fn new(capacity: usize) -> Self {
        Self { subjects: TwoTierMap::new(capacity), forgotten: 0 }
    }

    pub(super) const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    pub(super) fn add_up(
        &mut self,
        diagnosis: &Diagnosis,
        fingerprinter: &Fingerprinter,
        verified_sources: &VerifiedSources,
    ) {
        let whose = verified_sources.find(diagnosis.source);
        for subject in subjects(diagnosis.account.as_ref(), diagnosis.source) {
            let key = key(subject, fingerprinter);
            let mut lines = self.subjects.remove(&key).unwrap_or_default();
            add(&mut lines, diagnosis);
            self.forgotten += u64::from(self.subjects.insert(key, lines, whose));
        }
    }

    /// The account worked at the source at that time. What is handed in late may be of later.
    pub(super) fn worked(
        &mut self,
        account: Option<&Account>,
        source: IpAddr,
        at: KernelTime,
        fingerprinter: &Fingerprinter,
    ) {
        for subject in subjects(account, source) {
            let key = key(subject, fingerprinter);
            if let Some(lines) = self.subjects.get_mut(&key) {
                let is_other = |line: &Diagnosis| line.account.as_ref() != account || line.source != source;
                lines.retain(|line| is_other(line) || line.last > at);
                if lines.is_empty() {
                    self.subjects.remove(&key);
                }
            }
        }
    }

    pub(super) fn diagnose(
        &self,
        subject: Subject<'_>,
        now: KernelTime,
        fingerprinter: &Fingerprinter,
    ) -> Vec<Diagnosis> {
        let lines = self.subjects.get(&key(subject, fingerprinter)).map(Vec::as_slice).unwrap_or_default();
        let matters = |line: &&Diagnosis| {
            now.since(line.last) < LATELY && (line.cause != Cause::StaleNonces || line.count >= STALE_MIN)
        };
        let mut lines: Vec<Diagnosis> = lines.iter().filter(matters).cloned().collect();
        lines.sort_by_key(|line| std::cmp::Reverse(line.last));
        lines
    }
}

fn subjects(account: Option<&Account>, source: IpAddr) -> impl Iterator<Item = Subject<'_>> {
    let account = account.map(|account| Subject::Account(account.as_str()));
    account.into_iter().chain([Subject::Source(source)])
}

fn key(subject: Subject<'_>, fingerprinter: &Fingerprinter) -> Fingerprint {
    match subject {
        Subject::Account(name) => fingerprinter.of(("account", name)),
        Subject::Source(source) => fingerprinter.of(("source", source)),
    }
}

fn add(lines: &mut Vec<Diagnosis>, new: &Diagnosis) {
    let is_same = |other: &&mut Diagnosis| {
        (other.cause, &other.account, other.source, other.proof)
            == (new.cause, &new.account, new.source, new.proof)
    };
    if let Some(same) = lines.iter_mut().find(is_same) {
        same.count = same.count.saturating_add(new.count);
        same.since = same.since.min(new.since);
        same.last = same.last.max(new.last);
        same.status = new.status;
        return;
    }
    let alike = lines.iter().enumerate().filter(|(_, other)| other.proof == new.proof);
    if alike.clone().count() >= LINES_MAX
        && let Some((oldest, _)) = alike.min_by_key(|(_, other)| other.last)
    {
        lines.remove(oldest);
    }
    lines.push(new.clone());
}
