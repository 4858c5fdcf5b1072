//! The addresses and prefixes that the file trusts or bans.

use std::net::IpAddr;

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
    items
        .iter()
        .map(|item| {
            let banned = net(item, "to let only trusted sources in, use trusted_only = true")?;
            match trusted.iter().find(|trusted| trusted.contains(&banned)) {
                Some(trusted) => Err(item.fail(format!(
                    "{} would never be dropped, because trusted has {}; remove one of them",
                    show(banned),
                    show(*trusted)
                ))),
                None => Ok(banned),
            }
        })
        .collect()
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
