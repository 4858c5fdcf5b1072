//! Entries of the lists: an address or a prefix is trusted or banned, until some time, by somebody's word.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{address::canonical, time::KernelTime};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListKind {
    Trusted,
    Banned,
}

impl ListKind {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trusted => "trusted",
            Self::Banned => "banned",
        }
    }
}

/// The entry of an address or a prefix on one of the lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListEntry {
    pub kind: ListKind,
    pub until: KernelTime,
    /// The set that it belongs to.
    pub origin: Origin,
}

/// The address, if the prefix holds just one.
pub fn single(net: IpNet) -> Option<IpAddr> {
    let net = canonical(net);
    (net.prefix_len() == net.max_prefix_len()).then(|| net.addr())
}

/// The way by which an entry came onto a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The configuration file.
    Config,
    /// Somebody's command.
    Hand,
    Import,
    /// Found in the kernel by a store that did not have it: written while the store could not be.
    Kernel,
    /// The guard, for what was seen.
    Guard,
}
