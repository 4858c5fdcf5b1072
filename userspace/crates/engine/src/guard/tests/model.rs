//! The engine against a model that remembers everything and looks through all of it each time.

use proptest::prelude::*;

use super::{
    forged::{any_run, lively},
    *,
};
use crate::guard::Threshold;

/// All that has ever happened, and what was decided.
#[derive(Default)]
struct Model {
    failures: Vec<Failure>,
    /// Account and source that worked.
    worked: Vec<(KernelTime, Account, IpAddr)>,
    /// Sources where credentials were accepted, whosever.
    accepted: Vec<(KernelTime, IpAddr)>,
    suspended: Vec<(Account, IpAddr, KernelTime)>,
    locked: Vec<(Account, KernelTime)>,
    banned: Vec<(IpAddr, KernelTime)>,
}

struct Failure {
    at: KernelTime,
    account: Account,
    source: IpAddr,
    is_register: bool,
    attempt: Option<u64>,
    /// It counts no more: for the streak of its source, for the account from anywhere, and for its source.
    streak_over: bool,
    account_over: bool,
    source_over: bool,
}

/// The decisions of the model, in the engine's order.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Suspend(Rule, u32, KernelTime),
    Lock(Rule, u32, KernelTime),
    Ban(Rule, u32),
}

fn since(limit: Threshold, now: KernelTime) -> impl Fn(KernelTime) -> bool {
    move |at| now.since(at) < limit.within
}

impl Model {
    fn fail(&mut self, evidence: &Evidence, settings: &Settings) -> Vec<Verdict> {
        let Evidence { at: now, source, .. } = *evidence;
        let Some(name) = evidence.account.clone() else { return vec![] };
        let attempt = if let Kind::Failed { attempt } = evidence.kind { Some(attempt) } else { None };
        let is_banned = self.banned.iter().any(|(banned, until)| *banned == source && *until > now);
        let is_suspended = self
            .suspended
            .iter()
            .any(|(account, from, until)| (account, from) == (&name, &source) && *until > now);
        // A password that was tried before is no guess; four attempts are remembered.
        let earlier: Vec<_> = self
            .failures
            .iter()
            .filter(|failure| failure.account == name && failure.source == source && !failure.source_over)
            .filter_map(|failure| failure.attempt)
            .collect();
        let again =
            attempt.is_some_and(|attempt| earlier.iter().rev().take(4).any(|before| *before == attempt));
        if is_banned || is_suspended || again {
            return vec![];
        }
        let is_register = evidence.method == Method::Register;
        self.failures.push(Failure {
            at: now,
            account: name.clone(),
            source,
            is_register,
            attempt,
            streak_over: false,
            account_over: false,
            source_over: false,
        });
        let mut verdicts = Vec::new();
        verdicts.extend(self.suspend(&name, source, is_register, now, settings));
        verdicts.extend(self.lock(&name, source, now, settings));
        verdicts.extend(self.ban(source, now, settings));
        verdicts
    }

    fn suspend(
        &mut self,
        name: &Account,
        source: IpAddr,
        is_register: bool,
        now: KernelTime,
        settings: &Settings,
    ) -> Option<Verdict> {
        let (retries, rule) =
            if is_register { (settings.suspend, Rule::Suspend) } else { (settings.calls, Rule::Calls) };
        let counts = |failure: &&mut Failure| {
            failure.account == *name && failure.source == source && !failure.streak_over
        };
        let streak =
            self.failures.iter_mut().filter(counts).filter(|failure| failure.is_register == is_register);
        let count = streak.count() as u32;
        if count < retries.retries {
            return None;
        }
        self.failures.iter_mut().filter(counts).for_each(|failure| failure.streak_over = true);
        let until = now + retries.time;
        self.suspended.push((name.clone(), source, until));
        Some(Verdict::Suspend(rule, count, until))
    }

    fn lock(
        &mut self,
        name: &Account,
        source: IpAddr,
        now: KernelTime,
        settings: &Settings,
    ) -> Option<Verdict> {
        let works = |(at, account, from): &(KernelTime, Account, IpAddr)| {
            account == name && *from == source && now.since(*at) < settings.known.worked
        };
        let is_locked = self.locked.iter().any(|(account, until)| account == name && *until > now);
        if is_locked || self.worked.iter().any(works) {
            // It is not counted at all.
            self.failures.last_mut().unwrap().account_over = true;
            return None;
        }
        let of_account: Vec<_> = self
            .failures
            .iter()
            .filter(|failure| failure.account == *name && !failure.account_over)
            .collect();
        let recent = since(settings.distributed, now);
        let mut sources: Vec<_> =
            of_account.iter().filter(|failure| recent(failure.at)).map(|failure| failure.source).collect();
        sources.sort_unstable();
        sources.dedup();
        let recent = since(settings.lock, now);
        let failures = of_account.iter().filter(|failure| recent(failure.at)).count() as u32;
        let (rule, limit, count) = if sources.len() as u32 >= settings.distributed.count {
            (Rule::Distributed, settings.distributed, sources.len() as u32)
        } else if failures >= settings.lock.count {
            (Rule::Lock, settings.lock, failures)
        } else {
            return None;
        };
        let of_account = |failure: &&mut Failure| failure.account == *name;
        self.failures.iter_mut().filter(of_account).for_each(|failure| failure.account_over = true);
        let until = now.expiry(limit.lasts);
        self.locked.push((name.clone(), until));
        Some(Verdict::Lock(rule, count, until))
    }

    /// Only the rule of many accounts is modelled; a source gets one more while an account of it works.
    fn ban(&mut self, source: IpAddr, now: KernelTime, settings: &Settings) -> Option<Verdict> {
        let worked = self.worked.iter().filter(|(_, _, from)| *from == source);
        let lasts = settings.known.worked;
        let is_known = self.accepted.iter().any(|(at, from)| *from == source && now.since(*at) < lasts);
        let successes: Vec<_> = worked.map(|(_, account, _)| account.clone()).collect();
        let recent = since(settings.many_accounts, now);
        let mut accounts: Vec<_> = self
            .failures
            .iter()
            .filter(|failure| failure.source == source && !failure.source_over && recent(failure.at))
            .map(|failure| failure.account.clone())
            .filter(|account| !successes.contains(account))
            .collect();
        accounts.sort_unstable();
        accounts.dedup();
        let count = accounts.len() as u32;
        if count < settings.many_accounts.count + u32::from(is_known) {
            return None;
        }
        for failure in self.failures.iter_mut().filter(|failure| failure.source == source) {
            (failure.source_over, failure.streak_over) = (true, true);
        }
        self.banned.push((source, now.expiry(settings.many_accounts.lasts)));
        Some(Verdict::Ban(Rule::ManyAccounts, count))
    }

    fn succeed(&mut self, evidence: &Evidence) {
        self.accepted.push((evidence.at, evidence.source));
        let Some(name) = &evidence.account else { return };
        self.worked.push((evidence.at, name.clone(), evidence.source));
        self.suspended.retain(|(account, source, _)| (account, *source) != (name, evidence.source));
        for failure in &mut self.failures {
            if failure.account == *name && failure.source == evidence.source {
                (failure.streak_over, failure.account_over, failure.source_over) = (true, true, true);
            }
        }
    }
}

fn verdict(decision: &Decision) -> Option<Verdict> {
    let (rule, count) = (decision.trigger.rule, decision.trigger.count);
    match decision.action {
        GuardAction::Suspend { until, .. } => Some(Verdict::Suspend(rule, count, until)),
        GuardAction::Lock { until, .. } => Some(Verdict::Lock(rule, count, until)),
        GuardAction::Ban { .. } => Some(Verdict::Ban(rule, count)),
        GuardAction::Lift { .. }
        | GuardAction::Know { .. }
        | GuardAction::Forget { .. }
        | GuardAction::KnowFlow { .. }
        | GuardAction::ForgetFlow { .. }
        | GuardAction::LimitAsking { .. }
        | GuardAction::Alert { .. } => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn the_engine_decides_as_the_model_does(run in any_run()) {
        let mut settings = lively();
        for rule in [&mut settings.sequential, &mut settings.spray, &mut settings.persistent, &mut settings.neighbours] {
            rule.on = false;
        }
        let (mut guard, mut model) = (Guard::new(settings), Model::default());
        let mut at = START;
        for (pause, evidence) in run {
            at += pause;
            let Some(evidence) = evidence else {
                guard.tick(at);
                continue;
            };
            // The model's sources are IPv4, have one flow each and work without registrations.
            let kind = match evidence.kind {
                Kind::Registered { .. } | Kind::Unregistered { .. } | Kind::Qualified => Kind::Succeeded,
                kind => kind,
            };
            let source = if evidence.source.is_ipv6() { host(9) } else { evidence.source };
            let flow = Flow { port: 1, transport: Transport::Udp };
            let evidence = Evidence { at, source, flow, kind, ..evidence };
            let expected = match kind {
                Kind::Failed { .. } | Kind::UnknownAccount => model.fail(&evidence, &settings),
                Kind::Succeeded => {
                    model.succeed(&evidence);
                    vec![]
                }
                _ => vec![],
            };
            let decided: Vec<_> = guard.witness(&evidence).iter().filter_map(verdict).collect();
            prop_assert_eq!(decided, expected, "{:?}", evidence);
        }
    }
}
