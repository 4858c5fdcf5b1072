//! Evidence of the edge, for the guard.

use std::time::Duration;

use sipward_types::{account::Account, evidence::Method};

use crate::link::Link;

/// The outcome of one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    pub account: Option<Account>,
    pub from: Link,
    pub method: Method,
    pub outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Challenged,
    /// The nonce was issued to that address, so nobody else has sent it.
    Failed {
        attempt: String,
    },
    Stale,
    Succeeded,
    /// The PBX has taken the registration.
    Registered {
        contact: String,
        lasts: Duration,
    },
    /// Of that contact; of all, where there is none.
    Unregistered {
        contact: Option<String>,
    },
}

impl Outcome {
    /// The request has answered a challenge to its very address.
    pub const fn is_proven(&self) -> bool {
        matches!(
            self,
            Self::Failed { .. } | Self::Succeeded | Self::Registered { .. } | Self::Unregistered { .. }
        )
    }
}
