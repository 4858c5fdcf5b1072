//! Phones register and call through the edge.

use std::time::Duration;

use sipward_tests::{
    auth_pbx::{BEHIND, PbxKind},
    digest::Algorithm,
    edge::INNER,
    namespace::Family,
    sip_phone::{CallId, Edit, Incoming, Phone, Settings, State, Transport, drive},
    wait::wait_until,
};

use crate::{
    guarded::PATIENCE,
    site::{CALLEE, CALLER, Hosts, Site},
};

/// Of Asterisk: early media, then an answer, then BYE.
const ANNOUNCEMENT: &str = "700";

/// The name by which each PBX calls the phone with account 202.
pub(crate) const fn other_phone(make: PbxKind) -> &'static str {
    if make.is_kamailio() { "202" } else { "9202" }
}

pub(crate) fn assert_content(phones: &[&Phone]) {
    for phone in phones {
        assert_eq!(phone.complaints(), [] as [String; 0], "{}", phone.transcript());
    }
}

pub(crate) fn pair(hosts: &Hosts, transport: Transport, family: Family) -> [Phone; 2] {
    let mut phones =
        [hosts.phone(CALLER, transport, family, 201), hosts.phone(CALLEE, transport, family, 202)];
    for phone in &mut phones {
        let outcome = phone.register(120);
        assert_eq!(outcome.statuses(), [401, 200], "{}", phone.transcript());
    }
    phones
}

/// Calls, rings, talks; then the callee or the caller hangs up.
pub(crate) fn talk(caller: &mut Phone, callee: &mut Phone, name: &str, callee_ends: bool) {
    let before = callee.incoming();
    let long = Edit::new(|draft| draft.pad_to(2_000));
    let call = if callee_ends { caller.invite_with(name, long) } else { caller.invite(name) };
    drive("both ring", [caller, callee], |[caller, callee]| {
        let rings = |phone: &Phone, id| phone.call(id).state == State::Ringing;
        rings(caller, call)
            && callee.incoming() != before
            && callee.incoming().is_some_and(|id| rings(callee, id))
    });
    let incoming = callee.incoming().expect("a call");
    callee.answer(incoming, 200);
    drive("both talk", [caller, callee], |[caller, callee]| {
        caller.call(call).state == State::Established && callee.call(incoming).state == State::Established
    });
    let again = caller.reinvite(call);
    drive("the re-INVITE is answered", [caller, callee], |[caller, _]| caller.outcome(again).is_over);
    assert_eq!(caller.outcome(again).status(), Some(200), "{}", caller.transcript());
    let bye = if callee_ends { callee.hang_up(incoming) } else { caller.hang_up(call) };
    drive("both have hung up", [caller, callee], |[caller, callee]| {
        caller.call(call).state == State::Ended && callee.call(incoming).state == State::Ended
    });
    let ends = if callee_ends { callee.outcome(bye) } else { caller.outcome(bye) };
    assert_eq!(ends.status(), Some(200));
}

/// Until the callee has its next call.
pub(crate) fn arrives(caller: &mut Phone, callee: &mut Phone) -> CallId {
    let before = callee.incoming();
    drive("the INVITE is there", [caller, callee], |[_, callee]| callee.incoming() != before);
    callee.incoming().expect("a call")
}

pub(crate) fn have_ended(caller: &mut Phone, call: CallId, callee: &mut Phone, incoming: CallId) {
    drive("both have ended", [caller, callee], |[caller, callee]| {
        caller.call(call).state == State::Ended && callee.call(incoming).state == State::Ended
    });
}

/// Alice calls, and the test is the PBX.
pub(crate) fn with_played_pbx(settings: &str, flow: impl FnOnce(&mut Phone, &mut Phone)) {
    let hosts = Hosts::new();
    let _site = Site::without_pbx(&hosts, settings);
    let mut alice = hosts.phone(CALLER, Transport::Udp, Family::V4, 201);
    let mut of_pbx = Settings::new(Transport::Udp, INNER.parse().expect("an address"), "pbx", "");
    of_pbx.incoming = Incoming::Ignore;
    let mut pbx = Phone::start(hosts.host(1), BEHIND.parse().expect("an address"), of_pbx);
    flow(&mut alice, &mut pbx);
    assert_content(&[&alice, &pbx]);
}

fn phones_talk_through(make: PbxKind) {
    let hosts = Hosts::new();
    let Some(_site) = Site::start(&hosts, make, "") else { return };
    for (transport, family) in [
        (Transport::Udp, Family::V4),
        (Transport::Tcp, Family::V4),
        (Transport::Udp, Family::V6),
        (Transport::Tcp, Family::V6),
    ] {
        let [mut caller, mut callee] = pair(&hosts, transport, family);
        for callee_ends in [false, true] {
            talk(&mut caller, &mut callee, other_phone(make), callee_ends);
        }
        for phone in [&mut caller, &mut callee] {
            assert_eq!(phone.register(60).status(), Some(200), "it registers again: {}", phone.transcript());
            assert_eq!(phone.unregister().status(), Some(200), "{}", phone.transcript());
        }
        assert_content(&[&caller, &callee]);
    }
}

#[test]
fn phones_talk_through_the_edge_and_asterisk() {
    phones_talk_through(PbxKind::EdgedAsterisk);
}

#[test]
fn phones_talk_through_the_edge_and_kamailio() {
    phones_talk_through(PbxKind::EdgedKamailio);
}

#[test]
fn a_call_is_cancelled_and_early_media_is_heard() {
    let hosts = Hosts::new();
    let make = PbxKind::EdgedAsterisk;
    let Some(_site) = Site::start(&hosts, make, "") else { return };
    let [mut caller, mut callee] = pair(&hosts, Transport::Udp, Family::V4);
    let call = caller.invite(other_phone(make));
    drive("the callee rings", [&mut caller, &mut callee], |[caller, callee]| {
        caller.call(call).state == State::Ringing && callee.incoming().is_some()
    });
    let cancel = caller.cancel(call);
    let incoming = callee.incoming().expect("a call");
    drive("both have given up", [&mut caller, &mut callee], |[caller, callee]| {
        caller.call(call).state == State::Ended && callee.call(incoming).state == State::Ended
    });
    let invite = caller.call(call).invite.expect("an INVITE");
    assert_eq!(caller.outcome(cancel).status(), Some(200));
    assert_eq!(caller.outcome(invite).status(), Some(487));
    assert_eq!(callee.call(incoming).count("CANCEL"), 1);

    let call = caller.invite(ANNOUNCEMENT);
    drive("the PBX hangs up", [&mut caller], |[caller]| caller.call(call).state == State::Ended);
    let invite = caller.call(call).invite.expect("an INVITE");
    let statuses = caller.outcome(invite).statuses();
    assert!(statuses.contains(&183) && statuses.ends_with(&[200]), "{statuses:?}\n{}", caller.transcript());
    assert_content(&[&caller, &callee]);
}

#[test]
fn breaks_11_a_cancel_before_any_answer_of_the_pbx_reaches_the_call() {
    with_played_pbx("", |caller, pbx| {
        let call = caller.invite("600");
        let incoming = arrives(caller, pbx);
        let cancel = caller.cancel(call);
        have_ended(caller, call, pbx, incoming);
        let invite = caller.call(call).invite.expect("an INVITE");
        assert_eq!(
            (caller.outcome(cancel).status(), caller.outcome(invite).status()),
            (Some(200), Some(487))
        );
        assert_eq!(pbx.call(incoming).count("CANCEL"), 1);
    });
}

#[test]
fn breaks_11_a_cancel_that_crosses_the_200_ends_nothing_and_bye_does() {
    with_played_pbx("", |caller, pbx| {
        let call = caller.invite("600");
        let incoming = arrives(caller, pbx);
        pbx.answer(incoming, 200);
        let cancel = caller.cancel(call);
        drive("both talk", [caller, pbx], |[caller, pbx]| {
            caller.call(call).state == State::Established
                && pbx.call(incoming).state == State::Established
                && caller.outcome(cancel).is_over
        });
        assert_eq!(caller.outcome(cancel).status(), Some(200));
        caller.hang_up(call);
        have_ended(caller, call, pbx, incoming);
    });
}

/// A phone with SHA-256 answers the second of two challenges, one with MD5 the first.
#[test]
fn phones_take_the_algorithm_that_they_know() {
    let hosts = Hosts::new();
    let Some(_site) =
        Site::start(&hosts, PbxKind::EdgedAsterisk, "algorithms = ['MD5', 'SHA-256', 'SHA-512-256']\n")
    else {
        return;
    };
    for algorithm in ["MD5", "SHA-256", "SHA-512-256"] {
        let mut phone = hosts.phone_with(CALLER, Transport::Udp, Family::V4, 201, |settings| {
            settings.credentials.algorithms = vec![Algorithm::named(algorithm).expect("an algorithm")];
        });
        assert_eq!(phone.register(60).statuses(), [401, 200], "{algorithm}: {}", phone.transcript());
    }
}

/// Registrations and calls are in the messages themselves, so a restart ends none.
#[test]
fn a_call_and_a_registration_outlive_the_edge() {
    let hosts = Hosts::new();
    let make = PbxKind::EdgedAsterisk;
    let Some(mut site) = Site::start(&hosts, make, "") else { return };
    let [mut caller, mut callee] = pair(&hosts, Transport::Udp, Family::V4);
    let call = caller.invite(other_phone(make));
    drive("it rings", [&mut caller, &mut callee], |[_, callee]| callee.incoming().is_some());
    let incoming = callee.incoming().expect("a call");
    callee.answer(incoming, 200);
    drive("both talk", [&mut caller, &mut callee], |[caller, callee]| {
        caller.call(call).state == State::Established && callee.call(incoming).state == State::Established
    });
    site.start_edge();
    callee.hang_up(incoming);
    drive("both have hung up", [&mut caller, &mut callee], |[caller, callee]| {
        caller.call(call).state == State::Ended && callee.call(incoming).state == State::Ended
    });
    talk(&mut caller, &mut callee, other_phone(make), false);
    assert_content(&[&caller, &callee]);
}

fn lose_connection(phone: &mut Phone) {
    wait_until("its connection is gone", PATIENCE, || {
        phone.poll(Duration::from_millis(10));
        !phone.is_connected()
    });
}

/// The former connection is gone, and with it the contact that names it.
#[test]
fn a_phone_that_connects_anew_after_the_edge_was_killed_is_one_contact_at_the_pbx() {
    let hosts = Hosts::new();
    let Some(mut site) = Site::start(&hosts, PbxKind::EdgedAsterisk, "") else { return };
    let mut phone = hosts.phone(CALLER, Transport::Tcp, Family::V4, 201);
    for _ in 0..3 {
        let before = site.written();
        let outcome = phone.register(120);
        let contacts = outcome.final_answer().map(|answer| answer.list("Contact")).unwrap_or_default();
        assert_eq!(contacts.len(), 1, "{contacts:?}\n{}", phone.transcript());
        wait_until("its contact is written down", PATIENCE, || site.written() > before);
        site.start_edge();
        lose_connection(&mut phone);
    }
}

/// One of its phones registers again, and the other sends a request in the call. That one is called by the token of its
/// contact, so its name in the call is not its account's.
#[test]
fn a_call_over_tcp_outlives_the_edge_and_each_phone_is_found_at_its_new_connection() {
    let hosts = Hosts::new();
    let make = PbxKind::EdgedAsterisk;
    let Some(mut site) = Site::start(&hosts, make, "") else { return };
    let mut phones = [CALLER, CALLEE].map(|host| {
        let before = site.written();
        let mut phone = hosts.phone(host, Transport::Tcp, Family::V4, 199 + host as u32);
        assert_eq!(phone.register(120).statuses(), [401, 200], "{}", phone.transcript());
        wait_until("its contact is written down", PATIENCE, || site.written() > before);
        phone
    });
    let [caller, callee] = &mut phones;
    let call = caller.invite(other_phone(make));
    drive("it rings", [caller, callee], |[_, callee]| callee.incoming().is_some());
    let incoming = callee.incoming().expect("a call");
    callee.answer(incoming, 200);
    drive("both talk", [caller, callee], |[caller, callee]| {
        caller.call(call).state == State::Established && callee.call(incoming).state == State::Established
    });
    site.start_edge();
    lose_connection(caller);
    assert_eq!(caller.register(120).status(), Some(200), "{}", caller.transcript());
    lose_connection(callee);
    let again = callee.reinvite(incoming);
    drive("the re-INVITE is answered", [caller, callee], |[_, callee]| callee.outcome(again).is_over);
    let statuses = callee.outcome(again).statuses();
    assert!(statuses[0] == 401 && statuses.ends_with(&[200]), "{statuses:?}\n{}", callee.transcript());
    let bye = caller.hang_up(call);
    drive("both have hung up", [caller, callee], |[caller, callee]| {
        caller.call(call).state == State::Ended && callee.call(incoming).state == State::Ended
    });
    assert_eq!(caller.outcome(bye).status(), Some(200), "{}", caller.transcript());
}
