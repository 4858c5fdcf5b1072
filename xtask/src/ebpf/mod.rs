//! The eBPF object, built by the first toolchain that can.
//!
//! The order, which `userspace/docs/development.md` documents too:
//! 1. `SIPWARD_XDP_OBJECT` names an object that was built before (for packagers);
//! 2. a rustup nightly with `rust-src`;
//! 3. any other rustup toolchain with `rust-src`, its unstable flags unlocked by `RUSTC_BOOTSTRAP=1`;
//! 4. the compiler in `/usr/bin` with its sources, in the same way (Debian: `rustc-web`, `rust-web-src`).
//!
//! A compiler counts only together with a `bpf-linker` whose LLVM can read the compiler's bitcode. The linker is
//! searched in `PATH`, in `~/.cargo/bin`, and in `target/tools`, into which `cargo xtask setup` installs its own.

mod advice;
mod compile;
mod machine;
mod toolchain;
mod version;

use std::{env, fmt, path::PathBuf};

use anyhow::{Result, bail, ensure};

pub use advice::advice;
pub use compile::compile;
pub use machine::{rustup, survey, tools_root, workspace_root};
pub use toolchain::{Compiler, Inventory, Kind, Linker, Toolchain};
pub use version::Version;

/// Names a prebuilt object.
pub const PREBUILT: &str = "SIPWARD_XDP_OBJECT";

/// The origin of the object.
#[derive(Debug)]
pub enum Origin {
    Prebuilt(PathBuf),
    Toolchain(Toolchain),
}

/// Takes the first origin of the documented order. The error says what to install.
pub fn find() -> Result<Origin> {
    if let Some(path) = env::var_os(PREBUILT).filter(|path| !path.is_empty()).map(PathBuf::from) {
        ensure!(
            path.is_file(),
            "{PREBUILT} names {}, which is not a file: correct or unset it",
            path.display()
        );
        return Ok(Origin::Prebuilt(path));
    }
    let inventory = survey();
    match inventory.choose() {
        Some(toolchain) => Ok(Origin::Toolchain(toolchain)),
        None => bail!("{}", advice(&inventory)),
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prebuilt(path) => write!(f, "{}, prebuilt", path.display()),
            Self::Toolchain(toolchain) => toolchain.fmt(f),
        }
    }
}
