//! A packet as the kernel hands it over.

use std::net::SocketAddr;

use crate::{flow::Transport, time::KernelTime};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the PBX; it passed the filter.
    In,
    /// From the PBX.
    Out,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tapped<'a> {
    pub at: KernelTime,
    pub direction: Direction,
    /// IPv4 is never written as IPv6.
    pub remote: SocketAddr,
    pub local: SocketAddr,
    /// `None`: UDP.
    pub tcp: Option<TcpSegment>,
    /// Bytes of payload in the packet; `payload` may be only the beginning.
    pub length: u32,
    /// The first fragment of a packet: there are further bytes that nobody sees.
    pub part: bool,
    /// The filter has charged its line for the credentials in it.
    pub charged: Option<Charged>,
    /// The remote end is banned or trusted. Nothing is judged of it; what it was told is no secret of anybody else.
    pub listed: bool,
    pub payload: &'a [u8],
}

/// By which budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charged {
    /// For nonces that were issued to that address.
    Issued,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpSegment {
    /// Of the first byte of payload.
    pub sequence: u32,
    /// Its sender has all of the other side's bytes before that one.
    pub acknowledged: Option<u32>,
    /// The connection begins (SYN, or the end of a handshake that the filter has seen) or ends (FIN, RST) with it.
    pub begins: bool,
    pub ends: bool,
}

impl Tapped<'_> {
    pub const fn transport(&self) -> Transport {
        if self.tcp.is_some() { Transport::Tcp } else { Transport::Udp }
    }
}

/// The number of times that the filter has charged a line for the credentials of one message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Charges {
    pub issued: u32,
    pub other: u32,
}

impl Charges {
    pub fn of(charged: Option<Charged>) -> Self {
        let mut charges = Self::default();
        charges.add(charged);
        charges
    }

    pub fn add(&mut self, charged: Option<Charged>) {
        match charged {
            Some(Charged::Issued) => self.issued = self.issued.saturating_add(1),
            Some(Charged::Other) => self.other = self.other.saturating_add(1),
            None => {}
        }
    }

    /// Each of them: whether it was for a nonce that was issued.
    pub fn each(self) -> impl Iterator<Item = bool> {
        // More than any budget has say nothing.
        const MOST: usize = 64;
        let times = |is_issued: bool, count: u32| std::iter::repeat_n(is_issued, (count as usize).min(MOST));
        times(true, self.issued).chain(times(false, self.other))
    }
}
