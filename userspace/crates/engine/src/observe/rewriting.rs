//! Signs that something between a phone and us has rewritten its messages: a SIP ALG.
//!
//! One that rewrites everything consistently cannot be seen, and need not be. A phone that learned a wrong public address
//! (STUN) looks the same as some ALGs; the trouble is the same too.

use std::net::{IpAddr, Ipv6Addr};

use sipward_sip::Message;

/// `payload`: the whole datagram, if it is one and the whole of it is there.
pub(super) fn looks_rewritten(message: &Message<'_>, source: IpAddr, payload: Option<&[u8]>) -> bool {
    // Only who receives a request adds these to its topmost Via.
    let filled_in = message.via.received.is_some() || message.via.rport.is_some();
    filled_in
        || payload.is_some_and(|payload| has_wrong_length(message, payload))
        || is_elsewhere(message, source)
}

/// Addresses in the body became longer or shorter, and nobody counted again.
fn has_wrong_length(message: &Message<'_>, payload: &[u8]) -> bool {
    let (Some(body), Some(length)) = (message.body, message.content_length) else { return false };
    let body = payload.get(body..).unwrap_or_default();
    match body.get(length as usize..) {
        Some(rest) => !rest.iter().all(u8::is_ascii_whitespace),
        None => true,
    }
}

/// The phone knows a private address of its own, and gives a public one as its contact that the packets do not come from.
fn is_elsewhere(message: &Message<'_>, source: IpAddr) -> bool {
    let Some(contact) = message.contacts.first().and_then(|contact| address(contact.uri.host)) else {
        return false;
    };
    let sent_by = address(message.via.host);
    sent_by.is_some_and(is_private) && !is_private(contact) && !is_private(source) && contact != source
}

fn address(host: &[u8]) -> Option<IpAddr> {
    let host = std::str::from_utf8(host).ok()?;
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let is_shared = address.octets()[0] == 100 && address.octets()[1] & 0xc0 == 64;
            address.is_private() || address.is_loopback() || address.is_link_local() || is_shared
        }
        IpAddr::V6(address) => {
            address == Ipv6Addr::LOCALHOST || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signs_are_seen_and_their_absence() {
        const PLAIN: &str = "Via: SIP/2.0/UDP 10.0.0.7:5060;rport;branch=b";
        for (via, contact, body, rewritten) in [
            (PLAIN, "<sip:1@10.0.0.7>", "Content-Length: 3\r\n\r\nabc", false),
            (PLAIN, "<sip:1@192.0.2.1:4711>", "Content-Length: 3\r\n\r\nabc\r\n", false),
            (PLAIN, "<sip:1@phone.example>", "\r\nabc", false),
            (PLAIN, "<sip:1@198.51.100.9>", "\r\n", true),
            ("Via: SIP/2.0/UDP 198.51.100.9:5060", "<sip:1@198.51.100.9>", "\r\n", false),
            (PLAIN, "<sip:1@10.0.0.7>", "Content-Length: 3\r\n\r\nabcd", true),
            (PLAIN, "<sip:1@10.0.0.7>", "Content-Length: 3\r\n\r\nab", true),
            ("Via: SIP/2.0/UDP 10.0.0.7;rport=9", "<sip:1@10.0.0.7>", "\r\n", true),
            ("Via: SIP/2.0/UDP 10.0.0.7;received=192.0.2.1", "<sip:1@10.0.0.7>", "\r\n", true),
        ] {
            let text = format!("REGISTER sip:x SIP/2.0\r\n{via}\r\nContact: {contact}\r\n{body}");
            let message = Message::parse(text.as_bytes(), false).unwrap();
            let source = "192.0.2.1".parse().unwrap();
            assert_eq!(looks_rewritten(&message, source, Some(text.as_bytes())), rewritten, "{text}");
        }
    }
}
