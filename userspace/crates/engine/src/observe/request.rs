//! A request of somebody's to the PBX: what is kept of it until its answer comes.

use std::net::IpAddr;

use super::{
    fingerprint::{Fingerprint, Fingerprinter},
    registration::{Wish, stable_hash},
    streams::End,
};
use sipward_sip::{Credentials, Message, Start};
use sipward_types::tapped::Charges;
use sipward_types::time::KernelTime;
use sipward_types::{account::Account, evidence::Method, flow::Flow};

#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) at: KernelTime,
    pub(super) source: IpAddr,
    pub(super) flow: Flow,
    pub(super) method: Method,
    pub(super) account: Option<Account>,
    /// Others that its credentials name. Nobody can tell which of them the PBX looked at.
    pub(super) others: Vec<Account>,
    /// All its credentials that the PBX may look at are that account's, as far as they were seen.
    pub(super) is_of_one: bool,
    /// The facts by which a PBX decides whether it asks for credentials: source, method, sender and destination, and
    /// whether it is part of a call.
    pub(super) question: Fingerprint,
    /// The same with whose credentials it has.
    pub(super) own_question: Fingerprint,
    /// A part of its header was not seen, and there may have been credentials in it.
    pub(super) is_cut: bool,
    /// Of what it is called, the same where it comes again.
    pub(super) number: u64,
    /// From and To are the same user: an answer about the one is about the other.
    pub(super) about_itself: bool,
    pub(super) credentials: Vec<Presented>,
    /// Of all credentials.
    pub(super) attempts: Fingerprint,
    pub(super) from: Fingerprint,
    /// It is from where it says. Settled when it comes: a secret that somebody is told later was none of his then.
    pub(super) proven: bool,
    pub(super) wish: Wish,
    /// It is part of a call.
    pub(super) in_dialog: bool,
    pub(super) uri: Fingerprint,
    pub(super) call_id: Fingerprint,
    /// Of From.
    pub(super) tag: Fingerprint,
    /// On TCP: where its header ends in the stream.
    pub(super) ends: Option<End>,
    pub(super) charged: Charges,
    /// It is answered by the edge, which hands in by itself what it decides.
    pub(super) is_of_edge: bool,
    /// Account and source.
    pub(super) who: Fingerprint,
    /// Call-ID and source.
    pub(super) call: Fingerprint,
    /// Something on the way seems to have rewritten it.
    pub(super) rewritten: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Presented {
    pub(super) nonce: Fingerprint,
    pub(super) realm: Fingerprint,
    /// Of all of it.
    pub(super) attempt: u64,
    /// Of nonce, account and source.
    pub(super) used: Fingerprint,
    /// The number of times that the nonce had come back from them before.
    pub(super) earlier: u32,
}

/// Where a request came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) at: KernelTime,
    pub(super) source: IpAddr,
    pub(super) flow: Flow,
    /// On TCP: where its header ends in the stream.
    pub(super) ends: Option<End>,
    /// The filter has charged its line for the credentials.
    pub(super) charged: Charges,
    pub(super) is_of_edge: bool,
}

/// In bytes: what a PBX may have read behind a request before it answers that, if the request may be from nowhere.
const BEHIND_MAX: u32 = 1 << 16;
/// Names of one request that are looked at.
const NAMES_MAX: usize = 8;

impl Request {
    pub(super) fn of(
        message: &Message<'_>,
        method: &[u8],
        origin: Origin,
        rewritten: bool,
        fingerprinter: &Fingerprinter,
        is_own_realm: &dyn Fn(Fingerprint) -> bool,
    ) -> Self {
        let Origin { at, source, flow, ends, charged, is_of_edge } = origin;
        // PJSIP reads them so.
        let method = &method.to_ascii_uppercase()[..];
        let from = &message.from.uri;
        let own = own(message, fingerprinter, is_own_realm);
        let account = account(message, &own, method);
        let others = others(message, account.as_ref());
        let who = fingerprinter.of((source, account.as_ref().map(Account::as_str)));
        let presented = message.credentials.iter().map(|credentials| {
            let nonce = nonce(credentials.nonce, fingerprinter);
            Presented {
                nonce,
                realm: fingerprinter.of(credentials.realm),
                attempt: stable_hash(&[credentials.raw]),
                used: fingerprinter.of((nonce, who)),
                earlier: 0,
            }
        });
        let uri = match message.start {
            Start::Request { uri, .. } => fingerprinter.of(uri),
            Start::Answer { .. } => 0,
        };
        let in_dialog = message.to.tag.is_some();
        let question = fingerprinter.of(("question", source, method, from.user, from.host, uri, in_dialog));
        let method = match method {
            b"REGISTER" => Method::Register,
            b"INVITE" => Method::Invite,
            _ => Method::Other,
        };
        Self {
            at,
            source,
            flow,
            method,
            about_itself: !from.user.is_empty() && from.user == message.to.uri.user,
            question,
            from: from_fingerprint(message, fingerprinter),
            own_question: fingerprinter.of((question, who)),
            is_cut: message.body.is_none(),
            number: stable_hash(&[message.call_id, message.via.branch]),
            is_of_one: message.body.is_some() && are_of(&own, account.as_ref()),
            others,
            in_dialog,
            uri,
            call_id: fingerprinter.of(message.call_id),
            tag: fingerprinter.of(message.from.tag),
            ends,
            charged,
            is_of_edge,
            credentials: presented.collect(),
            attempts: fingerprinter.of(message.credentials.iter().map(|own| own.raw).collect::<Vec<_>>()),
            proven: false,
            wish: match method {
                Method::Register => Wish::of(message, fingerprinter),
                Method::Invite | Method::Other => Wish::Nothing,
            },
            who,
            call: fingerprinter.of((source, message.call_id)),
            account,
            rewritten,
        }
    }

    pub(super) fn has_credentials(&self) -> bool {
        !self.credentials.is_empty()
    }

    /// True if the PBX has read it, if it has read its stream up to there.
    pub(super) fn is_within(&self, acknowledged: Option<u32>) -> bool {
        let Some(ends) = self.ends else { return true };
        let behind_max = if ends.fits { i32::MAX as u32 } else { BEHIND_MAX };
        acknowledged.is_some_and(|read| read.wrapping_sub(ends.before) <= behind_max)
    }

    /// The same once more, as far as the PBX's answer depends on it.
    pub(super) fn repeats(&self, before: &Self) -> bool {
        self.attempts == before.attempts && self.from == before.from
    }
}

/// The credentials that the PBX may look at: those for a realm of its own, where there are any.
fn own<'m, 'a>(
    message: &'m Message<'a>,
    fingerprinter: &Fingerprinter,
    is_own_realm: &dyn Fn(Fingerprint) -> bool,
) -> Vec<&'m Credentials<'a>> {
    let is_own = |own: &&Credentials<'_>| is_own_realm(fingerprinter.of(own.realm));
    let own: Vec<_> = message.credentials.iter().filter(is_own).collect();
    if own.is_empty() { message.credentials.iter().collect() } else { own }
}

/// It looks at the first of these.
fn account(message: &Message<'_>, own: &[&Credentials<'_>], method: &[u8]) -> Option<Account> {
    let names = own.iter().map(|credentials| credentials.username);
    let to = message.to.uri.user;
    let owner = if method == b"REGISTER" && !to.is_empty() { to } else { message.from.uri.user };
    names.chain([owner]).find_map(Account::new)
}

/// Whichever of them it looks at.
fn are_of(own: &[&Credentials<'_>], account: Option<&Account>) -> bool {
    let names = own.iter().flat_map(|credentials| credentials.names());
    names.filter_map(Account::new).all(|name| Some(&name) == account)
}

fn others(message: &Message<'_>, account: Option<&Account>) -> Vec<Account> {
    let mut others = Vec::new();
    let names = message.credentials.iter().flat_map(Credentials::names);
    for name in names.filter_map(Account::new) {
        if others.len() < NAMES_MAX - 1 && Some(&name) != account && !others.contains(&name) {
            others.push(name);
        }
    }
    others
}

/// Of the From header, which an answer brings back.
pub(super) fn from_fingerprint(message: &Message<'_>, fingerprinter: &Fingerprinter) -> Fingerprint {
    fingerprinter.of(("from", message.from.uri.user, message.from.uri.host))
}

pub(super) fn nonce(nonce: &[u8], fingerprinter: &Fingerprinter) -> Fingerprint {
    fingerprinter.of(("nonce", nonce))
}
