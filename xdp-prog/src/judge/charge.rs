//! Charges: the cost of a packet for its source, its flow and its neighbourhood.
//!
//! A neighbourhood (an IPv4 /24, an IPv6 /48) is limited because one attacker may own all of it. A crowd of customers
//! looks the same from outside, but each of them sends a few packets and waits. So a source that has sent little lately
//! is a newcomer, and a neighbourhood's newcomers have a limit of their own, which those who flood cannot spend: their
//! refused packets count as sent, too.

use super::World;
use crate::{
    abi::{Address, Meter, PrefixState, RateLimit, SourceState},
    frame::Packet,
    meter::{self, Next, ticks},
    packed::{Packed, packed_enum},
    reason::{Class, Reason},
};

/// The cost of a packet for its source.
#[derive(Clone, Copy, Debug)]
pub struct Charge {
    pub class: Class,
    /// Messages in it.
    pub packets: u32,
    /// It may open a flow, and those are counted.
    pub opens: bool,
}

impl Packed for Charge {
    type Word = u64;

    #[inline(always)]
    fn pack(self) -> u64 {
        (self.packets as u64) << 32 | (self.opens as u64) << 8 | self.class as u64
    }

    #[inline(always)]
    fn unpack(word: u64) -> Self {
        Self {
            class: Class::unpack(word as u32 & 0xff),
            packets: (word >> 32) as u32,
            opens: word >> 8 & 1 != 0,
        }
    }
}

/// The limit that a packet is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Limit {
    None = 0,
    Source = 1,
    Flows = 2,
    Prefix = 3,
    FlowsPrefix = 4,
    /// The neighbourhood's limit, for a newcomer.
    Newcomers = 5,
}

packed_enum!(Limit: None | Source | Flows | Prefix | FlowsPrefix | Newcomers, or None);

impl Limit {
    #[inline(always)]
    pub const fn reason(self, class: Class) -> Option<Reason> {
        match self {
            Self::None => None,
            Self::Source => Some(class.over_source_rate()),
            Self::Flows => Some(Reason::Flows),
            Self::Prefix | Self::Newcomers => Some(class.over_prefix_rate()),
            Self::FlowsPrefix => Some(Reason::FlowsPrefix),
        }
    }
}

/// Charges the source and, for a stranger, its neighbourhood.
#[inline(always)]
pub fn charge<W: World>(world: &W, packet: &Packet, charge: Charge) -> Limit {
    if packet.phones == 0 {
        world.charge_stranger(packet, charge)
    } else {
        world.charge_known(packet, charge)
    }
}

/// Charges a source that is known, and its flow.
#[inline(always)]
pub fn known<W: World>(world: &W, packet: &Packet, charge: Charge) -> Limit {
    // Pass: no policy, no limit.
    let Some(policy) = world.policy() else { return Limit::None };
    let now = world.now();
    let class = charge.class;
    // Pass: the kernel found no memory for the state of this source.
    let Some(state) = world.source_state(&packet.source.source()) else { return Limit::None };
    let (meter, limit) = (class.of(&state.meters), class.of(&policy.known));
    let shared = meter.admits(limit, packet.phones, now, charge.packets);
    if let Some(next) = shared {
        meter.commit(next);
    }
    // Even where the source has room: what its flow has sent is to be known once it has none.
    let admitted = charge_flow(world, packet, charge, limit, now) || shared.is_some();
    if admitted { Limit::None } else { Limit::Source }
}

/// Charges a stranger, and its neighbourhood.
#[inline(always)]
pub fn stranger<W: World>(world: &W, packet: &Packet, charge: Charge) -> Limit {
    // Pass, twice: as above.
    let Some(policy) = world.policy() else { return Limit::None };
    let now = world.now();
    let class = charge.class;
    let Some(state) = world.source_state(&packet.source.source()) else { return Limit::None };
    let meter = class.of(&state.meters);
    // Before any refusal: a source that goes on sending refused packets is no newcomer.
    let share = Share::count(state, policy.newcomer_packets, charge.packets, now);
    let Some(next) = meter.admits(class.of(&policy.stranger), 1, now, charge.packets) else {
        return Limit::Source;
    };
    // Pass: as above.
    let Some(prefix) = world.prefix_state(&packet.source.limit_prefix()) else { return Limit::None };
    let limits = Neighbours { newcomers: class.of(&policy.newcomers), others: class.of(&policy.prefix) };
    let Some((neighbours, next_prefix)) = limits.admit(prefix, class, share, charge.packets, now) else {
        return if matches!(share, Share::None) { Limit::Prefix } else { Limit::Newcomers };
    };
    let flow = flow(packet, policy.key);
    if charge.opens && !state.flows.admit(flow, policy.flows_per_source, policy.flow_window, ticks(now)) {
        return Limit::Flows;
    }
    if charge.opens && !prefix.flows.admit(flow, policy.flows_per_prefix, policy.flow_window, ticks(now)) {
        return Limit::FlowsPrefix;
    }
    // Only now: refused packets cost neither the source nor its neighbours anything.
    meter.commit(next);
    neighbours.commit(next_prefix);
    Limit::None
}

/// The time in which a newcomer's packets are counted: a minute.
const NEWCOMER_WINDOW: u32 = ticks(60_000_000_000);

/// The share that a source may use of its neighbourhood's limit for newcomers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Share {
    /// It is no newcomer.
    None,
    /// It has sent several packets: half of the burst is left for sources that have sent fewer.
    Half,
    All,
}

/// Packets of a phone's first tries: in the first eight seconds it sends a request five times.
const FIRST_TRIES: u32 = 5;

/// True: a source has sent no more in the last minute than a phone does at its first tries.
#[inline(always)]
pub fn has_hardly_sent(state: &SourceState, now: u64) -> bool {
    let sent = meter::count(&state.sent, 0, ticks(now), NEWCOMER_WINDOW);
    sent <= FIRST_TRIES as u64 * NEWCOMER_WINDOW as u64
}

impl Share {
    /// Counts the packets of a source, whatever becomes of them.
    #[inline(always)]
    fn count(state: &SourceState, newcomer_packets: u32, packets: u32, now: u64) -> Self {
        let sent = meter::count(&state.sent, packets, ticks(now), NEWCOMER_WINDOW);
        let most = newcomer_packets as u64 * NEWCOMER_WINDOW as u64;
        if sent > most {
            Self::None
        } else if sent > most / 4 {
            Self::Half
        } else {
            Self::All
        }
    }
}

/// The limits of a neighbourhood for one class.
struct Neighbours<'a> {
    newcomers: &'a RateLimit,
    others: &'a RateLimit,
}

impl Neighbours<'_> {
    /// The meter to be charged, and with what. A newcomer may use what is left of the others' limit as well, so that to
    /// have sent less is never worse.
    #[inline(always)]
    fn admit<'a>(
        &self,
        state: &'a PrefixState,
        class: Class,
        share: Share,
        packets: u32,
        now: u64,
    ) -> Option<(&'a Meter, Next)> {
        let newcomers = class.of(&state.newcomers);
        let next = match share {
            Share::None => None,
            Share::Half => newcomers.admits(&self.newcomers.half(), 1, now, packets),
            Share::All => newcomers.admits(self.newcomers, 1, now, packets),
        };
        if let Some(next) = next {
            return Some((newcomers, next));
        }
        let others = class.of(&state.others);
        Some((others, others.admits(self.others, 1, now, packets)?))
    }
}

/// True: the packet's flow is known and within its own budget, which packets from other ports do not spend. The source
/// as a whole gets no more by it, unless other senders have spent the source's own limit.
#[inline(always)]
fn charge_flow<W: World>(world: &W, packet: &Packet, charge: Charge, limit: &RateLimit, now: u64) -> bool {
    let Some(flow) = world.known_flow(&packet.flow_key()) else { return false };
    if flow.expires <= now {
        return false;
    }
    let meter = charge.class.of(&flow.meters);
    let Some(next) = meter.admits(limit, flow.phones as u32, now, charge.packets) else { return false };
    meter.commit(next);
    true
}

/// A number below 256 for the flow, which its sender cannot choose without the key.
#[inline(always)]
fn flow(packet: &Packet, key: u32) -> u32 {
    let Address([a, b, c, d]) = packet.source;
    let address = (a ^ b ^ c ^ d).wrapping_mul(0x9e37_79b1);
    // The key's multiple, and not the key itself: or ports could be chosen that share a bit whatever the key.
    (address ^ packet.source_port as u32).wrapping_mul((key ^ 0x9e37_79b1) | 1) >> 24
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const NEWCOMER_PACKETS: u32 = 20;
    const CLASS: Class = Class::Register;

    fn a_second(packets: u64, burst: u64) -> RateLimit {
        let interval = SECOND / packets;
        RateLimit { interval, tolerance: interval * burst, ..RateLimit::OFF }
    }

    fn a_minute(packets: u32) -> RateLimit {
        RateLimit { window: NEWCOMER_WINDOW, window_max: packets, ..RateLimit::OFF }
    }

    /// One neighbourhood and its sources.
    struct Street {
        newcomers: RateLimit,
        others: RateLimit,
        state: PrefixState,
        sources: Vec<SourceState>,
    }

    impl Street {
        fn new(newcomers: RateLimit, others: RateLimit, sources: usize) -> Self {
            let sources = (0..sources).map(|_| SourceState::default()).collect();
            Self { newcomers, others, state: PrefixState::default(), sources }
        }

        fn share(&self, source: usize, now: u64) -> Share {
            Share::count(&self.sources[source], NEWCOMER_PACKETS, 1, now)
        }

        fn would_admit(&self, share: Share, now: u64) -> Option<(&Meter, Next)> {
            let limits = Neighbours { newcomers: &self.newcomers, others: &self.others };
            limits.admit(&self.state, CLASS, share, 1, now)
        }

        /// Sends one more packet of the source. True: it passes.
        fn send(&self, source: usize, now: u64) -> bool {
            let admitted = self.would_admit(self.share(source, now), now);
            admitted.is_some_and(|(meter, next)| {
                meter.commit(next);
                true
            })
        }
    }

    #[test]
    fn a_source_is_a_newcomer_by_what_it_has_sent_in_a_minute() {
        let street = Street::new(RateLimit::OFF, RateLimit::OFF, 1);
        let shares: Vec<_> = (0..30).map(|_| street.share(0, SECOND)).collect();
        assert!(shares[..5].iter().all(|share| *share == Share::All), "{shares:?}");
        assert!(shares[5..20].iter().all(|share| *share == Share::Half), "{shares:?}");
        assert!(shares[20..].iter().all(|share| *share == Share::None), "{shares:?}");
        assert_eq!(street.share(0, 50 * SECOND), Share::None, "the minute is not over");
        assert_eq!(street.share(0, 130 * SECOND), Share::All, "it has been silent for long");
        let nobody = Share::count(&SourceState::default(), 0, 1, SECOND);
        assert_eq!(nobody, Share::None, "there are no newcomers");
    }

    #[test]
    fn who_floods_leaves_the_newcomers_their_limit() {
        let street = Street::new(a_second(50, 200), a_minute(60), 2_001);
        let flood = |from: u64, to: u64| {
            let times = (from..to).flat_map(|at| (0..2_000).map(move |source| (at, source)));
            times.filter(|(at, source)| street.send(*source, at * SECOND)).count()
        };
        flood(1, 60);
        let passed = flood(60, 120);
        assert!(passed <= 2 * 60, "{passed} of those who flood");
        assert!((0..10).all(|_| street.send(2_000, 120 * SECOND)), "a phone in the middle of it");
    }

    #[test]
    fn slow_sources_in_great_number_leave_the_first_packets_of_others_their_part() {
        let street = Street::new(a_second(50, 200), a_minute(60), 2_100);
        // A packet every four seconds from each: together ten times what may pass.
        for tick in 0..240_u64 {
            let now = SECOND + tick * SECOND / 4;
            (0..2_000).filter(|source| source % 16 == tick as usize % 16).for_each(|source| {
                street.send(source, now);
            });
        }
        let now = SECOND + 60 * SECOND;
        let passed = (2_000..2_100).filter(|source| street.send(*source, now)).count();
        assert_eq!(passed, 100, "the half of the burst that is left for them");
    }

    proptest! {
        /// No more than both limits together, however it is spread over sources.
        #[test]
        fn a_limit_holds_however_many_sources_there_are(
            packets in proptest::collection::vec((0..SECOND / 8, 0usize..300), 1..1_500)
        ) {
            let street = Street::new(a_second(10, 40), a_second(2, 10), 300);
            let (mut now, mut passed) = (SECOND, 0);
            for (gap, source) in packets {
                now += gap;
                passed += u64::from(street.send(source, now));
            }
            let seconds = (now - SECOND) as f64 / SECOND as f64;
            prop_assert!(passed as f64 <= 40.0 + 10.0 + 12.0 * seconds + 1.0, "{passed} in {seconds}");
        }

        /// Regardless of earlier packets: where a source that has sent more is let in, one that has sent less is as
        /// well.
        #[test]
        fn to_have_sent_less_is_never_worse(
            packets in proptest::collection::vec((0..SECOND / 8, 0usize..50), 1..500),
            windows in proptest::bool::ANY,
        ) {
            let (newcomers, others) =
                if windows { (a_minute(40), a_minute(15)) } else { (a_second(4, 20), a_second(2, 10)) };
            let street = Street::new(newcomers, others, 50);
            let mut now = SECOND;
            for (gap, source) in packets {
                now += gap;
                street.send(source, now);
                let admitted = [Share::None, Share::Half, Share::All]
                    .map(|share| street.would_admit(share, now).is_some());
                prop_assert!(admitted.is_sorted(), "{admitted:?}");
            }
        }

        /// With time alone there is only ever more room, as forecasts rely on.
        #[test]
        fn who_waits_is_never_worse_off(
            packets in proptest::collection::vec((0..SECOND / 8, 0usize..5), 1..200),
            waits in proptest::collection::vec(0..30 * SECOND, 1..20),
        ) {
            let street = Street::new(a_second(4, 20), a_minute(15), 5);
            let mut now = SECOND;
            for (gap, source) in packets {
                now += gap;
                street.send(source, now);
            }
            let mut room = false;
            for wait in waits {
                now += wait;
                let share = {
                    let source = SourceState::default();
                    source.sent.set(street.sources[0].sent.get());
                    Share::count(&source, NEWCOMER_PACKETS, 1, now)
                };
                let has_room = street.would_admit(share, now).is_some();
                prop_assert!(has_room || !room);
                room = has_room;
            }
        }
    }
}
