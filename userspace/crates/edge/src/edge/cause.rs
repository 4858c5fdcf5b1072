//! Why the edge refuses a request, or drops a message.

pub use sipward_types::cause::Cause;

use crate::forward::Refusal;

pub(super) const fn of_forwarding(refusal: &Refusal) -> Cause {
    match refusal {
        Refusal::TooManyHops => Cause::TooManyHops,
        Refusal::Loop => Cause::Loop,
        Refusal::UnknownExtension(_) => Cause::UnknownExtension,
        Refusal::UnsupportedScheme => Cause::UnsupportedScheme,
        Refusal::NoRoute => Cause::NoRoute,
        Refusal::FlowGone { .. } => Cause::FlowGone,
        Refusal::NoListener => Cause::NoListener,
    }
}

/// The text of a Warning header: only for those who had the right password, as it says that the account exists.
pub(super) const fn warning(cause: Cause) -> Option<&'static str> {
    match cause {
        Cause::Locked => Some("the account is locked"),
        Cause::Disabled => Some("the account is disabled"),
        Cause::Expired => Some("the account has expired"),
        Cause::AddressNotAllowed => Some("the account may not be used from this address"),
        Cause::OtherAccount => Some("the account may speak for itself only"),
        _ => None,
    }
}

/// The request has answered a challenge to its very address.
pub(super) const fn is_proven(cause: Cause) -> bool {
    matches!(cause, Cause::WrongPassword) || warning(cause).is_some()
}

/// The number of times that each happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters([u64; Cause::ALL.len()]);

impl Default for Counters {
    fn default() -> Self {
        Self([0; Cause::ALL.len()])
    }
}

impl Counters {
    pub(super) fn count(&mut self, cause: Cause) {
        self.0[cause as usize] += 1;
    }

    pub const fn of(&self, cause: Cause) -> u64 {
        self.0[cause as usize]
    }
}
