//! Why an address is treated as it is, and what its next packets would get.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use xdp_prog::reason::Action;

use super::{
    Controller,
    list_commands::{command, listed, seconds},
    reply::Reply,
};
use crate::{clock::Clock, filter_forecast::forecast, refusal::Refusal, store::Entry};
use sipward_api::{Audit, Explain, item};
use sipward_engine::{
    forecast::Forecast,
    guard::{self, SourceView, Threshold},
};
use sipward_types::{
    address::show,
    list_entry::{ListEntry, ListKind, Origin},
};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Explained {
    pub address: String,
    /// "trusted", "banned", "known" or "stranger".
    pub standing: String,
    /// What is said of the address and of the prefixes around it, the longest first.
    pub rules: Vec<Rule>,
    /// Somebody has authenticated there, or it answers what we ask; null: not of late.
    pub known: Option<Known>,
    /// Its ports with a budget of their own, that what comes from others does not spend.
    pub flows: Vec<KnownFlow>,
    /// Accounts, and ports of it, that may not authenticate from there.
    pub closed: Vec<item::Closed>,
    /// Accounts that fail or work there.
    pub accounts: Vec<item::AccountSource>,
    /// What the guard has counted against it so far.
    pub counted: Vec<Counted>,
    /// Why its OPTIONS pass or drop.
    pub options: String,
    /// Why requests from there are refused, the latest first; null: no daemon runs that could know.
    pub diagnoses: Option<Vec<item::Diagnosed>>,
    /// By kind of packet.
    pub next: Vec<Next>,
    /// Drops of late; null: none, or no daemon that heard of them.
    pub seen: Option<Seen>,
    /// What was done to the address by commands, the latest first.
    pub history: Vec<item::Audited>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rule {
    pub list: ListKind,
    #[serde(flatten)]
    pub entry: item::Listed,
    /// Whether it is what decides.
    pub decides: bool,
    /// What would lift it.
    pub lifted_by: String,
}

/// A source that is known, and for what.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Known {
    /// It has the budget of so many.
    pub phones: u32,
    /// Seconds since 1970.
    pub since: u64,
    pub expires_in: Option<u64>,
    pub why: String,
}

/// One port of a known source, from which somebody has authenticated.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KnownFlow {
    /// `udp:5060`.
    pub flow: String,
    /// It has the budget of so many.
    pub phones: u32,
    pub expires_in: Option<u64>,
}

/// How far a rule of the guard is from doing something.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Counted {
    pub rule: String,
    pub count: f64,
    /// At so many it does.
    pub of: u32,
    /// In seconds.
    pub within: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Next {
    pub packet: String,
    pub verdict: String,
    pub reason: String,
    /// How many more would pass at once, where a limit is near.
    pub room: Option<u32>,
    pub sentence: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Seen {
    pub source: String,
    pub packets: u64,
    /// Packets of the last minutes; older ones count less and less.
    pub lately: u64,
    /// The latest last.
    pub recent: Vec<Sighted>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sighted {
    /// Seconds since 1970.
    pub ts: u64,
    /// The drops that it stands for.
    pub packets: u64,
    pub verdict: String,
    pub reason: String,
    pub first_line: Option<String>,
}

/// Lines of history that are shown.
pub(super) const HISTORY: u32 = 5;

impl Controller {
    pub(super) fn explain(&mut self, explain: &Explain, reply: &mut Reply) -> Result<(), Refusal> {
        let address = explain.address.to_canonical();
        let clock = Clock::read();
        let rules = self.said_of(address, &clock)?;
        let view = self.guard_runtime.guard.source(address, clock.kernel);
        let known = self.known(address, view.as_ref(), &clock);
        let unlisted = if known.is_some() { "known" } else { "stranger" };
        let standing = rules.iter().find(|rule| rule.decides).map_or(unlisted, |rule| rule.list.name());
        let next = forecast(&mut self.tables, address, clock.kernel)?;
        let drops_strangers = self.tables.policy()?.is_some_and(|policy| policy.drop_options != 0);
        let mut history = Reply::default();
        // What cannot be read is no reason to say nothing else.
        let _ =
            self.audit(&Audit { limit: HISTORY, source: Some(address.into()), account: None }, &mut history);
        reply.item(&Explained {
            address: address.to_string(),
            standing: standing.to_owned(),
            options: options(standing, known.as_ref(), drops_strangers),
            rules,
            flows: known.as_ref().map(|_| self.flows(address, &clock)).unwrap_or_default(),
            known,
            closed: self.closed_at(address, &clock),
            accounts: view.iter().flat_map(|view| accounts(view, &clock)).collect(),
            counted: view.map(|view| self.counted(&view)).unwrap_or_default(),
            diagnoses: None,
            next: next.iter().map(Next::of).collect(),
            seen: None,
            history: history.items.into_iter().filter_map(|item| serde_json::from_value(item).ok()).collect(),
        });
        Ok(())
    }

    fn known(&self, address: IpAddr, view: Option<&SourceView>, clock: &Clock) -> Option<Known> {
        let known = self.guard_runtime.enforced.known(clock.kernel).find(|known| known.source == address)?;
        Some(Known {
            phones: known.phones,
            since: known.since.seconds().get(),
            expires_in: seconds(clock.kernel.remaining(known.until)),
            why: why_known(view),
        })
    }

    fn flows(&self, address: IpAddr, clock: &Clock) -> Vec<KnownFlow> {
        let flows =
            self.guard_runtime.enforced.flows.all(clock.kernel).filter(|(source, ..)| *source == address);
        flows
            .map(|(_, flow, known)| KnownFlow {
                flow: flow.to_string(),
                phones: known.phones,
                expires_in: seconds(clock.kernel.remaining(known.until)),
            })
            .collect()
    }

    fn counted(&self, view: &SourceView) -> Vec<Counted> {
        let Some(settings) = self.settings.as_ref().map(|settings| &settings.resolved.guard.settings) else {
            return Vec::new();
        };
        let counts = [
            (guard::Rule::ManyAccounts, f64::from(view.failing), settings.many_accounts),
            (guard::Rule::Sequential, f64::from(view.sequence), settings.sequential),
            (guard::Rule::Persistent, f64::from(view.persistence) / 1_000.0, settings.persistent),
        ];
        let counts = counts.into_iter().filter(|(_, count, threshold)| threshold.on && *count > 0.0);
        counts
            .map(|(rule, count, Threshold { count: of, within, .. })| Counted {
                rule: rule.to_string(),
                count,
                of,
                within: within.as_secs(),
            })
            .collect()
    }

    fn said_of(&mut self, address: IpAddr, clock: &Clock) -> Result<Vec<Rule>, Refusal> {
        let mut lists = self.lists(clock)?;
        let own = lists.get(address.into())?.map(|list_entry| (IpNet::from(address), list_entry));
        let list_entries: Vec<_> = own.into_iter().chain(lists.around(address.into())).collect();
        let trusted = list_entries.iter().any(|(_, list_entry)| list_entry.kind == ListKind::Trusted);
        let deciding = if trusted { ListKind::Trusted } else { ListKind::Banned };
        let mut decided = false;
        let mut rules = Vec::new();
        for (net, list_entry) in list_entries {
            let entry = self.entry(net, list_entry, clock);
            let decides = !decided && list_entry.kind == deciding;
            decided |= decides;
            let lifted_by = lifted_by(&entry);
            let entry = listed(entry, &self.lists(clock)?, clock);
            rules.push(Rule { list: list_entry.kind, entry, decides, lifted_by });
        }
        Ok(rules)
    }

    /// With what the store knows besides.
    pub(super) fn entry(&self, net: IpNet, list_entry: ListEntry, clock: &Clock) -> Entry {
        let known = self.store.get().ok().and_then(|store| store.get(net, clock).ok()?);
        let known = known.filter(|entry| entry.kind == list_entry.kind);
        let unknown = || Entry {
            net,
            kind: list_entry.kind,
            until: list_entry.until,
            since: clock.wall,
            origin: Origin::Kernel,
            note: None,
            evidence: None,
        };
        known.map_or_else(unknown, |entry| Entry { until: list_entry.until, ..entry })
    }
}

fn accounts<'a>(view: &'a SourceView, clock: &'a Clock) -> impl Iterator<Item = item::AccountSource> + 'a {
    view.accounts.iter().map(|here| item::AccountSource {
        account: here.account.to_string(),
        source: view.source.to_string(),
        failures: here.failures,
        calls: here.calls,
        works_for: here.works_until.and_then(|until| seconds(clock.kernel.remaining(until))),
    })
}

/// After a restart it is only known that it was known.
fn why_known(view: Option<&SourceView>) -> String {
    let registered = view.map_or(0, |view| view.registered);
    let works = view.iter().flat_map(|view| &view.accounts).any(|here| here.works_until.is_some());
    match (registered, works) {
        (0, true) => "credentials were accepted there".to_owned(),
        (0, false) => {
            "it answers what the PBX asks it, or it authenticated before the daemon was started".to_owned()
        }
        (1, _) => "a phone is registered there, or was of late".to_owned(),
        (count, _) => format!("{count} phones are registered there, or were of late"),
    }
}

/// Why OPTIONS from there pass or drop, in a sentence.
fn options(standing: &str, known: Option<&Known>, drops_strangers: bool) -> String {
    match (standing, known) {
        ("trusted", _) => "OPTIONS pass: it is trusted".to_owned(),
        ("banned", _) => "OPTIONS drop: it is banned".to_owned(),
        (_, Some(known)) => format!("OPTIONS pass, up to known_rate.options: {}", known.why),
        (_, None) if drops_strangers => {
            "OPTIONS drop: it is a stranger; they pass once a phone authenticates there, or once it answers an OPTIONS \
             or a REGISTER of the PBX"
                .to_owned()
        }
        (_, None) => "OPTIONS pass, up to rate.options: options = \"pass\" lets strangers ask".to_owned(),
    }
}

fn lifted_by(entry: &Entry) -> String {
    match entry.origin {
        Origin::Config => "taking it out of the configuration file, and `sipward reload`".to_owned(),
        Origin::Hand | Origin::Import | Origin::Kernel | Origin::Guard => {
            format!("`sipward {} del {}`", command(entry.kind), show(entry.net))
        }
    }
}

impl Next {
    fn of(forecast: &Forecast) -> Self {
        Self {
            packet: forecast.kind.name().to_owned(),
            verdict: match (forecast.action, forecast.enforced) {
                (Action::Pass, _) => "pass".to_owned(),
                (Action::Drop, true) => "drop".to_owned(),
                (Action::Drop, false) => "would-drop".to_owned(),
            },
            reason: match &forecast.signature {
                Some(name) => format!("{}:{name}", forecast.reason.name()),
                None => forecast.reason.name().to_owned(),
            },
            room: forecast.room.map(|room| room.packets),
            sentence: forecast.sentence.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sipward_engine::guard::AccountHere;
    use sipward_types::account::Account;
    use sipward_types::time::KernelTime;

    fn known(why: &str) -> Known {
        Known { phones: 1, since: 0, expires_in: Some(1), why: why.to_owned() }
    }

    #[test]
    fn options_pass_or_drop_for_a_reason() {
        let known = known("an account has authenticated there");
        for (standing, known, drops_strangers, passes, says) in [
            ("trusted", None, true, true, "trusted"),
            ("trusted", Some(&known), true, true, "trusted"),
            ("banned", Some(&known), false, false, "banned"),
            ("known", Some(&known), true, true, "an account has authenticated there"),
            ("stranger", None, true, false, "once a phone authenticates there"),
            ("stranger", None, false, true, "rate.options"),
        ] {
            let sentence = options(standing, known, drops_strangers);
            let begins = if passes { "OPTIONS pass" } else { "OPTIONS drop" };
            assert!(sentence.starts_with(begins) && sentence.contains(says), "{standing}: {sentence}");
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
            (None, "before the daemon was started"),
            (Some(view(0, &[])), "it answers what the PBX asks it"),
            (Some(view(0, &[false])), "it answers what the PBX asks it"),
            (Some(view(0, &[false, true])), "credentials were accepted"),
            (Some(view(1, &[true])), "a phone is registered"),
            (Some(view(40, &[true, false])), "40 phones are registered"),
        ] {
            let why = why_known(view.as_ref());
            assert!(why.contains(says), "{why}");
        }
    }
}
