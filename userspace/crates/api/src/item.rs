//! Items of answers and events. With `--json`, a command prints each as it is.

use serde::{Deserialize, Deserializer, Serialize};

use super::Closing;
use crate::name::{DecisionName, FilterMode, PacketVerdict, RuleAction};
use sipward_types::account::Status;
use sipward_types::list_entry::Origin;

/// A null that is there means something; serde would take it for a field that is not there.
pub fn said<'a, D: Deserializer<'a>>(from: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::deserialize(from).map(Some)
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trusted {
    pub trusted: String,
    /// Seconds; null: never.
    pub expires_in: Option<u64>,
    /// A ban on the very same address or prefix ended.
    pub lifted_ban: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Banned {
    pub banned: String,
    pub expires_in: Option<u64>,
    /// It was banned for longer already.
    pub longer: bool,
    /// The trusted prefix around it, in which it has no effect.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub shadowed_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default, deserialize_with = "said")]
    pub shadowed_for: Option<Option<u64>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    pub deleted: String,
}

/// A line of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    pub source: String,
    pub expires_in: Option<u64>,
    /// Seconds since 1970; null: never.
    pub until: Option<u64>,
    /// Seconds since 1970.
    pub since: u64,
    pub origin: Origin,
    /// Of a ban that a trusted prefix keeps from having effect: for how long; null is for ever.
    #[serde(skip_serializing_if = "Option::is_none", default, deserialize_with = "said")]
    pub shadowed_for: Option<Option<u64>>,
    pub note: Option<String>,
    pub evidence: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mode {
    pub mode: FilterMode,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Only {
    pub trusted_only: bool,
    /// Seconds until it is taken back unless it is confirmed.
    pub reverts_in: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signatures {
    /// How many are in force.
    pub signatures: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    pub interface: String,
    /// "native" or "generic"; null: not attached at the moment.
    pub xdp: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detached {
    pub detached: String,
}

/// A source of which packets were dropped of late.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Top {
    /// The address, or the /64.
    pub source: String,
    /// The last address of it.
    pub address: String,
    pub packets: u64,
    /// Packets of the last minutes; older ones count less and less.
    pub lately: u64,
    /// The reason of most of them.
    pub mostly: String,
    /// Seconds since the last.
    pub last: u64,
}

/// A packet that was dropped, or that monitor mode let pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dropped {
    /// Seconds since 1970.
    pub ts: f64,
    pub src: String,
    pub sport: u16,
    pub dst: String,
    pub dport: u16,
    pub transport: String,
    pub interface: Option<String>,
    pub verdict: PacketVerdict,
    pub reason: String,
    pub bytes: u32,
    /// As far as it is in the part of the packet that was kept.
    pub first_line: Option<String>,
}

/// Something that may not authenticate: a line of `account list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// Sixteen digits in place of a name: of one that was found in the kernel, only a hash is known.
    pub account: Option<String>,
    /// Such as "udp:5062", where it is no account.
    pub flow: Option<String>,
    pub status: Closing,
    /// Null: from anywhere.
    pub source: Option<String>,
    /// Of a lock: it counts also where the account works.
    pub strict: bool,
    /// Seconds; null: never.
    pub expires_in: Option<u64>,
    /// Seconds since 1970; null: never.
    pub until: Option<u64>,
    /// Seconds since 1970.
    pub since: u64,
    pub rule: String,
    /// What the rule counted, and in how many seconds.
    pub count: u32,
    pub seconds: u32,
    pub who: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locked {
    pub locked: String,
    /// Seconds; null: never.
    pub expires_in: Option<u64>,
}

/// What no longer keeps an account from authenticating.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unlocked {
    pub unlocked: String,
    /// Null: the lock.
    pub source: Option<String>,
}

/// All that is known of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub account: String,
    pub status: Status,
    /// Its lock and its suspensions.
    pub closed: Vec<Closed>,
    /// Where it fails or works, as far as was seen lately.
    pub sources: Vec<AccountSource>,
    /// Why it is refused, the latest first; null: no daemon runs that could know.
    pub diagnoses: Option<Vec<Diagnosed>>,
    /// What was done about it, the latest first.
    pub history: Vec<Audited>,
}

/// An account at one source, or what happens at a source with one account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountSource {
    pub account: String,
    pub source: String,
    /// In a row, to register, and with calls and other requests.
    pub failures: u32,
    pub calls: u32,
    /// Seconds for which it is thought to work there; null: it has not worked lately.
    pub works_for: Option<u64>,
}

/// Why requests are refused, as far as can be seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosed {
    pub cause: String,
    pub account: Option<String>,
    pub source: String,
    /// In a row.
    pub count: u32,
    /// Seconds since 1970.
    pub since: u64,
    pub last: u64,
    /// Of the last answer.
    pub status: Option<u16>,
    /// False: somebody else may have sent it in that name.
    pub proven: bool,
    pub sentence: String,
    pub remedy: String,
}

/// A rule, and whom it hit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruled {
    pub rule: String,
    pub action: RuleAction,
    /// Packets since the filter was loaded.
    pub dropped: u64,
    /// The same in monitor mode; null: it is not known how many of them were dropped.
    pub would_drop: Option<u64>,
    /// Sources within a day, and how many of them authenticated within a day after.
    pub sources: u64,
    pub authenticated: u64,
    /// These two are the best guess from a sample.
    pub estimated: bool,
    pub flagged: bool,
}

/// Something that the guard has decided for what it saw, or somebody by hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    /// Seconds since 1970.
    pub ts: f64,
    pub decision: DecisionName,
    pub account: Option<String>,
    /// An address or a prefix; null: wherever it comes from.
    pub source: Option<String>,
    /// Such as "udp:5062": it is about nothing else of the source.
    pub flow: Option<String>,
    /// Seconds; null: it has no end.
    pub expires_in: Option<u64>,
    pub rule: String,
    /// What the rule counted, and in how many seconds.
    pub count: u32,
    pub seconds: u32,
    pub who: String,
    /// What else is to be said, such as why a ban was not done.
    pub note: Option<String>,
}

/// What `events` tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Event {
    Decided(Decided),
    Dropped(Dropped),
}

/// A line of the audit trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audited {
    /// Seconds since 1970.
    pub at: u64,
    pub who: String,
    pub what: String,
    pub target: String,
    pub detail: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedCount {
    pub imported: u64,
    /// Of them, bans that a trusted prefix keeps from having effect.
    pub shadowed: u64,
    /// Not imported, as their time was over.
    pub over: u64,
    /// Not imported, and why.
    pub refused: Vec<String>,
}
