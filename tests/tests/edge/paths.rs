//! The ways in which the PBX reaches phones, before real PBXs, with a restart of the edge between registration and call.

use std::thread;

use sipward_tests::{
    auth_pbx::PbxKind,
    namespace::Family,
    sip_phone::{Phone, Settings, State, Transport, drive},
};

use crate::{
    flows::{assert_content, other_phone, talk},
    site::{CALLEE, CALLER, Hosts, Site},
};

/// A phone over UDP, whose registration has to outlive the edge.
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

fn judge(row: &Row) {
    let hosts = Hosts::new();
    let settings = format!("reach = '{}'\n", row.reach);
    let Some(mut site) = Site::start(&hosts, row.make, &settings) else { return };
    let name = format!("{:?}, {}, supported by the phone: {}", row.make, row.reach, row.supports);
    let supported = |settings: &mut Settings| {
        if row.supports {
            settings.headers.push(("Supported".to_owned(), "path".to_owned()));
        }
    };
    let mut phones = [(CALLER, 201), (CALLEE, 202)]
        .map(|(host, account)| hosts.phone_with(host, Transport::Udp, Family::V4, account, supported));
    for phone in &mut phones {
        assert_eq!(phone.register(120).statuses(), [401, 200], "{name}: {}", phone.transcript());
        assert!(phone.is_registered(), "{name}: {}", phone.transcript());
    }
    site.start_edge();
    let [caller, callee] = &mut phones;
    println!("{name}");
    if row.is_reached {
        talk(caller, callee, other_phone(row.make), true);
        assert_content(&[caller, callee]);
    } else {
        is_not_reached(caller, callee, row.make, &name);
    }
}

/// The PBX says so, or the caller gives up.
fn is_not_reached(caller: &mut Phone, callee: &mut Phone, make: PbxKind, name: &str) {
    let call = caller.invite(other_phone(make));
    let invite = caller.call(call).invite.expect("its own call");
    drive(name, [caller, callee], |[caller, _]| {
        let outcome = caller.outcome(invite);
        outcome.is_over || outcome.statuses().contains(&100)
    });
    caller.cancel(call);
    drive(name, [caller, callee], |[caller, _]| caller.call(call).state == State::Ended);
    assert_eq!(callee.incoming(), None, "{name}");
}
