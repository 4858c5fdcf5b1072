//! For any packet, the kernel and replay have the same verdict. In any payload, the kernel finds the signatures that a plain
//! reading finds.

mod message;
mod naive;
mod packet;

use std::collections::BTreeMap;

use sipward_kernel::SuspensionTarget;
use sipward_tests::{
    filter_pair::{FilterPair, lift_limits},
    length::by_length,
    rng::Rng,
};
use sipward_types::account::Account;
use xdp_prog::abi::{
    FOREVER, Policy, RateLimit, SourceEntry,
    kind::{BANNED, KNOWN, TRUSTED},
};

const ENFORCE: &str = "mode = \"enforce\"\n";

/// Judges packets until there were enough, and answers how often each verdict was given.
fn judge(pair: &mut FilterPair) -> BTreeMap<String, usize> {
    let mut rng = Rng::from_clock();
    let mut verdicts = BTreeMap::new();
    let (mut packets, enough) = (0, by_length(5_000, 30_000));
    // An id is never used again: a dropped fragment is remembered for a time that the two clocks end a
    // little apart.
    for id in (0..u32::from(u16::MAX)).step_by(2) {
        for frame in packet::frames(&mut rng, id) {
            let _last = Last(packets, &frame);
            *verdicts.entry(pair.judge(&frame)).or_default() += 1;
            packets += 1;
        }
        if packets >= enough {
            break;
        }
    }
    println!("{verdicts:?}");
    verdicts
}

/// The packet in question, shown if its judges panic.
struct Last<'a>(usize, &'a [u8]);

impl Drop for Last<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self(number, frame) = self;
            let hex: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
            println!("packet {number}: {hex}");
        }
    }
}

/// A test that meets few verdicts tests little.
fn expect(verdicts: &BTreeMap<String, usize>, names: &[&str]) {
    let missing: Vec<_> = names.iter().filter(|name| !verdicts.contains_key(**name)).collect();
    assert!(missing.is_empty(), "no packet was {missing:?}");
}

/// The lists of the addresses that packets come from, with entries that have run out and entries in a shadow.
fn fill(pair: &mut FilterPair) {
    let entry = |kind| SourceEntry { expires: FOREVER, kind, ..SourceEntry::default() };
    let over = |kind| SourceEntry { expires: 1, ..entry(kind) };
    for (net, entry) in [
        ("192.0.2.1", entry(BANNED)),
        ("192.0.2.2", entry(TRUSTED)),
        ("192.0.2.3", SourceEntry::known(3, FOREVER)),
        ("192.0.2.4", over(BANNED)),
        ("192.0.2.5", SourceEntry { shadowed_until: FOREVER, ..entry(BANNED) }),
        ("198.18.0.0/16", entry(BANNED)),
        ("198.18.7.0/24", entry(TRUSTED)),
        ("198.18.8.0/24", over(TRUSTED)),
        ("2001:db8:1::1", entry(KNOWN)),
        ("2001:db8:2::/48", SourceEntry { shadowed_until: FOREVER, ..entry(BANNED) }),
        ("2001:db8:3::/64", entry(BANNED)),
        ("2001:db8:4::1", entry(99)),
    ] {
        pair.put_entry(net, entry);
    }
}

#[test]
fn kernel_and_replay_agree_on_what_one_packet_shows() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    fill(&mut pair);
    let verdicts = judge(&mut pair);
    expect(
        &verdicts,
        &[
            "not-ip",
            "other-port",
            "bad-ip",
            "fragment",
            "fragment-rest",
            "fragment-tiny",
            "trusted",
            "ban",
            "ban-prefix",
            "malformed",
            "keepalive",
            "response",
            "request",
            "stream",
            "tcp-control",
            "not-sip",
            "options-stranger",
            "signature:friendly-scanner",
            "signature:sipvicious-address",
            "signature:dialler-origin",
        ],
    );
}

#[test]
fn kernel_and_replay_agree_on_rates() {
    let mut pair = FilterPair::adjusted(ENFORCE, slow_rates);
    fill(&mut pair);
    let verdicts = judge(&mut pair);
    expect(&verdicts, &["request", "rate:register", "rate:dialog", "rate:other", "prefix-rate:response"]);
}

#[test]
fn kernel_and_replay_agree_on_flows() {
    let mut pair = FilterPair::adjusted(ENFORCE, |policy| {
        lift_limits(policy);
        (policy.flow_window, policy.flows_per_source, policy.flows_per_prefix) = (HOUR, 8, 24);
    });
    fill(&mut pair);
    expect(&judge(&mut pair), &["request", "flows", "flows-prefix"]);
}

#[test]
fn kernel_and_replay_agree_on_other_settings() {
    let settings = "mode = \"monitor\"\noptions = \"pass\"\nunknown_methods = \"drop\"\n";
    let mut pair = FilterPair::adjusted(settings, lift_limits);
    fill(&mut pair);
    expect(&judge(&mut pair), &["method-unknown", "ban", "request"]);
    let mut pair = FilterPair::adjusted(ENFORCE, |policy| policy.trusted_only = 1);
    fill(&mut pair);
    expect(&judge(&mut pair), &["trusted-only", "trusted", "ban"]);
}

#[test]
fn kernel_and_replay_agree_on_accounts() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    fill(&mut pair);
    pair.suspend(SuspensionTarget::account(None, &Account::new(b"201").unwrap()));
    expect(&judge(&mut pair), &["suspended", "request", "response"]);
}

/// In ticks: so slow that it does not matter which millisecond a clock shows.
const HOUR: u32 = 3_433_227;

fn slow_rates(policy: &mut Policy) {
    lift_limits(policy);
    let window = |max| RateLimit { window: HOUR, window_max: max, ..RateLimit::OFF };
    let bucket = |burst: u64| RateLimit { interval: 1 << 40, tolerance: burst << 40, ..RateLimit::OFF };
    policy.stranger = std::array::from_fn(|class| if class % 2 == 0 { window(2) } else { bucket(2) });
    policy.known = policy.stranger;
    policy.prefix = std::array::from_fn(|class| if class % 2 == 0 { bucket(9) } else { window(9) });
    // Few are newcomers for long, so that a neighbourhood's limit is met as well.
    policy.newcomer_packets = 2;
    policy.newcomers = std::array::from_fn(|class| if class % 2 == 0 { window(4) } else { bucket(4) });
}
