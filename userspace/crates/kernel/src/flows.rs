//! Flows over which somebody has authenticated, as the filter has them.

use std::net::IpAddr;

use aya::maps::Map;
use xdp_prog::abi::{FlowKey, KnownFlow, map};

use super::{error::Result, hash::Hash};
use sipward_types::map_key::{flow_key, flow_of};
use sipward_types::{
    address::from_key,
    flow::Flow,
    meters::{FLOW_WORDS, flow_from_words},
    time::KernelTime,
};

#[derive(Debug)]
pub struct KnownFlows<'a>(Hash<'a, FlowKey, [u64; FLOW_WORDS]>);

impl<'a> KnownFlows<'a> {
    pub(super) fn new(map: &'a mut Map) -> Result<Self> {
        Hash::new(map, map::KNOWN_FLOWS).map(Self)
    }

    /// Gives a flow so many phones' budget, or another one: what it has sent stays counted, but for what it sends while
    /// this is done.
    pub fn put(&mut self, source: IpAddr, flow: Flow, phones: u32, until: KernelTime) -> Result<()> {
        let key = flow_key(source, flow);
        let mut words = self.0.get(&key)?.unwrap_or([0; FLOW_WORDS]);
        (words[0], words[1]) = (until.as_nanos(), phones.into());
        self.0.put(key, words)
    }

    /// True if there was one to remove.
    pub fn remove(&mut self, source: IpAddr, flow: Flow) -> Result<bool> {
        self.0.remove(&flow_key(source, flow))
    }

    /// As the filter has them, with what they have sent; those that have expired too.
    pub fn entries(&self) -> impl Iterator<Item = Result<(FlowKey, KnownFlow)>> + '_ {
        self.0.iter().map(|item| item.map(|(key, words)| (key, flow_from_words(&words))))
    }

    /// With their phones, and until when.
    pub fn iter(&self) -> impl Iterator<Item = Result<(IpAddr, Flow, u32, KernelTime)>> + '_ {
        self.entries().map(|item| {
            let (key, KnownFlow { expires, phones, .. }) = item?;
            Ok((from_key(key.source), flow_of(key.flow), phones as u32, KernelTime::from_nanos(expires)))
        })
    }
}
