//! Code that `userspace/crates/kernel/build.rs` and the `xtask` command share: the eBPF object and its toolchain.

pub mod command;
pub mod ebpf;
