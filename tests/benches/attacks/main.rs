//! The same attacks and the same crowds at this filter and at the tools that operators use, each before an Asterisk of its
//! own, in one run.
//!
//! `cargo bench -p sipward-tests --bench attacks`, as root, with `sipward` built beside it and an Asterisk in
//! `SIPWARD_ASTERISK`. `cargo xtask bench attacks` provides both. It prints and never asserts.

mod flood;
mod guardian;
mod rows;
mod table;
mod tools;

use std::{sync::mpsc, thread};

use sipward_tests::{cpu::go_ahead, report::Report};

use self::{
    guardian::{GUARDIANS, Post},
    rows::{BACKGROUND, GROUPS, Row},
    table::{Cell, Table},
};

fn main() -> anyhow::Result<()> {
    go_ahead();
    let mut report = Report::new("attacks");
    report.progress("all get ready");
    let posts: Vec<_> = thread::scope(|scope| {
        let starting: Vec<_> = GUARDIANS.map(|guardian| scope.spawn(move || Post::start(guardian))).into();
        starting.into_iter().map(|post| post.join().expect("it starts")).collect::<anyhow::Result<_>>()
    })?;
    let Some(posts) = posts.into_iter().collect::<Option<Vec<_>>>() else { return Ok(()) };
    let mut table = Table::default();
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        let start = |row: &'static Row| {
            for post in &posts {
                let tell = tell.clone();
                scope.spawn(move || {
                    // The receiver waits until every guardian has sent its cells.
                    let _ = tell.send((row, post.guardian, row.at(post)));
                });
            }
        };
        let wanted = |rows: &'static [Row]| rows.iter().filter(|row| report.wants(row.name));
        let mut slow = 0;
        for row in wanted(BACKGROUND) {
            start(row);
            slow += GUARDIANS.len();
        }
        for group in GROUPS {
            let rows: Vec<_> = wanted(group).collect();
            for row in &rows {
                report.progress(row.name);
                start(row);
            }
            let mut left = rows.len() * GUARDIANS.len();
            while left > 0 {
                let (row, guardian, cell) = told.recv().expect("a sender is here");
                let is_slow = BACKGROUND.iter().any(|slow| slow.name == row.name);
                slow -= usize::from(is_slow);
                left -= usize::from(!is_slow);
                table.put(row, guardian, cell);
            }
        }
        for _ in 0..slow {
            let (row, guardian, cell) = told.recv().expect("a sender is here");
            table.put(row, guardian, cell);
        }
    });
    report.note(&table.markdown());
    report.note(&table.summary());
    report.end()
}

fn cell(text: String, rank: f64) -> Cell {
    Cell { text, rank }
}
