//! Credentials of others, and requests in the name of others.

use std::{
    io::Read as _,
    net::SocketAddrV4,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use sipward_tests::{
    auth_pbx::{BEHIND, PbxKind},
    daemon::Daemon,
    digest::Algorithm,
    edge::INNER,
    forge::{Forged, Forger},
    namespace::Family,
    sip_phone::{Edit, Message, Phone, Settings, State, Transport, drive},
    tcp::connect,
    wait::wait_until,
};

use crate::site::{CALLEE, CALLER, Hosts, Site};

const PATIENCE: Duration = Duration::from_secs(20);
const PBX: &str = "10.90.0.1:5060";
/// More than any rule of the guard needs.
const TIMES: usize = 30;

/// The phone registers again and is called.
fn goes_on(phone: &mut Phone, caller: &mut Phone) {
    assert_eq!(phone.register(120).status(), Some(200), "{}", phone.transcript());
    let (before, call) = (phone.incoming(), caller.invite("9201"));
    drive("it rings", [phone, caller], |[phone, _]| phone.incoming() != before);
    let incoming = phone.incoming().expect("a call");
    phone.answer(incoming, 200);
    drive("both talk", [phone, caller], |[_, caller]| caller.call(call).state == State::Established);
    caller.hang_up(call);
    drive("both have hung up", [phone, caller], |[phone, _]| phone.call(incoming).state == State::Ended);
}

fn assert_nobody_is_punished(site: &Site<'_>) {
    assert_eq!(site.sipward.json("ban list"), [""; 0]);
    assert_eq!(site.sipward.json("account list"), [""; 0]);
}

/// The last REGISTER of the phone, with its credentials, and with other values of these headers.
fn copy(register: &[u8], number: usize, change: impl Fn(&str, &str) -> Option<String>) -> Vec<u8> {
    let text = String::from_utf8(register.to_vec()).expect("text");
    let lines = text.split("\r\n").map(|line| {
        let (name, value) = line.split_once(": ").unwrap_or((line, ""));
        change(name, value).map_or_else(|| line.to_owned(), |value| format!("{name}: {value}"))
    });
    lines
        .collect::<Vec<_>>()
        .join("\r\n")
        .replace("branch=z9hG4bK", &format!("branch=z9hG4bK{number}"))
        .into_bytes()
}

#[test]
fn copied_credentials_are_worth_nothing_and_harm_nobody() {
    let hosts = Hosts::new();
    let Some(site) = Site::with_defaults(&hosts, PbxKind::EdgedAsterisk) else { return };
    let _daemon = Daemon::start(&site.sipward, &site.config);
    let mut phone = hosts.phone(CALLEE, Transport::Udp, Family::V4, 201);
    let mut caller = hosts.phone(CALLEE, Transport::Udp, Family::V4, 202);
    let register = phone.register(120).last_sent().to_vec();
    assert_eq!(caller.register(120).statuses(), [401, 200]);
    // Behind the same address, and at another one.
    for host in [CALLEE, CALLER] {
        let mut thief = hosts.phone(host, Transport::Udp, Family::V4, 201);
        let contact = format!("<sip:201@{}>", thief.local());
        let mut answers = Vec::new();
        for number in 0..TIMES {
            let bytes = copy(&register, number, |name, _| (name == "Contact").then(|| contact.clone()));
            answers.extend(thief.provoke(&bytes, Duration::from_millis(20)));
        }
        // On a busy machine, answers come later.
        wait_until("a copy is answered", Duration::from_secs(10), || {
            answers.extend(thief.provoke(b"\r\n\r\n", Duration::from_millis(20)));
            !answers.is_empty()
        });
        // The filter has its own limit for nonces that were not issued there.
        for answer in &answers {
            let is_stale =
                answer.header("WWW-Authenticate").is_some_and(|value| value.contains("stale=true"));
            assert!(answer.status() == Some(401) && is_stale, "{answer:?}");
        }
    }
    // A nonce of a server that has another key.
    let mut stranger = hosts.phone_with(CALLER, Transport::Udp, Family::V4, 201, |settings| {
        settings.credentials.claims.nonce = Some("5f3b2c1d9e8f7a6b5c4d3e2f".to_owned());
        settings.credentials.algorithms = vec![Algorithm::Md5];
        settings.patience = Duration::from_secs(2);
    });
    assert_ne!(stranger.register(60).status(), Some(200), "{}", stranger.transcript());
    assert_nobody_is_punished(&site);
    goes_on(&mut phone, &mut caller);
    println!("drops: {:?}", site.dropped());
}

/// To the letter it is a retransmission, but for the port that the PBX's calls would go to.
#[test]
fn an_exact_copy_from_behind_the_same_address_takes_no_calls_away() {
    let hosts = Hosts::new();
    let Some(site) = Site::start(&hosts, PbxKind::EdgedAsterisk, "") else { return };
    let mut phone = hosts.phone(CALLEE, Transport::Udp, Family::V4, 201);
    let mut caller = hosts.phone(CALLEE, Transport::Udp, Family::V4, 202);
    let register = phone.register(120).last_sent().to_vec();
    assert_eq!(caller.register(120).statuses(), [401, 200]);
    let mut thief = hosts.phone(CALLEE, Transport::Udp, Family::V4, 201);
    let answers = thief.provoke(&register, Duration::from_secs(2));
    let statuses: Vec<_> = answers.iter().filter_map(|answer| answer.status()).collect();
    assert_eq!(statuses, [401], "{}", thief.transcript());
    let call = caller.invite("9201");
    drive("the phone rings", [&mut phone, &mut caller], |[phone, _]| phone.incoming().is_some());
    thief.poll(Duration::from_millis(100));
    assert_eq!(thief.incoming(), None, "{}", thief.transcript());
    caller.cancel(call);
    drive("it is over", [&mut phone, &mut caller], |[_, caller]| caller.call(call).state == State::Ended);
    drop(site);
}

#[test]
fn registrations_in_a_phones_name_are_refused_and_it_goes_on() {
    let hosts = Hosts::new();
    let Some(site) = Site::with_defaults(&hosts, PbxKind::EdgedAsterisk) else { return };
    let _daemon = Daemon::start(&site.sipward, &site.config);
    let mut phone = hosts.phone(CALLEE, Transport::Udp, Family::V4, 201);
    let mut caller = hosts.phone(CALLEE, Transport::Udp, Family::V4, 202);
    let register = phone.register(120).last_sent().to_vec();
    assert_eq!(caller.register(120).statuses(), [401, 200]);
    wait_until("the phone is known", PATIENCE, || {
        site.sipward.json("explain 10.90.0.3").remove(0)["standing"] == "known"
    });
    let forger = Forger::new(hosts.host(CALLER));
    let destination: SocketAddrV4 = PBX.parse().expect("an address");
    // From the phone's own port and from another, with a nonce that nobody has issued, and for another server.
    for (port, (from, to)) in [phone.local().port(), 40_000].into_iter().flat_map(|port| {
        [("nonce=\"", "nonce=\"A"), ("realm=\"pbx", "realm=\"other")].map(|change| (port, change))
    }) {
        let source = SocketAddrV4::new("10.90.0.3".parse().expect("an address"), port);
        let forged = |number: usize| {
            let payload = copy(&register, number, |name, value| match name {
                "Authorization" => Some(value.replace(from, to)),
                "Contact" => Some("<sip:201@10.90.0.2:5060>".to_owned()),
                "Call-ID" => Some(format!("{number}")),
                _ => None,
            });
            Forged { source, destination, payload }
        };
        forger.send(&(0..TIMES).map(forged).collect::<Vec<_>>());
    }
    while phone.poll(Duration::from_millis(200)) {}
    assert_nobody_is_punished(&site);
    goes_on(&mut phone, &mut caller);
    let message = phone.request("OPTIONS", "sip:600@10.90.0.1", Edit::none());
    assert!(message.status().is_some(), "{}", phone.transcript());
    assert_nobody_is_punished(&site);

    // Whoever overhears a nonce can fail with it in the phone's name. That suspends the account there, and shuts nobody
    // out who has worked there.
    let source = SocketAddrV4::new("10.90.0.3".parse().expect("an address"), 40_000);
    let overheard = |number: usize| {
        let payload = copy(&register, number, |name, value| {
            let (before, response) = value.split_once("response=\"").filter(|_| name == "Authorization")?;
            Some(format!("{before}response=\"{number:08x}{}", &response[8..]))
        });
        Forged { source, destination, payload }
    };
    forger.send(&(0..TIMES).map(overheard).collect::<Vec<_>>());
    wait_until("it is suspended", PATIENCE, || !site.sipward.json("account list").is_empty());
    assert_eq!(site.sipward.json("ban list"), [""; 0]);
    while phone.poll(Duration::from_millis(200)) {}
    goes_on(&mut phone, &mut caller);
    println!("drops: {:?}", site.dropped());
}

/// Even with the PBX's port, and with the address at the edge by which the PBX knows a phone.
#[test]
fn breaks_28_on_the_side_of_the_pbx_nobody_else_reaches_a_phone() {
    let hosts = Hosts::new();
    let _site = Site::without_pbx(&hosts, "");
    let inner = INNER.parse().expect("an address");
    let at = |local: &str| {
        let local = local.parse().expect("an address");
        Phone::start(hosts.host(1), local, Settings::new(Transport::Udp, inner, "pbx", ""))
    };
    let (mut pbx, mut stranger) = (at(BEHIND), at("127.0.0.2:5070"));
    let mut phone = hosts.phone(CALLEE, Transport::Udp, Family::V4, 201);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let answers = scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                pbx.poll(Duration::from_millis(5));
            }
        });
        let outcome = phone.register(120);
        is_over.store(true, Ordering::Relaxed);
        answers.join().expect("the PBX");
        assert_eq!(outcome.statuses(), [401, 200], "{}", phone.transcript());
    });
    let register = pbx.received().iter().find(|message| message.method() == Some("REGISTER"));
    let contact = register.and_then(Message::contact).expect("a Contact").to_owned();
    let in_vain = stranger.send("OPTIONS", &contact, Edit::none());
    let asked = pbx.send("OPTIONS", &contact, Edit::none());
    drive("the phone answers the PBX", [&mut pbx, &mut phone], |[pbx, _]| pbx.outcome(asked).is_over);
    assert_eq!(pbx.outcome(asked).status(), Some(200), "{}", phone.transcript());
    stranger.poll(Duration::from_millis(100));
    assert_eq!(stranger.outcome(in_vain).statuses(), [0; 0], "{}", stranger.transcript());
    let options = phone.received().iter().filter(|message| message.method() == Some("OPTIONS"));
    assert_eq!(options.count(), 1, "{}", phone.transcript());

    let connection =
        hosts.host(1).enter(|| connect("127.0.0.2:0".parse().expect("an address"), inner, PATIENCE));
    let mut connection = connection.expect("a connection");
    connection.set_read_timeout(Some(PATIENCE)).expect("a timeout that is not zero");
    assert_eq!(connection.read(&mut [0]).expect("its end"), 0, "it is closed");
}
