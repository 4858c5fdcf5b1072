//! The guesses of lines, in ordinary memory.

use std::{cell::RefCell, collections::HashMap, fmt, rc::Rc};

use xdp_prog::{
    abi::{
        Address, AddressHash, GuessState, MAX_CHARGED, MAX_GUESSES_ISSUED, MAX_GUESSES_OTHER, MAX_ISSUED,
        Meter, Refunds,
    },
    guess::{Budget, NEW_LINES},
};

use super::lru_map::LruMap;
use sipward_types::time::KernelTime;

type States = RefCell<LruMap<Address, Rc<GuessState>>>;

/// The tables of `xdp_prog::guess`.
pub struct Guesses {
    issued: RefCell<LruMap<AddressHash, u64>>,
    /// Of each, until when it counts.
    worked: HashMap<AddressHash, u64>,
    states: [States; 2],
    new_lines: Meter,
    charged: RefCell<LruMap<AddressHash, u64>>,
    refunds: HashMap<Address, Refunds>,
}

impl fmt::Debug for Guesses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guesses").field("worked", &self.worked.len()).finish_non_exhaustive()
    }
}

impl Default for Guesses {
    fn default() -> Self {
        let states = |capacity| RefCell::new(LruMap::new(capacity));
        Self {
            issued: RefCell::new(LruMap::new(MAX_ISSUED)),
            worked: HashMap::new(),
            states: [states(MAX_GUESSES_ISSUED), states(MAX_GUESSES_OTHER)],
            new_lines: Meter::default(),
            charged: RefCell::new(LruMap::new(MAX_CHARGED)),
            refunds: HashMap::new(),
        }
    }
}

impl Guesses {
    /// A nonce was sent to an address.
    pub fn issue(&self, to: AddressHash, now: KernelTime) {
        self.issued.borrow_mut().insert(to, now.as_nanos());
    }

    pub fn set_worked(&mut self, there: AddressHash, until: KernelTime) {
        self.worked.insert(there, until.as_nanos());
    }

    pub fn set_refunds(&mut self, line: Address, refunds: Refunds) {
        self.refunds.insert(line, refunds);
    }

    pub(super) fn worked(&self, there: &AddressHash, now: u64) -> bool {
        self.worked.get(there).is_some_and(|until| *until > now)
    }

    pub(super) fn issued(&self, to: &AddressHash) -> bool {
        to.hash != 0 && self.issued.borrow_mut().get(to).is_some()
    }

    pub(super) fn has_state(&self, line: &Address) -> bool {
        self.states.iter().any(|states| states.borrow_mut().get(line).is_some())
    }

    pub(super) fn state(&self, budget: Budget, line: &Address, now: u64) -> Option<Rc<GuessState>> {
        let mut states = self.states[budget as usize].borrow_mut();
        if let Some(state) = states.get(line) {
            return Some(Rc::clone(state));
        }
        if budget == Budget::Other {
            self.new_lines.commit(self.new_lines.admits(&NEW_LINES, 1, now, 1)?);
        }
        let state = Rc::new(GuessState::default());
        states.insert(*line, Rc::clone(&state));
        Some(state)
    }

    pub(super) fn refunds(&self, line: &Address) -> Refunds {
        self.refunds.get(line).copied().unwrap_or_default()
    }

    pub(super) fn charged_until(&self, credentials: &AddressHash) -> u64 {
        self.charged.borrow_mut().get(credentials).copied().unwrap_or_default()
    }

    pub(super) fn charge_once(&self, credentials: &AddressHash, until: u64) {
        self.charged.borrow_mut().insert(*credentials, until);
    }
}
