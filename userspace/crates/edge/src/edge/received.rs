//! The consequences of a message.

use sipward_types::{account::Account, flow::Transport};

use super::{
    Evidence,
    cause::{self, Cause},
};
use crate::{forward::Forwarded, link::Link, refusals::Refusal};

#[derive(Debug, Default)]
pub struct Received {
    pub sends: Vec<Forwarded>,
    pub evidence: Vec<Evidence>,
    /// Why it was refused or dropped.
    pub cause: Option<Cause>,
    /// The same more closely, for the operator: to the sender it would say too much.
    pub detail: Option<String>,
    /// Of a refused request of a phone: the one that it names.
    pub account: Option<Account>,
}

impl Received {
    /// Why the sender has not got what it wanted, for those who look after it. Every phone is asked for credentials when it
    /// begins, so that alone is none.
    pub fn refusal(&self, from: Link) -> Option<Refusal> {
        let cause = self.cause.filter(|cause| *cause != Cause::Challenged)?;
        // A connection proves the address, and no name.
        let is_proven = match self.account {
            Some(_) => cause::is_proven(cause),
            None => from.transport == Transport::Tcp,
        };
        Some(Refusal {
            cause,
            account: self.account.clone(),
            source: from.peer.ip().to_canonical(),
            is_proven,
        })
    }

    /// The status of the answer to a refused request.
    pub fn status(&self) -> Option<u16> {
        let rest = self.sends.first()?.bytes.strip_prefix(b"SIP/2.0 ")?;
        std::str::from_utf8(rest.get(..3)?).ok()?.parse().ok()
    }
}
