//! A request of somebody's to the PBX: what is kept of it until its answer comes.

use std::net::IpAddr;

use super::{
    message::Message,
    prints::{Print, Prints},
    registration::{Wish, stable},
};
use crate::guard::{Account, Flow, Method};

#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) at: u64,
    pub(super) source: IpAddr,
    pub(super) flow: Flow,
    pub(super) method: Method,
    pub(super) account: Option<Account>,
    /// All its credentials are that account's. Of others nobody can tell which of them the PBX looked at.
    pub(super) is_of_one: bool,
    /// From and To are the same user: an answer about the one is about the other.
    pub(super) about_itself: bool,
    pub(super) credentials: Vec<Presented>,
    /// Of all credentials.
    pub(super) attempts: Print,
    /// It is from where it says. Settled when it comes: a secret that somebody is told later was none of his then.
    pub(super) proven: bool,
    pub(super) wish: Wish,
    /// Account and source.
    pub(super) who: Print,
    /// Call-ID and source.
    pub(super) call: Print,
    /// Something on the way seems to have rewritten it.
    pub(super) rewritten: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Presented {
    pub(super) nonce: Print,
    pub(super) realm: Print,
    /// Of all of it.
    pub(super) attempt: u64,
    /// Of nonce, account and source.
    pub(super) used: Print,
    /// How often the nonce had come back from them before.
    pub(super) earlier: u32,
}

/// Where a request came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) at: u64,
    pub(super) source: IpAddr,
    pub(super) flow: Flow,
}

impl Request {
    pub(super) fn of(
        message: &Message<'_>,
        method: &[u8],
        origin: Origin,
        rewritten: bool,
        prints: &Prints,
    ) -> Self {
        let Origin { at, source, flow } = origin;
        let from = message.from.uri.user;
        let name = message.credentials.iter().map(|credentials| credentials.username);
        let account = name.chain([from]).find_map(Account::new);
        let who = prints.of((source, account.as_ref().map(Account::as_str)));
        let presented = message.credentials.iter().map(|credentials| {
            let nonce = nonce(credentials.nonce, prints);
            Presented {
                nonce,
                realm: prints.of(credentials.realm),
                attempt: stable(&[credentials.raw]),
                used: prints.of((nonce, who)),
                earlier: 0,
            }
        });
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
            about_itself: !from.is_empty() && from == message.to.uri.user,
            is_of_one: message.credentials.windows(2).all(|pair| pair[0].username == pair[1].username),
            credentials: presented.collect(),
            attempts: prints.of(message.credentials.iter().map(|own| own.raw).collect::<Vec<_>>()),
            proven: false,
            wish: match method {
                Method::Register => Wish::of(message, prints),
                Method::Invite | Method::Other => Wish::Nothing,
            },
            who,
            call: prints.of((source, message.call_id)),
            account,
            rewritten,
        }
    }

    pub(super) fn has_credentials(&self) -> bool {
        !self.credentials.is_empty()
    }

    /// The same once more, as far as the PBX's answer depends on it.
    pub(super) fn repeats(&self, before: &Self) -> bool {
        self.attempts == before.attempts
    }
}

pub(super) fn nonce(nonce: &[u8], prints: &Prints) -> Print {
    prints.of(("nonce", nonce))
}
