//! The contacts that the PBX has of phones, in a SQLite file: the next run of the edge has to know them.

use std::path::{Path, PathBuf};

use rusqlite::{
    Connection, Row, Transaction, TransactionBehavior, params,
    types::{FromSqlError, Type},
};

use crate::store::{self, Layout, Store, StoreError, StoreErrorKind};
use sipward_edge::edge::{Binding, BindingChanges, PhoneName};
use sipward_types::{account::Account, time::WallSeconds};

const LAYOUT: Layout = Layout {
    // `SIPB`
    application: 0x5349_5042,
    steps: &[include_str!("binding_store/1.sql")],
    tables: &["binding"],
    journal: "WAL",
};

/// In the order that `binding` reads.
const COLUMNS: &str = "number, account, device, contact, contacts, until";

#[derive(Debug)]
pub(super) struct BindingStore {
    connection: Connection,
    path: PathBuf,
}

/// The file, and what is in it.
#[derive(Debug)]
pub(super) struct StoredBindings {
    pub(super) store: BindingStore,
    pub(super) bindings: Vec<Binding>,
    /// A damaged one was moved there, and a new one is in its place.
    pub(super) set_aside: Option<(StoreError, PathBuf)>,
}

impl BindingStore {
    /// Makes one if there is none.
    pub(super) fn open(path: &Path) -> Result<StoredBindings, StoreError> {
        match Self::read(path) {
            Err(damage) if damage.kind() == StoreErrorKind::Corrupt => {
                let to = Store::set_aside(path)?;
                Ok(StoredBindings { set_aside: Some((damage, to)), ..Self::read(path)? })
            }
            opened => opened,
        }
    }

    fn read(path: &Path) -> Result<StoredBindings, StoreError> {
        let store = Self { connection: store::writable(path, &LAYOUT)?, path: path.to_owned() };
        let bindings = store.run(|connection| {
            let mut all = connection.prepare(&format!("SELECT {COLUMNS} FROM binding"))?;
            all.query_map([], binding)?.collect()
        })?;
        Ok(StoredBindings { store, bindings, set_aside: None })
    }

    /// All of them or none.
    pub(super) fn write(&self, changes: &BindingChanges) -> Result<(), StoreError> {
        self.run(|connection| {
            let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
            for (number, change) in changes {
                match change {
                    Some(binding) => put(&transaction, binding)?,
                    None => delete(&transaction, *number)?,
                }
            }
            transaction.commit()
        })
    }

    fn run<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        work(&self.connection).map_err(|error| StoreError::sqlite(&self.path, Some(&self.connection), &error))
    }
}

fn put(connection: &Connection, binding: &Binding) -> rusqlite::Result<()> {
    let Binding { number, account, phone, contacts, until } = binding;
    let sql = format!("REPLACE INTO binding ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
    connection.prepare_cached(&sql)?.execute(params![
        number.cast_signed(),
        account.as_str(),
        phone.device,
        phone.contact,
        contacts.join("\n"),
        until.get().cast_signed(),
    ])?;
    Ok(())
}

fn delete(connection: &Connection, number: u64) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM binding WHERE number = ?1")?.execute([number.cast_signed()])?;
    Ok(())
}

fn binding(row: &Row<'_>) -> rusqlite::Result<Binding> {
    let [number, until] = [row.get::<_, i64>(0)?, row.get::<_, i64>(5)?].map(i64::cast_unsigned);
    let account = Account::new(row.get::<_, String>(1)?.as_bytes()).ok_or_else(|| {
        rusqlite::Error::FromSqlConversionFailure(1, Type::Text, Box::new(FromSqlError::InvalidType))
    })?;
    Ok(Binding {
        number,
        account,
        phone: PhoneName { device: row.get(2)?, contact: row.get(3)? },
        contacts: row.get::<_, String>(4)?.lines().map(str::to_owned).collect(),
        until: WallSeconds::new(until),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use sipward_testkit::scratch::Scratch;

    use super::*;

    fn binding(number: u64, contact: Option<&[u8]>) -> Binding {
        Binding {
            number,
            account: Account::new(b"201").unwrap(),
            phone: PhoneName { device: b"call\xff\0id".to_vec(), contact: contact.map(<[u8]>::to_vec) },
            contacts: vec!["sip:one@127.0.0.1:5070".to_owned(), format!("sip:{number}@127.0.0.1:5070")],
            until: WallSeconds::new(1_800_000_000),
        }
    }

    #[test]
    fn what_was_written_is_read_as_it_was_and_what_has_ended_is_not() {
        let scratch = Scratch::new("bindings");
        let path = scratch.path().join("bindings.db");
        let StoredBindings { store, bindings, .. } = BindingStore::open(&path).unwrap();
        assert_eq!(bindings, []);
        let [one, two, three] = [binding(1, None), binding(u64::MAX, Some(b"\xfe")), binding(3, None)];
        let changes = [&one, &two, &three].map(|binding| (binding.number, Some(binding.clone())));
        store.write(&changes.into()).unwrap();
        let moved = Binding { contacts: vec!["sip:two@127.0.0.1:5070".to_owned()], ..one };
        store.write(&[(1, Some(moved.clone())), (3, None), (4, None)].into()).unwrap();
        // Another connection, as after a kill: nothing has been closed.
        let mut bindings = BindingStore::open(&path).unwrap().bindings;
        bindings.sort_by_key(|binding| binding.number);
        assert_eq!(bindings, [moved, two]);
    }

    #[test]
    fn a_damaged_file_is_moved_aside_and_a_new_one_is_written() {
        let scratch = Scratch::new("bindings");
        for content in
            [&b"no database at all, but as long as the header of one would be: "[..], &[0xff; 9_000]]
        {
            let path = scratch.file("bindings.db", content);
            let opened = BindingStore::open(&path).unwrap();
            let (damage, to) = opened.set_aside.unwrap();
            assert!(damage.to_string().contains("bindings.db"), "{damage}");
            assert_eq!((fs::read(to).unwrap(), opened.bindings), (content.to_vec(), Vec::new()));
            opened.store.write(&[(1, Some(binding(1, None)))].into()).unwrap();
            assert_eq!(BindingStore::open(&path).unwrap().bindings, [binding(1, None)]);
        }
        // A row that nobody has written so.
        let path = scratch.path().join("bindings.db");
        let StoredBindings { store, .. } = BindingStore::open(&path).unwrap();
        store.run(|connection| connection.execute("UPDATE binding SET account = ''", [])).unwrap();
        assert!(BindingStore::open(&path).unwrap().set_aside.is_some());
    }
}
