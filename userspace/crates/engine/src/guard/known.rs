//! Whoever has authenticated, and how many phones are there: sources, and [flows](super::flows).
//!
//! A phone counts from its registration to the end of it and the grace after that; the budget is thereby the most that
//! was there lately. Only registrations count, and of them no more than the setting allows and no more than a few of one
//! account, or one account could buy a budget of any size. Where credentials were accepted without a registration, or a
//! trunk answered, there is one phone for a while.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    ops::RangeInclusive,
    time::Duration,
};

use super::{
    GuardAction,
    blind::{Blind, LONGEST, RENEWS},
    phones::{Phone, Phones},
    settings::KnownSettings,
    source_net::SourceNet,
    time::is_recent,
    uses::GivenUp,
};
use sipward_types::account::Account;
use sipward_types::time::KernelTime;

/// Of a /64 with many known sources, the first ones are enough to know that it is no stranger.
const NEIGHBOURS: usize = 10;
/// A decision lasts longer than what is needed, so that not each refresh takes another one. The end in time is one then.
const SPARE: Duration = Duration::from_secs(3600);

/// A source or a flow that can be known.
pub(super) trait Whom: Copy + Ord {
    fn know(self, phones: u32, until: KernelTime) -> GuardAction;
    fn forget(self) -> GuardAction;
}

impl Whom for IpAddr {
    fn know(self, phones: u32, until: KernelTime) -> GuardAction {
        GuardAction::Know { source: self, phones, until }
    }

    fn forget(self) -> GuardAction {
        GuardAction::Forget { source: self }
    }
}

#[derive(Debug)]
pub(super) struct Known<W> {
    homes: BTreeMap<W, Home>,
    /// When the next phone of one ceases to count.
    due: BTreeSet<(KernelTime, W)>,
    /// A known source stays known to its end. When there are too many, there are no new ones.
    most: usize,
    refused: u64,
}

#[derive(Debug, Default)]
struct Home {
    phones: Phones,
    worked_until: KernelTime,
    /// Phones before a restart: a number and no more.
    restored: (u32, KernelTime),
    last_known: Option<(u32, KernelTime)>,
    due: KernelTime,
    /// Since when it lasts only because packets were missed.
    lasts_since: Option<KernelTime>,
}

impl Home {
    /// Phones with grace, and until when there is any.
    fn state(&self, now: KernelTime, settings: &KnownSettings) -> (u32, KernelTime) {
        let ends = self.phones.ends(now, settings.grace);
        let (count, mut until) =
            ends.fold((0, KernelTime::START), |(count, last), end| (count + 1, last.max(end)));
        let mut phones: u32 = count;
        for (others, end) in [(1, self.worked_until), self.restored] {
            if end > now {
                phones = phones.max(others);
                until = until.max(end);
            }
        }
        (phones.min(settings.phones), until)
    }

    /// It stays as it was decided for a while, if it has not for too long: packets were missed.
    fn renew(&mut self, now: KernelTime) {
        let since = *self.lasts_since.get_or_insert(now);
        if let Some((phones, _)) = self.last_known.filter(|_| is_recent(since, now, LONGEST)) {
            self.restored = (phones.max(1), now + RENEWS);
        }
    }

    fn next_end(&self, now: KernelTime, settings: &KnownSettings) -> KernelTime {
        let others = [self.worked_until, self.restored.1].into_iter().filter(|end| *end > now);
        self.phones.ends(now, settings.grace).chain(others).min().unwrap_or(KernelTime::FOREVER)
    }
}

impl<W: Whom> Known<W> {
    pub(super) const fn new(most: usize) -> Self {
        Self { homes: BTreeMap::new(), due: BTreeSet::new(), most, refused: 0 }
    }

    pub(super) fn register(
        &mut self,
        whom: W,
        phone: Phone,
        (at, until): (KernelTime, KernelTime),
        settings: &KnownSettings,
    ) -> Option<GuardAction> {
        if until <= at {
            return None;
        }
        let home = self.home(whom)?;
        home.lasts_since = None;
        if !home.phones.register(phone, until, settings.phones) {
            self.refused += 1;
        }
        self.settle(whom, at, settings)
    }

    /// It still counts for the grace: a phone that starts anew says goodbye first.
    pub(super) fn unregister(
        &mut self,
        whom: W,
        phone: &Phone,
        at: KernelTime,
        settings: &KnownSettings,
    ) -> Option<GuardAction> {
        if !self.homes.get_mut(&whom)?.phones.unregister(phone, at) {
            return None;
        }
        self.settle(whom, at, settings)
    }

    pub(super) fn work(&mut self, whom: W, at: KernelTime, settings: &KnownSettings) -> Option<GuardAction> {
        let home = self.home(whom)?;
        home.lasts_since = None;
        home.worked_until = home.worked_until.max(at + settings.worked);
        self.settle(whom, at, settings)
    }

    /// It is known elsewhere already.
    pub(super) fn restore(
        &mut self,
        whom: W,
        phones: u32,
        until: KernelTime,
        now: KernelTime,
        settings: &KnownSettings,
    ) {
        let Some(home) = self.home(whom) else { return };
        let (before, end) = home.last_known.unwrap_or_default();
        home.restored = (phones, until.max(end));
        home.last_known = Some((phones.max(before), until.max(end)));
        self.settle(whom, now, settings);
    }

    /// This phone is elsewhere now.
    pub(super) fn move_away(
        &mut self,
        whom: W,
        phone: &Phone,
        at: KernelTime,
        settings: &KnownSettings,
    ) -> Option<GuardAction> {
        if !self.homes.get_mut(&whom)?.phones.remove(phone) {
            return None;
        }
        self.settle(whom, at, settings)
    }

    /// This account worked there, perhaps with others, and it counts no more.
    pub(super) fn take(
        &mut self,
        given_up: GivenUp<W>,
        account: &Account,
        at: KernelTime,
        settings: &KnownSettings,
    ) -> Option<GuardAction> {
        let home = self.homes.get_mut(&given_up.source_net)?;
        home.phones.remove_account(account);
        if !given_up.has_others {
            home.worked_until = KernelTime::START;
        }
        self.settle(given_up.source_net, at, settings)
    }

    /// One whose phones have become fewer, and the decision that follows.
    pub(super) fn ended(
        &mut self,
        now: KernelTime,
        settings: &KnownSettings,
        blind: &Blind,
    ) -> Option<Option<GuardAction>> {
        let (_, whom) = *self.due.first().filter(|(due, _)| *due <= now)?;
        if blind.may_have_missed(now)
            && let Some(home) = self.homes.get_mut(&whom)
        {
            home.renew(now);
        }
        Some(self.settle(whom, now, settings))
    }

    /// Forgets those in there that end first.
    pub(super) fn forget_some(&mut self, range: RangeInclusive<W>, count: usize) -> Vec<GuardAction> {
        let ends = |(whom, home): (&W, &Home)| {
            (home.last_known.map_or(KernelTime::START, |(_, until)| until), *whom)
        };
        let mut homes: Vec<_> = self.homes.range(range).map(ends).collect();
        homes.sort_unstable();
        let forget = |(_, whom): (KernelTime, W)| {
            let home = self.homes.remove(&whom)?;
            self.due.remove(&(home.due, whom));
            home.last_known.map(|_| whom.forget())
        };
        homes.into_iter().take(count).filter_map(forget).collect()
    }

    pub(super) fn of(&self, whom: W, now: KernelTime, settings: &KnownSettings) -> (u32, KernelTime) {
        self.homes.get(&whom).map_or((0, KernelTime::START), |home| home.state(now, settings))
    }

    /// Phones of that account which have registered there.
    pub(super) fn count_account(&self, whom: W, account: &Account) -> usize {
        self.homes.get(&whom).map_or(0, |home| home.phones.count_account(account))
    }

    pub(super) fn has(&self, whom: W) -> bool {
        self.homes.contains_key(&whom)
    }

    pub(super) fn within(&self, range: RangeInclusive<W>) -> impl Iterator<Item = W> {
        self.homes.range(range).map(|(whom, _)| *whom)
    }

    pub(super) fn is_full(&self) -> bool {
        self.homes.len() >= self.most
    }

    pub(super) const fn refused(&self) -> u64 {
        self.refused
    }

    fn home(&mut self, whom: W) -> Option<&mut Home> {
        if self.is_full() && !self.homes.contains_key(&whom) {
            self.refused += 1;
            return None;
        }
        Some(self.homes.entry(whom).or_default())
    }

    /// Decides what has changed: the number of phones, or an end that is later than the one that was decided.
    fn settle(&mut self, whom: W, now: KernelTime, settings: &KnownSettings) -> Option<GuardAction> {
        let home = self.homes.get_mut(&whom)?;
        home.phones.forget_over(now, settings.grace);
        self.due.remove(&(home.due, whom));
        let (phones, until) = home.state(now, settings);
        if phones == 0 {
            let was_known = self.homes.remove(&whom)?.last_known.is_some();
            return was_known.then(|| whom.forget());
        }
        home.due = home.next_end(now, settings);
        if !home.due.is_forever() {
            self.due.insert((home.due, whom));
        }
        let last_known = match home.last_known {
            Some((before, end)) if before == phones && end >= until => return None,
            Some((_, end)) => end.max(until + SPARE),
            None => until + SPARE,
        };
        home.last_known = Some((phones, last_known));
        Some(whom.know(phones, last_known))
    }
}

impl Known<IpAddr> {
    /// Phones that have registered there.
    pub(super) fn registered(&self, source: IpAddr, now: KernelTime, settings: &KnownSettings) -> u32 {
        self.homes.get(&source).map_or(0, |home| home.phones.ends(now, settings.grace).count() as u32)
    }

    pub(super) fn phones(&self, source_net: SourceNet, now: KernelTime, settings: &KnownSettings) -> u32 {
        let net = source_net.net();
        let homes = self.homes.range(net.network()..=net.broadcast());
        homes.take(NEIGHBOURS).map(|(_, home)| home.state(now, settings).0).sum::<u32>().min(settings.phones)
    }

    pub(super) fn any_within(&self, net: ipnet::IpNet) -> bool {
        self.within(net.network()..=net.broadcast()).next().is_some()
    }
}
