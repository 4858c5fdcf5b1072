//! Failures, and the decisions that follow.

use std::{net::IpAddr, time::Duration};

use super::{
    Decision, Guard, GuardAction, Rule, Scope, Threshold, Trigger,
    account_at_source::Streak,
    asking::Follows,
    score::WHOLE,
    source_history::Tally,
    source_net::{Line, Same, SourceNet, neighbours_net},
    time::seconds,
    view::ActiveSuspension,
};
use sipward_types::time::KernelTime;
use sipward_types::{
    account::Account,
    evidence::{Evidence, Kind, Method, Proof},
};

/// A /48 may have so many times the failures that one source may have: it can hold as many homes.
const HOMES: u32 = 6;
/// Between what the filter lets pass and what is written into it.
const UNDER_WAY: Duration = Duration::from_secs(1);
/// A source that goes around a suspension is banned that long.
const BYPASS_LASTS: Duration = Duration::from_secs(3_600);
/// A source that looks for accounts is banned that long.
const ENUMERATION_LASTS: Duration = Duration::from_secs(3_600);

/// The state of an account at a source after a failure.
enum FailureOutcome {
    /// It was no new guess.
    Nothing,
    Failing,
    Suspend(Rule, Streak, KernelTime),
    /// Its /64 is suspended already; this address was not suspended yet.
    Follow(KernelTime),
}

impl Guard {
    /// Somebody asked without credentials, and was asked for some.
    pub(super) fn challenged(&mut self, evidence: &Evidence) -> Vec<Decision> {
        let Evidence { at, source, flow, .. } = *evidence;
        if self.bans.covers(source, flow, at) {
            return Vec::new();
        }
        let line = Line::of(source);
        let is_known = self.known.has(source);
        let rule = Rule::Enumeration;
        match self.asking.challenged(evidence, is_known) {
            Follows::Nothing => Vec::new(),
            Follows::Limit { until, count } => {
                let trigger = Trigger { rule, count, seconds: 0 };
                let action = GuardAction::LimitAsking { source: line.net().network(), until };
                let limit = Decision { at, action, trigger };
                let alerts = match evidence.proof {
                    Proof::Proven => &mut self.alerts,
                    Proof::Unproven => &mut self.unproven_failures.alerts,
                };
                let alert = alerts.raise(at, Some(line.net()), None, trigger);
                [Some(limit), alert].into_iter().flatten().collect()
            }
            Follows::Ban { count } => {
                self.asking.banned(line);
                let trigger = Trigger { rule, count, seconds: 0 };
                if is_known || self.successes.any_within(SourceNet::of(source).net(), at) {
                    return self.alerts.raise(at, Some(source.into()), None, trigger).into_iter().collect();
                }
                let (scope, until) = (Scope::Source { source }, at + ENUMERATION_LASTS);
                self.bans.add(scope, until);
                vec![Decision { at, action: GuardAction::Ban { scope, until }, trigger }]
            }
        }
    }

    /// Somebody asked without credentials.
    pub(super) fn asked(&mut self, evidence: &Evidence, in_vain: bool) -> Vec<Decision> {
        let Some(account) = &evidence.account else { return Vec::new() };
        let source_net = SourceNet::of(evidence.source);
        if self.bans.covers(evidence.source, evidence.flow, evidence.at) {
            return Vec::new();
        }
        let in_vain = in_vain && !self.successes.has_worked(source_net, account, evidence.at);
        self.source_histories.change(&source_net, |history| {
            history.last = history.last.max(evidence.at);
            history.flows = history.flows.and(Same::One(evidence.flow));
            history.addresses = history.addresses.and(Same::One(evidence.source));
            history.sequence.ask(account, evidence.at, in_vain);
        });
        if !in_vain {
            return Vec::new();
        }
        self.count_wider(evidence, account, source_net);
        let decisions = self.judge(evidence, account, source_net).into_iter().flatten();
        decisions.chain(self.judge_wider(evidence, account, source_net)).collect()
    }

    pub(super) fn failed(&mut self, evidence: &Evidence) -> Vec<Decision> {
        let (at, source) = (evidence.at, evidence.source);
        let Some(account) = &evidence.account else { return Vec::new() };
        if self.bans.covers(source, evidence.flow, at) {
            return Vec::new();
        }
        if self.suspensions.get(account, Some(source), at).is_some() {
            return self.failed_although_closed(evidence, account).into_iter().collect();
        }
        let source_net = SourceNet::of(source);
        let outcome = self.count(evidence, account, source_net);
        self.count_wider(evidence, account, source_net);
        let mut decisions = Vec::new();
        match outcome {
            FailureOutcome::Nothing => return decisions,
            FailureOutcome::Failing => {}
            FailureOutcome::Follow(until) => decisions.extend(self.follow(evidence, account, until)),
            FailureOutcome::Suspend(rule, streak, until) => {
                decisions.extend(self.suspend(evidence, account, (rule, streak, until)));
            }
        }
        if self.successes.works_until(source_net, account, at).is_none() {
            decisions.extend(self.lock(evidence, account, source_net));
        }
        decisions.extend(self.judge(evidence, account, source_net).into_iter().flatten());
        decisions.extend(self.judge_wider(evidence, account, source_net));
        decisions
    }

    /// A request that was under way at the decision counts nothing. One that was made later should have dropped:
    /// somebody has found a way around. Where nobody works it is the source that does so, elsewhere it is its flow.
    fn failed_although_closed(&mut self, evidence: &Evidence, account: &Account) -> Option<Decision> {
        let Evidence { at, source, flow, made_after, .. } = *evidence;
        let since =
            self.suspensions.dropping_since(&(account.clone(), Some(source))).filter(|_| self.drops)?;
        if made_after <= since + UNDER_WAY {
            return None;
        }
        let source_net = SourceNet::of(source);
        let is_home = self.known.phones(source_net, at, &self.settings.known) > 0
            || self.successes.any_within(source_net.net(), at);
        let scope = if is_home { Scope::Flow { source, flow } } else { Scope::Source { source } };
        let until = at + BYPASS_LASTS;
        self.bans.add(scope, until);
        let trigger = Trigger { rule: Rule::Bypass, count: 1, seconds: seconds(since, at) };
        Some(Decision { at, action: GuardAction::Ban { scope, until }, trigger })
    }

    /// A name stood beside another one in what was refused.
    pub(super) fn named(&mut self, evidence: &Evidence) -> Vec<Decision> {
        let (at, source, within) = (evidence.at, evidence.source, self.settings.spray.within);
        let Some(account) = &evidence.account else { return Vec::new() };
        if self.bans.covers(source, evidence.flow, at) {
            return Vec::new();
        }
        let source_net = SourceNet::of(source);
        self.source_histories.change(&source_net, |history| {
            history.last = history.last.max(at);
            history.account(account).guess(evidence, within);
        });
        self.count_wider(evidence, account, source_net);
        let decisions = self.judge(evidence, account, source_net).into_iter().flatten();
        decisions.chain(self.judge_wider(evidence, account, source_net)).collect()
    }

    fn count(&mut self, evidence: &Evidence, account: &Account, source_net: SourceNet) -> FailureOutcome {
        let settings = &self.settings;
        let at = evidence.at;
        let is_familiar = self.successes.has_worked(source_net, account, at);
        self.source_histories.change(&source_net, |history| {
            history.last = history.last.max(at);
            let at_source = history.account(account);
            if at_source.suspended_until > at {
                at_source.addresses = at_source.addresses.and(Same::One(evidence.source));
                at_source.flows = at_source.flows.and(Same::One(evidence.flow));
                return FailureOutcome::Follow(at_source.suspended_until);
            }
            let Some(streak) = at_source.fail(evidence, settings.spray.within) else {
                return FailureOutcome::Nothing;
            };
            history.flows = history.flows.and(Same::One(evidence.flow));
            history.addresses = history.addresses.and(Same::One(evidence.source));
            history.sequence.ask(account, at, !is_familiar);
            let (retries, rule) = match evidence.method {
                Method::Register => (&settings.suspend, Rule::Suspend),
                Method::Invite | Method::Other => (&settings.calls, Rule::Calls),
            };
            if retries.are_spent(streak) {
                FailureOutcome::Suspend(rule, streak, at + retries.time)
            } else {
                FailureOutcome::Failing
            }
        })
    }

    /// For all /64s together. Not what was no guess there.
    fn count_wider(&mut self, evidence: &Evidence, account: &Account, source_net: SourceNet) {
        let (at, within) = (evidence.at, self.settings.spray.within);
        if let Some(wider) = source_net.wider()
            && !self.successes.has_worked(source_net, account, at)
        {
            self.source_histories.change(&wider, |history| {
                history.last = history.last.max(at);
                if evidence.kind != Kind::Refused {
                    history.account(account).fail(evidence, within);
                }
                history.sequence.ask(account, at, true);
            });
        }
    }

    fn suspend(
        &mut self,
        evidence: &Evidence,
        account: &Account,
        (rule, streak, until): (Rule, Streak, KernelTime),
    ) -> Option<Decision> {
        let trigger = Trigger { rule, count: streak.count, seconds: streak.seconds() };
        let decision = self.close(evidence, account, until, trigger)?;
        self.count_suspension(evidence, account, streak.pace());
        self.source_histories
            .change(&SourceNet::of(evidence.source), |history| history.account(account).suspend(until));
        Some(decision)
    }

    fn count_suspension(&mut self, evidence: &Evidence, account: &Account, pace: u32) {
        let within = self.settings.persistent.within;
        let source_net = SourceNet::of(evidence.source);
        for source_net in [Some(source_net), source_net.wider()].into_iter().flatten() {
            self.source_histories.change(&source_net, |history| {
                let at_source = history.account(account);
                let (flows, addresses) = (at_source.flows, at_source.addresses);
                history.persistent.add(pace, evidence.at, within, flows, addresses);
            });
        }
    }

    /// Nobody who is only misconfigured goes on with the same account from the next address.
    fn follow(&mut self, evidence: &Evidence, account: &Account, until: KernelTime) -> Option<Decision> {
        self.count_suspension(evidence, account, WHOLE);
        let rule = if evidence.method == Method::Register { Rule::Suspend } else { Rule::Calls };
        self.close(evidence, account, until, Trigger { rule, count: 1, seconds: 0 })
    }

    fn close(
        &mut self,
        evidence: &Evidence,
        account: &Account,
        until: KernelTime,
        trigger: Trigger,
    ) -> Option<Decision> {
        let source = evidence.source;
        let has_room =
            self.suspensions.insert((account.clone(), Some(source)), ActiveSuspension { until, trigger });
        let action = GuardAction::Suspend { account: account.clone(), source, until };
        has_room.then_some(Decision { at: evidence.at, action, trigger })
    }

    /// The account is under attack from elsewhere than where it works.
    fn lock(&mut self, evidence: &Evidence, account: &Account, source_net: SourceNet) -> Option<Decision> {
        let at = evidence.at;
        if self.suspensions.get(account, None, at).is_some() {
            return None;
        }
        let (sources, failures) = self.account_histories.change(account, |account_history| {
            account_history.fail(source_net, at);
            (
                account_history.sources(at, self.settings.distributed.within),
                account_history.failures(at, self.settings.lock.within),
            )
        });
        let rules = [
            (Rule::Distributed, self.settings.distributed, sources),
            (Rule::Lock, self.settings.lock, failures),
        ];
        let (rule, limit, (count, seconds)) =
            rules.into_iter().find(|(_, limit, (count, _))| limit.on && *count >= limit.count)?;
        let (until, trigger) = (at.expiry(limit.lasts), Trigger { rule, count, seconds });
        if !self.suspensions.insert((account.clone(), None), ActiveSuspension { until, trigger }) {
            return None;
        }
        self.account_histories.remove(account);
        Some(Decision { at, action: GuardAction::Lock { account: account.clone(), until }, trigger })
    }

    /// The ban of the source, or the alert instead of it, and the ban of its neighbours. What is banned is forgotten.
    fn judge(
        &mut self,
        evidence: &Evidence,
        account: &Account,
        source_net: SourceNet,
    ) -> [Option<Decision>; 2] {
        let phones = self.known.phones(source_net, evidence.at, &self.settings.known);
        let Some((trigger, limit, tally)) = self.first_broken(evidence, account, source_net, phones) else {
            return [None, None];
        };
        let at = evidence.at;
        let Some(scope) = self.scope(evidence.source, account, at, &tally, (trigger.rule, phones)) else {
            return [
                self.alerts.raise(at, Some(evidence.source.into()), Some(account.clone()), trigger),
                None,
            ];
        };
        self.source_histories.remove(&source_net);
        let until = at.expiry(limit.lasts);
        self.bans.add(scope, until);
        let ban = Decision { at, action: GuardAction::Ban { scope, until }, trigger };
        [Some(ban), self.judge_neighbours(scope, at)]
    }

    /// The same for all /64s of a /48 together; but nobody in it may have been at home there.
    fn judge_wider(
        &mut self,
        evidence: &Evidence,
        account: &Account,
        source_net: SourceNet,
    ) -> Option<Decision> {
        let (at, wider) = (evidence.at, source_net.wider()?);
        let (trigger, limit, _) = self.first_broken(evidence, account, wider, 0)?;
        let net = wider.net();
        if self.known.any_within(net) || self.successes.any_within(net, at) {
            return self.alerts.raise(at, Some(net), None, trigger);
        }
        self.source_histories.remove(&wider);
        let (scope, until) = (Scope::Prefix { net }, at.expiry(limit.lasts));
        self.bans.add(scope, until);
        Some(Decision { at, action: GuardAction::Ban { scope, until }, trigger })
    }

    /// The first rule that is broken. Each gives a source one more for each of its phones, and a /48 as much as several.
    fn first_broken(
        &self,
        evidence: &Evidence,
        account: &Account,
        source_net: SourceNet,
        phones: u32,
    ) -> Option<(Trigger, Threshold, Tally)> {
        let (at, settings) = (evidence.at, &self.settings);
        let history = self.source_histories.get(&source_net)?;
        let is_guess = |account: &Account| !self.successes.has_worked(source_net, account, at);
        let run = history.sequence.run(account, at, settings.sequential.within);
        let run =
            Tally { count: run.count, since: run.since, flows: history.flows, addresses: history.addresses };
        let rules = [
            (Rule::Persistent, settings.persistent, history.persistent.tally(at, settings.persistent.within)),
            (Rule::Sequential, settings.sequential, run),
            (Rule::Spray, settings.spray, history.spray(at, settings, is_guess)),
            (Rule::ManyAccounts, settings.many_accounts, history.many_accounts(at, settings, is_guess)),
        ];
        // A request that is refused without credentials has not failed: that is part of a sequence and of nothing else.
        let applies = |rule| evidence.kind != Kind::Refused || rule == Rule::Sequential;
        let is_broken = |(rule, limit, tally): &(Rule, Threshold, Tally)| {
            let most = if source_net.is_wide() { limit.count * HOMES } else { limit.count + phones };
            limit.on && applies(*rule) && tally.count >= most
        };
        let (rule, limit, tally) = rules.into_iter().find(is_broken)?;
        let trigger = Trigger { rule, count: tally.count, seconds: seconds(tally.since, at) };
        Some((trigger, limit, tally))
    }

    /// The scope of a ban, as narrow as it can be: nothing but a flow where others work, because they are behind the same
    /// address. One account that fails again and again is suspended as often as that, so for it no flow is banned on which
    /// others have worked: a PBX may have all its accounts on one flow, and one of them a wrong password.
    fn scope(
        &self,
        source: IpAddr,
        account: &Account,
        now: KernelTime,
        tally: &Tally,
        (rule, phones): (Rule, u32),
    ) -> Option<Scope> {
        let source_net = SourceNet::of(source);
        let others_have_worked = |flow| self.successes.others_have_worked(source_net, flow, account, now);
        if phones == 0 && !others_have_worked(None) {
            // A stranger that uses several addresses of its /64 has all of them.
            return Some(match tally.addresses {
                Same::Several => Scope::Prefix { net: source_net.net() },
                _ => Scope::Source { source },
            });
        }
        match (tally.flows, tally.addresses) {
            (Same::One(flow), Same::One(source)) => {
                let spares = rule == Rule::Persistent && others_have_worked(Some(flow));
                (!spares).then_some(Scope::Flow { source, flow })
            }
            _ => None,
        }
    }

    fn judge_neighbours(&mut self, scope: Scope, at: KernelTime) -> Option<Decision> {
        let Scope::Source { source } = scope else { return None };
        let limit = self.settings.neighbours;
        let (count, seconds) = self.bans.add_neighbour(source, at, limit.within);
        let net = neighbours_net(source);
        if !limit.on || count < limit.count || self.known.any_within(net) {
            return None;
        }
        let (scope, until) = (Scope::Prefix { net }, at.expiry(limit.lasts));
        self.bans.add(scope, until);
        let trigger = Trigger { rule: Rule::Neighbours, count, seconds };
        Some(Decision { at, action: GuardAction::Ban { scope, until }, trigger })
    }
}
