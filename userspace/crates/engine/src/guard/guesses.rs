//! Refunds of the charges that the filter has made for credentials.
//!
//! The filter charges a line for each request with credentials of a stranger; it cannot know which of them the PBX will
//! refuse. So whatever the PBX did not refuse is given back; and when an account succeeds, all that it was charged
//! before, too: a phone that tries an old nonce first has guessed nothing. A success also gives its line room for a
//! time, so that an office whose phones all come at once is in within a minute: once an hour for each account, so that
//! one valid account that registers over and over gains nothing.
//!
//! The filter takes totals that only grow: whoever reads one twice gives nothing back twice.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    net::IpAddr,
    time::Duration,
};

use xdp_prog::guess::Budget;

use sipward_types::account::Account;
use sipward_types::address::line;
use sipward_types::time::KernelTime;

/// Guesses that a success gives room for, and how long.
const ROOM: u64 = 2;
const ROOM_LASTS: Duration = Duration::from_secs(600);
/// Guesses that all successes of a line give room for at most.
const ROOM_MAX: usize = 16;
/// An account gives room once in that time.
const AGAIN_AFTER: Duration = Duration::from_secs(3600);
/// The filter has forgotten a charge by then.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3600);
/// Lines, and accounts at lines. Whoever comes when there is no room is given nothing back for a while.
const LINES: usize = 32_768;
const ACCOUNTS: usize = 65_536;

/// The totals given back to a line, and the room that it has, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct GivenBack {
    pub issued: u64,
    pub other: u64,
    pub room: u64,
    pub room_until: KernelTime,
}

#[derive(Debug, Default)]
pub(super) struct Guesses {
    lines: HashMap<IpAddr, LineRefunds>,
    accounts: BTreeMap<(IpAddr, Account), Tried>,
    changed: Vec<IpAddr>,
}

#[derive(Debug, Default)]
struct LineRefunds {
    given: GivenBack,
    /// When accounts have given it room.
    successes: VecDeque<KernelTime>,
    last: KernelTime,
}

#[derive(Debug, Default)]
struct Tried {
    /// Charged, and not given back.
    issued: u64,
    other: u64,
    gave_room_at: Option<KernelTime>,
    last: KernelTime,
}

impl Guesses {
    /// Takes over the refunds that the filter has from before.
    pub(super) fn restore(&mut self, now: KernelTime, given: impl IntoIterator<Item = (IpAddr, GivenBack)>) {
        for (line, given) in given {
            self.lines.insert(line, LineRefunds { given, successes: VecDeque::new(), last: now });
        }
    }

    /// A request with credentials was answered that was charged.
    pub(super) fn answered(
        &mut self,
        source: IpAddr,
        account: Option<&Account>,
        budget: Budget,
        refused: bool,
        at: KernelTime,
    ) {
        let line = line(source);
        if !refused {
            return self.give_back(line, budget, 1, at);
        }
        let Some(account) = account else { return };
        let key = (line, account.clone());
        if self.accounts.len() >= ACCOUNTS && !self.accounts.contains_key(&key) {
            return;
        }
        let tried = self.accounts.entry(key).or_default();
        tried.last = at;
        match budget {
            Budget::Issued => tried.issued += 1,
            Budget::Other => tried.other += 1,
        }
    }

    /// The account has succeeded at that source.
    pub(super) fn worked(&mut self, source: IpAddr, account: &Account, at: KernelTime) {
        let line = line(source);
        let key = (line, account.clone());
        if self.accounts.len() >= ACCOUNTS && !self.accounts.contains_key(&key) {
            return;
        }
        let tried = self.accounts.entry(key).or_default();
        let (issued, other) = (std::mem::take(&mut tried.issued), std::mem::take(&mut tried.other));
        tried.last = at;
        let gives_room = tried.gave_room_at.is_none_or(|before| at >= before + AGAIN_AFTER);
        if gives_room {
            tried.gave_room_at = Some(at);
        }
        self.give_back(line, Budget::Issued, issued, at);
        self.give_back(line, Budget::Other, other, at);
        if gives_room {
            self.give_room(line, at);
        }
    }

    fn give_back(&mut self, line: IpAddr, budget: Budget, guesses: u64, at: KernelTime) {
        if guesses == 0 {
            return;
        }
        let Some(entry) = self.line(line, at) else { return };
        match budget {
            Budget::Issued => entry.given.issued += guesses,
            Budget::Other => entry.given.other += guesses,
        }
        self.changed.push(line);
    }

    fn give_room(&mut self, line: IpAddr, at: KernelTime) {
        let Some(entry) = self.line(line, at) else { return };
        entry.successes.retain(|success| *success + ROOM_LASTS > at);
        if entry.successes.len() < ROOM_MAX / ROOM as usize {
            entry.successes.push_back(at);
        }
        entry.given.room = ROOM * entry.successes.len() as u64;
        // The first entry ends first; a little too early for the others, which are renewed by the next success.
        let first = entry.successes.front().copied().unwrap_or(at);
        entry.given.room_until = first + ROOM_LASTS;
        self.changed.push(line);
    }

    fn line(&mut self, line: IpAddr, at: KernelTime) -> Option<&mut LineRefunds> {
        if self.lines.len() >= LINES && !self.lines.contains_key(&line) {
            return None;
        }
        let entry = self.lines.entry(line).or_default();
        entry.last = at;
        Some(entry)
    }

    /// The changes since the last call, by line.
    pub(super) fn take_changed(&mut self) -> Vec<(IpAddr, GivenBack)> {
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort_unstable();
        changed.dedup();
        changed.into_iter().filter_map(|line| Some((line, self.lines.get(&line)?.given))).collect()
    }

    /// Forgets lines and accounts of which nothing was heard for long, and says which lines. At most so many of each.
    pub(super) fn expire(&mut self, now: KernelTime, most: usize) -> Vec<IpAddr> {
        let is_over = |last: KernelTime| last + FORGOTTEN_AFTER < now;
        let lines: Vec<_> = self
            .lines
            .iter()
            .filter(|(_, line)| is_over(line.last))
            .map(|(line, _)| *line)
            .take(most)
            .collect();
        for line in &lines {
            self.lines.remove(line);
        }
        let accounts: Vec<_> = self
            .accounts
            .iter()
            .filter(|(_, tried)| is_over(tried.last))
            .map(|(key, _)| key.clone())
            .take(most)
            .collect();
        for key in &accounts {
            self.accounts.remove(key);
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "192.0.2.1";

    fn account(name: &str) -> Account {
        Account::new(name.as_bytes()).unwrap()
    }

    fn at(second: u64) -> KernelTime {
        KernelTime::START + Duration::from_secs(second)
    }

    fn here() -> IpAddr {
        HERE.parse().unwrap()
    }

    #[test]
    fn what_was_not_refused_is_given_back_and_what_was_is_not() {
        let mut guesses = Guesses::default();
        let alice = account("alice");
        for _ in 0..3 {
            guesses.answered(here(), Some(&alice), Budget::Issued, true, at(1));
        }
        assert_eq!(guesses.take_changed(), []);
        guesses.answered(here(), Some(&alice), Budget::Other, false, at(1));
        assert_eq!(guesses.take_changed(), [(here(), GivenBack { other: 1, ..GivenBack::default() })]);
        assert_eq!(guesses.take_changed(), []);
    }

    #[test]
    fn a_success_gives_back_what_its_account_was_charged_and_nobody_elses() {
        let mut guesses = Guesses::default();
        let [alice, bob] = ["alice", "bob"].map(account);
        guesses.answered(here(), Some(&alice), Budget::Issued, true, at(1));
        guesses.answered(here(), Some(&alice), Budget::Other, true, at(1));
        guesses.answered(here(), Some(&bob), Budget::Issued, true, at(1));
        guesses.worked(here(), &alice, at(2));
        let given = GivenBack { issued: 1, other: 1, room: 2, room_until: at(602) };
        assert_eq!(guesses.take_changed(), [(here(), given)]);
        // And once.
        guesses.worked(here(), &alice, at(3));
        assert_eq!(guesses.take_changed(), []);
    }

    #[test]
    fn one_account_gives_room_once_an_hour_and_many_give_so_much() {
        let mut guesses = Guesses::default();
        let room = |guesses: &Guesses| guesses.lines[&here()].given.room;
        for second in 0..3_600 {
            guesses.worked(here(), &account("alice"), at(second));
        }
        assert_eq!(room(&guesses), 2);
        guesses.worked(here(), &account("alice"), at(3_600));
        assert_eq!(room(&guesses), 2, "the first is over");
        for number in 0..40 {
            guesses.worked(here(), &account(&number.to_string()), at(3_601));
        }
        assert_eq!(room(&guesses), 16);
    }

    #[test]
    fn who_starts_again_goes_on_where_it_ended() {
        let mut guesses = Guesses::default();
        let given = GivenBack { issued: 7, other: 2, room: 4, room_until: at(9) };
        guesses.restore(at(1), [(here(), given)]);
        assert_eq!(guesses.take_changed(), []);
        guesses.answered(here(), None, Budget::Issued, false, at(1));
        assert_eq!(guesses.take_changed(), [(here(), GivenBack { issued: 8, ..given })]);
    }

    #[test]
    fn what_is_old_is_forgotten() {
        let mut guesses = Guesses::default();
        guesses.worked(here(), &account("alice"), at(1));
        assert_eq!(guesses.expire(at(3_600), 10), [] as [IpAddr; 0]);
        assert_eq!(guesses.expire(at(3_602), 10), [here()]);
        assert!(guesses.lines.is_empty() && guesses.accounts.is_empty());
    }

    #[test]
    fn one_ipv6_line_is_one() {
        let mut guesses = Guesses::default();
        for net in ["2001:db8:0:a00::1", "2001:db8:0:aff::1"] {
            guesses.answered(net.parse().unwrap(), None, Budget::Issued, false, at(1));
        }
        assert_eq!(guesses.lines.len(), 1);
    }
}
