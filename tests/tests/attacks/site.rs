//! The filter and the daemon before a PBX, with the default configuration.

use std::{
    net::IpAddr,
    ops::RangeInclusive,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use sipward_tests::{
    attack::Site,
    command::Sipward,
    daemon::Daemon,
    edge::{Edge, accounts_of, section},
    scratch::Scratch,
};

/// The daemon takes nothing for proven just after its start.
const BLIND: Duration = Duration::from_millis(5_500);

/// Kamailio sends the same nonce to everybody within a second. In this second it has sent none yet.
pub(crate) fn next_second() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
    thread::sleep(Duration::from_millis(1_050) - Duration::from_nanos(now.subsec_nanos().into()));
}

/// A filter and a daemon before a PBX, with what they do by default.
#[derive(Debug)]
pub(crate) struct Guarded<'a> {
    /// Dropped before the installation, whose pins it would make again.
    _daemon: Daemon,
    pub(crate) sipward: Sipward<'a>,
    _edge: Option<Edge>,
    directory: Scratch,
}

impl<'a> Guarded<'a> {
    pub(crate) fn start(site: &'a Site, settings: &str) -> Self {
        let directory = Scratch::new(site.pbx());
        let config =
            directory.file("sipward.toml", &format!("interface = 'eth0'\nmode = 'enforce'\n{settings}"));
        let sipward = Sipward::new(site.pbx());
        let daemon = Daemon::start(&sipward, &config);
        thread::sleep(BLIND);
        Self { _daemon: daemon, sipward, _edge: None, directory }
    }

    /// The same with sipward's own SIP front before a PBX that asks nobody.
    pub(crate) fn start_with_edge(site: &'a Site, accounts: RangeInclusive<u32>) -> Self {
        let mut guarded = Self::start(site, &section(""));
        guarded.directory.file("accounts.txt", &accounts_of(accounts));
        let config = guarded.directory.0.join("sipward.toml").display().to_string();
        guarded._edge = Some(Edge::start(&guarded.sipward, &config, &guarded.directory));
        guarded
    }

    /// Packets, by reason.
    pub(crate) fn reasons(&self) -> Vec<(String, u64)> {
        let status = self.sipward.json("status").remove(0);
        let rows = status["reasons"].as_array().cloned().unwrap_or_default();
        let count = |row: &Value| {
            let packets = row["packets"].as_u64().filter(|packets| *packets > 0)?;
            Some((row["reason"].as_str()?.to_owned(), packets))
        };
        rows.iter().filter_map(count).collect()
    }
}

/// Returns true if a row's source, an address or a prefix, contains the address.
pub(crate) fn covers(source: &str, address: IpAddr) -> bool {
    source.parse::<IpAddr>().is_ok_and(|source| source == address)
        || source.parse::<ipnet::IpNet>().is_ok_and(|network| network.contains(&address))
}
