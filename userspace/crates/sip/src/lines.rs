//! The header of a message, line by line.

pub(super) struct Line<'a> {
    pub(super) name: &'a [u8],
    /// Folds are still in it: line ends count as blanks.
    pub(super) value: &'a [u8],
}

/// The end of a line. All PBXs end a line at a line feed, with or without a CR before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineEnd {
    /// Only that, as for Kamailio.
    Feed,
    /// Also a CR alone, as for PJSIP; but not within quotes, in headers that may have quotes.
    Return,
}

/// Headers of which PJSIP reads quoted strings. Of others that matter here it reads up to the line's end.
const QUOTING: [&[u8]; 12] = [
    b"authorization",
    b"proxy-authorization",
    b"from",
    b"f",
    b"to",
    b"t",
    b"contact",
    b"m",
    b"via",
    b"v",
    b"route",
    b"record-route",
];

/// Ends behind the empty line, or where the bytes do.
#[derive(Clone, Debug)]
pub(super) struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The bytes are only the beginning of the message: a last line without an end may be half of one.
    cut: bool,
    ends: LineEnd,
    complete: bool,
}

impl<'a> Lines<'a> {
    pub(super) const fn new(bytes: &'a [u8], cut: bool, ends: LineEnd) -> Self {
        Self { bytes, at: 0, cut, ends, complete: false }
    }

    /// True if the empty line was found.
    pub(super) const fn complete(&self) -> bool {
        self.complete
    }

    /// The number of bytes that were read.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// The first line. It may go on in the next one, for PJSIP; for Kamailio nothing counts behind a CR in it.
    pub(super) fn start(&mut self) -> Option<&'a [u8]> {
        let line = self.raw(true)?;
        let bare = || (0..line.len()).find(|&at| line[at] == b'\r' && line.get(at + 1) != Some(&b'\n'));
        match self.ends {
            LineEnd::Feed => Some(&line[..bare().unwrap_or(line.len())]),
            LineEnd::Return => Some(line),
        }
    }

    /// With its continuations and without its end. Empty only where the header ends. A start line is taken even if it is
    /// not known whether it goes on.
    fn raw(&mut self, start_line: bool) -> Option<&'a [u8]> {
        if self.complete {
            return None;
        }
        let start = self.at;
        let quotes = self.ends == LineEnd::Return && may_quote(&self.bytes[start..]);
        let mut end = start;
        loop {
            let Some(length) = self.length(end, quotes) else {
                self.at = self.bytes.len();
                return (!self.cut && start < self.bytes.len()).then(|| trim(&self.bytes[start..]));
            };
            if end == start && matches!(self.bytes[start], b'\r' | b'\n') {
                self.complete = true;
                self.at = end + length;
                return Some(&[]);
            }
            end += length;
            match self.bytes.get(end) {
                Some(b' ' | b'\t') => {}
                // The next line may continue this one.
                None if self.cut && !start_line => {
                    self.at = end;
                    return None;
                }
                _ => break,
            }
        }
        self.at = end;
        Some(trim(&self.bytes[start..end]))
    }

    /// The length of the line that begins at `from`, its end included. `None`: it has none.
    fn length(&self, from: usize, quotes: bool) -> Option<usize> {
        let bytes = &self.bytes[from..];
        match (self.ends, bytes) {
            // An empty line may begin with a CR for every PBX.
            (_, [b'\r', next, ..]) if *next != b'\n' => Some(1),
            (LineEnd::Feed, _) => Some(position(bytes, b'\n')? + 1),
            (LineEnd::Return, _) => to_return_or_feed(bytes, quotes, self.cut),
        }
    }
}

/// The same where a CR ends a line by itself.
fn to_return_or_feed(bytes: &[u8], quotes: bool, cut: bool) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            b'\n' => return Some(at + 1),
            b'\r' if !quoted => match bytes.get(at + 1) {
                Some(b'\n') => return Some(at + 2),
                // Its LF may be behind the cut.
                None if cut => return None,
                _ => return Some(at + 1),
            },
            b'"' if quotes && !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = quoted && byte == b'\\' && !escaped;
    }
    None
}

fn may_quote(line: &[u8]) -> bool {
    // Longer than the longest of the names, with blanks.
    let line = &line[..line.len().min(64)];
    let name = position(line, b':').map_or(&[][..], |colon| trim(&line[..colon]));
    QUOTING.iter().any(|quoting| quoting.eq_ignore_ascii_case(name))
}

/// True if a CR stands anywhere without its LF. One at the very end may have it elsewhere.
pub(super) fn has_bare_return(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair[0] == b'\r' && pair[1] != b'\n')
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    /// Lines without a colon are left out.
    fn next(&mut self) -> Option<Line<'a>> {
        loop {
            let line = self.raw(false)?;
            if let Some(colon) = position(line, b':') {
                return Some(Line { name: trim(&line[..colon]), value: trim(&line[colon + 1..]) });
            }
        }
    }
}

/// The index of the first such byte.
pub fn position(bytes: &[u8], byte: u8) -> Option<usize> {
    bytes.iter().position(|&other| other == byte)
}

/// Line ends are blanks, too: a value may be folded.
pub const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Without blanks around it.
pub fn trim(bytes: &[u8]) -> &[u8] {
    let Some(start) = bytes.iter().position(|&byte| !is_blank(byte)) else {
        return &[];
    };
    let end = bytes.iter().rposition(|&byte| !is_blank(byte)).map_or(start, |last| last + 1);
    &bytes[start..end]
}
