//! Checks of the SIP server's UDP sockets: losses and buffer sizes.

use std::ops::RangeInclusive;

use super::{
    finding::{Finding, sysctl},
    read,
};

const DEFAULT: &str = "net.core.rmem_default";
const MAX: &str = "net.core.rmem_max";
/// A few hundred requests; what Linux comes with holds about a hundred.
const ENOUGH: u64 = 1 << 20;

pub(super) struct Facts {
    /// The UDP ports of SIP.
    ports: Vec<RangeInclusive<u16>>,
    sockets: Vec<Socket>,
    /// Bytes for a socket that asks for nothing, and for one that asks for the most; none where this network
    /// namespace does not show them.
    default: Option<u64>,
    max: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Socket {
    port: u16,
    /// Unread bytes.
    waiting: u64,
    /// Packets since it was opened.
    lost: u64,
}

pub(super) fn read(ports: &[RangeInclusive<u16>]) -> Facts {
    let tables = ["/proc/net/udp", "/proc/net/udp6"].map(|path| read::text(path).unwrap_or_default());
    Facts {
        ports: ports.to_vec(),
        sockets: tables.iter().flat_map(|table| sockets(table)).collect(),
        default: read::setting(DEFAULT),
        max: read::setting(MAX),
    }
}

/// `/proc/net/udp`: slot, address:port, peer, state, sent:waiting, …, lost as the last.
fn sockets(table: &str) -> Vec<Socket> {
    let socket = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        Some(Socket {
            port: u16::from_str_radix(words.get(1)?.rsplit_once(':')?.1, 16).ok()?,
            waiting: u64::from_str_radix(words.get(4)?.split_once(':')?.1, 16).ok()?,
            lost: words.last()?.parse().ok()?,
        })
    };
    // The first line is a heading.
    table.lines().skip(1).filter_map(socket).collect()
}

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![buffers(facts.default, facts.max)];
    findings.extend((!facts.ports.is_empty()).then(|| losses(facts)));
    findings
}

fn losses(Facts { ports, sockets, default, max }: &Facts) -> Finding {
    const CHECK: &str = "sip-sockets";
    let sip: Vec<_> = sockets.iter().filter(|s| ports.iter().any(|range| range.contains(&s.port))).collect();
    if sip.is_empty() {
        return Finding::warn(
            CHECK,
            format!("nothing listens on UDP {}", list(ports)),
            "start the SIP server, or write its ports under [ports] in the configuration; `ss -lunp` shows \
             them",
        );
    }
    let losing: Vec<_> = sip.iter().filter(|socket| socket.lost > 0).collect();
    if losing.is_empty() {
        let waiting: u64 = sip.iter().map(|socket| socket.waiting).sum();
        return Finding::ok(CHECK, format!("UDP {}: nothing lost, {waiting} bytes wait", list(ports)));
    }
    let lost =
        |socket: &&&Socket| format!("the socket on UDP {} has lost {} packets", socket.port, socket.lost);
    Finding::warn(
        CHECK,
        losing.iter().map(lost).collect::<Vec<_>>().join(", "),
        format!("{}; then restart the SIP server, which resets the count", larger(*default, *max)),
    )
}

/// `5060, 5070-5080`.
pub(super) fn list(ports: &[RangeInclusive<u16>]) -> String {
    let show = |range: &RangeInclusive<u16>| {
        let (first, last) = (range.start(), range.end());
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    ports.iter().map(show).collect::<Vec<_>>().join(", ")
}

fn buffers(default: Option<u64>, max: Option<u64>) -> Finding {
    const CHECK: &str = "socket-buffers";
    let (Some(default), Some(max)) = (default, max) else {
        return Finding::warn(
            CHECK,
            "this network namespace does not show how large they are",
            format!("look where it is shown: `nsenter --net=/proc/1/ns/net sysctl {DEFAULT} {MAX}`"),
        );
    };
    let found =
        format!("a UDP socket buffers {} KiB, and at most {} KiB on request", default >> 10, max >> 10);
    if default < ENOUGH || max < ENOUGH {
        let found = format!("{found}: a burst is lost within milliseconds");
        return Finding::warn(
            CHECK,
            found,
            format!("{}; then restart the SIP server", larger(Some(default), Some(max))),
        );
    }
    Finding::ok(CHECK, found)
}

/// Nothing becomes smaller than it is.
fn larger(default: Option<u64>, max: Option<u64>) -> String {
    sysctl(&[(DEFAULT, default.unwrap_or(0).max(ENOUGH)), (MAX, max.unwrap_or(0).max(8 * ENOUGH))])
}

#[cfg(test)]
mod tests {
    use super::{
        super::finding::{State, tests::says},
        *,
    };

    const TABLE: &str = "sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  \
                         timeout inode ref pointer drops
  100: 00000000:13C4 00000000:0000 07 \
                         00000000:00000A00 00:00000000 00000000     0        0 15361 2 0000000000000000 \
                         37
  101: 0100007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000   \
                         101        0 15362 2 0000000000000000 0
";
    const TABLE_V6: &str = "sl  local_address                         remote_address                        \
                            st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer \
                            drops
  7: 00000000000000000000000000000000:13C6 \
                            00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 \
                            00000000     0        0 15363 2 0000000000000000 0
";

    #[test]
    fn sockets_are_read_from_both_tables() {
        let socket = |port, waiting, lost| Socket { port, waiting, lost };
        assert_eq!(sockets(TABLE), [socket(5060, 2560, 37), socket(53, 0, 0)]);
        assert_eq!(sockets(TABLE_V6), [socket(5062, 0, 0)]);
        assert_eq!(sockets(""), []);
        assert_eq!(sockets("heading\nnonsense\n"), []);
    }

    #[test]
    fn a_socket_that_loses_packets_is_named() {
        let facts = |ports: &[RangeInclusive<u16>]| Facts {
            ports: ports.to_vec(),
            sockets: [sockets(TABLE), sockets(TABLE_V6)].concat(),
            default: None,
            max: None,
        };
        says(&losses(&facts(&[5062..=5070])), State::Ok, &["UDP 5062-5070: nothing lost, 0 bytes wait"]);
        says(
            &losses(&facts(&[5060..=5060, 5062..=5062])),
            State::Warn,
            &["the socket on UDP 5060 has lost 37 packets →", "rmem_default=1048576", "restart"],
        );
        says(&losses(&facts(&[5080..=5080])), State::Warn, &["nothing listens on UDP 5080", "ss -lunp"]);
        assert_eq!(check(&facts(&[])).len(), 1, "without UDP ports there is no socket to look at");
    }

    #[test]
    fn small_buffers_are_told() {
        says(&buffers(Some(1 << 20), Some(8 << 20)), State::Ok, &["1024 KiB, and at most 8192 KiB"]);
        says(&buffers(Some(212_992), Some(8 << 20)), State::Warn, &["208 KiB", "rmem_default=1048576"]);
        says(&buffers(Some(1 << 20), Some(212_992)), State::Warn, &["208 KiB", "rmem_max=8388608"]);
        says(
            &buffers(None, Some(1)),
            State::Warn,
            &["nsenter --net=/proc/1/ns/net sysctl net.core.rmem_default"],
        );
    }
}
