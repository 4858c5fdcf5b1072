//! Requests as an attacker or a phone writes them, and the contents of the PBX's answers.

use std::net::SocketAddr;

use super::Form;
use crate::{
    digest::{Asked, Secret, response},
    message::{self, header, status},
};

/// A challenge of the PBX.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    pub status: u16,
    pub realm: String,
    pub nonce: String,
    /// With `qop=auth`.
    pub has_quality: bool,
    /// The nonce was too old, and the credentials right.
    pub is_stale: bool,
}

/// Credentials for a challenge.
#[derive(Clone, Copy, Debug)]
pub struct Guess<'a> {
    pub password: &'a str,
    pub challenge: &'a Challenge,
    /// The number of uses of this nonce, with this one.
    pub count: u32,
}

#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub method: &'a str,
    pub account: &'a str,
    pub agent: &'a str,
    pub form: Form,
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub is_tcp: bool,
    /// Its Call-ID, tag and branch.
    pub number: u64,
    pub sequence: u32,
    pub guess: Option<Guess<'a>>,
    /// More header lines.
    pub more: &'a str,
}

impl Request<'_> {
    pub fn write(&self) -> String {
        let Self { method, account, agent, form, from, to, number, sequence, more, .. } = *self;
        let (pbx, transport) = (host(to), if self.is_tcp { "TCP" } else { "UDP" });
        let caller = match form {
            Form::FromNobody => "sip:nobody@anonymous.invalid".to_owned(),
            _ => format!("sip:{account}@{pbx}"),
        };
        let (uri, called) = self.uris();
        let credentials = self.credentials().unwrap_or_default();
        let (early, late) = match form {
            Form::EarlyDecoys | Form::LateName => (credentials, String::new()),
            _ => (String::new(), credentials),
        };
        let plain = message::Request {
            method,
            uri: &uri,
            transport,
            sent_by: &from.to_string(),
            branch: &format!("z9hG4bK{number:x}"),
            from: &format!("<{caller}>"),
            tag: &format!("{number:x}"),
            to: &format!("<{called}>"),
            call_id: &number.to_string(),
            sequence,
            contact: Some(&format!("<sip:{account}@{from}>")),
            headers: &format!("{more}{late}User-Agent: {agent}\r\n"),
            body: "",
        };
        let text = plain.write().replacen("\r\n", &format!("\r\n{early}"), 1);
        match form {
            Form::SpacedVersion => text.replacen(" SIP/2.0", " SIP / 2.0", 1),
            Form::FoldedStart => text.replacen(" SIP/2.0", "\r\n SIP/2.0", 1),
            Form::BlankLine => text.replacen("\r\n", "\r\n \r\n", 1),
            Form::BareCr => text.replace("\r\n", "\r"),
            _ => text,
        }
    }

    /// Of the request, and of its To header.
    fn uris(&self) -> (String, String) {
        let pbx = host(self.to);
        match self.method {
            "REGISTER" => (format!("sip:{pbx}"), format!("sip:{}@{pbx}", self.account)),
            _ => (format!("sip:600@{pbx}"), format!("sip:600@{pbx}")),
        }
    }

    fn credentials(&self) -> Option<String> {
        let Guess { password, challenge, count } = self.guess?;
        let (account, uri) = (self.account, self.uris().0);
        let Challenge { status, realm, nonce, .. } = challenge;
        let cnonce = format!("{:x}", self.number);
        let count = format!("{count:08x}");
        let secret = Secret { username: account.as_bytes(), realm: realm.as_bytes(), password };
        let asked = Asked {
            method: self.method.as_bytes(),
            uri: uri.as_bytes(),
            nonce: nonce.as_bytes(),
            count: count.as_bytes(),
            cnonce: cnonce.as_bytes(),
            qop: if challenge.has_quality { b"auth" } else { b"" },
            ..Asked::default()
        };
        let response = response(&secret, &asked);
        let quality = match challenge.has_quality {
            true => format!(", qop=auth, nc={count}, cnonce=\"{cnonce}\""),
            false => String::new(),
        };
        let header = if *status == 407 { "Proxy-Authorization" } else { "Authorization" };
        let before = match self.form {
            Form::Decoys | Form::EarlyDecoys => "username=\"x\", ".repeat(9),
            Form::LateName => format!("x=\"{}\", ", "y".repeat(2000)),
            _ => String::new(),
        };
        Some(format!(
            "{header}: Digest {before}username=\"{account}\", realm=\"{realm}\", nonce=\"{nonce}\", \
             uri=\"{uri}\", response=\"{response}\", algorithm=MD5{quality}\r\n"
        ))
    }
}

fn host(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(v4) => v4.ip().to_string(),
        SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
    }
}

/// The number that an answer has from its request.
pub(super) fn call_id(answer: &str) -> Option<u64> {
    header(answer, "Call-ID")?.parse().ok()
}

/// The requests that end the transaction of an INVITE: an ACK, and for a call that was taken, a BYE.
pub(super) fn ends(answer: &str, to: SocketAddr) -> Vec<String> {
    let copied = |name| header(answer, name).unwrap_or_default();
    let (Some(sequence), Some(status @ 200..)) = (copied("CSeq").strip_suffix(" INVITE"), status(answer))
    else {
        return Vec::new();
    };
    let is_taken = status < 300;
    let via = copied("Via");
    let write = |method: &str, sequence: &str, branch: &str| {
        // Of a call that was taken, an ACK is a transaction of its own.
        let via = if is_taken { via.replace("z9hG4bK", branch) } else { via.to_owned() };
        format!(
            "{method} sip:600@{} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\n\
             CSeq: {sequence} {method}\r\nContent-Length: 0\r\n\r\n",
            host(to),
            copied("From"),
            copied("To"),
            copied("Call-ID"),
        )
    };
    let mut messages = vec![write("ACK", sequence, "z9hG4bKa")];
    if is_taken {
        messages.push(write("BYE", "9", "z9hG4bKb"));
    }
    messages
}

/// The challenge in an answer, if it has one.
pub fn challenge(answer: &str) -> Option<Challenge> {
    let status = status(answer)?;
    let value = match status {
        401 => header(answer, "WWW-Authenticate"),
        407 => header(answer, "Proxy-Authenticate"),
        _ => None,
    }?;
    let quoted = |name: &str| {
        let (_, rest) = value.split_once(&format!("{name}=\""))?;
        Some(rest.split('"').next()?.to_owned())
    };
    Some(Challenge {
        status,
        realm: quoted("realm")?,
        nonce: quoted("nonce")?,
        has_quality: value.contains("qop="),
        is_stale: value.to_ascii_lowercase().contains("stale=true"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::PHONE;

    #[test]
    fn a_challenge_is_read() {
        let said = "SIP/2.0 401 Unauthorized\r\nCall-ID: 7\r\nWWW-Authenticate: Digest realm=\"asterisk\",\
                    nonce=\"1/2\",opaque=\"o\",algorithm=MD5,qop=\"auth\",stale=true\r\n\r\n";
        let expected = Challenge {
            status: 401,
            realm: "asterisk".to_owned(),
            nonce: "1/2".to_owned(),
            has_quality: true,
            is_stale: true,
        };
        assert_eq!(challenge(said), Some(expected));
        assert_eq!((status(said), call_id(said)), (Some(401), Some(7)));
        assert_eq!(challenge("SIP/2.0 200 OK\r\nCall-ID: 7\r\n\r\n"), None);
    }

    #[test]
    fn forms_change_what_they_say_they_do() {
        let challenge = Challenge { status: 401, nonce: "n".to_owned(), ..Challenge::default() };
        let guess = Some(Guess { password: "p", challenge: &challenge, count: 1 });
        let (from, to) = ("10.91.0.7:40000".parse().unwrap(), "10.90.0.1:5060".parse().unwrap());
        let written = |form| {
            Request {
                method: "REGISTER",
                account: "201",
                agent: PHONE,
                form,
                from,
                to,
                is_tcp: false,
                number: 7,
                sequence: 1,
                guess,
                more: "",
            }
            .write()
        };
        let plain = written(Form::Plain);
        assert!(plain.starts_with("REGISTER sip:10.90.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.91.0.7:40000;"));
        assert!(plain.contains("\r\nAuthorization: Digest username=\"201\", realm=\"\", nonce=\"n\","));
        assert_eq!(written(Form::BareCr), plain.replace("\r\n", "\r"));
        assert_eq!(written(Form::Decoys).matches("username=").count(), 10);
        let early = written(Form::EarlyDecoys);
        assert!(early.find("Authorization").unwrap() < early.find("From").unwrap());
        for (form, start) in [
            (Form::SpacedVersion, "REGISTER sip:10.90.0.1 SIP / 2.0\r\n"),
            (Form::FoldedStart, "REGISTER sip:10.90.0.1\r\n SIP/2.0\r\n"),
            (Form::BlankLine, "REGISTER sip:10.90.0.1 SIP/2.0\r\n \r\n"),
        ] {
            assert!(written(form).starts_with(start), "{form}");
        }
    }
}
