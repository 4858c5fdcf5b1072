//! The advice where there is no eBPF toolchain: the parts that were found, those that are missing, and a command.

use super::Inventory;

pub fn advice(inventory: &Inventory) -> String {
    let mut text = String::from("no toolchain here can build the eBPF object.\n");
    for compiler in &inventory.compilers {
        let lack = match (compiler.is_recent(), compiler.sources) {
            (false, _) => format!("is older than Rust {}", env!("CARGO_PKG_RUST_VERSION")),
            (true, false) => "lacks the sources of core (rust-src)".to_owned(),
            (true, true) => format!("finds no bpf-linker with LLVM {} or newer", compiler.linker_llvm()),
        };
        text += &format!("  {compiler} {lack}\n");
    }
    for linker in &inventory.linkers {
        text += &format!("  found {linker}\n");
    }
    text + INSTALL
}

const INSTALL: &str = "\
`cargo xtask setup` installs what is missing. By hand, with rustup:
    rustup component add rust-src
or with Debian's own compiler:
    sudo apt-get install --no-remove rustc-web cargo-web rust-web-src
and for both, from the workspace's root:
    sudo apt-get install llvm-22-dev
    LLVM_PREFIX=/usr/lib/llvm-22 cargo install bpf-linker --version 0.13.0 --locked --root target/tools \\
        --no-default-features --features llvm-22
Or set SIPWARD_XDP_OBJECT to an object that was built elsewhere.
";
