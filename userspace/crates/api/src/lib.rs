//! The protocol of the control socket: one JSON object a line, a call and then its answers.

pub mod evidence;
pub mod explanation;
pub mod in_force;
pub mod item;
pub mod name;
pub mod report;
pub mod status;

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use sipward_types::list_entry::{ListKind, Origin};

pub use evidence::Evidence;
pub use report::Report;

/// The version of the protocol. A daemon refuses calls of another version.
pub const VERSION: u32 = 1;

/// A request, one line. A client sends the next one after the answers have ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    pub version: u32,
    #[serde(flatten)]
    pub call: Call,
}

/// The calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "kebab-case")]
pub enum Call {
    Trust(Add),
    Ban(Add),
    Remove(Remove),
    /// Lists entries, one item each.
    List(Query),
    /// Imports a part of a file; a file takes as many calls as needed.
    Import(Import),
    Mode(SetMode),
    Only(Only),
    /// Confirms a lock-down that would otherwise revert.
    Confirm,
    Signatures(SetSignatures),
    /// Reloads the configuration file.
    Reload,
    /// Attaches the filter to the configured interfaces again.
    Attach,
    Detach(Detach),
    Status,
    Explain(Explain),
    /// Lists suspensions and locks, one item each.
    Accounts(Accounts),
    /// The knowledge of an account.
    Account(Account),
    /// Locks an account at all sources.
    Lock(Lock),
    Unlock(Unlock),
    /// The drops and false positives of each rule.
    Rules,
    /// Drop events and decisions, the recent ones or the new ones.
    Events(Events),
    Top,
    Audit(Audit),
    /// Hands in outcomes of authentications.
    Evidence(Evidence),
    /// Says how a program that answers phones itself fares, and whom it refuses for what.
    Report(Report),
    /// Streams what is in force, and then its changes until the client hangs up.
    InForce,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Add {
    pub sources: Vec<IpNet>,
    /// Seconds; null or absent: forever.
    #[serde(default)]
    pub lasts: Option<u64>,
    #[serde(default)]
    pub note: Option<String>,
    /// Bans even addresses that this host cannot do without. For bans only.
    #[serde(default)]
    pub force: bool,
    /// The address of the operator's SSH session, which must not be banned.
    #[serde(default)]
    pub session: Option<IpAddr>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remove {
    pub list: ListKind,
    pub sources: Vec<IpNet>,
}

/// A query of a list; without filters, the whole list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    pub list: ListKind,
    /// Only entries in this prefix.
    #[serde(default)]
    pub within: Option<IpNet>,
    /// Only entries of this origin.
    #[serde(default)]
    pub origin: Option<Origin>,
    /// Only entries with this text in their note.
    #[serde(default)]
    pub note: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Import {
    pub list: ListKind,
    pub entries: Vec<Imported>,
    /// The name of the file in the audit trail.
    pub file: String,
    #[serde(default)]
    pub force: bool,
    #[serde(default)]
    pub session: Option<IpAddr>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Imported {
    pub source: IpNet,
    /// Seconds since 1970; null or absent: forever.
    #[serde(default)]
    pub until: Option<u64>,
    #[serde(default)]
    pub note: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetMode {
    pub enforce: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Only {
    pub on: bool,
    #[serde(default)]
    pub force: bool,
    /// Seconds after which the lock-down reverts unless confirmed.
    #[serde(default)]
    pub confirm: Option<u64>,
    #[serde(default)]
    pub session: Option<IpAddr>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetSignatures {
    /// The text of a signature file; null: the signatures of the configuration.
    pub text: Option<String>,
    /// The name of the file in errors and in the audit trail.
    #[serde(default)]
    pub file: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detach {
    /// Empty: all.
    pub interfaces: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explain {
    pub address: IpAddr,
}

/// A query of suspensions and locks; without filters, all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accounts {
    #[serde(default)]
    pub status: Option<Closing>,
    /// Only at sources in this prefix.
    #[serde(default)]
    pub within: Option<IpNet>,
    /// Only accounts with this text in their name.
    #[serde(default)]
    pub name: Option<String>,
}

/// The kind of a suspension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Closing {
    /// An account at one source.
    Suspended,
    /// An account at all sources.
    Locked,
    /// A flow: all packets from one port of a source.
    Banned,
    /// A line, named by its first address: limits strangers' requests without credentials.
    Limited,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    pub account: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    pub account: String,
    /// Seconds; null or absent: until it is unlocked.
    #[serde(default)]
    pub lasts: Option<u64>,
    /// For the audit trail.
    #[serde(default)]
    pub note: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unlock {
    pub account: String,
    /// Lifts only the suspension at this source; null or absent: the lock and all suspensions.
    #[serde(default)]
    pub from: Option<IpAddr>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Events {
    /// Streams new events until the client hangs up.
    pub follow: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// The number of lines, the latest first.
    pub limit: u32,
    #[serde(default)]
    pub source: Option<IpNet>,
    /// Only lines about this account.
    #[serde(default)]
    pub account: Option<String>,
}

/// An answer of the daemon. A call has any number of items and notices, and then `done` or `failed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    Item(Value),
    /// A remark for the user beside the items.
    Notice(String),
    Done,
    Failed(Refusal),
}

/// The reason why a call was not performed, or not completely.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub kind: RefusalKind,
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RefusalKind {
    /// Not found, or refused.
    No,
    /// Wrong use, or a wrong file.
    Wrong,
    /// The kernel or the store failed.
    Failed,
}
