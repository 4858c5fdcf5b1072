//! Requests that cannot be sent on.

use crate::answer::{Answer, Status};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    TooManyHops,
    /// It came back to the edge from itself.
    Loop,
    /// Proxy-Require asks for these.
    UnknownExtension(String),
    UnsupportedScheme,
    /// No token of the edge says where the phone is.
    NoRoute,
    /// The phone's connection, or the listener that it came by, is gone. `by_path`: the PBX may forget the binding.
    FlowGone {
        by_path: bool,
    },
    /// The edge has no listener of that transport towards the PBX.
    NoListener,
}

impl Refusal {
    pub fn answer(&self) -> Answer {
        match self {
            Self::TooManyHops => Answer::new(Status::TooManyHops),
            Self::Loop => Answer::new(Status::LoopDetected),
            Self::UnknownExtension(options) => Answer::bad_extension(options),
            Self::UnsupportedScheme => Answer::new(Status::UnsupportedScheme),
            Self::FlowGone { by_path: true } => Answer::new(Status::FlowFailed),
            Self::NoRoute | Self::FlowGone { by_path: false } => Answer::new(Status::TemporarilyUnavailable),
            Self::NoListener => Answer::new(Status::ServerError),
        }
    }
}
