//! Trust and bans, one by one as people type them.

use ipnet::IpNet;

use super::{Controller, reply::Reply, retrying_store::SaveOutcome};
use crate::{
    ban_safety,
    caller::Who,
    clock::Clock,
    lists::{Banning, Lists, Trusting},
    refusal::Refusal,
    store::Entry,
    wire::{command, listed, seconds},
};
use sipward_api::{Add, Query, Remove, item};
use sipward_engine::guard::Order;
use sipward_types::{
    address::{canonical, show},
    list_entry::{ListEntry, ListKind, Origin},
    time::{KernelTime, Lifetime},
};

/// Rows that are read at once; between two of them others have their turn.
pub(super) const PAGE: usize = 1_000;

/// The same of what the kernel has, each time of all of it.
const KERNEL_PAGE: usize = 50_000;

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
            if let Some(file) = self.store.configured(net) {
                refused.push(net, file);
                continue;
            }
            let clock = Clock::read();
            let until = clock.kernel.expiry(lifetime(add.lasts));
            let Trusting { lifted } = self.lists(&clock)?.trust(net, until)?;
            self.know_again(&[net])?;
            self.save(net, ListKind::Trusted, until, add.note.as_deref(), who, &clock, reply)?;
            self.clear_net(net, who, reply)?;
            reply.item(&item::Trusted {
                trusted: show(net),
                expires_in: seconds(clock.kernel.remaining(until)),
                lifted_ban: lifted.is_some(),
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
            if let Some(file) = self.store.configured(net) {
                refused.push(net, file);
                continue;
            }
            let clock = Clock::read();
            let asked = clock.kernel.expiry(lifetime(add.lasts));
            let Banning::Done { until, shadow } = self.lists(&clock)?.ban(net, asked)? else {
                refused.push(net, "not banned, because it is trusted: `sipward trust del` first".to_owned());
                continue;
            };
            self.know_again(&[net])?;
            self.save(net, ListKind::Banned, until, add.note.as_deref(), who, &clock, reply)?;
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
            if let Some(file) = self.store.configured(net) {
                refused.push(net, file);
                continue;
            }
            let clock = Clock::read();
            // Of a source that is known, the guard bans no more than a port.
            let has_banned_port = *list == ListKind::Banned && self.has_banned_port(net, &clock);
            if !self.lists(&clock)?.remove(net, *list)? && !has_banned_port {
                let command = command(*list);
                refused.push(net, format!("not {} by itself: see `sipward {command} list`", list.name()));
                continue;
            }
            let (name, what) = (who.name.clone(), format!("{} del", command(*list)));
            let saved = self.store.change_now_or_later(move |change, clock| {
                change.remove(net)?;
                change.audit(&name, &what, &show(net), "", clock)
            });
            self.unless_saved(saved, net, &clock, reply)?;
            self.know_again(&[net])?;
            if *list == ListKind::Banned {
                self.clear_net(net, who, reply)?;
            }
            reply.item(&item::Deleted { deleted: show(net) });
        }
        refused.into_result()
    }

    /// What counts against sources there is forgotten, so that it needs new evidence to ban them again.
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
        let saved = !self.lists(&clock)?.is_unsaved();
        let stored =
            if saved { self.store.read(|store| store.page(query, after, PAGE, &clock)).ok() } else { None };
        let (entries, most) = match stored {
            Some(entries) => (entries, PAGE),
            None => (self.kernel_page(query, after, &clock)?, KERNEL_PAGE),
        };
        let lists = self.lists(&clock)?;
        let next = entries.last().filter(|_| entries.len() == most).map(|entry| entry.net);
        Ok(Page { lines: entries.into_iter().map(|entry| shown(entry, &lists, &clock)).collect(), next })
    }

    /// What the kernel has, where the store cannot be read or has not all of it.
    fn kernel_page(
        &mut self,
        query: &Query,
        after: Option<IpNet>,
        clock: &Clock,
    ) -> Result<Vec<Entry>, Refusal> {
        let mut list_entries = Vec::new();
        self.lists(clock)?.list(query.list, |listed| {
            let within = query.within.is_none_or(|within| within.contains(&listed.net));
            if within && after.is_none_or(|after| order(listed.net) > order(after)) {
                list_entries.push((listed.net, ListEntry { kind: query.list, until: listed.until }));
            }
            Ok::<_, Refusal>(())
        })?;
        list_entries.sort_by_key(|(net, _)| order(*net));
        let entries = list_entries.into_iter().map(|(net, list_entry)| self.entry(net, list_entry, clock));
        Ok(entries.filter(|entry| asked(query, entry)).take(KERNEL_PAGE).collect())
    }

    /// Saves what is in the kernel already. What was said before about the same is kept, unless it is said anew.
    #[allow(
        clippy::too_many_arguments,
        reason = "what was said, by whom and when; none of it belongs together"
    )]
    fn save(
        &mut self,
        net: IpNet,
        kind: ListKind,
        until: KernelTime,
        note: Option<&str>,
        who: &Who,
        clock: &Clock,
        reply: &mut Reply,
    ) -> Result<(), Refusal> {
        let (who, what) = (who.name.clone(), format!("{} add", command(kind)));
        let (note, lasts) = (note.map(str::to_owned), clock.kernel.remaining(until));
        let saved = self.store.change_now_or_later(move |change, now| {
            let before = change.get(net, now)?.filter(|before| before.kind == kind);
            let (since, kept, evidence) =
                before.map_or((now.wall, None, None), |before| (before.since, before.note, before.evidence));
            let note = note.clone().or(kept);
            let noted = note.as_ref().map_or_else(String::new, |note| format!(", {note}"));
            change.put(&Entry { net, kind, until, since, origin: Origin::Hand, note, evidence }, now)?;
            change.audit(&who, &what, &show(net), &format!("{lasts}{noted}"), now)
        });
        self.unless_saved(saved, net, clock, reply)
    }

    /// What is not in the store is marked in the kernel, so that it is not taken for a change that was never
    /// acknowledged.
    pub(super) fn unless_saved(
        &mut self,
        saved: Result<(), String>,
        net: IpNet,
        clock: &Clock,
        reply: &mut Reply,
    ) -> Result<(), Refusal> {
        if let Err(fault) = saved {
            self.lists(clock)?.mark_unsaved(net)?;
            reply.notice(format!(
                "{}: in force, but not saved, so a reboot would undo it: {fault}",
                show(net)
            ));
        }
        Ok(())
    }

    pub(super) fn lists(&mut self, clock: &Clock) -> Result<Lists<'_>, Refusal> {
        Ok(Lists::open(&mut self.tables, clock.kernel)?)
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

fn shown(entry: Entry, lists: &Lists<'_>, clock: &Clock) -> item::Listed {
    let shadow = match entry.kind {
        ListKind::Banned => lists.shadow(entry.net),
        ListKind::Trusted => None,
    };
    listed(entry, shadow.map(|(_, until)| until), clock)
}

/// The order of the store.
fn order(net: IpNet) -> ([u8; 16], u8) {
    sipward_types::address::to_prefix(net)
}
