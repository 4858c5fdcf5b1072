//! The faults of other people's edges, by their number.

use sipward_testkit::message::status;

use super::*;

#[test]
fn breaks_04_credentials_for_our_realm_stay_here_in_whichever_header_and_others_go_on() {
    let ours = "Digest username=\"201\", realm=\"edge.example\", nonce=\"n\"";
    let others = "Digest username=\"201\", realm=\"pbx\", nonce=\"n\"";
    let headers = format!(
        "Authorization: {ours}\r\nPROXY-AUTHORIZATION : {}\r\nProxy-Authorization: {others}\r\nAuthorization: Basic eA==\r\n",
        ours.replace(", ", ",\r\n\t")
    );
    let request = Request { headers: &headers, ..Request::default() }.write();
    let at_pbx = edge(Reach::Path).text_to_pbx(&request, PHONE);
    assert!(!at_pbx.contains("edge.example"), "{at_pbx}");
    let message = read(&at_pbx);
    let left: Vec<_> = message.credentials().map(|(_, value)| value).collect();
    assert_eq!(left, [others.as_bytes(), b"Basic eA=="]);
}

#[test]
fn breaks_06_an_invented_to_tag_or_the_token_of_another_call_is_no_dialog() {
    let edge = edge(Reach::Path);
    let at_pbx = edge.text_to_pbx(&invite().write(), PHONE);
    let own = routes(&at_pbx, true);
    let in_dialog = Request { to: "<sip:202@edge.example>;tag=invented", ..invite() };
    for (what, request, is_dialog) in [
        ("without a token", Request { ..in_dialog }, false),
        ("with its own", Request { headers: &own, ..in_dialog }, true),
        ("with that of another call", Request { headers: &own, call_id: "another", ..in_dialog }, false),
        ("without a tag", Request { headers: &own, ..invite() }, false),
        (
            "with the edge's name alone",
            Request { headers: "Route: <sip:edge.example;lr>\r\n", ..in_dialog },
            false,
        ),
        (
            "behind another route",
            Request { headers: &format!("Route: <sip:other;lr>\r\n{own}"), ..in_dialog },
            false,
        ),
        ("of another edge", Request { headers: &own.replace("10.0.0.1", "10.0.0.9"), ..in_dialog }, false),
    ] {
        assert_eq!(edge.dialog(&read(&request.write())).is_some(), is_dialog, "{what}");
    }
    let forgotten = Forwarder::new(settings(Reach::Path), Keys::new([8; 32], None));
    assert_eq!(
        forgotten
            .dialog(&read(&Request { headers: &own, ..in_dialog }.write()))
            .map(|dialog| dialog.phone.link),
        None
    );
    let rotated = Forwarder::new(settings(Reach::Path), Keys::new([8; 32], Some([7; 32])));
    assert_eq!(
        rotated
            .dialog(&read(&Request { headers: &own, ..in_dialog }.write()))
            .map(|dialog| dialog.phone.link),
        Some(PHONE)
    );
}

#[test]
fn breaks_07_a_claimed_identity_is_taken_out_in_every_spelling() {
    let claims = [
        "P-Asserted-Identity: <sip:boss@x>\r\n",
        "p-aSSERTED-iDENTITY\t : \"a\r\n b\" <sip:boss@x>\r\n",
        "P-Asserted-Identity:\r\n\t<sip:boss@x>,\r\n <tel:+1>\r\n",
        "P-Preferred-Identity: <sip:boss@x>\r\n",
        "Remote-Party-ID: <sip:boss@x>;party=calling\r\n",
        "X-Sipward-Source: 127.0.0.1:5060;udp;boss\r\n",
        "x-sipward-: boss\r\n",
        "X-SIPWARD-ANYTHING : boss\r\n",
    ];
    // Those begin or end alike.
    let harmless = "X-P-Asserted-Identity: ok\r\nP-Asserted-Identity2: ok\r\nX-Sipwards: ok\r\n";
    let headers = claims.concat() + harmless;
    let request = Request { headers: &headers, ..invite() }.write();
    let forwarded = edge(Reach::Path).pass_to_pbx(&read(&request), PHONE, Some("2 0;1\u{e4}")).unwrap();
    let at_pbx = text(forwarded);
    assert!(!at_pbx.contains("boss"), "{at_pbx}");
    assert!(at_pbx.contains(harmless));
    assert_eq!(header(&at_pbx, "X-Sipward-Source"), Some("203.0.113.7:40000;udp;2%200%3B1%C3%A4"));

    let edge = edge(Reach::PathAlways);
    let invited = invited(&edge);
    let ok = answer(&invited, "200 OK", &headers);
    let at_pbx = edge.text_back(&ok, PHONE).unwrap();
    assert!(!at_pbx.contains("boss") && at_pbx.contains(harmless), "{at_pbx}");
}

/// An INVITE of the PBX as the phone gets it.
fn invited(edge: &Forwarder) -> String {
    let path = values(&edge.text_to_pbx(&Request::default().write(), PHONE), Header::Path)[0].clone();
    let headers = format!(
        "Route: {path}\r\nP-Asserted-Identity: <sip:202@pbx>\r\nX-Sipward-Source: 192.0.2.9:1;udp;9\r\n"
    );
    let invite = Request { sent_by: "10.0.0.2:5060", uri: "sip:201@phone", headers: &headers, ..invite() };
    edge.text_to_phone(&invite.write(), PBX)
}

#[test]
fn what_the_pbx_says_about_a_caller_goes_on_without_the_address() {
    let at_phone = invited(&edge(Reach::PathAlways));
    assert_eq!(header(&at_phone, "P-Asserted-Identity"), Some("<sip:202@pbx>"));
    assert_eq!(header(&at_phone, "X-Sipward-Source"), None);
}

#[test]
fn breaks_08_requests_in_a_dialog_may_name_the_edge_in_their_uri() {
    let edge = edge(Reach::Path);
    let at_pbx = edge.text_to_pbx(&invite().write(), PHONE);
    let own = values(&at_pbx, Header::RecordRoute);
    let (inner, outer) = (&own[0], &own[1]);
    let bare = |route: &str| route.trim_matches(['<', '>']).to_owned();
    let in_dialog = Request { method: "BYE", to: "<sip:202@edge.example>;tag=callee", body: "", ..invite() };

    // A phone that sends whatever it sends to its registrar.
    let headers = format!("Route: {outer}, {inner}\r\n");
    let request = Request { uri: "sip:edge.example", headers: &headers, ..in_dialog };
    let at_pbx = edge.text_to_pbx(&request.write(), PHONE);
    assert!(at_pbx.starts_with("BYE sip:edge.example SIP/2.0\r\n") && !at_pbx.contains("Route:"));

    // A strict router of RFC 2543 has moved the URI behind the Routes.
    for (headers, left) in [
        (format!("Route: {inner}, <sip:p@x>\r\n"), vec![]),
        (format!("Route: {inner}\r\nRoute: <sip:between;lr>,<sip:p@x>\r\n"), vec!["<sip:between;lr>"]),
        (format!("Route: {inner},  <sip:between;lr>\r\nRoute: <sip:p@x>\r\n"), vec!["<sip:between;lr>"]),
    ] {
        let request = Request { uri: &bare(outer), headers: &headers, ..in_dialog }.write();
        assert_eq!(edge.dialog(&read(&request)).map(|dialog| dialog.phone.link), Some(PHONE));
        let at_pbx = edge.text_to_pbx(&request, PHONE);
        assert!(at_pbx.starts_with("BYE sip:p@x SIP/2.0\r\n"), "{at_pbx}");
        assert_eq!(values(&at_pbx, Header::Route), left);
    }
    // And one that has lost the URI.
    let request = Request { uri: &bare(outer), headers: &format!("Route: {inner}\r\n"), ..in_dialog }.write();
    assert_eq!(edge.dialog(&read(&request)).map(|dialog| dialog.phone.link), Some(PHONE));
    assert!(!edge.text_to_pbx(&request, PHONE).contains("Route:"));
    let headers = format!("Route: {outer}, <sip:201@phone>\r\n");
    let of_pbx = Request {
        uri: &bare(inner),
        sent_by: "10.0.0.2:5060",
        headers: &headers,
        from: "<sip:202@edge.example>",
        tag: "callee",
        to: &format!("{};tag={}", in_dialog.from, in_dialog.tag),
        ..in_dialog
    };
    let forwarded = edge.pass_to_phone(&read(&of_pbx.write()), PBX).unwrap();
    assert_eq!(forwarded.to, PHONE);
    assert!(text(forwarded).starts_with("BYE sip:201@phone SIP/2.0\r\n"));
}

#[test]
fn breaks_09_a_route_to_our_address_on_another_port_is_left_alone() {
    for (route, is_ours) in [
        ("<sip:198.51.100.1:5060;lr>", true),
        ("<sip:198.51.100.1;lr>", true),
        ("<sip:198.51.100.1:5061;lr>", false),
        ("<sip:EDGE.example:5060;lr>", true),
        ("<sip:edge.example;lr>", true),
        ("<sip:edge.example:5070;lr>", false),
        ("<sip:10.0.0.1:5070;lr>", true),
        ("<sip:10.0.0.1:5060;lr>", false),
        ("<sip:10.0.0.1;lr>", false),
        ("<sip:[2001:DB8:0:0::1]:5060;lr>", true),
        ("<sip:[2001:db8::1]:5070;lr>", false),
        ("<sip:198.51.100.2:5060;lr>", false),
    ] {
        let headers = format!("Route: {route},<sip:next;lr>\r\n");
        let request = Request { headers: &headers, ..invite() }.write();
        let left = values(&edge(Reach::Path).text_to_pbx(&request, PHONE), Header::Route);
        assert_eq!(left.len(), if is_ours { 1 } else { 2 }, "{route}");
    }
}

#[test]
fn breaks_12_answers_whose_topmost_via_is_not_ours_are_dropped() {
    let edge = edge(Reach::Path);
    let at_pbx = edge.text_to_pbx(&invite().write(), PHONE);
    let ok = answer(&at_pbx, "200 OK", "");
    assert!(edge.text_back(&ok, PBX).is_some());
    let own = values(&at_pbx, Header::Via)[0].clone();
    for (what, other, from) in [
        ("on the other side", ok.clone(), PHONE),
        ("of a phone to a phone", ok.replace("10.0.0.1:5070", "198.51.100.1:5060"), PHONE),
        ("another port", ok.replace("10.0.0.1:5070", "10.0.0.1:5071"), PBX),
        ("another call", ok.replace("a84b4c76e66710", "other"), PBX),
        ("another sender below", ok.replace("10.9.9.9:5062", "10.9.9.9:5063"), PBX),
        ("another branch below", ok.replace("z9hG4bK776asdhds", "z9hG4bKother"), PBX),
        ("another CSeq", ok.replace("314159 INVITE", "314160 INVITE"), PBX),
        ("another From tag", ok.replace("1928301774", "other"), PBX),
        ("nobody's", ok.replace(&format!("Via: {own}\r\n"), ""), PBX),
        (
            "ours alone",
            answer(&at_pbx.replace("\r\nVia: SIP/2.0/UDP 10.9.9.9", "\r\nX: 10.9.9.9"), "200 OK", ""),
            PBX,
        ),
    ] {
        assert_ne!((&other, from), (&ok, PBX), "{what}");
        assert_eq!(edge.text_back(&other, from), None, "{what}");
    }
    let merged = ok.replacen("\r\nVia: SIP/2.0/UDP 10.9.9.9", ", SIP/2.0/UDP 10.9.9.9", 1);
    assert_eq!(values(&edge.text_back(&merged, PBX).unwrap(), Header::Via).len(), 1);
    assert!(edge.answer_back(&read(&invite().write()), PBX).is_none());
}

#[test]
fn breaks_13_a_503_of_the_pbx_does_not_make_the_phone_leave() {
    let edge = edge(Reach::Path);
    let at_pbx = edge.text_to_pbx(&invite().write(), PHONE);
    let at_phone = edge.text_back(&answer(&at_pbx, "503 Full", "Retry-After: 3600\r\n"), PBX).unwrap();
    assert_eq!((status(&at_phone), header(&at_phone, "Retry-After")), (Some(500), None));
    let at_phone = edge.text_back(&answer(&at_pbx, "486 Busy", "Retry-After: 3600\r\n"), PBX).unwrap();
    assert_eq!((status(&at_phone), header(&at_phone, "Retry-After")), (Some(486), Some("3600")));
}

#[test]
fn breaks_16_a_phone_that_has_moved_goes_on_with_its_call() {
    let edge = edge(Reach::Path);
    let at_pbx = edge.text_to_pbx(&invite().write(), PHONE);
    let own = routes(&at_pbx, true);
    let request =
        Request { method: "UPDATE", to: "<sip:202@x>;tag=callee", headers: &own, ..invite() }.write();
    let moved = Link { peer: ([203, 0, 113, 7], 50_000).into(), ..PHONE };
    assert!(edge.dialog(&read(&request)).is_some());
    let forwarded = edge.pass_to_pbx(&read(&request), moved, None).unwrap();
    let back = edge.answer_back(&read(&answer(&text(forwarded), "200 OK", "")), PBX).unwrap();
    assert_eq!(back.to, moved);
}

#[test]
fn breaks_17_ipv6_has_brackets_where_a_port_may_follow_and_none_in_received() {
    let settings = Settings { pbx: "[fd00::2]:5060".parse().unwrap(), ..settings(Reach::Contact) };
    let edge = Forwarder::new(settings, Keys::new([7; 32], None));
    let phone = Link { peer: "[2001:db8:7::7]:40000".parse().unwrap(), listener: 2, ..PHONE };
    let register = Request {
        sent_by: "[2001:db8:7::8]",
        contact: Some("<sip:1@[2001:db8:7::8]>"),
        ..Request::default()
    };
    let at_pbx = edge.text_to_pbx(&register.write(), phone);
    let [own, below] = &values(&at_pbx, Header::Via)[..] else { panic!("{at_pbx}") };
    assert!(own.starts_with("SIP/2.0/UDP [fd00::1]:5070;branch=z9hG4bK"), "{own}");
    assert!(below.ends_with(";received=2001:db8:7::7;rport=40000"), "{below}");
    let [contact] = &values(&at_pbx, Header::Contact)[..] else { panic!("{at_pbx}") };
    assert!(contact.starts_with("<sip:") && contact.ends_with("@[fd00::1]:5070>"), "{contact}");
    assert_eq!(header(&at_pbx, "X-Sipward-Source"), Some("[2001:db8:7::7]:40000;udp"));
}

#[test]
fn breaks_18_requests_without_a_hop_left_and_those_of_the_edge_itself_go_nowhere() {
    let edge = edge(Reach::Path);
    let request = Request::default().write();
    for (max_forwards, left) in
        [("Max-Forwards: 1", Some("0")), ("X: y", Some("70")), ("max-forwards : 00", None)]
    {
        let request = request.replace("Max-Forwards: 70", max_forwards);
        let sent = edge.pass_to_pbx(&read(&request), PHONE, None);
        match left {
            Some(left) => assert_eq!(header(&text(sent.unwrap()), "Max-Forwards"), Some(left)),
            None => assert_eq!(sent, Err(Refusal::TooManyHops)),
        }
    }
    let itself = Settings { pbx: ([198, 51, 100, 1], 5060).into(), ..settings(Reach::Path) };
    let edge = Forwarder::new(itself, Keys::new([7; 32], None));
    let at_itself = edge.text_to_pbx(&invite().write(), PHONE);
    let from = Link { peer: ([10, 0, 0, 1], 5070).into(), ..PHONE };
    assert_eq!(edge.pass_to_pbx(&read(&at_itself), from, None), Err(Refusal::Loop));
    assert_eq!(edge.pass_to_phone(&read(&at_itself), PBX), Err(Refusal::Loop));
}

#[test]
fn breaks_27_a_100_to_anything_but_an_invite_ends_here() {
    for (method, passes) in [("INVITE", true), ("REGISTER", false), ("OPTIONS", false)] {
        let edge = edge(Reach::Path);
        let at_pbx = edge.text_to_pbx(&Request { method, ..invite() }.write(), PHONE);
        assert_eq!(edge.text_back(&answer(&at_pbx, "100 Trying", ""), PBX).is_some(), passes, "{method}");
        assert!(edge.text_back(&answer(&at_pbx, "200 OK", ""), PBX).is_some());
    }
}

#[test]
fn a_request_that_leads_nowhere_is_refused_with_its_reason() {
    let edge = edge(Reach::PathAlways);
    let path = values(&edge.text_to_pbx(&Request::default().write(), PHONE), Header::Path)[0].clone();
    let of_pbx = Request { sent_by: "10.0.0.2:5060", uri: "sip:201@phone", ..invite() };
    let routed = format!("Route: {path}\r\n");
    let request = Request { headers: &routed, ..of_pbx }.write();
    assert!(edge.pass_to_phone(&read(&request), PBX).is_ok());
    assert_eq!(edge.pass_to_phone(&read(&of_pbx.write()), PBX), Err(Refusal::NoRoute));
    assert_eq!(edge.flow_gone(&read(&request)), Refusal::FlowGone { by_path: true });
    assert_eq!(edge.flow_gone(&read(&of_pbx.write())), Refusal::FlowGone { by_path: false });
    let over_tcp = Link { transport: Transport::Tcp, listener: 1, ..PBX };
    assert_eq!(edge.pass_to_phone(&read(&request), over_tcp), Err(Refusal::FlowGone { by_path: true }));

    let from_phone = |request: Request<'_>| edge.pass_to_pbx(&read(&request.write()), PHONE, None).map(drop);
    for (request, refusal, code) in [
        (Request { uri: "http://x", ..invite() }, Refusal::UnsupportedScheme, 416),
        (
            Request { headers: "Proxy-Require: a, b\r\n", ..invite() },
            Refusal::UnknownExtension("a, b".to_owned()),
            420,
        ),
    ] {
        assert_eq!(from_phone(request), Err(refusal.clone()));
        assert_eq!(refusal.answer().status().code(), code);
    }
    assert_eq!(from_phone(Request { method: "ACK", headers: "Proxy-Require: a\r\n", ..invite() }), Ok(()));
    assert_eq!(from_phone(Request { uri: "tel:+431", ..invite() }), Ok(()));
    let only_udp = Settings { inner: settings(Reach::Path).inner[..1].to_vec(), ..settings(Reach::Path) };
    let edge = Forwarder::new(only_udp, Keys::new([7; 32], None));
    let by_tcp = Link { transport: Transport::Tcp, listener: 1, ..PHONE };
    assert_eq!(edge.pass_to_pbx(&read(&invite().write()), by_tcp, None), Err(Refusal::NoListener));
}

#[test]
fn what_is_not_the_edges_business_stays_byte_for_byte_and_little_is_added() {
    let odd = "uSER-aGENT :  \u{ff}\t,\r\n  x;y \r\nAllow:\r\nK:a ,b\r\n";
    let request = Request { headers: odd, body: "v=\u{ff}0\n\r\n\r\n", ..invite() }.write();
    let at_pbx = edge(Reach::Path).text_to_pbx(&request, PHONE);
    let own = ["Via: SIP/2.0/UDP 10.0.0.1", "Record-Route: ", "X-Sipward-Source: "];
    let rest: String =
        at_pbx.split_inclusive("\r\n").filter(|line| !own.iter().any(|own| line.starts_with(own))).collect();
    let expected = request.replace("Max-Forwards: 70", "Max-Forwards: 69").replace(
        ";branch=z9hG4bK776asdhds;rport",
        ";branch=z9hG4bK776asdhds;received=203.0.113.7;rport=40000",
    );
    assert_eq!(rest, expected);
    // Without the header that the PBX asked for.
    let source = header(&at_pbx, "X-Sipward-Source").unwrap().len() + "X-Sipward-Source: \r\n".len();
    assert!(at_pbx.len() - request.len() - source < 200, "{}", at_pbx.len() - request.len() - source);
}
