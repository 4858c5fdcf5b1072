//! Calls through servers, with what happens in them.

use std::time::Duration;

use sipward_tests::{
    auth_pbx::PbxKind,
    sip_phone::{Edit, Phone, State, Transport, drive},
};

use crate::site::{CALLEE, CALLER, Family, Site};

const NO_COMPLAINTS: [String; 0] = [];
const ECHO: &str = "600";
/// Of Asterisk: early media, then an answer, then BYE.
const ANNOUNCEMENT: &str = "700";
/// Of Asterisk: the phone with account 202.
const OTHER_PHONE: &str = "9202";

/// Two phones that have registered, the caller and the callee.
fn pair(site: &Site, transport: Transport, family: Family) -> [Phone<'_>; 2] {
    let mut phones = [
        site.phone(CALLER, transport, family, 201),
        site.phone(CALLEE, transport, family, 202),
    ];
    for phone in &mut phones {
        assert_eq!(phone.register(120).status(), Some(200), "{}", phone.transcript());
    }
    phones
}

fn assert_content(phones: &[Phone<'_>]) {
    for phone in phones {
        assert_eq!(phone.complaints(), NO_COMPLAINTS, "{}", phone.transcript());
    }
}

/// Calls, rings, talks; then the callee or the caller hangs up.
fn talk(caller: &mut Phone<'_>, callee: &mut Phone<'_>, callee_ends: bool) {
    let call = caller.invite(OTHER_PHONE);
    drive("both ring", [caller, callee], |[caller, callee]| {
        let rings = |phone: &Phone<'_>, id| phone.call(id).state == State::Ringing;
        rings(caller, call) && callee.incoming().is_some_and(|id| rings(callee, id))
    });
    let incoming = callee.incoming().unwrap();
    callee.answer(incoming, 200);
    drive("both talk", [caller, callee], |[caller, callee]| {
        caller.call(call).state == State::Established && callee.call(incoming).state == State::Established
    });
    let again = caller.reinvite(call);
    drive("the re-INVITE is answered", [caller, callee], |[caller, _]| caller.outcome(again).is_over);
    assert_eq!(caller.outcome(again).status(), Some(200));
    let bye = if callee_ends { callee.hang_up(incoming) } else { caller.hang_up(call) };
    drive("both have hung up", [caller, callee], |[caller, callee]| {
        caller.call(call).state == State::Ended && callee.call(incoming).state == State::Ended
    });
    let (ends, ended) = if callee_ends {
        (callee.outcome(bye), caller.call(call))
    } else {
        (caller.outcome(bye), callee.call(incoming))
    };
    assert_eq!((ends.status(), ended.count("BYE")), (Some(200), 1));
}

#[test]
fn phones_talk_through_asterisk_and_either_hangs_up() {
    let Some(site) = Site::start(PbxKind::OpenAsterisk) else { return };
    for (transport, family) in
        [(Transport::Udp, Family::V4), (Transport::Tcp, Family::V4), (Transport::Udp, Family::V6)]
    {
        let [mut caller, mut callee] = pair(&site, transport, family);
        for callee_ends in [false, true] {
            talk(&mut caller, &mut callee, callee_ends);
        }
        callee.unregister();
        assert_content(&[caller, callee]);
    }
}

#[test]
fn a_call_is_cancelled_and_another_one_refused() {
    let Some(site) = Site::start(PbxKind::OpenAsterisk) else { return };
    let [mut caller, mut callee] = pair(&site, Transport::Udp, Family::V4);
    let call = caller.invite(OTHER_PHONE);
    drive("the callee rings", [&mut caller, &mut callee], |[caller, callee]| {
        caller.call(call).state == State::Ringing && callee.incoming().is_some()
    });
    let cancel = caller.cancel(call);
    let incoming = callee.incoming().unwrap();
    drive("both have given up", [&mut caller, &mut callee], |[caller, callee]| {
        caller.call(call).state == State::Ended && callee.call(incoming).state == State::Ended
    });
    let invite = caller.call(call).invite.unwrap();
    assert_eq!(caller.outcome(cancel).status(), Some(200));
    assert_eq!(caller.outcome(invite).status(), Some(487));
    assert_eq!(callee.call(incoming).count("CANCEL"), 1);

    let call = caller.invite(OTHER_PHONE);
    drive("the callee rings again", [&mut caller, &mut callee], |[_, callee]| {
        callee.incoming().is_some_and(|id| id != incoming)
    });
    callee.answer(callee.incoming().unwrap(), 486);
    drive("the call is over", [&mut caller, &mut callee], |[caller, _]| caller.call(call).state == State::Ended);
    assert_eq!(caller.outcome(caller.call(call).invite.unwrap()).status(), Some(486));
    assert_content(&[caller, callee]);
}

#[test]
fn early_media_comes_with_a_session_and_the_server_hangs_up() {
    let Some(site) = Site::start(PbxKind::OpenAsterisk) else { return };
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut phone = site.phone(CALLER, transport, Family::V4, 201);
        let call = phone.invite(ANNOUNCEMENT);
        assert!(phone.wait_until(|phone| phone.call(call).state == State::Ended), "{}", phone.transcript());
        let invite = phone.outcome(phone.call(call).invite.unwrap());
        assert_eq!(invite.statuses(), [401, 100, 183, 200], "{transport:?}");
        assert!(invite.answer(183).unwrap().body().contains("m=audio"));
        assert_eq!(phone.call(call).count("BYE"), 1);
        assert_content(&[phone]);
    }
}

#[test]
fn an_invite_of_2000_bytes_and_one_over_tcp_are_answered() {
    for make in [PbxKind::Kamailio, PbxKind::OpenAsterisk] {
        let Some(site) = Site::start(make) else { return };
        for transport in [Transport::Udp, Transport::Tcp] {
            let mut phone = site.phone(CALLER, transport, Family::V4, 201);
            let call = phone.invite_with(ECHO, Edit::new(|draft| draft.pad_to(2_000)));
            let is_there = phone.wait_until(|phone| phone.call(call).state == State::Established);
            assert!(is_there, "{make:?}\n{}", phone.transcript());
            let invite = phone.outcome(phone.call(call).invite.unwrap());
            assert!(invite.sent.iter().all(|sent| sent.len() == 2_000));
            let bye = phone.hang_up(call);
            assert_eq!(phone.wait(bye).status(), Some(200), "{make:?}");
            assert_content(&[phone]);
        }
    }
}

#[test]
fn a_call_through_a_proxy_follows_its_routes_and_survives_a_new_port() {
    let site = Site::start(PbxKind::Kamailio).unwrap();
    for (transport, family) in
        [(Transport::Udp, Family::V4), (Transport::Tcp, Family::V4), (Transport::Udp, Family::V6)]
    {
        let mut phone = site.phone(CALLER, transport, family, 201);
        let call = phone.invite(ECHO);
        assert!(phone.wait_until(|phone| phone.call(call).state == State::Established), "{}", phone.transcript());
        let invite = phone.outcome(phone.call(call).invite.unwrap());
        assert_eq!(invite.statuses()[0], 407, "{transport:?}, {family:?}");
        let dialog = &phone.call(call).dialog;
        assert_eq!(dialog.routes.len(), 2, "{dialog:?}: one for each side");
        assert!(dialog.target.contains("127.0.0.1:5070"), "{dialog:?}");

        let again = phone.reinvite(call);
        assert_eq!(phone.wait(again).status(), Some(200), "{transport:?}, {family:?}");
        let before = phone.local();
        phone.move_to((before.ip(), 0).into());
        assert_ne!(phone.local(), before);
        let bye = phone.hang_up(call);
        assert_eq!(phone.wait(bye).status(), Some(200), "{transport:?}, {family:?}");
        // The callee has gone.
        let late = phone.send_in_call(call, "BYE", Edit::none());
        phone.settings.patience = Duration::from_secs(1);
        assert_ne!(phone.wait(late).status(), Some(200));
        phone.settings.patience = Duration::from_secs(5);
        assert_content(&[phone]);
    }
}
