//! Packets that the network stack loses before they reach a socket.

use super::{
    finding::{Finding, sysctl},
    read,
};

const CHECK: &str = "backlog";
const MAX: &str = "net.core.netdev_max_backlog";

pub(super) struct Facts {
    /// Packets since boot, one number for each CPU.
    lost: Vec<u64>,
    max: Option<u64>,
}

pub(super) fn read() -> Facts {
    let lost = read::text("/proc/net/softnet_stat").map(|table| lost(&table)).unwrap_or_default();
    Facts { lost, max: read::setting(MAX) }
}

/// `/proc/net/softnet_stat`: a line for each CPU; processed, lost, … in hexadecimal.
fn lost(table: &str) -> Vec<u64> {
    let lost = |line: &str| u64::from_str_radix(line.split_whitespace().nth(1)?, 16).ok();
    table.lines().filter_map(lost).collect()
}

pub(super) fn check(Facts { lost, max }: &Facts) -> Finding {
    /// The default of Linux.
    const USUAL: u64 = 1_000;
    let losing = lost.iter().filter(|&&lost| lost > 0).count();
    if losing == 0 {
        return Finding::ok(CHECK, "no packet was lost between driver and stack since boot");
    }
    let (sum, cpus) = (lost.iter().sum::<u64>(), lost.len());
    let found =
        format!("{sum} packets were lost between driver and stack since boot, on {losing} of {cpus} CPUs");
    Finding::warn(CHECK, found, sysctl(&[(MAX, max.unwrap_or(USUAL).saturating_mul(4))]))
}

#[cfg(test)]
mod tests {
    use super::{
        super::finding::{State, tests::says},
        *,
    };

    #[test]
    fn losses_are_the_second_column() {
        let table = "0039a580 00000000 00000001 00000000\n00187b5e 0000001f 00000000 00000000\nnonsense\n";
        assert_eq!(lost(table), [0, 31]);
    }

    #[test]
    fn lost_packets_are_told() {
        let with = |lost: &[u64], max| check(&Facts { lost: lost.to_vec(), max });
        says(&with(&[0, 0], Some(1_000)), State::Ok, &[]);
        says(
            &with(&[0, 31], Some(2_000)),
            State::Warn,
            &["31 packets", "1 of 2 CPUs", "netdev_max_backlog=8000"],
        );
        says(&with(&[1, 31], None), State::Warn, &["32 packets", "netdev_max_backlog=4000"]);
    }
}
