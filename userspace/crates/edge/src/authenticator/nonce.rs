//! Nonces that need no memory: each says when it was made, and is signed for the address that it was made for.

use std::{net::IpAddr, time::Duration};

use sipward_types::time::KernelTime;

use crate::{
    base64url,
    digest::Realm,
    keys::{Keys, Purpose},
};

use super::Staleness;

/// The time and number that a nonce carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NonceId {
    /// In milliseconds of the kernel's clock.
    pub(super) made: u64,
    /// Sets apart the nonces of one millisecond: phones behind one address must not share one, or they use up each
    /// other's counts.
    pub(super) number: u32,
}

/// Issues nonces and recognises them.
#[derive(Debug)]
pub(super) struct Nonces {
    keys: Keys,
    realm: Realm,
    lifetime: Duration,
    run: u32,
    next: u32,
}

/// Seven bytes of time, four of the run, four of the number, and the signature: no bit of the last digit is left over.
const LENGTH: usize = CONTENT + SIGNATURE;
const SIGNATURE: usize = 12;
const CONTENT: usize = 15;

impl Nonces {
    pub(super) const fn new(keys: Keys, realm: Realm, lifetime: Duration, run: u32) -> Self {
        Self { keys, realm, lifetime, run, next: 0 }
    }

    pub(super) const fn realm(&self) -> &Realm {
        &self.realm
    }

    /// Nonces that were made before that are old.
    pub(super) fn oldest(&self, now: KernelTime) -> u64 {
        millis(now - self.lifetime)
    }

    pub(super) fn issue(&mut self, source: IpAddr, now: KernelTime) -> String {
        let id = NonceId { made: millis(now), number: self.next };
        self.next = self.next.wrapping_add(1);
        let content = content(id, self.run);
        let signature =
            sign(&content, source, &self.realm, |parts| self.keys.sign::<SIGNATURE>(Purpose::Nonce, parts));
        let mut nonce = [0; LENGTH];
        nonce[..CONTENT].copy_from_slice(&content);
        nonce[CONTENT..].copy_from_slice(&signature);
        base64url::encode(&nonce)
    }

    /// A current nonce of this address, or the reason why it is none.
    pub(super) fn check(&self, text: &[u8], source: IpAddr, now: KernelTime) -> Result<NonceId, Staleness> {
        let nonce = base64url::decode(text).and_then(|bytes| <[u8; LENGTH]>::try_from(bytes).ok());
        let nonce = nonce.ok_or(Staleness::Foreign)?;
        let (content, signature) = nonce.split_last_chunk::<SIGNATURE>().ok_or(Staleness::Foreign)?;
        let is_ours = sign(content, source, &self.realm, |parts| {
            self.keys.has_signed(Purpose::Nonce, parts, signature)
        });
        if !is_ours {
            return Err(Staleness::Foreign);
        }
        let (id, run) = read(content);
        // A time that has not come yet is of another boot.
        if run != self.run || id.made > millis(now) {
            return Err(Staleness::OtherRun);
        }
        if id.made < self.oldest(now) {
            return Err(Staleness::Old);
        }
        Ok(id)
    }
}

/// Calls `with` for what is signed. The port is not: NAT changes it between challenge and answer. Of an IPv6 address the
/// host's part is not either: hosts change it every few hours (RFC 8981).
fn sign<T>(content: &[u8], source: IpAddr, realm: &Realm, with: impl FnOnce(&[&[u8]]) -> T) -> T {
    let realm = realm.as_str().as_bytes();
    match source.to_canonical() {
        IpAddr::V4(source) => with(&[content, &source.octets(), realm]),
        IpAddr::V6(source) => with(&[content, &source.octets()[..8], realm]),
    }
}

fn content(id: NonceId, run: u32) -> [u8; CONTENT] {
    let mut content = [0; CONTENT];
    content[..7].copy_from_slice(&id.made.to_be_bytes()[1..]);
    content[7..11].copy_from_slice(&run.to_be_bytes());
    content[11..].copy_from_slice(&id.number.to_be_bytes());
    content
}

fn read(content: &[u8]) -> (NonceId, u32) {
    let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    let id = NonceId { made: number(&content[..7]), number: number(&content[11..]) as u32 };
    (id, number(&content[7..11]) as u32)
}

const fn millis(time: KernelTime) -> u64 {
    time.as_nanos() / 1_000_000
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIFETIME: Duration = Duration::from_secs(300);
    const RUN: u32 = 7;

    fn nonces(keys: Keys) -> Nonces {
        Nonces::new(keys, Realm::new("example.org").unwrap(), LIFETIME, RUN)
    }

    fn keys() -> Keys {
        Keys::new([1; 32], None)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn at(seconds: u64) -> KernelTime {
        KernelTime::START + Duration::from_secs(seconds)
    }

    #[test]
    fn a_nonce_is_of_the_address_that_it_was_issued_to() {
        for (issued_to, comes_from, expected) in [
            ("192.0.2.1", "192.0.2.1", Ok(())),
            ("192.0.2.1", "::ffff:192.0.2.1", Ok(())),
            ("::ffff:192.0.2.1", "192.0.2.1", Ok(())),
            ("192.0.2.1", "192.0.2.2", Err(Staleness::Foreign)),
            ("2001:db8:1:2::3", "2001:db8:1:2:ffff::4", Ok(())),
            ("2001:db8:1:2::3", "2001:db8:1:3::3", Err(Staleness::Foreign)),
            ("::c000:201", "192.0.2.1", Err(Staleness::Foreign)),
        ] {
            let mut nonces = nonces(keys());
            let nonce = nonces.issue(address(issued_to), at(1_000));
            let checked = nonces.check(nonce.as_bytes(), address(comes_from), at(1_001));
            assert_eq!(checked.map(|_| ()), expected, "{issued_to} {comes_from}");
        }
    }

    #[test]
    fn breaks_25_a_nonce_is_of_its_time_and_run_on_a_clock_that_nobody_sets() {
        let source = address("192.0.2.1");
        let mut nonces = nonces(keys());
        let nonce = nonces.issue(source, at(1_000));
        let other_run = Nonces::new(keys(), Realm::new("example.org").unwrap(), LIFETIME, RUN + 1);
        let other_realm = Nonces::new(keys(), Realm::new("example.net").unwrap(), LIFETIME, RUN);
        let shorter = Nonces::new(keys(), Realm::new("example.org").unwrap(), Duration::from_secs(10), RUN);
        for (nonces, now, expected) in [
            (&nonces, 1_000, Ok(())),
            (&nonces, 1_300, Ok(())),
            (&nonces, 1_301, Err(Staleness::Old)),
            (&nonces, 999, Err(Staleness::OtherRun)),
            (&shorter, 1_011, Err(Staleness::Old)),
            (&other_run, 1_001, Err(Staleness::OtherRun)),
            (&other_realm, 1_001, Err(Staleness::Foreign)),
        ] {
            let checked = nonces.check(nonce.as_bytes(), source, at(now));
            assert_eq!(checked.map(|_| ()), expected, "{now}");
        }
    }

    #[test]
    fn a_nonce_outlives_one_change_of_keys_and_not_two() {
        let source = address("192.0.2.1");
        let mut nonces = nonces(keys());
        let nonce = nonces.issue(source, at(1_000));
        nonces.keys = Keys::new([2; 32], Some([1; 32]));
        assert!(nonces.check(nonce.as_bytes(), source, at(1_001)).is_ok());
        nonces.keys = Keys::new([3; 32], Some([2; 32]));
        assert_eq!(nonces.check(nonce.as_bytes(), source, at(1_001)), Err(Staleness::Foreign));
    }

    #[test]
    fn phones_that_are_challenged_at_once_get_nonces_of_their_own() {
        let mut nonces = nonces(keys());
        let (one, other) =
            (nonces.issue(address("192.0.2.1"), at(1)), nonces.issue(address("192.0.2.1"), at(1)));
        let id = |text: &str| nonces.check(text.as_bytes(), address("192.0.2.1"), at(1)).unwrap();
        assert_ne!(one, other);
        assert!(id(&one) < id(&other));
    }

    #[test]
    fn nonces_of_other_servers_are_foreign() {
        for text in ["", "n", "dcd98b7102dd2f0e8b11d0f600bfb0c093", "1700000000/4f7a3b", &"A".repeat(36)] {
            let checked = nonces(keys()).check(text.as_bytes(), address("192.0.2.1"), at(1_000));
            assert_eq!(checked, Err(Staleness::Foreign), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_nonce_is_short_and_safe_in_a_quoted_string(nanos: u64, source: IpAddr) {
            let now = KernelTime::from_nanos(nanos);
            let mut nonces = nonces(keys());
            let nonce = nonces.issue(source, now);
            prop_assert_eq!(nonce.len(), 36);
            prop_assert!(nonce.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')));
            let id = nonces.check(nonce.as_bytes(), source, now).unwrap();
            prop_assert_eq!(id, NonceId { made: nanos / 1_000_000, number: 0 });
        }

        #[test]
        fn a_nonce_with_one_other_character_is_foreign(at in 0..36_usize, digit in "[A-Za-z0-9_=-]") {
            let (source, now) = (address("192.0.2.1"), KernelTime::from_nanos(1 << 50));
            let mut nonces = nonces(keys());
            let nonce = nonces.issue(source, now);
            let altered = format!("{}{digit}{}", &nonce[..at], &nonce[at + 1..]);
            let checked = nonces.check(altered.as_bytes(), source, now);
            prop_assert_eq!(checked.err(), (altered != nonce).then_some(Staleness::Foreign));
        }

        #[test]
        fn any_bytes_are_a_nonce_or_not(bytes: Vec<u8>, text in "[A-Za-z0-9_-]{36}") {
            let nonces = nonces(keys());
            for text in [&bytes[..], text.as_bytes()] {
                prop_assert_eq!(nonces.check(text, address("192.0.2.1"), at(9)), Err(Staleness::Foreign));
            }
        }
    }
}
