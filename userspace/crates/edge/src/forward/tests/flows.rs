//! REGISTER, and calls from both sides.

use super::*;

/// One way between phone and PBX.
struct Path {
    name: &'static str,
    edge: Forwarder,
    phone: Link,
    pbx: Link,
    /// As they write it.
    phone_address: &'static str,
    pbx_address: &'static str,
}

impl Path {
    fn transport(&self) -> &'static str {
        match self.phone.transport {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
        }
    }

    fn to_pbx(&self, request: &str) -> String {
        let forwarded = self.edge.pass_to_pbx(&read(request), self.phone, Some("201")).unwrap();
        assert_eq!(forwarded.to, Link { connection: 0, ..self.pbx }, "{}", self.name);
        text(forwarded)
    }

    fn to_phone(&self, request: &str) -> String {
        let forwarded = self.edge.pass_to_phone(&read(request), self.pbx).unwrap();
        assert_eq!(forwarded.to, self.phone, "{}", self.name);
        text(forwarded)
    }

    /// From the PBX to the phone.
    fn back_to_phone(&self, answer: &str) -> String {
        let forwarded = self.edge.answer_back(&read(answer), self.pbx).unwrap();
        assert_eq!(forwarded.to, self.phone, "{}", self.name);
        text(forwarded)
    }

    fn back_to_pbx(&self, answer: &str) -> String {
        let forwarded = self.edge.answer_back(&read(answer), self.phone).unwrap();
        assert_eq!(forwarded.to, self.pbx, "{}", self.name);
        text(forwarded)
    }
}

/// UDP and TCP, over IPv4, IPv6 and from one to the other.
fn paths(reach: Reach) -> Vec<Path> {
    let mut paths = Vec::new();
    for transport in [Transport::Udp, Transport::Tcp] {
        for (phone_family, pbx_family) in [(4, 4), (6, 6), (6, 4), (4, 6)] {
            let index = |family: i32| u8::from(transport == Transport::Tcp) + if family == 6 { 2 } else { 0 };
            let (phone_peer, phone_address) = match phone_family {
                4 => ("203.0.113.7:40000", "10.9.9.9:5062"),
                _ => ("[2001:db8:7::7]:40000", "[2001:db8:7::7]:5062"),
            };
            let (pbx_peer, pbx_address) = match pbx_family {
                4 => ("10.0.0.2:5060", "10.0.0.2:5060"),
                _ => ("[fd00::2]:5060", "[fd00::2]:5060"),
            };
            let mut phone = link(Side::Outer, transport, index(phone_family), phone_peer.parse().unwrap());
            let mut pbx = link(Side::Inner, transport, index(pbx_family), pbx_peer.parse().unwrap());
            if transport == Transport::Tcp {
                (phone.connection, pbx.connection) = (77, 1_000);
            }
            let settings = Settings { pbx: pbx.peer, ..settings(reach) };
            let edge = Forwarder::new(settings, Keys::new([7; 32], None));
            let name = ["UDP", "TCP"][usize::from(transport == Transport::Tcp)];
            paths.push(Path { name, edge, phone, pbx, phone_address, pbx_address });
        }
    }
    paths
}

/// The Via of the phone as the PBX sees it, and as the phone gets it back.
fn stamped(path: &Path, branch: &str) -> String {
    let (ip, port) = (path.phone.peer.ip(), path.phone.peer.port());
    format!("SIP/2.0/{} {};branch={branch};received={ip};rport={port}", path.transport(), path.phone_address)
}

#[test]
fn a_phone_registers_and_is_called_by_its_path() {
    for path in paths(Reach::PathAlways) {
        let contact = format!("<sip:201@{};ob>;expires=600", path.phone_address);
        let register = Request {
            transport: path.transport(),
            sent_by: path.phone_address,
            contact: Some(&contact),
            headers: "Supported: outbound\r\n",
            ..Request::default()
        };
        let at_pbx = path.to_pbx(&register.write());
        assert_eq!(values(&at_pbx, Header::Via)[1], stamped(&path, register.branch));
        assert_eq!(values(&at_pbx, Header::Contact), [contact.as_str()]);
        assert_eq!(values(&at_pbx, Header::Supported), ["path", "outbound"]);
        assert_eq!(values(&at_pbx, Header::RecordRoute).len(), 0);
        assert_eq!(header(&at_pbx, "Max-Forwards"), Some("69"));
        let source = format!("{};{};201", path.phone.peer, path.transport().to_lowercase());
        assert_eq!(header(&at_pbx, "X-Sipward-Source"), Some(source.as_str()));
        let [route] = &values(&at_pbx, Header::Path)[..] else { panic!("{at_pbx}") };

        let ok = answer(&at_pbx, "200 OK", &format!("Contact: {contact}\r\nPath: {route}\r\n"));
        let at_phone = path.back_to_phone(&ok);
        assert_eq!(values(&at_phone, Header::Via), [stamped(&path, register.branch)]);
        assert_eq!(values(&at_phone, Header::Contact), [contact.as_str()]);

        let uri = format!("sip:201@{};ob", path.phone_address);
        let invite = Request {
            uri: &uri,
            transport: path.transport(),
            sent_by: path.pbx_address,
            headers: &format!("Route: {route}\r\n"),
            ..invite()
        };
        let at_phone = path.to_phone(&invite.write());
        assert!(at_phone.starts_with(&format!("INVITE {uri} SIP/2.0\r\n")));
        assert_eq!(values(&at_phone, Header::Route).len(), 0);
        assert_eq!(values(&at_phone, Header::Via).len(), 2);
        talk_as_callee(&path, &at_phone, &invite);
    }
}

/// From the INVITE of the PBX on.
fn talk_as_callee(path: &Path, invite: &str, of_pbx: &Request<'_>) {
    let ok = path.back_to_pbx(&answer(invite, "200 OK", "Contact: <sip:201@phone>\r\n"));
    assert_eq!(values(&ok, Header::Via).len(), 1);
    let to = header(&ok, "To").unwrap();
    let ack =
        Request { method: "ACK", headers: &routes(&ok, true), to, branch: "z9hG4bKack", body: "", ..*of_pbx };
    assert_eq!(values(&path.to_phone(&ack.write()), Header::Route).len(), 0);
    let again = Request { method: "INVITE", sequence: 314_160, branch: "z9hG4bKagain", ..ack };
    assert_eq!(values(&path.to_phone(&again.write()), Header::RecordRoute).len(), 0);
    let bye = Request { method: "BYE", sequence: 314_161, branch: "z9hG4bKbye", ..ack };
    let at_phone = path.to_phone(&bye.write());
    path.back_to_pbx(&answer(&at_phone, "200 OK", ""));
    let bye = Request {
        method: "BYE",
        sent_by: path.phone_address,
        headers: &routes(invite, false),
        from: to.split(";tag").next().unwrap(),
        tag: "callee",
        to: &format!("{};tag={}", of_pbx.from, of_pbx.tag),
        ..*of_pbx
    };
    assert_eq!(
        path.edge.dialog(&read(&bye.write())).map(|dialog| dialog.phone.link),
        Some(path.phone),
        "{}",
        path.name
    );
    let at_pbx = path.to_pbx(&bye.write());
    assert_eq!(values(&at_pbx, Header::Route).len(), 0);
    path.back_to_phone(&answer(&at_pbx, "200 OK", ""));
}

#[test]
fn breaks_10_a_phone_calls_and_either_side_hangs_up() {
    for path in paths(Reach::Path) {
        let invite = Request { transport: path.transport(), sent_by: path.phone_address, ..invite() };
        let at_pbx = path.to_pbx(&invite.write());
        assert_eq!(values(&at_pbx, Header::RecordRoute).len(), 2);
        for (status, contact) in
            [("100 Trying", ""), ("183 Session Progress", ""), ("200 OK", "Contact: <sip:p@x>\r\n")]
        {
            let at_phone = path.back_to_phone(&answer(&at_pbx, status, contact));
            assert_eq!(values(&at_phone, Header::Via), [stamped(&path, invite.branch)]);
        }
        let ok = answer(&at_pbx, "200 OK", "Contact: <sip:p@x>\r\n");
        let to = header(&ok, "To").unwrap();
        let in_dialog =
            Request { to, headers: &routes(&ok, true), branch: "z9hG4bK2", uri: "sip:p@x", ..invite };
        for (method, sequence) in [("ACK", 314_159), ("INVITE", 314_160), ("BYE", 314_161)] {
            let request = Request { method, sequence, ..in_dialog }.write();
            assert_eq!(
                path.edge.dialog(&read(&request)).map(|dialog| dialog.phone.link),
                Some(path.phone),
                "{}",
                path.name
            );
            let at_pbx = path.to_pbx(&request);
            assert!(at_pbx.starts_with(&format!("{method} sip:p@x SIP/2.0\r\n")));
            let [routes, recorded] =
                [Header::Route, Header::RecordRoute].map(|header| values(&at_pbx, header).len());
            assert_eq!((routes, recorded), (0, 0), "{at_pbx}");
            path.back_to_phone(&answer(&at_pbx, "200 OK", ""));
        }
        let bye = Request {
            method: "BYE",
            uri: "sip:201@phone",
            sent_by: path.pbx_address,
            from: "<sip:202@edge.example>",
            tag: "callee",
            to: "<sip:201@pbx.example.com>;tag=1928301774",
            headers: &routes(&at_pbx, false),
            ..invite
        };
        let at_phone = path.to_phone(&bye.write());
        assert!(at_phone.starts_with("BYE sip:201@phone SIP/2.0\r\n"));
        path.back_to_pbx(&answer(&at_phone, "200 OK", ""));
    }
}

#[test]
fn breaks_11_a_cancel_and_the_ack_to_a_refusal_reach_the_hop_of_their_invite() {
    for path in paths(Reach::Path) {
        let invite = Request { transport: path.transport(), sent_by: path.phone_address, ..invite() };
        let at_pbx = path.to_pbx(&invite.write());
        let branch = |message: &str| values(message, Header::Via)[0].clone();
        // Sent again, it is the same transaction; so is a CANCEL, before any answer and after.
        assert_eq!(path.to_pbx(&invite.write()), at_pbx);
        let cancel = path.to_pbx(&Request { method: "CANCEL", body: "", ..invite }.write());
        assert_eq!(branch(&cancel), branch(&at_pbx));
        path.back_to_phone(&answer(&cancel, "200 OK", ""));
        let refused = answer(&at_pbx, "487 Request Terminated", "");
        path.back_to_phone(&refused);
        let ack = Request { method: "ACK", to: header(&refused, "To").unwrap(), body: "", ..invite };
        assert_eq!(branch(&path.to_pbx(&ack.write())), branch(&at_pbx));
        // A 200 that crosses it finds its way, too.
        path.back_to_phone(&answer(&at_pbx, "200 OK", ""));
        for other in [
            Request { branch: "z9hG4bKother", ..invite },
            Request { sequence: 1, ..invite },
            Request { call_id: "other", ..invite },
            Request { tag: "other", ..invite },
        ] {
            assert_ne!(branch(&path.to_pbx(&other.write())), branch(&at_pbx), "{other:?}");
        }
    }
}

#[test]
fn in_contact_mode_a_phone_gets_its_own_contact_back_and_is_called_by_the_token() {
    for path in paths(Reach::Contact) {
        let contact = format!("\"Ann\" <sip:201@{};ob>;expires=600;q=0.5", path.phone_address);
        let register = Request {
            transport: path.transport(),
            sent_by: path.phone_address,
            contact: Some(&contact),
            headers: "m: sip:201@10.1.1.1;expires=60, <tel:+431>\r\n",
            ..Request::default()
        };
        let at_pbx = path.to_pbx(&register.write());
        assert_eq!(at_pbx, path.to_pbx(&register.write()), "a refresh is the same binding");
        let contacts = values(&at_pbx, Header::Contact);
        assert!(contacts[0].starts_with("\"Ann\" <sip:") && contacts[0].ends_with(">;expires=600;q=0.5"));
        assert!(contacts[1].starts_with("<sip:") && contacts[1].ends_with(">;expires=60"));
        assert_eq!(contacts[2], "<tel:+431>");
        assert!(!contacts[0].contains(path.phone_address));

        let other = "<sip:other@192.0.2.99:5060>;expires=1";
        let listed = format!("Contact: {}, {other}\r\nm: {}\r\n", contacts[1], contacts[0]);
        let at_phone = path.back_to_phone(&answer(&at_pbx, "200 OK", &listed));
        let restored = values(&at_phone, Header::Contact);
        assert_eq!(restored, ["<sip:201@10.1.1.1>;expires=60", other, contact.as_str()]);

        let uri = read(&at_pbx).listed(Header::Contact).next().unwrap().uri().to_vec();
        let uri = String::from_utf8(uri).unwrap();
        let invite =
            Request { uri: &uri, transport: path.transport(), sent_by: path.pbx_address, ..invite() };
        let at_phone = path.to_phone(&invite.write());
        assert!(at_phone.starts_with(&format!("INVITE sip:201@{};ob SIP/2.0\r\n", path.phone_address)));
        talk_as_callee(&path, &at_phone, &invite);
    }
}

#[test]
fn a_path_is_added_as_the_mode_says() {
    for (reach, headers, path, supported) in [
        (Reach::Path, "", 0, 0),
        (Reach::Path, "k: 100rel, path\r\n", 1, 2),
        (Reach::PathAlways, "", 1, 1),
        (Reach::PathAlways, "Supported: path\r\n", 1, 1),
        (Reach::Contact, "Supported: path\r\n", 0, 1),
    ] {
        let register = Request { headers, ..Request::default() }.write();
        let at_pbx = edge(reach).text_to_pbx(&register, PHONE);
        let counts = [Header::Path, Header::Supported].map(|header| values(&at_pbx, header).len());
        assert_eq!(counts, [path, supported], "{reach:?} {headers}");
    }
    let all = Request { contact: Some("*"), ..Request::default() }.write();
    assert_eq!(values(&edge(Reach::Contact).text_to_pbx(&all, PHONE), Header::Contact), ["*"]);
}

#[test]
fn two_phones_that_the_pbx_connects_by_sending_on_have_a_path_each() {
    let edge = edge(Reach::PathAlways);
    let callee = Link { peer: ([203, 0, 113, 8], 5062).into(), ..PHONE };
    let register = Request { sent_by: "203.0.113.8:5062", ..Request::default() };
    let at_pbx = edge.text_to_pbx(&register.write(), callee);
    let path = values(&at_pbx, Header::Path)[0].clone();
    let at_pbx = edge.text_to_pbx(&invite().write(), PHONE);
    // A proxy without Record-Route, which pushes its Via and the callee's Path.
    let passed_on = at_pbx.replacen(
        "\r\n",
        &format!("\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKpbx\r\nRoute: {path}\r\n"),
        1,
    );
    let forwarded = edge.pass_to_phone(&read(&passed_on), PBX).unwrap();
    assert_eq!(forwarded.to, callee);
    let at_callee = text(forwarded);
    let ok = answer(&at_callee, "200 OK", "Contact: <sip:b@x>\r\n");
    assert_eq!(values(&ok, Header::RecordRoute).len(), 4);
    let bye = Request {
        method: "BYE",
        from: "<sip:202@edge.example>",
        tag: "callee",
        to: "<sip:201@pbx.example.com>;tag=1928301774",
        headers: &routes(&at_callee, false),
        ..invite()
    };
    let at_pbx = edge.text_to_pbx(&bye.write(), callee);
    assert_eq!(values(&at_pbx, Header::Route).len(), 2, "{at_pbx}");
    let passed_on = at_pbx.replacen("\r\n", "\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKbye\r\n", 1);
    assert_eq!(edge.pass_to_phone(&read(&passed_on), PBX).unwrap().to, PHONE);
}
