//! Every way to ask for credentials, before Asterisk and Kamailio, over UDP and TCP, IPv4 and IPv6.

use std::thread;

use sipward_tests::{
    auth_pbx::PbxKind,
    namespace::Family,
    sip_phone::{Phone, Transport},
};

use crate::{
    flows::{assert_content, other_phone, talk},
    site::{CALLEE, CALLER, Hosts, Site},
};

struct Row {
    make: PbxKind,
    challenge: &'static str,
    register: u16,
    invite: u16,
}

/// `401` before both PBXs is the default, and has tests of its own.
const ROWS: [Row; 4] = [
    Row { make: PbxKind::EdgedAsterisk, challenge: "407", register: 407, invite: 407 },
    Row { make: PbxKind::EdgedAsterisk, challenge: "both", register: 401, invite: 407 },
    Row { make: PbxKind::EdgedKamailio, challenge: "407", register: 407, invite: 407 },
    Row { make: PbxKind::EdgedKamailio, challenge: "both", register: 401, invite: 407 },
];

#[test]
fn phones_register_refresh_call_and_unregister_whatever_the_challenge_is() {
    thread::scope(|scope| {
        for row in &ROWS {
            scope.spawn(move || judge(row));
        }
    });
}

fn judge(row: &Row) {
    let hosts = Hosts::new();
    let settings = format!("challenge = '{}'\n", row.challenge);
    let Some(_site) = Site::start(&hosts, row.make, &settings) else { return };
    for transport in [Transport::Udp, Transport::Tcp] {
        for family in [Family::V4, Family::V6] {
            let mut phones =
                [hosts.phone(CALLER, transport, family, 201), hosts.phone(CALLEE, transport, family, 202)];
            for phone in &mut phones {
                register(row, phone);
            }
            let [caller, callee] = &mut phones;
            talk(caller, callee, other_phone(row.make), false);
            let (_, call) = caller.calls().next().expect("its call");
            let statuses = caller.outcome(call.invite.expect("its own call")).statuses();
            assert_eq!(statuses[0], row.invite, "{} {}", row.challenge, caller.transcript());
            for phone in &mut phones {
                assert_eq!(phone.unregister().statuses(), [row.register, 200], "{}", phone.transcript());
                assert!(!phone.is_registered(), "{}", phone.transcript());
            }
            assert_content(&[&phones[0], &phones[1]]);
        }
    }
}

/// And refreshes: with the challenge that it has, and without.
fn register(row: &Row, phone: &mut Phone) {
    assert_eq!(phone.register(120).statuses(), [row.register, 200], "{}", phone.transcript());
    phone.settings.keeps_challenge = true;
    assert_eq!(phone.register(120).statuses(), [200], "{}", phone.transcript());
    phone.settings.keeps_challenge = false;
    assert_eq!(phone.register(120).statuses(), [row.register, 200], "{}", phone.transcript());
    assert!(phone.is_registered(), "{}", phone.transcript());
}
