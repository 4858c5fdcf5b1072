//! Tests of the accounts' database on a real disk.

mod accidents;
mod readers;

use proptest::prelude::*;
use rusqlite::Connection;

use super::*;
use crate::store::StoreErrorKind;
use sipward_edge::{
    account::{AccountStatus, Ha1s, Password, Secret},
    digest::{Ha1, HashFunction, Realm},
};
use sipward_testkit::scratch::Scratch;
use sipward_types::time::WallSeconds;

/// Of Mufasa in testrealm@host.com (RFC 2617 §3.5).
const MD5: &str = "939e7578ed9e3c518a452acee763bce9";

fn database(scratch: &Scratch) -> PathBuf {
    scratch.path().join("accounts.db")
}

fn open(scratch: &Scratch) -> AccountStore {
    AccountStore::open_for(&database(scratch), None).unwrap()
}

fn name(name: &str) -> AccountName {
    AccountName::new(name).unwrap()
}

fn account(text: &str) -> Account {
    Account::new(name(text), Secret::Password(Password::new(&format!("s3cret of {text}")).unwrap()))
}

fn hashed(text: &str) -> Account {
    let realm = Realm::new("a realm").unwrap();
    let ha1s = Ha1s::new(realm, [Ha1::from_hex(HashFunction::Md5, MD5).unwrap()]);
    Account::new(name(text), Secret::Ha1s(ha1s))
}

#[test]
fn accounts_are_added_changed_and_deleted() {
    let scratch = Scratch::new("accounts");
    let mut store = open(&scratch);
    assert!(store.add(&account("202")).unwrap() && store.add(&hashed("201")).unwrap());
    assert!(!store.add(&hashed("202")).unwrap(), "it is there");
    assert_eq!(store.all().unwrap(), [hashed("201"), account("202")]);
    let changed = store.update(&name("202"), |account| account.status = AccountStatus::Locked).unwrap();
    assert_eq!(changed, Some(Account { status: AccountStatus::Locked, ..account("202") }));
    assert_eq!(store.update(&name("203"), |_| panic!("there is none")).unwrap(), None);
    drop(store);
    let mut store = open(&scratch);
    assert_eq!(store.get(&name("202")).unwrap(), changed);
    assert!(store.delete(&name("202")).unwrap() && !store.delete(&name("202")).unwrap());
    assert_eq!(store.all().unwrap(), [hashed("201")]);
}

#[test]
fn an_import_replaces_what_it_names_and_leaves_the_others() {
    let scratch = Scratch::new("accounts");
    let mut store = open(&scratch);
    store.import(&[account("201"), account("202")]).unwrap();
    let imported = store.import(&[hashed("202"), account("203")]).unwrap();
    assert_eq!(imported, ImportedAccounts { added: 1, replaced: 1 });
    assert_eq!(store.all().unwrap(), [account("201"), hashed("202"), account("203")]);
}

#[test]
fn to_look_makes_no_database() {
    let scratch = Scratch::new("accounts");
    assert!(AccountStore::open_existing(&database(&scratch)).unwrap().is_none());
    assert!(!database(&scratch).exists());
}

#[test]
fn what_was_deleted_is_not_in_the_file() {
    let scratch = Scratch::new("accounts");
    let mut store = open(&scratch);
    store.add(&account("201")).unwrap();
    store.add(&account("202")).unwrap();
    store.delete(&name("201")).unwrap();
    drop(store);
    let file = fs::read(database(&scratch)).unwrap();
    let holds = |text: &str| file.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("s3cret of 202") && !holds("s3cret of 201"));
    let names: Vec<_> =
        fs::read_dir(scratch.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["accounts.db"], "no journal is left");
}

#[test]
fn a_database_that_this_version_does_not_know_is_refused_and_left_alone() {
    for (sql, kind, says) in [
        (
            "PRAGMA user_version = 2",
            StoreErrorKind::Newer,
            "written by a newer sipward (its layout is version 2, and this sipward supports versions up to 1)",
        ),
        ("PRAGMA application_id = 5", StoreErrorKind::Other, "the database of another program"),
        ("ALTER TABLE account RENAME TO other", StoreErrorKind::Corrupt, "`sipward account import`"),
    ] {
        let scratch = Scratch::new("accounts");
        drop(open(&scratch));
        Connection::open(database(&scratch)).unwrap().execute_batch(sql).unwrap();
        let before = fs::read(database(&scratch)).unwrap();
        let written = AccountStore::open_for(&database(&scratch), None).unwrap_err();
        let read = AccountReader::new(&database(&scratch)).read_changed().unwrap_err();
        for error in [written, read] {
            assert_eq!(error.kind(), kind, "{sql}");
            assert!(error.to_string().contains(says), "{error}");
            assert!(error.to_string().contains("accounts.db"), "{error}");
        }
        assert_eq!(fs::read(database(&scratch)).unwrap(), before, "{sql}");
    }
}

#[test]
fn a_row_that_makes_no_sense_is_damage_and_shows_no_secret() {
    for change in [
        "name = 's3cret@'",
        "password = ''",
        "password = NULL, realm = 's3cret\"', md5 = '0'",
        "password = NULL, realm = 'x', md5 = 's3cret'",
        "status = 's3cret'",
        "allowed = 's3cret'",
    ] {
        let scratch = Scratch::new("accounts");
        let mut store = open(&scratch);
        store.add(&account("201")).unwrap();
        let connection = Connection::open(database(&scratch)).unwrap();
        connection.execute_batch(&format!("UPDATE account SET {change}")).unwrap();
        let error = store.all().unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{change}: {error}");
        assert!(!error.to_string().contains("s3cret"), "{change}: {error}");
    }
}

#[test]
fn debug_shows_no_secret() {
    let scratch = Scratch::new("accounts");
    let mut store = open(&scratch);
    store.import(&[account("201"), hashed("202")]).unwrap();
    let mut reader = AccountReader::new(&database(&scratch));
    let read = reader.read_changed();
    let shown = format!("{store:?} {reader:?} {read:?} {:#?}", store.all());
    assert!(shown.contains("201") && !shown.contains("s3cret") && !shown.contains(MD5), "{shown}");
}

fn any_account() -> impl Strategy<Value = Account> {
    let secret = prop_oneof![
        "[ -~é€]{1,128}"
            .prop_filter_map("too long", |password| Password::new(&password).ok().map(Secret::Password)),
        ("[a-z .@é]{1,40}", prop::array::uniform3(prop::option::of("[0-9a-fA-F]{64}"))).prop_filter_map(
            "no HA1",
            |(realm, digits)| {
                let ha1s = HashFunction::ALL.into_iter().zip(&digits).filter_map(|(function, digits)| {
                    let digits = digits.as_ref()?;
                    Some(Ha1::from_hex(function, &digits[..function.digits()]).unwrap())
                });
                let ha1s: Vec<_> = ha1s.collect();
                let realm = Realm::new(&realm).unwrap();
                (!ha1s.is_empty()).then(|| Secret::Ha1s(Ha1s::new(realm, ha1s)))
            }
        ),
    ];
    let status = prop::sample::select(AccountStatus::ALL.to_vec());
    let expires = prop::option::of(any::<u64>().prop_map(WallSeconds::new));
    let allowed = prop::sample::subsequence(
        ["192.0.2.0/24", "198.51.100.1", "2001:db8::/32"]
            .map(|net| sipward_types::address::parse(net).unwrap())
            .to_vec(),
        0..=3,
    );
    ("[!#-9;-?A-\\[\\]-~é]{1,30}", secret, status, expires, allowed).prop_map(
        |(text, secret, status, expires, allowed)| Account {
            name: name(&text),
            secret,
            status,
            expires,
            allowed,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn what_is_written_reads_back(accounts in prop::collection::btree_map("[a-z0-9]{1,5}", any_account(), 0..20)) {
        let accounts: Vec<_> =
            accounts.into_iter().map(|(text, account)| Account { name: name(&text), ..account }).collect();
        let scratch = Scratch::new("accounts");
        open(&scratch).import(&accounts).unwrap();
        prop_assert_eq!(open(&scratch).all().unwrap(), accounts.clone());
        prop_assert_eq!(AccountReader::new(&database(&scratch)).read_changed().unwrap().unwrap(), accounts);
    }

    #[test]
    fn an_account_of_any_name_reads_back(account in any_account()) {
        let scratch = Scratch::new("accounts");
        let mut store = open(&scratch);
        store.add(&account).unwrap();
        prop_assert_eq!(store.get(&account.name).unwrap(), Some(account));
    }
}
