//! The addresses and prefixes that the file trusts or bans.

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
};

use ipnet::{IpNet, Ipv6Net};

use super::{document::Value, error::ConfigError};
use sipward_types::address::{canonical, show};

const WHAT: &str = "a list of addresses and prefixes, such as [\"192.0.2.1\", \"2001:db8::/48\"]";

pub(super) fn trusted(value: Value<'_>) -> Result<Vec<IpNet>, ConfigError> {
    let items = value.list(WHAT)?;
    items.iter().map(|item| net(item, "to let everybody pass, use mode = \"monitor\"")).collect()
}

/// Trusted beats banned, so a ban inside a trusted prefix would only look like one.
pub(super) fn banned(value: Value<'_>, trusted: &[IpNet]) -> Result<Vec<IpNet>, ConfigError> {
    let items = value.list(WHAT)?;
    let trusted = Nets::of(trusted);
    items
        .iter()
        .map(|item| {
            let banned = net(item, "to let only trusted sources in, use trusted_only = true")?;
            match trusted.first_around(banned) {
                Some(trusted) => Err(item.fail(format!(
                    "{} would never be dropped, because trusted has {}; remove one of them",
                    show(banned),
                    show(trusted)
                ))),
                None => Ok(banned),
            }
        })
        .collect()
}

/// Prefixes in the order of the file, in which those around another are found without a look at all of them.
struct Nets {
    places: HashMap<IpNet, usize>,
    /// In use, of both families.
    lengths: BTreeSet<u8>,
}

impl Nets {
    fn of(nets: &[IpNet]) -> Self {
        Self {
            // From the end, so that the first of several that are the same stays.
            places: nets.iter().enumerate().rev().map(|(place, net)| (*net, place)).collect(),
            lengths: nets.iter().map(IpNet::prefix_len).collect(),
        }
    }

    fn first_around(&self, net: IpNet) -> Option<IpNet> {
        let around =
            self.lengths.range(..=net.prefix_len()).map(|length| IpNet::new_assert(net.addr(), *length));
        let found = around.filter_map(|around| self.places.get_key_value(&around.trunc()));
        found.min_by_key(|(_, place)| **place).map(|(around, _)| *around)
    }
}

fn net(value: &Value<'_>, instead: &str) -> Result<IpNet, ConfigError> {
    let text = value.text("an address or a prefix in quotes, such as \"192.0.2.1\" or \"192.0.2.0/24\"")?;
    let net = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse().map_err(|_| {
            value.fail(format!(
                "\"{text}\" is no address or prefix; write for example \"192.0.2.1\" or \"192.0.2.0/24\""
            ))
        })?,
    };
    if net != net.trunc() {
        return Err(value.fail(format!(
            "{net} has bits beyond its length; write {} for the prefix or {} for the one address",
            net.trunc(),
            net.addr()
        )));
    }
    let net = canonical(net);
    if holds_all_v4(net) {
        return Err(value.fail(format!("{net} holds every IPv4 address; {instead}")));
    }
    Ok(net)
}

/// `0.0.0.0/0`, and the IPv6 prefixes that hold the IPv4 addresses as the filter has them, `::ffff:a.b.c.d`.
fn holds_all_v4(net: IpNet) -> bool {
    let all_v4 = Ipv6Net::new_assert(std::net::Ipv4Addr::UNSPECIFIED.to_ipv6_mapped(), 96);
    match net {
        IpNet::V4(net) => net.prefix_len() == 0,
        IpNet::V6(net) => net.contains(&all_v4),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::Ipv4Addr,
        time::{Duration, Instant},
    };

    use proptest::prelude::*;

    use super::*;
    use crate::policy::Config;

    fn some_net() -> impl Strategy<Value = IpNet> {
        let v4 = (any::<[u8; 2]>(), 8..=32u8).prop_map(|([a, b], length)| ([10, a % 4, b % 4, b], length));
        let v6 = (any::<u8>(), 16..=128u8)
            .prop_map(|(a, length)| ([0x2001, 0xdb8, u16::from(a % 4), 0, 0, 0, 0, 1], length));
        prop_oneof![
            v4.prop_map(|(address, length)| IpNet::new_assert(IpAddr::from(address), length).trunc()),
            v6.prop_map(|(address, length)| IpNet::new_assert(IpAddr::from(address), length).trunc()),
        ]
    }

    #[test]
    fn a_long_file_is_read_in_a_time_that_grows_with_its_length_alone() {
        const MANY: u32 = 60_000;
        let list = |from: u32| {
            let sources = (from..from + MANY).map(|bits| format!("\"{}\"", Ipv4Addr::from_bits(bits)));
            sources.collect::<Vec<_>>().join(",")
        };
        let text = format!("trusted = [{}]\nbanned = [{}]", list(0x0a00_0000), list(0x0b00_0000));
        let begun = Instant::now();
        Config::parse(&text, "sipward.toml").unwrap();
        // To compare each with each would take minutes.
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    }

    proptest! {
        #[test]
        fn the_first_prefix_around_another_is_found_as_by_a_look_at_each(
            nets in prop::collection::vec(some_net(), 0..24),
            inner in some_net(),
        ) {
            let first = nets.iter().find(|net| net.contains(&inner)).copied();
            prop_assert_eq!(Nets::of(&nets).first_around(inner), first);
        }
    }
}
