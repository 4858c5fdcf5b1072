//! The features of the running kernel, asked for and not concluded from its version: distributions backport features.

use std::fs;

use aya::{
    maps::MapType,
    programs::ProgramType,
    sys::{BpfHelper, is_helper_supported, is_map_supported},
};

/// `None`: this user may not ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Linux 5.8.
    pub ring_buffer: Option<bool>,
    /// Linux 5.11. The same release no longer charges maps to `RLIMIT_MEMLOCK`.
    pub coarse_clock: Option<bool>,
    /// Linux 5.9.
    pub xdp_links: Option<bool>,
}

/// The kernel's description of its own types.
const TYPES: &str = "/sys/kernel/btf/vmlinux";

impl Features {
    pub fn probe() -> Self {
        Self {
            ring_buffer: is_map_supported(MapType::RingBuf).ok(),
            coarse_clock: is_helper_supported(ProgramType::Xdp, BpfHelper::BPF_FUNC_ktime_get_coarse_ns).ok(),
            xdp_links: fs::read(TYPES).ok().map(|types| names(&types, b"BPF_LINK_TYPE_XDP")),
        }
    }
}

/// True if a string is among those of the types. To make such a link for a trial, an interface would have to
/// bear it.
fn names(types: &[u8], name: &[u8]) -> bool {
    types.split(|&byte| byte == 0).any(|string| string == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_as_a_whole() {
        let types = b"\0XDP\0BPF_LINK_TYPE_XDP_2\0BPF_LINK_TYPE_XDP\0";
        assert!(names(types, b"BPF_LINK_TYPE_XDP"));
        assert!(names(types, b"XDP"));
        assert!(!names(types, b"LINK_TYPE_XDP"));
        assert!(!names(types, b"BPF_LINK_TYPE"));
        assert!(!names(b"", b"XDP"));
    }
}
