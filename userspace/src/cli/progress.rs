//! The progress bar of a long command.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use super::output::grouped;
use sipward_types::time::format_duration;

/// Often enough to look alive.
const REDRAW: Duration = Duration::from_millis(100);
const BAR: u64 = 24;

/// A bar on standard error, if that is a terminal. Dropped, it leaves no trace.
#[derive(Debug)]
pub(super) struct Progress {
    total: u64,
    begun: Instant,
    drawn: Option<Instant>,
    visible: bool,
}

impl Progress {
    pub(super) fn new(total: u64, wanted: bool) -> Self {
        let visible = wanted && io::stderr().is_terminal();
        Self { total, begun: Instant::now(), drawn: None, visible }
    }

    pub(super) fn at(&mut self, done: u64) {
        if !self.visible || self.drawn.is_some_and(|drawn| drawn.elapsed() < REDRAW) {
            return;
        }
        self.drawn = Some(Instant::now());
        draw(&line(done, self.total, self.begun.elapsed()));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.drawn.is_some() {
            draw("");
        }
    }
}

/// Replaces the present text of the line.
fn draw(text: &str) {
    // A bar that cannot be drawn is no reason to stop.
    let _ = write!(io::stderr(), "\r{text}\x1b[K");
}

fn line(done: u64, total: u64, elapsed: Duration) -> String {
    let part = |of: u64| (u128::from(done) * u128::from(of) / u128::from(total.max(1))) as usize;
    let full = part(BAR);
    let bar = "#".repeat(full) + &"-".repeat(BAR as usize - full);
    let mut text = format!("[{bar}] {:>3}%  {} of {}", part(100), grouped(done), grouped(total));
    let seconds = elapsed.as_secs_f64();
    if done > 0 && seconds > 0.0 {
        let rate = done as f64 / seconds;
        let left = Duration::from_secs_f64((total - done) as f64 / rate);
        text += &format!("  {}/s  {} left", grouped(rate as u64), format_duration(left));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_says_how_far_it_is_and_how_long_it_takes() {
        for (done, total, seconds, expected) in [
            (0, 1_000_000, 0, "[------------------------]   0%  0 of 1,000,000"),
            (0, 1_000_000, 3, "[------------------------]   0%  0 of 1,000,000"),
            (
                250_000,
                1_000_000,
                2,
                "[######------------------]  25%  250,000 of 1,000,000  125,000/s  6s left",
            ),
            (
                999_999,
                1_000_000,
                9,
                "[#######################-]  99%  999,999 of 1,000,000  111,111/s  0s left",
            ),
            (
                1_000_000,
                1_000_000,
                8,
                "[########################] 100%  1,000,000 of 1,000,000  125,000/s  0s left",
            ),
            (0, 0, 1, "[------------------------]   0%  0 of 0"),
        ] {
            let line = line(done, total, Duration::from_secs(seconds));
            assert_eq!(line, expected);
            assert!(line.len() < 80, "{line}");
        }
    }
}
