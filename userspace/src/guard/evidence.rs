//! What was seen of a transaction, and how far it can be believed.

use std::{fmt, net::IpAddr, sync::Arc};

use serde::{Deserialize, Serialize};

/// The evidence of one transaction, emitted once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Kernel monotonic nanoseconds, as in the kernel's maps.
    pub at: u64,
    /// Where the packets came from; never what a header says. IPv4 is never written as IPv6.
    pub source: IpAddr,
    pub flow: Flow,
    /// Who tried to authenticate.
    pub account: Option<Account>,
    pub method: Method,
    pub kind: Kind,
    pub proof: Proof,
    /// The request was made later than that: then the nonce that it answers was sent there; or, over TCP, it came.
    pub made_after: u64,
}

/// With its source: where the packets came from, as narrow as they show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Flow {
    pub port: u16,
    pub transport: Transport,
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { port, transport } = self;
        match transport {
            Transport::Udp => write!(f, "udp:{port}"),
            Transport::Tcp => write!(f, "tcp:{port}"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    Udp,
    Tcp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    Register,
    Invite,
    Other,
}

/// The user part that tries to authenticate: the user name of the credentials; where there are none, the user of the To
/// header of a REGISTER and of the From header of other requests. As the kernel does, by its first bytes only, and as it
/// is written: no unescaping.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Account(Arc<str>);

/// In bytes.
const ACCOUNT_MAX: usize = 64;

impl Account {
    /// `None` for a name that is empty or no text.
    pub fn new(name: &[u8]) -> Option<Self> {
        let name = std::str::from_utf8(name).ok()?;
        let end = (0..=ACCOUNT_MAX.min(name.len())).rev().find(|end| name.is_char_boundary(*end))?;
        (end > 0).then(|| Self(name[..end].into()))
    }

    /// Before all others, and nobody's.
    pub(super) fn least() -> Self {
        Self("".into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Account {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(name.as_bytes()).ok_or("an account needs a name")
    }
}

impl From<Account> for String {
    fn from(account: Account) -> Self {
        account.as_str().to_owned()
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far the source can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Proof {
    /// Anybody could have sent this in the name of that address.
    #[serde(rename = "forgeable")]
    Unproven,
    /// Something came back that only that address had been sent; or it was a TCP connection.
    Proven,
}

/// How it ended. The PBX's own answer is the verdict.
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
        until: u64,
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
    pub(super) const fn has_credentials(&self) -> bool {
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
