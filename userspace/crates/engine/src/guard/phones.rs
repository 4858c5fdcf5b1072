//! Phones that have registered, and until when.

use std::{collections::BTreeMap, time::Duration};

use sipward_types::account::Account;
use sipward_types::time::KernelTime;

/// Phones of one account in one place.
pub(super) const CONTACTS: usize = 10;

/// An account, and a hash of where it is reached.
pub(super) type Phone = (Option<Account>, u64);

#[derive(Debug, Default)]
pub(super) struct Phones(BTreeMap<Phone, KernelTime>);

impl Phones {
    /// `false`: there are too many, and all of them stay longer.
    pub(super) fn register(&mut self, phone: Phone, until: KernelTime, most: u32) -> bool {
        if let Some(known) = self.0.get_mut(&phone) {
            *known = until;
            return true;
        }
        let of_account = self.0.range((phone.0.clone(), 0)..=(phone.0.clone(), u64::MAX));
        let first = if of_account.clone().count() >= CONTACTS {
            of_account.min_by_key(|(_, until)| **until)
        } else if self.0.len() >= most as usize {
            self.0.iter().min_by_key(|(_, until)| **until)
        } else {
            self.0.insert(phone, until);
            return true;
        };
        let Some((first, end)) = first.map(|(first, end)| (first.clone(), *end)) else { return false };
        if end < until {
            self.0.remove(&first);
            self.0.insert(phone, until);
        }
        end < until
    }

    /// True if it was there.
    pub(super) fn unregister(&mut self, phone: &Phone, at: KernelTime) -> bool {
        let Some(until) = self.0.get_mut(phone) else { return false };
        *until = at.min(*until);
        true
    }

    pub(super) fn remove(&mut self, phone: &Phone) -> bool {
        self.0.remove(phone).is_some()
    }

    pub(super) fn remove_account(&mut self, account: &Account) {
        self.0.retain(|(of, _), _| of.as_ref() != Some(account));
    }

    pub(super) fn count_account(&self, account: &Account) -> usize {
        self.0.keys().filter(|(of, _)| of.as_ref() == Some(account)).count()
    }

    pub(super) fn forget_over(&mut self, now: KernelTime, grace: Duration) {
        self.0.retain(|_, until| *until + grace > now);
    }

    /// When they end that have not, with grace.
    pub(super) fn ends(&self, now: KernelTime, grace: Duration) -> impl Iterator<Item = KernelTime> {
        self.0.values().map(move |until| *until + grace).filter(move |end| *end > now)
    }
}
