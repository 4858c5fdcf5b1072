//! Who is on the wire.
//!
//! ```text
//!   pbx 10.90.0.1   attackers …2        phones …3           router …4
//!   eth0            eth0                eth0                eth0
//!     │ ◄─ filter     │ 10.91.n.*         │ 10.94.n.*         │ all other addresses
//!   ──┴───────────────┴ 10.92.n.* ────────┴───────────────────┴──
//!                       2001:db8:91nn::/48  2001:db8:94nn::/48
//! ```

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use sipward_tests::{
    command::Sipward,
    daemon::Daemon,
    namespace::{Lan, Namespace, v4, v6},
    scratch::Scratch,
};

/// Nothing is proven that a daemon hears just after its start.
const BLIND: Duration = Duration::from_millis(5_500);

#[derive(Debug)]
pub(crate) struct Site(Lan);

impl Site {
    pub(crate) fn new() -> Self {
        let site = Self(Lan::new(["pbx", "attackers", "phones", "router"]));
        let pbx = site.pbx();
        pbx.ip(&format!("route add default via {}", v4(4)));
        for (number, v4_networks, v6_networks) in [
            (2, ["10.91.0.0/16", "10.92.0.0/16"].as_slice(), "2001:db8:9100::/40"),
            (3, ["10.93.0.0/16", "10.94.0.0/16"].as_slice(), "2001:db8:9400::/40"),
        ] {
            let host = site.host(number);
            for network in v4_networks {
                // One neighbour on the wire has all of them.
                pbx.ip(&format!("route add {network} via {}", v4(number)));
                host.ip(&format!("route add local {network} dev lo"));
            }
            pbx.ip(&format!("-6 route add {v6_networks} via {}", v6(number)));
            host.ip(&format!("-6 route add local {v6_networks} dev lo"));
            host.run("sysctl -qw net.ipv6.ip_nonlocal_bind=1");
        }
        site
    }

    fn host(&self, number: usize) -> &Namespace {
        let hosts: [&Namespace; 4] = self.0.hosts();
        hosts[number - 1]
    }

    pub(crate) fn pbx(&self) -> &Namespace {
        self.host(1)
    }

    pub(crate) fn attackers(&self) -> &Namespace {
        self.host(2)
    }

    pub(crate) fn phones(&self) -> &Namespace {
        self.host(3)
    }
}

/// The PBX as callers of that family see it.
pub(crate) fn pbx(is_v6: bool) -> SocketAddr {
    let address: IpAddr =
        if is_v6 { v6(1).parse().expect("an address") } else { v4(1).parse().expect("an address") };
    (address, 5060).into()
}

/// Of the `n`th network of 10.91 (attackers), 10.92 (their accomplices), 10.93 and 10.94 (phones).
pub(crate) fn v4_of(second: u8, n: usize, last: u8) -> IpAddr {
    Ipv4Addr::new(10, second, u8::try_from(n).expect("few networks"), last).into()
}

/// Of the `subnet`th /64 of the `n`th /48 of 2001:db8:91nn (attackers) or 2001:db8:94nn (phones).
pub(crate) fn v6_of(which: u16, n: usize, subnet: u16, last: u16) -> IpAddr {
    let network = (which << 8) + u16::try_from(n).expect("few networks");
    Ipv6Addr::new(0x2001, 0xdb8, network, subnet, 0, 0, 0, last).into()
}

/// A Kamailio gives everybody the same nonce within a second. Here nobody has asked yet.
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
    _directory: Scratch,
}

impl<'a> Guarded<'a> {
    pub(crate) fn start(site: &'a Site, settings: &str) -> Self {
        let directory = Scratch::new(site.pbx());
        let config =
            directory.file("sipward.toml", &format!("interface = 'eth0'\nmode = 'enforce'\n{settings}"));
        let sipward = Sipward::new(site.pbx());
        let daemon = Daemon::start(&sipward, &config);
        thread::sleep(BLIND);
        Self { _daemon: daemon, sipward, _directory: directory }
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

/// Whether a row's source, an address or a prefix, has that address in it.
pub(crate) fn covers(source: &str, address: IpAddr) -> bool {
    source.parse::<IpAddr>().is_ok_and(|source| source == address)
        || source.parse::<ipnet::IpNet>().is_ok_and(|network| network.contains(&address))
}
