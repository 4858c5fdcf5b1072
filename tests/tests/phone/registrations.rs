//! Registrations with every transport and algorithm that the servers know.

use sipward_tests::{
    auth_pbx::PbxKind,
    digest::Algorithm,
    namespace::Family,
    sip_phone::{Challenge, Edit, Phone, Transport},
};

use crate::site::{CALLER, Site, assert_content};

/// Registers, registers again, and unregisters.
fn live(phone: &mut Phone) {
    let first = phone.register(120);
    assert_eq!(first.statuses(), [401, 200], "{}", phone.transcript());
    assert!(phone.is_registered(), "{first:?}");
    let again = phone.register(120);
    assert_eq!(again.statuses(), [401, 200]);
    let call_id = |answer: usize| phone.received()[answer].call_id().to_owned();
    assert_eq!(call_id(0), call_id(3), "a refresh has the same Call-ID");
    let of_transaction = |answer: usize| {
        let answer = &phone.received()[answer];
        (answer.branch().unwrap(), answer.cseq().unwrap().0)
    };
    let (asked, right) = (of_transaction(0), of_transaction(1));
    assert!(
        asked.0 != right.0 && asked.1 < right.1,
        "{asked:?}, {right:?}: credentials make a new transaction"
    );
    let contacts = again.final_answer().unwrap().list("Contact");
    assert_eq!(contacts.len(), 1, "{contacts:?}: a refresh adds no contact");
    assert_eq!(phone.unregister().status(), Some(200));
    assert!(!phone.is_registered());
    assert_content(&[phone]);
}

#[test]
fn phones_register_at_kamailio_over_udp_and_tcp_ipv4_and_ipv6() {
    let site = Site::start(PbxKind::Kamailio).unwrap();
    for (account, transport, family) in [
        (201, Transport::Udp, Family::V4),
        (202, Transport::Tcp, Family::V4),
        (203, Transport::Udp, Family::V6),
        (204, Transport::Tcp, Family::V6),
    ] {
        live(&mut site.phone(CALLER, transport, family, account));
    }
}

#[test]
fn phones_register_at_asterisk_over_udp_and_tcp_ipv4_and_ipv6() {
    let Some(site) = Site::start(PbxKind::OpenAsterisk) else { return };
    for (account, transport, family) in [
        (201, Transport::Udp, Family::V4),
        (202, Transport::Tcp, Family::V4),
        (203, Transport::Udp, Family::V6),
    ] {
        live(&mut site.phone(CALLER, transport, family, account));
    }
}

#[test]
fn a_phone_with_sha_256_registers_at_kamailio_and_one_without_does_not() {
    let site = Site::start(PbxKind::Sha256Kamailio).unwrap();
    let mut phone = site.phone(CALLER, Transport::Udp, Family::V4, 201);
    assert_eq!(phone.register(120).statuses(), [401], "it knows only MD5");
    phone.settings.credentials.algorithms = vec![Algorithm::Sha256];
    live(&mut phone);
}

#[test]
fn a_phone_chooses_among_the_algorithms_that_asterisk_offers() {
    let Some(site) = Site::start(PbxKind::OpenAsterisk) else { return };
    let mut phone = site.phone(CALLER, Transport::Udp, Family::V4, 299);
    for algorithm in [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha512_256] {
        phone.settings.credentials.algorithms = vec![algorithm];
        let outcome = phone.register(120);
        assert_eq!(outcome.statuses(), [401, 200], "{algorithm:?}");
        let offered = Challenge::all_of(&outcome.answers[0]);
        let offered = offered.iter().map(|line| line.algorithm).collect::<Vec<_>>();
        assert_eq!(offered, [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha512_256].map(Some));
        let sent = String::from_utf8_lossy(outcome.last_sent()).into_owned();
        assert!(sent.contains(&format!("algorithm={},", algorithm.name())), "{sent}");
    }
    assert_content(&[&phone]);
}

#[test]
fn all_contacts_are_removed_at_once() {
    let site = Site::start(PbxKind::Kamailio).unwrap();
    let mut phones = [(); 2].map(|()| site.phone(CALLER, Transport::Udp, Family::V4, 201));
    for phone in &mut phones {
        assert_eq!(phone.register(120).status(), Some(200));
    }
    let contacts = |phone: &mut Phone| {
        // Without a contact a REGISTER asks which there are.
        let outcome = phone.register_with(120, Edit::new(|draft| draft.remove("Contact")));
        outcome.final_answer().unwrap().list("Contact").len()
    };
    let [first, second] = &mut phones;
    assert_eq!(contacts(first), 2);
    assert_eq!(second.unregister_all().status(), Some(200));
    assert_eq!(contacts(first), 0);
}
