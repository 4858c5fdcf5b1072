//! Trust and bans, one by one as people type them.

use ipnet::IpNet;

use super::{
    Controller,
    guard::ControllerEvent,
    reply::Reply,
    retrying_store::{SaveOutcome, by_file},
};
use crate::{
    ban_safety,
    caller::Who,
    clock::Clock,
    lists::Lists,
    refusal::Refusal,
    store::Entry,
    wire::{InForceChange, command, listed, seconds},
};
use sipward_api::{Add, Query, Remove, item};
use sipward_engine::{guard::Order, lists::ListChange};
use sipward_types::{
    address::{canonical, show},
    list_entry::{ListEntry, ListKind, Origin},
    time::Lifetime,
};

/// Rows that are read at once; between two of them others have their turn.
pub(super) const PAGE: usize = 1_000;

/// The same where each page is chosen among all.
const UNSAVED_PAGE: usize = 50_000;

/// Sources in one call.
const AT_ONCE: usize = 1_000;

#[derive(Debug)]
pub struct Page<L, K> {
    pub lines: Vec<L>,
    /// After which the next page begins, if there is more.
    pub next: Option<K>,
}

impl Controller {
    pub(super) fn trust(&mut self, add: &Add, who: &Who, reply: &mut Reply) -> Result<(), Refusal> {
        check_count(&add.sources)?;
        let mut refused = Refused::default();
        for &net in &add.sources {
            let net = usable(net)?;
            if let Some(file) = self.configured(net) {
                refused.push(net, file);
                continue;
            }
            let clock = Clock::read();
            let until = clock.kernel.expiry(lifetime(add.lasts));
            let before = self.lists.get(&mut self.tables, net, clock.kernel)?;
            let trust = ListEntry { kind: ListKind::Trusted, until, origin: Origin::Hand };
            self.set_lists(&[(net, Some(trust))], &clock)?;
            let lifts_ban = before.is_some_and(|before| before.kind == ListKind::Banned);
            if lifts_ban {
                self.announce(|| ControllerEvent::Changed(vec![InForceChange::Unbanned { net }]));
            }
            self.save(net, trust, add.note.as_deref(), who, &clock, reply)?;
            self.clear_net(net, who, reply)?;
            reply.item(&item::Trusted {
                trusted: show(net),
                expires_in: seconds(clock.kernel.remaining(until)),
                lifted_ban: lifts_ban,
            });
        }
        refused.into_result()
    }

    pub(super) fn ban(&mut self, add: &Add, who: &Who, reply: &mut Reply) -> Result<(), Refusal> {
        check_count(&add.sources)?;
        let sources = add.sources.iter().map(|net| usable(*net)).collect::<Result<Vec<_>, _>>()?;
        if !add.force {
            let protected = ban_safety::all(add.session);
            for net in &sources {
                ban_safety::check(*net, &protected).map_err(Refusal::no)?;
            }
        }
        let mut refused = Refused::default();
        for net in sources {
            if let Some(file) = self.configured(net) {
                refused.push(net, file);
                continue;
            }
            let clock = Clock::read();
            let asked = clock.kernel.expiry(lifetime(add.lasts));
            let Self { lists, tables, .. } = self;
            let Some(ban) = lists.ban(tables, net, asked, Origin::Hand, clock.kernel)? else {
                refused.push(net, "not banned, because it is trusted: `sipward trust del` first".to_owned());
                continue;
            };
            self.set_lists(&[(net, Some(ban))], &clock)?;
            self.announce(|| ControllerEvent::Changed(vec![InForceChange::Banned { net, until: ban.until }]));
            self.save(net, ban, add.note.as_deref(), who, &clock, reply)?;
            let (until, shadow) = (ban.until, self.lists.shadow(net, clock.kernel));
            reply.item(&item::Banned {
                banned: show(net),
                expires_in: seconds(clock.kernel.remaining(until)),
                longer: until != asked,
                shadowed_by: shadow.map(|(around, _)| around.to_string()),
                shadowed_for: shadow.map(|(_, until)| seconds(clock.kernel.remaining(until))),
            });
        }
        refused.into_result()
    }

    /// Takes each of the sources off its list. The others are done even if one is not there.
    pub(super) fn remove(&mut self, remove: &Remove, who: &Who, reply: &mut Reply) -> Result<(), Refusal> {
        let Remove { list, sources } = remove;
        check_count(sources)?;
        let mut refused = Refused::default();
        for &net in sources {
            let net = canonical(net);
            if let Some(file) = self.configured(net) {
                refused.push(net, file);
                continue;
            }
            let clock = Clock::read();
            // Of a source that is known, the guard bans no more than a port.
            let has_banned_port = *list == ListKind::Banned && self.has_banned_port(net, &clock);
            let before = self.lists.get(&mut self.tables, net, clock.kernel)?;
            let is_listed = before.is_some_and(|before| before.kind == *list);
            if !is_listed && !has_banned_port {
                let command = command(*list);
                refused.push(net, format!("not {} by itself: see `sipward {command} list`", list.name()));
                continue;
            }
            if is_listed {
                self.lists.set_all(&mut self.tables, &[(net, None)], clock.kernel)?;
                if *list == ListKind::Banned {
                    self.announce(|| ControllerEvent::Changed(vec![InForceChange::Unbanned { net }]));
                }
            }
            let (name, what) = (who.name.clone(), format!("{} del", command(*list)));
            let saved = self.store.change_now_or_later(move |change, clock| {
                change.remove(net)?;
                change.audit(&name, &what, &show(net), "", clock)
            });
            self.unless_saved(saved, net, &clock, reply)?;
            self.know_again(&[(net, None)])?;
            if *list == ListKind::Banned {
                self.clear_net(net, who, reply)?;
            }
            reply.item(&item::Deleted { deleted: show(net) });
        }
        refused.into_result()
    }

    /// Forgets what counts against sources there, so that it needs new evidence to ban them again.
    fn clear_net(&mut self, net: IpNet, who: &Who, reply: &mut Reply) -> Result<(), Refusal> {
        let saved = self.order(&Order::ClearNet { net }, &who.name, None)?;
        if let SaveOutcome::Unsaved(fault) = saved {
            reply.notice(format!("{}: its suspensions ended, but that is not saved: {fault}", show(net)));
        }
        Ok(())
    }

    /// A part of a list in the order of its addresses, after the one given.
    pub fn page(
        &mut self,
        query: &Query,
        after: Option<IpNet>,
    ) -> Result<Page<item::Listed, IpNet>, Refusal> {
        let clock = Clock::read();
        let saved = !self.lists.is_unsaved();
        let stored =
            if saved { self.store.read(|store| store.page(query, after, PAGE, &clock)).ok() } else { None };
        let (entries, most) = match stored {
            Some(entries) => (entries, PAGE),
            None => (self.unsaved_page(query, after, &clock)?, UNSAVED_PAGE),
        };
        let lists = &self.lists;
        let next = entries.last().filter(|_| entries.len() == most).map(|entry| entry.net);
        Ok(Page { lines: entries.into_iter().map(|entry| shown(entry, lists, &clock)).collect(), next })
    }

    /// The same from memory, where the store cannot be read or has not all of it.
    fn unsaved_page(
        &mut self,
        query: &Query,
        after: Option<IpNet>,
        clock: &Clock,
    ) -> Result<Vec<Entry>, Refusal> {
        let is_asked = |(net, _): &(IpNet, ListEntry)| {
            let within = query.within.is_none_or(|within| within.contains(net));
            within && after.is_none_or(|after| order(*net) > order(after))
        };
        let mut list_entries: Vec<_> =
            self.lists.list(&mut self.tables, query.list, clock.kernel)?.filter(is_asked).collect();
        list_entries.sort_by_key(|(net, _)| order(*net));
        let entries = list_entries.into_iter().map(|(net, list_entry)| self.entry(net, list_entry, clock));
        Ok(entries.filter(|entry| asked(query, entry)).take(UNSAVED_PAGE).collect())
    }

    /// Saves what is in the kernel already. What was said before about the same is kept, unless it is said anew.
    #[allow(
        clippy::too_many_arguments,
        reason = "what was said, by whom and when; none of it belongs together"
    )]
    fn save(
        &mut self,
        net: IpNet,
        list_entry: ListEntry,
        note: Option<&str>,
        who: &Who,
        clock: &Clock,
        reply: &mut Reply,
    ) -> Result<(), Refusal> {
        let ListEntry { kind, until, origin } = list_entry;
        let (who, what) = (who.name.clone(), format!("{} add", command(kind)));
        let (note, lasts) = (note.map(str::to_owned), clock.kernel.remaining(until));
        let saved = self.store.change_now_or_later(move |change, now| {
            let before = change.get(net, now)?.filter(|before| before.kind == kind);
            let (since, kept, evidence) =
                before.map_or((now.wall, None, None), |before| (before.since, before.note, before.evidence));
            let note = note.clone().or(kept);
            let noted = note.as_ref().map_or_else(String::new, |note| format!(", {note}"));
            change.put(&Entry { net, kind, until, since, origin, note, evidence }, now)?;
            change.audit(&who, &what, &show(net), &format!("{lasts}{noted}"), now)
        });
        self.unless_saved(saved, net, clock, reply)
    }

    /// Marks in the kernel what is not in the store, so that it does not look like a change that was never
    /// acknowledged.
    pub(super) fn unless_saved(
        &mut self,
        saved: Result<(), String>,
        net: IpNet,
        clock: &Clock,
        reply: &mut Reply,
    ) -> Result<(), Refusal> {
        if let Err(fault) = saved {
            self.lists.mark_unsaved(&mut self.tables, net, clock.kernel)?;
            reply.notice(format!(
                "{}: in force, but not saved, so a reboot would undo it: {fault}",
                show(net)
            ));
        }
        Ok(())
    }

    /// Changes the lists, in memory and in the kernel. On an error, all is as it was.
    pub(super) fn set_lists(&mut self, changes: &[ListChange], clock: &Clock) -> Result<(), Refusal> {
        let result = self.lists.set_all(&mut self.tables, changes, clock.kernel);
        self.know_again(changes)?;
        Ok(result?)
    }

    /// The refusal of changes by hand, if the entry is one of the configuration.
    pub(super) fn configured(&mut self, net: IpNet) -> Option<String> {
        let clock = Clock::read();
        let (kind, origin) = if self.lists.has_origins() {
            let ListEntry { kind, origin, .. } =
                self.lists.get(&mut self.tables, net, clock.kernel).ok()??;
            (kind, origin)
        } else {
            // Only the store has the origin of entries that a command without a daemon reads from the kernel.
            let Entry { kind, origin, .. } = self.store.read(|store| store.get(net, &clock)).ok()??;
            (kind, origin)
        };
        by_file(kind, origin)
    }
}

/// As the store would choose.
fn asked(query: &Query, entry: &Entry) -> bool {
    let noted = |text: &String| {
        let note = entry.note.as_ref().map(|note| note.to_ascii_lowercase());
        note.is_some_and(|note| note.contains(&text.to_ascii_lowercase()))
    };
    query.origin.is_none_or(|origin| origin == entry.origin) && query.note.as_ref().is_none_or(noted)
}

/// Sources with which nothing was done, and why.
#[derive(Default)]
struct Refused(Vec<String>);

impl Refused {
    fn push(&mut self, net: IpNet, why: String) {
        self.0.push(format!("{}: {why}", show(net)));
    }

    fn into_result(self) -> Result<(), Refusal> {
        if self.0.is_empty() { Ok(()) } else { Err(Refusal::no(self.0.join("\n"))) }
    }
}

/// Each is saved by itself, and others wait meanwhile.
fn check_count(sources: &[IpNet]) -> Result<(), Refusal> {
    if sources.len() > AT_ONCE {
        return Err(Refusal::wrong(format!(
            "{} sources are too many at once: name at most {AT_ONCE}, or use `import`",
            sources.len()
        )));
    }
    Ok(())
}

/// As the kernel has it. A prefix that holds all of IPv4 by way of IPv6 is a slip.
pub(super) fn usable(net: IpNet) -> Result<IpNet, Refusal> {
    let net = canonical(net);
    if sipward_types::address::holds_v4_unsaid(net) {
        let message = format!("{net} also holds every IPv4 address: write 2000::/3 for all of IPv6 in use");
        return Err(Refusal::wrong(message));
    }
    Ok(net)
}

fn lifetime(seconds: Option<u64>) -> Lifetime {
    seconds.map_or(Lifetime::Forever, |seconds| Lifetime::For(std::time::Duration::from_secs(seconds)))
}

fn shown(entry: Entry, lists: &Lists, clock: &Clock) -> item::Listed {
    let shadow = match entry.kind {
        ListKind::Banned => lists.shadow(entry.net, clock.kernel),
        ListKind::Trusted => None,
    };
    listed(entry, shadow.map(|(_, until)| until), clock)
}

/// The order of the store.
fn order(net: IpNet) -> ([u8; 16], u8) {
    sipward_types::address::to_prefix(net)
}
