//! Sources that have authenticated, and how many phones they have.
//!
//! A phone counts from its registration to the end of it and the grace after that; the budget is thereby the most that
//! was there lately. Only registrations count, and of them no more than the setting allows and no more than a few of one
//! account, or one account could buy a budget of any size. A source where credentials were accepted without a
//! registration, or a trunk that answered, counts as one phone for a while.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use xdp_prog::abi::FOREVER;

use super::{Account, What, moment::after, place::Place, settings::KnownSettings};

/// Who is known stays so to the end. When there are too many, there are no new ones: a newcomer has only a stranger's
/// budget.
pub(super) const SOURCES: usize = 65_536;
/// Phones of one account at one source.
const CONTACTS: usize = 10;
/// What is told lasts longer than what is needed, so that not each refresh has to be told. The end in time is told then.
const SPARE: Duration = Duration::from_secs(3600);

type Phone = (Option<Account>, u64);

#[derive(Debug, Default)]
pub(super) struct Known {
    sources: BTreeMap<IpAddr, Home>,
    /// When the next phone of a source ceases to count.
    due: BTreeSet<(u64, IpAddr)>,
    refused: u64,
}

#[derive(Debug, Default)]
struct Home {
    /// When their registrations end.
    phones: BTreeMap<Phone, u64>,
    worked_until: u64,
    /// Phones before a restart: a number and no more.
    restored: (u32, u64),
    told: Option<(u32, u64)>,
    due: u64,
}

impl Home {
    /// Phones with grace, and until when there is any.
    fn state(&self, now: u64, settings: &KnownSettings) -> (u32, u64) {
        let ends = self.registrations(now, settings);
        let (count, mut until) = ends.fold((0, 0), |(count, last), end| (count + 1, last.max(end)));
        let mut phones: u32 = count;
        for (others, end) in [(1, self.worked_until), self.restored] {
            if end > now {
                phones = phones.max(others);
                until = until.max(end);
            }
        }
        (phones.min(settings.phones), until)
    }

    /// When they end, with grace.
    fn registrations(&self, now: u64, settings: &KnownSettings) -> impl Iterator<Item = u64> {
        let grace = settings.grace;
        self.phones.values().map(move |until| after(*until, grace)).filter(move |end| *end > now)
    }

    fn next_end(&self, now: u64, settings: &KnownSettings) -> u64 {
        let ends = self.phones.values().map(|until| after(*until, settings.grace));
        ends.chain([self.worked_until, self.restored.1]).filter(|end| *end > now).min().unwrap_or(FOREVER)
    }

    /// `false`: there are too many, and all of them stay longer.
    fn register(&mut self, phone: Phone, until: u64, most: u32) -> bool {
        if let Some(known) = self.phones.get_mut(&phone) {
            *known = until;
            return true;
        }
        let of_account = self.phones.range((phone.0.clone(), 0)..=(phone.0.clone(), u64::MAX));
        let first = if of_account.clone().count() >= CONTACTS {
            of_account.min_by_key(|(_, until)| **until)
        } else if self.phones.len() >= most as usize {
            self.phones.iter().min_by_key(|(_, until)| **until)
        } else {
            self.phones.insert(phone, until);
            return true;
        };
        let Some((first, end)) = first.map(|(first, end)| (first.clone(), *end)) else { return false };
        if end < until {
            self.phones.remove(&first);
            self.phones.insert(phone, until);
        }
        end < until
    }
}

impl Known {
    pub(super) fn register(
        &mut self,
        source: IpAddr,
        account: Option<Account>,
        phone: u64,
        (at, until): (u64, u64),
        settings: &KnownSettings,
    ) -> Option<What> {
        if until <= at {
            return None;
        }
        let home = self.home(source)?;
        if !home.register((account, phone), until, settings.phones) {
            self.refused += 1;
        }
        self.settle(source, at, settings)
    }

    /// It still counts for the grace: a phone that starts anew says goodbye first.
    pub(super) fn unregister(
        &mut self,
        source: IpAddr,
        account: Option<Account>,
        phone: u64,
        at: u64,
        settings: &KnownSettings,
    ) -> Option<What> {
        let until = self.sources.get_mut(&source)?.phones.get_mut(&(account, phone))?;
        *until = at.min(*until);
        self.settle(source, at, settings)
    }

    pub(super) fn work(&mut self, source: IpAddr, at: u64, settings: &KnownSettings) -> Option<What> {
        let home = self.home(source)?;
        home.worked_until = home.worked_until.max(after(at, settings.worked));
        self.settle(source, at, settings)
    }

    /// It is known elsewhere already.
    pub(super) fn restore(
        &mut self,
        source: IpAddr,
        phones: u32,
        until: u64,
        now: u64,
        settings: &KnownSettings,
    ) {
        let Some(home) = self.home(source) else { return };
        let (before, end) = home.told.unwrap_or_default();
        home.restored = (phones, until.max(end));
        home.told = Some((phones.max(before), until.max(end)));
        self.settle(source, now, settings);
    }

    /// One source whose phones have become fewer, and what is to be told of it.
    pub(super) fn ended(&mut self, now: u64, settings: &KnownSettings) -> Option<Option<What>> {
        let (_, source) = *self.due.first().filter(|(due, _)| *due <= now)?;
        Some(self.settle(source, now, settings))
    }

    pub(super) fn of(&self, source: IpAddr, now: u64, settings: &KnownSettings) -> (u32, u64) {
        self.sources.get(&source).map_or((0, 0), |home| home.state(now, settings))
    }

    /// Phones that have registered there.
    pub(super) fn registered(&self, source: IpAddr, now: u64, settings: &KnownSettings) -> u32 {
        self.sources.get(&source).map_or(0, |home| home.registrations(now, settings).count() as u32)
    }

    pub(super) fn phones(&self, place: Place, now: u64, settings: &KnownSettings) -> u32 {
        let net = place.net();
        let homes = self.sources.range(net.network()..=net.broadcast());
        // Of a /64 with many, the first ones are enough to know that it is no stranger.
        homes.take(CONTACTS).map(|(_, home)| home.state(now, settings).0).sum::<u32>().min(settings.phones)
    }

    pub(super) fn any_within(&self, net: ipnet::IpNet) -> bool {
        self.sources.range(net.network()..=net.broadcast()).next().is_some()
    }

    pub(super) const fn refused(&self) -> u64 {
        self.refused
    }

    fn home(&mut self, source: IpAddr) -> Option<&mut Home> {
        if self.sources.len() >= SOURCES && !self.sources.contains_key(&source) {
            self.refused += 1;
            return None;
        }
        Some(self.sources.entry(source).or_default())
    }

    /// Tells what has changed: the number of phones, or an end that is later than the one that was told.
    fn settle(&mut self, source: IpAddr, now: u64, settings: &KnownSettings) -> Option<What> {
        let home = self.sources.get_mut(&source)?;
        home.phones.retain(|_, until| after(*until, settings.grace) > now);
        self.due.remove(&(home.due, source));
        let (phones, until) = home.state(now, settings);
        if phones == 0 {
            let was_told = self.sources.remove(&source)?.told.is_some();
            return was_told.then_some(What::Forget { source });
        }
        home.due = home.next_end(now, settings);
        if home.due != FOREVER {
            self.due.insert((home.due, source));
        }
        let told = match home.told {
            Some((before, end)) if before == phones && end >= until => return None,
            Some((_, end)) => end.max(after(until, SPARE)),
            None => after(until, SPARE),
        };
        home.told = Some((phones, told));
        Some(What::Know { source, phones, until: told })
    }
}
