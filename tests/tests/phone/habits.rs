//! Habits and faults of the phone, which it has only because its settings say so.

use std::time::Duration;

use sipward_tests::{
    auth_pbx::PbxKind,
    namespace::Family,
    sip_phone::{Claims, Edit, OnChallenge, Quality, Transport},
};

use crate::site::{CALLEE, CALLER, Site, assert_content};

#[test]
fn each_use_of_qop_is_one_that_kamailio_and_asterisk_accept() {
    for make in [PbxKind::Kamailio, PbxKind::OpenAsterisk] {
        let Some(site) = Site::start(make) else { return };
        for quality in [Quality::Counted, Quality::AlwaysOne, Quality::Quoted, Quality::Unused] {
            let mut phone = site.phone(CALLER, Transport::Udp, Family::V4, 201);
            phone.settings.credentials.quality = quality;
            phone.settings.keeps_challenge = true;
            let outcome = phone.register(120);
            assert_eq!(outcome.statuses(), [401, 200], "{make:?}, {quality:?}");
            // The next request has credentials at once.
            let again = phone.register(120);
            assert_eq!(again.statuses(), [200], "{make:?}, {quality:?}");
            let sent = String::from_utf8_lossy(again.last_sent()).into_owned();
            let count = match quality {
                Quality::Counted => Some("nc=00000002"),
                Quality::AlwaysOne => Some("nc=00000001"),
                Quality::Quoted => Some("nc=\"00000002\""),
                Quality::Unused => None,
            };
            assert!(count.is_none_or(|count| sent.contains(count)), "{sent}");
            assert_eq!(sent.contains("nc="), count.is_some(), "{sent}");
            assert_content(&[&phone]);
        }
    }
}

#[test]
fn wrong_credentials_of_every_kind_are_refused() {
    let site = Site::start(PbxKind::Kamailio).unwrap();
    let mut phone = site.phone(CALLER, Transport::Udp, Family::V4, 201);
    let right = phone.settings.credentials.clone();

    phone.settings.credentials.password = "wrong".to_owned();
    assert_eq!(phone.register(120).statuses(), [401, 401], "a phone gives up after the second challenge");
    phone.settings.on_challenge = OnChallenge::Repeat(4);
    assert_eq!(phone.register(120).statuses(), [401; 4]);
    phone.settings.on_challenge = OnChallenge::Answer;

    let claims = [
        Claims { realm: Some("elsewhere".to_owned()), ..Claims::default() },
        Claims { nonce: Some("5e7f1a2c".to_owned()), ..Claims::default() },
        Claims { username: Some("999".to_owned()), ..Claims::default() },
        Claims { response: Some("0".repeat(32)), ..Claims::default() },
    ];
    for claims in claims {
        phone.settings.credentials = right.clone();
        phone.settings.credentials.claims = claims.clone();
        assert_eq!(phone.register(120).statuses(), [401, 401], "{claims:?}");
        assert!(!phone.is_registered());
    }
    phone.settings.credentials = right;
    phone.settings.on_challenge = OnChallenge::Ignore;
    assert_eq!(phone.register(120).statuses(), [401]);
    phone.settings.on_challenge = OnChallenge::Answer;
    assert_eq!(phone.register(120).statuses(), [401, 200]);
}

#[test]
fn an_edit_changes_every_message_of_a_request() {
    let site = Site::start(PbxKind::Kamailio).unwrap();
    let mut phone = site.phone(CALLER, Transport::Udp, Family::V4, 201);
    let invented = Edit::new(|draft| {
        draft.add("User-Agent", "another");
        draft.add_first("X-Test", "1");
    });
    let outcome = phone.register_with(120, invented);
    assert_eq!((outcome.status(), outcome.sent.len()), (Some(200), 2));
    for sent in &outcome.sent {
        let sent = String::from_utf8_lossy(sent);
        assert_eq!(sent.matches("\r\nUser-Agent: ").count(), 2, "{sent}");
        assert!(sent.contains(" SIP/2.0\r\nX-Test: 1\r\nVia: "), "{sent}");
    }
}

#[test]
fn a_recorded_request_is_sent_again_by_the_phone_and_by_another_one() {
    const WAIT: Duration = Duration::from_millis(500);
    let site = Site::start(PbxKind::Kamailio).unwrap();
    let mut phone = site.phone(CALLER, Transport::Udp, Family::V4, 201);
    let outcome = phone.register(120);
    let again = phone.provoke(outcome.last_sent(), WAIT);
    assert_eq!(again.iter().filter_map(|answer| answer.status()).collect::<Vec<_>>(), [200]);
    let mut other = site.phone(CALLEE, Transport::Udp, Family::V4, 202);
    let again = other.provoke(outcome.last_sent(), WAIT);
    // Kamailio's nonce is good for any address.
    assert_eq!(again.iter().filter_map(|answer| answer.status()).collect::<Vec<_>>(), [200]);
    assert_eq!(other.provoke(b"\r\n\r\n", WAIT), []);
    assert_content(&[&phone, &other]);
}

#[test]
fn the_phone_learns_the_address_that_the_server_sees() {
    let site = Site::start(PbxKind::Kamailio).unwrap();
    let mut phone = site.phone(CALLER, Transport::Udp, Family::V4, 201);
    assert_eq!(phone.seen(), None);
    phone.register(120);
    assert_eq!(phone.seen(), Some(phone.local()));
    let before = phone.local();
    phone.move_to((before.ip(), 0).into());
    assert_eq!(phone.register(120).status(), Some(200));
    assert_eq!(phone.seen(), Some(phone.local()));
    assert_ne!(phone.local(), before);
    phone.settings.sends_rport = false;
    phone.move_to((before.ip(), 0).into());
    assert_eq!(phone.register(120).status(), Some(200));
    assert_eq!(phone.seen(), None, "it did not ask");
}
