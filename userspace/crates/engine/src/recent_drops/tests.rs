use std::time::Duration;

use proptest::prelude::*;
use xdp_prog::reason::Reason;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// `at`: since the start.
fn event(source: IpAddr, at: Duration, reason: Reason) -> DropEvent {
    DropEvent {
        at: KernelTime::START + at,
        source,
        source_port: 5060,
        destination: "203.0.113.1".parse().unwrap(),
        destination_port: 5060,
        protocol: 17,
        interface: 1,
        reason,
        signature: None,
        enforced: true,
        unseen: 0,
        frame_length: 0,
        head: Vec::new(),
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn v4(n: u32) -> IpAddr {
    IpAddr::V4(n.into())
}

/// The record keeps to its own rules.
fn check(recent_drops: &RecentDrops) {
    let RecentDrops { sources, regulars, newcomers, .. } = recent_drops;
    assert!(regulars.len() <= recent_drops.regulars_max);
    assert!(newcomers.len() <= recent_drops.newcomers_max);
    assert_eq!(sources.len(), regulars.len() + newcomers.len());
    for (score, key) in regulars {
        assert_eq!((sources[key].score, sources[key].place), (*score, Tier::Regular));
    }
    for (turn, key) in newcomers {
        assert_eq!(sources[key].place, Tier::Newcomer(*turn));
    }
}

#[test]
fn a_source_is_told_with_its_reasons_and_its_last_drops() {
    let mut recent_drops = RecentDrops::default();
    recent_drops.name_signatures(&["scanner".to_owned()]);
    let source = address("192.0.2.9");
    let frame =
        crate::forecast::frame::udp("192.0.2.9:5060".parse().unwrap(), 5060, b"OPTIONS sip:a SIP/2.0\r\n");
    for second in 0..20 {
        let reason = if second < 5 { Reason::Ban } else { Reason::RateRegister };
        recent_drops.see(&event(source, second * SECOND, reason));
    }
    let scan = DropEvent {
        signature: Some(0),
        enforced: false,
        frame_length: frame.len() as u32,
        head: frame,
        ..event(source, 20 * SECOND, Reason::Signature)
    };
    recent_drops.see(&scan);
    // Names that come later do not change what was.
    recent_drops.name_signatures(&["another".to_owned()]);

    let seen = recent_drops.of(source, KernelTime::START + 20 * SECOND).unwrap();
    assert_eq!((seen.source.to_string().as_str(), seen.address), ("192.0.2.9/32", source));
    assert_eq!(
        (seen.first, seen.last, seen.packets),
        (KernelTime::START, KernelTime::START + 20 * SECOND, 21)
    );
    assert!((20.0..21.0).contains(&seen.lately), "{}", seen.lately);
    let reasons: Vec<_> = seen.reasons.iter().map(|seen| (seen.reason, seen.packets)).collect();
    assert_eq!(reasons, [(Reason::RateRegister, 15), (Reason::Ban, 5), (Reason::Signature, 1)]);
    assert_eq!(seen.recent.len(), RECENT);
    assert_eq!(seen.recent[0].at, KernelTime::START + 5 * SECOND);
    let last = seen.recent.back().unwrap();
    assert_eq!(last.signature.as_deref(), Some("scanner"));
    assert_eq!(last.first_line.as_deref(), Some(&b"OPTIONS sip:a SIP/2.0"[..]));
    assert!(!last.enforced);

    let later = recent_drops.of(source, KernelTime::START + 20 * SECOND + 10 * MINUTE).unwrap();
    assert!((later.lately * 2.0 - seen.lately).abs() < 1e-6, "half of it ten minutes later");
    assert_eq!(recent_drops.of(address("192.0.2.8"), KernelTime::START), None);
}

#[test]
fn an_ipv6_source_is_its_64_and_an_ipv4_one_the_same_in_both_forms() {
    let mut recent_drops = RecentDrops::default();
    for text in ["2001:db8:1:2::1", "2001:db8:1:2::2", "2001:db8:1:3::1", "::ffff:192.0.2.9", "192.0.2.9"] {
        recent_drops.see(&event(address(text), SECOND, Reason::Ban));
    }
    let seen = recent_drops.of(address("2001:db8:1:2::77"), KernelTime::START + SECOND).unwrap();
    assert_eq!((seen.source.to_string().as_str(), seen.packets), ("2001:db8:1:2::/64", 2));
    assert_eq!(seen.address, address("2001:db8:1:2::2"));
    assert_eq!(recent_drops.of(address("192.0.2.9"), KernelTime::START + SECOND).unwrap().packets, 2);
}

#[test]
fn the_top_is_who_was_dropped_most_lately() {
    let mut recent_drops = RecentDrops::default();
    for (last, packets, minute) in [(1, 100, 0), (2, 30, 40), (3, 50, 40), (4, 1, 40), (5, 40, 39)] {
        for _ in 0..packets {
            recent_drops.see(&event(v4(last), minute * MINUTE, Reason::Ban));
        }
    }
    let top = |count| {
        recent_drops
            .top(count, KernelTime::START + 40 * MINUTE)
            .iter()
            .map(|seen| seen.address)
            .collect::<Vec<_>>()
    };
    assert_eq!(top(3), [3, 5, 2].map(v4));
    assert_eq!(top(10), [3, 5, 2, 1, 4].map(v4));
    assert!(top(0).is_empty());
}

#[test]
fn the_probe_is_nobody() {
    let mut recent_drops = RecentDrops::default();
    recent_drops.see(&event(address("100::1"), SECOND, Reason::Ban));
    assert!(recent_drops.top(10, KernelTime::START + SECOND).is_empty());
}

/// SplitMix64: sources that nobody could tell from real ones.
fn forged(n: u64) -> IpAddr {
    let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    if n.is_multiple_of(2) { v4((mixed >> 32) as u32) } else { IpAddr::V6((u128::from(mixed) << 64).into()) }
}

#[test]
fn a_million_forged_sources_do_not_push_out_those_who_keep_coming() {
    let mut recent_drops = RecentDrops::default();
    let [before, during, rare] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(address);
    recent_drops.see(&event(before, Duration::ZERO, Reason::OptionsStranger));
    recent_drops.see(&event(before, MINUTE, Reason::OptionsStranger));
    // A thousand new ones a second for a quarter of an hour.
    for n in 0..1_000_000_u32 {
        let at = 2 * MINUTE + n * SECOND / 1_000;
        recent_drops.see(&event(forged(n.into()), at, Reason::RateRegister));
        if n > 500_000 && n % 1_000 == 0 {
            recent_drops.see(&event(during, at, Reason::OptionsStranger));
        }
        if n == 100_000 {
            recent_drops.see(&event(rare, at, Reason::OptionsStranger));
        }
    }
    check(&recent_drops);
    assert_eq!(recent_drops.sources.len(), SOURCES / 4 + recent_drops.regulars.len());
    let now = KernelTime::START + 20 * MINUTE;
    assert_eq!(recent_drops.of(before, now).unwrap().packets, 2, "it was there before, and is silent");
    assert_eq!(recent_drops.of(during, now).unwrap().packets, 499, "it came in the midst of it");
    assert_eq!(recent_drops.of(rare, now), None, "it was told once, as the forged ones were");
    assert_eq!(recent_drops.top(1, now)[0].address, during);
}

#[test]
fn where_all_are_regulars_the_least_and_the_oldest_go_first() {
    // Six of them regulars.
    let mut recent_drops = RecentDrops::with_room(8);
    let mut tell = |source: u32, times: u32, minute: u32| {
        for _ in 0..times {
            recent_drops.see(&event(v4(source), minute * MINUTE, Reason::Ban));
            check(&recent_drops);
        }
        let mut regulars: Vec<_> = recent_drops.regulars.iter().map(|(_, source)| *source).collect();
        regulars.sort();
        regulars
    };
    for n in 1..=6 {
        tell(n, n + 1, 0);
    }
    assert_eq!(tell(100, 2, 1), [2, 3, 4, 5, 6, 100].map(v4), "the one with the lowest count is gone");
    assert_eq!(
        tell(101, 2, 1),
        [2, 3, 4, 5, 6, 100].map(v4),
        "no higher than the lowest: it has to come again"
    );
    assert_eq!(tell(101, 1, 1), [2, 3, 4, 5, 6, 101].map(v4));
    // Twice now weighs as much as sixteen times half an hour before.
    assert_eq!(tell(102, 2, 31), [3, 4, 5, 6, 101, 102].map(v4));
    assert_eq!(tell(103, 2, 31), [3, 4, 5, 6, 102, 103].map(v4));
}

proptest! {
    #[test]
    fn no_feed_breaks_the_bounds(
        room in 4..40usize,
        feed in prop::collection::vec((0..60u32, 0..3_600u32, 0..Reason::COUNT, prop::collection::vec(any::<u8>(), 0..200)), 0..400),
    ) {
        let mut recent_drops = RecentDrops::with_room(room);
        for (source, second, reason, payload) in feed {
            let frame = crate::forecast::frame::udp((v4(source), 5060).into(), 5060, &payload);
            let event = DropEvent {
                frame_length: frame.len() as u32,
                head: frame,
                ..event(v4(source), second * SECOND, Reason::ALL[reason])
            };
            recent_drops.see(&event);
            check(&recent_drops);
            let seen = recent_drops.of(v4(source), KernelTime::START + second * SECOND).expect("who was just seen is there");
            prop_assert!(seen.recent.len() <= RECENT);
            prop_assert!(seen.reasons.len() <= Reason::COUNT);
            prop_assert_eq!(seen.reasons.iter().map(|reason| reason.packets).sum::<u64>(), seen.packets);
            let line = seen.recent.back().and_then(|drop_seen| drop_seen.first_line.as_ref());
            prop_assert!(line.is_none_or(|line| line.len() <= LINE_MAX));
        }
        let top = recent_drops.top(room, KernelTime::START + 3_600 * SECOND);
        prop_assert_eq!(top.len(), recent_drops.sources.len());
        prop_assert!(top.is_sorted_by(|a, b| a.lately >= b.lately));
    }
}
