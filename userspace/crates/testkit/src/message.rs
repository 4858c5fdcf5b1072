//! One builder of SIP messages for all tests. What a test varies is a field or an argument; the rest is as an ordinary
//! phone writes it.

/// A request, which [`write`](Self::write) writes.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub method: &'a str,
    pub uri: &'a str,
    /// Of `Via`: `UDP`, `TCP` or `TLS`.
    pub transport: &'a str,
    /// Address and port of `Via`.
    pub sent_by: &'a str,
    pub branch: &'a str,
    /// The value of `From` up to its tag.
    pub from: &'a str,
    pub tag: &'a str,
    /// The value of `To`.
    pub to: &'a str,
    pub call_id: &'a str,
    pub sequence: u32,
    /// The value of `Contact`, if the request has one.
    pub contact: Option<&'a str>,
    /// More header lines, each with its line end.
    pub headers: &'a str,
    pub body: &'a str,
}

impl Default for Request<'_> {
    /// A REGISTER of a phone at `198.51.100.7:40000`.
    fn default() -> Self {
        Self {
            method: "REGISTER",
            uri: "sip:pbx.example.com",
            transport: "UDP",
            sent_by: "198.51.100.7:40000",
            branch: "z9hG4bK776asdhds",
            from: "\"Ann O'Neill\" <sip:201@pbx.example.com>",
            tag: "1928301774",
            to: "<sip:201@pbx.example.com>",
            call_id: "a84b4c76e66710@198.51.100.7",
            sequence: 314_159,
            contact: Some("<sip:201@198.51.100.7:40000>"),
            headers: "",
            body: "",
        }
    }
}

impl Request<'_> {
    pub fn write(&self) -> String {
        let Self {
            method,
            uri,
            transport,
            sent_by,
            branch,
            from,
            tag,
            to,
            call_id,
            sequence,
            headers,
            body,
            ..
        } = *self;
        let contact = self.contact.map(|value| format!("Contact: {value}\r\n")).unwrap_or_default();
        format!(
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/{transport} {sent_by};branch={branch};rport\r\n\
             Max-Forwards: 70\r\n\
             From: {from};tag={tag}\r\n\
             To: {to}\r\n\
             Call-ID: {call_id}\r\n\
             CSeq: {sequence} {method}\r\n\
             {contact}{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }
}

/// The answer of a PBX to `request`, with more header lines, each with its line end.
pub fn answer(request: &str, status: &str, headers: &str) -> String {
    let [via, from, to, call_id, sequence] = ["Via", "From", "To", "Call-ID", "CSeq"]
        .map(|name| header(request, name).unwrap_or_else(|| panic!("no {name}: {request}")));
    format!(
        "SIP/2.0 {status}\r\nVia: {via}\r\nFrom: {from}\r\nTo: {to};tag=pbx\r\nCall-ID: {call_id}\r\n\
         CSeq: {sequence}\r\n{headers}Content-Length: 0\r\n\r\n"
    )
}

/// The value of the first header with this name.
pub fn header<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    message.split("\r\n").find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The status of an answer.
pub fn status(answer: &str) -> Option<u16> {
    answer.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
}

/// A request of `method` with a User-Agent.
pub fn request(method: &str, user_agent: &str) -> String {
    with_header(method, &format!("User-Agent: {user_agent}"))
}

/// A request of `method` with one more header line (or several, with line ends between them).
pub fn with_header(method: &str, header: &str) -> String {
    let headers = format!("{header}\r\nAllow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY\r\n");
    Request { method, headers: &headers, ..Request::default() }.write()
}

/// An ordinary request of `method` from an ordinary phone.
pub fn clean(method: &str) -> String {
    request(method, "Yealink SIP-T46S 66.86.0.15")
}

/// A request with a body.
pub fn with_body(method: &str, body: &str) -> String {
    let head = with_header(method, "Content-Type: application/sdp");
    head.replace("Content-Length: 0", &format!("Content-Length: {}", body.len())) + body
}

/// A clean REGISTER of exactly `length` bytes.
pub fn register_of(length: usize) -> String {
    let short = with_header("REGISTER", "Authorization: ");
    let padding = "Digest username=\"201\", realm=\"pbx.example.com\", nonce=\"\"".len();
    let filler: String = "0123456789abcdef".chars().cycle().take(length - short.len() - padding).collect();
    let header =
        format!("Authorization: Digest username=\"201\", realm=\"pbx.example.com\", nonce=\"{filler}\"");
    with_header("REGISTER", &header)
}

/// A clean REGISTER of exactly 300 bytes, as small phones send it.
pub fn short_register() -> String {
    const HEAD: &str = "REGISTER sip:pbx.example.com SIP/2.0\r\n\
        Via: SIP/2.0/UDP 198.51.100.7:40000;branch=z9hG4bK776asdhds\r\n\
        From: <sip:201@pbx.example.com>;tag=19\r\n\
        To: <sip:201@pbx.example.com>\r\n\
        CSeq: 2 REGISTER\r\n\
        Contact: <sip:201@198.51.100.7:40000>\r\n\
        Content-Length: 0\r\nCall-ID: ";
    const END: &str = "\r\n\r\n";
    let id: String = "a84b4c76e667".chars().cycle().take(300 - HEAD.len() - END.len()).collect();
    format!("{HEAD}{id}{END}")
}

/// A clean INVITE of exactly `length` bytes: the rest is its body.
pub fn invite_of(length: usize) -> String {
    let bodiless = with_body("INVITE", "").replace("Content-Length: 0", "Content-Length: 0000");
    let lines = "a=rtpmap:8 PCMA/8000\r\n".chars().cycle();
    let body: String = lines.take(length - bodiless.len()).collect();
    bodiless.replace("Content-Length: 0000", &format!("Content-Length: {:04}", body.len())) + &body
}

pub const OK_TO_OUR_OPTIONS: &str = "SIP/2.0 200 OK\r\n\
    Via: SIP/2.0/UDP 203.0.113.1:5060;branch=z9hG4bK1;rport=5060\r\n\
    From: <sip:pbx.example.com>;tag=1\r\nTo: <sip:trunk.example.net>;tag=2\r\n\
    Call-ID: qualify@203.0.113.1\r\nCSeq: 102 OPTIONS\r\nUser-Agent: friendly-scanner\r\n\
    Content-Length: 0\r\n\r\n";

/// The same with another status.
pub fn answer_to_our_options(status: &str) -> String {
    OK_TO_OUR_OPTIONS.replace("200 OK", status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_belongs_to_its_request() {
        let request = clean("REGISTER");
        let answer = answer(&request, "401 Unauthorized", "WWW-Authenticate: Digest realm=\"pbx\"\r\n");
        assert_eq!(status(&answer), Some(401));
        for name in ["Via", "From", "Call-ID", "CSeq"] {
            assert_eq!(header(&answer, name), header(&request, name), "{name}");
        }
        assert_eq!(header(&answer, "To"), Some("<sip:201@pbx.example.com>;tag=pbx"));
        assert_eq!(header(&answer, "www-authenticate"), Some("Digest realm=\"pbx\""));
    }

    #[test]
    fn messages_are_as_long_as_they_say() {
        assert_eq!(short_register().len(), 300);
        for length in [500, 1400] {
            assert_eq!(register_of(length).len(), length);
        }
        for length in [700, 1400] {
            let invite = invite_of(length);
            let (_, body) = invite.split_once("\r\n\r\n").unwrap();
            assert_eq!(invite.len(), length);
            assert!(invite.contains(&format!("Content-Length: {:04}\r\n", body.len())));
        }
    }
}
