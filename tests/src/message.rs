//! SIP messages for the tests.

/// A request of `method` with a User-Agent.
pub fn request(method: &str, user_agent: &str) -> String {
    with_header(method, &format!("User-Agent: {user_agent}"))
}

/// A request of `method` with one more header line (or several, with line ends between them).
pub fn with_header(method: &str, header: &str) -> String {
    format!(
        "{method} sip:pbx.example.com SIP/2.0\r\n\
         Via: SIP/2.0/UDP 198.51.100.7:40000;branch=z9hG4bK776asdhds;rport\r\n\
         Max-Forwards: 70\r\n\
         To: <sip:201@pbx.example.com>\r\n\
         From: \"Ann O'Neill\" <sip:201@pbx.example.com>;tag=1928301774\r\n\
         Call-ID: a84b4c76e66710@198.51.100.7\r\n\
         CSeq: 314159 {method}\r\n\
         Contact: <sip:201@198.51.100.7:40000>\r\n\
         {header}\r\n\
         Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY\r\n\
         Content-Length: 0\r\n\r\n"
    )
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
    let padding = "Digest username=\"201\", realm=\"pbx.example.com\", nonce=\"".len();
    let filler: String = "0123456789abcdef".chars().cycle().take(length - short.len() - padding).collect();
    let header =
        format!("Authorization: Digest username=\"201\", realm=\"pbx.example.com\", nonce=\"{filler}");
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

#[cfg(test)]
mod tests {
    use super::*;

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
