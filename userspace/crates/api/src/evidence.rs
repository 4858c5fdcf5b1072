//! The call `evidence`: outcomes of authentications that a local program knows, such as an SIP front or a PBX.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use sipward_types::{evidence::Method, flow};

/// Outcomes in one call. A request with more is refused.
pub const MOST_OUTCOMES: usize = 1_000;
/// Seconds. Older outcomes are counted, and not judged.
pub const OLDEST: u64 = 300;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// The earliest first.
    pub items: Vec<AuthOutcome>,
}

/// The outcome of one transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthOutcome {
    /// The user name of the credentials. Only requests that were challenged or refused without any may lack it.
    #[serde(default)]
    pub account: Option<String>,
    /// The address that the packets came from.
    pub source: IpAddr,
    /// The port that they came from; 0: unknown. Then no ban of that port alone has an effect.
    #[serde(default)]
    pub port: u16,
    #[serde(default)]
    pub transport: Transport,
    pub method: Method,
    pub outcome: Outcome,
    /// True: nobody else could have sent the request in the name of that address. Over TCP it always is.
    #[serde(default)]
    pub proven: bool,
    /// Of a failure: text that is the same where the very same request came again, such as a hash of the digest's response.
    /// Without it, each failure is a new attempt.
    #[serde(default)]
    pub attempt: Option<String>,
    /// Of a registration: what distinguishes the phone from others of the account. Without it, the account has one
    /// phone; and an end without it is the end of all.
    #[serde(default)]
    pub contact: Option<String>,
    /// Of a registration: seconds. It is required there.
    #[serde(default)]
    pub lasts: Option<u32>,
    /// Seconds since then.
    #[serde(default)]
    pub ago: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Credentials were right.
    Succeeded,
    /// Credentials for a current nonce were wrong.
    Failed,
    /// Credentials of a REGISTER were right, and the phone is reachable from now on.
    Registered,
    Unregistered,
    /// The nonce was old or of somebody else, whether the credentials were right or not.
    Stale,
    /// A request without credentials was asked for some.
    Challenged,
    /// A request without credentials was refused.
    Refused,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    #[default]
    Udp,
    Tcp,
    Tls,
    Ws,
    Wss,
}

impl Transport {
    /// As packets show it: all others run over TCP.
    pub const fn of_packets(self) -> flow::Transport {
        match self {
            Self::Udp => flow::Transport::Udp,
            Self::Tcp | Self::Tls | Self::Ws | Self::Wss => flow::Transport::Tcp,
        }
    }
}

/// The answer. The items were taken in their order: the first ones are taken, too old or exempt, and the rest is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceTaken {
    /// Given to the guard.
    pub taken: u64,
    /// Older than [`OLDEST`].
    pub too_old: u64,
    /// About trusted sources, or about this host itself, which are never judged.
    pub exempt: u64,
    /// Over the limit of this user: hand them in again, after so many seconds.
    pub left: u64,
    pub retry_in: u64,
}
