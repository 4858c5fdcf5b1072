//! The meaning of an answer for its request.

use std::time::Duration;

use super::{
    answer::Answer,
    nonces::{NonceStatus, Use},
    registration::Wish,
    request::{Presented, Request},
};
use sipward_types::evidence::{Kind, Method};

/// The credentials that count, and what is known of their nonce.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    pub(super) presented: Presented,
    /// `None`: the PBX never sent it there, as far as is known.
    pub(super) nonce_status: Option<NonceStatus>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Nothing,
    Is(Kind),
    /// The credentials were refused, and that may be because of their nonce alone.
    Kept,
}

/// `is_right`: what accepted it has accepted its credentials.
pub(super) fn verdict(request: &Request, shown: Option<&Shown>, answer: &Answer, is_right: bool) -> Meaning {
    match (answer.status, shown) {
        (200..300, _) if is_right => accepted(request, answer),
        (200..300, Some(_)) => Meaning::Is(Kind::Accepted),
        (200..300, None) if request.wish != Wish::Nothing => Meaning::Is(Kind::Accepted),
        (401 | 407, None) => Meaning::Is(Kind::Challenged),
        (401 | 407, Some(_)) if answer.stale => Meaning::Is(Kind::Stale),
        (401 | 407, Some(shown)) if is_another_server(request, shown, answer) => {
            Meaning::Is(Kind::Challenged)
        }
        (401 | 407, Some(shown)) => match shown.nonce_status {
            Some(NonceStatus { use_of: Use::Current, .. }) => failed(shown),
            Some(NonceStatus { use_of: Use::Kept, .. }) | None => Meaning::Kept,
        },
        // A PBX that dislikes a nonce challenges. This is about the rest.
        (403, Some(shown)) if shown.nonce_status.is_some() => failed(shown),
        (403, Some(_)) => Meaning::Kept,
        (403, None) => Meaning::Is(Kind::Refused),
        (404 | 604, _) if request.method == Method::Register => Meaning::Is(Kind::UnknownAccount),
        (404 | 604, None) if request.about_itself => Meaning::Is(Kind::UnknownAccount),
        // Somebody else is unknown: whoever was called.
        (404 | 604, None) => Meaning::Is(Kind::Refused),
        _ => Meaning::Nothing,
    }
}

const fn failed(shown: &Shown) -> Meaning {
    Meaning::Is(Kind::Failed { attempt: shown.presented.attempt })
}

/// The credentials are as one server asked for them, and now a second server asks for its own.
fn is_another_server(request: &Request, shown: &Shown, answer: &Answer) -> bool {
    let asked_for =
        shown.nonce_status.is_some_and(|nonce_status| nonce_status.realm == Some(shown.presented.realm));
    let has = |realm| request.credentials.iter().any(|presented| Some(presented.realm) == realm);
    asked_for && !answer.challenges.is_empty() && !answer.challenges.iter().any(|echo| has(echo.realm))
}

fn accepted(request: &Request, answer: &Answer) -> Meaning {
    match request.wish {
        Wish::Register(phone) => match answer.grant.seconds(&phone) {
            0 => Meaning::Is(Kind::Unregistered { phone: phone.identity }),
            seconds => Meaning::Is(Kind::Registered {
                phone: phone.identity,
                until: answer.at + Duration::from_secs(seconds.into()),
            }),
        },
        Wish::Unregister { phone } => Meaning::Is(Kind::Unregistered { phone }),
        Wish::Nothing => Meaning::Is(Kind::Succeeded),
    }
}
