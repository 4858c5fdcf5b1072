//! The call `in-force`: decisions about accounts, and where accounts work, for a program that answers phones itself.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::name::FilterMode;

/// An item of the stream. Each is the whole truth about its account at its source, so that one that comes twice does no
/// harm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "in_force", rename_all = "kebab-case")]
pub enum InForce {
    /// Whatever was sent before is void. All that is in force follows, and then [`Current`](Self::Current). This is the
    /// first item; it comes again where changes were lost because the client read too slowly.
    Begin,
    Settings(Settings),
    /// The account is suspended at the source, or locked.
    Suspended(Suspension),
    /// It no longer is. Suspensions that run out end without this.
    Lifted {
        account: String,
        /// Null: the lock.
        source: Option<IpAddr>,
    },
    /// The account has worked at the source within thirty days.
    Worked(Worked),
    /// A source or a prefix was banned by the guard or by hand. Only changes are sent: the filter drops what is banned.
    Banned {
        source: String,
        expires_in: Option<u64>,
    },
    Unbanned {
        source: String,
    },
    /// All that is in force has been sent; from now on, changes are.
    Current,
}

/// The settings of the daemon that concern suspended accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    pub mode: FilterMode,
    /// The filter's treatment of packets of suspended accounts.
    pub suspended: SuspendedPackets,
    /// Failures in a row that suspend an account, to register and of other requests; null: none do.
    pub retries: Option<u32>,
    pub call_retries: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SuspendedPackets {
    Drop,
    Pass,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspension {
    /// Sixteen hexadecimal digits if only the hash of the name is known, as for entries found in the kernel.
    pub account: String,
    /// Null: a lock, which holds at all sources.
    pub source: Option<IpAddr>,
    /// For locks: the lock also holds where the account works.
    pub strict: bool,
    /// Seconds; null: never.
    pub expires_in: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worked {
    pub account: String,
    /// For IPv6, the first address of a /64, and all of that is meant.
    pub source: IpAddr,
    /// Seconds for which it counts as having worked there; 0: it no longer does.
    pub expires_in: u64,
}
