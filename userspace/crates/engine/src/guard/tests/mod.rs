//! The engine, from outside: evidence in, decisions out.

mod asking;
mod bounds;
mod bypass;
mod flows;
mod forged;
mod journal;
mod known;
mod limits;
mod memory;
mod model;
mod orders;
mod restart;
mod rules;
mod saved_form;
mod scenes;

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;

use super::{AccountView, Decision, Guard, GuardAction, Held, Order, Rule, Scope, Settings};
use sipward_types::{
    account::{Account, Status},
    evidence::{Evidence, Kind, Method, Proof},
    flow::{Flow, Transport},
    time::KernelTime,
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
/// Of a host that has run for ten days.
const START: KernelTime = KernelTime::from_nanos(240 * 3_600_000_000_000);

fn nanos(nanos: u64) -> Duration {
    Duration::from_nanos(nanos)
}

fn account(name: &str) -> Account {
    Account::new(name.as_bytes()).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

/// The host's number in a documentation network, from 1.
fn host(number: u32) -> IpAddr {
    let number = number.to_be_bytes();
    IpAddr::from([198, 18 + number[1], number[2], number[3]])
}

/// A REGISTER with credentials of its own, proven, refused.
fn failure(at: KernelTime, source: IpAddr, name: &str) -> Evidence {
    Evidence {
        at,
        source,
        flow: Flow { port: 5060, transport: Transport::Udp },
        account: Some(account(name)),
        method: Method::Register,
        kind: Kind::Failed { attempt: at.as_nanos() },
        proof: Proof::Proven,
        made_after: KernelTime::START,
    }
}

fn success(at: KernelTime, source: IpAddr, name: &str) -> Evidence {
    Evidence { kind: Kind::Succeeded, ..failure(at, source, name) }
}

fn registered(at: KernelTime, source: IpAddr, name: &str, until: KernelTime) -> Evidence {
    let phone = name.bytes().fold(7, |hash: u64, byte| hash.wrapping_mul(31) + u64::from(byte));
    Evidence { kind: Kind::Registered { phone, until }, ..failure(at, source, name) }
}

fn forged(evidence: Evidence) -> Evidence {
    Evidence { proof: Proof::Unproven, ..evidence }
}

fn from_port(port: u16, evidence: Evidence) -> Evidence {
    Evidence { flow: Flow { port, ..evidence.flow }, ..evidence }
}

fn of_kind(kind: Kind, evidence: Evidence) -> Evidence {
    Evidence { kind, ..evidence }
}

/// Nothing but what the test switches on.
fn all_off() -> Settings {
    let mut settings = Settings::default();
    settings.suspend.on = false;
    settings.calls.on = false;
    for rule in [
        &mut settings.lock,
        &mut settings.many_accounts,
        &mut settings.sequential,
        &mut settings.spray,
        &mut settings.distributed,
        &mut settings.persistent,
        &mut settings.neighbours,
    ] {
        rule.on = false;
    }
    settings
}

fn feed(guard: &mut Guard, evidence: impl IntoIterator<Item = Evidence>) -> Vec<Decision> {
    evidence.into_iter().flat_map(|evidence| guard.witness(&evidence)).collect()
}

fn rules(decisions: &[Decision]) -> Vec<Rule> {
    decisions.iter().map(|decision| decision.trigger.rule).collect()
}

fn bans(decisions: &[Decision]) -> Vec<(Rule, Scope)> {
    let ban = |decision: &Decision| match decision.action {
        GuardAction::Ban { scope, .. } => Some((decision.trigger.rule, scope)),
        _ => None,
    };
    decisions.iter().filter_map(ban).collect()
}

fn suspensions(decisions: &[Decision]) -> Vec<(&str, IpAddr)> {
    decisions
        .iter()
        .filter_map(|decision| match &decision.action {
            GuardAction::Suspend { account, source, .. } => Some((account.as_str(), *source)),
            _ => None,
        })
        .collect()
}

fn status(guard: &Guard, name: &str, now: KernelTime) -> Status {
    guard.account(&account(name), now).map_or(Status::Normal, |view| view.status)
}
