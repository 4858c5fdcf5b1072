//! The guard's input to the filter's limit of guesses: accounts that have worked, and refunds to lines.

use std::{collections::HashSet, net::IpAddr};

use xdp_prog::abi::{AddressHash, Refunds};

use super::{Controller, guard::ControllerEvent};
use crate::{refusal::Refusal, wire::InForceChange};
use sipward_engine::guard::{GivenBack, Guard};
use sipward_kernel::{Error, Tables};
use sipward_types::{account::Account, map_key::worked_key, time::KernelTime};

impl Controller {
    /// Has the filter know what the guard has learned since the last time.
    pub(super) fn mirror_guesses(&mut self) -> Result<(), Refusal> {
        let guard = &mut self.guard_runtime.guard;
        for (line, given) in guard.take_given_back() {
            self.tables.given_back()?.put(line, refunds(given))?;
        }
        match guard.take_worked() {
            Some(worked) => {
                put_worked(&mut self.tables, &worked, guard)?;
                if !worked.is_empty() {
                    self.announce(|| ControllerEvent::Changed(worked.into_iter().map(change).collect()));
                }
            }
            None => {
                mirror_worked(&mut self.tables, guard)?;
                self.announce(|| ControllerEvent::ChangedAltogether);
            }
        }
        Ok(())
    }

    pub(super) fn expire_guesses(&mut self, now: KernelTime) -> Result<(), Refusal> {
        for line in self.guard_runtime.guard.forget_given_back(now) {
            self.tables.given_back()?.remove(line)?;
        }
        Ok(())
    }
}

fn change((source, account, until): (IpAddr, Account, KernelTime)) -> InForceChange {
    InForceChange::Worked { account, source, until }
}

const fn refunds(given: GivenBack) -> Refunds {
    let GivenBack { issued, other, room, room_until } = given;
    Refunds { issued, other, room, room_until: room_until.as_nanos() }
}

/// Refunds to lines by an earlier daemon.
pub(super) fn given_back(tables: &mut Tables) -> Result<Vec<(IpAddr, GivenBack)>, Error> {
    let all = tables.given_back()?;
    let given = |refunds| {
        let Refunds { issued, other, room, room_until } = refunds;
        GivenBack { issued, other, room, room_until: KernelTime::from_nanos(room_until) }
    };
    all.iter().map(|entry| entry.map(|(line, refunds)| (line, given(refunds)))).collect()
}

fn put_worked(
    tables: &mut Tables,
    worked: &[(IpAddr, Account, KernelTime)],
    guard: &Guard,
) -> Result<(), Refusal> {
    let mut map = tables.worked()?;
    for (source, account, until) in worked {
        let done = match until {
            &KernelTime::START => map.remove(*source, account).map(drop),
            until => map.put(*source, account, *until),
        };
        match done {
            Ok(()) => {}
            // Remove entries that the guard has forgotten.
            Err(Error::Full { .. }) => return mirror_worked(tables, guard),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// All that the guard has, and nothing else.
fn mirror_worked(tables: &mut Tables, guard: &Guard) -> Result<(), Refusal> {
    let all: Vec<_> = guard.worked_accounts(sipward_kernel::clock::now()).collect();
    let keys: HashSet<AddressHash> =
        all.iter().map(|(source, account, _)| worked_key(*source, account)).collect();
    let mut map = tables.worked()?;
    let there = map.iter().map(|entry| entry.map(|(key, _)| key)).collect::<Result<Vec<_>, _>>()?;
    for gone in there.iter().filter(|key| !keys.contains(key)) {
        map.remove_key(gone)?;
    }
    for (source, account, until) in all {
        map.put(source, account, until)?;
    }
    Ok(())
}
