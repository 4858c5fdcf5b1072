//! Limits by the capture's clock.

use super::{Memory, filter, frames::*, reason};
use sipward_types::time::KernelTime;

const SECOND: u64 = 1_000_000_000;
/// Any day; clocks of captures begin in 1970.
const START: u64 = 1_700_000_000 * SECOND;

/// The number of `count` requests that pass, one every `gap` nanoseconds, the first at `start`.
fn passed(
    memory: &Memory,
    method: &str,
    from: impl Fn(u64) -> String,
    start: u64,
    gap: u64,
    count: u64,
) -> u64 {
    let passes = |index: &u64| {
        memory.set_now(KernelTime::from_nanos(start + index * gap));
        reason(memory, &ethernet(&datagram(&from(*index), PBX, &request(method)))) == "request"
    };
    (0..count).filter(passes).count() as u64
}

/// Few enough to be sent one by one.
const REGISTERS: &str = "[rate]\nregister = { max = 60 }\n[prefix_rate]\nregister = { max = 120 }\n";

fn phone(_: u64) -> String {
    PHONE.to_owned()
}

#[test]
fn sixty_registrations_a_minute_pass_and_no_more() {
    let memory = filter(REGISTERS);
    assert_eq!(passed(&memory, "REGISTER", phone, START, SECOND / 2, 100), 60);
    assert_eq!(reason(&memory, &ethernet(&datagram(PHONE, PBX, &request("REGISTER")))), "rate:register");
    assert_eq!(
        passed(&memory, "INVITE", phone, START + 50 * SECOND, SECOND, 50),
        50,
        "calls are counted apart"
    );
    assert_eq!(passed(&memory, "REGISTER", phone, START + 300 * SECOND, SECOND, 60), 60, "it is forgotten");
}

#[test]
fn a_phone_that_registers_every_minute_is_never_refused() {
    let memory = filter("");
    assert_eq!(passed(&memory, "REGISTER", phone, START, 30 * SECOND, 1000), 1000);
}

#[test]
fn a_bucket_is_full_after_its_burst_and_fills_at_its_rate() {
    let memory = filter("");
    assert_eq!(passed(&memory, "INVITE", phone, START, 0, 100), 20);
    assert_eq!(passed(&memory, "INVITE", phone, START + SECOND, 0, 100), 10);
}

#[test]
fn the_eleventh_port_of_a_source_is_one_too_many() {
    let memory = filter("[flows]\npreset = \"strict\"");
    let from = |index: u64| format!("192.0.2.9:{}", 40_000 + index);
    assert_eq!(passed(&memory, "INVITE", from, START, SECOND / 10, 15), 10);
    assert_eq!(reason(&memory, &ethernet(&datagram("192.0.2.9:50000", PBX, &request("INVITE")))), "flows");
    assert_eq!(reason(&memory, &ethernet(&datagram("192.0.2.9:40000", PBX, &request("INVITE")))), "request");
}

#[test]
fn a_neighbourhood_has_its_own_limits() {
    let memory = filter(&format!("{REGISTERS}[newcomers]\npackets = \"off\""));
    let from = |index: u64| format!("192.0.2.{}:5060", 1 + index);
    assert_eq!(passed(&memory, "REGISTER", from, START, 0, 200), 120);
    let last = ethernet(&datagram("192.0.2.250:5060", PBX, &request("REGISTER")));
    assert_eq!(reason(&memory, &last), "prefix-rate:register");
    let next_door = ethernet(&datagram("192.0.3.1:5060", PBX, &request("REGISTER")));
    assert_eq!(reason(&memory, &next_door), "request");

    let memory = filter("[flows]\npreset = \"strict\"");
    assert_eq!(passed(&memory, "INVITE", from, START, SECOND, 50), 30, "flows");
}

#[test]
fn an_ipv6_source_is_its_64() {
    let memory = filter(REGISTERS);
    let frame = |host: u64, net: &str| {
        ethernet(&datagram(&format!("[2001:db8:{net}::{host:x}]:5060"), PBX6, &request("REGISTER")))
    };
    memory.set_now(KernelTime::from_nanos(START));
    let passes = (1..=80).filter(|host| reason(&memory, &frame(*host, "1:1")) == "request").count();
    assert_eq!(passes, 60);
    assert_eq!(reason(&memory, &frame(1, "1:2")), "request", "another /64");
}

#[test]
fn off_is_no_limit() {
    let memory = filter("[rate]\nregister = \"off\"\n[prefix_rate]\nregister = \"off\"");
    assert_eq!(passed(&memory, "REGISTER", phone, START, 0, 1000), 1000);
}

#[test]
fn the_clock_never_goes_back() {
    let memory = filter(REGISTERS);
    assert_eq!(passed(&memory, "REGISTER", phone, START, 0, 60), 60);
    memory.set_now(KernelTime::from_nanos(START - 3600 * SECOND));
    assert_eq!(reason(&memory, &ethernet(&datagram(PHONE, PBX, &request("REGISTER")))), "rate:register");
}
