//! The capabilities of this process.

use std::{fs, io};

/// The capabilities needed to load and attach the filter, and their bits: maps and programs; the addresses that a
/// packet's length is computed from, which are secrets of the kernel's; network interfaces.
const NEEDED: [(&str, u32); 3] = [("CAP_BPF", 39), ("CAP_PERFMON", 38), ("CAP_NET_ADMIN", 12)];
/// Holds all of the above.
const SYS_ADMIN: u32 = 21;

/// The capabilities that this process lacks.
pub fn missing_capabilities() -> io::Result<Vec<&'static str>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let effective = effective(&status).ok_or_else(|| io::Error::other("/proc/self/status has no CapEff"))?;
    Ok(missing(effective))
}

/// The set in `/proc/PID/status`.
fn effective(status: &str) -> Option<u64> {
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(set.trim(), 16).ok()
}

fn missing(effective: u64) -> Vec<&'static str> {
    let has = |bit: u32| effective >> bit & 1 == 1;
    NEEDED.iter().filter(|(_, bit)| !has(*bit) && !has(SYS_ADMIN)).map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_that_counts_is_the_effective_one() {
        let status =
            "Name:\tcat\nCapPrm:\t0000000000000001\nCapEff:\t000000c000001000\nCapBnd:\t000001ffffffffff\n";
        assert_eq!(effective(status), Some(0xc0_0000_1000));
        assert_eq!(effective("Name:\tcat\n"), None);
    }

    #[test]
    fn what_is_missing_is_named() {
        for (set, names) in [
            (0x1ff_ffff_ffff, &[][..]),
            (0xc0_0000_1000, &[]),
            (0x40_0000_1000, &["CAP_BPF"]),
            (0x80_0000_1000, &["CAP_PERFMON"]),
            (0xc0_0000_0000, &["CAP_NET_ADMIN"]),
            (0x20_0000, &[]),
            (0, &["CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN"]),
        ] {
            assert_eq!(missing(set), names, "{set:#x}");
        }
    }
}
