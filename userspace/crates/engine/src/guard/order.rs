//! Orders by hand, and the state that was in force before a restart.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{
    Decision, Guard, GuardAction, Rule, Trigger, active_suspensions::SuspendedScope, source_net::SourceNet,
    view::ActiveSuspension,
};
use sipward_types::time::KernelTime;
use sipward_types::{account::Account, flow::Flow};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// From anywhere, also where it works. An earlier lock by hand is replaced; one of the guard's own as well.
    Lock { account: Account, until: KernelTime },
    /// Lifts its suspensions and its lock, and forgets its failures.
    Unlock { account: Account },
    /// The same of what it did at one source.
    UnlockAt { account: Account, source: IpAddr },
    /// Forgets what counts against the sources in it and lifts the suspensions there, so that what was unbanned stays so
    /// until there is new evidence.
    ClearNet { net: IpNet },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    Suspended { account: Account, source: IpAddr, until: KernelTime, trigger: Trigger },
    Locked { account: Account, until: KernelTime, trigger: Trigger },
    Known { source: IpAddr, phones: u32, until: KernelTime },
    KnownFlow { source: IpAddr, flow: Flow, phones: u32, until: KernelTime },
}

const HAND: Trigger = Trigger { rule: Rule::Hand, count: 0, seconds: 0 };

impl Guard {
    /// The decisions that follow from a command.
    pub fn order(&mut self, order: &Order, now: KernelTime) -> Vec<Decision> {
        match order {
            Order::Lock { account, until } => self.lock_by_hand(account, *until, now).into_iter().collect(),
            Order::Unlock { account } => self.unlock(account, now),
            Order::UnlockAt { account, source } => self.unlock_at(account, *source, now),
            Order::ClearNet { net } => self.clear_net(*net, now),
        }
    }

    /// It is in force, as far as the filter drops what is suspended.
    pub fn in_force(&mut self, decision: &Decision, now: KernelTime) {
        if let GuardAction::Suspend { account, source, .. } = &decision.action {
            self.suspensions.is_dropping(&(account.clone(), Some(*source)), now);
        }
    }

    /// True if the filter drops what is suspended, instead of counting it or leaving it to the PBX.
    pub fn set_drops(&mut self, drops: bool, now: KernelTime) {
        if drops && !self.drops {
            self.suspensions.all_are_dropping(now);
        }
        self.drops = drops;
    }

    /// A decision was not put in force, as somebody here could not do without that source. From now on it is watched as if
    /// nothing had been decided; what had counted against it until then is forgotten.
    pub fn refused(&mut self, decision: &Decision) {
        match &decision.action {
            GuardAction::Ban { scope, .. } => self.bans.remove(*scope),
            GuardAction::Suspend { account, source, .. } => {
                self.suspensions.remove(&(account.clone(), Some(*source)));
                self.source_histories
                    .change_if_any(&SourceNet::of(*source), |history| history.forget(account));
            }
            GuardAction::LimitAsking { .. }
            | GuardAction::Lock { .. }
            | GuardAction::Lift { .. }
            | GuardAction::Know { .. }
            | GuardAction::Forget { .. }
            | GuardAction::KnowFlow { .. }
            | GuardAction::ForgetFlow { .. }
            | GuardAction::Alert { .. } => {}
        }
    }

    /// Takes over what was in force before a restart. Where two say different ends, the later one is right.
    pub fn restore(&mut self, now: KernelTime, held: impl IntoIterator<Item = Held>) {
        for held in held {
            let (key, until, trigger) = match held {
                Held::Suspended { account, source, until, trigger } => {
                    ((account, Some(source)), until, trigger)
                }
                Held::Locked { account, until, trigger } => ((account, None), until, trigger),
                Held::Known { source, phones, until } => {
                    self.known.restore(source, phones, until, now, &self.settings.known);
                    continue;
                }
                Held::KnownFlow { source, flow, phones, until } => {
                    self.flows.restore((source, flow), phones, until, now, &self.settings.known);
                    continue;
                }
            };
            let before = self.suspensions.get(&key.0, key.1, now).map_or(now, |suspension| suspension.until);
            if until > before {
                self.suspensions.insert(key.clone(), ActiveSuspension { until, trigger });
                self.suspensions.is_dropping(&key, now);
            }
        }
    }

    fn lock_by_hand(&mut self, account: &Account, until: KernelTime, now: KernelTime) -> Option<Decision> {
        let key = (account.clone(), None);
        if until <= now || !self.suspensions.insert(key, ActiveSuspension { until, trigger: HAND }) {
            return None;
        }
        Some(Decision {
            at: now,
            action: GuardAction::Lock { account: account.clone(), until },
            trigger: HAND,
        })
    }

    fn unlock(&mut self, account: &Account, now: KernelTime) -> Vec<Decision> {
        let keys: Vec<SuspendedScope> =
            self.suspensions.of_account(account).map(|(key, _)| key.clone()).collect();
        let source_nets: Vec<SourceNet> = self
            .source_histories
            .iter()
            .filter(|(_, history)| history.pairs.contains_key(account))
            .map(|(source_net, _)| *source_net)
            .collect();
        for source_net in source_nets {
            self.source_histories.change(&source_net, |history| history.forget(account));
        }
        self.account_histories.remove(account);
        self.lift(keys, now)
    }

    fn unlock_at(&mut self, account: &Account, source: IpAddr, now: KernelTime) -> Vec<Decision> {
        let source_net = SourceNet::of(source);
        self.source_histories.change_if_any(&source_net, |history| history.forget(account));
        self.account_histories.change_if_any(account, |account_history| account_history.forget(source_net));
        let key = (account.clone(), Some(source));
        let is_closed = self.suspensions.of_account(account).any(|(suspension, _)| *suspension == key);
        self.lift(is_closed.then_some(key).into_iter().collect(), now)
    }

    fn clear_net(&mut self, net: IpNet, now: KernelTime) -> Vec<Decision> {
        let source_nets: Vec<SourceNet> =
            self.source_histories.iter().map(|(source_net, _)| *source_net).collect();
        for source_net in source_nets.into_iter().filter(|source_net| source_net.touches(net)) {
            self.source_histories.remove(&source_net);
        }
        self.bans.clear_net(net);
        let keys: Vec<SuspendedScope> = self.suspensions.of_net(net).collect();
        self.lift(keys, now)
    }

    fn lift(&mut self, keys: Vec<SuspendedScope>, now: KernelTime) -> Vec<Decision> {
        let lift = |key: SuspendedScope| {
            self.suspensions.remove(&key);
            let (account, source) = key;
            Decision { at: now, action: GuardAction::Lift { account, source }, trigger: HAND }
        };
        keys.into_iter().map(lift).collect()
    }
}
