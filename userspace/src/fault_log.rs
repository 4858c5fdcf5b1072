//! Logs a fault once, for as long as it lasts.

use std::mem;

#[derive(Debug, Default)]
pub(crate) struct FaultLog(Vec<String>);

impl FaultLog {
    /// `faults` are those of now. `log` gets each that was not there at the last call.
    pub(crate) fn update(&mut self, faults: impl IntoIterator<Item = String>, log: impl Fn(&str)) {
        let faults: Vec<_> = faults.into_iter().collect();
        faults.iter().filter(|fault| !self.0.contains(fault)).for_each(|fault| log(fault));
        self.0 = faults;
    }

    /// True if there was one until now.
    pub(crate) fn end(&mut self) -> bool {
        !mem::take(&mut self.0).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn a_fault_is_logged_once_while_it_lasts_and_again_when_it_returns() {
        let (mut faults, logged) = (FaultLog::default(), RefCell::new(Vec::new()));
        for now in [vec!["a"], vec!["a", "b"], vec!["b"], vec![], vec!["a"]] {
            faults.update(now.into_iter().map(str::to_owned), |fault| {
                logged.borrow_mut().push(fault.to_owned())
            });
        }
        assert_eq!(logged.into_inner(), ["a", "b", "a"]);
        assert!(faults.end());
        assert!(!faults.end());
    }
}
