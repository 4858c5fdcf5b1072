//! Events of drops and captured packets: what the kernel reports of a verdict.

use std::time::{Duration, Instant};

use sipward_kernel::clock::now;
use sipward_kernel::{Captured, Capturing, Judged};
use sipward_tests::cpu::stay_on_one;
use sipward_tests::filter_pair::{FilterPair, lift_limits};
use sipward_tests::frame::udp;
use sipward_tests::message::{clean, register_of, request};
use sipward_tests::wait::wait_until;
use sipward_types::time::KernelTime;

use crate::ENFORCE;

#[test]
fn an_event_says_what_was_dropped() {
    stay_on_one();
    let mut pair = FilterPair::adjusted(ENFORCE, |policy| {
        lift_limits(policy);
        // With another key two of these sources could share a slot.
        policy.key = 1;
    });
    let frame = udp()
        .from("198.51.100.9")
        .source_port(5071)
        .carrying(request("REGISTER", "friendly-scanner"))
        .build();
    let other = udp().from("198.51.100.10").carrying(clean("REGISTER")).build();
    // At once: a machine may take a second from one to the next.
    pair.filter().test_run(&frame, 2).unwrap();
    pair.filter().test_run(&other, 1).unwrap();
    let events: Vec<_> = pair.filter().events().unwrap().collect();
    let [event] = events.as_slice() else { panic!("one event a second and source: {events:?}") };
    assert_eq!(event.source.to_string(), "198.51.100.9");
    assert_eq!((event.source_port, event.destination_port, event.protocol), (5071, 5060, 17));
    assert_eq!((event.reason.name(), event.enforced, event.unseen), ("signature", true, 0));
    assert_eq!(event.frame_length as usize, frame.len());
    assert_eq!(event.head, frame[..384]);
    let short = udp().from("198.51.100.11").carrying("OPTIONS sip:a SIP/2.0\r\n").build();
    pair.filter().test_run(&short, 1).unwrap();
    let events: Vec<_> = pair.filter().events().unwrap().collect();
    assert_eq!(events[0].head, short, "to the last byte");
}

#[test]
fn the_next_event_counts_the_drops_that_were_not_told() {
    stay_on_one();
    let mut pair = FilterPair::unlimited(ENFORCE);
    let filter = pair.filter();
    let frame = udp().from("198.51.100.9").carrying(clean("OPTIONS")).build();
    filter.test_run(&frame, 1_000).unwrap();
    let mut drops = 1_000;
    let mut events: Vec<_> = filter.events().unwrap().collect();
    wait_until("another event", Duration::from_secs(60), || {
        filter.test_run(&frame, 1).unwrap();
        drops += 1;
        let before = events.len();
        events.extend(filter.events().unwrap());
        events.len() > before
    });
    assert!(events.len() >= 2 && events[0].unseen == 0, "{events:?}");
    let told: u32 = events.iter().map(|event| event.unseen + 1).sum();
    assert_eq!(told, drops, "{events:?}");
}

/// Captures some of these frames. Returns the captured packets, and the verdict on each frame.
fn capture(pair: &mut FilterPair, what: Judged, frames: &[&Vec<u8>]) -> (Vec<Captured>, Vec<String>) {
    let captures = pair.filter().captures().unwrap();
    let capturing = Capturing { what, per_second: 1_000, until: KernelTime::FOREVER };
    pair.filter().set_capturing(Some(capturing)).unwrap();
    assert_eq!(pair.filter().capturing().unwrap(), Some(capturing));
    let verdicts = frames.iter().map(|frame| pair.judge(frame)).collect();
    pair.filter().set_capturing(None).unwrap();
    frames.iter().for_each(|frame| drop(pair.judge(frame)));
    assert_eq!(pair.filter().captures_missed().unwrap(), 0);
    (captures.collect(), verdicts)
}

#[test]
fn a_captured_packet_is_whole_and_says_what_was_done_with_it() {
    let passes = udp().carrying(clean("REGISTER")).build();
    let scan = udp().carrying(request("REGISTER", "friendly-scanner")).build();
    let short = udp().carrying("OPTIONS sip:a SIP/2.0\r\n").build();
    let long = udp().v6().carrying(register_of(1_400)).build();
    let too_long = udp().carrying(b"x\n".repeat(1_500)).build();
    let elsewhere = udp().to_port(10_000).carrying(clean("OPTIONS")).build();
    // Whose first fragment did not come.
    let rest = &udp().carrying(clean("INVITE")).fragments(7, 200)[1];
    let frames = [&passes, &scan, &short, &long, &too_long, &elsewhere, rest];
    for (mode, enforced) in [(ENFORCE, true), ("mode = \"monitor\"\n", false)] {
        for (what, expected) in [(Judged::All, &[0, 1, 2, 3, 4][..]), (Judged::Drops, &[1, 2])] {
            let mut pair = FilterPair::unlimited(mode);
            let before = now();
            let (captured, verdicts) = capture(&mut pair, what, &frames);
            assert_eq!(captured.len(), expected.len(), "{what:?} {mode}: {captured:?}");
            for (captured, &index) in captured.iter().zip(expected) {
                let frame = frames[index];
                assert_eq!(captured.frame, frame[..frame.len().min(2048)]);
                assert_eq!(captured.frame_length as usize, frame.len());
                assert_eq!(captured.enforced, enforced);
                assert!((before..=now()).contains(&captured.at));
                assert!(verdicts[index].starts_with(captured.reason.name()), "{captured:?}");
                assert_eq!(captured.signature.is_some(), index == 1);
            }
        }
    }
}

#[test]
fn a_capture_keeps_to_its_budget_and_ends_by_itself() {
    stay_on_one();
    let mut pair = FilterPair::unlimited(ENFORCE);
    let filter = pair.filter();
    let frame = udp().carrying(clean("OPTIONS")).build();
    let mut captures = filter.captures().unwrap();
    let mut capturing = Capturing { what: Judged::Drops, per_second: 5, until: KernelTime::FOREVER };
    filter.set_capturing(Some(capturing)).unwrap();
    let begun = Instant::now();
    filter.test_run(&frame, 100).unwrap();
    // Seconds that may have begun meanwhile, with the first.
    let seconds = begun.elapsed().as_secs() + 2;
    let captured = captures.by_ref().count() as u64;
    assert!((5..=5 * seconds).contains(&captured), "{captured}");
    assert_eq!(filter.captures_missed().unwrap(), 100 - captured);

    // A reader that does not read: what does not fit is missed, and nothing else changes.
    capturing.per_second = 100_000;
    filter.set_capturing(Some(capturing)).unwrap();
    let before = filter.captures_missed().unwrap();
    let (action, _) = filter.test_run(&frame, 50_000).unwrap();
    assert_eq!(action, 1, "it drops as ever");
    let missed = filter.captures_missed().unwrap() - before;
    assert_eq!(captures.by_ref().count() as u64 + missed, 50_000);
    assert!(missed > 40_000, "{missed}");

    capturing.until = now() - Duration::from_nanos(1);
    filter.set_capturing(Some(capturing)).unwrap();
    assert_eq!(filter.capturing().unwrap(), None);
    filter.test_run(&frame, 100).unwrap();
    assert_eq!(captures.next(), None);
    assert_eq!(filter.captures_missed().unwrap() - before, missed);
}
