//! Digest authentication in a message: credentials and challenges.

use super::{
    lines::{is_blank, position, trim},
    pieces::{Pieces, parameter},
};

/// Of (Proxy-)Authorization. Empty where it is not there; nothing is unescaped. Of user names only the user is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Credentials<'a> {
    pub username: &'a [u8],
    pub realm: &'a [u8],
    pub nonce: &'a [u8],
    /// All of it, as it stands there.
    pub raw: &'a [u8],
}

/// Of WWW-Authenticate or Proxy-Authenticate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Challenge<'a> {
    pub realm: &'a [u8],
    pub nonce: &'a [u8],
    pub stale: bool,
}

impl<'a> Credentials<'a> {
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        // Kamailio takes a comma for the blank.
        let (scheme, rest) = value.split_at(value.iter().position(ends_token)?);
        if !scheme.eq_ignore_ascii_case(b"Digest") {
            return None;
        }
        let mut found = None;
        // PBXs skip what they do not know. A name with a blank in it is that, and not another scheme.
        for piece in Pieces::new(rest, b',', false) {
            let (name, Some(parameter)) = parameter(piece) else { continue };
            let credentials = found.get_or_insert(Self { raw: value, ..Self::default() });
            if name.eq_ignore_ascii_case(b"username") {
                credentials.username = user(parameter);
            } else if name.eq_ignore_ascii_case(b"realm") {
                credentials.realm = parameter;
            } else if name.eq_ignore_ascii_case(b"nonce") {
                credentials.nonce = parameter;
            }
        }
        found
    }

    /// All that is called a user name there. Kamailio and PJSIP, so Asterisk too, take the last of several; of several
    /// headers they take the first for their realm. Others may do otherwise.
    pub fn names(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let named = |(name, value): (&'a [u8], &'a [u8])| {
            // The first has the scheme before it.
            let name = name.rsplit(|&byte| is_blank(byte) || byte == b',').next()?;
            name.eq_ignore_ascii_case(b"username").then(|| user(value))
        };
        let pieces = Pieces::new(self.raw, b',', false).filter_map(|piece| {
            let (name, value) = parameter(piece);
            Some((name, value?))
        });
        pieces.chain(Straight(self.raw)).filter_map(named)
    }
}

/// Parameters as Kamailio reads them: a string ends at the next quote, whatever is before it, and nothing counts from there
/// to the next comma.
struct Straight<'a>(&'a [u8]);

impl<'a> Iterator for Straight<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, rest) = self.0.split_at(position(self.0, b'=')?);
        let rest = rest[1..].trim_ascii_start();
        let (value, behind) = match rest {
            [b'"', string @ ..] => string.split_at(position(string, b'"')?),
            _ => rest.split_at(rest.iter().position(ends_token).unwrap_or(rest.len())),
        };
        self.0 = position(behind, b',').map_or(&[], |comma| &behind[comma + 1..]);
        Some((trim(name), value))
    }
}

fn ends_token(byte: &u8) -> bool {
    is_blank(*byte) || *byte == b','
}

/// The account of a user name. Kamailio leaves out a domain behind it, and what ends with a colon before it.
fn user(name: &[u8]) -> &[u8] {
    let user = name.split(|&byte| byte == b'@').next().unwrap_or(name);
    user.splitn(2, |&byte| byte == b':').last().unwrap_or(user)
}

impl<'a> Challenge<'a> {
    /// Some servers write several into one header.
    pub(super) fn parse(value: &'a [u8], mut add: impl FnMut(Self)) {
        let mut current = None;
        for (scheme, name, parameter) in parameters(value) {
            if let Some(scheme) = scheme {
                let next = scheme.eq_ignore_ascii_case(b"Digest").then(Self::default);
                current.into_iter().for_each(&mut add);
                current = next;
            }
            let Some(challenge) = &mut current else { continue };
            if name.eq_ignore_ascii_case(b"realm") {
                challenge.realm = parameter;
            } else if name.eq_ignore_ascii_case(b"nonce") {
                challenge.nonce = parameter;
            } else if name.eq_ignore_ascii_case(b"stale") {
                challenge.stale = parameter.eq_ignore_ascii_case(b"true");
            }
        }
        current.into_iter().for_each(add);
    }
}

/// The next nonce that a server announces with its 2xx (RFC 2617 §3.2.3).
pub(super) fn next_nonce(value: &[u8]) -> Option<&[u8]> {
    let named = |piece| match parameter(piece) {
        (name, Some(value)) if name.eq_ignore_ascii_case(b"nextnonce") => Some(value),
        _ => None,
    };
    Pieces::new(value, b',', false).find_map(named)
}

/// `scheme name=value, name=value`: the scheme is told with the first parameter behind it.
fn parameters(value: &[u8]) -> impl Iterator<Item = (Option<&[u8]>, &[u8], &[u8])> {
    Pieces::new(value, b',', false).filter_map(|piece| {
        let (name, value) = parameter(piece);
        let (scheme, name) = match name.iter().position(|&byte| is_blank(byte)) {
            Some(at) => (Some(&name[..at]), trim(&name[at..])),
            None => (None, name),
        };
        Some((scheme, name, value?))
    })
}
