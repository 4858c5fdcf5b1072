//! Challenges that nobody answers, and challenges that never end.

use std::{net::IpAddr, time::Duration};

use super::{diagnosis::Cause, fingerprint::Fingerprint, histories::Incident, request::Request};
use sipward_types::fifo_map::FifoMap;
use sipward_types::time::KernelTime;
use sipward_types::{account::Account, evidence::Proof};

/// Nobody thinks longer about a challenge.
const IGNORED_AFTER: Duration = Duration::from_secs(8);
/// A longer exchange is several attempts, not a loop.
const LOOP_WITHIN: Duration = Duration::from_secs(10);
const LOOP: u32 = 3;

#[derive(Debug)]
pub(super) struct ChallengeTracking {
    /// By call: challenges that wait for credentials.
    waiting: FifoMap<Fingerprint, OpenChallenge>,
    /// By account and source: who answers 401.
    answers_401: FifoMap<Fingerprint, ()>,
    /// By call: when the first credentials were refused, and how many since.
    refused: FifoMap<Fingerprint, (KernelTime, u32)>,
}

#[derive(Debug)]
struct OpenChallenge {
    at: KernelTime,
    status: u16,
    source: IpAddr,
    account: Option<Account>,
    who: Fingerprint,
    proof: Proof,
}

impl ChallengeTracking {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            waiting: FifoMap::new(capacity),
            answers_401: FifoMap::new(capacity),
            refused: FifoMap::new(capacity),
        }
    }

    pub(super) fn challenged(&mut self, request: &Request, at: KernelTime, status: u16, proof: Proof) {
        let Request { source, ref account, who, call, .. } = *request;
        self.waiting.insert(call, OpenChallenge { at, status, source, account: account.clone(), who, proof });
    }

    /// Credentials came.
    pub(super) fn answered(&mut self, request: &Request) {
        if let Some(waiting) = self.waiting.remove(&request.call)
            && waiting.status == 401
        {
            self.answers_401.insert(waiting.who, ());
        }
    }

    /// Credentials were refused with a challenge. True: too often.
    pub(super) fn refused(&mut self, request: &Request) -> bool {
        match self.refused.renew(&request.call) {
            Some((since, count)) if request.at < *since + LOOP_WITHIN => {
                *count += 1;
                *count >= LOOP
            }
            Some(round) => {
                *round = (request.at, 1);
                false
            }
            None => {
                self.refused.insert(request.call, (request.at, 1));
                false
            }
        }
    }

    pub(super) fn worked(&mut self, request: &Request) {
        self.refused.remove(&request.call);
    }

    /// A challenge that nobody will answer any more.
    pub(super) fn ignored(&mut self, now: KernelTime) -> Option<Incident> {
        let (_, waiting) = self.waiting.oldest()?;
        if now < waiting.at + IGNORED_AFTER {
            return None;
        }
        let (_, OpenChallenge { at, status, source, account, who, proof }) = self.waiting.pop()?;
        let only_401 = status == 407 && self.answers_401.get(&who).is_some();
        let cause = if only_401 { Cause::ProxyChallengeIgnored } else { Cause::ChallengeIgnored };
        Some(Incident { at, cause, account, source, status: Some(status), proof })
    }
}
