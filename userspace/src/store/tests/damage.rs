use std::{fs::OpenOptions, os::unix::fs::FileExt as _};

use proptest::prelude::*;

use super::*;

const PAGE: u64 = 4_096;
const ENTRIES: u32 = 3_000;

/// A database of some hundred pages, all of them in the one file.
fn filled(path: &Path) {
    let now = clock("a", 10);
    let mut store = Store::open_at(path, &now).unwrap();
    let entries: Vec<_> = many(ENTRIES)
        .into_iter()
        .map(|entry| Entry { note: Some(format!("note of {}", entry.net)), until: uptime(2 * HOUR), ..entry })
        .collect();
    put(&mut store, &entries, &now);
    let mut change = store.begin().unwrap();
    for entry in &entries[..200] {
        change.audit("root", "ban add", &entry.net.to_string(), "", &now).unwrap();
    }
    for number in 0..100 {
        let account = guard::account(&number.to_string());
        change.suspend(&guard::suspension(account, Some("10.0.0.1"), uptime(2 * HOUR)), &now).unwrap();
        change.know(&guard::known(&format!("10.0.0.{number}"), 1, uptime(2 * HOUR)), &now).unwrap();
    }
    change.commit().unwrap();
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    OpenOptions::new().write(true).open(path).unwrap().write_all_at(bytes, at).unwrap();
}

/// Uses the whole database, and returns the first error.
fn use_all(path: &Path) -> Result<(), super::super::StoreError> {
    let now = clock("b", 10);
    let mut store = Store::open_at(path, &now)?;
    everything(&store, &now)?;
    store.page(&all_of(ListKind::Banned), Some(address(1_000)), 100, &now)?;
    store.get(address(7), &now)?;
    store.counts(&now)?;
    store.audit(1_000, None, None)?;
    store.switches()?;
    store.suspensions(&now)?;
    store.known(&now)?;
    store.memory(&now)?;
    let mut change = store.begin()?;
    change.put(&ban(address(7), FOREVER), &now)?;
    change.audit("root", "ban add", "10.0.0.7", "", &now)?;
    change.commit()?;
    store
        .purge(&Clock { wall: WallTime::from_millis(2 * TODAY.as_millis()), kernel: uptime(3 * HOUR), ..now })
        .map(drop)
}

#[test]
fn damage_is_found_when_the_store_is_opened_if_it_is_at_its_ends() {
    let garbage = [0xa5; 4_096];
    for (what, damage) in [
        (
            "no database",
            &(|path: &Path| {
                std::fs::write(path, "not a database, but long enough to be one".repeat(30)).unwrap()
            }) as &dyn Fn(&Path),
        ),
        ("the header", &|path| overwrite(path, 0, &garbage[..100])),
        ("zeros for a header", &|path| overwrite(path, 0, &[0; 100])),
        ("the first page", &|path| overwrite(path, 100, &garbage[100..])),
        ("cut off", &|path| OpenOptions::new().write(true).open(path).unwrap().set_len(PAGE * 20).unwrap()),
        ("all but the header", &|path| {
            let pages = std::fs::metadata(path).unwrap().len() / PAGE;
            (1..pages).for_each(|page| overwrite(path, page * PAGE, &garbage));
        }),
    ] {
        let scratch = Scratch::new("store");
        filled(&database(scratch.path()));
        damage(&database(scratch.path()));
        let error = Store::open_at(&database(scratch.path()), &clock("a", 10)).unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{what}: {error}");
        assert!(error.to_string().contains("sipward.db is damaged"), "{error}");
    }
}

#[test]
fn damage_in_the_middle_is_found_when_it_is_met_and_by_a_look_at_all() {
    let scratch = Scratch::new("store");
    filled(&database(scratch.path()));
    let pages = std::fs::metadata(database(scratch.path())).unwrap().len() / PAGE;
    assert!(pages > 40, "{pages}");
    (pages / 3..pages / 3 * 2)
        .for_each(|page| overwrite(&database(scratch.path()), page * PAGE, &[0xa5; 4_096]));
    let store = Store::open_at(&database(scratch.path()), &clock("a", 10)).unwrap();
    assert_eq!(everything(&store, &clock("a", 10)).unwrap_err().kind(), StoreErrorKind::Corrupt);
    assert!(!store.health().unwrap().faults.is_empty());
}

#[test]
fn a_damaged_database_is_put_aside_whole_and_a_new_one_begun() {
    let scratch = Scratch::new("store");
    let path = database(scratch.path());
    filled(&path);
    overwrite(&path, 0, &[0xa5; 100]);
    let damaged = std::fs::read(&path).unwrap();
    assert!(Store::open_at(&path, &clock("a", 10)).is_err());
    std::fs::write(scratch.path().join("sipward.db-wal"), "the log").unwrap();
    let aside = Store::set_aside(&path).unwrap();
    assert!(!path.exists());
    let name = aside.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("sipward.db.corrupt-20") && name.ends_with('Z'), "{name}");
    assert_eq!(std::fs::read(&aside).unwrap(), damaged);
    assert!(scratch.path().join(format!("{name}-wal")).exists());
    let store = Store::open_at(&path, &clock("a", 10)).unwrap();
    assert!(store.is_new().unwrap());
    assert_eq!(everything(&store, &clock("a", 10)).unwrap(), []);
}

#[test]
fn an_empty_file_is_a_new_store() {
    let scratch = Scratch::new("store");
    std::fs::write(database(scratch.path()), "").unwrap();
    let store = Store::open_at(&database(scratch.path()), &clock("a", 10)).unwrap();
    assert!(store.is_new().unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn any_damage_is_an_error_or_harmless(
        place in 0.0..1.0f64,
        head: bool,
        bytes in prop::collection::vec(any::<u8>(), 1..200),
    ) {
        // Made once: the copies are damaged.
        static WHOLE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let scratch = Scratch::new("store");
        let whole = WHOLE.get_or_init(|| {
            filled(&database(scratch.path()));
            std::fs::read(database(scratch.path())).unwrap()
        });
        std::fs::write(database(scratch.path()), whole).unwrap();
        let reach = if head { PAGE } else { whole.len() as u64 };
        overwrite(&database(scratch.path()), (place * reach as f64) as u64, &bytes);
        if let Err(error) = use_all(&database(scratch.path())) {
            println!("{error:?}");
            // The two that can be said by a few bytes at the very front.
            let told = matches!(error.kind(), StoreErrorKind::Newer | StoreErrorKind::Other) && head;
            // SQLite has believed a length. A host without memory says the same, so it is not taken for damage: that would
            // put a good database aside.
            let told = told || error.to_string().ends_with("out of memory");
            prop_assert!(told || error.kind() == StoreErrorKind::Corrupt, "{:?}", error);
        }
    }
}
