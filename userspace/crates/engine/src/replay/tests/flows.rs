//! Whatever is forged in the name of its address, a known flow has the limits that it would have alone.

use sipward_types::time::KernelTime;
use std::sync::Arc;

use proptest::prelude::*;
use xdp_prog::{
    abi::{FOREVER, KnownFlow, Meter, RateLimit, SourceEntry},
    meter::ticks,
    reason::{Class, Reason},
};

use super::{SHIPPED, frames::*};
use crate::{policy::Config, replay::Memory};
use sipward_types::{
    flow::{Flow, Transport},
    map_key::flow_key,
};

const SECOND: u64 = 1_000_000_000;
const LIMIT: RateLimit =
    RateLimit { interval: SECOND, tolerance: 4 * SECOND, window: ticks(60 * SECOND), window_max: 12 };

/// A filter that knows the phone as one of three at its address.
fn memory(port: u16) -> Memory {
    let mut policy = Config::parse("", "test").unwrap().resolve().unwrap().policy;
    policy.known[Class::Register as usize] = LIMIT;
    let mut memory = Memory::new(policy, Arc::clone(&SHIPPED));
    let entry = SourceEntry::known(3, FOREVER);
    memory.insert("192.0.2.9/32".parse().unwrap(), entry);
    let key = flow_key("192.0.2.9".parse().unwrap(), Flow { port, transport: Transport::Udp });
    memory.know_flow(key, KnownFlow { expires: FOREVER, phones: 1, ..KnownFlow::default() });
    memory
}

proptest! {
    #[test]
    fn no_flood_slows_it_below_its_own_limits(
        port in 1024..40_000u16,
        packets in prop::collection::vec((0..2 * SECOND, any::<bool>(), 0..30usize), 1..150),
    ) {
        let memory = memory(port);
        let alone = Meter::default();
        let frame = |port: u16| ethernet(&datagram(&format!("192.0.2.9:{port}"), PBX, &request("REGISTER")));
        let mut now = SECOND;
        let mut forged = (40_001..=65_535).cycle();
        for (pause, is_own, flood) in packets {
            now += pause;
            memory.set_now(KernelTime::from_nanos(now));
            for port in forged.by_ref().take(flood) {
                memory.judge(&frame(port));
            }
            if is_own {
                let (verdict, _) = memory.judge(&frame(port));
                if let Some(next) = alone.admits(&LIMIT, 1, now, 1) {
                    alone.commit(next);
                    prop_assert_eq!(verdict.reason, Reason::Request);
                }
            }
        }
    }
}
