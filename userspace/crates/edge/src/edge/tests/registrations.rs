//! Registrations: the contacts that the PBX has of a phone, and the evidence of its answers.

use super::*;

/// A REGISTER of one phone, whichever connection it comes by.
#[derive(Clone, Copy)]
struct Phone<'a> {
    account: &'a str,
    call_id: &'a str,
    /// The user of its own contact.
    contact: &'a str,
}

const DESK: Phone<'_> = Phone { account: "201", call_id: "desk", contact: "201" };

impl Phone<'_> {
    /// The REGISTER as the PBX gets it.
    fn register(self, edge: &mut TestEdge, from: Link, number: u32) -> String {
        let Self { account, call_id, contact } = self;
        let request = Request { number, ..Request::register(account) };
        let by = if from.transport == Transport::Tcp { "SIP/2.0/TCP" } else { "SIP/2.0/UDP" };
        let own = |text: String| {
            text.replace(&format!("Call-ID: {account}-{number}"), &format!("Call-ID: {call_id}"))
                .replace(&format!("<sip:{account}@10"), &format!("<sip:{contact}@10"))
                .replace("SIP/2.0/UDP", by)
        };
        let asked = edge.receive(from, &own(request.text("")));
        let challenge = String::from_utf8(asked.sends[0].bytes.clone()).unwrap();
        let received = edge.receive(from, &own(request.text(&request.credentials(&challenge, PASSWORD))));
        assert!(is_sent_on(&received), "{received:?}");
        String::from_utf8(received.sends[0].bytes.clone()).unwrap()
    }
}

/// The PBX's side: it has the contacts of all that it has taken.
#[derive(Debug, Default)]
struct Registrar(Vec<String>);

impl Registrar {
    fn take(&mut self, edge: &mut TestEdge, register: &str) -> Received {
        for contact in contacts(register) {
            let (uri, is_over) = match contact.strip_suffix(";expires=0") {
                Some(uri) => (uri, true),
                None => (contact.as_str(), false),
            };
            self.0.retain(|known| known != uri);
            if !is_over {
                self.0.push(uri.to_owned());
            }
        }
        let inner = if register.contains("Via: SIP/2.0/TCP") {
            Link { listener: 1, transport: Transport::Tcp, connection: 9, ..pbx() }
        } else {
            pbx()
        };
        edge.receive(inner, &format!("SIP/2.0 200 OK\r\n{}", register.split_once("\r\n").unwrap().1))
    }
}

fn contacts(register: &str) -> Vec<String> {
    register.lines().filter_map(|line| line.strip_prefix("Contact: ")).map(str::to_owned).collect()
}

fn tcp(connection: u64) -> Link {
    let peer = SocketAddr::from(([198, 51, 100, 7], 40_000 + connection as u16));
    Link { listener: 1, transport: Transport::Tcp, connection, peer, ..udp(PHONE) }
}

/// As after a restart: with what was written down, and nothing else.
fn restarted(edge: &mut TestEdge, kept: &mut BindingChanges) -> TestEdge {
    kept.extend(edge.edge.take_binding_changes());
    let mut next = TestEdge { seconds: edge.seconds, ..TestEdge::new() };
    let now = next.now();
    next.edge.restore(kept.values().flatten().cloned(), now);
    next
}

/// A phone that connects anew is another contact for the PBX, which forgets the former in the same request.
#[test]
fn breaks_16_a_phone_that_comes_back_from_another_port_is_one_contact() {
    let (mut edge, mut registrar) = (TestEdge::new(), Registrar::default());
    let mut register = |phone: Phone<'_>, from: &str, number| {
        let register = phone.register(&mut edge, udp(from), number);
        registrar.take(&mut edge, &register);
        (contacts(&register), registrar.0.len())
    };
    let (first, _) = register(DESK, PHONE, 1);
    assert_eq!(register(DESK, PHONE, 2), (first.clone(), 1), "from the same port");
    let (moved, count) = register(DESK, "198.51.100.7:6000", 3);
    assert!(moved.contains(&format!("{};expires=0", first[0])) && count == 1, "{moved:?}");
    assert_eq!(register(DESK, "198.51.100.7:6000", 4).0.len(), 1);
    // Switched off and on, it has another Call-ID, and the same contact at the same address.
    assert_eq!(register(Phone { call_id: "on", ..DESK }, "198.51.100.7:7000", 5).1, 1);
    // One of the same address in another home, and one of another account, are others.
    assert_eq!(register(Phone { call_id: "home", ..DESK }, OTHER, 6).1, 2);
    assert_eq!(register(Phone { account: "202", ..DESK }, "198.51.100.7:8000", 7).1, 3);
}

#[test]
fn a_phone_that_connects_anew_after_a_restart_is_one_contact() {
    let (mut edge, mut registrar, mut kept) = (TestEdge::new(), Registrar::default(), BindingChanges::new());
    for connection in 1..=5 {
        let register = DESK.register(&mut edge, tcp(connection), connection as u32);
        registrar.take(&mut edge, &register);
        assert_eq!(registrar.0.len(), 1, "{registrar:?}");
        edge = restarted(&mut edge, &mut kept);
    }
    assert_eq!(kept.values().flatten().count(), 1, "{kept:?}");
    // A phone that was switched off for long is at the PBX no more, and neither is it here.
    edge.seconds += 7_200;
    let now = edge.now();
    edge.edge.forget_ended(now);
    kept.extend(edge.edge.take_binding_changes());
    assert_eq!(kept.values().flatten().count(), 0, "{kept:?}");
}

#[test]
fn a_refresh_is_not_written_down_each_time() {
    let (mut edge, mut registrar) = (TestEdge::new(), Registrar::default());
    let mut written = 0;
    for number in 1..=12 {
        let register = DESK.register(&mut edge, udp(PHONE), number);
        registrar.take(&mut edge, &register);
        written += usize::from(!edge.edge.take_binding_changes().is_empty());
        edge.seconds += 300;
    }
    assert!((1..=4).contains(&written), "{written}");
}

/// Of a phone whose connection breaks while it registers.
#[test]
fn of_two_registers_that_are_on_their_way_at_once_one_contact_is_left() {
    for first_is_late in [false, true] {
        let (mut edge, mut registrar) = (TestEdge::new(), Registrar::default());
        let before = DESK.register(&mut edge, tcp(1), 1);
        registrar.take(&mut edge, &before);
        let (first, second) = (DESK.register(&mut edge, tcp(2), 2), DESK.register(&mut edge, tcp(3), 3));
        let order = if first_is_late { [&second, &first] } else { [&first, &second] };
        for register in order {
            registrar.take(&mut edge, register);
        }
        if first_is_late {
            // The PBX has them in another order than the edge, and the next refresh puts that right.
            let refresh = DESK.register(&mut edge, tcp(3), 4);
            registrar.take(&mut edge, &refresh);
        }
        assert_eq!(registrar.0.len(), 1, "{first_is_late} {registrar:?}");
        assert!(contacts(&second).contains(&registrar.0[0]), "{first_is_late} {registrar:?}");
    }
}

#[test]
fn two_phones_with_the_same_call_id_and_cseq_do_not_disturb_each_other() {
    let (mut edge, mut registrar) = (TestEdge::new(), Registrar::default());
    let other = Phone { account: "202", contact: "202", ..DESK };
    let (one, another) = (DESK.register(&mut edge, udp(PHONE), 1), other.register(&mut edge, udp(OTHER), 1));
    for (register, account) in [(one, "201"), (another, "202")] {
        let received = registrar.take(&mut edge, &register);
        let [evidence] = &received.evidence[..] else { panic!("{account}: {received:?}") };
        assert_eq!(evidence.account, Account::new(account.as_bytes()), "{evidence:?}");
        assert!(
            matches!(&evidence.outcome, Outcome::Registered { contact, .. } if contact.starts_with(account))
        );
    }
    assert_eq!(registrar.0.len(), 2);
}

/// A copy that the network has held back, or that somebody on the way sends in the phone's name.
#[test]
fn a_register_that_comes_again_changes_nothing() {
    let mut edge = TestEdge::new();
    let request = Request::register("201");
    let (_, challenge) = edge.ask(PHONE, &request.text(""));
    let first = request.text(&request.credentials(&challenge, PASSWORD));
    edge.receive(udp(PHONE), &first);
    let moved = udp("198.51.100.7:6000");
    assert_eq!(contacts(&DESK.register(&mut edge, moved, 2)).len(), 2);
    edge.edge.take_binding_changes();
    let received = edge.receive(udp(PHONE), &first);
    assert!(is_sent_on(&received) && received.evidence.is_empty(), "{received:?}");
    assert_eq!(edge.edge.take_binding_changes(), BindingChanges::new());
    let account = edge.edge.keys.sign(Purpose::Account, &[b"201"]);
    assert_eq!(edge.edge.moves.place(crate::token::Phone { link: udp(PHONE), account }), moved);
}

/// It asks which contacts there are, or ends all of them; neither is a phone that came back.
#[test]
fn a_register_without_a_contact_of_its_own_ends_none() {
    for contact in ["", "Contact: *\r\n"] {
        let (mut edge, mut registrar) = (TestEdge::new(), Registrar::default());
        let first = DESK.register(&mut edge, udp(PHONE), 1);
        registrar.take(&mut edge, &first);
        edge.edge.take_binding_changes();
        let request = Request { number: 2, ..Request::register("201") };
        let own = |text: String| {
            text.replace("Call-ID: 201-2", "Call-ID: desk")
                .replace("Contact: <sip:201@10.0.0.7:5060>\r\n", contact)
        };
        let (_, challenge) = edge.ask(PHONE, &own(request.text("")));
        let received =
            edge.receive(udp(PHONE), &own(request.text(&request.credentials(&challenge, PASSWORD))));
        let sent = String::from_utf8(received.sends[0].bytes.clone()).unwrap();
        assert!(!sent.contains("expires=0"), "{sent}");
        registrar.take(&mut edge, &sent);
        assert_eq!(edge.edge.take_binding_changes(), BindingChanges::new());
        // By its contact it is known again.
        let again = Phone { call_id: "on", ..DESK }.register(&mut edge, udp("198.51.100.7:6000"), 3);
        assert_eq!(contacts(&again).len(), 2, "{again}");
    }
}

#[test]
fn a_phone_that_has_signed_off_has_no_former_contact() {
    let (mut edge, mut registrar) = (TestEdge::new(), Registrar::default());
    let register = DESK.register(&mut edge, udp(PHONE), 1);
    registrar.take(&mut edge, &register);
    let request = Request { number: 2, ..Request::register("201") };
    let own =
        |text: String| text.replace("Call-ID: 201-2", "Call-ID: desk").replace("Expires: 600", "Expires: 0");
    let (_, challenge) = edge.ask(PHONE, &own(request.text("")));
    let received = edge.receive(udp(PHONE), &own(request.text(&request.credentials(&challenge, PASSWORD))));
    let sent = String::from_utf8(received.sends[0].bytes.clone()).unwrap();
    registrar.take(&mut edge, &sent);
    let again = DESK.register(&mut edge, udp("198.51.100.7:6000"), 3);
    assert_eq!(contacts(&again).len(), 1, "{again}");
}

/// No customer makes the edge forget the phone of another.
#[test]
fn a_customer_with_phones_without_end_is_remembered_in_part_and_others_as_ever() {
    let (mut edge, mut kept) = (TestEdge::new(), BindingChanges::new());
    let other = Phone { account: "202", contact: "202", ..DESK };
    other.register(&mut edge, udp(OTHER), 1);
    for number in 0..200 {
        let (call_id, contact) = (format!("c{number}"), format!("u{number}"));
        Phone { call_id: &call_id, contact: &contact, ..DESK }.register(&mut edge, udp(PHONE), number);
        kept.extend(edge.edge.take_binding_changes());
    }
    let of =
        |account: &str| kept.values().flatten().filter(|binding| binding.account.as_str() == account).count();
    assert_eq!((of("201"), of("202")), (32, 1));
    // A phone whose port changes with each request, of a PBX that never answers.
    let mut edge = TestEdge::new();
    for number in 0..50_u16 {
        let register = DESK.register(&mut edge, tcp(number.into()), number.into());
        assert!(contacts(&register).len() <= 5, "{register}");
    }
}

#[test]
fn what_was_written_down_is_only_used_where_it_can_be_nothing_but_a_uri() {
    let (mut edge, mut kept) = (TestEdge::new(), BindingChanges::new());
    DESK.register(&mut edge, udp(PHONE), 1);
    for (uri, is_used) in [
        ("sip:token@127.0.0.1:5070", true),
        ("sip:token@127.0.0.1:5070>\r\nX: y", false),
        ("sip:a@b>, <sip:c@d", false),
        ("", false),
    ] {
        let mut damaged = kept.clone();
        damaged.extend(edge.edge.take_binding_changes());
        kept.clone_from(&damaged);
        damaged.values_mut().flatten().for_each(|binding| binding.contacts = vec![uri.to_owned()]);
        let mut next = restarted(&mut TestEdge::new(), &mut damaged);
        let register = DESK.register(&mut next, udp("198.51.100.7:6000"), 2);
        assert_eq!(register.contains(";expires=0"), is_used, "{uri:?}");
    }
}

/// A customer registers without end: what waits for the PBX's answers stays bounded, and is waited for as long as a phone
/// repeats itself.
#[test]
fn registrations_without_an_answer_are_forgotten() {
    let (mut edge, mut registrar) = (TestEdge::new(), Registrar::default());
    let mut sent: Vec<_> = (0..16_385).map(|number| DESK.register(&mut edge, udp(PHONE), number)).collect();
    let mut is_known =
        |edge: &mut TestEdge, register: &str| !registrar.take(edge, register).evidence.is_empty();
    assert!(!is_known(&mut edge, &sent[0]), "the oldest");
    assert!(is_known(&mut edge, &sent[1]));
    edge.seconds += 60;
    sent.push(DESK.register(&mut edge, udp(PHONE), 20_000));
    assert!(!is_known(&mut edge, &sent[16_384]), "from a minute ago");
    assert!(is_known(&mut edge, &sent[16_385]));
    let long = Request { number: 20_002, ..Request::register("201") };
    let (_, challenge) = edge.ask(PHONE, &long.text(""));
    let text = long.text(&format!("{}X: {}\r\n", long.credentials(&challenge, PASSWORD), "x".repeat(5_000)));
    let received = edge.receive(udp(PHONE), &text);
    let register = String::from_utf8(received.sends[0].bytes.clone()).unwrap();
    assert!(!is_known(&mut edge, &register), "a longer one than phones send");
}
