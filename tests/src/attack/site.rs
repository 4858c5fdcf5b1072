//! A wire with a PBX, attackers and phones, each with any number of networks.
//!
//! ```text
//!   pbx 10.90.0.1   attackers …2        phones …3           router …4     trunk …5   scanner …6
//!   eth0            eth0                eth0                eth0          eth0       eth0
//!     │ ◄─ filter     │ 10.91.n.*         │ 10.93.n.*         │ all other   │          │
//!     │               │ 10.92.n.*         │ 10.94.n.*         │ addresses   │          │
//!   ──┴───────────────┴───────────────────┴───────────────────┴─────────────┴──────────┴──
//!                       2001:db8:91nn::/48  2001:db8:94nn::/48
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::namespace::{Lan, Namespace, v4, v6};

/// The number of the last host, for programs that have only one address.
pub const SCANNER: usize = 6;

#[derive(Debug)]
pub struct Site(Lan);

impl Default for Site {
    fn default() -> Self {
        let site = Self(Lan::new(["pbx", "attackers", "phones", "router", "trunk", "scanner"]));
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
}

impl Site {
    fn host(&self, number: usize) -> &Namespace {
        let hosts: [&Namespace; 6] = self.0.hosts();
        hosts[number - 1]
    }

    pub fn pbx(&self) -> &Namespace {
        self.host(1)
    }

    pub fn attackers(&self) -> &Namespace {
        self.host(2)
    }

    pub fn phones(&self) -> &Namespace {
        self.host(3)
    }

    pub fn trunk(&self) -> &Namespace {
        self.host(5)
    }

    pub fn scanner(&self) -> &Namespace {
        self.host(SCANNER)
    }
}

/// The PBX as callers of that family see it.
pub fn pbx(is_v6: bool) -> SocketAddr {
    let address: IpAddr =
        if is_v6 { v6(1).parse().expect("an address") } else { v4(1).parse().expect("an address") };
    (address, 5060).into()
}

/// Of the `n`th network of 10.91 (attackers), 10.92 (their accomplices), 10.93 and 10.94 (phones).
pub fn v4_of(second: u8, n: usize, last: u8) -> IpAddr {
    Ipv4Addr::new(10, second, u8::try_from(n).expect("few networks"), last).into()
}

/// Of the `subnet`th /64 of the `n`th /48 of 2001:db8:91nn (attackers) or 2001:db8:94nn (phones).
pub fn v6_of(which: u16, n: usize, subnet: u16, last: u16) -> IpAddr {
    let network = (which << 8) + u16::try_from(n).expect("few networks");
    Ipv6Addr::new(0x2001, 0xdb8, network, subnet, 0, 0, 0, last).into()
}
