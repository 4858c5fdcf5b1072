//! The demo behind `cargo xtask run`.

use std::path::Path;

use anyhow::{Result, bail};

pub(crate) fn run(sipward: &Path) -> Result<()> {
    bail!(
        "{} is built; there is no demo yet: `cargo xtask run -- --iface eth0` attaches it",
        sipward.display()
    )
}
