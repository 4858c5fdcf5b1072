//! Via: where an answer goes.

use std::net::{IpAddr, SocketAddr};

use sipward_sip::Via;
use sipward_types::flow::Transport;

use super::grammar::raw_parameters;

/// The port of a Via without one.
const DEFAULT_PORT: u16 = 5060;

/// One value of Via.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hop<'a> {
    /// All of it.
    pub value: &'a [u8],
    pub via: Via<'a>,
    /// `rport`, with a value or without (RFC 3581).
    pub asks_for_port: bool,
}

impl<'a> Hop<'a> {
    pub fn read(value: &'a [u8]) -> Self {
        let via = Via::parse(value).unwrap_or_default();
        let is_rport = |(name, _): (&[u8], _)| name.eq_ignore_ascii_case(b"rport");
        Self { value, via, asks_for_port: raw_parameters(value).skip(1).any(is_rport) }
    }

    /// The address that the sender names. `None`: it names a host.
    fn sent_by(&self) -> Option<IpAddr> {
        let host = str::from_utf8(self.via.host).ok()?;
        host.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }

    /// The address that answers to what came from `source` go to. It is never one that the message names.
    ///
    /// Over UDP RFC 3261 says the port that the sender names, unless it asks for its own; but where its address is not the
    /// one that it names, it is behind a NAT, and only its own port leads back to it.
    pub fn reply_to(&self, source: SocketAddr, transport: Transport) -> SocketAddr {
        let is_translated = self.sent_by().is_some_and(|address| address != source.ip());
        match transport {
            Transport::Udp if !self.asks_for_port && !is_translated => {
                SocketAddr::new(source.ip(), self.via.port.unwrap_or(DEFAULT_PORT))
            }
            _ => source,
        }
    }

    /// The value with `received` and `rport` as the socket saw them, whatever the sender had written there.
    pub fn stamped(&self, source: SocketAddr) -> Vec<u8> {
        let mut stamped = Vec::with_capacity(self.value.len() + 64);
        let is_ours =
            |name: &[u8]| [&b"received"[..], b"rport"].iter().any(|ours| ours.eq_ignore_ascii_case(name));
        for (at, piece) in sipward_sip::Pieces::new(self.value, b';', false).enumerate() {
            let (name, _) = sipward_sip::parameter(piece);
            if at > 0 && is_ours(name) {
                continue;
            }
            if at > 0 {
                stamped.push(b';');
            }
            stamped.extend_from_slice(piece);
        }
        if self.asks_for_port || self.sent_by() != Some(source.ip()) {
            stamped.extend_from_slice(format!(";received={}", source.ip()).as_bytes());
        }
        if self.asks_for_port {
            stamped.extend_from_slice(format!(";rport={}", source.port()).as_bytes());
        }
        stamped
    }
}
