//! Checks of the database: integrity, ownership and free space.

use std::{io, path::Path};

use super::{
    finding::Finding,
    ownership::{Owned, Wrong},
};
use crate::store::{Health, Store};

const CHECK: &str = "store";

pub(super) struct Facts {
    path: String,
    state: Database,
    /// That others than root could change it.
    open: Vec<Wrong>,
    /// That others than root could read it.
    readable: Option<Wrong>,
}

enum Database {
    /// None yet.
    Missing,
    Unseen,
    /// With the message of the store.
    Failed(String),
    Opened(Health),
}

/// Opens it only where it is: to open it makes it.
pub(super) fn read(path: &Path) -> Facts {
    let owned = Owned::with_directory(path);
    let state = match &owned {
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound => Database::Missing,
            io::ErrorKind::PermissionDenied => Database::Unseen,
            _ => Database::Failed(format!("{}: {error}", path.display())),
        },
        Ok(_)
            if std::fs::File::open(path)
                .is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied) =>
        {
            Database::Unseen
        }
        Ok(_) => Store::open(path)
            .and_then(|store| store.health())
            .map_or_else(|error| Database::Failed(error.to_string()), Database::Opened),
    };
    let readable = owned.as_ref().ok().and_then(|[file, _]| file.readable());
    let open = owned.into_iter().flatten().filter_map(|owned| owned.changeable()).collect();
    Facts { path: path.display().to_string(), state, open, readable }
}

/// `daemon_runs`: a daemon has made a database, so that one that is missing was removed.
pub(super) fn check(Facts { path, state, open, readable }: &Facts, daemon_runs: bool) -> Vec<Finding> {
    let mut findings = vec![match state {
        Database::Missing if daemon_runs => Finding::bad(
            CHECK,
            format!("{path} is missing while the daemon runs, which has all of it in memory"),
            "the daemon makes a new one within seconds; if it does not, `journalctl -u sipward` says why",
        ),
        Database::Missing => Finding::ok(CHECK, format!("no {path} yet: the first change creates it")),
        Database::Unseen => Finding::unseen(CHECK, path),
        Database::Failed(error) => Finding::bad(CHECK, error, "then `systemctl restart sipward`"),
        Database::Opened(health) => sound(path, health),
    }];
    findings.extend(open.iter().map(|(found, advice)| Finding::bad("store-owner", found, advice)));
    findings.extend(readable.iter().map(|(found, advice)| Finding::warn("store-owner", found, advice)));
    findings
}

fn sound(path: &str, Health { size, free, read_only, faults, .. }: &Health) -> Finding {
    /// Bytes: below the one, the next import may fail; below the other, the next change may.
    const SCARCE: u64 = 256 << 20;
    const NOTHING: u64 = 8 << 20;
    let found = format!("{path}: {} KiB, {} MiB free beside it", size >> 10, free >> 20);
    let room = || format!("make room: `df -h {path}` shows where");
    if !faults.is_empty() {
        return Finding::bad(
            CHECK,
            format!("{path} is damaged: {}", faults.join("; ")),
            "`systemctl restart sipward`, which moves it aside and makes a new one from the lists of the \
             kernel",
        );
    }
    if *read_only {
        return Finding::bad(
            CHECK,
            format!("{path} is read-only, so no change would survive a reboot"),
            format!(
                "`findmnt -T {path}` shows the file system; remount it, or look at `ReadWritePaths=` of the \
                 unit"
            ),
        );
    }
    match *free {
        ..NOTHING => Finding::bad(CHECK, found, room()),
        NOTHING..SCARCE => Finding::warn(CHECK, found, room()),
        _ => Finding::ok(CHECK, found),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::finding::{State, tests::says},
        *,
    };

    const HEALTH: Health =
        Health { size: 40 << 10, free: 9 << 30, read_only: false, faults: Vec::new(), last_audit: None };

    fn with(state: Database) -> Vec<Finding> {
        check(&Facts { path: "/var/lib/s.db".to_owned(), state, open: Vec::new(), readable: None }, false)
    }

    #[test]
    fn a_store_that_is_missing_is_missed_by_a_daemon() {
        let facts =
            || Facts { path: "s.db".to_owned(), state: Database::Missing, open: Vec::new(), readable: None };
        says(&check(&facts(), true)[0], State::Bad, &["s.db is missing", "in memory", "journalctl"]);
        says(&check(&facts(), false)[0], State::Ok, &["no s.db yet"]);
    }

    #[test]
    fn a_store_is_there_or_will_be() {
        says(&with(Database::Missing)[0], State::Ok, &["no /var/lib/s.db yet"]);
        says(&with(Database::Unseen)[0], State::Warn, &["may not see /var/lib/s.db"]);
        says(
            &with(Database::Failed("is locked".to_owned()))[0],
            State::Bad,
            &["is locked", "restart sipward"],
        );
        says(&with(Database::Opened(HEALTH))[0], State::Ok, &["40 KiB, 9216 MiB free"]);
    }

    #[test]
    fn a_store_is_sound_and_has_room() {
        let with = |health| sound("/var/lib/s.db", &health);
        let free = |mib: u64| with(Health { free: mib << 20, ..HEALTH });
        says(&free(256), State::Ok, &[]);
        says(&free(255), State::Warn, &["255 MiB free", "`df -h /var/lib/s.db`"]);
        says(&free(7), State::Bad, &["7 MiB free", "`df -h /var/lib/s.db`"]);
        says(&with(Health { read_only: true, ..HEALTH }), State::Bad, &["is read-only", "findmnt"]);
        let faults = vec!["page 3 is never used".to_owned(), "page 4 too".to_owned()];
        says(
            &with(Health { faults, ..HEALTH }),
            State::Bad,
            &["damaged: page 3 is never used; page 4 too", "systemctl restart"],
        );
    }

    #[test]
    fn a_store_is_roots_alone() {
        let facts = Facts {
            path: "s.db".to_owned(),
            state: Database::Missing,
            open: vec![("everybody may change s.db".to_owned(), "`chmod go-w s.db`".to_owned())],
            readable: Some(("users other than root may read s.db".to_owned(), "`chmod go= s.db`".to_owned())),
        };
        let findings = check(&facts, false);
        says(&findings[1], State::Bad, &["store-owner", "everybody", "`chmod go-w s.db`"]);
        says(&findings[2], State::Warn, &["store-owner", "other than root", "`chmod go= s.db`"]);
        assert_eq!(findings.len(), 3);
    }

    #[test]
    fn to_look_makes_nothing() {
        let path = std::env::temp_dir().join(format!("sipward-doctor-{}.db", std::process::id()));
        says(&check(&read(&path), false)[0], State::Ok, &["yet"]);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_database_is_told() {
        let path = std::env::temp_dir().join(format!("sipward-doctor-{}.txt", std::process::id()));
        std::fs::write(&path, "not a database, and long enough to be looked at as one").unwrap();
        let findings = check(&read(&path), false);
        std::fs::remove_file(&path).unwrap();
        says(&findings[0], State::Bad, &["damaged"]);
    }
}
