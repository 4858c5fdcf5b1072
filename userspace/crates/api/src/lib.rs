//! What is said over the control socket: one JSON object a line, a call and then its answers.

pub mod explanation;
pub mod item;
pub mod name;
pub mod status;

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use sipward_types::list_entry::ListKind;
use sipward_types::list_entry::Origin;

/// Of the calls and answers below. A daemon refuses a call of another version with a sentence.
pub const VERSION: u32 = 1;

/// The first and only line of a client for each thing it wants; it may ask again when the answers have ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    pub version: u32,
    #[serde(flatten)]
    pub call: Call,
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "kebab-case")]
pub enum Call {
    Trust(Add),
    Ban(Add),
    Remove(Remove),
    /// A list, one answer a line.
    List(Query),
    /// A part of a file; as many calls as the file needs.
    Import(Import),
    Mode(SetMode),
    Only(Only),
    /// Keeps the lock-down that would otherwise be taken back.
    Confirm,
    Signatures(SetSignatures),
    /// Puts the configuration file in force again.
    Reload,
    /// Puts the filter back onto the configured interfaces.
    Attach,
    Detach(Detach),
    Status,
    Explain(Explain),
    /// What is suspended or locked, one answer for each account and source.
    Accounts(Accounts),
    /// All that is known of an account.
    Account(Account),
    /// Keeps an account from authenticating, from wherever it comes.
    Lock(Lock),
    Unlock(Unlock),
    /// What each rule dropped, and whom by mistake.
    Rules,
    /// Drops, the latest first told or as they come.
    Events(Events),
    Top,
    Audit(Audit),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Add {
    pub sources: Vec<IpNet>,
    /// Seconds; null or absent: for ever.
    #[serde(default)]
    pub lasts: Option<u64>,
    #[serde(default)]
    pub note: Option<String>,
    /// Even what this host cannot do without. Only of bans.
    #[serde(default)]
    pub force: bool,
    /// Where the one who types this is connected from, which is not to be banned.
    #[serde(default)]
    pub session: Option<IpAddr>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remove {
    pub list: ListKind,
    pub sources: Vec<IpNet>,
}

/// Which part of a list; all of it where nothing is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    pub list: ListKind,
    /// Only what lies in this prefix.
    #[serde(default)]
    pub within: Option<IpNet>,
    /// Only what came from there.
    #[serde(default)]
    pub origin: Option<Origin>,
    /// Only entries with this in their note.
    #[serde(default)]
    pub note: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Import {
    pub list: ListKind,
    pub entries: Vec<Imported>,
    /// What the audit trail calls it.
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
    /// Seconds since 1970; null or absent: for ever.
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
    /// Seconds after which it is taken back unless it was confirmed.
    #[serde(default)]
    pub confirm: Option<u64>,
    #[serde(default)]
    pub session: Option<IpAddr>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetSignatures {
    /// The text of a signature file; null: those of the configuration.
    pub text: Option<String>,
    /// What errors and the audit trail call it.
    #[serde(default)]
    pub file: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detach {
    /// None: all.
    pub interfaces: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explain {
    pub address: IpAddr,
}

/// Which accounts; all that are suspended or locked where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accounts {
    #[serde(default)]
    pub status: Option<Closing>,
    /// Only at sources in this prefix.
    #[serde(default)]
    pub within: Option<IpNet>,
    /// Only with this in their name.
    #[serde(default)]
    pub name: Option<String>,
}

/// How something is kept from authenticating.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Closing {
    /// An account at one source.
    Suspended,
    /// An account, from wherever it comes.
    Locked,
    /// A flow: whatever comes from one port of a source.
    Banned,
    /// A line, named by its first address: strangers' requests without credentials.
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
    /// Only its suspension there; null or absent: its lock and all its suspensions.
    #[serde(default)]
    pub from: Option<IpAddr>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Events {
    /// Goes on until the client hangs up.
    pub follow: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// The latest so many.
    pub limit: u32,
    #[serde(default)]
    pub source: Option<IpNet>,
    /// Only what is about this account.
    #[serde(default)]
    pub account: Option<String>,
}

/// What the daemon says to a call: any number of items and notices, and then `done` or `failed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    Item(Value),
    /// Something that the one who asked should know besides.
    Notice(String),
    Done,
    Failed(Refusal),
}

/// Why a call was not done, or not all of it.
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
    /// The kernel or the store did not do it.
    Failed,
}
