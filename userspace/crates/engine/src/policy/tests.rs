use std::{net::IpAddr, path::PathBuf, time::Duration};

use proptest::prelude::*;
use xdp_prog::{
    abi::{FOREVER, RateLimit, kind},
    form::Form,
    reason::Class,
};

use super::{Config, ConfigError, GuardPolicy, Mode, forms};
use crate::guard::{self, KnownSettings, Retries, Threshold};
use sipward_edge::{digest::HashFunction, forward::Reach, settings::Challenge};
use sipward_types::time::{Lifetime, format_duration};

const EXAMPLE: &str = include_str!("../../../../sipward.toml");

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, "sipward.toml")
}

/// The example with its commented settings made real: prose has a blank behind the `#`, settings have none.
fn uncommented() -> String {
    let setting = |line: &str| {
        line.strip_prefix('#').filter(|rest| !rest.is_empty() && !rest.starts_with(' ')).map(str::to_owned)
    };
    EXAMPLE.lines().map(|line| setting(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
}

#[test]
fn three_lines_are_enough() {
    let text = "interface = \"eth0\"\nmode = \"monitor\"\ntrusted = [\"192.0.2.1\"]\n";
    let expected = Config {
        interfaces: vec!["eth0".to_owned()],
        mode: Mode::Monitor,
        says_mode: true,
        trusted: vec!["192.0.2.1/32".parse().unwrap()],
        ..Config::default()
    };
    assert_eq!(parse(text).unwrap(), expected);
}

#[test]
fn an_empty_file_is_the_defaults() {
    assert_eq!(parse("").unwrap(), Config::default());
}

#[test]
fn the_example_is_three_settings_and_the_defaults() {
    let expected = Config {
        interfaces: vec!["eth0".to_owned()],
        mode: Mode::Monitor,
        says_mode: true,
        ..Config::default()
    };
    assert_eq!(parse(EXAMPLE).unwrap(), expected);
}

#[test]
fn the_examples_commented_settings_are_the_defaults() {
    let text = uncommented();
    let mut config = parse(&text).unwrap();
    assert_eq!(config.signatures.take(), Some(PathBuf::from("signatures.toml")));
    assert_eq!(config.group.take(), Some("sipward".to_owned()));
    assert!(std::mem::take(&mut config.says_trusted_only) && std::mem::take(&mut config.roles.says_feed));
    let edge = config.edge.take().expect("the settings without defaults are made");
    assert_eq!((edge.realm.as_str(), edge.listen.len()), ("sip.example.com", 2));
    assert_eq!((edge.challenge, edge.is_silent, edge.reach), (Challenge::default(), false, Reach::Contact));
    assert_eq!((edge.algorithms, edge.nonce_lifetime), (vec![HashFunction::Md5], Duration::from_secs(300)));
    assert_eq!(config, parse(EXAMPLE).unwrap());
}

/// A key that the example does not have is not documented.
#[test]
fn the_example_has_every_key() {
    let table: toml::Table = uncommented().parse().unwrap();
    let keys = |table: &toml::Table| table.keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        keys(&table),
        [
            "banned",
            "edge",
            "flows",
            "forms",
            "group",
            "guard",
            "guesses",
            "interface",
            "known_rate",
            "ledger",
            "mode",
            "newcomers",
            "options",
            "ports",
            "prefix_rate",
            "rate",
            "roles",
            "search_known",
            "signatures",
            "trusted",
            "trusted_only",
            "unknown_methods"
        ]
    );
    for (section, other) in
        [("rate", None), ("newcomers", Some("packets")), ("prefix_rate", None), ("known_rate", None)]
    {
        let mut classes: Vec<_> = Class::ALL.map(Class::name).into_iter().chain(other).collect();
        classes.sort_unstable();
        assert_eq!(keys(table[section].as_table().unwrap()), classes, "{section}");
    }
    assert_eq!(keys(table["flows"].as_table().unwrap()), ["per_prefix", "per_source", "preset", "window"]);
    assert_eq!(
        keys(table["forms"].as_table().unwrap()),
        ["blank_line", "ip_chain", "line_end", "names", "nul", "start_line", "tcp", "version"]
    );
    assert_eq!(keys(table["ports"].as_table().unwrap()), ["tcp", "tls", "udp"]);
    assert_eq!(
        keys(table["guard"].as_table().unwrap()),
        [
            "calls",
            "distributed",
            "known",
            "lock",
            "many_accounts",
            "neighbours",
            "persistent",
            "sequential",
            "spray",
            "suspend",
            "suspended"
        ]
    );
    assert_eq!(keys(table["roles"].as_table().unwrap()), ["all", "feed", "lists", "read"]);
    assert_eq!(keys(table["ledger"].as_table().unwrap()), ["share", "sources", "switch_off"]);
}

#[test]
fn each_mistake_gets_its_line_its_key_and_what_to_do() {
    for (text, expected) in [
        ("mode = ", "1: this is not TOML: string values must be quoted, expected literal string"),
        ("\nmode = \"observe\"", "2: mode: \"observe\" is not known here; write \"monitor\" or \"enforce\""),
        ("mode = 1", "1: mode: this is an integer; write \"monitor\" or \"enforce\""),
        ("mod = \"monitor\"", "1: mod: there is no such key; did you mean mode?"),
        (
            "colour = \"red\"",
            "1: colour: there is no such key; here are: banned, edge, flows, forms, group, guard, guesses, interface, known_rate, ledger, mode, \
             newcomers, options, ports, prefix_rate, rate, roles, search_known, signatures, trusted, trusted_only, unknown_methods",
        ),
        ("[rate]\nregistr = \"off\"", "2: rate.registr: there is no such key; did you mean register?"),
        (
            "[rate]\nregister = { maximum = 5 }",
            "2: rate.register.maximum: there is no such key; here are: burst, max, per_second, window",
        ),
        (
            "[ports]\nudp = [5060]\ntrusted = [\"192.0.2.1\"]",
            "3: ports.trusted: there is no such key; it belongs to the top of the file, before the first [table]",
        ),
        (
            "trusted = [\n  \"192.0.2.1\",\n  \"example.com\",\n]",
            "3: trusted: \"example.com\" is no address or prefix; write for example \"192.0.2.1\" or \
             \"192.0.2.0/24\"",
        ),
        (
            "trusted = \"192.0.2.1\"",
            "1: trusted: this is a string; write a list of addresses and prefixes, such as [\"192.0.2.1\", \
             \"2001:db8::/48\"]",
        ),
        (
            "trusted = [\"192.0.2.1/24\"]",
            "1: trusted: 192.0.2.1/24 has bits beyond its length; write 192.0.2.0/24 for the prefix or 192.0.2.1 \
             for the one address",
        ),
        (
            "trusted = [\"::/0\"]",
            "1: trusted: ::/0 holds every IPv4 address; to let everybody pass, use mode = \"monitor\"",
        ),
        (
            "banned = [\"0.0.0.0/0\"]",
            "1: banned: 0.0.0.0/0 holds every IPv4 address; to let only trusted sources in, use trusted_only = \
             true",
        ),
        (
            "banned = [\"192.0.2.7\"]\ntrusted = [\"192.0.2.0/24\"]",
            "1: banned: 192.0.2.7 would never be dropped, because trusted has 192.0.2.0/24; remove one of them",
        ),
        (
            "trusted = [\"::ffff:192.0.2.7\"]\nbanned = [\"192.0.2.7\"]",
            "2: banned: 192.0.2.7 would never be dropped, because trusted has 192.0.2.7; remove one of them",
        ),
        (
            "trusted_only = true",
            "1: trusted_only: no source is trusted, so nobody could call; fill trusted first",
        ),
        ("trusted_only = \"yes\"", "1: trusted_only: this is a string; write true or false"),
        ("interface = \"\"", "1: interface: \"\" cannot be the name of an interface; see `ip link`"),
        ("interface = [\"eth0\", \"eth0\"]", "1: interface: eth0 is named twice; remove one"),
        (
            "[ports]\nudp = []\ntcp = []\ntls = []",
            "2: ports.udp: no port is left to protect; name at least one in udp, tcp or tls",
        ),
        (
            "[ports]\ntcp = [5060, \"5061-5070\"]",
            "2: ports.tcp: port 5061 is in ports.tls too; a port speaks TLS or plain TCP, so take it out of one",
        ),
        (
            "[ports]\ntls = [5060]",
            "2: ports.tls: port 5060 is in ports.tcp too; a port speaks TLS or plain TCP, so take it out of one",
        ),
        ("[ports]\nudp = [0]", "2: ports.udp: 0 is out of range; write a whole number from 1 to 65535"),
        (
            "[ports]\nudp = [\"5070-5060\"]",
            "2: ports.udp: \"5070-5060\" is no range of ports; write for example \"5060-5070\"",
        ),
        (
            "[ports]\ntcp = [\"1-1024\"]",
            "2: ports.tcp: port 22 is ssh, and a ban would lock you out; leave it to its own protection",
        ),
        (
            "[flows]\nper_source = 193",
            "2: flows.per_source: 193 is out of range; write a whole number from 1 to 192",
        ),
        (
            "[flows]\nper_source = 0",
            "2: flows.per_source: 0 would let nothing pass; write \"off\" for no limit, or a number of at least 1",
        ),
        (
            "[flows]\npreset = \"strict\"\nper_source = 40",
            "3: flows.per_source: one source may have 40 flows but its whole prefix only 30; raise per_prefix or \
             write \"off\" there",
        ),
        (
            "[flows]\npreset = \"stern\"",
            "2: flows.preset: \"stern\" is not known here; write \"default\" or \"strict\"",
        ),
        (
            "[newcomers]\npackets = 0",
            "2: newcomers.packets: 0 is out of range; write a whole number from 1 to 10000",
        ),
        (
            "[flows]\nwindow = \"30\"",
            "2: flows.window: \"30\" is no length of time; write for example 90s, 10m, 1h30m or 1d",
        ),
        ("[flows]\nwindow = \"2d\"", "2: flows.window: 2d is out of range; write 1s to 1d"),
        (
            "[rate]\nregister = { max = 0 }",
            "2: rate.register.max: 0 would let nothing pass; write \"off\" for no limit, or a number of at least 1",
        ),
        (
            "[rate]\nregister = { max = 60001 }",
            "2: rate.register.max: 60001 is out of range; write a whole number from 1 to 60000",
        ),
        ("[rate]\nregister = 5", "2: rate.register: this is an integer; write a table"),
        ("[rate]\nregister = \"none\"", "2: rate.register: \"none\" is not known here; write \"off\""),
        (
            "[rate.invite]\nburst = 0",
            "2: rate.invite.burst: 0 is out of range; write a whole number from 1 to 1000000",
        ),
        (
            "[rate.invite]\nper_second = \"off\"\nburst = 5",
            "3: rate.invite.burst: this does nothing without per_second; give a number there or remove this",
        ),
        (
            "[rate.register]\nper_second = 5",
            "2: rate.register.per_second: this needs burst beside it; add burst",
        ),
        (
            "[prefix_rate.invite]\nper_second = 20000",
            "1: prefix_rate.invite.burst: a burst of 120 cannot carry 20000 a second; write 200 or more",
        ),
        (
            "[rate.register]\nmax = 300",
            "1: rate: one source may send more register than its whole prefix; raise prefix_rate.register or \
             lower rate.register",
        ),
        (
            "mode = \"enforce\"\n[known_rate.register]\nmax = 5",
            "2: known_rate: a known source may send less register than a stranger; raise known_rate.register or \
             leave it out, or lower rate.register",
        ),
        (
            "[rate]\ninvite = \"off\"\n[prefix_rate]\ninvite = \"off\"\n[known_rate]\n\
             invite = { per_second = 100, burst = 200 }",
            "5: known_rate: a known source may send less invite than a stranger; raise known_rate.invite or \
             leave it out, or lower rate.invite",
        ),
        (
            "[known_rate]\nregister = { max = 240, window = \"10m\" }",
            "1: known_rate: a known source may send less register than a stranger; raise known_rate.register or \
             leave it out, or lower rate.register",
        ),
        (
            "signatures = \"\"",
            "1: signatures: this is empty; name a file, or remove the key for the set that comes with sipward",
        ),
        (
            "[guard]\nsuspend = { retries = 0 }",
            "2: guard.suspend.retries: 0 is out of range; write a whole number from 1 to 100",
        ),
        (
            "[guard]\nsuspend = { retries = 101 }",
            "2: guard.suspend.retries: 101 is out of range; write a whole number from 1 to 100",
        ),
        ("[guard.calls]\ntime = \"59s\"", "2: guard.calls.time: 59s is out of range; write 1m to 1d"),
        ("[guard.calls]\ntime = \"1d1s\"", "2: guard.calls.time: 1d1s is out of range; write 1m to 1d"),
        ("[guard]\nsuspend = 6", "2: guard.suspend: this is an integer; write a table"),
        ("[guard]\nlock = \"on\"", "2: guard.lock: \"on\" is not known here; write \"off\""),
        (
            "[guard]\nlock = { count = 1 }",
            "2: guard.lock.count: 1 is out of range; write a whole number from 2 to 100",
        ),
        (
            "[guard]\nspray = { within = \"8d\" }",
            "2: guard.spray.within: 8d is out of range; write 10s to 7d",
        ),
        (
            "[guard]\nspray = { lasts = \"400d\" }",
            "2: guard.spray.lasts: 400d is out of range; write 1m to 365d, or \"forever\"",
        ),
        (
            "[guard]\nspray = { lasts = \"ever\" }",
            "2: guard.spray.lasts: \"ever\" is no length of time; write for example 90s, 10m, 1h30m or 1d",
        ),
        ("[guard]\nspray = { cuont = 5 }", "2: guard.spray.cuont: there is no such key; did you mean count?"),
        ("[guard]\nsuspnd = \"off\"", "2: guard.suspnd: there is no such key; did you mean suspend?"),
        (
            "[guard]\nmode = \"off\"",
            "2: guard.mode: there is no such key; it belongs to the top of the file, before the first [table]",
        ),
        (
            "[guard]\nsuspended = \"reject\"",
            "2: guard.suspended: \"reject\" is not known here; write \"drop\" or \"pass\"",
        ),
        (
            "[guard]\nknown = { phones = 201 }",
            "2: guard.known.phones: 201 is out of range; write a whole number from 1 to 200",
        ),
        ("[guard]\nknown = { grace = \"2d\" }", "2: guard.known.grace: 2d is out of range; write 0s to 1d"),
        ("[guard]\nknown = { worked = \"5s\" }", "2: guard.known.worked: 5s is out of range; write 1m to 7d"),
        (
            "[guard]\nsuspend = \"off\"\ncalls = \"off\"\npersistent = { count = 3 }",
            "4: guard.persistent: this counts suspensions, and suspend and calls are off; switch one of them on, or \
             write persistent = \"off\"",
        ),
        (
            "[guard]\nneighbours = { count = 3 }\nmany_accounts = \"off\"\nsequential = \"off\"\nspray = \
             \"off\"\nsuspend = \"off\"\ncalls = \"off\"",
            "2: guard.neighbours: this counts banned sources, and no rule is on that bans one; switch on \
             many_accounts, sequential, spray or persistent, or write neighbours = \"off\"",
        ),
        ("[ledger]\nshare = 0", "2: ledger.share: 0 is out of range; write a whole number from 1 to 100"),
        (
            "[ledger]\nsources = 1001",
            "2: ledger.sources: 1001 is out of range; write a whole number from 1 to 1000",
        ),
        ("[ledger]\nswitch_off = \"yes\"", "2: ledger.switch_off: this is a string; write true or false"),
        ("mode = \"monitor\"\nmode = \"enforce\"", "2: this is not TOML: duplicate key"),
    ] {
        let error = parse(text).expect_err(text).to_string();
        assert_eq!(error, format!("sipward.toml:{expected}"), "{text}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::load("/nonexistent/sipward.toml".as_ref()).unwrap_err().to_string();
    assert_eq!(
        error,
        "/nonexistent/sipward.toml: cannot read the configuration: No such file or directory: check the path"
    );
}

#[test]
fn a_value_that_is_left_out_keeps_its_default() {
    let config = parse("[rate.invite]\nper_second = 20\n[flows]\nper_source = \"off\"").unwrap();
    let invite = config.rate.of(Class::Invite);
    assert_eq!(invite.bucket.map(|bucket| (bucket.per_second, bucket.burst)), Some((20, 20)));
    assert_eq!(config.rate.of(Class::Other), Config::default().rate.of(Class::Other));
    assert_eq!((config.flows.per_source, config.flows.per_prefix), (None, None));
}

#[test]
fn off_turns_off_one_style_or_both() {
    let text = "[rate]\nregister = { max = \"off\", per_second = 1, burst = 5 }\ninvite = \"off\"";
    let config = parse(text).unwrap();
    let register = config.rate.of(Class::Register);
    assert!(register.window.is_none() && register.bucket.is_some());
    let policy = config.resolve().unwrap().policy;
    assert_eq!(policy.stranger[Class::Invite as usize], RateLimit::OFF);
}

#[test]
fn a_rule_of_the_guard_is_off_or_has_numbers_and_the_rest_of_its_defaults() {
    let default = Config::default().guard.settings;
    let text = "suspend = \"off\"\nlock = {}\nspray = { count = 100, lasts = \"forever\" }\nknown = { grace = \"0s\" }";
    let config = parse(&format!("[guard]\nsuspended = \"pass\"\n{text}")).unwrap();
    let expected = GuardPolicy {
        settings: guard::Settings {
            suspend: Retries { on: false, ..default.suspend },
            lock: Threshold { on: true, ..default.lock },
            spray: Threshold { count: 100, lasts: Lifetime::Forever, ..default.spray },
            known: KnownSettings { grace: Duration::ZERO, ..default.known },
            ..default
        },
        passes_suspended: true,
    };
    assert_eq!(config.guard, expected);
    assert_eq!(config.resolve().unwrap().guard, expected);
}

#[test]
fn every_setting_of_the_guard_is_taken_at_both_ends_of_its_range() {
    for text in [
        "suspend = { retries = 1, time = \"60s\" }\ncalls = { retries = 100, time = \"86400s\" }",
        "lock = { count = 2, within = \"10s\", lasts = \"1m\" }\nspray = { count = 100, within = \"7d\", lasts = \"365d\" }",
        "known = { phones = 1, grace = \"0s\", worked = \"1m\" }",
        "known = { phones = 200, grace = \"1d\", worked = \"7d\" }",
    ] {
        parse(&format!("[guard]\n{text}")).expect(text);
    }
    for text in ["share = 1\nsources = 1", "share = 100\nsources = 1000\nswitch_off = true"] {
        parse(&format!("[ledger]\n{text}")).expect(text);
    }
}

/// The sentences of the example of rules that are off.
#[test]
fn the_numbers_of_rules_that_are_off_are_those_of_the_example() {
    let settings = Config::default().guard.settings;
    for (threshold, said) in [
        (settings.lock, "{ count = 5, within = \"30m\", lasts = \"30m\" }"),
        (settings.neighbours, "{ count = 8, within = \"1d\", lasts = \"1d\" }"),
    ] {
        let Threshold { on, count, within, lasts } = threshold;
        let within = format_duration(within);
        assert!(!on);
        assert_eq!(format!("{{ count = {count}, within = \"{within}\", lasts = \"{lasts}\" }}"), said);
        let example = EXAMPLE.replace("\n# ", " ");
        assert!(example.contains(&format!("A table without numbers is {said}")), "{said}");
    }
}

#[test]
fn the_defaults_resolve_to_what_the_meters_take() {
    let policy = Config::default().resolve().unwrap().policy;
    assert_eq!((policy.enforce, policy.trusted_only), (1, 0));
    assert_eq!((policy.drop_options, policy.drop_unknown_methods), (1, 0));
    assert_eq!((policy.flows_per_source, policy.flows_per_prefix, policy.newcomer_packets), (100, 0, 20));
    assert_eq!(policy.forms, Form::EVERY);
    let minute = (60_000_000_000u64 >> 20) as u32;
    assert_eq!(policy.flow_window, minute / 2);
    assert_eq!(
        policy.stranger[Class::Register as usize],
        RateLimit { interval: 0, tolerance: 0, window: minute, window_max: 240 }
    );
    assert_eq!(
        policy.stranger[Class::Invite as usize],
        RateLimit { interval: 100_000_000, tolerance: 2_000_000_000, window: 0, window_max: 0 }
    );
    assert!(policy.udp.has(5060) && policy.tcp.has(5060) && policy.tls.has(5061));
    assert!(!policy.udp.has(5061) && !policy.tcp.has(5061) && !policy.tls.has(5060));
    assert_eq!(policy.udp.0.iter().map(|byte| byte.count_ones()).sum::<u32>(), 1);
}

#[test]
fn each_form_has_a_switch_of_its_own() {
    let mut bits = 0;
    for (key, form) in forms::KEYS {
        let policy = parse(&format!("[forms]\n{key} = \"pass\"")).unwrap().resolve().unwrap().policy;
        assert_eq!(policy.forms, Form::EVERY & !form.bit(), "{key}");
        assert_eq!(form.reason().name(), format!("form:{}", key.replace('_', "-")));
        bits |= form.bit();
    }
    assert_eq!(bits, Form::EVERY);
}

#[test]
fn ranges_hold_both_ends() {
    let config = parse("[ports]\nudp = [\"5060-5062\", 65535]\ntcp = []\ntls = []").unwrap();
    let policy = config.resolve().unwrap().policy;
    let ports: Vec<u16> = (0..=u16::MAX).filter(|port| policy.udp.has(*port)).collect();
    assert_eq!(ports, [5060, 5061, 5062, 65535]);
}

#[test]
fn lists_that_the_filter_has_no_room_for_are_refused() {
    let text = |count: u32| {
        let net = |n: u32| format!("\"{}/24\"", std::net::Ipv4Addr::from(0x0b00_0000 + (n << 8)));
        format!("banned = [{}]", (0..count).map(net).collect::<Vec<_>>().join(","))
    };
    assert!(Config::parse(&text(65_535), "test").is_ok());
    let error = Config::parse(&text(65_536), "test").unwrap_err().to_string();
    let expected = "test:1: banned: there are 65536 prefixes here and room for 65535 in the filter; ";
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn sources_become_entries_that_stay() {
    let text = "trusted = [\"192.0.2.1\", \"2001:db8::/48\"]\nbanned = [\"192.0.2.0/24\"]";
    let resolved = parse(text).unwrap().resolve().unwrap();
    let entries: Vec<_> = resolved.entries().map(|(net, entry)| (net.to_string(), entry.kind)).collect();
    let expected =
        [("192.0.2.1/32", kind::TRUSTED), ("2001:db8::/48", kind::TRUSTED), ("192.0.2.0/24", kind::BANNED)];
    assert_eq!(entries, expected.map(|(net, kind)| (net.to_owned(), kind)));
    assert!(resolved.entries().all(|(_, entry)| entry.expires == FOREVER && entry.shadowed_until == 0));
}

#[test]
fn a_signature_file_is_beside_the_configuration() {
    let directory = std::env::temp_dir().join(format!("sipward-policy-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("sipward.toml");
    std::fs::write(&path, "signatures = \"own.toml\"").unwrap();
    let config = Config::load(&path).unwrap();
    assert_eq!(config.signatures, Some(directory.join("own.toml")));
    let error = config.resolve().unwrap_err().to_string();
    assert!(error.contains("own.toml"), "{error}");
    std::fs::remove_dir_all(&directory).unwrap();
}

/// The numbers of the usual guides have a name, and each of them may still be said otherwise.
#[test]
fn the_strict_preset_has_ten_flows_for_an_address_and_thirty_for_its_neighbours() {
    let flows = |text: &str| {
        let policy = parse(text).unwrap().resolve().unwrap().policy;
        (policy.flows_per_source, policy.flows_per_prefix)
    };
    assert_eq!(flows("[flows]\npreset = \"strict\""), (10, 30));
    assert_eq!(flows("[flows]\npreset = \"strict\"\nper_prefix = \"off\""), (10, 0));
    assert_eq!(flows("[flows]\npreset = \"default\""), flows(""));
}

/// Limits that no phone and no small PBX may ever run into.
#[test]
fn the_defaults_leave_room_for_a_bad_day() {
    let config = Config::default();
    let register = config.rate.of(Class::Register).window.unwrap();
    // Two accounts on one phone, each challenged, each sent twice after a lost answer.
    assert!(register.max >= 8 && register.length <= Duration::from_secs(60));
    // Sixty busy-lamp keys, each subscription challenged once.
    let other = config.rate.of(Class::Other).bucket.unwrap();
    assert!(other.burst + other.per_second >= 2 * 60);
    for class in Class::ALL {
        let (stranger, known) = (config.rate.of(class), config.known_rate.of(class));
        let more =
            |stranger: Option<u32>, known: Option<u32>| known.unwrap_or(u32::MAX) >= stranger.unwrap_or(0);
        assert!(more(stranger.bucket.map(|b| b.per_second), known.bucket.map(|b| b.per_second)), "{class:?}");
        assert!(more(stranger.window.map(|w| w.max), known.window.map(|w| w.max)), "{class:?}");
    }
}

#[test]
fn who_is_known_is_never_slower_than_a_stranger_whatever_is_left_out() {
    let limits = |text: &str, class| {
        let config = parse(&format!("{text}\n[prefix_rate]\nregister = \"off\"\ninvite = \"off\"")).unwrap();
        (config.rate.of(class), config.known_rate.of(class))
    };
    let (_, off) = limits("[rate]\nregister = \"off\"", Class::Register);
    assert_eq!((off.bucket, off.window), (None, None), "nor has it a limit where a stranger has none");
    let (_, other) = limits("[rate]\nregister = \"off\"", Class::Invite);
    assert_eq!(other, Config::default().known_rate.of(Class::Invite), "only of what was said");
    for text in [
        "[rate]\nregister = { max = 300 }",
        "[rate]\nregister = { max = 50, window = \"10s\" }",
        "[rate]\nregister = { max = \"off\", per_second = 50, burst = 100 }",
    ] {
        let (stranger, known) = limits(text, Class::Register);
        assert_eq!(known, stranger, "{text}");
    }
    let (stranger, known) = limits("[rate]\ninvite = { per_second = 50, burst = 60 }", Class::Invite);
    assert_eq!(known, stranger);
    let (_, known) = limits("[rate]\nregister = { max = 15 }", Class::Register);
    assert_eq!(known.window.map(|window| window.max), Some(240), "what is more already stays");
}

proptest! {
    #[test]
    fn any_text_is_a_configuration_or_an_error_with_a_line(text in "[a-z_=\\[\\]{}\", 0-9.\n#-]{0,200}") {
        match parse(&text) {
            Ok(config) => { config.resolve().unwrap(); }
            Err(error) => prop_assert!(error.to_string().starts_with("sipward.toml:"), "{error}"),
        }
    }

    #[test]
    fn any_value_of_a_known_key_is_taken_or_refused(
        key in prop::sample::select(vec![
            "interface", "mode", "trusted", "banned", "options", "ports.udp", "ports.tls", "flows.per_source",
            "flows.window", "rate.invite", "rate.invite.per_second", "rate.register.window", "signatures",
            "guard.suspend", "guard.suspend.time", "guard.spray.lasts", "guard.known", "ledger.share",
        ]),
        value in prop_oneof![
            any::<i64>().prop_map(|number| number.to_string()),
            any::<f64>().prop_map(|number| format!("{number:?}")),
            "[ -~]{0,12}".prop_map(|text| format!("{text:?}")),
            any::<IpAddr>().prop_map(|address| format!("[\"{address}\"]")),
            prop::sample::select(vec!["[]", "{}", "1979-05-27", "true"]).prop_map(str::to_owned),
        ],
    ) {
        if let Err(error) = parse(&format!("{key} = {value}")) {
            prop_assert!(error.to_string().lines().count() == 1, "{error}");
        }
    }
}

const EDGE: &str = "[edge]\nlisten = 'udp:192.0.2.1:5060'\ninner = '127.0.0.1:5070'\npbx = '127.0.0.1:5080'\nrealm = 'pbx'\n";

#[test]
fn with_an_edge_suspended_accounts_pass_so_that_it_answers_them() {
    assert!(!parse("").unwrap().guard.passes_suspended);
    assert!(parse(EDGE).unwrap().guard.passes_suspended);
    let drops = format!("{EDGE}[guard]\nsuspended = 'drop'\n");
    assert!(!parse(&drops).unwrap().guard.passes_suspended);
}

/// In the list of what breaks it is the 24th: no phone is told an address that it cannot reach.
#[test]
fn breaks_24_an_edge_that_listens_everywhere_needs_a_name() {
    for (everywhere, name, advertised) in
        [("0.0.0.0", "sip.example.com", "sip.example.com"), ("[::]", "2001:db8::5", "[2001:db8::5]")]
    {
        let text = EDGE.replace("192.0.2.1", everywhere);
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.starts_with("sipward.toml:2: edge.listen: phones cannot reach"), "{error}");
        assert!(error.contains("into `name`"), "{error}");
        let edge = parse(&format!("{text}name = '{name}'\n")).unwrap().edge.unwrap();
        assert_eq!(edge.listen[0].advertised, advertised);
    }
}

#[test]
fn an_edge_needs_all_that_has_no_default_and_ports_of_its_own() {
    for (from, to, expected) in [
        ("realm = 'pbx'\n", "", "1: edge.realm: the edge needs this"),
        ("pbx = '127.0.0.1:5080'\n", "", "1: edge.pbx: the edge needs this"),
        ("5080", "5070", "4: edge.pbx: this is the edge's own address"),
        ("127.0.0.1:5070", "192.0.2.1:5060", "3: edge.inner: 192.0.2.1:5060 is in `listen`, too"),
        ("127.0.0.1:5070", "0.0.0.0:5070", "3: edge.inner: the PBX needs one address"),
        ("127.0.0.1:5070", "[::1]:5070", "3: edge.inner: this and `pbx` have to be of the same IP version"),
        ("127.0.0.1:5080", "127.0.0.1:0", "4: edge.pbx: \"127.0.0.1:0\" is no address with a port"),
        (
            "realm = 'pbx'",
            "realm = 'pbx'\nalgorithms = []",
            "6: edge.algorithms: without an algorithm nobody",
        ),
        ("realm = 'pbx'", "realm = 'pbx'\nname = '0.0.0.0'", "6: edge.name: phones cannot reach 0.0.0.0"),
        ("realm = 'pbx'", "realm = 'pbx'\nname = 'a.example:5060'", "6: edge.name: a name has no port here"),
        (
            "udp:192.0.2.1:5060",
            "sctp:192.0.2.1:5060",
            "2: edge.listen: \"sctp:192.0.2.1:5060\" does not begin",
        ),
        ("udp:192.0.2.1:5060", "udp:pbx:5060", "2: edge.listen: \"pbx:5060\" is no address"),
    ] {
        let error = parse(&EDGE.replace(from, to)).unwrap_err().to_string();
        assert!(error.starts_with(&format!("sipward.toml:{expected}")), "{error}");
    }
}

/// In the list of what breaks it is the 22nd.
#[test]
fn breaks_22_an_edge_listens_once_at_each_address() {
    let twice = EDGE.replace("'udp:192.0.2.1:5060'", "['udp:192.0.2.1:5060', 'udp:192.0.2.1:5060']");
    let error = parse(&twice).unwrap_err().to_string();
    assert!(
        error.starts_with("sipward.toml:2: edge.listen: udp:192.0.2.1:5060 is named twice; remove one"),
        "{error}"
    );
    let both = EDGE.replace("'udp:192.0.2.1:5060'", "['udp:192.0.2.1:5060', 'tcp:192.0.2.1:5060']");
    assert_eq!(parse(&both).unwrap().edge.unwrap().listen.len(), 2);
}
