//! The guesses of lines, as the filter counts them.

use std::net::IpAddr;

use aya::maps::{HashMap, Map, MapData};
use xdp_prog::{
    abi::{Address, AddressHash, GuessState, Refunds, map},
    guess::Budget,
};

use super::{
    error::Result,
    hash::{Hash, found},
    pod::Pod,
};
use sipward_types::map_key::worked_key;
use sipward_types::{
    account::Account,
    address::{from_key, to_key},
    time::KernelTime,
};

/// Which accounts have worked at which sources, until when each counts.
#[derive(Debug)]
pub struct Worked<'a>(Hash<'a, AddressHash, u64>);

impl<'a> Worked<'a> {
    pub(super) fn new(map: &'a mut Map) -> Result<Self> {
        Hash::new(map, map::WORKED).map(Self)
    }

    pub fn put(&mut self, source: IpAddr, account: &Account, until: KernelTime) -> Result<()> {
        self.0.put(worked_key(source, account), until.as_nanos())
    }

    /// True if there was one to remove.
    pub fn remove(&mut self, source: IpAddr, account: &Account) -> Result<bool> {
        self.0.remove(&worked_key(source, account))
    }

    pub fn iter(&self) -> impl Iterator<Item = Result<(AddressHash, KernelTime)>> + '_ {
        self.0.iter().map(|item| item.map(|(key, until)| (key, KernelTime::from_nanos(until))))
    }

    pub fn remove_key(&mut self, key: &AddressHash) -> Result<bool> {
        self.0.remove(key)
    }
}

/// The totals given back to each line.
#[derive(Debug)]
pub struct GivenBack<'a>(Hash<'a, Address, Refunds>);

impl<'a> GivenBack<'a> {
    pub(super) fn new(map: &'a mut Map) -> Result<Self> {
        Hash::new(map, map::REFUNDS).map(Self)
    }

    /// Of the line that the address belongs to.
    pub fn get(&self, address: IpAddr) -> Result<Refunds> {
        Ok(self.0.get(&to_key(address).line())?.unwrap_or_default())
    }

    pub fn put(&mut self, address: IpAddr, refunds: Refunds) -> Result<()> {
        self.0.put(to_key(address).line(), refunds)
    }

    pub fn remove(&mut self, address: IpAddr) -> Result<bool> {
        self.0.remove(&to_key(address).line())
    }

    /// By the first address of each line.
    pub fn iter(&self) -> impl Iterator<Item = Result<(IpAddr, Refunds)>> + '_ {
        self.0.iter().map(|item| item.map(|(line, refunds)| (from_key(line), refunds)))
    }
}

type StateMap<'a> = HashMap<&'a MapData, Pod<Address>, [u64; 2]>;

/// The recent guesses of lines. Reading them does not count as use.
#[derive(Debug)]
pub struct GuessStates<'a> {
    pub(super) issued: StateMap<'a>,
    pub(super) other: StateMap<'a>,
    /// When something was last seen to leave a SIP port.
    pub watched_at: KernelTime,
}

impl GuessStates<'_> {
    /// Of the line that the address belongs to; `None`: it has not tried anything.
    pub fn state(&self, address: IpAddr, budget: Budget) -> Result<Option<GuessState>> {
        let map = match budget {
            Budget::Issued => &self.issued,
            Budget::Other => &self.other,
        };
        let words = found(map.get(&Pod(to_key(address).line()), 0))?;
        Ok(words.map(|[empty_at, counted]| {
            let state = GuessState::default();
            state.empty_at.set(empty_at);
            state.counted.set(counted);
            state
        }))
    }
}
