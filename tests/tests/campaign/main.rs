//! Unusual requests to real PBXs. If a PBX answers one, sipward must have read the same name in the
//! request, or must refuse it from strangers.
//!
//! Each run sends the requests of a fixed seed. `SIPWARD_COUNT` sets their number. `SIPWARD_LONG=1` sends 20,000, both of
//! that seed and of another, which is printed and which `SIPWARD_SEED` can set. The findings
//! stay in `corpus/`, and every run judges them without a PBX.

mod campaign;
mod corpus;
mod draft;
mod mutation;
mod pbx;
mod reading;
mod tcp;
mod wire;

use std::{env, time::Instant};

use campaign::{Campaign, classes};
use sipward_tests::{auth_pbx::PbxKind, rng::Rng};

/// Of each seed.
const COUNT: usize = 1_500;
const LONG_COUNT: usize = 20_000;
const SEED: u64 = 11;

fn count() -> usize {
    let usual = if env::var_os("SIPWARD_LONG").is_some() { LONG_COUNT } else { COUNT };
    env::var("SIPWARD_COUNT").map_or(usual, |count| count.parse().expect("a number of requests"))
}

fn run(make: PbxKind) {
    let Some(mut campaign) = Campaign::start(make) else { return };
    let start = Instant::now();
    let mut rng = vec![Rng::seeded(SEED)];
    if ["SIPWARD_SEED", "SIPWARD_COUNT", "SIPWARD_LONG"].into_iter().any(|name| env::var_os(name).is_some()) {
        rng.push(Rng::from_clock());
    }
    let finds: Vec<_> = rng.iter_mut().flat_map(|rng| campaign.run(rng, count())).collect();
    println!("{}, in {:.1} s", campaign.summary(), start.elapsed().as_secs_f32());
    for (class, finds) in classes(&finds) {
        println!("\n{}# {} times {class}\n# {}", finds[0].entry(make), finds.len(), finds[0].read());
    }
    assert!(finds.is_empty(), "{} answers that sipward did not see for what they are", finds.len());
}

#[test]
fn kamailio_answers_nothing_that_is_not_seen() {
    run(PbxKind::ReadingKamailio);
}

#[test]
fn asterisk_answers_nothing_that_is_not_seen() {
    run(PbxKind::Asterisk);
}
