//! The parts of a request that its credentials have to do with.

use std::net::IpAddr;

use sha2::{Digest as _, Sha256};

use super::nonce_counts::RequestFingerprint;

#[derive(Clone, Copy, Debug)]
pub struct DigestRequest<'a> {
    pub method: &'a [u8],
    /// The Request-URI.
    pub uri: &'a [u8],
    pub source: IpAddr,
    /// Everything else that sets one transaction apart from another, for the edge and for the PBX: top branch, Call-ID,
    /// tags, CSeq number. A copy of a request that differs there would be a new one for the PBX, and is refused.
    pub transaction: &'a [&'a [u8]],
}

impl DigestRequest<'_> {
    /// A hash that nobody finds a second request for: whoever did could have that one accepted as a retransmission.
    pub(super) fn fingerprint(&self, response: &[u8]) -> RequestFingerprint {
        let mut hasher = Sha256::new();
        for part in [self.method, self.uri, response].iter().chain(self.transaction) {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let hash = hasher.finalize();
        RequestFingerprint::from_le_bytes(std::array::from_fn(|at| hash[at]))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn fingerprint(parts: &[&str]) -> RequestFingerprint {
        let parts: Vec<_> = parts.iter().map(|part| part.as_bytes()).collect();
        let source = IpAddr::from([192, 0, 2, 1]);
        let request = DigestRequest { method: parts[0], uri: parts[1], source, transaction: &parts[3..] };
        request.fingerprint(parts[2])
    }

    #[test]
    fn thousands_of_requests_have_as_many_fingerprints() {
        let branch = |number| format!("z9hG4bK{number}");
        let of = |number| fingerprint(&["REGISTER", "sip:example.org", "0123", &branch(number)]);
        assert_eq!((0..4_000).map(of).collect::<HashSet<_>>().len(), 4_000);
    }

    proptest! {
        #[test]
        fn requests_with_one_fingerprint_have_the_same_parts_cut_in_the_same_way(
            parts in prop::collection::vec(prop_oneof!["", "a", "aa"], 5),
            others in prop::collection::vec(prop_oneof!["", "a", "aa"], 5),
        ) {
            let of = |parts: &[String]| fingerprint(&parts.iter().map(String::as_str).collect::<Vec<_>>());
            prop_assert_eq!(of(&parts) == of(&others), parts == others);
        }
    }
}
