//! Calls through servers, with what happens in them.

use sipward_tests::{
    auth_pbx::PbxKind,
    namespace::Family,
    sip_phone::{Edit, Incoming, Phone, State, Transport, drive},
};

use crate::site::{CALLEE, CALLER, Site, assert_content};

/// Of Asterisk: early media, then an answer, then BYE.
const ANNOUNCEMENT: &str = "700";
/// The phone with account 202.
const OTHER_PHONE: &str = "9202";

/// Two phones that have registered, the caller and the callee.
fn pair(site: &Site, transport: Transport, family: Family) -> [Phone; 2] {
    mixed_pair(site, [transport; 2], family)
}

fn mixed_pair(site: &Site, [caller, callee]: [Transport; 2], family: Family) -> [Phone; 2] {
    let mut phones = [site.phone(CALLER, caller, family, 201), site.phone(CALLEE, callee, family, 202)];
    for phone in &mut phones {
        assert_eq!(phone.register(120).status(), Some(200), "{}", phone.transcript());
    }
    phones
}

/// Calls, rings, talks; then the callee or the caller hangs up.
fn talk(caller: &mut Phone, callee: &mut Phone, callee_ends: bool) {
    let call = caller.invite(OTHER_PHONE);
    drive("both ring", [caller, callee], |[caller, callee]| {
        let rings = |phone: &Phone, id| phone.call(id).state == State::Ringing;
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
        assert_content(&[&caller, &callee]);
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
    drive("the call is over", [&mut caller, &mut callee], |[caller, _]| {
        caller.call(call).state == State::Ended
    });
    assert_eq!(caller.outcome(caller.call(call).invite.unwrap()).status(), Some(486));
    assert_content(&[&caller, &callee]);
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
        assert_content(&[&phone]);
    }
}

#[test]
fn a_callee_sends_early_media_and_a_repeated_invite_reaches_it_once() {
    let site = Site::start(PbxKind::Kamailio).unwrap();
    let [mut caller, mut callee] = pair(&site, Transport::Udp, Family::V4);
    callee.settings.incoming = Incoming::Ignore;
    let call = caller.invite(OTHER_PHONE);
    let invite = caller.call(call).invite.unwrap();
    drive("the INVITE is there", [&mut caller, &mut callee], |[_, callee]| callee.incoming().is_some());
    let incoming = callee.incoming().unwrap();
    caller.repeat(invite);
    callee.answer(incoming, 183);
    drive("the caller hears it", [&mut caller, &mut callee], |[caller, _]| {
        caller.call(call).state == State::Ringing
    });
    assert!(caller.outcome(invite).answer(183).unwrap().body().contains("m=audio"));
    // An early dialog has requests, too.
    let update = caller.send_in_call(call, "UPDATE", Edit::none());
    drive("the UPDATE is answered", [&mut caller, &mut callee], |[caller, _]| caller.outcome(update).is_over);
    assert_eq!(caller.outcome(update).status(), Some(200));
    callee.answer(incoming, 200);
    drive("both talk", [&mut caller, &mut callee], |[_, callee]| {
        callee.call(incoming).state == State::Established
    });
    let invites = callee.received().iter().filter(|message| message.method() == Some("INVITE"));
    assert_eq!((invites.count(), callee.calls().count()), (1, 1));
    assert_eq!(caller.outcome(invite).statuses(), [407, 100, 183, 200]);
    assert_content(&[&caller, &callee]);
}

#[test]
fn an_invented_dialog_is_refused_by_asterisk_and_by_the_phone() {
    let Some(site) = Site::start(PbxKind::OpenAsterisk) else { return };
    let [mut caller, mut callee] = pair(&site, Transport::Udp, Family::V4);
    let invented = Edit::new(|draft| {
        let to = draft.header("To").unwrap().to_owned();
        draft.set("To", format!("{to};tag=invented"));
    });
    let call = caller.invite_with(OTHER_PHONE, invented.clone());
    let invite = caller.call(call).invite.unwrap();
    assert_eq!(caller.wait(invite).status(), Some(481));
    assert_eq!(caller.call(call).state, State::Ended);

    // Straight to the other phone, past the server.
    caller.settings.server = callee.local();
    let options = caller.send("OPTIONS", "sip:202@10.90.0.3", Edit::none());
    let bye = caller.send("BYE", "sip:202@10.90.0.3", invented);
    drive("both are answered", [&mut caller, &mut callee], |[caller, _]| {
        caller.outcome(options).is_over && caller.outcome(bye).is_over
    });
    assert_eq!(caller.outcome(options).status(), Some(200));
    assert_eq!(caller.outcome(bye).status(), Some(481));
    assert_content(&[&caller, &callee]);
}

#[test]
fn an_invite_of_2000_bytes_reaches_the_other_phone() {
    for make in [PbxKind::Kamailio, PbxKind::OpenAsterisk] {
        let Some(site) = Site::start(make) else { return };
        for transport in [Transport::Udp, Transport::Tcp] {
            let [mut caller, mut callee] = pair(&site, transport, Family::V4);
            callee.settings.incoming = Incoming::Accept;
            let call = caller.invite_with(OTHER_PHONE, Edit::new(|draft| draft.pad_to(2_000)));
            drive("the caller talks", [&mut caller, &mut callee], |[caller, _]| {
                caller.call(call).state == State::Established
            });
            let invite = caller.outcome(caller.call(call).invite.unwrap());
            assert!(invite.sent.iter().all(|sent| sent.len() == 2_000));
            let received = &callee.call(callee.incoming().unwrap()).requests[0];
            let sent = String::from_utf8_lossy(invite.last_sent());
            // Asterisk writes a session of its own.
            assert!(make == PbxKind::OpenAsterisk || sent.ends_with(received.body()), "{received:?}");
            caller.hang_up(call);
            drive("the caller has hung up", [&mut caller, &mut callee], |[caller, _]| {
                caller.call(call).state == State::Ended
            });
            callee.unregister();
            assert_content(&[&caller, &callee]);
        }
    }
}

#[test]
fn calls_through_a_proxy_follow_their_routes() {
    let site = Site::start(PbxKind::Kamailio).unwrap();
    for (transports, family, routes) in [
        ([Transport::Udp, Transport::Udp], Family::V4, 1),
        ([Transport::Tcp, Transport::Tcp], Family::V6, 1),
        ([Transport::Tcp, Transport::Udp], Family::V4, 2),
        ([Transport::Udp, Transport::Tcp], Family::V6, 2),
    ] {
        let [mut caller, mut callee] = mixed_pair(&site, transports, family);
        for callee_ends in [false, true] {
            talk(&mut caller, &mut callee, callee_ends);
        }
        for phone in [&caller, &callee] {
            let (_, call) = phone.calls().next().unwrap();
            assert_eq!(call.dialog.routes.len(), routes, "{transports:?}: {:?}", call.dialog);
        }
        callee.unregister();
        assert_content(&[&caller, &callee]);
    }
}

#[test]
fn a_phone_that_moves_to_another_port_in_mid_call_hangs_up_from_there() {
    let site = Site::start(PbxKind::Kamailio).unwrap();
    for transport in [Transport::Udp, Transport::Tcp] {
        let [mut caller, mut callee] = pair(&site, transport, Family::V4);
        callee.settings.incoming = Incoming::Accept;
        let call = caller.invite(OTHER_PHONE);
        drive("the caller talks", [&mut caller, &mut callee], |[caller, _]| {
            caller.call(call).state == State::Established
        });
        let before = caller.local();
        caller.move_to((before.ip(), 0).into());
        assert_ne!(caller.local(), before);
        let again = caller.reinvite(call);
        drive("the re-INVITE is answered", [&mut caller, &mut callee], |[caller, _]| {
            caller.outcome(again).is_over
        });
        assert_eq!(caller.outcome(again).status(), Some(200));
        // The callee follows it there.
        let incoming = callee.incoming().unwrap();
        let bye = callee.hang_up(incoming);
        drive("the callee has hung up", [&mut caller, &mut callee], |[_, callee]| {
            callee.outcome(bye).is_over
        });
        assert_eq!((callee.outcome(bye).status(), caller.call(call).count("BYE")), (Some(200), 1));
        callee.unregister();
        assert_content(&[&caller, &callee]);
    }
}
