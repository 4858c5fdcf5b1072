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
pub struct Covered<'a> {
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
pub struct Hasher {
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

impl Hasher {
    /// The number of hashes that were run.
    pub const fn runs(&self) -> u64 {
        self.runs
    }

    /// The response that the holder of the HA1 would send.
    pub fn response(&mut self, algorithm: Algorithm, ha1: &Ha1, covered: &Covered<'_>) -> HexDigest {
        let mut run = |parts: &[&[u8]]| {
            self.runs += 1;
            hex(algorithm.function, parts)
        };
        let Covered { method, uri, nonce, cnonce, count } = *covered;
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
    pub fn verify(&mut self, algorithm: Algorithm, ha1: &Ha1, covered: &Covered<'_>, claimed: &[u8]) -> bool {
        self.response(algorithm, ha1, covered).is(claimed)
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
