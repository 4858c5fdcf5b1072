//! A final answer of the PBX: what is kept of it where its request has still to come.

use super::{
    fingerprint::{Fingerprint, Fingerprinter},
    nonce_scope::{Maker, NonceIssuer},
    nonces::Echo,
    registration::Grant,
    request::{from_fingerprint, nonce},
};
use sipward_sip::Message;
use sipward_types::time::KernelTime;

/// In bytes: shorter things are in each other by chance.
const TOLD_APART: usize = 4;
/// In bytes: no PBX makes up longer ones.
const LONGEST: usize = 128;

#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) at: KernelTime,
    pub(super) status: u16,
    /// The nonces that it challenges with.
    pub(super) challenges: Vec<Echo>,
    /// A challenge says that the nonce was the only thing wrong.
    pub(super) stale: bool,
    /// The tag by which an ACK would prove itself.
    pub(super) tag: Option<Tag>,
    pub(super) next_nonce: Option<Echo>,
    pub(super) grant: Grant,
    /// The same where the same answer is sent again.
    pub(super) fingerprint: Fingerprint,
    pub(super) from: Fingerprint,
    /// On TCP: up to where the PBX has all of the stream that asked.
    pub(super) acknowledged: Option<u32>,
}

/// When and where an answer was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct SeenAnswer {
    pub(super) at: KernelTime,
    /// Where it was sent from; `None`: it came from elsewhere.
    pub(super) issuer: Option<NonceIssuer>,
    pub(super) acknowledged: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Tag {
    pub(super) fingerprint: Fingerprint,
    /// Of its first half: see [`tags`](super::tags).
    pub(super) half: Echo,
    /// It is something of the request's, or long enough to be.
    pub(super) is_echo: bool,
}

impl Answer {
    pub(super) fn of(
        message: &Message<'_>,
        status: u16,
        seen_answer: SeenAnswer,
        fingerprinter: &Fingerprinter,
    ) -> Self {
        let SeenAnswer { at, issuer, acknowledged } = seen_answer;
        let maker = issuer.map_or(Maker::Elsewhere, Maker::Issuer);
        let echo = |bytes: &[u8], realm| Echo {
            fingerprint: nonce(bytes, fingerprinter),
            length: bytes.len(),
            realm,
            maker,
        };
        let challenges = message.challenges.iter().filter(|challenge| !challenge.nonce.is_empty());
        let challenges: Vec<Echo> = challenges
            .map(|challenge| echo(challenge.nonce, Some(fingerprinter.of(challenge.realm))))
            .collect();
        let nonces: Vec<Fingerprint> = challenges.iter().map(|challenge| challenge.fingerprint).collect();
        Self {
            at,
            status,
            stale: message.challenges.iter().any(|challenge| challenge.stale),
            tag: message.to.tag.map(|tag| Tag {
                is_echo: is_echo(tag, message),
                fingerprint: tag_fingerprint(tag, fingerprinter),
                half: Echo {
                    fingerprint: fingerprinter.of(("half a tag", &tag[..tag.len().div_ceil(2)])),
                    length: tag.len(),
                    realm: None,
                    maker: issuer.map_or(Maker::Elsewhere, |_| Maker::Pbx),
                },
            }),
            next_nonce: message.next_nonce.map(|nonce| echo(nonce, None)),
            grant: Grant::of(message, fingerprinter),
            fingerprint: fingerprinter.of((status, message.to.tag, nonces)),
            from: from_fingerprint(message, fingerprinter),
            challenges,
            acknowledged,
        }
    }

    pub(super) const fn challenged(&self) -> bool {
        matches!(self.status, 401 | 407)
    }

    pub(super) const fn accepted(&self) -> bool {
        matches!(self.status, 200..300)
    }
}

fn is_echo(tag: &[u8], message: &Message<'_>) -> bool {
    if tag.len() > LONGEST {
        return true;
    }
    let within = |part: &[u8], whole: &[u8]| {
        part.len() >= TOLD_APART && whole.windows(part.len()).any(|window| window == part)
    };
    let own = [message.via.branch, message.call_id, message.from.tag.unwrap_or_default()];
    own.iter().any(|own| within(own, tag) || within(tag, own))
}

pub(super) fn tag_fingerprint(tag: &[u8], fingerprinter: &Fingerprinter) -> Fingerprint {
    fingerprinter.of(("tag", tag))
}
