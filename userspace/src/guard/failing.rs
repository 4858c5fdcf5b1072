//! What failed, and what follows.

use std::{net::IpAddr, time::Duration};

use super::{
    Account, Because, Decision, Evidence, Guard, Kind, Method, Proof, Rule, Scope, Threshold, What,
    asking::Follows,
    moment::{after, seconds},
    pair::Streak,
    place::{Line, Place, Same, neighbourhood},
    score::WHOLE,
    trail::Tally,
    view::Closed,
};
use crate::kernel::expiry;

/// As many strangers as are let at the limits of their own in one neighbourhood are let at it in a /48.
const HOMES: u32 = 6;
/// Between what the filter lets pass and what is written into it.
const UNDER_WAY: Duration = Duration::from_secs(1);
/// How long who goes around a suspension is banned.
const BYPASS_LASTS: Duration = Duration::from_secs(3_600);
/// How long who looks for accounts is banned.
const ENUMERATION_LASTS: Duration = Duration::from_secs(3_600);

/// How an account at a source stands after a failure.
enum Standing {
    /// It was no new guess.
    Nothing,
    Failing,
    Suspend(Rule, Streak, u64),
    /// Its /64 is suspended already; this address was not told yet.
    Follow(u64),
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
                let because = Because { rule, count, seconds: 0 };
                let what = What::LimitAsking { source: line.net().network(), until };
                let limit = Decision { at, what, because };
                let alerts = match evidence.proof {
                    Proof::Proven => &mut self.alerts,
                    Proof::Forgeable => &mut self.doubtful.alerts,
                };
                let alert = alerts.raise(at, Some(line.net()), None, because);
                [Some(limit), alert].into_iter().flatten().collect()
            }
            Follows::Ban { count } => {
                self.asking.banned(line);
                let because = Because { rule, count, seconds: 0 };
                if is_known || self.familiar.any_within(Place::of(source).net(), at) {
                    return self.alerts.raise(at, Some(source.into()), None, because).into_iter().collect();
                }
                let (scope, until) = (Scope::Source { source }, after(at, ENUMERATION_LASTS));
                self.bans.add(scope, until);
                vec![Decision { at, what: What::Ban { scope, until }, because }]
            }
        }
    }

    /// Somebody asked without credentials.
    pub(super) fn asked(&mut self, evidence: &Evidence, in_vain: bool) -> Vec<Decision> {
        let Some(account) = &evidence.account else { return Vec::new() };
        let place = Place::of(evidence.source);
        if self.bans.covers(evidence.source, evidence.flow, evidence.at) {
            return Vec::new();
        }
        let in_vain = in_vain && !self.familiar.has_worked(place, account, evidence.at);
        self.trails.change(&place, |trail| {
            trail.last = trail.last.max(evidence.at);
            trail.flows = trail.flows.and(Same::One(evidence.flow));
            trail.addresses = trail.addresses.and(Same::One(evidence.source));
            trail.sequence.ask(account, evidence.at, in_vain);
        });
        if !in_vain {
            return Vec::new();
        }
        self.count_wider(evidence, account, place);
        let decisions = self.judge(evidence, account, place).into_iter().flatten();
        decisions.chain(self.judge_wider(evidence, account, place)).collect()
    }

    pub(super) fn failed(&mut self, evidence: &Evidence) -> Vec<Decision> {
        let (at, source) = (evidence.at, evidence.source);
        let Some(account) = &evidence.account else { return Vec::new() };
        if self.bans.covers(source, evidence.flow, at) {
            return Vec::new();
        }
        if self.closed.get(account, Some(source), at).is_some() {
            return self.failed_although_closed(evidence, account).into_iter().collect();
        }
        let place = Place::of(source);
        let standing = self.count(evidence, account, place);
        self.count_wider(evidence, account, place);
        let mut decisions = Vec::new();
        match standing {
            Standing::Nothing => return decisions,
            Standing::Failing => {}
            Standing::Follow(until) => decisions.extend(self.follow(evidence, account, until)),
            Standing::Suspend(rule, streak, until) => {
                decisions.extend(self.suspend(evidence, account, (rule, streak, until)));
            }
        }
        if self.familiar.works_until(place, account, at).is_none() {
            decisions.extend(self.lock(evidence, account, place));
        }
        decisions.extend(self.judge(evidence, account, place).into_iter().flatten());
        decisions.extend(self.judge_wider(evidence, account, place));
        decisions
    }

    /// What was under way when it was decided counts nothing. What was made later should have dropped: somebody has found a
    /// way around. Where nobody works it is the source that does so, elsewhere it is its flow.
    fn failed_although_closed(&mut self, evidence: &Evidence, account: &Account) -> Option<Decision> {
        let Evidence { at, source, flow, made_after, .. } = *evidence;
        let since = self.closed.dropping_since(&(account.clone(), Some(source))).filter(|_| self.drops)?;
        if made_after <= after(since, UNDER_WAY) {
            return None;
        }
        let place = Place::of(source);
        let is_home = self.known.phones(place, at, &self.settings.known) > 0
            || self.familiar.any_within(place.net(), at);
        let scope = if is_home { Scope::Flow { source, flow } } else { Scope::Source { source } };
        let until = after(at, BYPASS_LASTS);
        self.bans.add(scope, until);
        let because = Because { rule: Rule::Bypass, count: 1, seconds: seconds(since, at) };
        Some(Decision { at, what: What::Ban { scope, until }, because })
    }

    /// A name stood beside another one in what was refused.
    pub(super) fn named(&mut self, evidence: &Evidence) -> Vec<Decision> {
        let (at, source, within) = (evidence.at, evidence.source, self.settings.spray.within);
        let Some(account) = &evidence.account else { return Vec::new() };
        if self.bans.covers(source, evidence.flow, at) {
            return Vec::new();
        }
        let place = Place::of(source);
        self.trails.change(&place, |trail| {
            trail.last = trail.last.max(at);
            trail.pair(account).guess(evidence, within);
        });
        self.count_wider(evidence, account, place);
        let decisions = self.judge(evidence, account, place).into_iter().flatten();
        decisions.chain(self.judge_wider(evidence, account, place)).collect()
    }

    fn count(&mut self, evidence: &Evidence, account: &Account, place: Place) -> Standing {
        let settings = &self.settings;
        let at = evidence.at;
        let is_familiar = self.familiar.has_worked(place, account, at);
        self.trails.change(&place, |trail| {
            trail.last = trail.last.max(at);
            let pair = trail.pair(account);
            if pair.suspended_until > at {
                pair.addresses = pair.addresses.and(Same::One(evidence.source));
                pair.flows = pair.flows.and(Same::One(evidence.flow));
                return Standing::Follow(pair.suspended_until);
            }
            let Some(streak) = pair.fail(evidence, settings.spray.within) else { return Standing::Nothing };
            trail.flows = trail.flows.and(Same::One(evidence.flow));
            trail.addresses = trail.addresses.and(Same::One(evidence.source));
            trail.sequence.ask(account, at, !is_familiar);
            let (retries, rule) = match evidence.method {
                Method::Register => (&settings.suspend, Rule::Suspend),
                Method::Invite | Method::Other => (&settings.calls, Rule::Calls),
            };
            if retries.are_spent(streak) {
                Standing::Suspend(rule, streak, after(at, retries.time))
            } else {
                Standing::Failing
            }
        })
    }

    /// For all /64s together. Not what was no guess there.
    fn count_wider(&mut self, evidence: &Evidence, account: &Account, place: Place) {
        let (at, within) = (evidence.at, self.settings.spray.within);
        if let Some(wider) = place.wider()
            && !self.familiar.has_worked(place, account, at)
        {
            self.trails.change(&wider, |trail| {
                trail.last = trail.last.max(at);
                if evidence.kind != Kind::Refused {
                    trail.pair(account).fail(evidence, within);
                }
                trail.sequence.ask(account, at, true);
            });
        }
    }

    fn suspend(
        &mut self,
        evidence: &Evidence,
        account: &Account,
        (rule, streak, until): (Rule, Streak, u64),
    ) -> Option<Decision> {
        let because = Because { rule, count: streak.count, seconds: streak.seconds() };
        let decision = self.close(evidence, account, until, because)?;
        self.persist(evidence, account, streak.pace());
        self.trails.change(&Place::of(evidence.source), |trail| trail.pair(account).suspend(until));
        Some(decision)
    }

    fn persist(&mut self, evidence: &Evidence, account: &Account, pace: u32) {
        let within = self.settings.persistent.within;
        let place = Place::of(evidence.source);
        for place in [Some(place), place.wider()].into_iter().flatten() {
            self.trails.change(&place, |trail| {
                let pair = trail.pair(account);
                let (flows, addresses) = (pair.flows, pair.addresses);
                trail.persistent.add(pace, evidence.at, within, flows, addresses);
            });
        }
    }

    /// Nobody who is only misconfigured goes on with the same account from the next address.
    fn follow(&mut self, evidence: &Evidence, account: &Account, until: u64) -> Option<Decision> {
        self.persist(evidence, account, WHOLE);
        let rule = if evidence.method == Method::Register { Rule::Suspend } else { Rule::Calls };
        self.close(evidence, account, until, Because { rule, count: 1, seconds: 0 })
    }

    fn close(
        &mut self,
        evidence: &Evidence,
        account: &Account,
        until: u64,
        because: Because,
    ) -> Option<Decision> {
        let source = evidence.source;
        let has_room = self.closed.close((account.clone(), Some(source)), Closed { until, because });
        let what = What::Suspend { account: account.clone(), source, until };
        has_room.then_some(Decision { at: evidence.at, what, because })
    }

    /// The account is under attack from elsewhere than where it works.
    fn lock(&mut self, evidence: &Evidence, account: &Account, place: Place) -> Option<Decision> {
        let at = evidence.at;
        if self.closed.get(account, None, at).is_some() {
            return None;
        }
        let (sources, failures) = self.crowds.change(account, |crowd| {
            crowd.fail(place, at);
            (
                crowd.sources(at, self.settings.distributed.within),
                crowd.failures(at, self.settings.lock.within),
            )
        });
        let rules = [
            (Rule::Distributed, self.settings.distributed, sources),
            (Rule::Lock, self.settings.lock, failures),
        ];
        let (rule, limit, (count, seconds)) =
            rules.into_iter().find(|(_, limit, (count, _))| limit.on && *count >= limit.count)?;
        let (until, because) = (expiry(at, limit.lasts), Because { rule, count, seconds });
        if !self.closed.close((account.clone(), None), Closed { until, because }) {
            return None;
        }
        self.crowds.remove(account);
        Some(Decision { at, what: What::Lock { account: account.clone(), until }, because })
    }

    /// Whether the source is to be banned for all that it did; then all of it is forgotten.
    fn judge(&mut self, evidence: &Evidence, account: &Account, place: Place) -> [Option<Decision>; 2] {
        let phones = self.known.phones(place, evidence.at, &self.settings.known);
        let Some((because, limit, tally)) = self.worst(evidence, account, place, phones) else {
            return [None, None];
        };
        let at = evidence.at;
        let Some(scope) = self.scope(evidence.source, account, at, &tally, (because.rule, phones)) else {
            return [
                self.alerts.raise(at, Some(evidence.source.into()), Some(account.clone()), because),
                None,
            ];
        };
        self.trails.remove(&place);
        let until = expiry(at, limit.lasts);
        self.bans.add(scope, until);
        let ban = Decision { at, what: What::Ban { scope, until }, because };
        [Some(ban), self.judge_neighbours(scope, at)]
    }

    /// The same for all /64s of a /48 together; but nobody in it may have been at home there.
    fn judge_wider(&mut self, evidence: &Evidence, account: &Account, place: Place) -> Option<Decision> {
        let (at, wider) = (evidence.at, place.wider()?);
        let (because, limit, _) = self.worst(evidence, account, wider, 0)?;
        let net = wider.net();
        if self.known.any_within(net) || self.familiar.any_within(net, at) {
            return self.alerts.raise(at, Some(net), None, because);
        }
        self.trails.remove(&wider);
        let (scope, until) = (Scope::Prefix { net }, expiry(at, limit.lasts));
        self.bans.add(scope, until);
        Some(Decision { at, what: What::Ban { scope, until }, because })
    }

    /// The first rule that is broken. Each gives a source one more for each of its phones, and a /48 as much as several.
    fn worst(
        &self,
        evidence: &Evidence,
        account: &Account,
        place: Place,
        phones: u32,
    ) -> Option<(Because, Threshold, Tally)> {
        let (at, settings) = (evidence.at, &self.settings);
        let trail = self.trails.get(&place)?;
        let is_guess = |account: &Account| !self.familiar.has_worked(place, account, at);
        let run = trail.sequence.run(account, at, settings.sequential.within);
        let run =
            Tally { count: run.count, since: run.since, flows: trail.flows, addresses: trail.addresses };
        let rules = [
            (Rule::Persistent, settings.persistent, trail.persistent.tally(at, settings.persistent.within)),
            (Rule::Sequential, settings.sequential, run),
            (Rule::Spray, settings.spray, trail.spray(at, settings, is_guess)),
            (Rule::ManyAccounts, settings.many_accounts, trail.many_accounts(at, settings, is_guess)),
        ];
        // Who is refused without credentials has not failed: that is part of a sequence and of nothing else.
        let applies = |rule| evidence.kind != Kind::Refused || rule == Rule::Sequential;
        let is_broken = |(rule, limit, tally): &(Rule, Threshold, Tally)| {
            let most = if place.is_wide() { limit.count * HOMES } else { limit.count + phones };
            limit.on && applies(*rule) && tally.count >= most
        };
        let (rule, limit, tally) = rules.into_iter().find(is_broken)?;
        let because = Because { rule, count: tally.count, seconds: seconds(tally.since, at) };
        Some((because, limit, tally))
    }

    /// What is banned, as narrow as it can be: nothing but a flow where others work, because they are behind the same
    /// address. One account that fails again and again is suspended as often as that, so for it no flow is banned on which
    /// others have worked: a PBX may have all its accounts on one flow, and one of them a wrong password.
    fn scope(
        &self,
        source: IpAddr,
        account: &Account,
        now: u64,
        tally: &Tally,
        (rule, phones): (Rule, u32),
    ) -> Option<Scope> {
        let place = Place::of(source);
        let others_have_worked = |flow| self.familiar.others_have_worked(place, flow, account, now);
        if phones == 0 && !others_have_worked(None) {
            // A stranger that uses several addresses of its /64 has all of them.
            return Some(match tally.addresses {
                Same::Several => Scope::Prefix { net: place.net() },
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

    fn judge_neighbours(&mut self, scope: Scope, at: u64) -> Option<Decision> {
        let Scope::Source { source } = scope else { return None };
        let limit = self.settings.neighbours;
        let (count, seconds) = self.bans.add_neighbour(source, at, limit.within);
        let net = neighbourhood(source);
        if !limit.on || count < limit.count || self.known.any_within(net) {
            return None;
        }
        let (scope, until) = (Scope::Prefix { net }, expiry(at, limit.lasts));
        self.bans.add(scope, until);
        let because = Because { rule: Rule::Neighbours, count, seconds };
        Some(Decision { at, what: What::Ban { scope, until }, because })
    }
}
