//! The ways in which the PBX reaches phones, before real PBXs, with a restart of the edge between registration and call.

use std::{thread, time::Duration};

use sipward_tests::{
    auth_pbx::PbxKind,
    namespace::Family,
    sip_phone::{Phone, Settings, State, Transport, drive},
    wait::wait_until,
};

use crate::{
    flows::{assert_content, other_phone, talk},
    guarded::PATIENCE,
    site::{CALLEE, CALLER, Hosts, Site},
};

#[derive(Debug)]
struct Row {
    make: PbxKind,
    reach: &'static str,
    /// The phone says that it supports Path.
    supports: bool,
    is_reached: bool,
}

const fn row(make: PbxKind, reach: &'static str, supports: bool, is_reached: bool) -> Row {
    Row { make, reach, supports, is_reached }
}

const ROWS: [Row; 8] = [
    row(PbxKind::PathAsterisk, "path", true, true),
    // Without a Path, Asterisk takes the registration, and looks for the phone where it cannot reach it.
    row(PbxKind::PathAsterisk, "path", false, false),
    row(PbxKind::PathAsterisk, "path-always", false, true),
    row(PbxKind::EdgedAsterisk, "path", true, false),
    row(PbxKind::EdgedAsterisk, "path-always", false, false),
    row(PbxKind::EdgedKamailio, "path", true, true),
    row(PbxKind::EdgedKamailio, "path", false, false),
    row(PbxKind::EdgedKamailio, "path-always", false, true),
];

#[test]
fn a_phone_is_called_by_its_path_where_phone_and_pbx_let_it_and_after_a_restart_of_the_edge() {
    thread::scope(|scope| {
        for kind in [PbxKind::PathAsterisk, PbxKind::EdgedAsterisk, PbxKind::EdgedKamailio] {
            scope.spawn(move || ROWS.iter().filter(|row| row.make == kind).for_each(judge));
        }
    });
}

impl Row {
    /// Two phones that have registered.
    fn pair(&self, hosts: &Hosts, transport: Transport, accounts: [u32; 2]) -> [Phone; 2] {
        let supported = |settings: &mut Settings| {
            if self.supports {
                settings.headers.push(("Supported".to_owned(), "path".to_owned()));
            }
        };
        [(CALLER, accounts[0]), (CALLEE, accounts[1])].map(|(host, account)| {
            let mut phone = hosts.phone_with(host, transport, Family::V4, account, supported);
            self.register(&mut phone);
            phone
        })
    }

    fn register(&self, phone: &mut Phone) {
        assert_eq!(phone.register(120).statuses(), [401, 200], "{self:?}: {}", phone.transcript());
        assert!(phone.is_registered(), "{self:?}: {}", phone.transcript());
    }
}

/// Registrations over UDP outlive the edge. Connections end with it, and their phones register again.
fn judge(row: &Row) {
    let hosts = Hosts::new();
    let settings = format!("reach = '{}'\n", row.reach);
    let Some(mut site) = Site::start(&hosts, row.make, &settings) else { return };
    let [mut caller, mut callee] = row.pair(&hosts, Transport::Udp, [201, 202]);
    let mut connected = row.pair(&hosts, Transport::Tcp, [203, 204]);
    site.start_edge();
    let name = other_phone(row.make);
    if !row.is_reached {
        return is_not_reached(&mut caller, &mut callee, name);
    }
    talk(&mut caller, &mut callee, name, true);
    for phone in &mut connected {
        wait_until("its connection has ended", PATIENCE, || {
            phone.poll(Duration::from_millis(1));
            !phone.is_connected()
        });
        row.register(phone);
    }
    let [caller_by_tcp, callee_by_tcp] = &mut connected;
    talk(caller_by_tcp, callee_by_tcp, &name.replace("202", "204"), true);
    assert_content(&[&caller, &callee, caller_by_tcp, callee_by_tcp]);
}

/// The PBX says so, or the caller gives up.
fn is_not_reached(caller: &mut Phone, callee: &mut Phone, name: &str) {
    let call = caller.invite(name);
    let invite = caller.call(call).invite.expect("its own call");
    drive(name, [caller, callee], |[caller, _]| {
        let outcome = caller.outcome(invite);
        outcome.is_over || outcome.statuses().contains(&100)
    });
    caller.cancel(call);
    drive(name, [caller, callee], |[caller, _]| caller.call(call).state == State::Ended);
    assert_eq!(callee.incoming(), None, "{name}");
}
