//! What `userspace/crates/kernel/build.rs` and the `xtask` command share: the eBPF object and the toolchain that makes it.

pub mod command;
pub mod ebpf;
