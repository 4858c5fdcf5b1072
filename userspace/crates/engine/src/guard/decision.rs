//! The decisions of the guard.

use std::{fmt, net::IpAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use sipward_types::account::Account;
use sipward_types::flow::Flow;
use sipward_types::time::KernelTime;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Kernel monotonic nanoseconds.
    pub at: KernelTime,
    #[serde(flatten)]
    pub action: GuardAction,
    #[serde(rename = "because")]
    pub trigger: Trigger,
}

/// Times are of the kernel; `FOREVER` means no end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "kebab-case")]
pub enum GuardAction {
    /// This account may not authenticate from this source.
    Suspend {
        account: Account,
        source: IpAddr,
        until: KernelTime,
    },
    /// This account may authenticate from nowhere, but for sources where it works; by `Rule::Hand` not even there.
    Lock {
        account: Account,
        until: KernelTime,
    },
    /// The suspension of this account from this source ends; without a source: its lock does.
    Lift {
        account: Account,
        source: Option<IpAddr>,
    },
    Ban {
        scope: Scope,
        until: KernelTime,
    },
    /// This source has so many phones.
    Know {
        source: IpAddr,
        phones: u32,
        until: KernelTime,
    },
    Forget {
        source: IpAddr,
    },
    /// So many of its phones are on this flow, which has a budget for them that other ports of the source do not spend.
    KnowFlow {
        source: IpAddr,
        flow: Flow,
        phones: u32,
        until: KernelTime,
    },
    ForgetFlow {
        source: IpAddr,
        flow: Flow,
    },
    /// Strangers of this line, an address or the first of an IPv6 /56, may ask without credentials once a minute.
    LimitAsking {
        source: IpAddr,
        until: KernelTime,
    },
    /// Nothing is done; somebody should know.
    Alert {
        source: Option<IpNet>,
        account: Option<Account>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "scope", rename_all = "kebab-case")]
pub enum Scope {
    Flow { source: IpAddr, flow: Flow },
    Source { source: IpAddr },
    Prefix { net: IpNet },
}

/// The rule and what it counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    pub rule: Rule,
    /// The count of the rule: failures, accounts, sources.
    pub count: u32,
    /// Over how many seconds they came.
    pub seconds: u32,
}

/// The names are stable: events, the audit trail and documentation use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// An account failed too often in a row from one source by REGISTER.
    Suspend,
    /// The same for requests other than REGISTER, calls above all.
    Calls,
    /// An account failed too often, from wherever.
    Lock,
    /// One source tried too many accounts.
    ManyAccounts,
    /// One source tried accounts one after the other.
    Sequential,
    /// One source tried a guess or two at each of many accounts.
    Spray,
    /// One account was tried from too many sources.
    Distributed,
    /// One source has been suspended again and again.
    Persistent,
    /// Several sources of one prefix were banned.
    Neighbours,
    /// A suspended request came through although the filter drops, and failed.
    Bypass,
    /// One line asked again and again without credentials and gave none when it was asked for them.
    Enumeration,
    /// Packets were not seen, again and again.
    Missed,
    /// It authenticated, or we asked it and it answered.
    Worked,
    /// Its time was over.
    Expired,
    /// Somebody's command.
    Hand,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}
