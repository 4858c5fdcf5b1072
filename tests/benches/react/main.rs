//! From the first hostile packet to silence: the packets of an attack that reach a PBX, and the duration, with fail2ban and
//! with this filter.
//!
//! `cargo bench -p sipward-tests --bench react`, as root, with `sipward` built in release mode beside it, and an Asterisk
//! in `SIPWARD_ASTERISK`. `cargo xtask bench react` provides both. It prints and never asserts a time.

mod attack;
mod fail2ban;
mod guardian;

use std::thread;

use sipward_tests::{
    auth_pbx::{AuthPbx, PbxKind},
    namespace::Lan,
    report::{Case, Report, Unit},
    scratch::Scratch,
};

use self::{
    attack::{ATTACKS, Attack, Reaction},
    guardian::{GUARDIANS, Guardian},
};

const ROUNDS: usize = 3;

/// A PBX, and two who attack it, one after the other.
pub(crate) struct Site {
    lan: Lan,
    /// Of its guardian.
    scratch: Scratch,
    auth_pbx: AuthPbx,
}

impl Site {
    /// `None`: there is no such PBX on this machine.
    fn new(make: PbxKind) -> Option<Self> {
        let lan = Lan::new(["pbx", "attacker", "attacker"]);
        let [pbx, ..] = lan.hosts::<3>();
        let (scratch, auth_pbx) = (Scratch::new(pbx), AuthPbx::start(make, pbx)?);
        Some(Self { lan, scratch, auth_pbx })
    }
}

/// An attack's figures, guardian by guardian.
struct Figures {
    attack: &'static Attack,
    requests: [Case; GUARDIANS.len()],
    seconds: [Case; GUARDIANS.len()],
}

fn main() -> anyhow::Result<()> {
    let mut report = Report::new("react");
    let attacks: Vec<_> = ATTACKS.iter().filter(|attack| report.wants(attack.name)).collect();
    let cases = |unit| GUARDIANS.map(|guardian| Case::new(guardian.name(), unit));
    let figures = |attack| Figures { attack, requests: cases(Unit::Requests), seconds: cases(Unit::Seconds) };
    let mut figures: Vec<_> = attacks.into_iter().map(figures).collect();
    for round in 0..ROUNDS {
        for make in [PbxKind::Asterisk, PbxKind::TalkativeKamailio] {
            let mut here: Vec<_> = figures.iter_mut().filter(|figures| figures.attack.make == make).collect();
            if !here.is_empty() {
                one_round(&report, make, round, &mut here)?;
            }
        }
    }
    for Figures { attack, requests, .. } in &figures {
        report.section("requests that reached the PBX", attack.name);
        report.cases(requests, Guardian::SipwardByEvidence.name());
    }
    for Figures { attack, seconds, .. } in &figures {
        report.section("from the first hostile packet to the last request that got through", attack.name);
        report.cases(seconds, Guardian::SipwardByEvidence.name());
    }
    report.end()
}

/// All guardians get ready at the same time; they are attacked one after the other.
fn one_round(
    report: &Report,
    make: PbxKind,
    round: usize,
    figures: &mut [&mut Figures],
) -> anyhow::Result<()> {
    report.progress(&format!("round {}, {make:?}: all get ready", round + 1));
    // Without a guardian, every round gives the same figure.
    let guardians = GUARDIANS.into_iter().filter(|guardian| round == 0 || *guardian != Guardian::Nothing);
    let guardians: Vec<_> = guardians.collect();
    let sites: Vec<_> = thread::scope(|scope| {
        let starting: Vec<_> = guardians.iter().map(|_| scope.spawn(move || Site::new(make))).collect();
        starting.into_iter().map(|site| site.join().expect("it starts")).collect()
    });
    let Some(sites) = sites.into_iter().collect::<Option<Vec<_>>>() else { return Ok(()) };
    let posts: Vec<_> = thread::scope(|scope| {
        let start = |(guardian, site): (&Guardian, _)| {
            let guardian = *guardian;
            scope.spawn(move || guardian.start(site))
        };
        let starting: Vec<_> = guardians.iter().zip(&sites).map(start).collect();
        starting.into_iter().map(|post| post.join().expect("it starts")).collect::<anyhow::Result<_>>()
    })?;
    for figures in figures {
        report.progress(&format!("round {}, {}", round + 1, figures.attack.name));
        for (guardian, site) in guardians.iter().zip(&sites) {
            let Reaction { requests, lasted } = figures.attack.at(site)?;
            let index = GUARDIANS.iter().position(|other| other == guardian).expect("one of them");
            figures.requests[index].round(round, requests as f64);
            figures.seconds[index].round(round, lasted.as_secs_f64());
        }
    }
    drop::<Vec<_>>(posts);
    Ok(())
}
