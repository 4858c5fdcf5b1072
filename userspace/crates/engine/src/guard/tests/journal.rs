//! Evidence that was written down makes the same decisions when it is read.

use proptest::prelude::*;

use super::{
    forged::{any_run, lively},
    *,
};

proptest! {
    #[test]
    fn a_journal_of_lines_decides_the_same_again(run in any_run()) {
        let (mut live, mut replayed) = (Guard::new(lively()), Guard::new(lively()));
        let mut at = START;
        for (pause, evidence) in run {
            at += pause;
            let Some(evidence) = evidence else {
                prop_assert_eq!(live.tick(at), replayed.tick(at));
                continue;
            };
            let evidence = Evidence { at, ..evidence };
            let line = serde_json::to_string(&evidence).unwrap();
            prop_assert!(!line.contains('\n'));
            let read: Evidence = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(&read, &evidence);
            let decisions = live.witness(&evidence);
            let line = serde_json::to_string(&decisions).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Vec<Decision>>(&line).unwrap(), &decisions);
            prop_assert_eq!(replayed.witness(&read), decisions);
        }
    }
}
