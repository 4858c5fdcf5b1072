//! The edge's secret keys.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// Two generations: what was signed with the previous key is still good.
#[derive(Clone)]
pub struct Keys {
    current: [u8; 32],
    previous: Option<[u8; 32]>,
}

/// The purpose of a signature, which is worth nothing for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Nonce,
    /// The To tag of the edge's own answers.
    Tag,
    /// The branch of a request that is sent on, and what is kept in it for its answers.
    Branch,
    /// The route of a dialog.
    Route,
    /// The binding of a phone.
    Binding,
    /// The account that a phone was let in by.
    Account,
    /// The names of both ends of a dialog.
    Names,
    /// A name without an account gets a password of its own, which nobody knows.
    NoAccount,
}

impl Keys {
    pub const fn new(current: [u8; 32], previous: Option<[u8; 32]>) -> Self {
        Self { current, previous }
    }

    /// The signature of these parts, in this order and cut in this way.
    pub fn sign<const LENGTH: usize>(&self, purpose: Purpose, parts: &[&[u8]]) -> [u8; LENGTH] {
        signature(&self.current, purpose, parts)
    }

    /// True: one of the keys has made the signature.
    pub fn has_signed<const LENGTH: usize>(
        &self,
        purpose: Purpose,
        parts: &[&[u8]],
        claimed: &[u8; LENGTH],
    ) -> bool {
        self.signatures::<LENGTH>(purpose, parts).any(|own| bool::from(own.ct_eq(claimed)))
    }

    /// Those of both generations, the current one first.
    pub fn signatures<const LENGTH: usize>(
        &self,
        purpose: Purpose,
        parts: &[&[u8]],
    ) -> impl Iterator<Item = [u8; LENGTH]> {
        let keys = [Some(&self.current), self.previous.as_ref()].into_iter().flatten();
        keys.map(move |key| signature(key, purpose, parts))
    }
}

/// The first bytes of a keyed hash.
fn signature<const LENGTH: usize>(key: &[u8; 32], purpose: Purpose, parts: &[&[u8]]) -> [u8; LENGTH] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length is one");
    mac.update(&[purpose as u8]);
    for part in parts {
        mac.update(&(part.len() as u64).to_le_bytes());
        mac.update(part);
    }
    let whole = mac.finalize().into_bytes();
    std::array::from_fn(|at| whole[at])
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_good_for_its_purpose_its_parts_and_two_generations() {
        let old = Keys::new([1; 32], None);
        let parts: [&[u8]; 2] = [b"ab", b"c"];
        let signed: [u8; 12] = old.sign(Purpose::Route, &parts);
        let new = Keys::new([2; 32], Some([1; 32]));
        assert!(old.has_signed(Purpose::Route, &parts, &signed));
        assert!(new.has_signed(Purpose::Route, &parts, &signed));
        assert!(!Keys::new([2; 32], None).has_signed(Purpose::Route, &parts, &signed));
        assert!(!old.has_signed(Purpose::Tag, &parts, &signed));
        assert!(!old.has_signed(Purpose::Route, &[b"a", b"bc"], &signed));
        let mut generations = new.signatures(Purpose::Route, &parts);
        assert_eq!((generations.nth(1), generations.next()), (Some(signed), None));
    }
}
