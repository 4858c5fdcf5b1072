//! Digest authentication: challenges, and verdicts on credentials.
//!
//! A verdict costs two hash runs (three with `-sess`), whether the account exists or not, and only where the nonce is
//! current and was issued to that address: before that nothing is hashed but the nonce's own signature.

mod credentials;
mod nonce;
mod nonce_counts;
mod request;

#[cfg(test)]
mod tests;

use std::{net::IpAddr, time::Duration};

use sipward_types::time::KernelTime;

use self::{
    credentials::ResponseParts,
    nonce::{NonceId, Nonces},
    nonce_counts::{NonceCounts, Use},
};
pub use self::{
    credentials::{CredentialsError, DigestCredentials},
    request::DigestRequest,
};
use crate::{
    account::PreparedAccount,
    digest::{Algorithm, DigestHasher, DigestInput, Ha1, HashFunction, Realm},
    keys::{Keys, Purpose},
};

/// Used nonces of which the counts are known. One phone uses one at a time.
const NONCES_USED: usize = 65_536;

#[derive(Clone, Debug)]
pub struct AuthenticatorSettings {
    pub realm: Realm,
    /// In the order of the challenge lines. Phones take the first that they know, and some only ever look at the first.
    pub algorithms: Vec<Algorithm>,
    pub nonce_lifetime: Duration,
}

/// Challenges requests, and judges the credentials that come back.
#[derive(Debug)]
pub struct Authenticator {
    algorithms: Vec<Algorithm>,
    nonces: Nonces,
    counts: NonceCounts,
    hasher: DigestHasher,
    /// By hash function. A name without an account is checked against these.
    dummy_ha1s: [Ha1; HashFunction::ALL.len()],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestVerdict {
    /// The nonce is current, was issued to that address and was not used in this way before; the digest is right. This
    /// proves the address, too.
    Right {
        /// The very same request was right already: it is sent again.
        again: bool,
    },
    /// To be challenged anew with `stale=true`. It says nothing about the password.
    Stale(Staleness),
    /// The nonce is current and was issued to that address, which is proven by that; the digest is wrong.
    Wrong(WrongDigest),
    /// The credentials are for another server.
    OtherRealm,
    /// The credentials are for this server, and are none that it asked for.
    Malformed(CredentialsError),
    /// No challenge line had the algorithm.
    AlgorithmNotOffered,
}

/// Why a nonce is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Staleness {
    /// Its lifetime is over.
    Old,
    /// It was issued before the edge or the machine was started: its counts are not known here.
    OtherRun,
    /// It was not issued here, or to another address.
    Foreign,
    /// The digest is right, but the nonce was used with that count before, or without any.
    CountReused,
    /// The digest is right, but whether the nonce was used before is not known any more: the table is full.
    TableFull,
}

/// Why a digest is wrong. Only the operator may see the difference: it shows whether the account exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WrongDigest {
    /// The response is not the account's, or there is no such account.
    Response,
    /// The account has no HA1 of that hash function in this realm.
    NoHa1,
}

impl Authenticator {
    /// `run` is random, and differs for each authenticator: of each start of the edge, and of each of its workers. A nonce
    /// with another one is stale, because only its own authenticator knows which of its counts were used.
    pub fn new(settings: AuthenticatorSettings, keys: Keys, run: u32) -> Self {
        let AuthenticatorSettings { realm, algorithms, nonce_lifetime } = settings;
        Self {
            algorithms,
            dummy_ha1s: dummy_ha1s(&keys, &realm),
            nonces: Nonces::new(keys, realm, nonce_lifetime, run),
            counts: NonceCounts::new(NONCES_USED),
            hasher: DigestHasher::default(),
        }
    }

    pub const fn realm(&self) -> &Realm {
        self.nonces.realm()
    }

    /// The number of hashes that were run for digests.
    pub const fn digest_runs(&self) -> u64 {
        self.hasher.runs()
    }

    /// The values of the WWW-Authenticate or Proxy-Authenticate headers, in the order in which they are to be sent.
    pub fn challenges(&mut self, source: IpAddr, stale: bool, now: KernelTime) -> Vec<String> {
        let nonce = self.nonces.issue(source, now);
        let realm = self.nonces.realm();
        let stale = if stale { ", stale=true" } else { "" };
        let challenge = |algorithm: &Algorithm| {
            format!("Digest realm=\"{realm}\", nonce=\"{nonce}\"{stale}, algorithm={algorithm}, qop=\"auth\"",)
        };
        self.algorithms.iter().map(challenge).collect()
    }

    /// `account` is the one that the credentials name, if there is such an account.
    pub fn judge(
        &mut self,
        request: &DigestRequest<'_>,
        credentials: &DigestCredentials<'_>,
        account: Option<&PreparedAccount>,
        now: KernelTime,
    ) -> DigestVerdict {
        if *credentials.realm != *self.realm().as_str().as_bytes() {
            return DigestVerdict::OtherRealm;
        }
        let parts = match &credentials.parts {
            Ok(parts) => parts,
            Err(error) => return DigestVerdict::Malformed(*error),
        };
        let offered = |algorithm: &Algorithm| self.algorithms.contains(algorithm);
        let Some(algorithm) = parts.algorithm.filter(offered) else {
            return DigestVerdict::AlgorithmNotOffered;
        };
        let nonce = match self.nonces.check(parts.nonce, request.source, now) {
            Ok(nonce) => nonce,
            Err(why) => return DigestVerdict::Stale(why),
        };
        match self.verify(request, parts, algorithm, account) {
            Ok(()) => self.enter(request, parts, nonce, now),
            Err(why) => DigestVerdict::Wrong(why),
        }
    }

    /// The same work whether there is an account or not, and whatever it can do.
    fn verify(
        &mut self,
        request: &DigestRequest<'_>,
        parts: &ResponseParts<'_>,
        algorithm: Algorithm,
        account: Option<&PreparedAccount>,
    ) -> Result<(), WrongDigest> {
        let ha1 = account.and_then(|account| account.ha1(algorithm.function));
        let input = DigestInput {
            method: request.method,
            uri: parts.uri,
            nonce: parts.nonce,
            cnonce: parts.cnonce,
            count: parts.count.map(|count| count.digits),
        };
        let tried = ha1.unwrap_or(&self.dummy_ha1s[algorithm.function as usize]);
        let is_right = self.hasher.verify(algorithm, tried, &input, parts.response);
        match (account, ha1) {
            (Some(_), Some(_)) if is_right => Ok(()),
            (Some(_), None) => Err(WrongDigest::NoHa1),
            _ => Err(WrongDigest::Response),
        }
    }

    fn enter(
        &mut self,
        request: &DigestRequest<'_>,
        parts: &ResponseParts<'_>,
        nonce: NonceId,
        now: KernelTime,
    ) -> DigestVerdict {
        let count = parts.count.map(|count| count.number);
        let fingerprint = request.fingerprint(parts.response);
        match self.counts.enter(nonce, count, fingerprint, self.nonces.oldest(now), now) {
            Ok(used) => DigestVerdict::Right { again: used == Use::Again },
            Err(why) => DigestVerdict::Stale(why),
        }
    }
}

impl WrongDigest {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Response => "response",
            Self::NoHa1 => "no-ha1",
        }
    }
}

impl Staleness {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Old => "nonce-old",
            Self::OtherRun => "nonce-of-other-run",
            Self::Foreign => "nonce-foreign",
            Self::CountReused => "nonce-count-reused",
            Self::TableFull => "nonce-table-full",
        }
    }
}

/// HA1s of a password that nobody knows. They are made once: made for each unknown name, they would cost an unknown name
/// more than a known one.
fn dummy_ha1s(keys: &Keys, realm: &Realm) -> [Ha1; HashFunction::ALL.len()] {
    let password: [u8; 12] = keys.sign(Purpose::NoAccount, &[realm.as_str().as_bytes()]);
    HashFunction::ALL.map(|function| Ha1::of_password(function, b"", realm, &password))
}
