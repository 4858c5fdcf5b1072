//! The eBPF object, built by `build.rs`.

pub(super) static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/sipward.bpf.o"));
