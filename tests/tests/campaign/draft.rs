//! A request in pieces, which mutations change before it is written.

use sipward_tests::digest::{Asked, Secret, response};

#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) leading: Vec<u8>,
    pub(crate) method: Vec<u8>,
    /// Between method and URI, and between URI and version.
    pub(crate) gaps: [Vec<u8>; 2],
    pub(crate) uri: Vec<u8>,
    pub(crate) version: Vec<u8>,
    pub(crate) start_end: Vec<u8>,
    pub(crate) headers: Vec<Header>,
    /// The line that ends the headers.
    pub(crate) blank: Vec<u8>,
    pub(crate) body: Vec<u8>,
    /// Changes of single bytes, once it is written.
    pub(crate) edits: Vec<Edit>,
}

#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) name: Vec<u8>,
    pub(crate) colon: Vec<u8>,
    pub(crate) value: Value,
    pub(crate) end: Vec<u8>,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(Vec<u8>),
    Party(Party),
    Credentials(Credentials),
}

/// Of From or To, in the order in which it is written.
#[derive(Clone, Debug)]
pub(crate) struct Party {
    pub(crate) display: Vec<u8>,
    pub(crate) open: Vec<u8>,
    pub(crate) scheme: Vec<u8>,
    pub(crate) user: Vec<u8>,
    pub(crate) host: Vec<u8>,
    pub(crate) close: Vec<u8>,
    pub(crate) tag: Vec<u8>,
}

#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub(crate) before: Vec<u8>,
    pub(crate) scheme: Vec<u8>,
    pub(crate) gap: Vec<u8>,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) separator: Vec<u8>,
    pub(crate) after: Vec<u8>,
}

#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    pub(crate) name: Vec<u8>,
    pub(crate) equals: Vec<u8>,
    /// With its quotes.
    pub(crate) value: Vec<u8>,
}

/// At this part of the message, in thousandths of it.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    pub(crate) place: usize,
    pub(crate) remove: usize,
    pub(crate) insert: Vec<u8>,
}

/// The sender of a draft, and its credentials.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) method: &'a str,
    pub(crate) account: &'a str,
    /// Different in every request that is sent.
    pub(crate) id: u64,
    /// The port that the answer is to come to.
    pub(crate) port: u16,
    pub(crate) transport: &'a str,
    /// `None`: no credentials.
    pub(crate) answers: Option<Answers<'a>>,
}

/// Credentials for a challenge.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answers<'a> {
    pub(crate) header: &'a str,
    pub(crate) realm: &'a str,
    pub(crate) nonce: &'a str,
}

impl Draft {
    pub(crate) fn new(plan: &Plan<'_>) -> Self {
        let Plan { method, account, id, port, transport, answers } = *plan;
        let uri = if method == "REGISTER" { "sip:pbx".to_owned() } else { "sip:999@pbx".to_owned() };
        let text = |name: &str, value: String| Header::new(name, Value::Text(value.into_bytes()));
        let via = format!("SIP/2.0/{transport} 10.90.0.2:{port};rport;branch=z9hG4bKb{id}x");
        let mut headers = vec![
            text("Via", via),
            text("Max-Forwards", "70".into()),
            Header::new("From", Value::Party(Party::new(account, &format!(";tag=f{id}x")))),
            Header::new("To", Value::Party(Party::new(account, ""))),
            text("Call-ID", format!("c{id}x@10.90.0.2")),
            text("CSeq", format!("{id} {method}")),
            text("Contact", format!("<sip:{account}@10.90.0.2:{port}>")),
        ];
        if let Some(answers) = answers {
            let credentials = Credentials::new(account, &uri, answers);
            headers.push(Header::new(answers.header, Value::Credentials(credentials)));
        }
        headers.push(text("Expires", "60".into()));
        headers.push(text("User-Agent", "Yealink SIP-T46S 66.86.0.15".into()));
        headers.push(text("Content-Length", "0".into()));
        Self {
            leading: Vec::new(),
            method: method.into(),
            gaps: [b" ".to_vec(), b" ".to_vec()],
            uri: uri.into_bytes(),
            version: b"SIP/2.0".to_vec(),
            start_end: b"\r\n".to_vec(),
            headers,
            blank: b"\r\n".to_vec(),
            body: Vec::new(),
            edits: Vec::new(),
        }
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        let start: [&[u8]; 7] = [
            &self.leading,
            &self.method,
            &self.gaps[0],
            &self.uri,
            &self.gaps[1],
            &self.version,
            &self.start_end,
        ];
        let mut bytes = start.concat();
        for header in &self.headers {
            bytes.extend([&header.name[..], &header.colon, &header.value.write(), &header.end].concat());
        }
        for edit in &self.edits {
            let at = bytes.len() * edit.place / 1000;
            let end = (at + edit.remove).min(bytes.len());
            bytes.splice(at..end, edit.insert.iter().copied());
        }
        [bytes, self.blank.clone(), self.body.clone()].concat()
    }

    /// The response of the credentials, for what they are now. `account`: who answers; `None`: whoever they say, in the
    /// very bytes.
    pub(crate) fn sign(&mut self, account: Option<&str>, password: &str) {
        let method = self.method.clone();
        for header in &mut self.headers {
            if let Value::Credentials(credentials) = &mut header.value {
                credentials.sign(&method, account, password);
            }
        }
    }

    pub(crate) fn named(&mut self, name: &str) -> Option<&mut Header> {
        self.headers.iter_mut().find(|header| header.name.eq_ignore_ascii_case(name.as_bytes()))
    }

    pub(crate) fn party(&mut self, name: &str) -> Option<&mut Party> {
        match &mut self.named(name)?.value {
            Value::Party(party) => Some(party),
            _ => None,
        }
    }

    pub(crate) fn credentials(&mut self) -> Option<&mut Credentials> {
        self.headers.iter_mut().find_map(|header| match &mut header.value {
            Value::Credentials(credentials) => Some(credentials),
            _ => None,
        })
    }
}

impl Header {
    pub(crate) fn new(name: &str, value: Value) -> Self {
        Self { name: name.into(), colon: b": ".to_vec(), value, end: b"\r\n".to_vec() }
    }
}

impl Value {
    pub(crate) fn write(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone(),
            Self::Party(party) => [
                &party.display[..],
                &party.open,
                &party.scheme,
                &party.user,
                &party.host,
                &party.close,
                &party.tag,
            ]
            .concat(),
            Self::Credentials(credentials) => credentials.write(),
        }
    }
}

impl Party {
    pub(crate) fn new(user: &str, tag: &str) -> Self {
        Self {
            display: Vec::new(),
            open: b"<".to_vec(),
            scheme: b"sip:".to_vec(),
            user: user.into(),
            host: b"@pbx".to_vec(),
            close: b">".to_vec(),
            tag: tag.into(),
        }
    }
}

impl Credentials {
    pub(crate) fn new(username: &str, uri: &str, answers: Answers<'_>) -> Self {
        let quoted = |name: &str, value: &str| Parameter::new(name, &format!("\"{value}\""));
        let bare = |name: &str, value: &str| Parameter::new(name, value);
        Self {
            before: Vec::new(),
            scheme: b"Digest".to_vec(),
            gap: b" ".to_vec(),
            parameters: vec![
                quoted("username", username),
                quoted("realm", answers.realm),
                quoted("nonce", answers.nonce),
                quoted("uri", uri),
                quoted("response", "00000000000000000000000000000000"),
                bare("algorithm", "MD5"),
                quoted("cnonce", "c0ffee00"),
                bare("qop", "auth"),
                bare("nc", "00000001"),
            ],
            separator: b", ".to_vec(),
            after: Vec::new(),
        }
    }

    fn write(&self) -> Vec<u8> {
        let parameters: Vec<Vec<u8>> = self
            .parameters
            .iter()
            .map(|parameter| [&parameter.name[..], &parameter.equals, &parameter.value].concat())
            .collect();
        let parts: [&[u8]; 5] =
            [&self.before, &self.scheme, &self.gap, &parameters.join(&self.separator[..]), &self.after];
        parts.concat()
    }

    /// Decoys keep a response that is nobody's.
    fn sign(&mut self, method: &[u8], account: Option<&str>, password: &str) {
        let value = |name: &str| {
            let found = self.parameters.iter().rfind(|parameter| parameter.is(name));
            found.map(|parameter| unquoted(&parameter.value)).unwrap_or_default()
        };
        let (realm, uri, nonce) = (value("realm"), value("uri"), value("nonce"));
        let (count, cnonce, qop) = (value("nc"), value("cnonce"), value("qop"));
        let asked = Asked {
            method,
            uri: &uri,
            nonce: &nonce,
            count: &count,
            cnonce: &cnonce,
            qop: &qop,
            ..Asked::default()
        };
        let written = value("username");
        let username = account.map_or(&written[..], str::as_bytes);
        let digest = response(&Secret { username, realm: &realm, password }, &asked);
        for parameter in self.parameters.iter_mut().filter(|parameter| parameter.is("response")) {
            parameter.value = format!("\"{digest}\"").into_bytes();
        }
    }
}

impl Parameter {
    pub(crate) fn new(name: &str, value: &str) -> Self {
        Self { name: name.into(), equals: b"=".to_vec(), value: value.into() }
    }

    pub(crate) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

fn unquoted(value: &[u8]) -> Vec<u8> {
    let inner = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    inner.unwrap_or(value).to_vec()
}
