//! Why an address is treated as it is, and what its next packets would get.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use xdp_prog::reason::Action;

use super::{
    Office,
    lists::{command, listed},
    reply::Reply,
};
use crate::{
    address::show,
    control::protocol::{Audit, Explain, Origin, Refusal, item},
    forecast::{Forecast, forecast},
    precedence::{Claim, Standing},
    store::Entry,
    wall::Clock,
};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Explained {
    pub address: String,
    /// "trusted", "banned" or "stranger".
    pub standing: String,
    /// What is said of the address and of the prefixes around it, the longest first.
    pub rules: Vec<Rule>,
    /// By kind of packet.
    pub next: Vec<Next>,
    /// Drops of late; null: none, or no daemon that heard of them.
    pub seen: Option<Seen>,
    /// What was done to the address by commands, the latest first.
    pub history: Vec<item::Audited>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rule {
    pub list: Standing,
    #[serde(flatten)]
    pub entry: item::Listed,
    /// Whether it is what decides.
    pub decides: bool,
    /// What would lift it.
    pub lifted_by: String,
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

/// Lines of history that are told.
const HISTORY: u32 = 5;

impl Office {
    pub(super) fn explain(&mut self, explain: &Explain, reply: &mut Reply) -> Result<(), Refusal> {
        let address = explain.address.to_canonical();
        let clock = Clock::read();
        let rules = self.rules(address, &clock)?;
        let standing = rules.iter().find(|rule| rule.decides).map_or("stranger", |rule| rule.list.name());
        let next = forecast(&mut self.tables, address, clock.kernel)?;
        let mut history = Reply::default();
        // What cannot be read is no reason to say nothing else.
        let _ = self.audit(&Audit { limit: HISTORY, source: Some(address.into()) }, &mut history);
        reply.item(&Explained {
            address: address.to_string(),
            standing: standing.to_owned(),
            rules,
            next: next.iter().map(Next::of).collect(),
            seen: None,
            history: history.items.into_iter().filter_map(|item| serde_json::from_value(item).ok()).collect(),
        });
        Ok(())
    }

    fn rules(&mut self, address: IpAddr, clock: &Clock) -> Result<Vec<Rule>, Refusal> {
        let mut roster = self.roster(clock)?;
        let own = roster.get(address.into())?.map(|claim| (IpNet::from(address), claim));
        let claims: Vec<_> = own.into_iter().chain(roster.around(address.into())).collect();
        let trusted = claims.iter().any(|(_, claim)| claim.standing == Standing::Trusted);
        let deciding = if trusted { Standing::Trusted } else { Standing::Banned };
        let mut decided = false;
        let mut rules = Vec::new();
        for (net, claim) in claims {
            let entry = self.entry(net, claim, clock);
            let decides = !decided && claim.standing == deciding;
            decided |= decides;
            let lifted_by = lifted_by(&entry);
            let entry = listed(entry, &self.roster(clock)?, clock);
            rules.push(Rule { list: claim.standing, entry, decides, lifted_by });
        }
        Ok(rules)
    }

    /// With what the store knows besides.
    pub(super) fn entry(&self, net: IpNet, claim: Claim, clock: &Clock) -> Entry {
        let known = self.vault.store().ok().and_then(|store| store.get(net, clock).ok()?);
        let known = known.filter(|entry| entry.standing == claim.standing);
        let unknown = || Entry {
            net,
            standing: claim.standing,
            until: claim.until,
            since: clock.wall_ms,
            origin: Origin::Kernel,
            note: None,
            evidence: None,
        };
        known.map_or_else(unknown, |entry| Entry { until: claim.until, ..entry })
    }
}

fn lifted_by(entry: &Entry) -> String {
    match entry.origin {
        Origin::Config => "taking it out of the configuration file, and `sipward reload`".to_owned(),
        Origin::Hand | Origin::Import | Origin::Kernel => {
            format!("`sipward {} del {}`", command(entry.standing), show(entry.net))
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
