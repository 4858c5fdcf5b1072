//! The writes that make the kernel's maps follow a change of the lists.

use std::net::IpAddr;

use ipnet::IpNet;
use xdp_prog::abi::SourceEntry;

use sipward_types::list_entry::ListEntry;

/// To be done in the order of the fields. New entries come before old ones go: a source that is on a list before and
/// after is never off it meanwhile, be it as an address, as a prefix or as a part of another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MapWrites {
    pub addresses: Vec<(IpAddr, SourceEntry)>,
    /// `None`: it is removed.
    pub declarations: Vec<(IpNet, Option<Declaration>)>,
    pub prefixes: Vec<(IpNet, SourceEntry)>,
    pub removed_prefixes: Vec<IpNet>,
    /// Banned addresses in prefixes that become trusted, or no longer are.
    pub shadowed: Vec<(IpAddr, SourceEntry)>,
    pub removed_addresses: Vec<IpAddr>,
}

/// An entry of a prefix as the kernel keeps it for userspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// `None`: the entry was removed, and the store still has it.
    pub list_entry: Option<ListEntry>,
    /// The store does not have it so.
    pub unsaved: bool,
}
