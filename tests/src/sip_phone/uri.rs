//! URIs, and headers whose value is one.

use std::net::{IpAddr, SocketAddr};

/// The parts of a SIP URI. Everything but the host may be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uri<'a> {
    pub user: &'a str,
    /// A name, an IPv4 address, or an IPv6 address in brackets.
    pub host: &'a str,
    pub port: Option<u16>,
    /// From the first semicolon on.
    parameters: &'a str,
}

impl<'a> Uri<'a> {
    pub fn parse(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix("sip:")?;
        let (address, parameters) = rest.split_at(rest.find(';').unwrap_or(rest.len()));
        let (user, place) = address.rsplit_once('@').unwrap_or(("", address));
        let (host, port) = host_and_port(place)?;
        Some(Self { user, host, port, parameters })
    }

    pub fn parameter(&self, name: &str) -> Option<&'a str> {
        parameter(self.parameters, name)
    }

    /// The address of a host that is written as one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.trim_matches(['[', ']']).parse().ok()
    }
}

/// Cuts `host:port`, of which the port may be missing.
pub(super) fn host_and_port(place: &str) -> Option<(&str, Option<u16>)> {
    let end =
        if place.starts_with('[') { place.find(']')? + 1 } else { place.find(':').unwrap_or(place.len()) };
    let (host, port) = place.split_at(end);
    match port.strip_prefix(':') {
        Some(port) => Some((host, Some(port.parse().ok()?))),
        None => port.is_empty().then_some((host, None)),
    }
}

/// The URI of a header such as From, Contact or Route.
pub fn addressed(value: &str) -> &str {
    match value.split_once('<') {
        Some((_, rest)) => rest.split('>').next().unwrap_or(rest),
        None => value.split(';').next().unwrap_or(value).trim(),
    }
}

/// The parameter of such a header, or of Via. An empty value: the parameter is there and has none.
pub fn header_parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    parameter(value.rsplit('>').next()?, name)
}

fn parameter<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.split(';').skip(1).find_map(|one| {
        let (found, value) = one.split_once('=').unwrap_or((one, ""));
        found.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

/// The host of an address as URIs and Via write it.
pub(super) fn host_of(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }
}

/// The address that Via says: `received` and `rport` before what the sender wrote of itself.
pub(super) fn seen_address(via: &str) -> Option<SocketAddr> {
    let ip = header_parameter(via, "received")?.trim_matches(['[', ']']).parse().ok()?;
    Some(SocketAddr::new(ip, header_parameter(via, "rport")?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_is_cut_into_its_parts() {
        let uri = Uri::parse("sip:201@[2001:db8::1]:5062;transport=tcp;lr").unwrap();
        assert_eq!((uri.user, uri.host, uri.port), ("201", "[2001:db8::1]", Some(5062)));
        assert_eq!((uri.parameter("LR"), uri.parameter("transport")), (Some(""), Some("tcp")));
        assert_eq!(uri.ip(), Some("2001:db8::1".parse().unwrap()));
        let uri = Uri::parse("sip:pbx.example.com").unwrap();
        assert_eq!((uri.user, uri.host, uri.port, uri.ip()), ("", "pbx.example.com", None, None));
        assert_eq!(Uri::parse("sip:pbx:x"), None);
    }

    #[test]
    fn parameters_of_the_uri_are_not_those_of_the_header() {
        let value = "\"A; x\" <sip:201@pbx;tag=uri>;tag=header";
        assert_eq!(addressed(value), "sip:201@pbx;tag=uri");
        assert_eq!(header_parameter(value, "tag"), Some("header"));
        assert_eq!(addressed("sip:201@pbx;tag=1"), "sip:201@pbx");
    }

    #[test]
    fn via_says_where_a_request_was_seen_to_come_from() {
        let via = "SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK1;received=192.0.2.7;rport=40000";
        assert_eq!(seen_address(via), Some("192.0.2.7:40000".parse().unwrap()));
        assert_eq!(seen_address("SIP/2.0/UDP 10.0.0.1;rport"), None);
    }
}
