//! Flows with budgets of their own: in memory as decided, and in the kernel for the filter.
//!
//! They are not in the store: after a reboot each is known again with its phone's next refresh, and has what its source
//! has until then.

use std::{collections::BTreeMap, net::IpAddr};

use sipward_kernel::{self as kernel, Tables};
use sipward_types::{flow::Flow, time::KernelTime};

#[derive(Debug, Default)]
pub(super) struct Flows(BTreeMap<(IpAddr, Flow), KnownFlow>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KnownFlow {
    pub(super) phones: u32,
    pub(super) until: KernelTime,
}

impl Flows {
    /// Those that the kernel has.
    pub(super) fn found(tables: &mut Tables) -> kernel::Result<Self> {
        let line = |(source, flow, phones, until)| ((source, flow), KnownFlow { phones, until });
        tables.known_flows()?.iter().map(|item| item.map(line)).collect::<kernel::Result<_>>().map(Self)
    }

    pub(super) fn all(&self, now: KernelTime) -> impl Iterator<Item = (IpAddr, Flow, KnownFlow)> {
        let lasting = self.0.iter().filter(move |(_, known)| known.until > now);
        lasting.map(|(&(source, flow), known)| (source, flow, *known))
    }

    pub(super) fn know(
        &mut self,
        tables: &mut Tables,
        source: IpAddr,
        flow: Flow,
        known: KnownFlow,
    ) -> kernel::Result<()> {
        tables.known_flows()?.put(source, flow, known.phones, known.until)?;
        self.0.insert((source, flow), known);
        Ok(())
    }

    pub(super) fn forget(&mut self, tables: &mut Tables, source: IpAddr, flow: Flow) -> kernel::Result<()> {
        tables.known_flows()?.remove(source, flow)?;
        self.0.remove(&(source, flow));
        Ok(())
    }

    /// Removes expired flows, which no packet matched any more.
    pub(super) fn tick(&mut self, tables: &mut Tables, now: KernelTime) -> kernel::Result<()> {
        let over: Vec<_> =
            self.0.iter().filter(|(_, known)| known.until <= now).map(|(line, _)| *line).collect();
        over.into_iter().try_for_each(|(source, flow)| self.forget(tables, source, flow))
    }
}
