//! Requests in a dialog: who is let in by the edge's own route, and where the phone is.

use super::*;

const MOVED: &str = "198.51.100.7:6000";
const DAY: u64 = 86_400;

/// A dialog of the phone with account 201.
struct Call {
    /// From and To, as the phone says them.
    own: String,
    other: String,
    call_id: &'static str,
    /// As the phone sends it, and as the PBX does.
    routes: [String; 2],
}

impl Call {
    /// It calls 600.
    fn begin(edge: &mut TestEdge) -> Self {
        let request = Request { method: "INVITE", account: "201", number: 1 };
        let received = edge.try_password(PHONE, &request, PASSWORD);
        let (inner, outer) = recorded(&received);
        Self {
            own: "<sip:201@192.0.2.1>;tag=f".to_owned(),
            other: "<sip:600@192.0.2.1>;tag=t".to_owned(),
            call_id: "201-1",
            routes: [format!("{outer},{inner}"), format!("{inner},{outer}")],
        }
    }

    /// It is called by a name that is not its account's.
    fn come_in(edge: &mut TestEdge) -> Self {
        Self::come_in_for(edge, "hotline")
    }

    fn come_in_for(edge: &mut TestEdge, name: &str) -> Self {
        let received = edge.try_password(PHONE, &Request::register("201"), PASSWORD);
        let register = String::from_utf8(received.sends[0].bytes.clone()).unwrap();
        edge.receive(pbx(), &format!("SIP/2.0 200 OK\r\n{}", register.split_once("\r\n").unwrap().1));
        let contact = register.split_once("\r\nContact: <").unwrap().1.split_once('>').unwrap().0;
        let invite = Request { method: "INVITE", account: "600", number: 9 }
            .text("")
            .replace("sip:192.0.2.1 SIP", &format!("{contact} SIP"))
            .replace("To: <sip:600@", &format!("To: <sip:{name}@"));
        let received = edge.receive(pbx(), &invite);
        assert_eq!(received.sends[0].to, udp(PHONE));
        let (outer, inner) = recorded(&received);
        Self {
            own: format!("<sip:{name}@192.0.2.1>;tag=t"),
            other: "<sip:600@192.0.2.1>;tag=f".to_owned(),
            call_id: "600-9",
            routes: [format!("{outer},{inner}"), format!("{inner},{outer}")],
        }
    }

    fn text(&self, method: &str, number: u32, more: &str) -> String {
        let Self { own, other, call_id, routes } = self;
        format!(
            "{method} sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.7:5060;branch=z9hG4bKd{number}{};rport\r\n\
             From: {own}\r\nTo: {other}\r\nCall-ID: {call_id}\r\nCSeq: {number} {method}\r\nRoute: {}\r\n{more}\
             Content-Length: 0\r\n\r\n",
            more.len(),
            routes[0]
        )
    }

    fn of_pbx(&self, method: &str, number: u32) -> String {
        let Self { own, other, call_id, routes } = self;
        format!(
            "{method} sip:201@10.0.0.7 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5080;branch=z9hG4bKp{number}\r\n\
             From: {other}\r\nTo: {own}\r\nCall-ID: {call_id}\r\nCSeq: {number} {method}\r\nRoute: {}\r\n\
             Content-Length: 0\r\n\r\n",
            routes[1]
        )
    }

    /// With the account's credentials.
    fn prove(&self, edge: &mut TestEdge, from: &str, method: &str, number: u32, account: &str) -> Received {
        let (status, challenge) = edge.ask(from, &self.text(method, number, ""));
        assert_eq!(status, 401, "{challenge}");
        let credentials = Request { method, account, number }.credentials(&challenge, PASSWORD);
        edge.receive(udp(from), &self.text(method, number, &credentials))
    }
}

/// The URIs of its Record-Route, in their order.
fn recorded(received: &Received) -> (String, String) {
    let text = String::from_utf8(received.sends[0].bytes.clone()).unwrap();
    let routes = text.split_once("Record-Route: ").unwrap().1.split_once("\r\n").unwrap().0;
    let (first, second) = routes.split_once(',').unwrap();
    (first.to_owned(), second.to_owned())
}

fn places(received: &Received) -> Vec<Link> {
    received.sends.iter().map(|sent| sent.to).collect()
}

/// The route of a dialog is seen by whoever is in it, or on the way: it is good for those names and that address alone.
#[test]
fn breaks_06_the_route_of_a_dialog_lets_nobody_else_in_and_nobody_speak_for_another() {
    let mut edge = TestEdge::new();
    let call = Call::begin(&mut edge);
    let message = call.text("MESSAGE", 2, "");
    assert!(is_sent_on(&edge.receive(udp(PHONE), &message)));
    let moved = edge.receive(udp(MOVED), &message);
    assert_eq!((status(&moved), moved.cause), (401, Some(Cause::Challenged)), "a neighbour, or a new port");
    let bye = call.text("BYE", 2, "");
    assert!(is_sent_on(&edge.receive(udp(MOVED), &bye)), "the end of a call is the end of a call");
    for (from, to, expected) in [
        ("201@192.0.2.1>;tag=f", "202@192.0.2.1>;tag=f", 401),
        ("600@192.0.2.1>;tag=t", "900@192.0.2.1>;tag=t", 401),
        ("tag=f\r\n", "tag=g\r\n", 481),
        ("Call-ID: 201-1", "Call-ID: 201-2", 481),
    ] {
        for text in [&message, &bye] {
            assert_eq!(status(&edge.receive(udp(PHONE), &text.replace(from, to))), expected, "{to}");
        }
    }
    // The other way round, its holder would have the name that it has called.
    let reversed = message
        .replace("From: <sip:201@192.0.2.1>;tag=f", "From: <sip:600@192.0.2.1>;tag=any")
        .replace("To: <sip:600@192.0.2.1>;tag=t", "To: <sip:201@192.0.2.1>;tag=f");
    assert_eq!(status(&edge.receive(udp(PHONE), &reversed)), 481);
    let elsewhere = edge.receive(udp(OTHER), &message);
    assert_eq!((status(&elsewhere), elsewhere.cause), (401, Some(Cause::Challenged)));
    // Without its account, what it began goes on to its end, and nothing else does.
    let empty = Accounts::new([], &Realm::new(REALM).unwrap(), &[HashFunction::Md5]).unwrap();
    edge.edge.set_accounts(Arc::new(empty));
    assert_eq!(status(&edge.receive(udp(PHONE), &message)), 401);
    assert!(is_sent_on(&edge.receive(udp(PHONE), &bye)));
}

#[test]
fn breaks_06_in_somebody_elses_dialog_a_right_password_is_worth_nothing() {
    for name in ["201", "202"] {
        let mut edge = TestEdge::new();
        let mut call = Call::begin(&mut edge);
        call.own = format!("<sip:{name}@192.0.2.1>;tag=f");
        let received = call.prove(&mut edge, OTHER, "MESSAGE", 2, "202");
        assert_eq!((status(&received), received.cause), (481, Some(Cause::NoDialog)), "{name}");
    }
    // And in one's own nobody calls himself somebody else.
    let mut edge = TestEdge::new();
    let mut call = Call::begin(&mut edge);
    call.own = "<sip:202@192.0.2.1>;tag=f".to_owned();
    let received = call.prove(&mut edge, PHONE, "MESSAGE", 2, "201");
    assert_eq!((status(&received), received.cause), (403, Some(Cause::OtherAccount)));
}

/// PBXs unescape what they read, and escape anew what they write.
#[test]
fn a_dialog_is_known_again_by_names_with_other_escapes() {
    let mut edge = TestEdge::new();
    let request = Request { method: "INVITE", account: "201", number: 1 };
    let dialled = |text: String| text.replace("To: <sip:600@", "To: <sip:%2b49%2A@");
    let (_, challenge) = edge.ask(PHONE, &dialled(request.text("")));
    let received =
        edge.receive(udp(PHONE), &dialled(request.text(&request.credentials(&challenge, PASSWORD))));
    let (inner, outer) = recorded(&received);
    let call = Call {
        own: "<sip:%3201@192.0.2.1>;tag=f".to_owned(),
        other: "<sip:+49*@192.0.2.1>;tag=t".to_owned(),
        call_id: "201-1",
        routes: [format!("{outer},{inner}"), format!("{inner},{outer}")],
    };
    assert_eq!(places(&edge.receive(pbx(), &call.of_pbx("BYE", 9))), [udp(PHONE)]);
    assert!(is_sent_on(&edge.receive(udp(PHONE), &call.text("BYE", 2, ""))));
}

/// After a transfer, the other end of a call is somebody else (RFC 4916).
#[test]
fn a_pbx_may_give_the_ends_of_a_call_other_names_and_a_phone_that_does_so_too_is_asked_for_its_password() {
    for begin in [Call::begin, Call::come_in] {
        let mut edge = TestEdge::new();
        let mut call = begin(&mut edge);
        let before = call.own.clone();
        call.other = call.other.replace("600", "boss");
        call.own = call.own.replace("201", "someone").replace("hotline", "someone");
        let received = edge.receive(pbx(), &call.of_pbx("UPDATE", 9));
        assert_eq!(places(&received), [udp(PHONE)], "{received:?}");
        for (own, sent_on) in [(before.replace("hotline", "201"), true), (call.own.clone(), false)] {
            call.own = own;
            let received = call.prove(&mut edge, PHONE, "INVITE", 3, "201");
            assert_eq!(is_sent_on(&received), sent_on, "{} {received:?}", call.own);
        }
    }
}

/// In the list of what breaks it is the sixteenth, for a phone that has been called by another name than its account's.
#[test]
fn breaks_16_a_phone_that_moves_in_a_call_proves_who_it_is_and_is_found_where_it_went() {
    for begin in [Call::begin, Call::come_in] {
        let mut edge = TestEdge::new();
        let call = begin(&mut edge);
        assert_eq!(places(&edge.receive(pbx(), &call.of_pbx("OPTIONS", 20))), [udp(PHONE)]);
        let others = call.prove(&mut edge, MOVED, "INVITE", 2, "202");
        assert_eq!((status(&others), others.cause), (481, Some(Cause::NoDialog)));
        assert_eq!(places(&edge.receive(pbx(), &call.of_pbx("OPTIONS", 21))), [udp(PHONE)], "not yet");
        let own = call.prove(&mut edge, MOVED, "INVITE", 3, "201");
        assert!(is_sent_on(&own), "{own:?}");
        assert_eq!(places(&edge.receive(pbx(), &call.of_pbx("BYE", 22))), [udp(MOVED)]);
        // There it is let in as it was before, and where it was, others may be.
        assert!(is_sent_on(&edge.receive(udp(MOVED), &call.text("INFO", 4, ""))));
        let before = edge.receive(udp(PHONE), &call.text("INFO", 5, ""));
        assert_eq!(status(&before), 401, "{before:?}");
    }
}

#[test]
fn breaks_16_a_phone_that_registers_from_another_port_in_a_call_is_found_there() {
    let mut edge = TestEdge::new();
    let call = Call::come_in(&mut edge);
    let request = Request { number: 2, ..Request::register("201") };
    edge.ask(MOVED, &request.text(""));
    assert_eq!(places(&edge.receive(pbx(), &call.of_pbx("BYE", 20))), [udp(PHONE)], "that proves nothing");
    edge.try_password(MOVED, &request, PASSWORD);
    assert_eq!(places(&edge.receive(pbx(), &call.of_pbx("BYE", 21))), [udp(MOVED)]);
    // Its neighbour, who has its former port now, has nothing of it.
    edge.try_password(PHONE, &Request::register("202"), PASSWORD);
    assert_eq!(places(&edge.receive(pbx(), &call.of_pbx("BYE", 22))), [udp(MOVED)]);
}

#[test]
fn a_route_lets_nobody_in_without_a_password_after_a_day_and_the_call_goes_on() {
    for begin in [Call::begin, Call::come_in] {
        let mut edge = TestEdge::new();
        let call = begin(&mut edge);
        edge.seconds += DAY - 3_600;
        assert!(is_sent_on(&edge.receive(udp(PHONE), &call.text("INVITE", 2, ""))));
        edge.seconds += 2 * 3_600;
        let asked = edge.receive(udp(PHONE), &call.text("INVITE", 3, ""));
        assert_eq!((status(&asked), asked.cause), (401, Some(Cause::Challenged)));
        assert!(is_sent_on(&call.prove(&mut edge, PHONE, "INVITE", 4, "201")));
        assert_eq!(places(&edge.receive(pbx(), &call.of_pbx("INVITE", 20))), [udp(PHONE)]);
        assert!(is_sent_on(&edge.receive(udp(PHONE), &call.text("BYE", 5, ""))));
    }
}

#[test]
fn a_call_outlives_one_change_of_the_keys_and_its_phone_may_move_then() {
    for begin in [Call::begin, Call::come_in] {
        let mut edge = TestEdge::new();
        let call = begin(&mut edge);
        let accounts = Accounts::new(accounts(), &settings().realm, &settings().algorithms).unwrap();
        let keys = Keys::new([8; 32], Some([7; 32]));
        edge.edge = Edge::new(settings(), keys, Arc::new(accounts), 2);
        assert!(is_sent_on(&edge.receive(udp(PHONE), &call.text("INVITE", 2, ""))));
        assert!(is_sent_on(&call.prove(&mut edge, MOVED, "INVITE", 3, "201")));
        assert_eq!(places(&edge.receive(pbx(), &call.of_pbx("BYE", 20))), [udp(MOVED)]);
        let accounts = Arc::clone(&edge.edge.accounts);
        edge.edge = Edge::new(settings(), Keys::new([9; 32], Some([8; 32])), accounts, 3);
        assert_eq!(status(&edge.receive(udp(PHONE), &call.text("INVITE", 4, ""))), 481);
    }
}

/// Kamailio sends an ACK on to wherever it says, and whatever it says.
#[test]
fn an_ack_with_a_body_needs_the_route_of_its_dialog() {
    let mut edge = TestEdge::new();
    let call = Call::begin(&mut edge);
    let with_body =
        |ack: String| ack.replace("Content-Length: 0\r\n\r\n", "Content-Length: 5\r\n\r\nv=0\r\n");
    let ack = call.text("ACK", 1, "");
    let without = ack.split_inclusive("\r\n").filter(|line| !line.starts_with("Route")).collect::<String>();
    for (ack, sent_on) in [
        (ack.clone(), true),
        (with_body(ack.clone()), true),
        (without.clone(), true),
        (with_body(without), false),
        (with_body(ack.replace("Call-ID: 201-1", "Call-ID: 201-2")), false),
        (with_body(ack.replace("sip:201@", "sip:202@")), false),
    ] {
        let received = edge.receive(udp(PHONE), &ack);
        assert_eq!(is_sent_on(&received), sent_on, "{ack}");
        assert_eq!(received.cause, (!sent_on).then_some(Cause::NoDialog), "{ack}");
        assert!(sent_on || received.sends.is_empty(), "nobody answers an ACK: {received:?}");
    }
}

/// The PBX finds the INVITE of a CANCEL by the branch, and that is of the port and the connection of whoever sends it.
#[test]
fn a_cancel_from_elsewhere_has_another_branch_than_the_invite() {
    let mut edge = TestEdge::new();
    let request = Request { method: "INVITE", account: "201", number: 1 };
    let (_, challenge) = edge.ask(PHONE, &request.text(""));
    let invite = request.text(&request.credentials(&challenge, PASSWORD));
    let branch = |received: &Received| {
        let text = String::from_utf8(received.sends[0].bytes.clone()).unwrap();
        text.split_once(";branch=").unwrap().1.split_once("\r\n").unwrap().0.to_owned()
    };
    let of_invite = branch(&edge.receive(udp(PHONE), &invite));
    let cancel = invite.replace("INVITE", "CANCEL");
    assert_eq!(branch(&edge.receive(udp(PHONE), &cancel)), of_invite);
    for elsewhere in [MOVED, OTHER] {
        assert_ne!(branch(&edge.receive(udp(elsewhere), &cancel)), of_invite, "{elsewhere}");
    }
}

fn sent_text(received: &Received) -> String {
    let [sent] = &received.sends[..] else { panic!("{received:?}") };
    String::from_utf8(sent.bytes.clone()).unwrap()
}

#[test]
fn breaks_06_what_a_route_lets_in_ends_with_the_account_of_either_end() {
    type Begin = fn(&mut TestEdge) -> Call;
    let others = |status: Option<AccountStatus>| {
        let own = status.map(|status| crate::account::Account { status, ..account("201") });
        let accounts = own.into_iter().chain([account("202")]);
        Arc::new(Accounts::new(accounts, &Realm::new(REALM).unwrap(), &[HashFunction::Md5]).unwrap())
    };
    for begin in [Call::begin as Begin, Call::come_in] {
        let mut edge = TestEdge::new();
        let call = begin(&mut edge);
        let received = edge.receive(udp(PHONE), &call.text("INVITE", 2, ""));
        assert!(sent_text(&received).contains("\r\nX-Sipward-Source: 198.51.100.7:5060;udp;201\r\n"));
        for (number, status_of) in
            (3..).zip([None, Some(AccountStatus::Locked), Some(AccountStatus::Disabled)])
        {
            edge.edge.set_accounts(others(status_of));
            assert_eq!(status(&edge.receive(udp(PHONE), &call.text("INVITE", number, ""))), 401);
            assert!(is_sent_on(&edge.receive(udp(PHONE), &call.text("BYE", number, ""))));
        }
        edge.edge.set_accounts(others(Some(AccountStatus::Normal)));
        assert!(is_sent_on(&edge.receive(udp(PHONE), &call.text("INVITE", 6, ""))));
        let name = Account::new(b"201").unwrap();
        edge.edge.in_force().lock(name, true, KernelTime::FOREVER);
        let received = edge.receive(udp(PHONE), &call.text("INVITE", 7, ""));
        assert!(matches!(status(&received), 401 | 403), "{received:?}");
    }
}

/// Whoever calls chooses the name, and a PBX may take a phone's word for who it is.
#[test]
fn breaks_06_who_was_called_by_the_name_of_another_account_goes_on_with_its_own_password_only() {
    let mut edge = TestEdge::new();
    let call = Call::come_in_for(&mut edge, "202");
    let received = edge.receive(udp(PHONE), &call.text("INVITE", 2, ""));
    assert_eq!((status(&received), received.cause), (401, Some(Cause::Challenged)));
    let received = call.prove(&mut edge, PHONE, "INVITE", 3, "201");
    assert!(sent_text(&received).contains(";udp;201\r\n"), "the PBX is told whose phone it is");
    let received = call.prove(&mut edge, PHONE, "INVITE", 4, "202");
    assert_eq!((status(&received), received.cause), (481, Some(Cause::NoDialog)));
}

#[test]
fn breaks_06_an_ack_with_a_body_is_of_the_phone_that_has_the_dialog_and_comes_from_where_it_is() {
    let mut edge = TestEdge::new();
    let call = Call::begin(&mut edge);
    let ack = call.text("ACK", 1, "").replace("Content-Length: 0\r\n\r\n", "Content-Length: 3\r\n\r\nv=0");
    assert!(is_sent_on(&edge.receive(udp(PHONE), &ack)));
    for from in [OTHER, MOVED] {
        let received = edge.receive(udp(from), &ack);
        assert!(received.sends.is_empty() && received.cause == Some(Cause::NoDialog), "{received:?}");
    }
    assert!(is_sent_on(&call.prove(&mut edge, MOVED, "INVITE", 2, "201")));
    assert!(is_sent_on(&edge.receive(udp(MOVED), &ack)));
    assert!(edge.receive(udp(PHONE), &ack).sends.is_empty());
}
