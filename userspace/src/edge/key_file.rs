//! The file of the edge's keys: two generations, so that calls and registrations of before a restart go on.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
    time::{Duration, SystemTime},
};

use sipward_edge::keys::Keys;

use crate::refusal::Refusal;

/// Bytes of a key.
const KEY: usize = 32;
/// A new key takes over at the first start after this time; the one before it is good until then. No call and no
/// registration is as long.
const AGE: Duration = Duration::from_secs(30 * 86_400);
const NAME: &str = "keys";

/// Reads the keys in this directory; makes them, where there are none.
pub(super) fn open(directory: &Path) -> Result<Keys, Refusal> {
    let path = directory.join(NAME);
    let fail = |doing: &str, error: &io::Error| {
        Refusal::failed(format!("the edge's keys cannot be {doing} {}: {error}", path.display()))
    };
    let before = match fs::read(&path) {
        Ok(bytes) => Some(parse(&bytes).ok_or_else(|| {
            Refusal::wrong(format!(
                "{} is not a file of keys: remove it; running calls then end at their next message, and phones \
                 have to register again",
                path.display()
            ))
        })?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(fail("read from", &error)),
    };
    let keys = match before {
        Some((current, previous)) if !is_old(&path) => (current, previous),
        before => {
            let next =
                (random().map_err(|error| fail("made for", &error))?, before.map(|(current, _)| current));
            write(&path, &next).map_err(|error| fail("written to", &error))?;
            next
        }
    };
    Ok(Keys::new(keys.0, keys.1))
}

type Generations = ([u8; KEY], Option<[u8; KEY]>);

fn parse(bytes: &[u8]) -> Option<Generations> {
    let (current, rest) = bytes.split_first_chunk::<KEY>()?;
    match rest {
        [] => Some((*current, None)),
        rest => Some((*current, Some(rest.try_into().ok()?))),
    }
}

/// A clock that was set back makes no key old.
fn is_old(path: &Path) -> bool {
    let written = fs::metadata(path).and_then(|file| file.modified());
    let age = written.ok().and_then(|written| SystemTime::now().duration_since(written).ok());
    age.is_some_and(|age| age > AGE)
}

/// A number that no other start has.
pub(super) fn random_number() -> Result<u32, Refusal> {
    let bytes = random().map_err(|error| Refusal::failed(format!("/dev/urandom cannot be read: {error}")))?;
    Ok(u32::from_le_bytes(bytes))
}

fn random<const BYTES: usize>() -> io::Result<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// All of it or nothing, whenever the power fails.
fn write(path: &Path, (current, previous): &Generations) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(current)?;
    file.write_all(previous.as_ref().map_or(&[][..], |key| key))?;
    file.sync_all()?;
    fs::rename(&draft, path)
}

#[cfg(test)]
mod tests {
    use sipward_edge::keys::Purpose;
    use sipward_testkit::scratch::Scratch;

    use super::*;

    #[test]
    fn keys_are_made_once_and_replaced_when_they_are_old() {
        let directory = Scratch::new("keys");
        let first = open(directory.path()).unwrap();
        let signed: [u8; 12] = first.sign(Purpose::Nonce, &[b"text"]);
        let path = directory.path().join(NAME);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let again = open(directory.path()).unwrap();
        assert_eq!(again.sign(Purpose::Nonce, &[b"text"]), signed);

        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() - AGE - Duration::from_secs(60)).unwrap();
        let next = open(directory.path()).unwrap();
        assert_ne!(next.sign(Purpose::Nonce, &[b"text"]), signed);
        assert!(next.has_signed(Purpose::Nonce, &[b"text"], &signed), "the one before is still good");
        assert!(!is_old(&path));
    }

    #[test]
    fn a_broken_file_is_named_and_left_as_it_is() {
        let directory = Scratch::new("keys");
        let path = directory.file(NAME, b"short");
        let problem = open(directory.path()).unwrap_err().to_string();
        assert!(problem.contains(&path.display().to_string()) && problem.contains("remove it"), "{problem}");
        assert_eq!(fs::read(&path).unwrap(), b"short");
    }
}
