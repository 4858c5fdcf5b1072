//! Addresses between the forms of people (`std::net`, `ipnet`) and of the kernel's maps.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::{IpNet, Ipv6Net};
use xdp_prog::abi::Address;

/// Where the IPv4 addresses begin within the IPv6 ones.
const V4_BITS: u8 = 96;

/// The key of `SOURCES` for an address. `::ffff:192.0.2.1` and `192.0.2.1` are the same source.
pub fn to_key(address: IpAddr) -> Address {
    let bytes = mapped(address).octets();
    let (words, _) = bytes.as_chunks::<4>();
    Address(std::array::from_fn(|index| u32::from_ne_bytes(words[index])))
}

/// The address of a key of `SOURCES`, IPv4 as such.
pub fn from_key(key: Address) -> IpAddr {
    let mut bytes = [0; 16];
    for (chunk, word) in bytes.chunks_exact_mut(4).zip(key.0) {
        chunk.copy_from_slice(&word.to_ne_bytes());
    }
    IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()
}

/// The first address of the line that an address belongs to: see [`Address::line`].
pub fn line(address: IpAddr) -> IpAddr {
    from_key(to_key(address).line())
}

/// A prefix as `PREFIXES` has it: 128-bit network address and length.
pub fn to_prefix(net: IpNet) -> ([u8; 16], u8) {
    match net.trunc() {
        IpNet::V4(net) => (net.network().to_ipv6_mapped().octets(), V4_BITS + net.prefix_len()),
        IpNet::V6(net) => (net.network().octets(), net.prefix_len()),
    }
}

/// The prefix of a key of `PREFIXES`, IPv4 as such; `None` if the length is none.
pub fn from_prefix(bytes: [u8; 16], length: u8) -> Option<IpNet> {
    let net = Ipv6Net::new(Ipv6Addr::from(bytes), length).ok()?;
    Some(canonical(IpNet::V6(net)))
}

/// The same prefix with IPv4 as such and no bits beyond its length.
pub fn canonical(net: IpNet) -> IpNet {
    let v4 = |address: Ipv6Addr| match IpAddr::V6(address).to_canonical() {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    };
    match net.trunc() {
        IpNet::V6(net) if net.prefix_len() >= V4_BITS => match v4(net.network()) {
            Some(address) => v4_net(address, net.prefix_len() - V4_BITS),
            None => IpNet::V6(net),
        },
        net => net,
    }
}

/// True if an IPv6 prefix holds all of IPv4 too, which nobody means who writes it: in the filter the IPv4 addresses
/// are `::ffff:a.b.c.d`.
pub fn holds_v4_unsaid(net: IpNet) -> bool {
    matches!(net, IpNet::V6(_)) && net.contains(&IpAddr::from([0, 0, 0, 0, 0, 0xffff, 0, 0]))
}

/// An address or a prefix as people write it; or what is wrong with it, and what to write.
pub fn parse(text: &str) -> Result<IpNet, String> {
    let net = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse().map_err(|_| match text.parse::<SocketAddr>() {
            Ok(with_port) => format!("it has a port: write {}", with_port.ip()),
            Err(_) => "it is no address or prefix: write for example 192.0.2.1 or 2001:db8::/32".to_owned(),
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
            "it would hold every IPv4 address, too: write 2000::/3 for all of IPv6 that is in use".to_owned()
        );
    }
    Ok(net)
}

/// As people know it: an address without its length.
pub fn show(net: IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.to_string() }
}

fn v4_net(address: Ipv4Addr, length: u8) -> IpNet {
    IpNet::new_assert(IpAddr::V4(address), length)
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_and_its_address_are_the_same_source() {
        for (text, key, back) in [
            ("192.0.2.1", Address::v4(u32::from_ne_bytes([192, 0, 2, 1])), "192.0.2.1"),
            ("::ffff:192.0.2.1", Address::v4(u32::from_ne_bytes([192, 0, 2, 1])), "192.0.2.1"),
            ("2001:db8::1", Address([0x2001_0db8_u32.to_be(), 0, 0, 1_u32.to_be()]), "2001:db8::1"),
            ("::", Address([0; 4]), "::"),
        ] {
            assert_eq!(to_key(text.parse().unwrap()), key, "{text}");
            assert_eq!(from_key(key).to_string(), back, "{text}");
        }
    }

    #[test]
    fn a_prefix_survives_the_way_into_the_map_and_back() {
        for (text, length, back) in [
            ("192.0.2.0/24", 120, "192.0.2.0/24"),
            ("192.0.2.77/24", 120, "192.0.2.0/24"),
            ("0.0.0.0/0", 96, "0.0.0.0/0"),
            ("::ffff:192.0.2.0/120", 120, "192.0.2.0/24"),
            ("2001:db8:1::/48", 48, "2001:db8:1::/48"),
            ("::/0", 0, "::/0"),
            // Holds all IPv4 addresses and more: stays what it is.
            ("::/80", 80, "::/80"),
        ] {
            let (bytes, bits) = to_prefix(text.parse().unwrap());
            assert_eq!(bits, length, "{text}");
            assert_eq!(from_prefix(bytes, bits).unwrap().to_string(), back, "{text}");
        }
        assert_eq!(from_prefix([0; 16], 129), None);
    }

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
            assert_eq!(show(parse(text).unwrap()), shown, "{text}");
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
            let error = parse(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
