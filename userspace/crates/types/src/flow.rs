//! One port of one source.

use std::fmt;

use serde::{Deserialize, Serialize};

/// With its source: where the packets came from, as narrow as they show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Flow {
    pub port: u16,
    pub transport: Transport,
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { port, transport } = self;
        match transport {
            Transport::Udp => write!(f, "udp:{port}"),
            Transport::Tcp => write!(f, "tcp:{port}"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    Udp,
    Tcp,
}
