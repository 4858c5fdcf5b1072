//! Checks of connection tracking: a flood that reaches the stack fills its table, and then no new flow passes.

use std::ops::RangeInclusive;

use super::{
    finding::{Finding, sysctl},
    read, socket,
};

const CHECK: &str = "conntrack";
const MAX: &str = "net.netfilter.nf_conntrack_max";
const BUCKETS: &str = "net.netfilter.nf_conntrack_buckets";
const UDP_TIMEOUT: &str = "net.netfilter.nf_conntrack_udp_timeout";

/// Per cent.
const CROWDED: u64 = 70;
const FULL: u64 = 95;
/// New flows a second that a table should bear.
const FLOWS: u64 = 2_000;
/// Entries to a bucket before the search for one becomes long.
const DEPTH: u64 = 8;

#[derive(Clone, Copy)]
pub(super) struct Facts {
    count: u64,
    max: u64,
    buckets: u64,
    /// Seconds that an entry stays of which only one side has spoken, as in a flood.
    udp_timeout: u64,
}

/// None: nothing is tracked.
pub(super) fn read() -> Option<Facts> {
    Some(Facts {
        count: read::setting("net.netfilter.nf_conntrack_count")?,
        max: read::setting(MAX)?,
        buckets: read::setting(BUCKETS)?,
        udp_timeout: read::setting(UDP_TIMEOUT)?,
    })
}

/// `ports`: where SIP is spoken over UDP.
pub(super) fn check(facts: Option<Facts>, ports: &[RangeInclusive<u16>]) -> Vec<Finding> {
    let Some(facts) = facts else {
        return vec![Finding::ok(CHECK, "not in use")];
    };
    vec![fill(facts, ports), size(facts)]
}

fn fill(Facts { count, max, buckets, .. }: Facts, ports: &[RangeInclusive<u16>]) -> Finding {
    // No limit is the number 0.
    let percent = count.saturating_mul(100).checked_div(max).unwrap_or(0);
    let found = format!("{count} of {max} entries in use ({percent} %)");
    let larger = max.saturating_mul(2);
    let advice = || {
        format!(
            "{}; or exempt SIP, where no NAT and no SIP helper needs it: `nft add rule inet TABLE CHAIN udp \
             dport {{ {} }} notrack`, in a chain with `hook prerouting priority raw`",
            sysctl(&[(MAX, larger), (BUCKETS, buckets.max(larger / DEPTH))]),
            socket::list(ports),
        )
    };
    match percent {
        FULL.. => Finding::bad(CHECK, format!("{found}: packets of new flows are lost"), advice()),
        CROWDED.. => Finding::warn(CHECK, found, advice()),
        _ => Finding::ok(CHECK, found),
    }
}

fn size(Facts { max, buckets, udp_timeout, .. }: Facts) -> Finding {
    let check = format!("{CHECK}-size");
    let bears = max / udp_timeout.max(1);
    let found = format!("{bears} new UDP flows a second would fill it, because each stays {udp_timeout} s");
    if max > 0 && bears < FLOWS {
        // A raised timeout is the cheaper cause to remove.
        const USUAL: u64 = 30;
        let (timeout, max) = (udp_timeout.min(USUAL), max.max(FLOWS * USUAL).next_power_of_two());
        let settings = [(MAX, max), (BUCKETS, buckets.max(max / DEPTH)), (UDP_TIMEOUT, timeout)];
        return Finding::warn(check, found, sysctl(&settings));
    }
    if max / DEPTH > buckets {
        let found = format!("{buckets} buckets are few for {max} entries, so each look-up is slow");
        return Finding::warn(check, found, sysctl(&[(BUCKETS, max / DEPTH)]));
    }
    Finding::ok(check, found)
}

#[cfg(test)]
mod tests {
    use super::{
        super::finding::{State, tests::says},
        *,
    };

    const USUAL: Facts = Facts { count: 100, max: 262_144, buckets: 65_536, udp_timeout: 30 };

    #[test]
    fn a_table_that_is_not_there_cannot_be_filled() {
        says(&check(None, &[])[0], State::Ok, &["not in use"]);
    }

    #[test]
    fn a_table_that_fills_is_told_in_time() {
        let ports = [5060..=5060, 5070..=5080];
        let with = |count| fill(Facts { count, ..USUAL }, &ports);
        says(&with(100), State::Ok, &["100 of 262144 entries in use (0 %)"]);
        says(&with(183_500), State::Ok, &["69 %"]);
        says(
            &with(183_501),
            State::Warn,
            &["70 %", "nf_conntrack_max=524288", "udp dport { 5060, 5070-5080 } notrack"],
        );
        says(
            &with(262_144),
            State::Bad,
            &["100 %", "packets of new flows are lost", "nf_conntrack_buckets=65536"],
        );
        // No limit.
        says(&fill(Facts { max: 0, ..USUAL }, &ports), State::Ok, &[]);
    }

    #[test]
    fn a_table_is_large_enough_for_some_flows_a_second() {
        says(&size(USUAL), State::Ok, &["8738 new UDP flows a second", "30 s"]);
        says(
            &size(Facts { max: 8_192, buckets: 8_192, ..USUAL }),
            State::Warn,
            &["273 new UDP flows", "nf_conntrack_max=65536", "nf_conntrack_udp_timeout=30"],
        );
        says(
            &size(Facts { udp_timeout: 3_600, ..USUAL }),
            State::Warn,
            &["72 new UDP flows", "nf_conntrack_max=262144", "nf_conntrack_udp_timeout=30"],
        );
        says(
            &size(Facts { buckets: 1_024, ..USUAL }),
            State::Warn,
            &["1024 buckets", "nf_conntrack_buckets=32768"],
        );
        says(&size(Facts { max: 0, ..USUAL }), State::Ok, &[]);
    }
}
