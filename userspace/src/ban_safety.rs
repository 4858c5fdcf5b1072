//! Addresses that this host or the operator cannot do without.

mod session;

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use ipnet::IpNet;

pub use self::session::session;
use sipward_types::address::show;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtectedAddress {
    pub address: IpAddr,
    /// As in "192.0.2.1 is …".
    pub what: &'static str,
}

/// All protected addresses. Unreadable sources of facts add none. The [`session`] is that of the author of the ban, who
/// need not be this process.
pub fn all(session: Option<IpAddr>) -> Vec<ProtectedAddress> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let called = |what| move |address: IpAddr| ProtectedAddress { address: address.to_canonical(), what };
    let gateways =
        gateways_v4(&read("/proc/net/route")).into_iter().chain(gateways_v6(&read("/proc/net/ipv6_route")));
    let resolvers = resolvers(&read("/etc/resolv.conf"));
    session
        .into_iter()
        .map(called("where your own SSH session comes from"))
        .chain(own_addresses().into_iter().map(called("an address of this host")))
        .chain(gateways.map(called("the default gateway")))
        .chain(resolvers.into_iter().map(called("a name server of this host")))
        .collect()
}

/// Shorter prefixes than these are more likely a slip than a plan.
const SHORTEST_V4: u8 = 8;
const SHORTEST_V6: u8 = 24;

/// The reason not to ban a network: the ban would cut off this host or the operator.
pub fn check(net: IpNet, protected: &[ProtectedAddress]) -> Result<(), String> {
    match hazard(net, protected) {
        None => Ok(()),
        Some(hazard) => Err(format!("{} {hazard}, so nothing is banned: --force if you mean it", show(net))),
    }
}

/// The same, to go on after the name of what is not to be banned.
pub fn hazard(net: IpNet, protected: &[ProtectedAddress]) -> Option<String> {
    let shortest = match net {
        IpNet::V4(_) => SHORTEST_V4,
        IpNet::V6(_) => SHORTEST_V6,
    };
    if net.prefix_len() < shortest {
        return Some(format!("is a large part of the internet, shorter than /{shortest}"));
    }
    let ProtectedAddress { address, what } = protected.iter().find(|line| net.contains(&line.address))?;
    Some(if net.prefix_len() == net.max_prefix_len() {
        format!("is {what}")
    } else {
        format!("holds {address}, {what}")
    })
}

fn resolvers(resolv_conf: &str) -> Vec<IpAddr> {
    resolv_conf
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some("nameserver")).then(|| address(words.next()?)).flatten()
        })
        .collect()
}

/// `/proc/net/route`: interface, destination, gateway, …, mask in the eighth place; addresses as numbers of
/// this machine.
fn gateways_v4(table: &str) -> Vec<IpAddr> {
    let number = |text: &str| u32::from_str_radix(text, 16).ok();
    table
        .lines()
        .filter_map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            let (destination, gateway, mask) = (words.get(1)?, number(words.get(2)?)?, words.get(7)?);
            let default = number(destination)? == 0 && number(mask)? == 0;
            (default && gateway != 0).then(|| Ipv4Addr::from(gateway.to_ne_bytes()).into())
        })
        .collect()
}

/// `/proc/net/ipv6_route`: destination, its length, source, its length, gateway, …
fn gateways_v6(table: &str) -> Vec<IpAddr> {
    table
        .lines()
        .filter_map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            let gateway = u128::from_str_radix(words.get(4)?, 16).ok()?;
            let default = u128::from_str_radix(words.first()?, 16).ok()? == 0 && *words.get(1)? == "00";
            (default && gateway != 0).then(|| Ipv6Addr::from(gateway).into())
        })
        .collect()
}

/// An address that may have the name of an interface behind it.
fn address(text: &str) -> Option<IpAddr> {
    IpAddr::from_str(text.split('%').next()?).ok()
}

/// The addresses of all interfaces.
pub fn own_addresses() -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    let mut list = std::ptr::null_mut();
    // SAFETY: room for one pointer.
    if unsafe { libc::getifaddrs(&raw mut list) } != 0 {
        return addresses;
    }
    let mut next = list;
    while !next.is_null() {
        // SAFETY: an element of the list, which is freed after the loop.
        let element = unsafe { &*next };
        // SAFETY: null, or an address of this element.
        addresses.extend(unsafe { socket_address(element.ifa_addr) });
        next = element.ifa_next;
    }
    // SAFETY: from `getifaddrs`, and not used any more.
    unsafe { libc::freeifaddrs(list) };
    addresses
}

/// # Safety
/// `address` is null or points to a struct of its family.
unsafe fn socket_address(address: *const libc::sockaddr) -> Option<IpAddr> {
    if address.is_null() {
        return None;
    }
    // SAFETY: not null; every socket address begins with its family.
    match i32::from(unsafe { (*address).sa_family }) {
        libc::AF_INET => {
            // SAFETY: of this family.
            let address = unsafe { &*address.cast::<libc::sockaddr_in>() };
            Some(Ipv4Addr::from(address.sin_addr.s_addr.to_ne_bytes()).into())
        }
        libc::AF_INET6 => {
            // SAFETY: of this family.
            let address = unsafe { &*address.cast::<libc::sockaddr_in6>() };
            Some(Ipv6Addr::from(address.sin6_addr.s6_addr).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_an_address_of_this_host() {
        assert!(own_addresses().contains(&Ipv4Addr::LOCALHOST.into()));
    }

    #[test]
    fn the_session_is_one_of_them() {
        let session = "203.0.113.77".parse().unwrap();
        assert_eq!(all(Some(session))[0].address, session);
        assert!(all(None).iter().all(|line| line.address != session));
    }

    #[test]
    fn what_would_cut_somebody_off_is_not_harmless() {
        let protected = [
            ProtectedAddress { address: "192.0.2.1".parse().unwrap(), what: "the default gateway" },
            ProtectedAddress { address: "2001:db8::53".parse().unwrap(), what: "a name server of this host" },
        ];
        for (net, said) in [
            ("198.51.100.7/32", None),
            ("192.0.2.2/32", None),
            ("10.0.0.0/8", None),
            ("2001:d00::/24", Some("2001:d00::/24 holds 2001:db8::53, a name server of this host, so")),
            ("2a00:100::/24", None),
            ("192.0.2.1/32", Some("192.0.2.1 is the default gateway, so")),
            ("192.0.2.0/24", Some("192.0.2.0/24 holds 192.0.2.1, the default gateway, so")),
            ("2001:db8::53/128", Some("2001:db8::53 is a name server of this host, so")),
            ("10.0.0.0/7", Some("large part of the internet, shorter than /8, so nothing is banned")),
            ("2000::/23", Some("large part of the internet, shorter than /24, so nothing is banned")),
        ] {
            let result = check(net.parse().unwrap(), &protected);
            match said {
                None => assert_eq!(result, Ok(()), "{net}"),
                Some(said) => assert!(result.as_ref().unwrap_err().contains(said), "{net}: {result:?}"),
            }
        }
    }

    #[test]
    fn resolvers_are_those_of_resolv_conf() {
        let text = "# nameserver 192.0.2.9\nsearch example.org\nnameserver 192.0.2.53\nnameserver\t2001:db8::53\nnameserver\n";
        assert_eq!(
            resolvers(text),
            ["192.0.2.53", "2001:db8::53"].map(|text| text.parse::<IpAddr>().unwrap())
        );
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn the_default_gateways_are_those_of_the_routing_tables() {
        let v4 = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n\
                  eth0 00000000 FE0200C0 0003 0 0 0 00000000 0 0 0\n\
                  eth0 000200C0 00000000 0001 0 0 0 00FFFFFF 0 0 0\n\
                  eth1 000A0A0A 010200C0 0003 0 0 0 00FFFFFF 0 0 0\n";
        assert_eq!(gateways_v4(v4), ["192.0.2.254".parse::<IpAddr>().unwrap()]);
        let zero = "0".repeat(32);
        let v6 = format!(
            "{zero} 00 {zero} 00 20010db8000000000000000000000001 00000400 00000000 00000000 00000003 eth0\n\
             {zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200 lo\n"
        );
        assert_eq!(gateways_v6(&v6), ["2001:db8::1".parse::<IpAddr>().unwrap()]);
    }
}
