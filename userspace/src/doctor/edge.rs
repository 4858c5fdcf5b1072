//! Checks of the edge, by what it reports to the daemon.

use std::path::Path;

use super::finding::Finding;
use crate::control::daemon_status;
use sipward_api::status::{Edge, Status};

const CHECK: &str = "edge";

pub(super) enum Facts {
    /// None is configured, and none reports.
    Absent,
    Known(Edge),
    /// The daemon that would know does not answer this user, for that reason.
    Unknown(String),
}

/// `configured`: the file has an edge.
pub(super) fn read(socket: &Path, configured: bool) -> Facts {
    match daemon_status(socket) {
        Ok(Some(Status { edge: Some(edge), .. })) => Facts::Known(edge),
        // A check of its own says that no daemon runs.
        Ok(_) => Facts::Absent,
        Err(_) if !configured => Facts::Absent,
        Err(error) => Facts::Unknown(error),
    }
}

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let edge = match facts {
        Facts::Absent => return Vec::new(),
        Facts::Unknown(why) => {
            return vec![Finding::warn(
                CHECK,
                format!("nobody says how it is: {why}"),
                "`sudo sipward doctor`",
            )];
        }
        Facts::Known(edge) => edge,
    };
    let mut findings = vec![match edge.reported {
        Some(_) if !edge.is_silent() => Finding::ok(CHECK, "runs, and reports to the daemon"),
        last => {
            let since =
                last.map_or("since the daemon started".to_owned(), |ago| format!("for {ago} seconds"));
            Finding::bad(
                CHECK,
                format!("it is configured, and has reported nothing {since}"),
                "`systemctl status sipward-edge`: start it, or look into `journalctl -u sipward-edge`; where it runs, its \
                 user needs the role `feed`",
            )
        }
    }];
    let (waiting, dropped) = (edge.totals.evidence_waiting, edge.totals.evidence_dropped);
    if dropped > 0 {
        findings.push(Finding::warn(
            "edge-evidence",
            format!("{dropped} outcomes found no place while they waited for the daemon, and {waiting} wait"),
            "`journalctl -u sipward-edge` says how long the daemon was away; a single source that fails thousands of times \
             loses nothing that counts. A restart of the edge sets the count to zero",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use sipward_api::report::Totals;

    use super::{
        super::finding::{State, tests::says},
        *,
    };

    fn with(reported: Option<u64>, evidence_dropped: u64) -> Vec<Finding> {
        check(&Facts::Known(Edge { reported, totals: Totals { evidence_dropped, ..Totals::default() } }))
    }

    #[test]
    fn an_edge_that_says_nothing_is_missed() {
        says(&with(Some(2), 0)[0], State::Ok, &["edge", "runs"]);
        says(&with(Some(11), 0)[0], State::Bad, &["nothing for 11 seconds", "systemctl status sipward-edge"]);
        says(&with(None, 0)[0], State::Bad, &["nothing since the daemon started", "role `feed`"]);
        says(&check(&Facts::Unknown("no".to_owned()))[0], State::Warn, &["nobody says how it is: no"]);
        assert_eq!(check(&Facts::Absent), []);
    }

    #[test]
    fn outcomes_that_were_dropped_are_counted() {
        let findings = with(Some(0), 7);
        says(&findings[1], State::Warn, &["edge-evidence", "7 outcomes found no place"]);
        assert_eq!(findings.len(), 2);
    }
}
