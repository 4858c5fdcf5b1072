//! Items of answers and events. With `--json`, a command prints each as it is.

use serde::{Deserialize, Deserializer, Serialize};

use super::Closing;
use crate::name::{DecisionName, FilterMode, PacketVerdict, RuleAction};
use sipward_types::account::Status;
use sipward_types::list_entry::Origin;

/// Distinguishes a null from an absent field, which serde does not.
pub fn null_or_absent<'a, D: Deserializer<'a>>(from: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::deserialize(from).map(Some)
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trusted {
    pub trusted: String,
    /// Seconds; null: never.
    pub expires_in: Option<u64>,
    /// A ban of exactly this address or prefix was lifted.
    pub lifted_ban: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Banned {
    pub banned: String,
    pub expires_in: Option<u64>,
    /// A longer ban was in force already, and stays.
    pub longer: bool,
    /// The trusted prefix around it, because of which the ban has no effect.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub shadowed_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default, deserialize_with = "null_or_absent")]
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
    /// The time for which a trusted prefix keeps the ban from having effect; null: forever.
    #[serde(skip_serializing_if = "Option::is_none", default, deserialize_with = "null_or_absent")]
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
    /// Seconds until the lock-down reverts unless confirmed.
    pub reverts_in: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signatures {
    /// The number of signatures in force.
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

/// A source with recent drops.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Top {
    /// The address, or the /64.
    pub source: String,
    /// The last address of the source.
    pub address: String,
    pub packets: u64,
    /// Packets of the last minutes; older ones count less and less.
    pub lately: u64,
    /// The most frequent reason.
    pub mostly: String,
    /// Seconds since the last drop.
    pub last: u64,
}

/// A dropped packet, or one that monitor mode passed.
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
    /// The first line, as far as the event contains it.
    pub first_line: Option<String>,
}

/// A suspension, a lock, a ban of a port or a limit: a line of `account list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// Sixteen hexadecimal digits if only the hash of the name is known, as for entries found in the kernel.
    pub account: Option<String>,
    /// Such as "udp:5062", for bans of ports.
    pub flow: Option<String>,
    pub status: Closing,
    /// Null: any source.
    pub source: Option<String>,
    /// For locks: the lock also holds where the account works.
    pub strict: bool,
    /// Seconds; null: never.
    pub expires_in: Option<u64>,
    /// Seconds since 1970; null: never.
    pub until: Option<u64>,
    /// Seconds since 1970.
    pub since: u64,
    pub rule: String,
    /// The count of the rule, and its period in seconds.
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

/// A lifted lock or suspension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unlocked {
    pub unlocked: String,
    /// Null: the lock.
    pub source: Option<String>,
}

/// The knowledge of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub account: String,
    pub status: Status,
    /// The lock and the suspensions.
    pub closed: Vec<Closed>,
    /// Sources where it failed or worked recently.
    pub sources: Vec<AccountSource>,
    /// Why the PBX or the edge refuses it, the latest first; null: no daemon runs.
    pub diagnoses: Option<Vec<Diagnosed>>,
    /// Lines of the audit trail, the latest first.
    pub history: Vec<Audited>,
}

/// An account at one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountSource {
    pub account: String,
    pub source: String,
    /// Consecutive failures to register, and of calls and other requests.
    pub failures: u32,
    pub calls: u32,
    /// Seconds for which the account still counts as working there; null: no recent success.
    pub works_for: Option<u64>,
}

/// A diagnosis of refused requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosed {
    pub cause: String,
    pub account: Option<String>,
    pub source: String,
    /// Consecutive refusals.
    pub count: u32,
    /// Seconds since 1970.
    pub since: u64,
    pub last: u64,
    /// Of the last answer.
    pub status: Option<u16>,
    /// False: the source may be forged.
    pub proven: bool,
    pub sentence: String,
    pub remedy: String,
}

/// The figures of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruled {
    pub rule: String,
    pub action: RuleAction,
    /// Packets since the filter was loaded.
    pub dropped: u64,
    /// The same in monitor mode; null: the two are not counted separately.
    pub would_drop: Option<u64>,
    /// Sources of the last day, and those that authenticated within a day after.
    pub sources: u64,
    pub authenticated: u64,
    /// These two are estimates from a sample.
    pub estimated: bool,
    pub flagged: bool,
}

/// A decision, by the guard or by hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    /// Seconds since 1970.
    pub ts: f64,
    pub decision: DecisionName,
    pub account: Option<String>,
    /// An address or a prefix; null: any source.
    pub source: Option<String>,
    /// Such as "udp:5062", for decisions about one port of the source.
    pub flow: Option<String>,
    /// Seconds; null: it has no end.
    pub expires_in: Option<u64>,
    pub rule: String,
    /// The count of the rule, and its period in seconds.
    pub count: u32,
    pub seconds: u32,
    pub who: String,
    /// A remark, such as the reason why a ban was refused.
    pub note: Option<String>,
}

/// Equal refusals of the edge within a second or so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refused {
    /// Seconds since 1970, of the last of them.
    pub ts: f64,
    /// The cause, by its stable name.
    pub refused: String,
    /// As it was named.
    pub account: Option<String>,
    pub source: String,
    pub count: u32,
    /// Of the last answer; null: there was none.
    pub status: Option<u16>,
    /// False: the source may be forged.
    pub proven: bool,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Event {
    Decided(Decided),
    Dropped(Dropped),
    Refused(Refused),
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
    /// Imported bans that a trusted prefix keeps from having effect.
    pub shadowed: u64,
    /// Expired entries, not imported.
    pub over: u64,
    /// Refused entries, with the reasons.
    pub refused: Vec<String>,
}
