//! Mutated messages to the edge, in this process: framing, parser, and the core with all that follows.
//!
//! A finding is a panic, a message that takes forever, memory without end, or a request that goes on to the PBX although a
//! PBX that is less strict than the edge could read another account in it. Each run has a seed of its own, which is
//! printed. A run takes some seconds; with `SIPWARD_LONG=1` an hour, with a larger number so many seconds.

mod desk;
mod lenient;
mod mutation;

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use sipward_tests::{length::by_length, length::hour, rng::Rng};

use crate::{desk::Desk, mutation::mutate};

/// Messages to one edge: few for most, so that a short run has edges with many settings, and enough to fill all tables
/// for some.
const OF_A_DESK: [usize; 8] = [2_000, 2_000, 2_000, 2_000, 2_000, 2_000, 2_000, 200_000];
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
    let lasts = by_length(Duration::from_secs(4), hour());
    let mut rng = Rng::from_clock();
    let (alive, signs) = channel();
    let fuzz = thread::spawn(move || {
        let (begun, mut total) = (Instant::now(), desk::Tally::default());
        while begun.elapsed() < lasts {
            let mut desk = Desk::new(&mut rng);
            for number in 0..*rng.pick(&OF_A_DESK) {
                one(&mut desk, &mut rng);
                if number % SIGN_OF_LIFE == 0 {
                    // The other end waits for the end of this thread, or has given up.
                    let _ = alive.send(());
                    if begun.elapsed() >= lasts {
                        break;
                    }
                }
            }
            total += desk.tally;
        }
        total
    });
    while match signs.recv_timeout(PATIENCE) {
        Ok(()) => true,
        Err(RecvTimeoutError::Disconnected) => false,
        Err(RecvTimeoutError::Timeout) => panic!("nothing for {PATIENCE:?}: a message takes forever"),
    } {}
    let total = fuzz.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    let peak = memory("VmHWM");
    println!("{total}; {} kB at the end, at most {peak} kB", memory("VmRSS"));
    assert!(total.sent_on * 20 > total.messages, "too few are clear enough to be of interest: {total}");
    assert!(peak < MEMORY, "{peak} kB");
}

fn one(desk: &mut Desk, rng: &mut Rng) {
    let mut message = desk.message(rng);
    if !rng.one_in(10) {
        mutate(&mut message.bytes, rng);
    }
    let judged = catch_unwind(AssertUnwindSafe(|| desk.judge(&message, rng)));
    match judged {
        Ok(None) => {}
        Ok(Some(found)) => panic!("{found}\n{}", message.bytes.escape_ascii()),
        Err(panic) => {
            println!("a panic at\n{}", message.bytes.escape_ascii());
            std::panic::resume_unwind(panic);
        }
    }
}
