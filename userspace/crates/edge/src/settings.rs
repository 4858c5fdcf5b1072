//! The operator's settings of the edge.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use sipward_types::flow::Transport;

use crate::digest::{HashFunction, Realm};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where phones reach the edge.
    pub listen: Vec<Listen>,
    /// The edge's address on the PBX's side, over UDP and TCP: it accepts nobody but the PBX.
    pub inner: SocketAddr,
    pub pbx: SocketAddr,
    pub realm: Realm,
    pub challenge: Challenge,
    /// Refused requests get no answer.
    pub is_silent: bool,
    /// In the order of the challenges.
    pub algorithms: Vec<HashFunction>,
    pub nonce_lifetime: Duration,
    pub reach: Reach,
    /// Accounts beside those of the database.
    pub accounts: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    pub transport: Transport,
    pub address: SocketAddr,
    /// The name or address that phones know it by.
    pub advertised: String,
}

/// The status with which the edge asks for credentials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Challenge {
    /// 401, as a registrar and most PBXs.
    #[default]
    Unauthorized,
    /// 407, as a proxy.
    ProxyAuthentication,
    /// 401 for REGISTER and 407 for others, each with the headers of both: for phones that look for one of them only.
    Both,
}

/// The way in which the PBX reaches a phone through the edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// The edge writes itself into the Contact of a REGISTER: any PBX understands that.
    #[default]
    Contact,
    /// It adds a Path header where the phone says that it supports that.
    Path,
    /// It adds a Path header, and says that the phone supports that.
    PathAlways,
}
