//! Writes the archive that a kernel unpacks as its first root: cpio in the `newc` format.

/// Collects entries in the order in which the kernel creates them: a directory before its contents.
#[derive(Debug, Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;

impl Archive {
    pub(super) fn directory(&mut self, path: &str) {
        self.entry(path, DIRECTORY, &[]);
    }

    /// Every file is executable, which does no harm in the root of a test.
    pub(super) fn file(&mut self, path: &str, content: &[u8]) {
        self.entry(path, PROGRAM, content);
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) {
        let path = path.trim_start_matches('/');
        self.entries += 1;
        let size = u32::try_from(content.len()).expect("no test program has 4 GiB");
        let path_size = u32::try_from(path.len() + 1).expect("a path is short");
        // inode, mode, uid, gid, links, mtime, size, device, device of a node, size of the path, checksum.
        let fields = [self.entries, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, path_size, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads an archive back, independently of how it was written: (path, mode, content).
    fn entries(mut bytes: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            assert_eq!(&bytes[..6], b"070701");
            let field = |n: usize| {
                let text = std::str::from_utf8(&bytes[6 + 8 * n..14 + 8 * n]).unwrap();
                u32::from_str_radix(text, 16).unwrap()
            };
            let (mode, size, path_size) = (field(1), field(6) as usize, field(11) as usize);
            let path = String::from_utf8(bytes[110..110 + path_size - 1].to_vec()).unwrap();
            let start = (110 + path_size).next_multiple_of(4);
            found.push((path, mode, bytes[start..start + size].to_vec()));
            bytes = &bytes[(start + size).next_multiple_of(4)..];
        }
        found
    }

    #[test]
    fn an_archive_reads_back_as_it_was_written_and_ends_with_the_trailer() {
        let mut archive = Archive::default();
        archive.directory("/dev");
        for length in 0..5 {
            archive.file(&format!("/{}", "f".repeat(length + 1)), &vec![7; length]);
        }
        let found = entries(&archive.finish());
        assert_eq!(found[0], ("dev".into(), DIRECTORY, vec![]));
        for length in 0..5 {
            assert_eq!(found[length + 1], ("f".repeat(length + 1), PROGRAM, vec![7; length]));
        }
        assert_eq!(found[6], ("TRAILER!!!".into(), 0, vec![]));
        assert_eq!(found.len(), 7);
    }
}
