//! Why a call has no answers, or not all of them.

use crate::{control::Gone, refusal::Refusal};

pub(super) enum Unanswered {
    Refused(Refusal),
    /// The client is gone, so there is nobody to answer.
    Gone,
}

impl From<Gone> for Unanswered {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl From<Refusal> for Unanswered {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
