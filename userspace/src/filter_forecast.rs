//! Forecasts by the filter as it is now.

use std::net::IpAddr;

use ipnet::IpNet;
use xdp_prog::account;

use sipward_engine::{
    forecast::{Forecast, forecasts},
    replay::Memory,
};
use sipward_kernel::{Error, Result, Tables};
use sipward_types::{address::to_key, time::KernelTime};

/// Forecasts by the filter as it is at `now`, in kernel time.
pub fn forecast(tables: &mut Tables, address: IpAddr, now: KernelTime) -> Result<Vec<Forecast>> {
    let address = address.to_canonical();
    let policy = tables.policy()?.ok_or(Error::NothingAttached)?;
    let signatures = tables.signatures()?.ok_or(Error::NothingAttached)?;
    let mut memory = Memory::new(policy, signatures);
    memory.set_now(now);
    if let Some(entry) = tables.sources()?.get(address)? {
        memory.insert(address.into(), entry);
    }
    if let Some(entry) = tables.prefixes()?.longest(address)? {
        // No longer one holds the address, so that its own length does not matter.
        memory.insert(IpNet::new_assert(address, 0), entry);
    }
    let states = tables.states()?;
    if let Some(state) = states.source(address)? {
        memory.set_source_state(address, state);
    }
    if let Some(state) = states.prefix(address)? {
        memory.set_prefix_state(address, state);
    }
    for entry in tables.suspensions()?.entries() {
        let (key, suspension) = entry?;
        // Forecast packets carry no account.
        if key.source == to_key(address) && !account::is_hash(key.what) {
            memory.suspend(key, suspension);
        }
    }
    for entry in tables.known_flows()?.entries() {
        let (key, flow) = entry?;
        if key.source == to_key(address) {
            memory.know_flow(key, flow);
        }
    }
    Ok(forecasts(&memory, address, &tables.signature_names()?))
}
