//! Messages as the phone receives them.

use std::{fmt, net::SocketAddr};

use super::uri::{addressed, header_parameter};

/// Names that have a compact form, which stands before them.
const COMPACT: [(&str, &str); 11] = [
    ("b", "Referred-By"),
    ("c", "Content-Type"),
    ("f", "From"),
    ("i", "Call-ID"),
    ("k", "Supported"),
    ("l", "Content-Length"),
    ("m", "Contact"),
    ("o", "Event"),
    ("t", "To"),
    ("v", "Via"),
    ("x", "Session-Expires"),
];

/// A message that is whole: every header line has a name and a value.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Its sender, as the phone's socket saw it.
    pub from: SocketAddr,
    pub text: String,
    start: String,
    /// Folded lines are one.
    headers: Vec<(String, String)>,
    body: String,
}

impl Message {
    /// `None`: this is no SIP message.
    pub fn parse(bytes: &[u8], from: SocketAddr) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let head = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let mut lines = head.split("\r\n");
        let start = lines.next().filter(|start| start.contains("SIP/2.0"))?.to_owned();
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.trim().to_owned(), value.trim().to_owned()))
        };
        let headers = lines.map(header).collect::<Option<_>>()?;
        let body = body.to_owned();
        Some(Self { from, start, headers, body, text })
    }

    /// Of an answer.
    pub fn status(&self) -> Option<u16> {
        self.start.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// Of a request. Of an answer, the method of its request: see [`cseq`](Self::cseq).
    pub fn method(&self) -> Option<&str> {
        self.request_line().map(|(method, _)| method)
    }

    /// The Request-URI.
    pub fn uri(&self) -> Option<&str> {
        self.request_line().map(|(_, uri)| uri)
    }

    fn request_line(&self) -> Option<(&str, &str)> {
        self.start.strip_suffix(" SIP/2.0")?.split_once(' ')
    }

    pub fn start(&self) -> &str {
        &self.start
    }

    pub fn body(&self) -> &str {
        &self.body
    }

    /// The values of all lines with this name, or with its compact form, in order.
    pub fn lines<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(found, _)| is_name(found, name)).map(|(_, value)| &value[..])
    }

    /// The value of the first line with this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| is_name(found, name)).map(|(_, value)| &value[..])
    }

    /// The values of a header that may have several in a line, with commas between them.
    pub fn list<'a>(&'a self, name: &'a str) -> Vec<&'a str> {
        self.lines(name).flat_map(at_commas).collect()
    }

    /// The tag of `From` or `To`.
    pub fn tag(&self, name: &str) -> Option<&str> {
        header_parameter(self.header(name)?, "tag")
    }

    pub fn call_id(&self) -> &str {
        self.header("Call-ID").unwrap_or_default()
    }

    /// The branch of the topmost Via.
    pub fn branch(&self) -> Option<&str> {
        header_parameter(self.list("Via").first()?, "branch")
    }

    /// Number and method.
    pub fn cseq(&self) -> Option<(u32, &str)> {
        let (number, method) = self.header("CSeq")?.split_once(' ')?;
        Some((number.parse().ok()?, method.trim()))
    }

    /// The URI of the first Contact.
    pub fn contact(&self) -> Option<&str> {
        self.list("Contact").first().map(|contact| addressed(contact))
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from {}:\n{}", self.from, self.text)
    }
}

/// True: a header line with the first name is one of the second.
pub(super) fn is_name(found: &str, name: &str) -> bool {
    let full = COMPACT.iter().find(|(short, _)| short.eq_ignore_ascii_case(found));
    full.map_or(found, |(_, full)| full).eq_ignore_ascii_case(name)
}

/// Cuts at commas that are neither quoted nor in angle brackets.
pub(super) fn at_commas(value: &str) -> Vec<&str> {
    let (mut is_quoted, mut is_in_brackets, mut begin, mut parts) = (false, false, 0, Vec::new());
    for (at, letter) in value.char_indices() {
        match letter {
            '"' => is_quoted = !is_quoted,
            '<' if !is_quoted => is_in_brackets = true,
            '>' if !is_quoted => is_in_brackets = false,
            ',' if !is_quoted && !is_in_brackets => {
                parts.push(value[begin..at].trim());
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(value[begin..].trim());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<Message> {
        Message::parse(text.as_bytes(), "192.0.2.1:5060".parse().unwrap())
    }

    #[test]
    fn headers_are_found_by_either_name_and_in_order() {
        let text = "BYE sip:201@10.0.0.1 SIP/2.0\r\nv: SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/UDP b\r\n\
                    Via: SIP/2.0/UDP c\r\nf: <sip:600@pbx>;tag=x\r\nCSeq: 7 BYE\r\n\
                    m: \"a, b\" <sip:a,b@c>;q=1,\r\n <sip:d@e>\r\n\r\nbody";
        let bye = parse(text).unwrap();
        assert_eq!((bye.method(), bye.uri(), bye.status()), (Some("BYE"), Some("sip:201@10.0.0.1"), None));
        assert_eq!(bye.list("Via"), ["SIP/2.0/UDP a;branch=z9hG4bK1", "SIP/2.0/UDP b", "SIP/2.0/UDP c"]);
        assert_eq!(bye.list("Contact"), ["\"a, b\" <sip:a,b@c>;q=1", "<sip:d@e>"]);
        assert_eq!(
            (bye.branch(), bye.tag("From"), bye.contact()),
            (Some("z9hG4bK1"), Some("x"), Some("sip:a,b@c"))
        );
        assert_eq!((bye.cseq(), bye.body()), (Some((7, "BYE")), "body"));
    }

    #[test]
    fn keepalives_are_no_messages() {
        assert_eq!(parse("\r\n\r\n"), None);
        assert_eq!(parse("SIP/2.0 200 OK\r\nno colon\r\n\r\n"), None);
        assert_eq!(parse("SIP/2.0 200 OK\r\nTo: x\r\n\r\n").unwrap().status(), Some(200));
    }
}
