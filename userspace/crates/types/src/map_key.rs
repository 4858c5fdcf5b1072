//! Keys of the maps for accounts and flows.

use std::net::IpAddr;

use xdp_prog::{
    abi::{FlowKey, SuspensionKey},
    frame::{TCP, UDP},
};

use crate::account::Account;
use crate::{
    address::to_key,
    flow::{Flow, Transport},
};
use xdp_prog::{abi::AddressHash, account};

pub fn flow_key(source: IpAddr, flow: Flow) -> FlowKey {
    FlowKey { source: to_key(source), flow: flow_number(flow) }
}

pub const fn flow_number(Flow { port, transport }: Flow) -> u64 {
    let protocol = match transport {
        Transport::Udp => UDP,
        Transport::Tcp => TCP,
    };
    SuspensionKey::flow(protocol, port)
}

pub const fn flow_of(number: u64) -> Flow {
    let transport = if number >> 16 == TCP as u64 { Transport::Tcp } else { Transport::Udp };
    Flow { port: number as u16, transport }
}

pub fn worked_key(source: IpAddr, account: &Account) -> AddressHash {
    AddressHash { address: to_key(source).source(), hash: account::hash(account.as_str().as_bytes()) }
}
