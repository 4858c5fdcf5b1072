//! What a packet costs its source, its flow and its neighbourhood.

use crate::{
    abi::{Address, RateLimit},
    frame::Packet,
    judge::World,
    meter::ticks,
    reason::{Class, Reason},
};

/// What a packet costs its source.
#[derive(Clone, Copy, Debug)]
pub struct Charge {
    pub class: Class,
    /// Messages in it.
    pub packets: u32,
    /// It may open a flow, and those are counted.
    pub opens: bool,
    /// Phones behind a known source; zero: a stranger.
    pub budget: u32,
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
}

impl Limit {
    #[inline(always)]
    pub const fn from_code(code: u32) -> Self {
        match code {
            1 => Self::Source,
            2 => Self::Flows,
            3 => Self::Prefix,
            4 => Self::FlowsPrefix,
            _ => Self::None,
        }
    }

    #[inline(always)]
    pub const fn reason(self, class: Class) -> Option<Reason> {
        match self {
            Self::None => None,
            Self::Source => Some(class.over_source_rate()),
            Self::Flows => Some(Reason::Flows),
            Self::Prefix => Some(class.over_prefix_rate()),
            Self::FlowsPrefix => Some(Reason::FlowsPrefix),
        }
    }
}

/// Charges the source and, for a stranger, its neighbourhood.
#[inline(always)]
pub fn charge<W: World>(world: &W, packet: &Packet, charge: Charge) -> Limit {
    // Pass: no policy, no limit.
    let Some(policy) = world.policy() else { return Limit::None };
    let now = world.now();
    let class = charge.class;
    // Pass: the kernel found no memory for the state of this source.
    let Some(state) = world.source_state(&packet.source.source()) else { return Limit::None };
    let meter = class.of(&state.meters);
    if charge.budget != 0 {
        let limit = class.of(&policy.known);
        let shared = meter.admits(limit, charge.budget, now, charge.packets);
        if let Some(next) = shared {
            meter.commit(next);
        }
        // Even where the source has room: what its flow has sent is to be known once it has none.
        let admitted = charge_flow(world, packet, charge, limit, now) || shared.is_some();
        return if admitted { Limit::None } else { Limit::Source };
    }
    let Some(next) = meter.admits(class.of(&policy.stranger), 1, now, charge.packets) else {
        return Limit::Source;
    };
    // Pass: as above.
    let Some(prefix) = world.prefix_state(&packet.source.neighbourhood()) else { return Limit::None };
    let neighbours = class.of(&prefix.meters);
    let Some(next_prefix) = neighbours.admits(class.of(&policy.prefix), 1, now, charge.packets) else {
        return Limit::Prefix;
    };
    let flow = flow(packet, policy.key);
    if charge.opens && !state.flows.admit(flow, policy.flows_per_source, policy.flow_window, ticks(now)) {
        return Limit::Flows;
    }
    if charge.opens && !prefix.flows.admit(flow, policy.flows_per_prefix, policy.flow_window, ticks(now)) {
        return Limit::FlowsPrefix;
    }
    // Only now: what is refused costs nobody anything, neither the source nor its neighbours.
    meter.commit(next);
    neighbours.commit(next_prefix);
    Limit::None
}

/// Whether the packet's flow is known and within its own budget, which nobody spends from another port. The whole
/// source gets no more by it, unless somebody else has spent what the source has.
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
