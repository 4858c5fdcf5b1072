//! The answers to `explain` and `top`.

use std::net::IpAddr;

use xdp_prog::reason::Action;

use super::{
    Offset,
    account::{accounts_of, closed},
    audit::audited,
    diagnosis::diagnosed,
    drop_event::qualified,
    list::{command, listed},
    seconds,
};
use crate::{
    clock::Clock,
    store::{AuditEntry, Entry, Known, Suspension},
};
use sipward_api::{
    explanation::{
        Explanation, KnownFlow, KnownSource, ListRule, NextPacket, RuleCount, SampledDrop, SourceDrops,
    },
    item::Top,
    name::{FilterMode, PacketVerdict, SourceClass},
};
use sipward_engine::{
    forecast::Forecast,
    guard::{Rule, Settings, SourceView, Threshold},
    observe::Diagnosis,
    recent_drops::{RecentDrop, Seen},
};
use sipward_types::{
    address::show,
    flow::Flow,
    list_entry::{ListKind, Origin},
    time::KernelTime,
};

/// The controller's knowledge of an address.
#[derive(Debug)]
pub struct SourceFacts {
    pub clock: Clock,
    pub address: IpAddr,
    pub in_force: FilterFacts,
    /// The address's own entry and those of prefixes around it, the longest first.
    pub entries: Vec<ListedFact>,
    pub known: Option<Known>,
    pub flows: Vec<BudgetedFlow>,
    pub suspensions: Vec<Suspension>,
    /// `None`: the guard remembers nothing of the address.
    pub view: Option<SourceView>,
    /// `None`: a command without a daemon does not know them.
    pub guard_settings: Option<Settings>,
    pub drops_options: bool,
    pub forecasts: Vec<Forecast>,
    pub history: Vec<AuditEntry>,
}

/// The state of the filter, which decides more than any entry does.
#[derive(Clone, Copy, Debug)]
pub struct FilterFacts {
    /// To some interface.
    pub attached: bool,
    pub mode: FilterMode,
    pub trusted_only: bool,
}

/// A list entry, with the end of the trusted prefix that shadows it.
#[derive(Debug)]
pub struct ListedFact {
    pub entry: Entry,
    pub shadowed_until: Option<KernelTime>,
}

/// A flow with a budget of its own.
#[derive(Debug)]
pub struct BudgetedFlow {
    pub flow: Flow,
    pub phones: u32,
    /// Kernel time.
    pub until: KernelTime,
}

/// `diagnoses` and `drops` are what the daemon has seen, if one runs.
pub fn explanation(
    facts: SourceFacts,
    diagnoses: Option<&[Diagnosis]>,
    drops: Option<&Seen<'_>>,
) -> Explanation {
    let SourceFacts { clock, address, in_force, entries, known, flows, suspensions, view, .. } = facts;
    let rules = list_rules(entries, &clock);
    let known = known.map(|known| known_source(&known, view.as_ref(), &clock));
    let class = class(&rules, known.is_some());
    Explanation {
        address: address.to_string(),
        class,
        attached: in_force.attached,
        mode: in_force.mode,
        trusted_only: in_force.trusted_only,
        options: options(class, known.as_ref(), facts.drops_options, in_force),
        rules,
        known,
        flows: flows.iter().map(|flow| known_flow(flow, &clock)).collect(),
        closed: suspensions.iter().map(|suspension| closed(suspension, &clock)).collect(),
        accounts: view.as_ref().map(|view| accounts_of(view, &clock)).unwrap_or_default(),
        counted: view
            .zip(facts.guard_settings)
            .map(|(view, settings)| rule_counts(&view, &settings))
            .unwrap_or_default(),
        diagnoses: diagnoses.map(diagnosed),
        next: facts.forecasts.iter().map(next_packet).collect(),
        seen: drops.map(source_drops),
        history: facts.history.into_iter().map(audited).collect(),
    }
}

fn class(rules: &[ListRule], is_known: bool) -> SourceClass {
    match rules.iter().find(|rule| rule.decides).map(|rule| rule.list) {
        Some(ListKind::Trusted) => SourceClass::Trusted,
        Some(ListKind::Banned) => SourceClass::Banned,
        None if is_known => SourceClass::Known,
        None => SourceClass::Stranger,
    }
}

/// Trust decides wherever there is any, and of several entries the longest.
fn list_rules(entries: Vec<ListedFact>, clock: &Clock) -> Vec<ListRule> {
    let is_trusted = entries.iter().any(|ListedFact { entry, .. }| entry.kind == ListKind::Trusted);
    let deciding = if is_trusted { ListKind::Trusted } else { ListKind::Banned };
    let mut is_decided = false;
    let rule = |ListedFact { entry, shadowed_until }: ListedFact| {
        let decides = !is_decided && entry.kind == deciding;
        is_decided |= decides;
        ListRule {
            list: entry.kind,
            lifted_by: lifted_by(&entry),
            entry: listed(entry, shadowed_until, clock),
            decides,
        }
    };
    entries.into_iter().map(rule).collect()
}

fn lifted_by(entry: &Entry) -> String {
    match entry.origin {
        Origin::Config => "removing it from the configuration file, then `sipward reload`".to_owned(),
        Origin::Hand | Origin::Import | Origin::Kernel | Origin::Guard => {
            format!("`sipward {} del {}`", command(entry.kind), show(entry.net))
        }
    }
}

fn known_source(known: &Known, view: Option<&SourceView>, clock: &Clock) -> KnownSource {
    KnownSource {
        phones: known.phones,
        since: known.since.seconds().get(),
        expires_in: seconds(clock.kernel.remaining(known.until)),
        why: why_known(view),
    }
}

/// After a restart, the guard knows only that the source was known.
fn why_known(view: Option<&SourceView>) -> String {
    let registered = view.map_or(0, |view| view.registered);
    let works = view.iter().flat_map(|view| &view.accounts).any(|here| here.works_until.is_some());
    match (registered, works) {
        (0, true) => "credentials were accepted there".to_owned(),
        (0, false) => {
            "it answers requests of the PBX, or it authenticated before the daemon started".to_owned()
        }
        (1, _) => "a phone is registered there, or was recently".to_owned(),
        (count, _) => format!("{count} phones are registered there, or were recently"),
    }
}

fn options(
    class: SourceClass,
    known: Option<&KnownSource>,
    drops_options: bool,
    FilterFacts { attached, mode, trusted_only }: FilterFacts,
) -> String {
    if !attached {
        return "OPTIONS pass: the filter is not attached to any interface".to_owned();
    }
    let drop = match mode {
        FilterMode::Enforce => "drop",
        FilterMode::Monitor => "would drop, and pass in monitor mode",
    };
    match (class, known) {
        (SourceClass::Trusted, _) => "OPTIONS pass: the source is trusted".to_owned(),
        (SourceClass::Banned, _) => format!("OPTIONS {drop}: the source is banned"),
        _ if trusted_only => format!("OPTIONS {drop}: only trusted sources pass at present"),
        (_, Some(known)) => format!("OPTIONS pass, up to known_rate.options: {}", known.why),
        (_, None) if drops_options => format!(
            "OPTIONS {drop}: the source is a stranger. They pass once a phone authenticates there, or once it answers an \
             OPTIONS or a REGISTER of the PBX"
        ),
        (_, None) => "OPTIONS pass, up to rate.options: options = \"pass\" lets strangers ask".to_owned(),
    }
}

fn known_flow(BudgetedFlow { flow, phones, until }: &BudgetedFlow, clock: &Clock) -> KnownFlow {
    KnownFlow { flow: flow.to_string(), phones: *phones, expires_in: seconds(clock.kernel.remaining(*until)) }
}

fn rule_counts(view: &SourceView, settings: &Settings) -> Vec<RuleCount> {
    let counts = [
        (Rule::ManyAccounts, f64::from(view.failing), settings.many_accounts),
        (Rule::Sequential, f64::from(view.sequence), settings.sequential),
        (Rule::Persistent, f64::from(view.persistence) / 1_000.0, settings.persistent),
    ];
    let counts = counts.into_iter().filter(|(_, count, threshold)| threshold.on && *count > 0.0);
    counts
        .map(|(rule, count, Threshold { count: of, within, .. })| RuleCount {
            rule: rule.to_string(),
            count,
            of,
            within: within.as_secs(),
        })
        .collect()
}

fn next_packet(forecast: &Forecast) -> NextPacket {
    NextPacket {
        packet: forecast.kind.name().to_owned(),
        verdict: match forecast.action {
            Action::Pass => PacketVerdict::Pass,
            Action::Drop => PacketVerdict::of_objection(forecast.enforced),
        },
        reason: qualified(forecast.reason, forecast.signature.as_deref()),
        room: forecast.room.map(|room| room.packets),
        sentence: forecast.sentence.clone(),
    }
}

/// `now` in kernel time.
pub fn top(seen: &Seen<'_>, now: KernelTime) -> Top {
    Top {
        source: show(seen.source),
        address: seen.address.to_string(),
        packets: seen.packets,
        lately: seen.lately as u64,
        mostly: seen.reasons.first().map_or_else(String::new, |most| most.reason.name().to_owned()),
        last: now.since(seen.last).as_secs(),
    }
}

fn source_drops(seen: &Seen<'_>) -> SourceDrops {
    let offset = Offset::now();
    let sampled = |sample: &RecentDrop| SampledDrop {
        ts: offset.to_wall(sample.at).as_secs(),
        packets: sample.packets,
        verdict: PacketVerdict::of_objection(sample.enforced),
        reason: qualified(sample.reason, sample.signature.as_deref()),
        first_line: sample.first_line.as_ref().map(|line| String::from_utf8_lossy(line).into_owned()),
    };
    SourceDrops {
        source: show(seen.source),
        packets: seen.packets,
        lately: seen.lately as u64,
        recent: seen.recent.iter().map(sampled).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sipward_engine::guard::AccountHere;
    use sipward_types::account::Account;

    fn known(why: &str) -> KnownSource {
        KnownSource { phones: 1, since: 0, expires_in: Some(1), why: why.to_owned() }
    }

    #[test]
    fn options_pass_or_drop_for_a_reason() {
        use SourceClass::{Banned, Known, Stranger, Trusted};
        let known = known("an account has authenticated there");
        let enforces = FilterFacts { attached: true, mode: FilterMode::Enforce, trusted_only: false };
        let monitors = FilterFacts { mode: FilterMode::Monitor, ..enforces };
        let only = FilterFacts { trusted_only: true, ..enforces };
        let detached = FilterFacts { attached: false, ..only };
        let (passes, drops, would) = ("OPTIONS pass", "OPTIONS drop", "OPTIONS would drop");
        for (class, known, drops_options, in_force, begins, says) in [
            (Trusted, None, true, enforces, passes, "trusted"),
            (Trusted, Some(&known), true, only, passes, "trusted"),
            (Banned, Some(&known), false, enforces, drops, "banned"),
            (Banned, None, true, monitors, would, "pass in monitor mode: the source is banned"),
            (Banned, None, true, detached, passes, "not attached"),
            (Known, Some(&known), true, enforces, passes, "an account has authenticated there"),
            (Known, Some(&known), true, only, drops, "only trusted sources pass"),
            (Stranger, None, true, enforces, drops, "once a phone authenticates there"),
            (Stranger, None, true, monitors, would, "once a phone authenticates there"),
            (Stranger, None, false, enforces, passes, "rate.options"),
            (Stranger, None, false, only, drops, "only trusted sources pass"),
        ] {
            let sentence = options(class, known, drops_options, in_force);
            assert!(sentence.starts_with(begins) && sentence.contains(says), "{class}: {sentence}");
        }
    }

    #[test]
    fn why_a_source_is_known_is_what_is_known_of_it() {
        let view = |registered: u32, works: &[bool]| SourceView {
            source: "192.0.2.1".parse().unwrap(),
            phones: 1,
            known_until: Some(KernelTime::FOREVER),
            registered,
            accounts: works
                .iter()
                .map(|works| AccountHere {
                    account: Account::new(b"201").unwrap(),
                    suspension: None,
                    failures: 0,
                    calls: 0,
                    works_until: works.then_some(KernelTime::FOREVER),
                })
                .collect(),
            failing: 0,
            sequence: 0,
            persistence: 0,
        };
        for (view, says) in [
            (None, "before the daemon started"),
            (Some(view(0, &[])), "it answers requests of the PBX"),
            (Some(view(0, &[false])), "it answers requests of the PBX"),
            (Some(view(0, &[false, true])), "credentials were accepted"),
            (Some(view(1, &[true])), "a phone is registered"),
            (Some(view(40, &[true, false])), "40 phones are registered"),
        ] {
            let why = why_known(view.as_ref());
            assert!(why.contains(says), "{why}");
        }
    }
}
