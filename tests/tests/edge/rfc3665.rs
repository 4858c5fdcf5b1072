//! The flows of RFC 3665, sections 2 and 3, with the edge as the proxy that the phones know, and its PBX as the second
//! one, the registrar, or the other user agent.
//!
//! Two of them have no counterpart. 3.4: a phone leaves a proxy that is down for another one, but there is one edge, and
//! one PBX behind it. 3.5: a gateway of the application layer rewrites SDP, which the edge never touches.

use sipward_tests::{
    auth_pbx::PbxKind,
    namespace::Family,
    sip_phone::{CallId, Edit, Incoming, Outcome, Phone, State, Transport, drive},
};

use crate::{
    flows::{arrives, assert_content, have_ended, other_phone, pair, with_played_pbx},
    site::{CALLEE, CALLER, Hosts, Site},
};

/// Bob, who registers.
fn with_registrar(flow: impl FnOnce(&mut Phone)) {
    let hosts = Hosts::new();
    let Some(_site) = Site::start(&hosts, PbxKind::EdgedKamailio, "") else { return };
    let mut bob = hosts.phone(CALLEE, Transport::Tcp, Family::V4, 202);
    flow(&mut bob);
    assert_content(&[&bob]);
}

/// Alice calls Bob, both registered, and the PBX is a proxy.
fn with_proxy(flow: impl FnOnce(&mut Phone, &mut Phone)) {
    let hosts = Hosts::new();
    let Some(_site) = Site::start(&hosts, PbxKind::EdgedKamailio, "challenge = 'both'\n") else { return };
    let [mut alice, mut bob] = pair(&hosts, Transport::Udp, Family::V4);
    flow(&mut alice, &mut bob);
    assert_content(&[&alice, &bob]);
}

fn contacts(outcome: &Outcome) -> Vec<&str> {
    outcome.final_answer().map(|answer| answer.list("Contact")).unwrap_or_default()
}

/// The statuses of a call's INVITE.
fn statuses(phone: &Phone, call: CallId) -> Vec<u16> {
    let mut statuses = phone.outcome(phone.call(call).invite.expect("its own call")).statuses();
    statuses.retain(|status| *status != 100);
    statuses
}

#[test]
fn flow_2_1_successful_new_registration() {
    with_registrar(|bob| {
        let outcome = bob.register(3_600);
        assert_eq!(outcome.statuses(), [401, 200]);
        let [contact] = contacts(&outcome)[..] else { panic!("{outcome:?}") };
        assert!(contact.contains(&bob.local().to_string()) && contact.contains("expires=3600"), "{contact}");
    });
}

#[test]
fn flow_2_2_update_of_contact_list() {
    with_registrar(|bob| {
        assert_eq!(bob.register(3_600).statuses(), [401, 200]);
        bob.settings.keeps_challenge = true;
        let more = Edit::new(|draft| draft.set("Contact", "<mailto:bob@biloxi.example.com>"));
        let outcome = bob.register_with(3_600, more);
        assert_eq!(outcome.statuses(), [200], "{}", bob.transcript());
        let text = contacts(&outcome).join("\n");
        assert!(text.contains(&bob.local().to_string()) && text.contains("<mailto:bob@"), "{text}");
    });
}

#[test]
fn flow_2_3_request_for_current_contact_list() {
    with_registrar(|bob| {
        assert_eq!(bob.register(3_600).statuses(), [401, 200]);
        bob.settings.keeps_challenge = true;
        let outcome = bob.register_with(3_600, Edit::new(|draft| draft.remove("Contact")));
        assert_eq!(outcome.statuses(), [200], "{}", bob.transcript());
        let [contact] = contacts(&outcome)[..] else { panic!("{outcome:?}") };
        assert!(contact.contains(&bob.local().to_string()), "{contact}");
    });
}

#[test]
fn flow_2_4_cancellation_of_registration() {
    with_registrar(|bob| {
        assert_eq!(bob.register(3_600).statuses(), [401, 200]);
        bob.settings.keeps_challenge = true;
        let outcome = bob.unregister_all();
        assert_eq!((outcome.statuses(), contacts(&outcome)), (vec![200], Vec::new()), "{}", bob.transcript());
    });
}

#[test]
fn flow_2_5_unsuccessful_registration() {
    with_registrar(|bob| {
        "wrong".clone_into(&mut bob.settings.credentials.password);
        assert_eq!(bob.register(3_600).statuses(), [401, 401]);
    });
}

/// The PBX is Bob.
#[test]
fn flow_3_1_successful_session_establishment() {
    let hosts = Hosts::new();
    let Some(_site) = Site::start(&hosts, PbxKind::EdgedSipp, "") else { return };
    let mut alice = hosts.phone(CALLER, Transport::Tcp, Family::V4, 201);
    // That Bob hangs up at once.
    let call = alice.invite("700");
    drive("Bob hangs up", [&mut alice], |[alice]| alice.call(call).state == State::Ended);
    assert_eq!(statuses(&alice, call), [401, 180, 200]);
    assert_eq!(alice.call(call).count("BYE"), 1);
    assert_content(&[&alice]);
}

#[test]
fn flow_3_2_session_establishment_through_two_proxies() {
    with_proxy(|alice, bob| {
        let call = alice.invite("202");
        let incoming = arrives(alice, bob);
        drive("it rings", [alice, bob], |[alice, _]| alice.call(call).state == State::Ringing);
        bob.answer(incoming, 200);
        drive("both talk", [alice, bob], |[alice, bob]| {
            alice.call(call).state == State::Established && bob.call(incoming).state == State::Established
        });
        assert_eq!(statuses(alice, call), [407, 180, 200]);
        // The edge on both its sides, twice, and the proxy between.
        assert_eq!(alice.call(call).dialog.routes.len(), 5, "{:?}", alice.call(call).dialog);
        bob.hang_up(incoming);
        have_ended(alice, call, bob, incoming);
    });
}

/// Each proxy asks for itself, and has its own answer only.
#[test]
fn flow_3_3_session_with_multiple_proxy_authentication() {
    with_played_pbx("challenge = '407'\n", |alice, pbx| {
        let call = alice.invite("600");
        let first = arrives(alice, pbx);
        let challenge = "Digest realm=\"biloxi\", nonce=\"5e7f1a2c\", qop=\"auth\", algorithm=MD5";
        pbx.answer_with(first, 407, Edit::new(move |draft| draft.add("Proxy-Authenticate", challenge)));
        let second = arrives(alice, pbx);
        let credentials: Vec<_> = pbx.call(second).requests[0].lines("Proxy-Authorization").collect();
        assert!(matches!(credentials[..], [one] if one.contains("realm=\"biloxi\"")), "{credentials:?}");
        pbx.answer(second, 200);
        drive("both talk", [alice, pbx], |[alice, pbx]| {
            alice.call(call).state == State::Established && pbx.call(second).state == State::Established
        });
        assert_eq!(statuses(alice, call), [407, 407, 200]);
        alice.hang_up(call);
        have_ended(alice, call, pbx, second);
    });
}

/// The redirect server is the PBX, and so is the proxy that is asked next.
#[test]
fn flow_3_6_session_via_redirect_and_proxy_servers_with_sdp_in_ack() {
    with_played_pbx("", |alice, pbx| {
        alice.settings.offers_late = true;
        let call = alice.invite("600");
        let redirected = arrives(alice, pbx);
        let contact = Edit::new(|draft| draft.set("Contact", "<sip:601@10.90.0.1>"));
        pbx.answer_with(redirected, 302, contact);
        have_ended(alice, call, pbx, redirected);
        let invite = alice.outcome(alice.call(call).invite.expect("its own call")).clone();
        assert_eq!((invite.statuses(), contacts(&invite)), (vec![401, 302], vec!["<sip:601@10.90.0.1>"]));

        let call = alice.invite("601");
        let incoming = arrives(alice, pbx);
        assert_eq!(pbx.call(incoming).requests[0].body(), "");
        pbx.answer(incoming, 200);
        drive("both talk", [alice, pbx], |[alice, pbx]| {
            alice.call(call).state == State::Established && pbx.call(incoming).state == State::Established
        });
        let ack = &pbx.call(incoming).requests[1];
        assert!(ack.method() == Some("ACK") && ack.body().contains("m=audio"), "{ack:?}");
        pbx.hang_up(incoming);
        have_ended(alice, call, pbx, incoming);
    });
}

/// Whoever has moved is not known by the route any more, and credentials count.
fn re_invites_from_another_port(mover: &mut Phone, call: CallId, other: &mut Phone, number: usize) {
    mover.move_to(Family::V4.address(number, 0));
    let again = mover.reinvite(call);
    drive("the re-INVITE is answered", [mover, other], |[mover, _]| mover.outcome(again).is_over);
    assert_eq!(mover.outcome(again).status(), Some(200), "{}", mover.transcript());
    assert_eq!(mover.outcome(again).statuses()[0], 407, "{}", mover.transcript());
    mover.hang_up(call);
}

#[test]
fn flow_3_7_session_with_re_invite_because_of_another_address() {
    with_proxy(|alice, bob| {
        for bob_moves in [true, false] {
            let call = alice.invite("202");
            let incoming = arrives(alice, bob);
            bob.answer(incoming, 200);
            drive("both talk", [alice, bob], |[alice, bob]| {
                alice.call(call).state == State::Established && bob.call(incoming).state == State::Established
            });
            if bob_moves {
                re_invites_from_another_port(bob, incoming, alice, CALLEE);
            } else {
                re_invites_from_another_port(alice, call, bob, CALLER);
            }
            have_ended(alice, call, bob, incoming);
            // The ACKs to the 200s, and none to an answer of the edge.
            let acknowledged = [alice.call(call).count("ACK"), bob.call(incoming).count("ACK")];
            assert_eq!(acknowledged, if bob_moves { [1, 1] } else { [0, 2] });
            assert_eq!(bob.register(120).status(), Some(200), "{}", bob.transcript());
        }
    });
}

#[test]
fn flow_3_8_unsuccessful_no_answer() {
    with_proxy(|alice, bob| {
        let call = alice.invite("202");
        let incoming = arrives(alice, bob);
        drive("it rings", [alice, bob], |[alice, _]| alice.call(call).state == State::Ringing);
        let cancel = alice.cancel(call);
        have_ended(alice, call, bob, incoming);
        assert_eq!(alice.outcome(cancel).status(), Some(200));
        assert_eq!((statuses(alice, call), bob.call(incoming).count("CANCEL")), (vec![407, 180, 487], 1));
    });
}

/// Bob answers with that, once it rings.
fn refused(status: u16, rings: bool) {
    with_proxy(|alice, bob| {
        bob.settings.incoming = if rings { Incoming::Ring } else { Incoming::Ignore };
        let call = alice.invite("202");
        let incoming = arrives(alice, bob);
        if rings {
            drive("it rings", [alice, bob], |[alice, _]| alice.call(call).state == State::Ringing);
        }
        bob.answer(incoming, status);
        have_ended(alice, call, bob, incoming);
        let expected = if rings { vec![407, 180, status] } else { vec![407, status] };
        assert_eq!(statuses(alice, call), expected, "{}", alice.transcript());
    });
}

#[test]
fn flow_3_9_unsuccessful_busy() {
    refused(486, false);
}

/// The PBX gives up, and tells both.
#[test]
fn flow_3_10_unsuccessful_no_response_from_user_agent() {
    let hosts = Hosts::new();
    let make = PbxKind::EdgedAsterisk;
    let Some(_site) = Site::start(&hosts, make, "") else { return };
    let [mut alice, mut bob] = pair(&hosts, Transport::Udp, Family::V4);
    bob.settings.incoming = Incoming::Ignore;
    let call = alice.invite(&other_phone(make).replace('9', "8"));
    drive("the PBX gives up", [&mut alice, &mut bob], |[alice, _]| alice.call(call).state == State::Ended);
    assert!(bob.incoming().is_some(), "{}", bob.transcript());
    assert_eq!(statuses(&alice, call), [401, 480], "{}", alice.transcript());
    assert_content(&[&alice, &bob]);
}

#[test]
fn flow_3_11_unsuccessful_temporarily_unavailable() {
    refused(480, true);
}
