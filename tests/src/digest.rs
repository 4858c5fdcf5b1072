//! Digest authentication (RFC 2617, RFC 7616, RFC 8760) as a client computes it, for tests that know the password. It
//! shares no code with the servers of this project, so that it is a second opinion on them.

use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    #[default]
    Md5,
    Md5Sess,
    Sha256,
    Sha512_256,
}

impl Algorithm {
    const ALL: [Self; 4] = [Self::Md5, Self::Md5Sess, Self::Sha256, Self::Sha512_256];

    /// Its name in headers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Md5Sess => "MD5-sess",
            Self::Sha256 => "SHA-256",
            Self::Sha512_256 => "SHA-512-256",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// The hash of the parts with colons between them, in hexadecimal digits.
    fn hash(self, parts: &[&[u8]]) -> String {
        let joined = parts.join(&b':');
        match self {
            Self::Md5 | Self::Md5Sess => hex(&Md5::digest(joined)),
            Self::Sha256 => hex(&Sha256::digest(joined)),
            Self::Sha512_256 => hex(&Sha512_256::digest(joined)),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The values from which a digest response is computed.
#[derive(Clone, Copy, Debug)]
pub struct Secret<'a> {
    pub username: &'a [u8],
    pub realm: &'a [u8],
    pub password: &'a str,
}

/// Of the request that the response is for, as they stand in the credentials; no qop is an empty one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    pub algorithm: Algorithm,
    pub method: &'a [u8],
    pub uri: &'a [u8],
    pub nonce: &'a [u8],
    pub count: &'a [u8],
    pub cnonce: &'a [u8],
    pub qop: &'a [u8],
}

pub fn response(secret: &Secret<'_>, asked: &Asked<'_>) -> String {
    let Asked { algorithm, method, uri, nonce, count, cnonce, qop } = *asked;
    let password = algorithm.hash(&[secret.username, secret.realm, secret.password.as_bytes()]);
    let a1 = match algorithm {
        Algorithm::Md5Sess => algorithm.hash(&[password.as_bytes(), nonce, cnonce]),
        _ => password,
    };
    let a2 = algorithm.hash(&[method, uri]);
    if qop.is_empty() {
        return algorithm.hash(&[a1.as_bytes(), nonce, a2.as_bytes()]);
    }
    algorithm.hash(&[a1.as_bytes(), nonce, count, cnonce, qop, a2.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 2617 §3.5.
    #[test]
    fn a_response_is_that_of_rfc_2617() {
        let secret = Secret { username: b"Mufasa", realm: b"testrealm@host.com", password: "Circle Of Life" };
        let asked = Asked {
            method: b"GET",
            uri: b"/dir/index.html",
            nonce: b"dcd98b7102dd2f0e8b11d0f600bfb0c093",
            count: b"00000001",
            cnonce: b"0a4f113b",
            qop: b"auth",
            ..Asked::default()
        };
        assert_eq!(response(&secret, &asked), "6629fae49393a05397450978507c4ef1");
    }

    /// RFC 7616 §3.9.1.
    #[test]
    fn a_response_is_that_of_rfc_7616() {
        let secret =
            Secret { username: b"Mufasa", realm: b"http-auth@example.org", password: "Circle of Life" };
        let asked = |algorithm| Asked {
            algorithm,
            method: b"GET",
            uri: b"/dir/index.html",
            nonce: b"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            count: b"00000001",
            cnonce: b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            qop: b"auth",
        };
        assert_eq!(response(&secret, &asked(Algorithm::Md5)), "8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(
            response(&secret, &asked(Algorithm::Sha256)),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
    }

    /// RFC 7616 §3.9.2, with erratum 4897: the RFC's own digits are of a draft of SHA-512/256.
    #[test]
    fn a_response_with_sha_512_256_is_that_of_rfc_7616_as_corrected() {
        let username = "J\u{e4}s\u{f8}n Doe".as_bytes();
        let secret = Secret { username, realm: b"api@example.org", password: "Secret, or not?" };
        let asked = Asked {
            algorithm: Algorithm::Sha512_256,
            method: b"GET",
            uri: b"/doe.json",
            nonce: b"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
            count: b"00000001",
            cnonce: b"NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
            qop: b"auth",
        };
        assert_eq!(
            response(&secret, &asked),
            "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"
        );
    }

    #[test]
    fn a_session_hashes_nonce_and_cnonce_into_the_password() {
        // The formulas of RFC 2617 §3.2.2, with and without qop, computed by hand from MD5.
        let secret = Secret { username: b"201", realm: b"pbx", password: "secret" };
        let asked = Asked {
            algorithm: Algorithm::Md5Sess,
            method: b"REGISTER",
            uri: b"sip:pbx",
            nonce: b"n",
            cnonce: b"c",
            count: b"00000001",
            qop: b"auth",
        };
        assert_eq!(response(&secret, &asked), "dd38e768765659da949346b0a66cde3d");
        let without = Asked { algorithm: Algorithm::Md5, qop: b"", ..asked };
        assert_eq!(response(&secret, &without), "7d30d4cdc2d20322256275ac3c6dff6b");
    }
}
