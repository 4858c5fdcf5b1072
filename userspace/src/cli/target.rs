//! An address or a prefix on the command line.

use std::str::FromStr;

use ipnet::IpNet;

use sipward_types::address::parse;

/// Without bits beyond its length, and IPv4 as such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target(pub(super) IpNet);

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text).map(Self)
    }
}
