//! The parts of a request that its credentials have to do with.

use std::net::IpAddr;

use sha2::{Digest as _, Sha256};
use sipward_sip::Uri;

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

    /// True if the digest URI names another user or host. Phones and test tools leave out or change everything else: port,
    /// parameters, even the scheme.
    pub(super) fn differs_from(&self, digest_uri: &[u8]) -> bool {
        let (request, digest) = (Uri::parse(self.uri), Uri::parse(digest_uri));
        let is_same = request.user == digest.user && request.host.eq_ignore_ascii_case(digest.host);
        // Of a URI of another kind nothing was read.
        let is_read = !(request.host.is_empty() && request.user.is_empty());
        self.uri != digest_uri && !(is_same && is_read)
    }
}
