//! The scope of a nonce: whether the PBX can give somebody else the same one.
//!
//! It makes them from the time (Kamailio by default, for everybody the same within a second), or from what stands in the
//! request besides (reSIProcate, and Kamailio by some of its `auth_checks`: Request-URI, Call-ID, From tag), or from the
//! sender's address (Asterisk, and Kamailio with 8 among its `auth_checks`), or by chance or a counter (FreeSWITCH, OpenSIPS).
//! A nonce of the first two kinds can be fetched by whoever asks with the same text in the same second, over TLS where
//! nobody sees it. One of the others is for one address whatever else the PBX tells others.
//!
//! That two addresses got different ones is no proof: their requests may have been different, or a second may have ended
//! between them. What is, whoever asked and whatever for, as only the PBX makes its answers:
//!
//! - Half a second has one turn of the second at most. *Three* different ones within it, to the same request of the same
//!   address, are of chance or of a counter.
//! - Three different ones within it, with the same realm and to the same Request-URI, depend on more than time, realm and
//!   URI. Where an address has also got the same one for two requests that had neither Call-ID nor From tag in common,
//!   they depend on none of these, nor on chance. What is left is the address.
//!
//! REGISTER and other requests outside of a dialog are looked at one by one, as a Kamailio may make their nonces in
//! different ways; for those inside of one it may have a third. What has once been given to two addresses is never trusted
//! again, and of what is not known the worst is believed.

use std::time::Duration;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    net::{IpAddr, SocketAddr},
};

use super::fingerprint::Fingerprint;
use sipward_types::flow::Transport;
use sipward_types::time::KernelTime;

const HALF_A_SECOND: Duration = Duration::from_millis(500);
/// Nonces of half a second that are looked at.
const LOOKED_AT: usize = 16;
/// The host's own addresses and ports. Further ones stay unknown.
const ISSUERS_MAX: usize = 256;

/// Where nonces come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct NonceIssuer {
    pub(super) local: SocketAddr,
    pub(super) transport: Transport,
    pub(super) of_register: bool,
}

/// A nonce, and what it was given for.
#[derive(Clone, Copy, Debug)]
pub(super) struct IssuedNonce {
    pub(super) at: KernelTime,
    pub(super) nonce: Fingerprint,
    pub(super) sender: IpAddr,
    /// And realm.
    pub(super) uri: Fingerprint,
    pub(super) call_id: Fingerprint,
    /// Of From.
    pub(super) tag: Fingerprint,
}

#[derive(Debug, Default)]
pub(super) struct IssuerProfiles(HashMap<NonceIssuer, IssuerProfile>);

#[derive(Debug, Default)]
struct IssuerProfile {
    last: VecDeque<IssuedNonce>,
    /// Each request gets its own.
    by_chance: bool,
    /// Neither chance nor the names of the request make a difference.
    not_by_names: bool,
    /// Nor does time with the Request-URI explain it all.
    not_by_time: bool,
    shared: bool,
}

impl IssuerProfiles {
    pub(super) fn see(&mut self, issuer: NonceIssuer, issued: IssuedNonce) {
        if self.0.contains_key(&issuer) || self.0.len() < ISSUERS_MAX {
            self.0.entry(issuer).or_default().see(issued);
        }
    }

    /// Two addresses got the same one.
    pub(super) fn shares(&mut self, maker: Maker) {
        if let Maker::Issuer(issuer) = maker
            && (self.0.contains_key(&issuer) || self.0.len() < ISSUERS_MAX)
        {
            self.0.entry(issuer).or_default().shared = true;
        }
    }

    /// True if only who sends from that address can have a nonce made that is the same, as far as is known.
    pub(super) fn is_for_one(&self, issuer: NonceIssuer) -> bool {
        self.0.get(&issuer).is_some_and(|profile| {
            !profile.shared && (profile.by_chance || profile.not_by_names && profile.not_by_time)
        })
    }

    /// True if no two answers have the same.
    pub(super) fn is_by_chance(&self, issuer: NonceIssuer) -> bool {
        self.0.get(&issuer).is_some_and(|profile| !profile.shared && profile.by_chance)
    }
}

impl IssuerProfile {
    fn see(&mut self, issued: IssuedNonce) {
        self.last.retain(|other| issued.at.abs_diff(other.at) < HALF_A_SECOND);
        if self.last.len() >= LOOKED_AT {
            self.last.pop_front();
        }
        self.last.push_back(issued);
        let (same_uri, same_request) = (
            |other: &IssuedNonce| other.uri == issued.uri,
            |other: &IssuedNonce| {
                (other.sender, other.uri, other.call_id, other.tag)
                    == (issued.sender, issued.uri, issued.call_id, issued.tag)
            },
        );
        self.not_by_names |= self.last.iter().any(|other| {
            (other.sender, other.nonce) == (issued.sender, issued.nonce)
                && other.call_id != issued.call_id
                && other.tag != issued.tag
        });
        self.not_by_time |= self.has_three(same_uri);
        self.by_chance |= self.has_three(same_request);
    }

    fn has_three(&self, of: impl Fn(&IssuedNonce) -> bool) -> bool {
        let nonces: HashSet<Fingerprint> =
            self.last.iter().filter(|issued| of(issued)).map(|issued| issued.nonce).collect();
        nonces.len() >= 3
    }
}

/// The maker of a message that goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Maker {
    /// A nonce of the PBX.
    Issuer(NonceIssuer),
    /// The PBX, and nobody knows how: tags, and nonces of challenges within a call.
    Pbx,
    /// The names of a question of the PBX. They are for whom it asks, and for nobody who asks it over TLS.
    Question,
    /// Whoever it came from.
    Elsewhere,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: NonceIssuer = NonceIssuer {
        local: SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 5)), 5060),
        transport: Transport::Udp,
        of_register: true,
    };

    /// To `host` at a millisecond, for a request with that URI and of that call: both by number.
    fn issued(at: u64, nonce: Fingerprint, host: u8, uri: Fingerprint, call: Fingerprint) -> IssuedNonce {
        IssuedNonce {
            at: KernelTime::START + Duration::from_millis(at),
            nonce,
            sender: [192, 0, 2, host].into(),
            uri,
            call_id: call,
            tag: call,
        }
    }

    fn known(issued_nonces: &[IssuedNonce]) -> bool {
        let mut issuers = IssuerProfiles::default();
        issued_nonces.iter().for_each(|issued| issuers.see(ISSUER, *issued));
        assert!(!issuers.is_for_one(NonceIssuer { of_register: false, ..ISSUER }), "its neighbour");
        let known = issuers.is_for_one(ISSUER);
        assert!(known || !issuers.is_by_chance(ISSUER));
        issuers.shares(Maker::Pbx);
        assert_eq!(issuers.is_for_one(ISSUER), known);
        issuers.shares(Maker::Issuer(ISSUER));
        assert!(!issuers.is_for_one(ISSUER));
        known
    }

    #[test]
    fn what_is_by_chance_differs_for_the_same_request() {
        let three = |call: [Fingerprint; 3], uri: [Fingerprint; 3], last| {
            let at = [0, 100, last];
            [0, 1, 2].map(|n| issued(at[n], n as Fingerprint, 1, uri[n], call[n]))
        };
        assert!(known(&three([1; 3], [1; 3], 499)));
        assert!(!known(&three([1; 3], [1; 3], 500)), "a second may have ended twice");
        assert!(!known(&three([1; 3], [1; 3], 499)[..2]), "a second may have ended between");
        assert!(!known(&three([1, 2, 3], [1; 3], 499)), "they may be of the call");
        assert!(!known(&three([1; 3], [1, 2, 3], 499)), "they may be of the URI");
    }

    #[test]
    fn what_is_of_the_address_differs_for_others_and_not_for_other_requests_of_its_own() {
        let same = [issued(0, 1, 1, 1, 1), issued(50, 1, 1, 1, 2)];
        let others = |uri| [issued(100, 2, 2, 1, 3), issued(150, 3, 3, uri, 4)];
        assert!(known(&[same, others(1)].concat()));
        assert!(!known(&same));
        assert!(!known(&others(1)));
        assert!(!known(&[same, others(2)].concat()), "they may be of the URI");
        let of_one_call = [issued(0, 1, 1, 1, 1), issued(50, 1, 1, 1, 1)];
        assert!(!known(&[of_one_call, others(1)].concat()), "they may be of the call");
        let late = [issued(2_000, 2, 2, 1, 3), issued(2_600, 3, 3, 1, 4)];
        assert!(!known(&[same, late].concat()), "they may be of the time");
    }

    #[test]
    fn there_is_room_for_the_hosts_own_and_what_has_none_is_unknown() {
        let mut issuers = IssuerProfiles::default();
        let at = |port| NonceIssuer { local: SocketAddr::new(ISSUER.local.ip(), port), ..ISSUER };
        for port in 0..1_000 {
            (0..3).for_each(|n| issuers.see(at(port), issued(n, n, 1, 1, 1)));
        }
        assert_eq!(
            (issuers.0.len(), issuers.is_for_one(at(0)), issuers.is_for_one(at(999))),
            (ISSUERS_MAX, true, false)
        );
    }
}
