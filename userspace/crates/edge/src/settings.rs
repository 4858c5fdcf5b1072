//! The operator's settings of the edge.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use sipward_types::flow::Transport;

use crate::{
    digest::{HashFunction, Realm},
    forward::{self, Reach},
    link::Advertised,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The addresses at which phones reach the edge.
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

impl Settings {
    /// As far as messages that are sent on are concerned.
    pub(crate) fn of_forwarding(&self) -> forward::Settings {
        let listener = |transport, address: SocketAddr, host: String| forward::Listener {
            address,
            advertised: Advertised { transport, host, port: address.port() },
        };
        let inner_host = match self.inner {
            SocketAddr::V4(inner) => inner.ip().to_string(),
            SocketAddr::V6(inner) => format!("[{}]", inner.ip()),
        };
        let outer = |own: &Listen| listener(own.transport, own.address, own.advertised.clone());
        let inner = |transport| listener(transport, self.inner, inner_host.clone());
        forward::Settings {
            outer: self.listen.iter().map(outer).collect(),
            inner: [Transport::Udp, Transport::Tcp].map(inner).into(),
            pbx: self.pbx,
            reach: self.reach,
            realm: self.realm.as_str().to_owned(),
        }
    }
}
