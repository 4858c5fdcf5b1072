//! The call `report`: how a program that answers phones itself fares, and whom it refuses for what.

use std::{collections::BTreeMap, net::IpAddr};

use serde::{Deserialize, Serialize};

use sipward_types::cause::Cause;

/// Refusals in one call. A request with more is refused.
pub const MOST_REFUSALS: usize = 256;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    pub totals: Totals,
    /// Those since the last report, the earliest first.
    #[serde(default)]
    pub refusals: Vec<Refused>,
}

/// Since the program started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// Seconds.
    pub uptime: u64,
    /// Requests with right credentials that it let in.
    pub served: u64,
    /// Hashes that it ran for passwords. A suspended or locked account costs none.
    #[serde(default)]
    pub digest_runs: u64,
    /// Requests that it refused, or asked for credentials, by cause.
    pub causes: BTreeMap<Cause, u64>,
    /// Outcomes for the call `evidence` that wait, and outcomes that found no place.
    pub evidence_waiting: u64,
    pub evidence_dropped: u64,
}

impl Totals {
    /// Requests that it refused. To be asked for credentials is no refusal.
    pub fn refused(&self) -> u64 {
        self.causes.iter().filter(|(cause, _)| **cause != Cause::Challenged).map(|(_, count)| count).sum()
    }
}

/// Equal refusals, counted together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    pub cause: Cause,
    /// As it was named; not all requests name one.
    #[serde(default)]
    pub account: Option<String>,
    /// The address that the packets came from.
    pub source: IpAddr,
    /// True: nobody else could have sent them in the name of that address.
    #[serde(default)]
    pub proven: bool,
    /// Of the last answer; null: there was none.
    #[serde(default)]
    pub status: Option<u16>,
    pub count: u32,
    /// Seconds since the last of them, and from the first to the last.
    #[serde(default)]
    pub ago: u64,
    #[serde(default)]
    pub within: u64,
}
