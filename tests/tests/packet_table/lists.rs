//! Trusted, banned and known sources, and the modes of the filter.

use sipward_tests::filter_pair::FilterPair;
use sipward_tests::frame::{SYN, tcp, udp};
use sipward_tests::message::{clean, request};
use sipward_tests::wait::{much_later, sleep_until, soon};
use xdp_prog::abi::kind::{BANNED, KNOWN, TRUSTED};
use xdp_prog::abi::{FOREVER, SourceEntry};

use crate::{ENFORCE, verdicts};

#[test]
fn lists_come_first_and_trust_beats_bans() {
    let mut pair = FilterPair::new(ENFORCE);
    let clean = clean("REGISTER");
    let scan = request("OPTIONS", "friendly-scanner");
    pair.put("192.0.2.1", BANNED);
    pair.put("192.0.2.2", TRUSTED);
    pair.put("198.18.0.0/16", BANNED);
    pair.put("198.18.7.0/24", TRUSTED);
    pair.put("198.18.9.9", TRUSTED);
    pair.put("192.0.2.3", KNOWN);
    pair.put("198.18.7.7", KNOWN);
    pair.put("198.18.0.7", KNOWN);
    pair.put("2001:db8:1::1", BANNED);
    pair.put("2001:db8:2::/48", TRUSTED);
    pair.put("2001:db8:3::/64", BANNED);
    let from = |address: &str, payload: &str| udp().from(address).carrying(payload).build();
    for (address, payload, expected) in [
        ("192.0.2.1", &clean, "ban"),
        ("192.0.2.0", &clean, "request"),
        ("192.0.2.2", &scan, "trusted"),
        ("192.0.2.3", &scan.replace("friendly-scanner", "Yealink"), "request"),
        // From a port that is not known at its source.
        ("192.0.2.3", &scan, "signature:friendly-scanner"),
        ("198.18.0.1", &clean, "ban-prefix"),
        ("198.18.7.1", &scan, "trusted"),
        ("198.18.9.9", &scan, "trusted"),
        ("198.18.7.7", &scan, "trusted"),
        ("198.18.0.7", &clean, "ban-prefix"),
        ("198.19.0.1", &clean, "request"),
        ("2001:db8:1::1", &clean, "ban"),
        ("2001:db8:1::2", &clean, "request"),
        ("2001:db8:2:ffff::1", &scan, "trusted"),
        ("2001:db8:3::5", &clean, "ban-prefix"),
        ("2001:db8:3:1::5", &clean, "request"),
    ] {
        assert_eq!(pair.judge(&from(address, payload)), expected, "{address}");
        assert_eq!(pair.judge(&udp().from(address).to_port(4000).carrying(payload).build()), "other-port");
    }
}

#[test]
fn entries_end_by_themselves() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    let put = |pair: &mut FilterPair, expires| {
        for net in ["192.0.2.1", "2001:db8:9::/48"] {
            pair.put_entry(net, SourceEntry { expires, kind: BANNED, ..SourceEntry::default() });
        }
    };
    put(&mut pair, much_later().as_nanos());
    let frames =
        ["192.0.2.1", "2001:db8:9::1"].map(|from| udp().from(from).carrying(clean("INVITE")).build());
    assert_eq!(verdicts(&mut pair, &frames), ["ban", "ban-prefix"]);
    let expires = soon();
    put(&mut pair, expires.as_nanos());
    sleep_until(expires);
    assert_eq!(verdicts(&mut pair, &frames), ["request", "request"]);
}

#[test]
fn a_ban_in_the_shadow_of_a_trusted_prefix_sleeps() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    let entry =
        |shadowed_until| SourceEntry { expires: FOREVER, shadowed_until, kind: BANNED, phones_or_mark: 0 };
    pair.put_entry("192.0.2.1", entry(much_later().as_nanos()));
    let frame = udp().from("192.0.2.1").carrying(clean("OPTIONS")).build();
    assert_eq!(pair.judge(&frame), "trusted");
    let shadowed_until = soon();
    pair.put_entry("192.0.2.1", entry(shadowed_until.as_nanos()));
    sleep_until(shadowed_until);
    assert_eq!(pair.judge(&frame), "ban");
}

#[test]
fn lock_down_leaves_only_the_trusted() {
    let mut pair = FilterPair::new("mode = \"enforce\"\ntrusted_only = true\ntrusted = [\"192.0.2.99\"]\n");
    pair.put("192.0.2.2", TRUSTED);
    pair.put("192.0.2.3", KNOWN);
    let judge =
        |pair: &mut FilterPair, from: &str| pair.judge(&udp().from(from).carrying(clean("INVITE")).build());
    assert_eq!(judge(&mut pair, "192.0.2.2"), "trusted");
    assert_eq!(judge(&mut pair, "192.0.2.3"), "trusted-only");
    assert_eq!(judge(&mut pair, "192.0.2.4"), "trusted-only");
    assert_eq!(pair.judge(&tcp().to_port(22).flags(SYN).build()), "other-port", "ssh is never locked out");
}

#[test]
fn monitor_mode_counts_and_passes() {
    let mut pair = FilterPair::new("mode = \"monitor\"\n");
    pair.put("192.0.2.1", BANNED);
    // `judge` checks that the packet passes.
    assert_eq!(pair.judge(&udp().from("192.0.2.1").carrying(clean("INVITE")).build()), "ban");
    assert_eq!(pair.judge(&udp().carrying(clean("OPTIONS")).build()), "options-stranger");
    let counts = pair.filter().counters().unwrap();
    let ban = counts.iter().find(|count| count.reason.name() == "ban").unwrap();
    assert_eq!((ban.enforced.packets, ban.monitored.packets), (0, 1));
}
