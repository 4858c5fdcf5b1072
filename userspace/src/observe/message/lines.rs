//! The header of a message, line by line.

pub(super) struct Line<'a> {
    pub(super) name: &'a [u8],
    /// Folds are still in it: line ends count as blanks.
    pub(super) value: &'a [u8],
}

/// Ends behind the empty line, or where the bytes do.
#[derive(Clone, Debug)]
pub(super) struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The bytes are only the beginning of the message: a last line without an end may be half of one.
    cut: bool,
    complete: bool,
}

impl<'a> Lines<'a> {
    pub(super) const fn new(bytes: &'a [u8], cut: bool) -> Self {
        Self { bytes, at: 0, cut, complete: false }
    }

    /// Whether the empty line was found.
    pub(super) const fn complete(&self) -> bool {
        self.complete
    }

    /// How many bytes were read.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// The first line; it has no folds.
    pub(super) fn start(&mut self) -> Option<&'a [u8]> {
        self.raw(false)
    }

    /// Without its end. Empty only where the header ends.
    fn raw(&mut self, folds: bool) -> Option<&'a [u8]> {
        if self.complete {
            return None;
        }
        let start = self.at;
        let mut end = start;
        loop {
            let Some(feed) = position(&self.bytes[end..], b'\n') else {
                self.at = self.bytes.len();
                return (!self.cut && start < self.bytes.len()).then(|| trim(&self.bytes[start..]));
            };
            let first = end == start;
            end += feed + 1;
            if first && trim(&self.bytes[start..end]).is_empty() {
                self.complete = true;
                break;
            }
            match self.bytes.get(end) {
                _ if !folds => break,
                Some(b' ' | b'\t') => {}
                // Whether the next line continues this one, nobody knows.
                None if self.cut => {
                    self.at = end;
                    return None;
                }
                _ => break,
            }
        }
        self.at = end;
        Some(trim(&self.bytes[start..end]))
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    /// Lines without a colon are left out.
    fn next(&mut self) -> Option<Line<'a>> {
        loop {
            let line = self.raw(true)?;
            if let Some(colon) = position(line, b':') {
                return Some(Line { name: trim(&line[..colon]), value: trim(&line[colon + 1..]) });
            }
        }
    }
}

pub(super) fn position(bytes: &[u8], byte: u8) -> Option<usize> {
    bytes.iter().position(|&other| other == byte)
}

pub(super) const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Without blanks around it.
pub(super) fn trim(bytes: &[u8]) -> &[u8] {
    let Some(start) = bytes.iter().position(|&byte| !is_blank(byte)) else {
        return &[];
    };
    let end = bytes.iter().rposition(|&byte| !is_blank(byte)).map_or(start, |last| last + 1);
    &bytes[start..end]
}
