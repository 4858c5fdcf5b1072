//! The hashes of digest authentication (RFC 7616, RFC 8760), and the texts that go into them.

use std::fmt;

use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};
use subtle::ConstantTimeEq as _;

/// A hash function of digest authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HashFunction {
    Md5,
    Sha256,
    Sha512_256,
}

/// A hash function, and whether HA1 covers nonce and cnonce as well (`-sess`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Algorithm {
    pub function: HashFunction,
    pub session: bool,
}

/// A hash in lower-case hexadecimal digits, as the next hash takes it. It never shows in Debug: an HA1 is as good as a
/// password.
#[derive(Clone, Copy)]
pub struct HexDigest {
    digits: [u8; HexDigest::LONGEST],
    length: u8,
}

/// HA1: the hash of name, realm and password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ha1 {
    function: HashFunction,
    digest: HexDigest,
}

/// The text is not the hexadecimal form of such a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ha1Error(HashFunction);

/// The realm that the server asks credentials for. It stands in a quoted string as it is: nothing in it needs an escape.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Realm(String);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealmError(String);

/// The parts of a request and its credentials that the response covers, each as the client sent it.
#[derive(Clone, Copy, Debug)]
pub struct DigestInput<'a> {
    pub method: &'a [u8],
    /// The digest URI.
    pub uri: &'a [u8],
    pub nonce: &'a [u8],
    /// Empty without qop, but for `-sess`.
    pub cnonce: &'a [u8],
    /// With `qop=auth`: the nonce count in its own digits.
    pub count: Option<&'a [u8]>,
}

/// Runs hashes and counts them.
#[derive(Clone, Copy, Debug, Default)]
pub struct DigestHasher {
    runs: u64,
}

impl HashFunction {
    pub const ALL: [Self; 3] = [Self::Md5, Self::Sha256, Self::Sha512_256];

    /// The name of the algorithm that is the bare function.
    pub const fn name(self) -> &'static str {
        Algorithm { function: self, session: false }.name()
    }

    /// The number of hexadecimal digits of a hash.
    pub const fn digits(self) -> usize {
        match self {
            Self::Md5 => 32,
            Self::Sha256 | Self::Sha512_256 => 64,
        }
    }
}

impl Algorithm {
    pub const ALL: [Self; 6] = [
        Self::new(HashFunction::Md5, false),
        Self::new(HashFunction::Md5, true),
        Self::new(HashFunction::Sha256, false),
        Self::new(HashFunction::Sha256, true),
        Self::new(HashFunction::Sha512_256, false),
        Self::new(HashFunction::Sha512_256, true),
    ];

    pub const fn new(function: HashFunction, session: bool) -> Self {
        Self { function, session }
    }

    /// The token of the `algorithm` parameter.
    pub const fn name(self) -> &'static str {
        match (self.function, self.session) {
            (HashFunction::Md5, false) => "MD5",
            (HashFunction::Md5, true) => "MD5-sess",
            (HashFunction::Sha256, false) => "SHA-256",
            (HashFunction::Sha256, true) => "SHA-256-sess",
            (HashFunction::Sha512_256, false) => "SHA-512-256",
            (HashFunction::Sha512_256, true) => "SHA-512-256-sess",
        }
    }

    /// Tokens have no case.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().as_bytes().eq_ignore_ascii_case(name))
    }
}

impl HexDigest {
    const LONGEST: usize = 64;

    fn new(hash: &[u8]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut digits = [0; Self::LONGEST];
        let (pairs, _) = digits.as_chunks_mut::<2>();
        for (pair, byte) in pairs.iter_mut().zip(hash) {
            *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
        }
        Self { digits, length: 2 * hash.len() as u8 }
    }

    /// `None` for anything but so many hexadecimal digits.
    fn read(text: &[u8], length: usize) -> Option<Self> {
        if text.len() != length || !text.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let mut digits = [0; Self::LONGEST];
        digits[..length].copy_from_slice(text);
        digits.make_ascii_lowercase();
        Some(Self { digits, length: length as u8 })
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.digits[..usize::from(self.length)]
    }

    /// Takes as long whatever is claimed, but for its length. Some phones write capital digits.
    fn is(&self, claimed: &[u8]) -> bool {
        Self::read(claimed, usize::from(self.length)).is_some_and(|claimed| claimed == *self)
    }
}

/// Takes as long whatever the digits are.
impl PartialEq for HexDigest {
    fn eq(&self, other: &Self) -> bool {
        bool::from(self.as_bytes().ct_eq(other.as_bytes()))
    }
}

impl Eq for HexDigest {}

impl fmt::Debug for HexDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HexDigest")
    }
}

impl Ha1 {
    pub fn of_password(function: HashFunction, name: &[u8], realm: &Realm, password: &[u8]) -> Self {
        let digest = hex(function, &[name, realm.as_str().as_bytes(), password]);
        Self { function, digest }
    }

    /// From its hexadecimal digits.
    pub fn from_hex(function: HashFunction, text: &str) -> Result<Self, Ha1Error> {
        let digest = HexDigest::read(text.as_bytes(), function.digits()).ok_or(Ha1Error(function))?;
        Ok(Self { function, digest })
    }

    pub const fn function(&self) -> HashFunction {
        self.function
    }

    /// The hexadecimal digits: a secret, for the store alone.
    pub fn as_hex(&self) -> &str {
        std::str::from_utf8(self.digest.as_bytes()).unwrap_or_default()
    }
}

impl Realm {
    /// In bytes.
    const LONGEST: usize = 128;

    pub fn new(realm: &str) -> Result<Self, RealmError> {
        let is_bad = |c: char| matches!(c, '"' | '\\') || c.is_control();
        match realm {
            "" => Err(RealmError("a realm needs a name, for example the domain of the accounts".to_owned())),
            _ if realm.len() > Self::LONGEST => Err(RealmError(format!(
                "a realm of {} bytes is too long: give it at most {}",
                realm.len(),
                Self::LONGEST
            ))),
            _ if realm.contains(is_bad) => Err(RealmError(format!(
                "the realm {realm:?} has a quote, a backslash or a control character: leave it out"
            ))),
            _ => Ok(Self(realm.to_owned())),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl DigestHasher {
    /// The number of hashes that were run.
    pub const fn runs(&self) -> u64 {
        self.runs
    }

    /// The response that the holder of the HA1 would send.
    pub fn response(&mut self, algorithm: Algorithm, ha1: &Ha1, input: &DigestInput<'_>) -> HexDigest {
        let mut run = |parts: &[&[u8]]| {
            self.runs += 1;
            hex(algorithm.function, parts)
        };
        let DigestInput { method, uri, nonce, cnonce, count } = *input;
        let ha1 = match algorithm.session {
            true => run(&[ha1.digest.as_bytes(), nonce, cnonce]),
            false => ha1.digest,
        };
        let ha2 = run(&[method, uri]);
        match count {
            Some(count) => run(&[ha1.as_bytes(), nonce, count, cnonce, b"auth", ha2.as_bytes()]),
            None => run(&[ha1.as_bytes(), nonce, ha2.as_bytes()]),
        }
    }

    /// True: the claimed response is the one of the HA1.
    pub fn verify(
        &mut self,
        algorithm: Algorithm,
        ha1: &Ha1,
        input: &DigestInput<'_>,
        claimed: &[u8],
    ) -> bool {
        self.response(algorithm, ha1, input).is(claimed)
    }
}

impl fmt::Display for HashFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Does not repeat the text, which may be a secret with a slip in it.
impl fmt::Display for Ha1Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an HA1 of {} has {} hexadecimal digits", self.0, self.0.digits())
    }
}

impl fmt::Display for RealmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Ha1Error {}
impl std::error::Error for RealmError {}

/// The hash of the parts with colons between them.
fn hex(function: HashFunction, parts: &[&[u8]]) -> HexDigest {
    match function {
        HashFunction::Md5 => hex_of::<Md5>(parts),
        HashFunction::Sha256 => hex_of::<Sha256>(parts),
        HashFunction::Sha512_256 => hex_of::<Sha512_256>(parts),
    }
}

fn hex_of<D: Digest>(parts: &[&[u8]]) -> HexDigest {
    let mut hasher = D::new();
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            hasher.update(b":");
        }
        hasher.update(part);
    }
    HexDigest::new(&hasher.finalize())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn response(algorithm: Algorithm, [name, realm, password]: [&str; 3], input: &DigestInput<'_>) -> String {
        let realm = Realm::new(realm).unwrap();
        let ha1 = Ha1::of_password(algorithm.function, name.as_bytes(), &realm, password.as_bytes());
        let response = DigestHasher::default().response(algorithm, &ha1, input);
        String::from_utf8(response.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn rfc_2617_3_5() {
        let input = DigestInput {
            method: b"GET",
            uri: b"/dir/index.html",
            nonce: b"dcd98b7102dd2f0e8b11d0f600bfb0c093",
            cnonce: b"0a4f113b",
            count: Some(b"00000001"),
        };
        let md5 = Algorithm::new(HashFunction::Md5, false);
        let mufasa = ["Mufasa", "testrealm@host.com", "Circle Of Life"];
        assert_eq!(response(md5, mufasa, &input), "6629fae49393a05397450978507c4ef1");
    }

    /// MD5 and SHA-256 with qop are the RFC's. The others have no published vector, and were computed with OpenSSL.
    #[test]
    fn rfc_7616_3_9_1_with_every_algorithm_with_qop_and_without() {
        let with_qop = DigestInput {
            method: b"GET",
            uri: b"/dir/index.html",
            nonce: b"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            cnonce: b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            count: Some(b"00000001"),
        };
        let without = DigestInput { count: None, ..with_qop };
        let mufasa = ["Mufasa", "http-auth@example.org", "Circle of Life"];
        for (name, qop, none) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec", "7b2cc3b30e75b4777ea31027084363fd"),
            ("MD5-sess", "e783283f46242139c486a698fec7211d", "37a7f42db2090a3fcac4e26e747d4fc8"),
            (
                "SHA-256",
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
                "a1306b0595a6c7fe96c448631fb5cfbd5107bd1fe1da729d978dd7446b812363",
            ),
            (
                "SHA-256-sess",
                "2fd51b3a77ad75bad6afad6003e818d767133c46d9e2749e7f5232ae1ea3efd7",
                "30bc0742357e535c85094121d22cf826b794be0667e19537beb7b28f2251c274",
            ),
            (
                "SHA-512-256",
                "430d05014cecc49cab6fbe03176d41a1da86cbfe24a16580e22aaad928d960d0",
                "93e9122020ea0624d2ca801426d5bfbeb93d10ff4cc24cb410af3920fa4730e7",
            ),
            (
                "SHA-512-256-sess",
                "3f2a34f923c38b0fb26dce2fdfc2ce326c23cecf86fbb1444f3e51fbbc2cb92e",
                "7c70dbd9f483cbccedbd3e92ac246a9f2b712bed77914b52c3ae2254fdb2edba",
            ),
        ] {
            let algorithm = Algorithm::from_name(name.as_bytes()).unwrap();
            assert_eq!(response(algorithm, mufasa, &with_qop), qop, "{name}");
            assert_eq!(response(algorithm, mufasa, &without), none, "{name}");
        }
    }

    /// With the response of erratum 4897: the RFC's own is of a truncated SHA-512.
    #[test]
    fn rfc_7616_3_9_2() {
        let input = DigestInput {
            method: b"GET",
            uri: b"/doe.json",
            nonce: b"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
            cnonce: b"NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
            count: Some(b"00000001"),
        };
        let sha = Algorithm::new(HashFunction::Sha512_256, false);
        let jason = ["J\u{e4}s\u{f8}n Doe", "api@example.org", "Secret, or not?"];
        let expected = "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5";
        assert_eq!(response(sha, jason, &input), expected);
    }

    #[test]
    fn algorithms_are_known_by_their_names_in_any_case() {
        for algorithm in Algorithm::ALL {
            let name = algorithm.name();
            assert_eq!(Algorithm::from_name(name.as_bytes()), Some(algorithm));
            assert_eq!(Algorithm::from_name(name.to_ascii_lowercase().as_bytes()), Some(algorithm));
        }
        for name in ["", "MD", "MD5 ", "SHA-512", "SHA256", "AKAv1-MD5"] {
            assert_eq!(Algorithm::from_name(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn an_ha1_is_read_from_its_digits_and_never_shown() {
        let text = "6E9B1516653D52AF65853E7EF631360F";
        let ha1 = Ha1::from_hex(HashFunction::Md5, text).unwrap();
        let realm = Realm::new("example.org").unwrap();
        assert_eq!(ha1, Ha1::of_password(HashFunction::Md5, b"alice", &realm, b"wonderland-12"));
        assert_eq!(ha1.as_hex(), text.to_ascii_lowercase());
        assert!(!format!("{ha1:?}").to_ascii_uppercase().contains("6E9B"));
        for (function, text) in [
            (HashFunction::Md5, ""),
            (HashFunction::Md5, &text[1..]),
            (HashFunction::Sha256, text),
            (HashFunction::Md5, "6E9B1516653D52AF65853E7EF631360G"),
        ] {
            let error = Ha1::from_hex(function, text).unwrap_err().to_string();
            assert!(error.contains("hexadecimal digits") && !error.contains("6E9B"), "{error}");
        }
    }

    #[test]
    fn a_realm_needs_no_escapes() {
        for realm in ["example.org", "pbx 7", "\u{e9}", "a;b,c=d"] {
            assert_eq!(Realm::new(realm).unwrap().as_str(), realm);
        }
        let long = "r".repeat(129);
        for (realm, said) in [
            ("", "needs a name"),
            ("a\"b", "quote"),
            ("a\\b", "backslash"),
            ("a\nb", "control"),
            (&long, "129 bytes"),
        ] {
            let error = Realm::new(realm).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn a_response_costs_two_runs_and_three_with_a_session() {
        let realm = Realm::new("r").unwrap();
        for algorithm in Algorithm::ALL {
            let ha1 = Ha1::of_password(algorithm.function, b"a", &realm, b"p");
            let mut hasher = DigestHasher::default();
            for count in [None, Some(&b"00000001"[..])] {
                let input =
                    DigestInput { method: b"INVITE", uri: b"sip:r", nonce: b"n", cnonce: b"c", count };
                hasher.verify(algorithm, &ha1, &input, b"");
            }
            assert_eq!(hasher.runs(), if algorithm.session { 6 } else { 4 }, "{algorithm}");
        }
    }

    proptest! {
        #[test]
        fn only_the_right_response_is_right(
            which in 0..6_usize, at in 0..64_usize, digit in "[0-9a-fA-F]", password: String, uri: Vec<u8>,
        ) {
            let algorithm = Algorithm::ALL[which];
            let realm = Realm::new("r").unwrap();
            let ha1 = Ha1::of_password(algorithm.function, b"a", &realm, password.as_bytes());
            let input =
                DigestInput { method: b"INVITE", uri: &uri, nonce: b"n", cnonce: b"c", count: Some(b"1") };
            let mut hasher = DigestHasher::default();
            let right = hasher.response(algorithm, &ha1, &input);
            let right = std::str::from_utf8(right.as_bytes()).unwrap();
            let mut is_right = |claimed: &str| hasher.verify(algorithm, &ha1, &input, claimed.as_bytes());
            prop_assert!(is_right(right) && is_right(&right.to_ascii_uppercase()));
            let longer = format!("{right}0");
            prop_assert!(!is_right(&right[1..]) && !is_right(&longer));
            let at = at % right.len();
            let claimed = format!("{}{digit}{}", &right[..at], &right[at + 1..]);
            prop_assert_eq!(is_right(&claimed), claimed.eq_ignore_ascii_case(right));
        }
    }
}
