//! The eBPF object, built by `build.rs`.

pub(super) static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/sipward.bpf.o"));

/// Tells this build's program from others'.
pub fn object_hash() -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(OBJECT).into()
}
