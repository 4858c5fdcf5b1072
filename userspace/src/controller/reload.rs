//! The configuration file, read again; and the filter, put back where it was taken off.

use std::collections::BTreeSet;

use super::{
    Controller,
    guard::ControllerEvent,
    overruled,
    reply::Reply,
    settings::{self, Settings},
};
use crate::{caller::Who, clock::Clock, refusal::Refusal, wire};
use sipward_api::{item, status};
use sipward_kernel::{self as kernel, Error, XdpChoice};
use sipward_types::{address::show, list_entry::Origin};

impl Controller {
    /// All of the file is in force when this returns, or nothing has changed.
    pub(super) fn reload(&mut self, who: &Who, reply: &mut Reply) -> Result<(), Refusal> {
        let before = self.settings.as_ref().ok_or_else(no_daemon)?;
        let next = Settings::of_daemon(before.file.as_deref().ok_or_else(no_daemon)?)?;
        let gone: Vec<_> = absent(&before.resolved.interfaces, &next.resolved.interfaces);
        for interface in absent(&next.resolved.interfaces, &before.resolved.interfaces) {
            match kernel::check(&self.pins, &interface, XdpChoice::Auto) {
                Err(Error::NoInterface { .. }) => reply.notice(format!(
                    "interface {interface} does not exist yet: it will be protected as soon as it does"
                )),
                result => result?,
            }
        }
        for (key, is_changed) in [
            ("group", next.resolved.group != before.resolved.group),
            ("roles", next.resolved.roles != before.resolved.roles),
        ] {
            if is_changed {
                reply.notice(format!(
                    "{key}: the change takes effect when the daemon restarts: `systemctl restart sipward`"
                ));
            }
        }
        self.switched.overrule(&mut self.store, &next);
        self.say_overruled(&next, reply)?;
        self.put_settings(next)?;
        self.change_interfaces(&gone, reply)?;
        self.note(who, "reload", "", reply);
        self.say_interfaces(reply)
    }

    /// Names entries by hand that the file is about to replace.
    fn say_overruled(&mut self, next: &Settings, reply: &mut Reply) -> Result<(), Refusal> {
        /// Of more, the audit trail has the others.
        const NAMED: usize = 10;
        let now = Clock::read().kernel;
        let changes = settings::list_changes(&mut self.store, &next.resolved);
        let new = changes.iter().filter_map(|(net, new)| Some((*net, (*new)?)));
        let mut overruled = Vec::new();
        for (net, new) in new.filter(|(_, new)| new.origin == Origin::Config) {
            let before = self.lists.get(&mut self.tables, net, now)?;
            overruled.extend(
                before.filter(|before| overruled::is_kept(before.origin)).map(|before| (net, before, new)),
            );
        }
        for (net, before, new) in overruled.iter().take(NAMED) {
            reply.notice(format!(
                "{}: {} by the configuration now; its entry by hand, {}, comes back when the file no longer names it",
                show(*net),
                new.kind.name(),
                before.kind.name()
            ));
        }
        if let Some(others) = overruled.len().checked_sub(NAMED).filter(|others| *others > 0) {
            reply.notice(format!("and {others} more entries by hand: see `sipward audit`"));
        }
        Ok(())
    }

    fn put_settings(&mut self, next: Settings) -> Result<(), Refusal> {
        let changes = settings::list_changes(&mut self.store, &next.resolved);
        self.apply_lists(&changes)?;
        settings::apply(&mut self.tables, &next, &self.switched)?;
        self.reverts_at = self.switched.reverts_at();
        next.keep(&mut self.store);
        self.set_guard(&next)?;
        self.settings = Some(next);
        self.note_edge_sockets();
        Ok(())
    }

    fn change_interfaces(&mut self, gone: &[String], reply: &mut Reply) -> Result<(), Refusal> {
        let (_, failed) = self.attach_missing();
        for (_, error) in failed.into_iter().filter(|(_, error)| !matches!(error, Error::NoInterface { .. }))
        {
            reply.notice(error.to_string());
        }
        let attached: BTreeSet<_> =
            kernel::attachments(&self.pins)?.into_iter().map(|attachment| attachment.interface).collect();
        let gone: Vec<_> = gone.iter().filter(|interface| attached.contains(*interface)).cloned().collect();
        // An empty list would mean all.
        if !gone.is_empty() && gone.len() < attached.len() {
            self.take_off(&gone)?;
        }
        Ok(())
    }

    /// The filter where it was left by hand.
    pub(super) fn attach_again(&mut self, who: &Who, reply: &mut Reply) -> Result<(), Refusal> {
        let file = self.settings.as_ref().and_then(|settings| settings.file.clone()).ok_or_else(no_daemon)?;
        if self.is_off() || !self.pins.is_there()? {
            let settings = Settings::of_daemon(&file)?;
            let pins = self.pins.clone();
            let _lock = pins.claim()?;
            if !pins.is_there()? {
                self.load_again(&settings)?;
            }
            self.put_settings(settings)?;
            self.announce(|| ControllerEvent::ChangedAltogether);
        }
        self.left.clear();
        let (_, failed) = self.attach_missing();
        if let Some((_, error)) = failed.into_iter().next() {
            return Err(error.into());
        }
        self.note(who, "attach", "", reply);
        self.say_interfaces(reply)
    }

    fn say_interfaces(&self, reply: &mut Reply) -> Result<(), Refusal> {
        for interface in self.interfaces()? {
            let status::Interface { interface, xdp } = wire::interface(interface);
            reply.item(&item::Attached { interface, xdp });
        }
        Ok(())
    }
}

fn no_daemon() -> Refusal {
    Refusal::no(
        "no daemon runs, so there is nothing to reload: `sipward attach` puts the configuration in force",
    )
}

fn absent(from: &[String], others: &[String]) -> Vec<String> {
    from.iter().filter(|name| !others.contains(name)).cloned().collect()
}
