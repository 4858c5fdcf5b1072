//! Suspensions and locks, as the filter has them.

use std::{borrow::Borrow, collections::HashMap, fmt, net::IpAddr};

use aya::maps::{Array, Map, MapData};
use xdp_prog::{
    abi::{Address, GuardState, Suspension, SuspensionKey, map, suspension},
    account,
};

use super::{
    error::{Error, Result},
    hash::Hash,
    pod::Pod,
};
use sipward_types::map_key::{flow_number, flow_of};
use sipward_types::{
    account::Account,
    address::{from_key, to_key},
    flow::Flow,
    time::KernelTime,
};

/// Whom a suspension is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SuspensionTarget {
    /// `None`: from anywhere.
    pub source: Option<IpAddr>,
    pub what: TargetKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TargetKind {
    /// The [hash](xdp_prog::account::hash) of an account's name, which is all that the filter knows of it.
    Account(u64),
    Flow(Flow),
    /// Requests without credentials, of a line: of the strangers in it, a few pass.
    Asking,
}

impl SuspensionTarget {
    pub fn account(source: Option<IpAddr>, account: &Account) -> Self {
        Self { source, what: TargetKind::Account(account::hash(account.as_str().as_bytes())) }
    }

    pub const fn flow(source: IpAddr, flow: Flow) -> Self {
        Self { source: Some(source), what: TargetKind::Flow(flow) }
    }
}

/// The end of a suspension, and its exemptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuspensionEntry {
    /// The filter stops by itself then.
    pub until: KernelTime,
    /// Sources that are known are not touched.
    pub exempt_known: bool,
    /// The store does not have it, or does not know that it was lifted: then it is over already.
    pub unsaved: bool,
}

/// The suspensions. Their number is written beside them, so that packets pay nothing while there are none: one
/// writer at a time.
pub struct Suspensions<'a> {
    entries: Hash<'a, SuspensionKey, Suspension>,
    guard: Array<&'a mut MapData, Pod<GuardState>>,
}

impl fmt::Debug for Suspensions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Suspensions").field(&self.entries).finish()
    }
}

impl<'a> Suspensions<'a> {
    pub(super) fn new(entries: &'a mut Map, guard: Array<&'a mut MapData, Pod<GuardState>>) -> Result<Self> {
        Ok(Self { entries: Hash::new(entries, map::SUSPENDED)?, guard })
    }

    /// Suspends, or changes how long.
    pub fn put(&mut self, target: SuspensionTarget, suspension_entry: SuspensionEntry) -> Result<()> {
        let key = to_map(target);
        let exempt = if suspension_entry.exempt_known { suspension::EXEMPT_KNOWN } else { 0 };
        let flags = exempt | if suspension_entry.unsaved { suspension::UNSAVED } else { 0 };
        let entry = Suspension { expires: suspension_entry.until.as_nanos(), flags, others: 0 };
        let new = self.entries.get(&key)?.is_none();
        // Counted first: one that is there and not counted would not be looked at.
        if new {
            self.count(&key, 1)?;
        }
        let put = self.extend(key.source, suspension_entry.until).and_then(|()| self.entries.put(key, entry));
        if new && put.is_err() {
            self.count(&key, -1)?;
        }
        put
    }

    /// True if there was something to lift.
    pub fn remove(&mut self, target: SuspensionTarget) -> Result<bool> {
        let key = to_map(target);
        let removed = self.entries.remove(&key)?;
        if removed {
            self.count(&key, -1)?;
        }
        Ok(removed)
    }

    pub fn get(&self, target: SuspensionTarget) -> Result<Option<SuspensionEntry>> {
        Ok(self.entries.get(&to_map(target))?.map(|entry| from_map(&entry)))
    }

    /// All of them, those that have expired too.
    pub fn iter(&self) -> impl Iterator<Item = Result<(SuspensionTarget, SuspensionEntry)>> + '_ {
        self.entries().filter_map(|item| match item {
            Ok((key, entry)) => Some(Ok((target(key)?, from_map(&entry)))),
            Err(error) => Some(Err(error)),
        })
    }

    /// Lifts everything, and puts right what a daemon that was killed has left half done.
    pub fn clear(&mut self) -> Result<()> {
        let keys = self.entries().map(|item| item.map(|(key, _)| key)).collect::<Result<Vec<_>>>()?;
        for key in keys {
            self.entries.remove(&key)?;
        }
        let guard = self.guard()?;
        self.set_guard(GuardState { suspended: 0, locked: 0, ..guard })
    }

    /// Puts right what a writer that was killed has left half done.
    pub fn recount(&mut self) -> Result<()> {
        let (mut locked, mut suspended) = (0, 0);
        let mut markers: HashMap<Address, Suspension> = HashMap::new();
        let mut before = HashMap::new();
        for item in self.entries() {
            let (key, entry) = item?;
            if key.what == SuspensionKey::ANYTHING {
                before.insert(key.source, entry);
            } else if key.source == SuspensionKey::ANYWHERE {
                locked += 1;
            } else if key.what == SuspensionKey::ASKING {
                suspended += 1;
            } else {
                suspended += 1;
                let marker = markers.entry(key.source).or_default();
                marker.expires = marker.expires.max(entry.expires);
                marker.others += 1;
            }
        }
        for (source, entry) in &markers {
            if before.get(source) != Some(entry) {
                self.entries.put(marker(*source), *entry)?;
            }
        }
        for source in before.keys().filter(|source| !markers.contains_key(source)) {
            self.entries.remove(&marker(*source))?;
        }
        let guard = self.guard()?;
        let counted = GuardState { suspended, locked, ..guard };
        if counted == guard { Ok(()) } else { self.set_guard(counted) }
    }

    /// As the filter has them, with the markers of sources.
    pub fn entries(&self) -> impl Iterator<Item = Result<(SuspensionKey, Suspension)>> + '_ {
        self.entries.iter()
    }

    /// Says that there is one more, or one less, where packets look first.
    fn count(&mut self, key: &SuspensionKey, change: i32) -> Result<()> {
        let guard = self.guard()?;
        let source = key.source;
        if source == SuspensionKey::ANYWHERE {
            return self
                .set_guard(GuardState { locked: guard.locked.saturating_add_signed(change), ..guard });
        }
        let suspended = GuardState { suspended: guard.suspended.saturating_add_signed(change), ..guard };
        if key.what == SuspensionKey::ASKING {
            // It is looked for by its line.
            return self.set_guard(suspended);
        }
        let key = marker(source);
        let mut entry = self.entries.get(&key)?.unwrap_or_default();
        entry.others = entry.others.saturating_add_signed(change);
        match (entry.others, change > 0) {
            (0, _) => {
                self.entries.remove(&key)?;
                self.set_guard(suspended)
            }
            (_, false) => {
                self.entries.put(key, entry)?;
                self.set_guard(suspended)
            }
            (_, true) => {
                self.set_guard(suspended)?;
                self.entries.put(key, entry)
            }
        }
    }

    /// A source's marker lasts as long as the last of its entries.
    fn extend(&mut self, source: Address, until: KernelTime) -> Result<()> {
        let key = marker(source);
        match self.entries.get(&key)? {
            Some(entry) if entry.expires < until.as_nanos() => {
                self.entries.put(key, Suspension { expires: until.as_nanos(), ..entry })
            }
            _ => Ok(()),
        }
    }

    fn guard(&self) -> Result<GuardState> {
        read_guard(&self.guard)
    }

    fn set_guard(&mut self, guard: GuardState) -> Result<()> {
        write_guard(&mut self.guard, guard)
    }
}

pub(super) fn read_guard<T: Borrow<MapData>>(map: &Array<T, Pod<GuardState>>) -> Result<GuardState> {
    map.get(&0, 0)
        .map(|Pod(guard)| guard)
        .map_err(|error| Error::map(format!("read the map {}", map::GUARD), &error))
}

pub(super) fn write_guard(map: &mut Array<&mut MapData, Pod<GuardState>>, guard: GuardState) -> Result<()> {
    map.set(0, Pod(guard), 0).map_err(|error| Error::map(format!("write to the map {}", map::GUARD), &error))
}

const fn marker(source: Address) -> SuspensionKey {
    SuspensionKey { source, what: SuspensionKey::ANYTHING }
}

fn to_map(target: SuspensionTarget) -> SuspensionKey {
    let what = match target.what {
        TargetKind::Account(hash) => hash,
        TargetKind::Flow(flow) => flow_number(flow),
        TargetKind::Asking => SuspensionKey::ASKING,
    };
    SuspensionKey { source: target.source.map_or(SuspensionKey::ANYWHERE, to_key), what }
}

/// `None`: a marker.
fn target(key: SuspensionKey) -> Option<SuspensionTarget> {
    let source = (key.source != SuspensionKey::ANYWHERE).then(|| from_key(key.source));
    let what = if account::is_hash(key.what) {
        TargetKind::Account(key.what)
    } else if key.what == SuspensionKey::ANYTHING {
        return None;
    } else if key.what == SuspensionKey::ASKING {
        TargetKind::Asking
    } else {
        TargetKind::Flow(flow_of(key.what))
    };
    Some(SuspensionTarget { source, what })
}

const fn from_map(entry: &Suspension) -> SuspensionEntry {
    SuspensionEntry {
        until: KernelTime::from_nanos(entry.expires),
        exempt_known: entry.flags & suspension::EXEMPT_KNOWN != 0,
        unsaved: entry.flags & suspension::UNSAVED != 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sipward_types::flow::Transport;

    #[test]
    fn whom_it_is_about_survives_the_way_into_the_map_and_back() {
        let account = Account::new(b"201").unwrap();
        for source in ["192.0.2.1", "2001:db8::1"].map(|source| source.parse::<IpAddr>().unwrap()) {
            let flow = |transport| SuspensionTarget::flow(source, Flow { port: 5060, transport });
            for whom in [
                SuspensionTarget::account(Some(source), &account),
                SuspensionTarget::account(None, &account),
                flow(Transport::Udp),
                flow(Transport::Tcp),
                SuspensionTarget { source: Some(source), what: TargetKind::Asking },
            ] {
                assert_eq!(target(to_map(whom)), Some(whom));
            }
        }
        assert_eq!(target(marker(to_key("192.0.2.1".parse().unwrap()))), None);
    }
}
