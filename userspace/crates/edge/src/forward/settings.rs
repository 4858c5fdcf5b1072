//! The edge's own addresses, and the PBX's.

use std::net::{IpAddr, SocketAddr};

use sipward_sip::Uri;
use sipward_types::flow::Transport;

use crate::link::{Advertised, Link, Side};

const DEFAULT_PORT: u16 = 5060;

#[derive(Clone, Debug)]
pub struct Settings {
    /// A link's listener is an index of these.
    pub outer: Vec<Listener>,
    pub inner: Vec<Listener>,
    pub pbx: SocketAddr,
    pub reach: Reach,
    /// The edge's realm: credentials for it stay here.
    pub realm: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    pub address: SocketAddr,
    /// Others reach it so.
    pub advertised: Advertised,
}

/// The way that the PBX reaches a registered phone through the edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// A Path header (RFC 3327), where the phone supports it.
    Path,
    /// A Path header, and Supported: path in the phone's name.
    PathAlways,
    /// For a PBX that knows no Path: a Contact that leads to the edge.
    Contact,
}

impl Settings {
    /// The error says what is wrong and what to do about it.
    pub fn check(&self) -> Result<(), String> {
        let on = |side| self.listeners(side).iter().map(move |listener| (side, listener));
        let listeners: Vec<_> = on(Side::Outer).chain(on(Side::Inner)).collect();
        for (at, (side, listener)) in listeners.iter().enumerate() {
            if listener.address == self.pbx {
                return Err(format!(
                    "the PBX's address {} is the edge's own: give each a port of its own",
                    self.pbx
                ));
            }
            for (other_side, other) in &listeners[..at] {
                let is_twice = listener.address == other.address || listener.has_name_of(other);
                // Only the side of a Route is told by its address: UDP and TCP of one side may share it.
                if is_twice
                    && (side != other_side || listener.advertised.transport == other.advertised.transport)
                {
                    let Advertised { host, port, .. } = &listener.advertised;
                    return Err(format!(
                        "{} is there twice (others know it as {host}:{port}): give each listener a port of its own",
                        listener.address
                    ));
                }
            }
        }
        Ok(())
    }

    pub(super) fn listeners(&self, side: Side) -> &[Listener] {
        match side {
            Side::Outer => &self.outer,
            Side::Inner => &self.inner,
        }
    }

    /// The listener of a link, if there still is such a one.
    pub(super) fn listener(&self, link: Link) -> Option<&Listener> {
        let listener = self.listeners(link.side).get(usize::from(link.listener))?;
        (listener.advertised.transport == link.transport).then_some(listener)
    }

    /// The way to the PBX: as reliable as the way from the phone, because nobody sends again what a mixed one loses.
    pub(super) fn pbx_link(&self, transport: Transport) -> Option<Link> {
        let is_fit = |listener: &Listener| {
            listener.advertised.transport == transport && listener.address.is_ipv4() == self.pbx.is_ipv4()
        };
        let listener = u8::try_from(self.inner.iter().position(is_fit)?).ok()?;
        Some(Link { side: Side::Inner, listener, transport, peer: self.pbx, connection: 0 })
    }

    /// The side that a URI or a Via leads to, if that is one of the edge's own. Another port of the same address is
    /// somebody else.
    pub(super) fn side_of(&self, host: &[u8], port: Option<u16>) -> Option<Side> {
        let host = str::from_utf8(host).ok().filter(|host| !host.is_empty())?;
        let is_on = |side: &Side| self.listeners(*side).iter().any(|listener| listener.is_at(host, port));
        [Side::Outer, Side::Inner].into_iter().find(is_on)
    }

    pub(super) fn side_of_uri(&self, uri: &Uri<'_>) -> Option<Side> {
        self.side_of(uri.host, uri.port)
    }
}

impl Listener {
    /// `advertised`: a host, with a port or without, that others reach it by; without one, its own address. The error says
    /// what is wrong and what to write.
    pub fn new(transport: Transport, address: SocketAddr, advertised: Option<&str>) -> Result<Self, String> {
        let own = match address.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        if advertised.is_none() && address.ip().is_unspecified() {
            return Err(format!(
                "{address} stands for every address of the host, and nobody can send to that: advertise the one that \
                 others reach it by, or a name"
            ));
        }
        let (host, port) = split_port(advertised.unwrap_or(&own));
        let port = port.map_or(Some(address.port()), |port| port.parse().ok().filter(|&port| port != 0));
        let port =
            port.ok_or_else(|| format!("{host} is advertised with a port that is none: write 1 to 65535"))?;
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
        match self::address(host) {
            Some(ip) if ip.is_unspecified() || ip.is_loopback() && !address.ip().is_loopback() => {
                Err(format!(
                    "nobody elsewhere reaches {host}: advertise the address that others reach {address} by"
                ))
            }
            None if host.is_empty() || !host.bytes().all(is_host) => Err(format!(
                "\"{host}\" is no host: advertise a name, an IPv4 address, or an IPv6 address in brackets"
            )),
            _ => Ok(Self { address, advertised: Advertised { transport, host: host.to_owned(), port } }),
        }
    }

    fn has_name_of(&self, other: &Self) -> bool {
        let (own, other) = (&self.advertised, &other.advertised);
        own.host.eq_ignore_ascii_case(&other.host) && own.port == other.port
    }

    fn is_at(&self, host: &str, port: Option<u16>) -> bool {
        let Advertised { host: name, port: advertised, .. } = &self.advertised;
        match address(host) {
            Some(ip) => {
                let port = port.unwrap_or(DEFAULT_PORT);
                ip == self.address.ip() && port == self.address.port()
                    || address(name) == Some(ip) && port == *advertised
            }
            // A name without a port stands for whatever port the DNS says (RFC 3263).
            None => name.eq_ignore_ascii_case(host) && port.is_none_or(|port| port == *advertised),
        }
    }

    /// `host:port`, with the transport where it is not UDP.
    pub(super) fn uri_host(&self) -> String {
        let Advertised { transport, host, port } = &self.advertised;
        let transport = match transport {
            Transport::Udp => "",
            Transport::Tcp => ";transport=tcp",
        };
        format!("{host}:{port}{transport}")
    }
}

/// A host and the port behind it.
fn split_port(text: &str) -> (&str, Option<&str>) {
    let from = text.rfind(']').unwrap_or(0);
    match text[from..].rfind(':') {
        Some(colon) => (&text[..from + colon], Some(&text[from + colon + 1..])),
        None => (text, None),
    }
}

fn address(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(address: &str, advertised: Option<&str>) -> Result<String, String> {
        let listener = Listener::new(Transport::Udp, address.parse().unwrap(), advertised)?;
        Ok(listener.uri_host())
    }

    #[test]
    fn breaks_24_an_address_that_nobody_can_send_to_is_never_advertised() {
        for (address, advertised, known_as) in [
            ("192.0.2.1:5060", None, "192.0.2.1:5060"),
            ("[2001:db8::1]:5060", None, "[2001:db8::1]:5060"),
            ("0.0.0.0:5060", Some("sip.example"), "sip.example:5060"),
            ("0.0.0.0:5060", Some("192.0.2.1:5080"), "192.0.2.1:5080"),
            ("[::]:5060", Some("[2001:db8::1]"), "[2001:db8::1]:5060"),
            ("[::]:5060", Some("[2001:db8::1]:9"), "[2001:db8::1]:9"),
            ("127.0.0.1:5070", None, "127.0.0.1:5070"),
        ] {
            assert_eq!(made(address, advertised).as_deref(), Ok(known_as), "{address} {advertised:?}");
        }
        for (address, advertised, said) in [
            ("0.0.0.0:5060", None, "every address"),
            ("[::]:5060", None, "every address"),
            ("0.0.0.0:5060", Some("0.0.0.0"), "nobody elsewhere"),
            ("0.0.0.0:5060", Some("127.0.0.1"), "nobody elsewhere"),
            ("[::]:5060", Some("[::1]:5060"), "nobody elsewhere"),
            ("192.0.2.1:5060", Some("127.0.0.1"), "nobody elsewhere"),
            ("192.0.2.1:5060", Some("a b"), "no host"),
            ("192.0.2.1:5060", Some("a;lr"), "no host"),
            ("192.0.2.1:5060", Some(""), "no host"),
            ("192.0.2.1:5060", Some("a:0"), "a port that is none"),
            ("192.0.2.1:5060", Some("a:b"), "a port that is none"),
        ] {
            let error = made(address, advertised).unwrap_err();
            assert!(error.contains(said), "{address} {advertised:?}: {error}");
        }
    }

    #[test]
    fn breaks_22_one_address_configured_twice_is_refused() {
        let listener =
            |transport, address: &str| Listener::new(transport, address.parse().unwrap(), None).unwrap();
        let (udp, tcp) = (Transport::Udp, Transport::Tcp);
        let public = "192.0.2.1:5060";
        for (outer, inner, said) in [
            (vec![(udp, public), (tcp, public)], (udp, "10.0.0.1:5060"), None),
            (vec![(udp, public)], (udp, "192.0.2.1:5070"), None),
            (vec![(udp, public), (udp, public)], (udp, "10.0.0.1:5060"), Some("twice")),
            (vec![(udp, public)], (udp, public), Some("twice")),
            (vec![(udp, public)], (tcp, public), Some("twice")),
            (vec![(udp, public)], (udp, "10.0.0.2:5060"), Some("the edge's own")),
        ] {
            let settings = Settings {
                outer: outer.iter().map(|&(transport, address)| listener(transport, address)).collect(),
                inner: vec![listener(inner.0, inner.1)],
                pbx: ([10, 0, 0, 2], 5060).into(),
                reach: Reach::Path,
                realm: "x".to_owned(),
            };
            match said {
                None => assert_eq!(settings.check(), Ok(()), "{outer:?} {inner:?}"),
                Some(said) => assert!(settings.check().unwrap_err().contains(said), "{outer:?} {inner:?}"),
            }
        }
        let named =
            |address: &str| Listener::new(udp, address.parse().unwrap(), Some("sip.example:5060")).unwrap();
        let settings = Settings {
            outer: vec![named("192.0.2.1:5060")],
            inner: vec![named("192.0.2.2:5060")],
            pbx: ([10, 0, 0, 2], 5060).into(),
            reach: Reach::Path,
            realm: "x".to_owned(),
        };
        assert!(settings.check().unwrap_err().contains("sip.example:5060"));
    }
}
