//! Successes: they clear failures, and make the source known.

use super::{
    Decision, Guard, GuardAction, Rule, Trigger, active_suspensions::SuspendedScope, sites::AT_ONCE,
    source_net::SourceNet,
};
use sipward_types::{
    account::Account,
    evidence::{Evidence, Kind},
};

const WORKED: Trigger = Trigger { rule: Rule::Worked, count: 0, seconds: 0 };

impl Guard {
    pub(super) fn worked(&mut self, evidence: &Evidence) -> Vec<Decision> {
        let mut decisions = Vec::new();
        // A trunk of ours that answers says nothing about an account's password.
        if let Some(account) = &evidence.account
            && evidence.kind != Kind::Qualified
        {
            decisions.extend(self.clear(evidence, account));
        }
        self.asking.worked(evidence);
        let mut whats = self.make_room(evidence);
        whats.extend(self.know(evidence));
        whats.extend(self.know_flow(evidence));
        let forgotten = |action: &GuardAction| matches!(action, GuardAction::Forget { source } if *source == evidence.source);
        if whats.iter().any(forgotten) {
            self.uses.forget(evidence.source);
        }
        decisions.extend(whats.into_iter().map(|action| Decision {
            at: evidence.at,
            action,
            trigger: WORKED,
        }));
        decisions
    }

    /// Anybody could have sent this in the name of that address, but nobody without the account's password. So the filter
    /// charges the account for nothing more there, and gives back what it has; otherwise an office behind a PBX that gives
    /// many the same nonce would lose its phones to the few that have a wrong password. No rule takes it for more.
    pub(super) fn had_the_password(&mut self, evidence: &Evidence) {
        let Evidence { at, source, flow, ref account, .. } = *evidence;
        let Some(account) = account else { return };
        self.unproven_successes.works(
            SourceNet::of(source),
            account,
            flow,
            at,
            at + self.settings.known.worked,
        );
        self.guesses.worked(source, account, at);
    }

    fn clear(&mut self, evidence: &Evidence, account: &Account) -> Option<Decision> {
        let (at, source) = (evidence.at, evidence.source);
        let source_net = SourceNet::of(source);
        let until = match evidence.kind {
            Kind::Registered { until, .. } => until + self.settings.known.grace,
            Kind::Unregistered { .. } => at + self.settings.known.grace,
            _ => at + self.settings.known.worked,
        };
        self.successes.works(source_net, account, evidence.flow, at, until);
        self.guesses.worked(source, account, at);
        for source_net in [Some(source_net), source_net.wider()].into_iter().flatten() {
            if self.source_histories.get(&source_net).is_some_and(|history| history.knows(account)) {
                self.source_histories.change(&source_net, |history| history.forget(account));
            }
        }
        if self
            .account_histories
            .get(account)
            .is_some_and(|account_history| account_history.knows(source_net))
        {
            self.account_histories.change(account, |account_history| account_history.forget(source_net));
        }
        let key: SuspendedScope = (account.clone(), Some(source));
        let action = GuardAction::Lift { account: account.clone(), source: Some(source) };
        self.suspensions.remove(&key).then_some(Decision { at, action, trigger: WORKED })
    }

    /// No account and no /48 fills the table of those that are known: what it has had longest goes for one more.
    fn make_room(&mut self, evidence: &Evidence) -> Vec<GuardAction> {
        let Evidence { at, source, ref account, kind, .. } = *evidence;
        let mut whats = Vec::new();
        if matches!(kind, Kind::Unregistered { .. }) {
            return whats;
        }
        let settings = &self.settings.known;
        if let Some(account) = account.as_ref().filter(|_| kind != Kind::Qualified)
            && let Some(given_up) = self.uses.note(source, account, settings.phones as usize)
        {
            whats.extend(self.known.take(given_up, account, at, settings));
        }
        if let Some(site) = SourceNet::of(source).wider().filter(|_| !self.known.has(source)) {
            let range = site.net().network()..=site.net().broadcast();
            if self.sites.add(site, || 1 + self.known.within(range.clone()).count()) {
                whats.extend(self.known.forget_some(range, AT_ONCE));
                self.sites.recount(site);
            }
        }
        for action in &whats {
            if let GuardAction::Forget { source } = action {
                self.uses.forget(*source);
            }
        }
        whats
    }

    fn know(&mut self, evidence: &Evidence) -> Option<GuardAction> {
        let Evidence { at, source, ref account, .. } = *evidence;
        let settings = &self.settings.known;
        match evidence.kind {
            Kind::Registered { phone, until } => {
                self.known.register(source, (account.clone(), phone), (at, until), settings)
            }
            Kind::Unregistered { phone } => {
                self.known.unregister(source, &(account.clone(), phone), at, settings)
            }
            _ => self.known.work(source, at, settings),
        }
    }

    /// Of a source that is known.
    fn know_flow(&mut self, evidence: &Evidence) -> Vec<GuardAction> {
        let Evidence { at, source, flow, ref account, kind, .. } = *evidence;
        let (settings, account) = (&self.settings.known, account.as_ref());
        if !self.known.has(source) {
            return Vec::new();
        }
        match kind {
            Kind::Registered { phone, until } => {
                self.flows.register((source, flow), account, phone, (at, until), settings)
            }
            Kind::Unregistered { phone } => self.flows.unregister(source, account, phone, at, settings),
            Kind::Qualified => self.flows.work((source, flow), None, at, settings),
            _ => self.flows.work((source, flow), account, at, settings),
        }
    }
}
