//! sipp as a phone at the edge, and what becomes of those that write no Route.

use sipward_tests::{
    auth_pbx::{PbxKind, password},
    caller::{CALLS, Caller, Login, Plan, Tally, Way},
    namespace::Family,
    sip_phone::{Edit, State, Transport, drive},
};

use crate::site::{CALLER, Hosts, Site};

#[test]
fn sipp_registers_and_calls() {
    sipp_registers_and_calls_at(PbxKind::EdgedAsterisk);
}

pub(crate) fn sipp_registers_and_calls_at(pbx: PbxKind) {
    let hosts = Hosts::new();
    let Some(_site) = Site::start(&hosts, pbx, "") else { return };
    let logins: Vec<_> = (201..=204)
        .map(|account| Login { account: account.to_string(), password: password(account) })
        .collect();
    let caller = Caller::new(hosts.host(CALLER), CALLER);
    for way in Way::ALL {
        for scenario in ["login", "routed_call"] {
            let plan = Plan { scenario, count: 4, rate: 20, way, logins: &logins, ..CALLS };
            assert_eq!(caller.run(&plan), Tally::all(4), "{scenario} {way:?}");
        }
    }
}

/// As sipp's own scenarios do. Its call is not hung up at the PBX, where nothing but a timer of the PBX ends it.
#[test]
fn a_bye_without_the_edges_route_is_refused_and_an_ack_is_sent_on() {
    let hosts = Hosts::new();
    let Some(_site) = Site::start(&hosts, PbxKind::EdgedAsterisk, "") else { return };
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut phone = hosts.phone(CALLER, transport, Family::V4, 201);
        let call = phone.invite("600");
        drive("it talks", [&mut phone], |[phone]| phone.call(call).state == State::Established);
        let without = || Edit::new(|draft| draft.remove("Route"));
        let bye = phone.send_in_call(call, "BYE", without());
        assert_eq!(phone.wait(bye).status(), Some(481), "{}", phone.transcript());
        let bye = phone.send_in_call(call, "BYE", Edit::none());
        assert_eq!(phone.wait(bye).status(), Some(200), "{}", phone.transcript());
    }
}
