//! Flows over which somebody has authenticated: the ports of known sources that phones and trunks really use.
//!
//! Whoever forges packets in the name of a known source spends the budget of its address, and not that of a flow whose
//! port he does not hit. So a flow is made and kept by what is proven only, as its source is.
//!
//! One account could come from every port there is. So it has a few flows, wherever it is, and gives up the one that it
//! used longest ago for one more. A source (an IPv6 /64) has no more flows than it may have phones, and all together
//! have a number as well; of what is too many, nothing is made. A flow without a budget of its own has that of its source.

use std::net::IpAddr;

use super::{
    GuardAction,
    blind::Blind,
    known::{Known, Whom},
    phones::CONTACTS,
    settings::KnownSettings,
    source_net::SourceNet,
    uses::Uses,
};
use sipward_types::time::KernelTime;
use sipward_types::{
    account::Account,
    flow::{Flow, Transport},
};

/// All together.
pub(super) const FLOWS: usize = 65_536;
/// Of one account.
pub(super) const FLOWS_OF_ACCOUNT: usize = 10;

/// A flow and its source.
type SourceFlow = (IpAddr, Flow);

const FIRST: Flow = Flow { port: 0, transport: Transport::Udp };
const LAST: Flow = Flow { port: u16::MAX, transport: Transport::Tcp };

impl Whom for SourceFlow {
    fn know(self, phones: u32, until: KernelTime) -> GuardAction {
        let (source, flow) = self;
        GuardAction::KnowFlow { source, flow, phones, until }
    }

    fn forget(self) -> GuardAction {
        let (source, flow) = self;
        GuardAction::ForgetFlow { source, flow }
    }
}

#[derive(Debug)]
pub(super) struct Flows {
    lines: Known<SourceFlow>,
    uses: Uses<SourceFlow>,
    refused: u64,
}

impl Default for Flows {
    fn default() -> Self {
        Self { lines: Known::new(FLOWS), uses: Uses::new(FLOWS_OF_ACCOUNT), refused: 0 }
    }
}

impl Flows {
    /// A phone is on one flow of a source: the last that it has registered over.
    pub(super) fn register(
        &mut self,
        line: SourceFlow,
        account: Option<&Account>,
        phone: u64,
        (at, until): (KernelTime, KernelTime),
        settings: &KnownSettings,
    ) -> Vec<GuardAction> {
        if until <= at {
            return Vec::new();
        }
        let phone = (account.cloned(), phone);
        let mut noted = Vec::new();
        let mut elsewhere = 0;
        for other in self.of_account_at(account, line.0).into_iter().filter(|other| *other != line) {
            let action = self.lines.move_away(other, &phone, at, settings);
            noted.extend(self.noted(action));
            elsewhere += account.map_or(0, |account| self.lines.count_account(other, account));
        }
        if self.is_allowed(line, settings) {
            noted.extend(account.and_then(|account| self.note_use(line, account, at, settings)));
            // Of an account with too many phones at the source, this is a flow, and no more phones.
            noted.extend(if elsewhere < CONTACTS {
                self.lines.register(line, phone, (at, until), settings)
            } else {
                self.lines.work(line, at, settings)
            });
        }
        noted
    }

    /// Over whichever flow it says so.
    pub(super) fn unregister(
        &mut self,
        source: IpAddr,
        account: Option<&Account>,
        phone: u64,
        at: KernelTime,
        settings: &KnownSettings,
    ) -> Vec<GuardAction> {
        let phone = (account.cloned(), phone);
        let lines = self.of_account_at(account, source);
        let unregister = |line| {
            let action = self.lines.unregister(line, &phone, at, settings);
            self.noted(action)
        };
        lines.into_iter().filter_map(unregister).collect()
    }

    /// `account`: a trunk has none.
    pub(super) fn work(
        &mut self,
        line: SourceFlow,
        account: Option<&Account>,
        at: KernelTime,
        settings: &KnownSettings,
    ) -> Vec<GuardAction> {
        let mut noted = Vec::new();
        if self.is_allowed(line, settings) {
            noted.extend(account.and_then(|account| self.note_use(line, account, at, settings)));
            noted.extend(self.lines.work(line, at, settings));
        }
        noted
    }

    /// The kernel has it already.
    pub(super) fn restore(
        &mut self,
        line: SourceFlow,
        phones: u32,
        until: KernelTime,
        now: KernelTime,
        settings: &KnownSettings,
    ) {
        self.lines.restore(line, phones, until, now, settings);
    }

    /// One flow whose phones have become fewer, and the decision that follows.
    pub(super) fn ended(
        &mut self,
        now: KernelTime,
        settings: &KnownSettings,
        blind: &Blind,
    ) -> Option<Option<GuardAction>> {
        let action = self.lines.ended(now, settings, blind)?;
        Some(self.noted(action))
    }

    /// Flows that were not made.
    pub(super) const fn refused(&self) -> u64 {
        self.refused
    }

    /// True if it may be used: it is there, or there is room for it.
    fn is_allowed(&mut self, (source, flow): SourceFlow, settings: &KnownSettings) -> bool {
        let net = SourceNet::of(source).net();
        let others = || self.lines.within((net.network(), FIRST)..=(net.broadcast(), LAST)).count();
        let is_allowed =
            self.lines.has((source, flow)) || !self.lines.is_full() && others() < settings.phones as usize;
        self.refused += u64::from(!is_allowed);
        is_allowed
    }

    /// The decision about the flow that the account gives up for this one.
    fn note_use(
        &mut self,
        line: SourceFlow,
        account: &Account,
        at: KernelTime,
        settings: &KnownSettings,
    ) -> Option<GuardAction> {
        let given_up = self.uses.note(line, account, settings.phones as usize)?;
        let action = self.lines.take(given_up, account, at, settings);
        self.noted(action)
    }

    fn of_account_at(&self, account: Option<&Account>, source: IpAddr) -> Vec<SourceFlow> {
        let lines = account.into_iter().flat_map(|account| self.uses.of(account));
        lines.filter(|(at, _)| *at == source).collect()
    }

    /// On its way out: who used a flow that is no more has one less.
    fn noted(&mut self, action: Option<GuardAction>) -> Option<GuardAction> {
        if let Some(GuardAction::ForgetFlow { source, flow }) = action {
            self.uses.forget((source, flow));
        }
        action
    }
}
