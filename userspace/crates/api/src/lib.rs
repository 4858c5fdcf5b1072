//! What is said over the control socket: one JSON object a line, a call and then its answers.

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

/// Items that a command prints with `--json` as they are.
pub mod item {
    use serde::Deserializer;

    use super::{Closing, Deserialize, Serialize};
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
        pub mode: String,
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
        /// "would-drop" in monitor mode.
        pub verdict: String,
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
        /// "drop", or "monitor": it only counts; "off": switched off by itself, for what this shows.
        pub action: String,
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
        /// "suspended", "locked", "limited", "lifted", "banned" or "alert".
        pub decision: String,
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
}
