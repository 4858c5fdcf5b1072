//! Switches by hand while traffic flows. They survive restarts, until they are switched back or a configuration file
//! that says otherwise is loaded.

use std::net::IpAddr;

use xdp_prog::abi::Policy;

use super::{Controller, guard::ControllerEvent, reply::Reply, settings::put_in_force};
use crate::controller::switch_names::{MODE, ONLY, SIGNATURES, on_off};
use crate::{caller::Who, clock::Clock, refusal::Refusal, store::Switch, wire::seconds};
use sipward_api::{Only, SetMode, SetSignatures, item, name::FilterMode};
use sipward_kernel::Error;
use sipward_signature::SignatureSet;
use sipward_types::time::{KernelTime, Lifetime};

impl Controller {
    pub(super) fn mode(&mut self, set: &SetMode, who: &Who, reply: &mut Reply) -> Result<(), Refusal> {
        let mode = FilterMode::of(set.enforce);
        self.change_policy(|policy| policy.enforce = u8::from(set.enforce))?;
        self.announce(|| ControllerEvent::ChangedAltogether);
        self.keep(MODE, mode.name(), None, who, reply);
        reply.item(&item::Mode { mode });
        Ok(())
    }

    /// Lets only the trusted in, or everybody again.
    pub(super) fn only(&mut self, only: &Only, who: &Who, reply: &mut Reply) -> Result<(), Refusal> {
        let clock = Clock::read();
        if only.on && !only.force {
            self.check_lock_down(only.session, &clock)?;
        }
        let reverts_at = only
            .confirm
            .filter(|_| only.on)
            .map(|seconds| clock.kernel.expiry(Lifetime::For(std::time::Duration::from_secs(seconds))));
        // A lock-down that was on before does not revert.
        let was_on =
            self.tables.policy()?.is_some_and(|policy| policy.trusted_only != 0) && self.reverts_at.is_none();
        let reverts_at = reverts_at.filter(|_| !was_on);
        self.change_policy(|policy| policy.trusted_only = u8::from(only.on))?;
        self.reverts_at = reverts_at;
        self.keep(ONLY, on_off(only.on), reverts_at, who, reply);
        let reverts_in = reverts_at.and_then(|at| seconds(clock.kernel.remaining(at)));
        reply.item(&item::Only { trusted_only: only.on, reverts_in });
        Ok(())
    }

    fn check_lock_down(&mut self, session: Option<IpAddr>, clock: &Clock) -> Result<(), Refusal> {
        let Self { lists, tables, .. } = self;
        if !lists.trusts_somebody(tables, clock.kernel)? {
            return Err(Refusal::no(
                "no source is trusted, so nobody could call: `sipward trust add` first, or --force",
            ));
        }
        if let Some(session) = session
            && !lists.trusts(tables, session, clock.kernel)?
        {
            return Err(Refusal::no(format!(
                "{session}, where your own session comes from, is not trusted, so a phone there could not \
                 call: `sipward trust add {session}` first, or --force"
            )));
        }
        Ok(())
    }

    pub(super) fn confirm(&mut self, who: &Who, reply: &mut Reply) -> Result<(), Refusal> {
        if self.reverts_at.take().is_none() {
            return Err(Refusal::no("there is nothing to confirm: see `sipward status`"));
        }
        self.keep(ONLY, on_off(true), None, who, reply);
        reply.item(&item::Only { trusted_only: true, reverts_in: None });
        Ok(())
    }

    /// Reverts a lock-down that was not confirmed in time. True if there was one.
    pub fn revert(&mut self, clock: &Clock) -> Result<bool, Refusal> {
        if self.reverts_at.is_none_or(|at| at > clock.kernel) {
            return Ok(false);
        }
        self.change_policy(|policy| policy.trusted_only = 0)?;
        self.reverts_at = None;
        self.keep(ONLY, on_off(false), None, &Who::sipward(), &mut Reply::default());
        Ok(true)
    }

    /// Signatures of a file, in place of those of the configuration.
    pub(super) fn signatures(
        &mut self,
        set: &SetSignatures,
        who: &Who,
        reply: &mut Reply,
    ) -> Result<(), Refusal> {
        let patterns = match &set.text {
            Some(text) => SignatureSet::shipped().overlaid(&SignatureSet::parse(text, &set.file)?),
            None => match &self.settings {
                Some(settings) => settings.resolved.signatures.clone(),
                None => SignatureSet::shipped(),
            },
        };
        let compiled = patterns.compile()?;
        put_in_force(&mut self.tables, &compiled)?;
        self.forget_silenced_signatures();
        match &set.text {
            Some(text) => self.keep(SIGNATURES, text, None, who, reply),
            None => self.forget(SIGNATURES, who, reply),
        }
        reply.item(&item::Signatures { signatures: compiled.names.len() });
        Ok(())
    }

    pub(super) fn change_policy(&mut self, change: impl FnOnce(&mut Policy)) -> Result<(), Refusal> {
        let mut policy = self.tables.policy()?.ok_or(Error::NothingAttached)?;
        change(&mut policy);
        Ok(self.tables.set_policy(&policy)?)
    }

    fn keep(
        &mut self,
        name: &str,
        value: &str,
        reverts_at: Option<KernelTime>,
        who: &Who,
        reply: &mut Reply,
    ) {
        let said = match reverts_at {
            Some(at) => format!("{value}, for {} unless confirmed", Clock::read().kernel.remaining(at)),
            None if name == SIGNATURES => "from a file".to_owned(),
            None => value.to_owned(),
        };
        let switch = Switch {
            name: name.to_owned(),
            value: value.to_owned(),
            since: Clock::read().wall,
            who: who.name.clone(),
            until: reverts_at.unwrap_or(KernelTime::FOREVER),
        };
        self.switched.put(switch.clone());
        let saved = self.store.change_now_or_later(move |change, clock| {
            change.audit(&switch.who, "switch", &switch.name, &said, clock)?;
            change.put_switch(&switch, clock)
        });
        note_unless(saved, reply);
    }

    fn forget(&mut self, name: &'static str, who: &Who, reply: &mut Reply) {
        self.switched.remove(name);
        let who = who.name.clone();
        let saved = self.store.change_now_or_later(move |change, clock| {
            if change.remove_switch(name)? {
                change.audit(&who, "switch", name, "as configured", clock)?;
            }
            Ok(())
        });
        note_unless(saved, reply);
    }
}

fn note_unless(saved: Result<(), String>, reply: &mut Reply) {
    if let Err(fault) = saved {
        reply.notice(format!("in force, but not saved, so a restart would undo it: {fault}"));
    }
}
