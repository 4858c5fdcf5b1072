//! Files that people write. Whatever stands in the place of one, reading it ends.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

/// In MiB.
const LONGEST: u64 = 16;

pub fn read(path: &Path) -> io::Result<String> {
    let kind = fs::metadata(path)?.file_type();
    if !kind.is_file() && !kind.is_dir() {
        // A pipe may never begin, and a device never end.
        return Err(io::Error::other("it is neither a file nor a link to one"));
    }
    read_from(File::open(path)?)
}

/// The text of an open file, or of standard input.
pub fn read_from(file: impl io::Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    let longest = LONGEST << 20;
    if file.take(longest + 1).read_to_end(&mut bytes)? as u64 > longest {
        let problem = format!(
            "it is longer than {LONGEST} MiB: long lists are for `sipward trust import` and `sipward ban import`"
        );
        return Err(io::Error::other(problem));
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        let line = 1 + before.filter(|byte| **byte == b'\n').count();
        io::Error::other(format!("line {line} is no text in UTF-8: see whether it is the right file"))
    })
}

/// The reason why a file could not be read, with a remedy.
pub fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "No such file or directory: check the path".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "Permission denied: run this as root, and let root read the file".to_owned()
        }
        io::ErrorKind::AlreadyExists => "it exists already: name another, or remove it first".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::env;

    use super::*;

    #[test]
    fn what_is_no_text_is_refused() {
        let path = env::temp_dir().join(format!("sipward-text-{}", std::process::id()));
        for (content, said) in [
            (b"a\nb\n\xff\n".to_vec(), "line 3 is no text in UTF-8"),
            (vec![b'#'; (LONGEST << 20) as usize + 1], "longer than 16 MiB"),
        ] {
            fs::write(&path, content).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        fs::write(&path, vec![b'#'; (LONGEST << 20) as usize]).unwrap();
        assert_eq!(read(&path).unwrap().len(), (LONGEST << 20) as usize);
        fs::remove_file(&path).unwrap();
        for (path, said) in
            [("/dev/zero", "neither a file"), ("/", "directory"), ("/nowhere", "No such file")]
        {
            let error = read(Path::new(path)).unwrap_err().to_string();
            assert!(error.contains(said), "{path}: {error}");
        }
    }
}
