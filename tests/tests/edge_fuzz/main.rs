//! Mutated messages to the edge, in this process: framing, parser, and the core with all that follows.
//!
//! A finding is a panic, a message that takes forever, memory without end, or a request that goes on to the PBX although a
//! PBX that is less strict than the edge could read another account in it. Each run has a seed of its own, which is
//! printed. A run takes some seconds; with `SIPWARD_LONG=1` an hour, with a larger number so many seconds.

mod lenient;
mod mutation;
mod test_edge;

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::mpsc::{RecvTimeoutError, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use sipward_tests::{
    length::{by_length, hour},
    rng::Rng,
};

use crate::{
    mutation::mutate,
    test_edge::{Tally, TestEdge},
};

/// Messages to one edge: few for most, so that a short run has edges with many settings, and enough to fill all tables
/// for some.
const OF_AN_EDGE: [usize; 8] = [2_000, 2_000, 2_000, 2_000, 2_000, 2_000, 2_000, 200_000];
/// Without a sign of life for so long, it hangs. One is due every thousand messages.
const PATIENCE: Duration = Duration::from_secs(60);
const SIGN_OF_LIFE: usize = 1_000;
/// Of the whole process, in kB: an edge whose tables these messages have filled takes a part of it.
const MEMORY: u64 = 100_000;

/// In kB.
fn memory(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("a process has a status");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of that name");
    line.trim_matches([':', '\t', ' ', 'k', 'B']).parse().expect("a number of kB")
}

#[test]
fn no_mutated_message_is_a_panic_a_hang_a_leak_or_another_account_to_a_lenient_reader() {
    let lasts = by_length(Duration::from_secs(60), hour());
    let rng = Rng::from_clock();
    let (alive, signs) = channel();
    let fuzz = thread::spawn(move || fuzz(lasts, rng, &alive));
    loop {
        match signs.recv_timeout(PATIENCE) {
            Ok(()) => {}
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => panic!("nothing for {PATIENCE:?}: a message takes forever"),
        }
    }
    let total = fuzz.join().unwrap_or_else(|panic| resume_unwind(panic));
    let peak = memory("VmHWM");
    println!("{total}; {} kB at the end, at most {peak} kB", memory("VmRSS"));
    assert!(total.sent_on * 20 > total.messages, "too few are clear enough to be of interest: {total}");
    assert!(peak < MEMORY, "{peak} kB");
}

fn fuzz(lasts: Duration, mut rng: Rng, alive: &Sender<()>) -> Tally {
    let (begun, mut total) = (Instant::now(), Tally::default());
    while begun.elapsed() < lasts {
        let mut edge = TestEdge::new(&mut rng);
        for number in 0..*rng.pick(&OF_AN_EDGE) {
            one(&mut edge, &mut rng);
            if number % SIGN_OF_LIFE == 0 {
                // The other end waits for the end of this thread, or has given up.
                let _ = alive.send(());
                if begun.elapsed() >= lasts {
                    break;
                }
            }
        }
        total += edge.tally;
    }
    total
}

fn one(edge: &mut TestEdge, rng: &mut Rng) {
    let mut message = edge.message(rng);
    if !rng.one_in(10) {
        mutate(&mut message.bytes, rng);
    }
    let judged = catch_unwind(AssertUnwindSafe(|| edge.judge(&message, rng)));
    match judged {
        Ok(None) => {}
        Ok(Some(found)) => panic!("{found}\n{}", message.bytes.escape_ascii()),
        Err(panic) => {
            println!("a panic at\n{}", message.bytes.escape_ascii());
            resume_unwind(panic);
        }
    }
}
