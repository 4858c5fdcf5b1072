//! Why the edge refuses a request, or drops a message.

use crate::forward::Refusal;

/// The names are stable: documentation and scripts use them. Where the observer of the daemon can see the same, it has the
/// same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// It can be read in more than one way; see [`Unclear`](crate::message::Unclear).
    Unclear,
    /// Its credentials cannot be read in one way only.
    Credentials,
    /// Asked for credentials.
    Challenged,
    Suspended,
    LockedByGuard,
    WrongPassword,
    StaleNonces,
    WrongRealm,
    AlgorithmNotOffered,
    Locked,
    Disabled,
    Expired,
    AddressNotAllowed,
    /// It speaks for another account than its credentials are of.
    OtherAccount,
    /// It claims a dialog that the edge has no part in.
    NoDialog,
    /// The phone that it is for is not connected any more.
    FlowGone,
    PbxUnreachable,
    /// Not from the PBX, on the PBX's side.
    NotThePbx,
    /// An answer to a request that the edge has not sent on.
    StrayAnswer,
    TooManyHops,
    Loop,
    UnknownExtension,
    UnsupportedScheme,
    NoRoute,
    NoListener,
}

impl Cause {
    pub const ALL: [Self; 25] = [
        Self::Unclear,
        Self::Credentials,
        Self::Challenged,
        Self::Suspended,
        Self::LockedByGuard,
        Self::WrongPassword,
        Self::StaleNonces,
        Self::WrongRealm,
        Self::AlgorithmNotOffered,
        Self::Locked,
        Self::Disabled,
        Self::Expired,
        Self::AddressNotAllowed,
        Self::OtherAccount,
        Self::NoDialog,
        Self::FlowGone,
        Self::PbxUnreachable,
        Self::NotThePbx,
        Self::StrayAnswer,
        Self::TooManyHops,
        Self::Loop,
        Self::UnknownExtension,
        Self::UnsupportedScheme,
        Self::NoRoute,
        Self::NoListener,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Unclear => "unclear",
            Self::Credentials => "unclear-credentials",
            Self::Challenged => "challenged",
            Self::Suspended => "suspended",
            Self::LockedByGuard => "locked-by-guard",
            Self::WrongPassword => "wrong-password",
            Self::StaleNonces => "stale-nonces",
            Self::WrongRealm => "wrong-realm",
            Self::AlgorithmNotOffered => "algorithm-not-offered",
            Self::Locked => "locked",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
            Self::AddressNotAllowed => "address-not-allowed",
            Self::OtherAccount => "other-account",
            Self::NoDialog => "no-dialog",
            Self::FlowGone => "flow-gone",
            Self::PbxUnreachable => "pbx-unreachable",
            Self::NotThePbx => "not-the-pbx",
            Self::StrayAnswer => "stray-answer",
            Self::TooManyHops => "too-many-hops",
            Self::Loop => "loop",
            Self::UnknownExtension => "unknown-extension",
            Self::UnsupportedScheme => "unsupported-scheme",
            Self::NoRoute => "no-route",
            Self::NoListener => "no-listener",
        }
    }

    pub(super) const fn of(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::TooManyHops => Self::TooManyHops,
            Refusal::Loop => Self::Loop,
            Refusal::UnknownExtension(_) => Self::UnknownExtension,
            Refusal::UnsupportedScheme => Self::UnsupportedScheme,
            Refusal::NoRoute => Self::NoRoute,
            Refusal::FlowGone { .. } => Self::FlowGone,
            Refusal::NoListener => Self::NoListener,
        }
    }

    /// The text of a Warning header: only for those who had the right password, as it says that the account exists.
    pub const fn warning(self) -> Option<&'static str> {
        match self {
            Self::Locked => Some("the account is locked"),
            Self::Disabled => Some("the account is disabled"),
            Self::Expired => Some("the account has expired"),
            Self::AddressNotAllowed => Some("the account may not be used from this address"),
            Self::OtherAccount => Some("the account may speak for itself only"),
            _ => None,
        }
    }
}

/// The number of times that each happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters([u64; Cause::ALL.len()]);

impl Counters {
    pub(super) fn count(&mut self, cause: Cause) {
        self.0[cause as usize] += 1;
    }

    pub const fn of(&self, cause: Cause) -> u64 {
        self.0[cause as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_cause_has_a_place_and_a_name_of_its_own() {
        for (place, cause) in Cause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, place, "{cause:?}");
        }
        let names: HashSet<_> = Cause::ALL.map(Cause::name).into_iter().collect();
        assert_eq!(names.len(), Cause::ALL.len());
    }
}
