//! What grows with what: the cost of a packet and the memory of the kernel, against how much there is of everything;
//! and a customer's calls while a flood fills a core.
//!
//! `cargo bench -p sipward-tests --bench scale`, as root. It prints and never asserts: times are the machine's.

mod calls;
mod sizes;

use sipward_tests::report::Report;

fn main() -> anyhow::Result<()> {
    let mut report = Report::new("scale");
    calls::measure(&mut report)?;
    sizes::measure(&mut report)?;
    report.end()
}
