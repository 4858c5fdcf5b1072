//! Evidence: the outcome of one transaction as observed, and whether its source is proven.

use std::net::IpAddr;

use crate::account::Account;
use crate::flow::Flow;
use crate::time::KernelTime;
use serde::{Deserialize, Serialize};

/// The evidence of one transaction, emitted once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    pub at: KernelTime,
    /// Where the packets came from; never what a header says. IPv4 is never written as IPv6.
    pub source: IpAddr,
    pub flow: Flow,
    /// The account that tried to authenticate.
    pub account: Option<Account>,
    pub method: Method,
    pub kind: Kind,
    pub proof: Proof,
    /// The request was made later than that: then the nonce that it answers was sent there; or, over TCP, it came.
    pub made_after: KernelTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    Register,
    Invite,
    Other,
}

/// The proof that the packets came from their source address, or the lack of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Proof {
    /// Anybody could have sent this in the name of that address.
    #[serde(rename = "forgeable")]
    Unproven,
    /// Something came back that only that address had been sent; or it was a TCP connection.
    Proven,
}

/// The outcome, as the PBX's own answer gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Kind {
    /// A request without credentials was asked for some. Never a failure.
    Challenged,
    /// Credentials were refused, and their nonce was a current one.
    Failed {
        /// A hash of the response, nonce and all, that is the same where the very same request comes again.
        attempt: u64,
    },
    /// Credentials were refused, and this name stood in them beside that of the account which [`Failed`](Self::Failed).
    /// It counts against the source, and against nobody who has that name.
    Named {
        /// As of a failure.
        attempt: u64,
    },
    /// Credentials were refused because of their nonce alone: old, of another server, or sent before any challenge.
    Stale,
    /// Refused with 403 or the like, without credentials; or with some that were good lately, so that it is not for them.
    Refused,
    /// The PBX says that there is no such account.
    UnknownAccount,
    /// Credentials were accepted, of a request that is not accepted without.
    Succeeded,
    /// The same for a REGISTER: a phone is reachable until then.
    Registered {
        /// Of its Contact.
        phone: u64,
        until: KernelTime,
    },
    Unregistered {
        /// 0: all phones of the account.
        phone: u64,
    },
    /// Accepted, although the PBX was not seen to refuse the like of it without credentials there: whether those that it
    /// had were right, nobody knows.
    Accepted,
    /// We asked it, by OPTIONS or REGISTER, and it answered: a trunk of ours.
    Qualified,
    /// The filter has charged its line for the credentials, by the budget for nonces that were `issued` to it or by the
    /// other one; and this is whether the PBX has `refused` them. Told beside what else the answer says.
    Charged { issued: bool, refused: bool },
}

impl Kind {
    /// The request had some, as far as can be told by how it ended.
    pub const fn has_credentials(&self) -> bool {
        match self {
            Self::Failed { .. }
            | Self::Stale
            | Self::Succeeded
            | Self::Registered { .. }
            | Self::Unregistered { .. } => true,
            Self::Challenged
            | Self::Named { .. }
            | Self::Refused
            | Self::UnknownAccount
            | Self::Accepted
            | Self::Qualified
            | Self::Charged { .. } => false,
        }
    }
}
