use sipward_types::time::KernelTime;
use std::sync::{Arc, LazyLock};

use xdp_prog::abi::{FOREVER, KnownFlow, Signatures, SourceEntry, kind};

use super::*;
use crate::policy::Config;
use sipward_signature::SignatureSet;
use sipward_types::{
    flow::{Flow, Transport},
    map_key::flow_key,
};

const SECOND: u64 = 1_000_000_000;
/// Where flows are what a source runs out of first.
const STRICT: &str = "[flows]\npreset = 'strict'";
const NOW: u64 = 1_000 * SECOND;

static NO_SIGNATURES: LazyLock<Arc<Signatures>> =
    LazyLock::new(|| SignatureSet::default().compile().unwrap().tables.into());

/// Few enough to be sent one by one. A configuration that says something of rates has its own.
const REGISTERS: &str = "[rate]\nregister = { max = 60 }\n[prefix_rate]\nregister = { max = 120 }\n\
                         [known_rate]\nregister = { max = 60 }";

/// A filter with this configuration.
fn filter(toml: &str) -> Memory {
    let rates = if toml.contains("rate]") { "" } else { REGISTERS };
    let resolved = Config::parse(&format!("{toml}\n{rates}"), "test").unwrap().resolve().unwrap();
    let mut memory = Memory::new(resolved.policy.clone(), Arc::clone(&NO_SIGNATURES));
    memory.set_now(KernelTime::from_nanos(NOW));
    resolved.entries().for_each(|(net, entry)| memory.insert(net, entry));
    memory
}

fn put(memory: &mut Memory, net: &str, entry: SourceEntry) {
    memory.insert(net.parse().unwrap(), entry);
}

fn of(memory: &Memory, address: &str) -> Vec<Forecast> {
    forecasts(memory, address.parse().unwrap(), &[])
}

fn one(memory: &Memory, address: &str, kind: Kind) -> Forecast {
    of(memory, address).into_iter().find(|forecast| forecast.kind == kind).unwrap()
}

/// `pass request, 10 then rate:register`.
fn short(forecast: &Forecast) -> String {
    let action = match (forecast.action, forecast.enforced) {
        (Action::Pass, _) => "pass",
        (Action::Drop, true) => "drop",
        (Action::Drop, false) => "would drop",
    };
    let room = forecast.room.map(|Headroom { packets, then }| format!(", {packets} then {}", then.name()));
    format!("{action} {}{}", forecast.reason.name(), room.unwrap_or_default())
}

/// Whatever it sends, it gets that.
fn all_get(memory: &Memory, address: &str, expected: &str) {
    let forecasts = of(memory, address);
    assert_eq!(forecasts.len(), Kind::ALL.len());
    for forecast in forecasts {
        assert_eq!(short(&forecast), expected, "{address}: {forecast:?}");
    }
}

/// `count` packets of a kind, each from the next port after `port` if `spread`.
fn send(memory: &Memory, address: &str, kind: Kind, count: u16, port: u16, spread: bool) {
    let ports = Ports::of(memory.policy());
    for index in 0..count {
        let from = SocketAddr::new(address.parse().unwrap(), port + if spread { index } else { 0 });
        memory.judge(&kind.frame(from, ports).unwrap());
    }
}

#[test]
fn a_stranger_has_the_budget_that_the_configuration_says() {
    let forecasts = of(&filter(""), "192.0.2.9");
    let shown: Vec<_> = forecasts.iter().map(|forecast| (forecast.kind.name(), short(forecast))).collect();
    let expected = [
        ("register", "pass request, 60 then rate:register"),
        ("invite", "pass request, 20 then rate:invite"),
        ("options", "drop options-stranger"),
        ("dialog", "pass request, 100 then rate:dialog"),
        ("other", "pass request, 300 then rate:other"),
        ("response", "pass response, 200 then rate:response"),
        ("keepalive", "pass keepalive, 200 then rate:keepalive"),
        ("not-sip", "pass not-sip, 300 then rate:other"),
        ("connect", "pass tcp-control, 20 then rate:connect"),
        ("connect-tls", "pass tcp-control, 20 then rate:connect"),
        ("new-port", "pass request, 20 then rate:invite"),
    ];
    assert_eq!(shown, expected.map(|(kind, fate)| (kind, fate.to_owned())));
    let strict = one(&filter(STRICT), "192.0.2.9", Kind::NewPort);
    assert_eq!(short(&strict), "pass request, 10 then flows");
}

#[test]
fn standing_decides_whatever_is_sent() {
    let toml = "trusted = ['198.51.100.7', '10.1.0.0/16', '2001:db8:1::/48']
                banned = ['203.0.113.5', '10.0.0.0/8', '2001:db8::/32']";
    for (address, expected) in [
        ("198.51.100.7", "pass trusted"),
        ("203.0.113.5", "drop ban"),
        ("10.9.9.9", "drop ban-prefix"),
        ("10.1.2.3", "pass trusted"),
        ("::ffff:203.0.113.5", "drop ban"),
        ("2001:db8:2::1", "drop ban-prefix"),
        ("2001:db8:1::1", "pass trusted"),
    ] {
        all_get(&filter(toml), address, expected);
    }
}

#[test]
fn a_ban_in_the_shadow_of_trust_wakes_up_with_its_end() {
    let ban =
        SourceEntry { expires: FOREVER, shadowed_until: NOW + SECOND, kind: kind::BANNED, phones_or_mark: 0 };
    for net in ["192.0.2.9", "192.0.2.0/24"] {
        let mut memory = filter("");
        put(&mut memory, if net.contains('/') { net } else { "192.0.2.9/32" }, ban);
        all_get(&memory, "192.0.2.9", "pass trusted");
        memory.set_now(KernelTime::from_nanos(NOW + SECOND));
        all_get(&memory, "192.0.2.9", if net.contains('/') { "drop ban-prefix" } else { "drop ban" });
    }
}

#[test]
fn what_has_run_out_decides_nothing() {
    let mut memory = filter("banned = ['192.0.2.0/24']");
    let trust = SourceEntry { expires: NOW, kind: kind::TRUSTED, ..SourceEntry::default() };
    put(&mut memory, "192.0.2.9/32", trust);
    all_get(&memory, "192.0.2.9", "drop ban-prefix");
    put(&mut memory, "192.0.2.9/32", SourceEntry { expires: NOW + 1, ..trust });
    all_get(&memory, "192.0.2.9", "pass trusted");
}

#[test]
fn a_lock_down_drops_all_but_the_trusted() {
    let memory = filter("trusted = ['198.51.100.7']\ntrusted_only = true");
    all_get(&memory, "192.0.2.9", "drop trusted-only");
    all_get(&memory, "2001:db8::1", "drop trusted-only");
    all_get(&memory, "198.51.100.7", "pass trusted");
}

#[test]
fn monitor_mode_says_what_it_would_do() {
    let memory = filter("mode = 'monitor'\nbanned = ['192.0.2.9']");
    all_get(&memory, "192.0.2.9", "would drop ban");
    let register = one(&memory, "192.0.2.9", Kind::Register);
    assert!(!register.enforced);
    assert_eq!(
        register.sentence,
        "a REGISTER would drop, but passes in monitor mode: the source address is banned"
    );
    send(&memory, "192.0.2.7", Kind::Register, 70, 5060, false);
    let over = one(&memory, "192.0.2.7", Kind::Register);
    assert_eq!(short(&over), "would drop rate:register, 0 then rate:register");
}

#[test]
fn what_was_sent_is_gone_from_the_budget_and_forecasts_cost_nothing() {
    for address in ["192.0.2.9", "2001:db8:7::9"] {
        let memory = filter("");
        send(&memory, address, Kind::Register, 57, 5060, false);
        for _ in 0..3 {
            let register = one(&memory, address, Kind::Register);
            assert_eq!(short(&register), "pass request, 3 then rate:register");
            assert_eq!(
                register.sentence,
                "a REGISTER passes: no rule objects; 3 at once, then rate:register"
            );
        }
        send(&memory, address, Kind::Register, 7, 5060, false);
        assert_eq!(short(&one(&memory, address, Kind::Register)), "drop rate:register, 0 then rate:register");
        assert_eq!(short(&one(&memory, address, Kind::Invite)), "pass request, 20 then rate:invite");
        memory.set_now(KernelTime::from_nanos(NOW + 300 * SECOND));
        assert_eq!(short(&one(&memory, address, Kind::Register)), "pass request, 60 then rate:register");
    }
}

#[test]
fn what_a_limit_refuses_passes_when_it_is_said_to_and_not_before() {
    for (kind, count, wait) in [
        // Of a window of a minute, a sixtieth must have passed once more.
        (Kind::Register, 60, 61),
        // Ten a second.
        (Kind::Invite, 20, 1),
        // A flow is counted in its window of half a minute and in the next one.
        (Kind::NewPort, 16, 60),
    ] {
        let memory = filter(STRICT);
        send(&memory, "192.0.2.9", kind, count, 40_000, kind == Kind::NewPort);
        let refused = one(&memory, "192.0.2.9", kind);
        assert_eq!(refused.again_in, Some(Duration::from_secs(wait)), "{refused:?}");
        memory.set_now(KernelTime::from_nanos(
            NOW + wait * SECOND - if wait == 1 { SECOND } else { SECOND / 2 },
        ));
        assert_eq!(one(&memory, "192.0.2.9", kind).again_in, Some(Duration::from_secs(1)));
        memory.set_now(KernelTime::from_nanos(NOW + wait * SECOND));
        assert_eq!(one(&memory, "192.0.2.9", kind).action, Action::Pass);
    }
    let memory = filter("");
    send(&memory, "192.0.2.9", Kind::Register, 60, 5060, false);
    assert_eq!(
        one(&memory, "192.0.2.9", Kind::Register).sentence,
        "a REGISTER drops: REGISTER above the source's rate; there is room again in 1m1s"
    );
    assert_eq!(one(&memory, "192.0.2.9", Kind::Options).again_in, None, "no limit objects");
}

#[test]
fn an_ipv6_source_shares_the_budget_of_its_64_and_an_ipv4_one_that_of_its_24() {
    let memory = filter("[newcomers]\npackets = 'off'");
    send(&memory, "2001:db8:7::9", Kind::Register, 60, 5060, false);
    let fate = |address| short(&one(&memory, address, Kind::Register));
    assert_eq!(fate("2001:db8:7::77"), "drop rate:register, 0 then rate:register");
    assert_eq!(fate("2001:db8:7:1::9"), "pass request, 60 then rate:register");
    for (last, count) in [(1, 60), (2, 56)] {
        send(&memory, &format!("192.0.2.{last}"), Kind::Register, count, 5060, false);
    }
    assert_eq!(fate("192.0.2.9"), "pass request, 4 then prefix-rate:register");
    assert_eq!(fate("192.0.3.9"), "pass request, 60 then rate:register");
}

#[test]
fn a_newcomer_has_room_where_its_neighbours_flood() {
    let memory = filter("");
    for last in 1..=50 {
        send(&memory, &format!("192.0.2.{last}"), Kind::Keepalive, 21, 5060, false);
        send(&memory, &format!("192.0.2.{last}"), Kind::Register, 60, 5060, false);
    }
    let fate = |address| short(&one(&memory, address, Kind::Register));
    assert_eq!(fate("192.0.2.50"), "drop prefix-rate:register, 0 then prefix-rate:register");
    assert_eq!(fate("192.0.2.99"), "pass request, 20 then prefix-rate:register");
}

#[test]
fn a_phone_goes_on_where_new_ports_are_refused() {
    let memory = filter(STRICT);
    send(&memory, "192.0.2.9", Kind::Invite, 16, 40_000, true);
    let new = one(&memory, "192.0.2.9", Kind::NewPort);
    assert_eq!(short(&new), "drop flows, 0 then flows");
    let register = one(&memory, "192.0.2.9", Kind::Register);
    assert_eq!(short(&register), "pass request, 60 then rate:register");
    // The sentence about the ports is true.
    let judge = |kind: Kind, port| {
        let from = SocketAddr::new("192.0.2.9".parse().unwrap(), port);
        memory.judge(&kind.frame(from, Ports::of(memory.policy())).unwrap()).0.reason
    };
    assert_eq!(judge(Kind::NewPort, new.source_port), Reason::Flows);
    assert_eq!(judge(Kind::Register, register.source_port), Reason::Request);
}

#[test]
fn a_known_source_has_the_budget_of_all_its_phones() {
    let mut memory = filter("");
    let known = SourceEntry::known(3, FOREVER);
    put(&mut memory, "192.0.2.9/32", known);
    for (kind, expected) in [
        (Kind::Register, "pass request, 180 then rate:register"),
        (Kind::Options, "pass request, 60 then rate:options"),
        (Kind::NewPort, "pass request, 60 then rate:invite"),
    ] {
        assert_eq!(short(&one(&memory, "192.0.2.9", kind)), expected, "{kind:?}");
    }
}

#[test]
fn of_a_known_source_it_is_about_a_known_flow_but_for_new_ports() {
    let mut memory = filter("");
    let known = SourceEntry::known(1, FOREVER);
    put(&mut memory, "192.0.2.9/32", known);
    let know = |memory: &mut Memory, port, transport, expires| {
        let key = flow_key("192.0.2.9".parse().unwrap(), Flow { port, transport });
        memory.know_flow(key, KnownFlow { expires, phones: 1, ..KnownFlow::default() });
    };
    know(&mut memory, 4_000, Transport::Udp, NOW);
    know(&mut memory, 40_001, Transport::Udp, FOREVER);
    know(&mut memory, 40_002, Transport::Tcp, FOREVER);
    send(&memory, "192.0.2.9", Kind::Register, 60, 1_024, true);
    send(&memory, "192.0.2.9", Kind::Invite, 20, 1_024, true);
    for (kind, port, expected) in [
        (Kind::Register, 40_001, "pass request, 60 then rate:register"),
        (Kind::Invite, 40_001, "pass request, 20 then rate:invite"),
        (Kind::Connect, 40_002, "pass tcp-control, 20 then rate:connect"),
        (Kind::NewPort, 5_060, "drop rate:invite, 0 then rate:invite"),
    ] {
        let forecast = one(&memory, "192.0.2.9", kind);
        assert_eq!((forecast.source_port, short(&forecast).as_str()), (port, expected), "{kind:?}");
    }
}

#[test]
fn without_limits_there_is_always_room() {
    let memory = filter("[rate]\nregister = 'off'\n[prefix_rate]\nregister = 'off'");
    assert_eq!(short(&one(&memory, "192.0.2.9", Kind::Register)), "pass request");
}

#[test]
fn a_signature_is_named() {
    let text = "[[signature]]\nname = 'everybody'\nin = 'start-line'\ncontains = 'pbx.invalid'\n";
    let compiled = SignatureSet::parse(text, "test").unwrap().compile().unwrap();
    let policy = Config::parse("", "test").unwrap().resolve().unwrap().policy;
    let memory = Memory::new(policy, compiled.tables);
    let forecasts = forecasts(&memory, "192.0.2.9".parse().unwrap(), &compiled.names);
    assert_eq!(forecasts[0].signature.as_deref(), Some("everybody"));
    assert_eq!(forecasts[0].sentence, "a REGISTER drops: the signature everybody matches");
}

#[test]
fn only_open_ports_are_forecast() {
    let kinds = |ports: &str| {
        let forecasts = of(&filter(&format!("[ports]\n{ports}")), "192.0.2.9");
        forecasts.iter().map(|forecast| forecast.kind.name()).collect::<Vec<_>>().join(" ")
    };
    let messages = "register invite options dialog other response keepalive";
    assert_eq!(kinds("tcp = []\ntls = []"), format!("{messages} not-sip new-port"));
    assert_eq!(kinds("udp = []\ntls = []"), format!("{messages} connect"));
    assert_eq!(kinds("udp = []\ntcp = []"), "connect-tls");
    let over_tcp = of(&filter("[ports]\nudp = []"), "192.0.2.9");
    assert_eq!(short(&over_tcp[0]), "pass request, 60 then rate:register");
}
