//! Flows over which somebody has authenticated, as the filter has them.

use std::net::IpAddr;

use aya::maps::Map;
use xdp_prog::{
    abi::{FlowKey, KnownFlow, SuspensionKey, map},
    frame::{TCP, UDP},
};

use super::{error::Result, hash::Hash};
use crate::{
    address::{from_key, to_key},
    guard::{Flow, Transport},
    meters::{FLOW_WORDS, flow_from_words},
};

#[derive(Debug)]
pub struct KnownFlows<'a>(Hash<'a, FlowKey, [u64; FLOW_WORDS]>);

impl<'a> KnownFlows<'a> {
    pub(super) fn new(map: &'a mut Map) -> Result<Self> {
        Hash::new(map, map::KNOWN_FLOWS).map(Self)
    }

    /// Gives a flow so many phones' budget, or another one: what it has sent stays counted, but for what it sends while
    /// this is done.
    pub fn put(&mut self, source: IpAddr, flow: Flow, phones: u32, until: u64) -> Result<()> {
        let key = flow_key(source, flow);
        let mut words = self.0.get(&key)?.unwrap_or([0; FLOW_WORDS]);
        (words[0], words[1]) = (until, phones.into());
        self.0.put(key, words)
    }

    /// Whether there was one to remove.
    pub fn remove(&mut self, source: IpAddr, flow: Flow) -> Result<bool> {
        self.0.remove(&flow_key(source, flow))
    }

    /// As the filter has them, with what they have sent; those that have expired too.
    pub fn entries(&self) -> impl Iterator<Item = Result<(FlowKey, KnownFlow)>> + '_ {
        self.0.iter().map(|item| item.map(|(key, words)| (key, flow_from_words(&words))))
    }

    /// With their phones, and until when.
    pub fn iter(&self) -> impl Iterator<Item = Result<(IpAddr, Flow, u32, u64)>> + '_ {
        self.entries().map(|item| {
            let (key, KnownFlow { expires, phones, .. }) = item?;
            Ok((from_key(key.source), flow_of(key.flow), phones as u32, expires))
        })
    }
}

pub fn flow_key(source: IpAddr, flow: Flow) -> FlowKey {
    FlowKey { source: to_key(source), flow: flow_number(flow) }
}

pub(super) const fn flow_number(Flow { port, transport }: Flow) -> u64 {
    let protocol = match transport {
        Transport::Udp => UDP,
        Transport::Tcp => TCP,
    };
    SuspensionKey::flow(protocol, port)
}

pub(super) const fn flow_of(number: u64) -> Flow {
    let transport = if number >> 16 == TCP as u64 { Transport::Tcp } else { Transport::Udp };
    Flow { port: number as u16, transport }
}
