//! The lines of a header, each in the only way to read it.

use std::ops::Range;

use sipward_sip::{is_blank, is_token, position};

use super::Unclear;

/// A message with more lines is no phone's.
const LINES_MAX: usize = 256;

/// The place of a header line in its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub header: Header,
    pub name: Range<usize>,
    /// Without blanks around it; folds are still in it.
    pub value: Range<usize>,
    /// With its line end.
    pub whole: Range<usize>,
}

/// The headers that matter to the edge, whichever way their names are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    Via,
    From,
    To,
    CallId,
    CSeq,
    MaxForwards,
    ContentLength,
    Expires,
    Route,
    RecordRoute,
    Path,
    Contact,
    Authorization,
    ProxyAuthorization,
    Supported,
    ProxyRequire,
    RetryAfter,
    /// P-Asserted-Identity, P-Preferred-Identity, Remote-Party-ID: a phone could claim to be anybody.
    Identity,
    /// The edge's own.
    Sipward,
    Other,
}

impl Header {
    fn named(name: &[u8]) -> Self {
        const NAMES: [(&[u8], Header); 27] = [
            (b"via", Header::Via),
            (b"v", Header::Via),
            (b"from", Header::From),
            (b"f", Header::From),
            (b"to", Header::To),
            (b"t", Header::To),
            (b"call-id", Header::CallId),
            (b"i", Header::CallId),
            (b"cseq", Header::CSeq),
            (b"max-forwards", Header::MaxForwards),
            (b"content-length", Header::ContentLength),
            (b"l", Header::ContentLength),
            (b"expires", Header::Expires),
            (b"route", Header::Route),
            (b"record-route", Header::RecordRoute),
            (b"path", Header::Path),
            (b"contact", Header::Contact),
            (b"m", Header::Contact),
            (b"authorization", Header::Authorization),
            (b"proxy-authorization", Header::ProxyAuthorization),
            (b"supported", Header::Supported),
            (b"k", Header::Supported),
            (b"proxy-require", Header::ProxyRequire),
            (b"retry-after", Header::RetryAfter),
            (b"p-asserted-identity", Header::Identity),
            (b"p-preferred-identity", Header::Identity),
            (b"remote-party-id", Header::Identity),
        ];
        const OWN: &[u8] = b"x-sipward-";
        if name.get(..OWN.len()).is_some_and(|start| start.eq_ignore_ascii_case(OWN)) {
            return Self::Sipward;
        }
        let is_name = |known: &&(&[u8], Self)| known.0.eq_ignore_ascii_case(name);
        NAMES.iter().find(is_name).map_or(Self::Other, |&(_, header)| header)
    }

    /// A second one leaves open which of them counts.
    pub(super) const fn is_single(self) -> bool {
        matches!(
            self,
            Self::From
                | Self::To
                | Self::CallId
                | Self::CSeq
                | Self::MaxForwards
                | Self::ContentLength
                | Self::Expires
        )
    }
}

/// The start line, the lines of the header, and where the body begins.
#[derive(Clone, Debug)]
pub(super) struct Split {
    pub(super) start: Range<usize>,
    pub(super) lines: Vec<Line>,
    pub(super) body: usize,
    /// A line that is not among the others, because it is none.
    pub(super) unclear: Option<Unclear>,
}

/// Lines end with CR and LF, and go on in lines that begin with a blank and have something else in them.
pub(super) fn split(bytes: &[u8]) -> Result<Split, Unclear> {
    let start = line_end(bytes, 0)?;
    if continues(bytes, start) {
        return Err(Unclear::FoldedStartLine);
    }
    let mut split = Split { start: 0..start - 2, lines: Vec::with_capacity(24), body: start, unclear: None };
    while !bytes[split.body..].starts_with(b"\r\n") {
        if split.lines.len() == LINES_MAX {
            return Err(Unclear::TooManyLines);
        }
        let first = split.body..line_end(bytes, split.body)?;
        let mut end = first.end;
        while continues(bytes, end) {
            end = line_end(bytes, end)?;
        }
        split.body = end;
        match line(bytes, first, end) {
            Ok(line) => split.lines.push(line),
            Err(unclear) => split.unclear = split.unclear.or(Some(unclear)),
        }
    }
    split.body += 2;
    Ok(split)
}

/// The name has to be in the first line of those that end at `end`.
fn line(bytes: &[u8], first: Range<usize>, end: usize) -> Result<Line, Unclear> {
    let start = first.start;
    let mut folds = bytes[first.end..end].split_inclusive(|&byte| byte == b'\n');
    if folds.any(|fold| fold.iter().all(|&byte| is_blank(byte))) {
        return Err(Unclear::BlankFold);
    }
    let colon = start + position(&bytes[first], b':').ok_or(Unclear::NoColon)?;
    // RFC 3261 allows blanks between a name and its colon, and everybody takes them.
    let name = trimmed(bytes, start..colon);
    if name.start != start || name.is_empty() || !bytes[name.clone()].iter().all(|&byte| is_token(byte)) {
        return Err(Unclear::HeaderName);
    }
    let header = Header::named(&bytes[name.clone()]);
    Ok(Line { header, name, value: trimmed(bytes, colon + 1..end), whole: start..end })
}

fn continues(bytes: &[u8], at: usize) -> bool {
    matches!(bytes.get(at), Some(b' ' | b'\t'))
}

/// Behind the CR and LF that end the line.
fn line_end(bytes: &[u8], from: usize) -> Result<usize, Unclear> {
    let is_odd = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
    let at = from + bytes[from..].iter().position(is_odd).ok_or(Unclear::NoEmptyLine)?;
    match (bytes[at], bytes.get(at + 1)) {
        (b'\r', Some(b'\n')) => Ok(at + 2),
        (b'\r', None) => Err(Unclear::NoEmptyLine),
        (b'\r', _) => Err(Unclear::BareReturn),
        (b'\n', _) => Err(Unclear::BareFeed),
        _ => Err(Unclear::ControlByte),
    }
}

fn trimmed(bytes: &[u8], span: Range<usize>) -> Range<usize> {
    let within = &bytes[span.clone()];
    let Some(first) = within.iter().position(|&byte| !is_blank(byte)) else {
        return span.start..span.start;
    };
    let last = within.iter().rposition(|&byte| !is_blank(byte)).unwrap_or(first);
    span.start + first..span.start + last + 1
}
