//! The answer to `explain`: why the filter treats an address as it does, and what its next packets would get.

use serde::{Deserialize, Serialize};

use crate::{
    item,
    name::{FilterMode, PacketVerdict, SourceClass},
};
use sipward_types::list_entry::ListKind;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Explanation {
    pub address: String,
    #[serde(rename = "standing")]
    pub class: SourceClass,
    /// False: the filter is on no interface, so that every packet passes.
    pub attached: bool,
    pub mode: FilterMode,
    /// The lock-down is on: whatever is not trusted drops.
    pub trusted_only: bool,
    /// List entries of the address and of the prefixes around it, the longest first.
    pub rules: Vec<ListRule>,
    /// Set if somebody has authenticated at the address lately, or if it answers requests of the PBX.
    pub known: Option<KnownSource>,
    /// Ports of the address with budgets of their own, which packets from other ports do not spend.
    pub flows: Vec<KnownFlow>,
    /// Accounts and ports that may not authenticate from the address.
    pub closed: Vec<item::Closed>,
    /// Accounts that fail or work at the address.
    pub accounts: Vec<item::AccountSource>,
    /// The guard's counts against the address so far.
    pub counted: Vec<RuleCount>,
    /// Why OPTIONS of the address pass or drop.
    pub options: String,
    /// Why requests from the address are refused, the latest first; null: no daemon runs.
    pub diagnoses: Option<Vec<item::Diagnosed>>,
    /// Forecasts by kind of packet.
    pub next: Vec<NextPacket>,
    /// Recent drops; null: none, or no daemon runs.
    pub seen: Option<SourceDrops>,
    /// Commands about the address, the latest first.
    pub history: Vec<item::Audited>,
}

/// A list entry that holds the address.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListRule {
    pub list: ListKind,
    #[serde(flatten)]
    pub entry: item::Listed,
    /// True for the entry that decides.
    pub decides: bool,
    /// The command that lifts the entry.
    pub lifted_by: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KnownSource {
    /// The source has the budget of so many phones.
    pub phones: u32,
    /// Seconds since 1970.
    pub since: u64,
    pub expires_in: Option<u64>,
    pub why: String,
}

/// One port of a known source, from which somebody has authenticated.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KnownFlow {
    /// `udp:5060`.
    pub flow: String,
    /// The flow has the budget of so many phones.
    pub phones: u32,
    pub expires_in: Option<u64>,
}

/// Progress of a rule of the guard towards a decision.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RuleCount {
    pub rule: String,
    pub count: f64,
    /// The count at which the guard decides.
    pub of: u32,
    /// Seconds.
    pub within: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NextPacket {
    pub packet: String,
    pub verdict: PacketVerdict,
    pub reason: String,
    /// Packets that would pass at once, where a limit is near.
    pub room: Option<u32>,
    pub sentence: String,
}

/// Recent drops of one source.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SourceDrops {
    pub source: String,
    pub packets: u64,
    /// Packets of the last minutes; older packets count less and less.
    pub lately: u64,
    /// The latest last.
    pub recent: Vec<SampledDrop>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SampledDrop {
    /// Seconds since 1970.
    pub ts: u64,
    /// The number of drops that this one stands for.
    pub packets: u64,
    pub verdict: PacketVerdict,
    pub reason: String,
    pub first_line: Option<String>,
}
