//! The drops and false positives of each rule, and the reaction to them.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher as _, Hasher as _, RandomState},
};

use xdp_prog::reason::{Action, Reason};

use super::{
    Controller,
    reply::Reply,
    settings::{self, put_in_force},
};
use crate::controller::switch_names::SIGNATURE;
use crate::{caller::Who, clock::Clock, refusal::Refusal};
use sipward_api::{item::Ruled, name::RuleAction};
use sipward_engine::false_positives::{FalsePositives, Saved, Settings, Tally};
use sipward_kernel::Error;
use sipward_signature::SignatureSet;

/// The reaction to a rule with false positives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silenced {
    /// It is off until the configuration is loaded again.
    Off,
    /// It is not to be.
    NotAllowed,
    /// There would be no limit without the rule, or it is an order of an operator and not a rule.
    NotPossible,
}

impl Controller {
    /// As it was saved, and what of it could not be read.
    pub fn false_positives(&mut self) -> (FalsePositives, Vec<String>) {
        let mut false_positives =
            FalsePositives::new(self.false_positive_settings(), RandomState::new().build_hasher().finish());
        match self.store.read(|store| store.false_positives()) {
            Ok(saved) => {
                let faults = false_positives.restore(&saved, Clock::read().wall.seconds());
                (false_positives, faults.iter().map(ToString::to_string).collect())
            }
            Err(fault) => (false_positives, vec![fault]),
        }
    }

    pub fn false_positive_settings(&self) -> Settings {
        self.settings.as_ref().map(|settings| settings.resolved.false_positives).unwrap_or_default()
    }

    /// For the next start; or why not.
    pub fn save_false_positives(&mut self, saved: &[Saved]) -> Result<(), String> {
        if saved.is_empty() {
            return Ok(());
        }
        self.store.change(|change, _| saved.iter().try_for_each(|rule| change.save_false_positives(rule)))
    }

    /// For a command without a daemon, which reads the false positives as they were saved.
    pub(super) fn report_rules(&mut self, reply: &mut Reply) -> Result<(), Refusal> {
        let (false_positives, faults) = self.false_positives();
        faults.into_iter().for_each(|fault| reply.notice(fault));
        let rules = self.rules(&false_positives.tallies())?;
        rules.iter().for_each(|rule| reply.item(rule));
        Ok(())
    }

    /// The rules that were hit, with their false positives.
    pub fn rules(&mut self, tallies: &BTreeMap<String, Tally>) -> Result<Vec<Ruled>, Refusal> {
        let enforced = self.tables.policy()?.ok_or(Error::NothingAttached)?.enforce != 0;
        let off = self.switched.off();
        let action = |rule: &str| match (off.contains(rule), enforced) {
            (true, _) => RuleAction::Off,
            (false, true) => RuleAction::Drop,
            (false, false) => RuleAction::Monitor,
        };
        let mut counts = self.dropped_by_rule()?;
        // Also those that were met and are not counted any more, as the filter was loaded anew.
        for rule in tallies.keys().chain(&off) {
            counts.entry(rule.clone()).or_insert((0, (!rule.starts_with(SIGNATURE)).then_some(0)));
        }
        let met = counts.into_iter().filter(|(rule, (dropped, would_drop))| {
            *dropped > 0
                || would_drop.is_some_and(|packets| packets > 0)
                || tallies.contains_key(rule)
                || off.contains(rule)
        });
        Ok(met
            .map(|(rule, (dropped, would_drop))| {
                let Tally { sources, authenticated, estimated, flagged } =
                    tallies.get(&rule).copied().unwrap_or_default();
                let action = action(&rule);
                Ruled { rule, action, dropped, would_drop, sources, authenticated, estimated, flagged }
            })
            .collect())
    }

    /// Packets, and those of monitor mode where they are counted apart. Signatures are counted one by one.
    fn dropped_by_rule(&self) -> Result<BTreeMap<String, (u64, Option<u64>)>, Refusal> {
        let reasons = self
            .tables
            .counters()?
            .into_iter()
            .filter(|count| count.reason.action() == Action::Drop && count.reason != Reason::Signature);
        let reasons = reasons.map(|count| {
            let packets = (count.enforced.packets, Some(count.monitored.packets));
            (count.reason.name().to_owned(), packets)
        });
        let hits = self.tables.signature_names()?.into_iter().zip(self.tables.signature_hits()?);
        Ok(reasons.chain(hits.map(|(name, hits)| (format!("{SIGNATURE}{name}"), (hits, None)))).collect())
    }

    /// A rule hits the wrong ones: it is switched off, if the operator allows that and it can be.
    pub fn silence(&mut self, rule: &str, tally: &Tally) -> Result<Silenced, Refusal> {
        let Tally { sources, authenticated, .. } = tally;
        let detail = format!("{authenticated} of {sources} sources authenticated within a day");
        if !self.false_positive_settings().switch_off {
            self.note_rule("flagged", rule, &detail);
            return Ok(Silenced::NotAllowed);
        }
        let mut off = self.switched.off();
        off.insert(rule.to_owned());
        if !self.put_off(rule, &off)? {
            self.note_rule(
                "flagged",
                rule,
                &format!(
                    "{detail}; this rule cannot be switched off \
                                                      automatically"
                ),
            );
            return Ok(Silenced::NotPossible);
        }
        self.note_rule("switched off", rule, &detail);
        self.keep_off(&off);
        Ok(Silenced::Off)
    }

    /// Switches a rule off. False if it is not a rule that can be off.
    fn put_off(&mut self, rule: &str, off: &BTreeSet<String>) -> Result<bool, Refusal> {
        match rule.strip_prefix(SIGNATURE) {
            Some(_) => {
                let compiled = settings::without(&self.signatures_in_force(), off).compile()?;
                put_in_force(&mut self.tables, &compiled)?;
            }
            None if settings::can_be_off(rule) => {
                let off = off.clone();
                self.change_policy(|policy| settings::put_off(policy, &off))?;
            }
            None => return Ok(false),
        }
        Ok(true)
    }

    fn signatures_in_force(&self) -> SignatureSet {
        let configured = || match &self.settings {
            Some(settings) => settings.resolved.signatures.clone(),
            None => SignatureSet::shipped(),
        };
        self.switched.signatures().unwrap_or_else(configured)
    }

    fn keep_off(&mut self, off: &BTreeSet<String>) {
        let switch = self.switched.put_off(off, &Who::sipward().name);
        // A store that fails here is reported by the retrying store.
        let _ = self.store.change_now_or_later(move |change, clock| change.put_switch(&switch, clock));
    }

    fn note_rule(&mut self, what: &'static str, rule: &str, detail: &str) {
        let (who, rule, detail) = (Who::sipward().name, rule.to_owned(), detail.to_owned());
        // As above.
        let _ = self
            .store
            .change_now_or_later(move |change, clock| change.audit(&who, what, &rule, &detail, clock));
    }

    /// Signatures that an operator loads are on, whatever was switched off.
    pub(super) fn forget_silenced_signatures(&mut self) {
        let off = self.switched.off();
        let others: BTreeSet<_> = off.iter().filter(|rule| !rule.starts_with(SIGNATURE)).cloned().collect();
        if others.len() < off.len() {
            self.keep_off(&others);
        }
    }
}
