//! An address or a prefix, as people type it.

use std::{net::IpAddr, str::FromStr};

use ipnet::IpNet;

use crate::address::{canonical, holds_v4_unsaid};

/// Without bits beyond its length, and IPv4 as such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target(pub(super) IpNet);

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let net = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address),
            Err(_) => text.parse().map_err(|_| {
                "it is no address or prefix: write for example 192.0.2.1 or 2001:db8::/32".to_owned()
            })?,
        };
        if net != net.trunc() {
            return Err(format!(
                "it has bits beyond its length: did you mean {} or {}?",
                net.trunc(),
                net.addr()
            ));
        }
        let net = canonical(net);
        if holds_v4_unsaid(net) {
            return Err(
                "it would hold every IPv4 address, too: write 2000::/3 for all of IPv6 that is in use"
                    .to_owned(),
            );
        }
        Ok(Self(net))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::show;

    #[test]
    fn addresses_and_prefixes_are_read_as_they_are_typed() {
        for (text, shown) in [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1/32", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
            ("192.0.2.0/24", "192.0.2.0/24"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:DB8::1", "2001:db8::1"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("2000::/3", "2000::/3"),
        ] {
            let Target(net) = text.parse().unwrap();
            assert_eq!(show(net), shown, "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_to_write() {
        for (text, said) in [
            ("", "no address"),
            ("example.org", "no address"),
            ("192.0.2.256", "no address"),
            ("192.0.2.1/33", "no address"),
            ("192.0.2.1/24", "192.0.2.0/24 or 192.0.2.1"),
            ("2001:db8::1/32", "2001:db8::/32 or 2001:db8::1"),
            ("::/0", "every IPv4 address"),
            ("::/80", "every IPv4 address"),
        ] {
            let error = text.parse::<Target>().unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
