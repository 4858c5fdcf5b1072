use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{rule::ROOM, *};

const NOW: WallSeconds = WallSeconds::new(1_795_000_000);
/// In seconds, as the offsets of the tests.
const DAY: i64 = 86_400;
const KEY: u64 = 0x5eed;

/// So many seconds from now.
fn at(offset: i64) -> WallSeconds {
    WallSeconds::new(NOW.get().strict_add_signed(offset))
}

fn false_positives() -> FalsePositives {
    FalsePositives::new(Settings::default(), KEY)
}

fn v4(number: u32) -> IpAddr {
    std::net::Ipv4Addr::from(0x0a00_0000 + number).into()
}

fn counts(false_positives: &FalsePositives, rule: &str) -> (u64, u64) {
    let tally = false_positives.tallies().get(rule).copied().unwrap_or_default();
    (tally.sources, tally.authenticated)
}

#[test]
fn only_who_authenticates_within_a_day_after_a_drop_speaks_against_the_rule() {
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    let (ours, theirs) = (address("192.0.2.1"), address("192.0.2.2"));
    let (phone, same_64, other_64) =
        (address("2001:db8::1"), address("2001:db8::2"), address("2001:db8:0:1::1"));
    for (what, source, drops, who, succeeded, expected) in [
        ("at once", ours, &[NOW][..], ours, NOW, 1),
        ("a moment before the drop was read", ours, &[NOW], ours, at(-1), 1),
        ("long before", ours, &[NOW], ours, at(-2), 0),
        ("a day later", ours, &[NOW], ours, at(DAY), 1),
        ("more than a day later", ours, &[NOW], ours, at(DAY + 1), 0),
        ("a day after the last of them", ours, &[NOW, at(60)], ours, at(60 + DAY), 1),
        ("somebody else", ours, &[NOW], theirs, NOW, 0),
        ("never dropped", ours, &[], ours, NOW, 0),
        ("another address of the /64", phone, &[NOW], same_64, at(1), 1),
        ("another /64", phone, &[NOW], other_64, at(1), 0),
    ] {
        let mut false_positives = false_positives();
        drops.iter().for_each(|at| false_positives.dropped("flows", source, *at));
        false_positives.authenticated(who, succeeded);
        assert_eq!(counts(&false_positives, "flows"), (u64::from(!drops.is_empty()), expected), "{what}");
    }
}

#[test]
fn who_attacked_before_speaks_against_no_rule() {
    for (attacked, succeeded, expected) in [(at(1), at(2), 0), (NOW, at(DAY), 0), (at(-60), at(DAY), 1)] {
        let mut false_positives = false_positives();
        false_positives.dropped("rate:register", v4(1), NOW);
        false_positives.attacked(v4(1), attacked);
        false_positives.tick(NOW);
        false_positives.authenticated(v4(1), succeeded);
        assert_eq!(counts(&false_positives, "rate:register"), (1, expected), "{attacked:?}");
    }
    let mut false_positives = false_positives();
    false_positives.dropped("rate:register", v4(1), NOW);
    (0..10_000).for_each(|n| false_positives.attacked(v4(2 + n), at(n.into())));
    assert_eq!(false_positives.attackers.len(), ATTACKERS);
    false_positives.authenticated(v4(1), at(1));
    assert_eq!(counts(&false_positives, "rate:register"), (1, 1), "a neighbour of many attackers");
}

#[test]
fn a_success_speaks_against_each_rule_that_dropped_the_source_and_no_other() {
    let mut false_positives = false_positives();
    false_positives.dropped("options-stranger", v4(1), NOW);
    false_positives.dropped("signature:own", v4(1), NOW);
    false_positives.dropped("flows", v4(2), NOW);
    for again in 0..3 {
        false_positives.authenticated(v4(1), at(again));
    }
    assert_eq!(counts(&false_positives, "options-stranger"), (1, 1));
    assert_eq!(counts(&false_positives, "signature:own"), (1, 1));
    assert_eq!(counts(&false_positives, "flows"), (1, 0));
}

#[test]
fn what_is_over_is_forgotten_after_a_day() {
    let mut false_positives = false_positives();
    false_positives.dropped("flows", v4(1), NOW);
    false_positives.dropped("flows", v4(2), NOW);
    false_positives.authenticated(v4(2), at(60));
    false_positives.tick(at(DAY));
    assert_eq!(counts(&false_positives, "flows"), (2, 1));
    false_positives.tick(at(DAY + 60));
    assert_eq!(counts(&false_positives, "flows"), (1, 1), "a day after the success");
    false_positives.tick(at(DAY + 61));
    assert!(false_positives.tallies().is_empty());
}

#[test]
fn a_rule_is_flagged_at_its_share_and_its_number_and_told_once() {
    let settings = Settings { share: 10, sources: 3, switch_off: false };
    for (sources, authenticated, flagged) in
        [(30, 3, true), (31, 3, false), (2, 2, false), (3, 3, true), (100, 9, false), (100, 10, true)]
    {
        let mut false_positives = FalsePositives::new(settings, KEY);
        (0..sources).for_each(|n| false_positives.dropped("flows", v4(n), NOW));
        (0..authenticated).for_each(|n| false_positives.authenticated(v4(n), NOW));
        let told = false_positives.newly_flagged();
        assert_eq!(told.len(), usize::from(flagged), "{authenticated} of {sources}");
        assert!(told.iter().all(|(rule, tally)| rule == "flows" && tally.flagged));
        assert_eq!(false_positives.newly_flagged(), []);
    }
}

#[test]
fn a_flag_does_not_flutter() {
    let mut false_positives = FalsePositives::new(Settings { share: 10, sources: 3, switch_off: false }, KEY);
    (0..30).for_each(|n| false_positives.dropped("flows", v4(n), NOW));
    (0..3).for_each(|n| false_positives.authenticated(v4(n), NOW));
    assert_eq!(false_positives.newly_flagged().len(), 1);
    for sources in 30..60 {
        false_positives.dropped("flows", v4(sources), NOW);
        assert_eq!(false_positives.newly_flagged(), []);
        assert!(false_positives.tallies()["flows"].flagged, "{sources}");
    }
    false_positives.dropped("flows", v4(60), NOW);
    assert!(!false_positives.tallies()["flows"].flagged, "less than half of it");
    assert_eq!(false_positives.newly_flagged(), []);
    (3..7).for_each(|n| false_positives.authenticated(v4(n), NOW));
    assert_eq!(false_positives.newly_flagged().len(), 1, "again");
}

/// A hundred thousand senders, of which one in twenty is somebody's phone.
#[test]
fn a_flood_makes_the_sample_coarser_and_leaves_it_fair() {
    let mut false_positives = false_positives();
    for n in 0..100_000 {
        false_positives.dropped("options-stranger", v4(n), NOW);
    }
    for n in (0..100_000).step_by(20) {
        false_positives.authenticated(v4(n), at(60));
    }
    let tally = false_positives.tallies()["options-stranger"];
    assert!(tally.estimated);
    assert!((80_000..120_000).contains(&tally.sources), "{tally:?}");
    assert!((3_000..7_000).contains(&tally.authenticated), "{tally:?}");
    // The next day all of them are over, and few are counted one by one again.
    for tick in 0..64 {
        false_positives.dropped("options-stranger", v4(1), at(2 * DAY));
        false_positives.tick(at(2 * DAY + tick));
    }
    for n in 0..50 {
        false_positives.dropped("flows", v4(n), at(2 * DAY));
        false_positives.dropped("options-stranger", v4(n), at(2 * DAY));
    }
    assert_eq!(counts(&false_positives, "flows"), (50, 0));
    assert_eq!(counts(&false_positives, "options-stranger").0.abs_diff(50) % 2, 0);
}

#[test]
fn a_flood_under_one_rule_does_not_touch_another() {
    let mut false_positives = false_positives();
    false_positives.dropped("flows", v4(7), NOW);
    (0..10_000).for_each(|n| false_positives.dropped("options-stranger", v4(n), NOW));
    false_positives.authenticated(v4(7), NOW);
    assert_eq!(counts(&false_positives, "flows"), (1, 1));
}

#[test]
fn old_names_of_signatures_make_room_for_new_ones() {
    let mut false_positives = false_positives();
    for n in 0..2 * RULES as i64 {
        false_positives.dropped(&format!("signature:{n}"), v4(1), at(n));
    }
    let tallies = false_positives.tallies();
    assert_eq!(tallies.len(), RULES);
    assert!(!tallies.contains_key("signature:0") && tallies.contains_key("signature:1279"));
}

#[test]
fn what_is_saved_is_what_comes_back_and_only_what_changed_is_saved() {
    let mut false_positives = false_positives();
    (0..5_000).for_each(|n| false_positives.dropped("flows", v4(n), NOW));
    false_positives.dropped("signature:own", "2001:db8::1".parse().unwrap(), NOW);
    (0..2_000).for_each(|n| false_positives.authenticated(v4(n), at(5)));
    let told = false_positives.newly_flagged();
    assert_eq!(told.len(), 1);
    let saved = false_positives.save();
    assert_eq!(saved.len(), 2);
    assert_eq!(false_positives.save(), []);
    false_positives.not_saved();
    assert_eq!(false_positives.save(), saved);

    let mut next = FalsePositives::new(Settings::default(), 99);
    assert_eq!(next.restore(&saved, at(60)), []);
    assert_eq!(next.tallies(), false_positives.tallies());
    assert_eq!(next.newly_flagged(), [], "it was told before the restart");
    assert_eq!(next.save(), []);
    // The same sources are in the sample.
    for false_positives in [&mut false_positives, &mut next] {
        (0..5_000).for_each(|n| false_positives.dropped("flows", v4(n), at(70)));
    }
    assert_eq!(next.tallies(), false_positives.tallies());
    let mut late = FalsePositives::new(Settings::default(), 99);
    late.restore(&saved, at(2 * DAY));
    assert!(late.tallies().is_empty());
}

#[test]
fn what_cannot_be_read_is_named_and_harms_nothing_else() {
    let mut good = false_positives();
    good.dropped("flows", v4(1), NOW);
    let [whole] = good.save().try_into().unwrap();
    for cut in 0..whole.state.len() {
        let state = whole.state[..cut].to_vec();
        // Without a row it is a rule that dropped nothing.
        let fits = cut == 11;
        let cut = Saved { rule: "flows-prefix".to_owned(), state };
        let mut false_positives = false_positives();
        let faults = false_positives.restore(&[cut, whole.clone()], NOW);
        assert_eq!(faults.len(), usize::from(!fits), "{faults:?}");
        assert!(faults.iter().all(|fault| fault.to_string().contains("flows-prefix")));
        assert_eq!(counts(&false_positives, "flows"), (1, 0));
    }
}

/// An event that changes the counts.
#[derive(Clone, Debug)]
enum Event {
    Dropped(u8, u32),
    Authenticated(u32),
    Passed(u32),
    Restarted,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..3u8, 0..30u32).prop_map(|(rule, source)| Event::Dropped(rule, source)),
        3 => (0..30u32).prop_map(Event::Authenticated),
        1 => (0..DAY as u32).prop_map(Event::Passed),
        1 => Just(Event::Restarted),
    ]
}

proptest! {
    #[test]
    fn as_long_as_there_is_room_it_counts_as_anybody_would(events in prop::collection::vec(event(), 0..200)) {
        let mut false_positives = false_positives();
        let mut store = BTreeMap::new();
        // When each source was dropped last by each rule, and whether it authenticated since.
        let mut naive: BTreeMap<(u8, u32), (WallSeconds, Option<WallSeconds>)> = BTreeMap::new();
        let mut now = NOW;
        for event in events {
            match event {
                Event::Dropped(rule, source) => {
                    false_positives.dropped(&rule.to_string(), v4(source), now);
                    naive.entry((rule, source)).or_default().0 = now;
                }
                Event::Authenticated(source) => {
                    false_positives.authenticated(v4(source), now);
                    for ((_, who), (dropped, authenticated)) in &mut naive {
                        if *who == source && now.since(*dropped) <= super::DAY {
                            *authenticated = Some(now);
                        }
                    }
                }
                Event::Passed(seconds) => {
                    now = WallSeconds::new(now.get() + u64::from(seconds));
                    false_positives.tick(now);
                    naive.retain(|_, (dropped, authenticated)| {
                        now.since(authenticated.unwrap_or_default().max(*dropped)) <= super::DAY
                    });
                }
                Event::Restarted => {
                    store.extend(false_positives.save().into_iter().map(|saved| (saved.rule.clone(), saved)));
                    false_positives = FalsePositives::new(Settings::default(), 1);
                    prop_assert_eq!(false_positives.restore(&store.values().cloned().collect::<Vec<_>>(), now), []);
                }
            }
            for rule in 0..3u8 {
                let of_rule = || naive.iter().filter(|((name, _), _)| *name == rule);
                let later = of_rule().filter(|(_, (_, authenticated))| authenticated.is_some()).count();
                prop_assert_eq!(counts(&false_positives, &rule.to_string()), (of_rule().count() as u64, later as u64));
            }
        }
    }

    #[test]
    fn whatever_comes_there_is_room(
        sources in prop::collection::vec(any::<u32>(), 0..3_000),
        key: u64,
    ) {
        let mut false_positives = FalsePositives::new(Settings::default(), key);
        for source in sources {
            false_positives.dropped("flows", std::net::Ipv4Addr::from(source).into(), NOW);
            false_positives.authenticated(std::net::Ipv4Addr::from(source).into(), NOW);
            prop_assert!(false_positives.rules["flows"].sources.len() <= ROOM);
        }
        let (sources, authenticated) = counts(&false_positives, "flows");
        prop_assert!(authenticated <= sources);
    }

    #[test]
    fn any_bytes_are_read_or_refused(state in prop::collection::vec(any::<u8>(), 0..200)) {
        let saved = Saved { rule: "flows".to_owned(), state };
        let mut false_positives = false_positives();
        false_positives.restore(&[saved], NOW);
        false_positives.dropped("flows", v4(1), NOW);
        false_positives.tallies();
    }
}
