//! The credentials of a request, read in the one way that is left when everything ambiguous is refused.

use std::{borrow::Cow, fmt};

use sha2::{Digest as _, Sha256};
use sipward_sip::{Pieces, closing_quote, is_blank, is_token, position, trim};

use crate::{
    base64url,
    digest::{Algorithm, HashFunction},
};

/// The value of an Authorization or Proxy-Authorization header with the scheme Digest.
///
/// All parameters are as the client sent them, but for the escapes in name and realm: these are resolved (RFC 7230
/// §3.2.6) before anything is looked up or hashed. Asterisk and Kamailio hash names with their escapes. That makes no
/// difference where neither accounts nor realm have a character that needs one, and here they have none.
#[derive(Clone, PartialEq, Eq)]
pub struct DigestCredentials<'a> {
    pub username: Cow<'a, [u8]>,
    pub realm: Cow<'a, [u8]>,
    /// All of it.
    raw: &'a [u8],
    pub(super) parts: Result<ResponseParts<'a>, CredentialsError>,
}

/// The parameters that show whether the client knows the password.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct ResponseParts<'a> {
    pub(super) nonce: &'a [u8],
    /// The digest URI.
    pub(super) uri: &'a [u8],
    /// `None`: an unknown one.
    pub(super) algorithm: Option<Algorithm>,
    pub(super) response: &'a [u8],
    /// Empty where it is not there.
    pub(super) cnonce: &'a [u8],
    /// With `qop=auth`.
    pub(super) count: Option<NonceCount<'a>>,
}

/// The `nc` parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NonceCount<'a> {
    /// As the client sent it: so it is hashed.
    pub(super) digits: &'a [u8],
    pub(super) number: u32,
}

/// Why credentials are refused before anything is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialsError {
    /// The scheme is not Digest: the credentials are for somebody else.
    OtherScheme,
    ControlCharacter,
    /// A parameter is not `name=value`.
    NoParameter,
    /// A quoted string does not end, or does not end the value.
    BrokenString,
    /// A parameter stands there twice.
    Repeated,
    TooMany,
    Missing(&'static str),
    /// The nonce count is not one to eight hexadecimal digits.
    NonceCount,
    /// The quality of protection is not `auth`.
    Qop,
    /// The response is not a hash of that algorithm.
    Response,
    /// The user name is in `username*` (RFC 7616 §3.4).
    ExtendedUsername,
    /// The user name is hashed (RFC 7616 §3.4.4).
    Userhash,
}

/// More than these are no phone's.
const PARAMETERS_MAX: usize = 24;

/// The value of one parameter.
#[derive(Clone, Copy, Debug)]
struct Value<'a> {
    /// Without quotes.
    text: &'a [u8],
    quoted: bool,
}

impl<'a> DigestCredentials<'a> {
    /// Fails where the parameters cannot be told apart or there is no realm. Anything else that is wrong with them is for
    /// the server of that realm to find.
    pub fn parse(value: &'a [u8]) -> Result<Self, CredentialsError> {
        let parameters = Parameters::read(value)?;
        Ok(Self {
            username: parameters.get("username").map_or(Cow::Borrowed(&[]), Value::unescaped),
            realm: parameters.needed("realm")?.unescaped(),
            raw: value,
            parts: ResponseParts::read(&parameters),
        })
    }

    /// The same where the very same credentials come again. The response cannot be had from it.
    pub fn attempt(&self) -> String {
        base64url::encode(&Sha256::digest(self.raw)[..9])
    }
}

impl<'a> ResponseParts<'a> {
    fn read(parameters: &Parameters<'a>) -> Result<Self, CredentialsError> {
        if parameters.get("username*").is_some() {
            return Err(CredentialsError::ExtendedUsername);
        }
        if parameters.get("userhash").is_some_and(|value| !value.text.eq_ignore_ascii_case(b"false")) {
            return Err(CredentialsError::Userhash);
        }
        parameters.needed("username")?;
        let algorithm = parameters.get("algorithm").map_or(
            // As it was before there were others (RFC 2069).
            Some(Algorithm::new(HashFunction::Md5, false)),
            |value| Algorithm::from_name(value.text),
        );
        let response = parameters.needed("response")?.text;
        if algorithm.is_some_and(|algorithm| !is_hash(response, algorithm.function)) {
            return Err(CredentialsError::Response);
        }
        let count = parameters.count()?;
        let needs_cnonce = count.is_some() || algorithm.is_some_and(|algorithm| algorithm.session);
        let cnonce = match parameters.get("cnonce") {
            Some(cnonce) => cnonce.text,
            None if needs_cnonce => return Err(CredentialsError::Missing("cnonce")),
            None => &[],
        };
        let (nonce, uri) = (parameters.needed("nonce")?.text, parameters.needed("uri")?.text);
        Ok(Self { nonce, uri, algorithm, response, cnonce, count })
    }
}

fn is_hash(response: &[u8], function: HashFunction) -> bool {
    response.len() == function.digits() && response.iter().all(u8::is_ascii_hexdigit)
}

/// The parameters, each once.
struct Parameters<'a>(Vec<(&'a [u8], Value<'a>)>);

impl<'a> Parameters<'a> {
    fn read(value: &'a [u8]) -> Result<Self, CredentialsError> {
        let (scheme, rest) =
            value.split_at(value.iter().position(|&byte| !is_token(byte)).unwrap_or(value.len()));
        // PJSIP takes a scheme in quotes, and Kamailio a comma behind it.
        if scheme.is_empty() || !rest.first().is_some_and(|&byte| is_blank(byte)) {
            return Err(CredentialsError::NoParameter);
        }
        if !scheme.eq_ignore_ascii_case(b"Digest") {
            return Err(CredentialsError::OtherScheme);
        }
        let mut read = Self(Vec::new());
        for piece in Pieces::new(rest, b',', false) {
            let (name, value) = parameter(piece)?;
            if read.0.len() == PARAMETERS_MAX {
                return Err(CredentialsError::TooMany);
            }
            if read.0.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
                return Err(CredentialsError::Repeated);
            }
            read.0.push((name, value));
        }
        Ok(read)
    }

    fn get(&self, wanted: &str) -> Option<Value<'a>> {
        let (_, value) = self.0.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes()))?;
        Some(*value)
    }

    fn needed(&self, name: &'static str) -> Result<Value<'a>, CredentialsError> {
        self.get(name).ok_or(CredentialsError::Missing(name))
    }

    /// Without qop a count means nothing.
    fn count(&self) -> Result<Option<NonceCount<'a>>, CredentialsError> {
        let Some(qop) = self.get("qop") else { return Ok(None) };
        if !qop.text.eq_ignore_ascii_case(b"auth") {
            return Err(CredentialsError::Qop);
        }
        let digits = self.needed("nc")?.text;
        if !(1..=8).contains(&digits.len()) {
            return Err(CredentialsError::NonceCount);
        }
        let add = |number, digit: &u8| Some(number << 4 | char::from(*digit).to_digit(16)?);
        let number = digits.iter().try_fold(0, add).ok_or(CredentialsError::NonceCount)?;
        Ok(Some(NonceCount { digits, number }))
    }
}

impl<'a> Value<'a> {
    fn unescaped(self) -> Cow<'a, [u8]> {
        if !self.quoted || position(self.text, b'\\').is_none() {
            return Cow::Borrowed(self.text);
        }
        let mut escaped = false;
        let is_kept = |byte: &u8| {
            escaped = *byte == b'\\' && !escaped;
            !escaped
        };
        Cow::Owned(self.text.iter().copied().filter(is_kept).collect())
    }
}

/// `name=value` or `name="value"`, and nothing besides.
fn parameter(piece: &[u8]) -> Result<(&[u8], Value<'_>), CredentialsError> {
    let at = position(piece, b'=').ok_or(CredentialsError::NoParameter)?;
    let (name, value) = (trim(&piece[..at]), trim(&piece[at + 1..]));
    if name.is_empty() || !name.iter().all(|&byte| is_token(byte)) {
        return Err(CredentialsError::NoParameter);
    }
    let value = match value {
        [b'"', string @ ..] => match closing_quote(string) {
            Some(end) if end + 1 == string.len() => Value { text: &string[..end], quoted: true },
            _ => return Err(CredentialsError::BrokenString),
        },
        [] => return Err(CredentialsError::NoParameter),
        // Some phones leave the quotes out wherever no blank needs them.
        _ if value.contains(&b'"') => return Err(CredentialsError::BrokenString),
        _ if value.iter().any(|&byte| is_blank(byte)) => return Err(CredentialsError::NoParameter),
        _ => Value { text: value, quoted: false },
    };
    // Only a fold between parameters has line ends, and blanks around it.
    let has_control = value.text.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t');
    if has_control { Err(CredentialsError::ControlCharacter) } else { Ok((name, value)) }
}

/// Without the response: a password can be guessed with it.
impl fmt::Debug for DigestCredentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DigestCredentials")
            .field("username", &self.username.escape_ascii().to_string())
            .field("realm", &self.realm.escape_ascii().to_string())
            .field("parts", &self.parts)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ResponseParts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseParts")
            .field("nonce", &self.nonce.escape_ascii().to_string())
            .field("uri", &self.uri.escape_ascii().to_string())
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherScheme => "the scheme of the credentials is not Digest",
            Self::ControlCharacter => "the credentials have a control character in them",
            Self::NoParameter => "the credentials are not parameters with commas between them",
            Self::BrokenString => "the credentials have a broken quoted string in them",
            Self::Repeated => "a parameter of the credentials stands there twice",
            Self::TooMany => "the credentials have too many parameters",
            Self::Missing(name) => return write!(f, "the credentials lack the parameter {name}"),
            Self::NonceCount => "the nonce count (nc) is not one to eight hexadecimal digits",
            Self::Qop => "the quality of protection (qop) is not auth: nothing else was offered",
            Self::Response => "the response is not as long as a hash of its algorithm, or not hexadecimal",
            Self::ExtendedUsername => {
                "the user name is in username*, which is not supported: names are sent as they are"
            }
            Self::Userhash => "the user name is hashed, which was not offered: names are sent as they are",
        })
    }
}

impl std::error::Error for CredentialsError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MD5: &str = "0123456789abcdef0123456789abcdef";

    fn parse(value: &str) -> Result<DigestCredentials<'_>, CredentialsError> {
        DigestCredentials::parse(value.as_bytes())
    }

    /// The parameters that must be there, and these.
    fn with(more: &str) -> String {
        format!("Digest username=\"a\", realm=\"r\", nonce=\"n\", uri=\"sip:r\", response=\"{MD5}\"{more}")
    }

    #[test]
    fn phones_quote_what_they_like_and_write_names_as_they_like() {
        let of = |count: Option<(&'static str, u32)>, algorithm: &str, cnonce: &'static str| ResponseParts {
            nonce: b"n",
            uri: b"sip:r",
            algorithm: Algorithm::from_name(algorithm.as_bytes()),
            response: MD5.as_bytes(),
            cnonce: cnonce.as_bytes(),
            count: count.map(|(digits, number)| NonceCount { digits: digits.as_bytes(), number }),
        };
        for (more, expected) in [
            ("", of(None, "MD5", "")),
            (", algorithm=MD5", of(None, "MD5", "")),
            (",algorithm=\"md5\"", of(None, "MD5", "")),
            (", qop=auth, nc=00000001, cnonce=\"c\"", of(Some(("00000001", 1)), "MD5", "c")),
            (", QOP=\"auth\", NC=\"00000001\", CNonce=c", of(Some(("00000001", 1)), "MD5", "c")),
            ("\t,\r\n qop = AUTH ,\tnc= FFffFFff,cnonce=\"\"", of(Some(("FFffFFff", u32::MAX)), "MD5", "")),
            (", qop=auth, nc=1, cnonce=\"c\"", of(Some(("1", 1)), "MD5", "c")),
            // Without qop a count means nothing, whatever it is.
            (", nc=zz, cnonce=\"c\"", of(None, "MD5", "c")),
            (", algorithm=MD5-sess, cnonce=\"c\"", of(None, "MD5-sess", "c")),
            (", algorithm=SHA-1", of(None, "none", "")),
            (", opaque=\"\", userhash=false, x=\"a,\tb=c\"", of(None, "MD5", "")),
        ] {
            let value = with(more);
            let credentials = parse(&value).unwrap();
            assert_eq!((&*credentials.username, &*credentials.realm), (&b"a"[..], &b"r"[..]), "{more}");
            assert_eq!(credentials.parts, Ok(expected), "{more}");
        }
        let unquoted = format!("dIGEST username=a,realm=r,nonce=n,uri=sip:r,response={MD5}");
        assert_eq!(parse(&unquoted).unwrap().parts, Ok(of(None, "MD5", "")));
    }

    #[test]
    fn parameters_that_can_be_read_in_two_ways_or_in_none_are_refused() {
        use CredentialsError as Error;
        for (more, error) in [
            (", username=\"a\"", Error::Repeated),
            (", Nonce=n", Error::Repeated),
            (", x=1, X=2", Error::Repeated),
            (", opaque=\"o", Error::BrokenString),
            (", opaque=\"o\\\"", Error::BrokenString),
            (", opaque=\"o\"p", Error::BrokenString),
            (", opaque=\"o\" nc=1", Error::BrokenString),
            (", opaque=o\"p\"", Error::BrokenString),
            (", opaque=\"o\0\"", Error::ControlCharacter),
            (", opaque=\"o\r\n p\"", Error::ControlCharacter),
            (", opaque=o\x7f", Error::ControlCharacter),
            (", opaque=o p", Error::NoParameter),
            (", opaque", Error::NoParameter),
            (", opaque=", Error::NoParameter),
            (", =o", Error::NoParameter),
            (", opa que=o", Error::NoParameter),
            (", opa\x01que=o", Error::NoParameter),
            (", ", Error::NoParameter),
            (",, opaque=o", Error::NoParameter),
        ] {
            assert_eq!(parse(&with(more)), Err(error), "{more:?}");
        }
        let many: String = (0..PARAMETERS_MAX).map(|at| format!(", x{at}=1")).collect();
        assert_eq!(parse(&with(&many)), Err(Error::TooMany));
    }

    #[test]
    fn a_response_that_nobody_asked_for_is_an_error_and_leaves_name_and_realm() {
        use CredentialsError as Error;
        for (more, error) in [
            (", qop=auth-int, nc=00000001, cnonce=c", Error::Qop),
            (", qop=\"auth,auth-int\", nc=00000001, cnonce=c", Error::Qop),
            (", qop=auth, cnonce=c", Error::Missing("nc")),
            (", qop=auth, nc=00000001", Error::Missing("cnonce")),
            (", algorithm=MD5-sess", Error::Missing("cnonce")),
            (", qop=auth, nc=000000001, cnonce=c", Error::NonceCount),
            (", qop=auth, nc=\"\", cnonce=c", Error::NonceCount),
            (", qop=auth, nc=+1, cnonce=c", Error::NonceCount),
            (", algorithm=SHA-256", Error::Response),
            (", username*=UTF-8''a", Error::ExtendedUsername),
            (", userhash=true", Error::Userhash),
        ] {
            let value = with(more);
            let credentials = parse(&value).unwrap();
            assert_eq!((&*credentials.username, &*credentials.realm), (&b"a"[..], &b"r"[..]), "{more}");
            assert_eq!(credentials.parts, Err(error), "{more}");
        }
        for name in ["username", "nonce", "uri", "response"] {
            let without = with("").replace(&format!(" {name}="), " other=");
            assert_eq!(parse(&without).unwrap().parts, Err(Error::Missing(name)));
        }
    }

    #[test]
    fn an_attempt_is_all_of_the_credentials_and_nothing_is_learnt_from_it() {
        let (value, other) = (with(""), with(", nc=1"));
        let attempt = parse(&value).unwrap().attempt();
        assert_eq!(parse(&value.clone()).unwrap().attempt(), attempt);
        assert_ne!(parse(&other).unwrap().attempt(), attempt);
        assert!(attempt.len() == 12 && !attempt.contains(&MD5[..8]));
    }

    #[test]
    fn other_schemes_have_an_error_of_their_own() {
        use CredentialsError as Error;
        for (value, error) in [
            ("", Error::NoParameter),
            ("Digest", Error::NoParameter),
            ("Digest ", Error::NoParameter),
            ("Digest, username=a", Error::NoParameter),
            ("\"Digest\" username=a", Error::NoParameter),
            ("Digest\0username=a", Error::NoParameter),
            ("Basic YTpi", Error::OtherScheme),
            ("Digester username=a", Error::OtherScheme),
            ("Digest username=a", Error::Missing("realm")),
        ] {
            assert_eq!(parse(value), Err(error), "{value:?}");
        }
    }

    #[test]
    fn name_and_realm_lose_their_escapes_and_the_rest_keeps_them() {
        let value = format!(
            r#"Digest username="a\\l\"i\ce", realm="\r", nonce="\n", uri="sip:\u@r", cnonce="\c", response="{MD5}""#
        );
        let credentials = parse(&value).unwrap();
        assert_eq!(&*credentials.username, br#"a\l"ice"#);
        assert_eq!(&*credentials.realm, b"r");
        let parts = credentials.parts.unwrap();
        assert_eq!((parts.nonce, parts.uri, parts.cnonce), (&br"\n"[..], &br"sip:\u@r"[..], &br"\c"[..]));
    }

    #[test]
    fn debug_shows_no_response() {
        assert!(!format!("{:?}", parse(&with(""))).contains(MD5));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, more in r#"["\\=, a-c\r\n]{0,40}"#) {
            let _ = DigestCredentials::parse(&bytes);
            let _ = parse(&format!("Digest {more}"));
            let _ = parse(&with(&more));
        }

        #[test]
        fn any_name_comes_back_from_its_quoted_form(name in r"[^\p{Cc}]{0,40}") {
            let quoted = name.replace('\\', r"\\").replace('"', r#"\""#);
            let value = with("").replace("username=\"a\"", &format!("username=\"{quoted}\""));
            prop_assert_eq!(&*parse(&value).unwrap().username, name.as_bytes());
        }

        #[test]
        fn a_parameter_that_is_there_twice_is_refused_wherever_the_second_stands(
            first in 0..5_usize, to in 0..6_usize,
        ) {
            let value = with("");
            let mut parameters: Vec<_> = value["Digest ".len()..].split(", ").collect();
            parameters.insert(to, parameters[first]);
            let twice = format!("Digest {}", parameters.join(", "));
            prop_assert_eq!(parse(&twice), Err(CredentialsError::Repeated));
        }
    }
}
