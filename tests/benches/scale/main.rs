//! The cost of a packet and the memory of the kernel, as functions of the number of entries, rules and sources;
//! and a customer's calls while a flood fills a core.
//!
//! `cargo bench -p sipward-tests --bench scale`, as root. It prints and never asserts, because times depend on the machine.

mod calls;
mod sizes;

use sipward_tests::report::Report;

fn main() -> anyhow::Result<()> {
    let mut report = Report::new("scale");
    calls::measure(&mut report)?;
    sizes::measure(&mut report)?;
    report.end()
}
