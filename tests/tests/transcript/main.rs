//! The transcript in the documentation is what a terminal shows: its commands are typed, one after the other, on a host
//! with a daemon, and their output is compared line by line.
//!
//! `likeness.rs` lists the values that change from run to run. All else must be equal. A `$ sleep` is not executed:
//! the command after it is repeated until it has the output in the transcript. Commands that only show something are
//! repeated, too.

mod likeness;
mod scene;

use std::{
    thread,
    time::{Duration, Instant},
};

use likeness::alike;
use scene::{Scene, Wire};

/// In the order in which their commands are typed.
const PAGES: [&str; 2] =
    [include_str!("../../../userspace/docs/tour.md"), include_str!("../../../userspace/docs/accounts.md")];
/// The time that a slow machine may take from one command to another.
const LATER: Duration = Duration::from_secs(60);
/// Commands that change nothing: what they show may come a moment later, from the daemon's other threads.
const LOOKS: [&str; 4] = ["sipward status", "sipward events", "sipward rules", "sipward explain"];
/// The host's configuration, and what is typed there.
const CONFIGURATION: &str = "```toml\n";
const TRANSCRIPT: &str = "```console\n";
/// Commands that the tour must contain.
const SHOWN: [&str; 7] = [
    "sipward ban add",
    "sipward explain",
    "sipward ban del",
    "sipward trust add",
    "sipward trust only on --confirm",
    "sipward trust only confirm",
    "sipward detach",
];

/// A command and its output.
struct Step {
    command: &'static str,
    said: Vec<&'static str>,
}

#[test]
fn the_transcript_is_what_a_terminal_shows() {
    let configuration = fences(CONFIGURATION).next().expect("a configuration");
    let wire = Wire::new();
    let scene = Scene::open(&wire, configuration);
    let mut slept = false;
    for step in steps() {
        let Step { command, said } = &step;
        if command.starts_with("sleep ") {
            slept = true;
            continue;
        }
        let looks = LOOKS.iter().any(|look| command.starts_with(look));
        let patience = if slept || looks { LATER } else { Duration::ZERO };
        let now = step.typed(&scene, patience);
        slept = false;
        let said = said.join("\n");
        assert!(step.says(&now), "$ {command}\n--- on the page\n{said}\n--- said now\n{now}");
    }
}

#[test]
fn the_transcript_shows_what_newcomers_need() {
    for command in SHOWN {
        assert!(steps().any(|step| step.command.starts_with(command)), "{command}");
    }
}

impl Step {
    /// Runs the command until its output is the one in the transcript, or the patience ends. Returns the output.
    fn typed(&self, scene: &Scene<'_>, patience: Duration) -> String {
        let end = Instant::now() + patience;
        loop {
            let now = scene.types(self.command);
            if self.says(&now) || Instant::now() >= end {
                return now;
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Returns true if this output is like the one in the transcript.
    fn says(&self, now: &str) -> bool {
        // A time that is set here has only begun.
        let sets_a_time = [" --for ", " --confirm "].iter().any(|option| self.command.contains(option));
        let passed = if sets_a_time { Duration::ZERO } else { LATER };
        let now: Vec<_> = now.trim_end().lines().collect();
        self.said.len() == now.len()
            && self.said.iter().zip(now).all(|(written, now)| alike(written, now, passed))
    }
}

fn steps() -> impl Iterator<Item = Step> {
    fences(TRANSCRIPT).flat_map(|fence| {
        let commands = fence.strip_prefix("$ ").expect("a command at the start");
        commands.split("\n$ ").map(|step| {
            let mut lines = step.trim_end().lines();
            Step { command: lines.next().expect("a command"), said: lines.collect() }
        })
    })
}

/// The contents of the fences that begin with this line.
fn fences(start: &'static str) -> impl Iterator<Item = &'static str> {
    let after = PAGES.iter().flat_map(move |page| page.split(start).skip(1));
    after.map(|rest| rest.split("```").next().expect("a split has a first part"))
}
