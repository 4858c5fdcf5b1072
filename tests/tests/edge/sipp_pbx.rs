//! sipp in the place of the PBX, and on both sides of the edge.

use sipward_tests::{
    auth_pbx::PbxKind,
    namespace::Family,
    sip_phone::{Phone, State, Transport},
};

use crate::{
    flows::assert_content,
    site::{CALLEE, Hosts, Site},
    tools::sipp_registers_and_calls_at,
};

/// sipp hangs up calls to this one.
const SHORT: &str = "700";

#[test]
fn phones_register_and_call_through_the_edge_to_sipp_and_either_side_hangs_up() {
    phones_call(PbxKind::EdgedSipp);
}

/// IPv4 before the edge and IPv6 behind it, too.
#[test]
fn phones_register_and_call_through_the_edge_to_sipp_at_an_ipv6_address() {
    phones_call(PbxKind::EdgedSippV6);
}

fn phones_call(make: PbxKind) {
    let hosts = Hosts::new();
    let Some(_site) = Site::start(&hosts, make, "") else { return };
    for transport in [Transport::Udp, Transport::Tcp] {
        for family in [Family::V4, Family::V6] {
            let mut phone = hosts.phone(CALLEE, transport, family, 201);
            for _ in 0..2 {
                assert_eq!(phone.register(120).statuses(), [401, 200], "{}", phone.transcript());
                assert!(phone.is_registered(), "{}", phone.transcript());
            }
            call(&mut phone, "600");
            call(&mut phone, SHORT);
            assert_eq!(phone.unregister().statuses(), [401, 200], "{}", phone.transcript());
            assert_content(&[&phone]);
        }
    }
}

fn call(phone: &mut Phone, callee: &str) {
    let call = phone.invite(callee);
    assert!(
        phone.wait_until(|phone| matches!(phone.call(call).state, State::Established | State::Ended)),
        "{}",
        phone.transcript()
    );
    if callee != SHORT {
        phone.hang_up(call);
    }
    assert!(phone.wait_until(|phone| phone.call(call).state == State::Ended), "{}", phone.transcript());
    let statuses = phone.outcome(phone.call(call).invite.expect("its own call")).statuses();
    assert_eq!(statuses, [401, 180, 200], "{}", phone.transcript());
    assert_eq!(phone.call(call).count("BYE"), usize::from(callee == SHORT));
}

#[test]
fn sipp_registers_and_calls_through_the_edge_to_sipp() {
    sipp_registers_and_calls_at(PbxKind::EdgedSipp);
}
