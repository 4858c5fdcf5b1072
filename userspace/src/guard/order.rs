//! What is done by hand, and what was in force before a restart.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Account, Because, Decision, Flow, Guard, Rule, What, closed::Door, place::Place, view::Closed};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// From anywhere, also where it works. An earlier lock by hand is replaced; one of the guard's own as well.
    Lock { account: Account, until: u64 },
    /// Lifts its suspensions and its lock, and forgets its failures.
    Unlock { account: Account },
    /// The same of what it did at one source.
    UnlockAt { account: Account, source: IpAddr },
    /// Forgets what counts against the sources in it and lifts the suspensions there, so that what was unbanned stays so
    /// until there is new evidence.
    Pardon { net: IpNet },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    Suspended { account: Account, source: IpAddr, until: u64, because: Because },
    Locked { account: Account, until: u64, because: Because },
    Known { source: IpAddr, phones: u32, until: u64 },
    KnownFlow { source: IpAddr, flow: Flow, phones: u32, until: u64 },
}

const HAND: Because = Because { rule: Rule::Hand, count: 0, seconds: 0 };

impl Guard {
    /// What follows from a command.
    pub fn order(&mut self, order: &Order, now: u64) -> Vec<Decision> {
        match order {
            Order::Lock { account, until } => self.lock_by_hand(account, *until, now).into_iter().collect(),
            Order::Unlock { account } => self.unlock(account, now),
            Order::UnlockAt { account, source } => self.unlock_at(account, *source, now),
            Order::Pardon { net } => self.pardon(*net, now),
        }
    }

    /// It is in force, as far as the filter drops what is suspended.
    pub fn in_force(&mut self, decision: &Decision, now: u64) {
        if let What::Suspend { account, source, .. } = &decision.what {
            self.closed.is_dropping(&(account.clone(), Some(*source)), now);
        }
    }

    /// Whether the filter drops what is suspended, instead of counting it or leaving it to the PBX.
    pub fn set_drops(&mut self, drops: bool, now: u64) {
        if drops && !self.drops {
            self.closed.all_are_dropping(now);
        }
        self.drops = drops;
    }

    /// A decision was not put in force, as somebody here could not do without that source. From now on it is watched as if
    /// nothing had been decided; what had counted against it until then is forgotten.
    pub fn refused(&mut self, decision: &Decision) {
        match &decision.what {
            What::Ban { scope, .. } => self.bans.remove(*scope),
            What::Suspend { account, source, .. } => {
                self.closed.open(&(account.clone(), Some(*source)));
                self.trails.change_if_any(&Place::of(*source), |trail| trail.forget(account));
            }
            What::LimitAsking { .. }
            | What::Lock { .. }
            | What::Lift { .. }
            | What::Know { .. }
            | What::Forget { .. }
            | What::KnowFlow { .. }
            | What::ForgetFlow { .. }
            | What::Alert { .. } => {}
        }
    }

    /// Takes over what was in force before a restart. Where two say different ends, the later one is right.
    pub fn restore(&mut self, now: u64, held: impl IntoIterator<Item = Held>) {
        for held in held {
            let (door, until, because) = match held {
                Held::Suspended { account, source, until, because } => {
                    ((account, Some(source)), until, because)
                }
                Held::Locked { account, until, because } => ((account, None), until, because),
                Held::Known { source, phones, until } => {
                    self.known.restore(source, phones, until, now, &self.settings.known);
                    continue;
                }
                Held::KnownFlow { source, flow, phones, until } => {
                    self.flows.restore((source, flow), phones, until, now, &self.settings.known);
                    continue;
                }
            };
            let before = self.closed.get(&door.0, door.1, now).map_or(now, |closed| closed.until);
            if until > before {
                self.closed.close(door.clone(), Closed { until, because });
                self.closed.is_dropping(&door, now);
            }
        }
    }

    fn lock_by_hand(&mut self, account: &Account, until: u64, now: u64) -> Option<Decision> {
        let door = (account.clone(), None);
        if until <= now || !self.closed.close(door, Closed { until, because: HAND }) {
            return None;
        }
        Some(Decision { at: now, what: What::Lock { account: account.clone(), until }, because: HAND })
    }

    fn unlock(&mut self, account: &Account, now: u64) -> Vec<Decision> {
        let doors: Vec<Door> = self.closed.of_account(account).map(|(door, _)| door.clone()).collect();
        let places: Vec<Place> = self
            .trails
            .iter()
            .filter(|(_, trail)| trail.pairs.contains_key(account))
            .map(|(place, _)| *place)
            .collect();
        for place in places {
            self.trails.change(&place, |trail| trail.forget(account));
        }
        self.crowds.remove(account);
        self.lift(doors, now)
    }

    fn unlock_at(&mut self, account: &Account, source: IpAddr, now: u64) -> Vec<Decision> {
        let place = Place::of(source);
        self.trails.change_if_any(&place, |trail| trail.forget(account));
        self.crowds.change_if_any(account, |crowd| crowd.forget(place));
        let door = (account.clone(), Some(source));
        let is_closed = self.closed.of_account(account).any(|(closed, _)| *closed == door);
        self.lift(is_closed.then_some(door).into_iter().collect(), now)
    }

    fn pardon(&mut self, net: IpNet, now: u64) -> Vec<Decision> {
        let places: Vec<Place> = self.trails.iter().map(|(place, _)| *place).collect();
        for place in places.into_iter().filter(|place| place.touches(net)) {
            self.trails.remove(&place);
        }
        self.bans.pardon(net);
        let doors: Vec<Door> = self.closed.of_net(net).collect();
        self.lift(doors, now)
    }

    fn lift(&mut self, doors: Vec<Door>, now: u64) -> Vec<Decision> {
        let lift = |door: Door| {
            self.closed.open(&door);
            let (account, source) = door;
            Decision { at: now, what: What::Lift { account, source }, because: HAND }
        };
        doors.into_iter().map(lift).collect()
    }
}
