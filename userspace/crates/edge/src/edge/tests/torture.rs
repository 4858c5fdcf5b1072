//! The messages of RFC 4475 and RFC 5118: the right answer, or none.

use sipward_testkit::torture;

use super::*;

/// The status of the one answer; zero for silence.
fn answered(from: Link, bytes: &[u8]) -> u16 {
    let mut desk = TestEdge::new();
    let carrier = if from.transport == Transport::Udp { Carrier::Datagram } else { Carrier::Stream };
    let received = desk.edge.receive(from, carrier, bytes, desk.now());
    assert!(!is_sent_on(&received), "{received:?}");
    if received.sends.is_empty() { 0 } else { status(&received) }
}

fn tcp() -> Link {
    Link { listener: 1, transport: Transport::Tcp, connection: 5, ..udp(PHONE) }
}

/// Those that are answered with something else than a challenge. Zero is silence: nobody knows where an answer would go,
/// what it would have to repeat, or that it is a request at all.
const NO_CHALLENGE: [(&str, u16); 24] = [
    // It has a tag of a dialog that the edge is not in.
    ("wsinv", 481),
    // It has a NUL.
    ("intmeth", 0),
    // Answers.
    ("unreason", 0),
    ("noreason", 0),
    ("bigcode", 0),
    ("bcast", 0),
    ("scalarlg", 0),
    ("badinv01", 400),
    ("clerr", 400),
    ("ncl", 400),
    ("scalar02", 400),
    ("quotbal", 400),
    ("ltgtruri", 400),
    ("regbadct", 400),
    ("badaspec", 400),
    ("baddn", 400),
    ("mismatch01", 400),
    ("mismatch02", 400),
    ("multi01", 400),
    ("mcl01", 400),
    // No start line of SIP 2.0.
    ("lwsruri", 0),
    ("lwsstart", 0),
    ("trws", 0),
    ("badvers", 0),
];

#[test]
fn rfc_4475_has_the_right_answers_over_udp_and_tcp() {
    for (name, bytes) in torture::valid_messages().into_iter().chain(torture::other_messages()) {
        let special = NO_CHALLENGE.iter().find(|(other, _)| *other == name).map(|(_, status)| *status);
        let expected = match name {
            // It has neither From nor Call-ID.
            "insuf" => [0, 0],
            // No Content-Length, which a stream needs.
            "inv2543" => [401, 400],
            _ => [special.unwrap_or(401); 2],
        };
        assert_eq!([udp(PHONE), tcp()].map(|from| answered(from, &bytes)), expected, "{name}");
    }
}

/// The REGISTER of RFC 5118 §4.1 with other URIs, Vias and bodies.
fn of_5118(uri: &str, via: &str, from: &str, body: &str) -> Vec<u8> {
    format!(
        "REGISTER {uri} SIP/2.0\r\nTo: sip:user@example.com\r\nFrom: {from};tag=81x2\r\nVia: SIP/2.0/UDP {via}\r\n\
         Call-ID: SSG9559905523997077@hlau_4100\r\nMax-Forwards: 70\r\nContact: \"Caller\" <sip:caller@[2001:db8::1]>\r\n\
         CSeq: 98176 REGISTER\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[test]
fn rfc_5118_has_the_right_answers_over_udp_and_tcp() {
    const VIA: &str = "[2001:db8::9:1];branch=z9hG4bKas3-111";
    const FROM: &str = "sip:user@example.com";
    const BODY: &str = "v=0\r\no=assistant 971731711378798081 0 IN IP6 2001:db8::20\r\ns=-\r\n\
                        c=IN IP6 2001:db8::20\r\nt=3338481189 3370017201\r\nm=audio 6000 RTP/AVP 2\r\n\
                        m=video 6024 RTP/AVP 107\r\nc=IN IP6 2001:db8::1\r\n";
    for (section, uri, via, from, body, expected) in [
        ("4.1", "sip:[2001:db8::10]", VIA, FROM, "", 401),
        ("4.2 without brackets", "sip:2001:db8::10", VIA, FROM, "", 400),
        ("4.3 the port inside", "sip:[2001:db8::10:5070]", VIA, FROM, "", 401),
        ("4.4 the port outside", "sip:[2001:db8::10]:5070", VIA, FROM, "", 401),
        (
            "4.5",
            "sip:[2001:db8::10]",
            "[2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3",
            FROM,
            "",
            401,
        ),
        (
            "4.5 without",
            "sip:[2001:db8::10]",
            "[2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3",
            FROM,
            "",
            401,
        ),
        ("4.6, 4.7", "sip:[2001:db8::10]", VIA, FROM, BODY, 401),
        (
            "4.8",
            "sip:[2001:db8::10]",
            "192.0.2.1;branch=z9hG4bKas3-111, SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKb",
            FROM,
            "",
            401,
        ),
        ("4.9", "sip:[::ffff:192.0.2.10]:19823", "[::ffff:192.0.2.2];branch=z9hG4bKas3-111", FROM, BODY, 401),
        // The grammar of RFC 3261 had three colons, and the edge has no need to connect to that address.
        ("4.10", "sip:[2001:db8::10]", VIA, "<sip:user@[2001:db8:::192.0.2.1]>", "", 401),
    ] {
        for from_link in
            [udp("[2001:db8::9:1]:5060"), Link { peer: "[2001:db8::9:1]:5060".parse().unwrap(), ..tcp() }]
        {
            assert_eq!(answered(from_link, &of_5118(uri, via, from, body)), expected, "{section}");
        }
    }
}
