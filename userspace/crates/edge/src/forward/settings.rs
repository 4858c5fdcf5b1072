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

fn address(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}
