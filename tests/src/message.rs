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

pub const OK_TO_OUR_OPTIONS: &str = "SIP/2.0 200 OK\r\n\
    Via: SIP/2.0/UDP 203.0.113.1:5060;branch=z9hG4bK1;rport=5060\r\n\
    From: <sip:pbx.example.com>;tag=1\r\nTo: <sip:trunk.example.net>;tag=2\r\n\
    Call-ID: qualify@203.0.113.1\r\nCSeq: 102 OPTIONS\r\nUser-Agent: friendly-scanner\r\n\
    Content-Length: 0\r\n\r\n";
