//! The proof that an ACK gives, or does not give.
//!
//! It has the tag of our answer, which only who got that can know: if it was made up. Asterisk takes the request's own
//! branch for it. Kamailio begins all its tags alike and makes the rest from the request. With such a PBX whoever knows
//! one answer can acknowledge all others in anybody's name, and no ACK is believed.

use super::{answer::Tag, fingerprint::Fingerprint};

/// Tags that have to be unlike each other before one is believed.
const LOOKED_AT: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Tags {
    /// First halves of the last ones, in a ring.
    halves: [Option<Fingerprint>; LOOKED_AT],
    next: usize,
    /// One was no secret. That is how this PBX makes them, and stays so.
    predictable: bool,
}

impl Tags {
    /// Of an answer that was not sent before.
    pub(super) fn see(&mut self, tag: &Tag) {
        let half = Some(tag.half.fingerprint);
        self.predictable |= tag.is_echo || self.halves.contains(&half);
        self.halves[self.next] = half;
        self.next = (self.next + 1) % LOOKED_AT;
    }

    pub(super) fn are_secret(&self) -> bool {
        !self.predictable && self.halves.iter().all(Option::is_some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::{nonce_scope::Maker, nonces::Echo};

    fn tag(half: Fingerprint, is_echo: bool) -> Tag {
        Tag {
            fingerprint: half,
            half: Echo { fingerprint: half, length: 16, realm: None, maker: Maker::Pbx },
            is_echo,
        }
    }

    fn seen(tags: impl IntoIterator<Item = Tag>) -> bool {
        let mut all = Tags::default();
        tags.into_iter().for_each(|tag| all.see(&tag));
        all.are_secret()
    }

    #[test]
    fn some_have_to_be_seen_and_all_have_to_differ() {
        assert!(!seen((0..7).map(|half| tag(half, false))));
        assert!(seen((0..8).map(|half| tag(half, false))));
        assert!(!seen((0..100).map(|half| tag(half / 2, false))), "two alike");
        assert!(!seen((0..100).map(|half| tag(half, half == 0))), "one that was the request's");
    }
}
