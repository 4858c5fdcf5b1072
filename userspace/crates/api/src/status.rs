//! The answer to `status`.

use serde::{Deserialize, Serialize};

use crate::{
    name::{FilterMode, PacketVerdict},
    report::Totals,
};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    pub version: String,
    /// Null: no daemon runs. The filter stays in force.
    pub daemon: Option<Daemon>,
    /// The path of the configuration file.
    pub config: Option<String>,
    /// Why the configuration in force is not that of the file; null: it is.
    pub config_fault: Option<String>,
    pub interfaces: Vec<Interface>,
    pub mode: FilterMode,
    pub trusted_only: bool,
    /// Seconds until the lock-down reverts unless confirmed.
    pub reverts_in: Option<u64>,
    pub ports: Ports,
    pub lists: Option<ListCounts>,
    /// Null: the maps of the guard cannot be read.
    pub guard: Option<GuardCounts>,
    /// Null: none is configured, and none has reported.
    pub edge: Option<Edge>,
    /// Rules that hit sources that authenticated later.
    pub flagged: Vec<String>,
    pub store: StoreState,
    pub reasons: Vec<ReasonRow>,
    pub signatures: Vec<SignatureHits>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Daemon {
    pub pid: u32,
    /// Seconds.
    pub uptime: u64,
    /// Drop events since the daemon started.
    #[serde(rename = "drops_told")]
    pub drops_reported: u64,
    /// Drops without an event: the kernel samples one a second for each source.
    #[serde(rename = "drops_untold")]
    pub drops_suppressed: u64,
    /// Seconds since the last passed self-test; null: none yet.
    pub proved: Option<u64>,
    /// Why the last self-test failed.
    pub alarm: Option<String>,
}

/// The edge, by its own reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// Seconds since the last report; null: none since the daemon started, so nothing is known.
    pub reported: Option<u64>,
    #[serde(flatten)]
    pub totals: Totals,
}

impl Edge {
    /// Seconds without a report after which something is wrong. The edge reports every second.
    const SILENT: u64 = 10;

    pub fn is_silent(&self) -> bool {
        self.reported.is_none_or(|ago| ago > Self::SILENT)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Interface {
    pub interface: String,
    /// "native" or "generic"; null: not attached at the moment.
    pub xdp: Option<String>,
}

/// Protected ports, as ranges.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ports {
    pub udp: String,
    pub tcp: String,
    pub tls: String,
}

/// Entries of the lists, and their capacity.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListCounts {
    pub trusted: u64,
    pub banned: u64,
    pub room_for_addresses: u64,
    pub room_for_prefixes: u64,
}

/// Decisions in force, known sources, and the counters of observer and guard since the daemon started.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GuardCounts {
    /// Accounts that are suspended at a source.
    pub suspended: u64,
    /// Accounts that are locked everywhere.
    pub locked: u64,
    /// Banned ports of sources.
    pub banned: u64,
    /// Known sources.
    pub known: u64,
    /// Phones that the known sources have budgets for.
    pub phones: u64,
    /// Flows of known sources with budgets of their own, and the capacity for them.
    pub known_flows: u64,
    pub room_for_flows: u64,
    /// Packets that the observer read, requests and answers.
    pub packets: u64,
    /// Packets that the observer missed since the filter was loaded, because they came too fast.
    pub unseen_known: u64,
    pub unseen_strangers: u64,
    /// Missed answers of the PBX; missed packets that may have been answers to it; and answers of the PBX over TLS. After
    /// any of them, no nonce proves an address over UDP for some time.
    pub unseen_answers: u64,
    pub unseen_foreign: u64,
    pub unseen_encrypted: u64,
    /// Authentication results, and those that anybody could have forged.
    pub evidence: u64,
    pub unproven: u64,
    /// Authentication results that came too fast for the guard.
    pub unjudged: u64,
    /// Alerts, and alerts that the rate limit suppressed.
    pub alerts: u64,
    pub alerts_withheld: u64,
    /// Suspensions, known sources, phones and flows that did not fit.
    pub no_room: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoreState {
    pub path: String,
    /// Null: everything in force is saved.
    pub fault: Option<String>,
}

/// The counters of one reason.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReasonRow {
    pub reason: String,
    /// `Pass` or `Drop`.
    pub action: PacketVerdict,
    pub packets: u64,
    pub bytes: u64,
    /// Packets that monitor mode passed.
    pub would_drop_packets: u64,
    pub would_drop_bytes: u64,
    /// Recent packets a second, dropped or not; null: no daemon measures it.
    pub rate: Option<u64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SignatureHits {
    pub name: String,
    pub hits: u64,
}
