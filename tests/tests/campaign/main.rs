//! Requests as nobody writes them, sent to real PBXs: whenever one answers, sipward must have read the same name in the
//! request, or not have let it through from a stranger.
//!
//! `SIPWARD_COUNT` requests to each (by default as many as 10 seconds take), from `SIPWARD_SEED`. What was found stays
//! in `corpus/` and is judged on every run, without a PBX.

mod campaign;
mod draft;
mod mutation;
mod pbx;
mod reading;
mod wire;

use std::time::Instant;

use campaign::{Campaign, classes};
use sipward_tests::{dice::Dice, exchange::Make};

const COUNT: usize = 2_000;

fn count() -> usize {
    std::env::var("SIPWARD_COUNT").map_or(COUNT, |count| count.parse().expect("a number of requests"))
}

fn run(make: Make) {
    let Some(mut campaign) = Campaign::start(make) else { return };
    let start = Instant::now();
    let finds = campaign.run(&mut Dice::thrown(), count());
    println!("{}, in {:.1} s", campaign.summary(), start.elapsed().as_secs_f32());
    for (class, finds) in classes(&finds) {
        println!("{} times {class}\n{}", finds.len(), finds[0].shown());
    }
    assert!(finds.is_empty(), "{} answers that sipward did not see for what they are", finds.len());
}

#[test]
fn kamailio_answers_nothing_that_is_not_seen() {
    run(Make::ReadingKamailio);
}

#[test]
fn asterisk_answers_nothing_that_is_not_seen() {
    run(Make::Asterisk);
}
