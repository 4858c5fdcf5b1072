//! Challenges as servers send them, and the credentials that answer them.

use std::collections::HashMap;

use super::message::{Message, at_commas};
use crate::{
    digest::{Algorithm, Asked, Secret, response},
    guesser::another,
};

/// One line of a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// It stands in `Proxy-Authenticate`, else in `WWW-Authenticate`.
    pub is_proxy: bool,
    pub realm: String,
    pub nonce: String,
    pub opaque: Option<String>,
    /// `None`: the phone does not know it.
    pub algorithm: Option<Algorithm>,
    /// With `qop`, of which `auth` is one.
    pub has_quality: bool,
    pub is_stale: bool,
}

impl Challenge {
    /// All lines of an answer, in order.
    pub fn all_of(answer: &Message) -> Vec<Self> {
        let of = |header, is_proxy| answer.lines(header).filter_map(move |line| Self::parse(line, is_proxy));
        of("WWW-Authenticate", false).chain(of("Proxy-Authenticate", true)).collect()
    }

    fn parse(line: &str, is_proxy: bool) -> Option<Self> {
        let parameters = at_commas(line.strip_prefix("Digest ")?);
        let value = |name: &str| {
            parameters.iter().find_map(|parameter| {
                let (found, value) = parameter.split_once('=')?;
                let is_it = found.trim().eq_ignore_ascii_case(name);
                is_it.then(|| value.trim().trim_matches('"').to_owned())
            })
        };
        let qualities = value("qop").unwrap_or_default();
        Some(Self {
            is_proxy,
            realm: value("realm")?,
            nonce: value("nonce")?,
            opaque: value("opaque"),
            algorithm: value("algorithm").map_or(Some(Algorithm::Md5), |name| Algorithm::named(&name)),
            has_quality: qualities.split(',').any(|quality| quality.trim() == "auth"),
            is_stale: value("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
        })
    }

    /// True: the same server asks for the same in the same header.
    pub(super) fn replaces(&self, other: &Self) -> bool {
        (self.is_proxy, &self.realm) == (other.is_proxy, &other.realm)
    }
}

/// The way in which a phone uses `qop`, where the server offers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quality {
    /// `qop=auth`, and `nc` counts the uses of the nonce.
    Counted,
    /// `qop=auth`, and `nc` is 1 every time.
    AlwaysOne,
    /// Counted, and `qop` and `nc` are in quotation marks.
    Quoted,
    /// As RFC 2069 has it: without.
    Unused,
}

/// The header in which a phone answers a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialsHeader {
    /// The one for 401 after a 401, the other after a 407.
    ByStatus,
    Authorization,
    ProxyAuthorization,
    Both,
}

/// Parameters that the phone writes, and hashes, in the place of the right ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    pub username: Option<String>,
    pub realm: Option<String>,
    pub nonce: Option<String>,
    pub uri: Option<String>,
    /// This one is not hashed: it is the result.
    pub response: Option<String>,
}

/// An account's name and password, and the phone's habits with them.
#[derive(Clone, Debug)]
pub struct Credentials {
    pub username: String,
    pub password: String,
    /// The first of them that a server offers is used.
    pub algorithms: Vec<Algorithm>,
    pub quality: Quality,
    pub header: CredentialsHeader,
    pub claims: Claims,
}

impl Credentials {
    pub fn new(username: &str, password: &str) -> Self {
        Self {
            username: username.to_owned(),
            password: password.to_owned(),
            algorithms: vec![Algorithm::Md5],
            quality: Quality::Counted,
            header: CredentialsHeader::ByStatus,
            claims: Claims::default(),
        }
    }

    /// The lines of an answer that the phone responds to: for each header and realm the one with the algorithm that it likes
    /// best. They are empty if it knows none.
    pub(super) fn choose(&self, answer: &Message) -> Vec<Challenge> {
        let mut chosen: Vec<Challenge> = Vec::new();
        for algorithm in &self.algorithms {
            for challenge in Challenge::all_of(answer) {
                let is_new = !chosen.iter().any(|before| before.replaces(&challenge));
                if is_new && challenge.algorithm == Some(*algorithm) {
                    chosen.push(challenge);
                }
            }
        }
        let is_proxy = answer.status() == Some(407);
        let has_both = [true, false].iter().all(|one| chosen.iter().any(|line| line.is_proxy == *one));
        if has_both && self.header != CredentialsHeader::Both {
            chosen.retain(|challenge| challenge.is_proxy == is_proxy);
        }
        chosen
    }

    /// The header lines that respond to these challenges. `count` is the number of requests that used a nonce, with this one.
    pub(super) fn lines(
        &self,
        challenges: &[Challenge],
        method: &str,
        uri: &str,
        mut count: impl FnMut(&str) -> u32,
    ) -> Vec<(&'static str, String)> {
        const NAMES: [&str; 2] = ["Authorization", "Proxy-Authorization"];
        let (mut lines, mut counts) = (Vec::new(), HashMap::new());
        for challenge in challenges {
            let nonce = &challenge.nonce[..];
            let count = *counts.entry(nonce).or_insert_with(|| count(nonce));
            let value = self.respond(challenge, method, uri, count);
            let is_alone = !challenges.iter().any(|other| other.is_proxy != challenge.is_proxy);
            match self.header {
                CredentialsHeader::Authorization => lines.push((NAMES[0], value)),
                CredentialsHeader::ProxyAuthorization => lines.push((NAMES[1], value)),
                CredentialsHeader::Both if is_alone => lines.extend(NAMES.map(|name| (name, value.clone()))),
                _ => lines.push((NAMES[usize::from(challenge.is_proxy)], value)),
            }
        }
        lines
    }

    fn respond(&self, challenge: &Challenge, method: &str, uri: &str, count: u32) -> String {
        let algorithm = challenge.algorithm.unwrap_or_default();
        let claimed = |claim: &Option<String>, right: &str| claim.clone().unwrap_or_else(|| right.to_owned());
        let username = claimed(&self.claims.username, &self.username);
        let realm = claimed(&self.claims.realm, &challenge.realm);
        let nonce = claimed(&self.claims.nonce, &challenge.nonce);
        let uri = claimed(&self.claims.uri, uri);
        let has_quality = challenge.has_quality && self.quality != Quality::Unused;
        let count = format!("{:08x}", if self.quality == Quality::AlwaysOne { 1 } else { count });
        let cnonce = format!("{:016x}", another());
        let secret =
            Secret { username: username.as_bytes(), realm: realm.as_bytes(), password: &self.password };
        let asked = Asked {
            algorithm,
            method: method.as_bytes(),
            uri: uri.as_bytes(),
            nonce: nonce.as_bytes(),
            count: count.as_bytes(),
            cnonce: cnonce.as_bytes(),
            qop: if has_quality { b"auth" } else { b"" },
        };
        let response = claimed(&self.claims.response, &response(&secret, &asked));
        let mut value = format!(
            "Digest username=\"{username}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
             response=\"{response}\", algorithm={}",
            algorithm.name()
        );
        match self.quality {
            Quality::Quoted if has_quality => value += &format!(", qop=\"auth\", nc=\"{count}\""),
            _ if has_quality => value += &format!(", qop=auth, nc={count}"),
            _ => {}
        }
        if has_quality || algorithm == Algorithm::Md5Sess {
            value += &format!(", cnonce=\"{cnonce}\"");
        }
        if let Some(opaque) = &challenge.opaque {
            value += &format!(", opaque=\"{opaque}\"");
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(status: u16, lines: &str) -> Message {
        let text = format!("SIP/2.0 {status} x\r\n{lines}\r\n");
        Message::parse(text.as_bytes(), "192.0.2.1:5060".parse().unwrap()).unwrap()
    }

    /// Of the names of headers, and of their nonces.
    fn answered(credentials: &Credentials, answer: &Message) -> Vec<(&'static str, String)> {
        let lines = credentials.lines(&credentials.choose(answer), "REGISTER", "sip:pbx", |_| 1);
        let nonce =
            |value: String| value.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        lines.into_iter().map(|(name, value)| (name, nonce(value))).collect()
    }

    const BOTH: &str = "WWW-Authenticate: Digest realm=\"a\", nonce=\"www-md5\"\r\n\
        WWW-Authenticate: Digest realm=\"a\", nonce=\"www-sha\", algorithm=SHA-256, qop=\"auth,auth-int\"\r\n\
        Proxy-Authenticate: Digest realm=\"a\", nonce=\"proxy-md5\", algorithm=MD5, stale=TRUE\r\n";

    #[test]
    fn challenges_are_read_line_by_line() {
        let all = Challenge::all_of(&asked(401, BOTH));
        let algorithms = all.iter().map(|challenge| challenge.algorithm).collect::<Vec<_>>();
        assert_eq!(algorithms, [Some(Algorithm::Md5), Some(Algorithm::Sha256), Some(Algorithm::Md5)]);
        assert_eq!(all.iter().map(|line| line.has_quality).collect::<Vec<_>>(), [false, true, false]);
        assert_eq!(all.iter().map(|line| line.is_stale).collect::<Vec<_>>(), [false, false, true]);
        let unknown = asked(401, "WWW-Authenticate: Digest realm=\"a\", nonce=\"n\", algorithm=SHA-1\r\n");
        assert_eq!(Challenge::all_of(&unknown)[0].algorithm, None);
        assert_eq!(Credentials::new("201", "p").choose(&unknown), []);
    }

    #[test]
    fn the_algorithm_and_the_header_are_those_of_the_settings() {
        let mut credentials = Credentials::new("201", "secret");
        let both = || asked(401, BOTH);
        let line = |name, nonce: &str| (name, nonce.to_owned());
        let (www, proxy) = ("Authorization", "Proxy-Authorization");
        assert_eq!(answered(&credentials, &both()), [line(www, "www-md5")]);
        assert_eq!(answered(&credentials, &asked(407, BOTH)), [line(proxy, "proxy-md5")]);
        credentials.algorithms = vec![Algorithm::Sha512_256, Algorithm::Sha256, Algorithm::Md5];
        assert_eq!(answered(&credentials, &both()), [line(www, "www-sha")]);
        credentials.header = CredentialsHeader::ProxyAuthorization;
        assert_eq!(answered(&credentials, &both()), [line(proxy, "www-sha")]);
        credentials.header = CredentialsHeader::Both;
        assert_eq!(answered(&credentials, &both()), [line(www, "www-sha"), line(proxy, "proxy-md5")]);
        let one = asked(407, "Proxy-Authenticate: Digest realm=\"a\", nonce=\"n\"\r\n");
        assert_eq!(answered(&credentials, &one), [line(www, "n"), line(proxy, "n")]);
    }

    #[test]
    fn quality_is_written_as_the_settings_say() {
        let mut credentials = Credentials::new("201", "secret");
        let asked =
            asked(401, "WWW-Authenticate: Digest realm=\"a\", nonce=\"n\", qop=\"auth\", opaque=\"o\"\r\n");
        let mut written = |quality| {
            credentials.quality = quality;
            let lines = credentials.lines(&credentials.choose(&asked), "REGISTER", "sip:pbx", |_| 16);
            lines[0].1.split_once("algorithm=MD5").unwrap().1.to_owned()
        };
        assert!(written(Quality::Counted).starts_with(", qop=auth, nc=00000010, cnonce=\""));
        assert!(written(Quality::AlwaysOne).starts_with(", qop=auth, nc=00000001, cnonce=\""));
        assert!(written(Quality::Quoted).starts_with(", qop=\"auth\", nc=\"00000010\", cnonce=\""));
        assert_eq!(written(Quality::Unused), ", opaque=\"o\"");
    }

    #[test]
    fn a_nonce_in_two_headers_is_used_once() {
        let mut credentials = Credentials::new("201", "secret");
        credentials.header = CredentialsHeader::Both;
        let line = "Authenticate: Digest realm=\"a\", nonce=\"n\", qop=\"auth\"\r\n";
        let asked = asked(401, &format!("WWW-{line}Proxy-{line}"));
        let mut uses = 0;
        let count = |_: &str| {
            uses += 1;
            uses
        };
        let lines = credentials.lines(&credentials.choose(&asked), "REGISTER", "sip:pbx", count);
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|(_, value)| value.contains("nc=00000001")), "{lines:?}");
    }

    #[test]
    fn claims_take_the_place_of_what_is_right() {
        let mut credentials = Credentials::new("201", "secret");
        let asked = asked(401, "WWW-Authenticate: Digest realm=\"a\", nonce=\"n\"\r\n");
        credentials.claims =
            Claims { realm: Some("b".to_owned()), nonce: Some("old".to_owned()), ..Claims::default() };
        let lines = credentials.lines(&credentials.choose(&asked), "REGISTER", "sip:pbx", |_| 1);
        let secret = Secret { username: b"201", realm: b"b", password: "secret" };
        let hashed = Asked { method: b"REGISTER", uri: b"sip:pbx", nonce: b"old", ..Asked::default() };
        let expected = format!(
            "realm=\"b\", nonce=\"old\", uri=\"sip:pbx\", response=\"{}\"",
            response(&secret, &hashed)
        );
        assert!(lines[0].1.contains(&expected), "{}", lines[0].1);
    }
}
