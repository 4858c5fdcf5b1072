//! A PBX behind the edge, and two hosts with phones.

use std::net::SocketAddr;

use sipward_tests::{
    auth_pbx::{AuthPbx, PbxKind, SIP, password},
    command::Sipward,
    edge::{Edge, accounts, section},
    namespace::{Lan, Namespace, v4, v6},
    scratch::Scratch,
    sip_phone::{Phone, Settings, Transport},
};

/// The numbers of the hosts with phones.
pub(crate) const CALLER: usize = 2;
pub(crate) const CALLEE: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

pub(crate) struct Hosts(Lan);

impl Hosts {
    pub(crate) fn new() -> Self {
        Self(Lan::new(["pbx", "caller", "callee"]))
    }

    /// The one with the PBX and the edge.
    pub(crate) fn pbx(&self) -> &Namespace {
        let [pbx, ..] = self.0.hosts::<3>();
        pbx
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
        let hosts: [_; 3] = self.0.hosts();
        let address = |number, port| {
            let ip = if family == Family::V4 { v4(number) } else { v6(number) };
            SocketAddr::new(ip.parse().expect("an address"), port)
        };
        let mut settings =
            Settings::new(transport, address(1, SIP), &account.to_string(), &password(account));
        change(&mut settings);
        Phone::start(hosts[number - 1], address(number, 0), settings)
    }
}

pub(crate) struct Site<'a> {
    pub(crate) sipward: Sipward<'a>,
    pub(crate) config: String,
    pub(crate) state: Scratch,
    pub(crate) edge: Option<Edge>,
    _pbx: AuthPbx,
}

impl<'a> Site<'a> {
    /// `None`, with the reason printed: there is no such PBX on this machine. `settings` are of the edge.
    pub(crate) fn start(hosts: &'a Hosts, make: PbxKind, settings: &str) -> Option<Self> {
        let host = hosts.pbx();
        let pbx = AuthPbx::start(make, host)?;
        let sipward = Sipward::new(host);
        let state = Scratch::new(host);
        state.file("accounts.txt", &accounts());
        let text = "interface = 'eth0'\nmode = 'enforce'\nguesses = 'off'\n[rate]\nregister = 'off'\n[prefix_rate]\n\
                    register = 'off'\n";
        let config = state.file("sipward.toml", &format!("{text}{}", section(settings)));
        let mut site = Self { sipward, config, state, edge: None, _pbx: pbx };
        site.start_edge();
        Some(site)
    }

    pub(crate) fn start_edge(&mut self) {
        self.edge = None;
        self.edge = Some(Edge::start(&self.sipward, &self.config, &self.state));
    }
}
