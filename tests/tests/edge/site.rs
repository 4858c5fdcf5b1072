//! A PBX behind the edge, and two hosts with phones.

use std::fs;

use serde_json::Value;
use sipward_tests::{
    auth_pbx::{AuthPbx, PbxKind, SIP, password},
    command::Sipward,
    edge::{Edge, accounts, section, section_before_v6},
    namespace::{Family, Lan, Namespace},
    scratch::Scratch,
    sip_phone::{Phone, Settings, Transport},
};

/// The numbers of the hosts with phones.
pub(crate) const CALLER: usize = 2;
pub(crate) const CALLEE: usize = 3;

pub(crate) struct Hosts(Lan);

impl Hosts {
    pub(crate) fn new() -> Self {
        Self(Lan::new(["pbx", "caller", "callee"]))
    }

    /// The one with that number.
    pub(crate) fn host(&self, number: usize) -> &Namespace {
        self.0.hosts::<3>()[number - 1]
    }

    /// A phone with its own password on that host.
    pub(crate) fn phone(&self, number: usize, transport: Transport, family: Family, account: u32) -> Phone {
        self.phone_with(number, transport, family, account, |_| {})
    }

    pub(crate) fn phone_with(
        &self,
        number: usize,
        transport: Transport,
        family: Family,
        account: u32,
        change: impl FnOnce(&mut Settings),
    ) -> Phone {
        let mut settings =
            Settings::new(transport, family.address(1, SIP), &account.to_string(), &password(account));
        change(&mut settings);
        Phone::start(self.host(number), family.address(number, 0), settings)
    }
}

pub(crate) struct Site<'a> {
    pub(crate) sipward: Sipward<'a>,
    pub(crate) config: String,
    pub(crate) state: Scratch,
    pub(crate) edge: Option<Edge>,
    _pbx: Option<AuthPbx>,
}

/// Without limits on guesses and registrations.
const OPEN: &str = "guesses = 'off'\n[rate]\nregister = 'off'\n[prefix_rate]\nregister = 'off'\n";

impl<'a> Site<'a> {
    /// `None`, with the reason printed: there is no such PBX on this machine. `settings` are of the edge.
    pub(crate) fn start(hosts: &'a Hosts, make: PbxKind, settings: &str) -> Option<Self> {
        Some(Self::configured(hosts, Some(AuthPbx::start(make, hosts.host(1))?), OPEN, settings))
    }

    /// A test plays the PBX itself.
    pub(crate) fn without_pbx(hosts: &'a Hosts, settings: &str) -> Self {
        Self::configured(hosts, None, OPEN, settings)
    }

    /// With all limits that there are by default.
    pub(crate) fn with_defaults(hosts: &'a Hosts, make: PbxKind) -> Option<Self> {
        Some(Self::configured(hosts, Some(AuthPbx::start(make, hosts.host(1))?), "", ""))
    }

    fn configured(hosts: &'a Hosts, pbx: Option<AuthPbx>, limits: &str, settings: &str) -> Self {
        let host = hosts.host(1);
        let sipward = Sipward::new(host);
        let state = Scratch::new(host);
        state.file("accounts.txt", &accounts());
        let is_v6 = pbx.as_ref().is_some_and(|pbx| pbx.make() == PbxKind::EdgedSippV6);
        let section = if is_v6 { section_before_v6(settings) } else { section(settings) };
        let text = format!("interface = 'eth0'\nmode = 'enforce'\n{limits}{section}");
        let config = state.file("sipward.toml", &text);
        let mut site = Self { sipward, config, state, edge: None, _pbx: pbx };
        site.start_edge();
        site
    }

    /// Packets that the filter has dropped, by their reasons. The self-test's own one was banned.
    pub(crate) fn dropped(&self) -> Vec<(String, u64)> {
        let status = self.sipward.json("status").remove(0);
        let rows = status["reasons"].as_array().expect("rows").iter();
        let drops = rows.filter(|row| row["action"] == "drop" && row["reason"] != "ban");
        drops
            .map(|row| (row["reason"].to_string(), row["packets"].as_u64().expect("a number")))
            .filter(|(_, packets)| *packets > 0)
            .collect()
    }

    /// The edge's last report to the daemon.
    pub(crate) fn reported(&self) -> Value {
        self.sipward.json("status").remove(0)["edge"].take()
    }

    /// Bytes that the edge has written of the contacts of its phones. Each is written soon after its REGISTER, and no test
    /// writes so much that the log begins anew.
    pub(crate) fn written(&self) -> u64 {
        fs::metadata(self.state.0.join("bindings.db-wal")).map_or(0, |log| log.len())
    }

    /// Kills one that runs.
    pub(crate) fn start_edge(&mut self) {
        self.edge = None;
        self.edge = Some(Edge::start(&self.sipward, &self.config, &self.state));
    }
}
