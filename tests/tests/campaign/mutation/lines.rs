//! Line ends, colons, folds, comments and blank lines.

use sipward_tests::rng::Rng;

use super::{any_header, insert, name_of, pick, shown};
use crate::draft::{Credentials, Draft, Party, Value};

pub(super) fn all_line_ends(draft: &mut Draft, rng: &mut Rng) -> String {
    let end = pick(rng, &[b"\n", b"\r", b"\r\r\n", b"\n\r", b" \r\n", b"\t\n", b"\0\r\n", b"\x0b\r\n"]);
    draft.start_end = end.to_vec();
    draft.blank = end.to_vec();
    draft.headers.iter_mut().for_each(|header| header.end = end.to_vec());
    format!("all line ends {}", shown(end))
}

pub(super) fn one_line_end(draft: &mut Draft, rng: &mut Rng) -> String {
    let ends: [&[u8]; 14] = [
        b"\n",
        b"\r",
        b"\r\r\n",
        b"\n\r",
        b"\r\n\t\r\n",
        b"\r\n \r\n",
        b" \r\n",
        b"\0\r\n",
        b"\r\n\r",
        b"\r\n\x0b",
        b"\x0c\r\n",
        b"\r\nx\r\n",
        b"\r\n:\r\n",
        b"\r\n\0\r\n",
    ];
    let end = pick(rng, &ends);
    let at = any_header(draft, rng);
    let before = if rng.one_in(2) { at } else { at.saturating_sub(1) };
    draft.headers[before].end = end.to_vec();
    format!("line end {} after {}", shown(end), name_of(&draft.headers[before]))
}

pub(super) fn colon(draft: &mut Draft, rng: &mut Rng) -> String {
    let colons: [&[u8]; 22] = [
        b":",
        b" : ",
        b"\t:\t",
        b"     :",
        b"                    : ",
        b":\r\n ",
        b":\n\t",
        b":\r ",
        b"\r\n : ",
        b" \r\n\t: ",
        b"::",
        b": : ",
        b"\0: ",
        b":\0",
        b":\x0b",
        b"\x0b: ",
        b" ",
        b"=",
        b":                                                                                 ",
        b"\r: ",
        b": \r\n \r\n ",
        b"\xc2\xa0: ",
    ];
    let colon = pick(rng, &colons);
    let at = any_header(draft, rng);
    draft.headers[at].colon = colon.to_vec();
    format!("colon {} in {}", shown(colon), name_of(&draft.headers[at]))
}

/// Of a header that has pieces, these stay apart: the response is computed from them.
pub(super) fn fold(draft: &mut Draft, rng: &mut Rng) -> String {
    let folds: [&[u8]; 13] = [
        b"\r\n ",
        b"\n ",
        b"\r\n\t",
        b"\n\t\t",
        b"\r ",
        b" \r\n \r\n ",
        b"\t",
        b"  ",
        b" ",
        b"\x0b",
        b"\0",
        b"\r\n\x0c",
        b"\r",
    ];
    let fold = pick(rng, &folds);
    let at = any_header(draft, rng);
    let header = &mut draft.headers[at];
    let place = match &mut header.value {
        Value::Text(text) => {
            let place = rng.below(text.len() + 1);
            text.splice(place..place, fold.iter().copied());
            "text"
        }
        Value::Party(party) => in_party(party, fold, rng),
        Value::Credentials(credentials) => in_credentials(credentials, fold, rng),
    };
    format!("{} at {place} of {}", shown(fold), name_of(header))
}

fn in_party(party: &mut Party, text: &[u8], rng: &mut Rng) -> &'static str {
    let (part, name) = match rng.below(7) {
        0 => (&mut party.display, "display"),
        1 => (&mut party.open, "open"),
        2 => (&mut party.scheme, "scheme"),
        3 => (&mut party.user, "user"),
        4 => (&mut party.host, "host"),
        5 => (&mut party.close, "close"),
        _ => (&mut party.tag, "tag"),
    };
    insert(part, text, rng);
    name
}

fn in_credentials(credentials: &mut Credentials, text: &[u8], rng: &mut Rng) -> &'static str {
    if rng.one_in(3) {
        let (part, name) = match rng.below(4) {
            0 => (&mut credentials.before, "before"),
            1 => (&mut credentials.gap, "gap"),
            2 => (&mut credentials.separator, "separator"),
            _ => (&mut credentials.after, "after"),
        };
        insert(part, text, rng);
        return name;
    }
    let at = if rng.one_in(2) { 0 } else { rng.below(credentials.parameters.len()) };
    let parameter = &mut credentials.parameters[at];
    let (part, name) = match rng.below(3) {
        0 => (&mut parameter.name, "name"),
        1 => (&mut parameter.equals, "equals"),
        _ => (&mut parameter.value, "value"),
    };
    insert(part, text, rng);
    name
}

pub(super) fn header_case(draft: &mut Draft, rng: &mut Rng) -> String {
    let at = any_header(draft, rng);
    let upper = rng.one_in(2);
    let header = &mut draft.headers[at];
    if upper {
        header.name.make_ascii_uppercase()
    } else {
        header.name.make_ascii_lowercase()
    }
    format!("case of {}", name_of(header))
}

pub(super) fn blank_line(draft: &mut Draft, rng: &mut Rng) -> String {
    let blanks: [&[u8]; 9] =
        [b"\n", b"\r", b" \r\n", b"\t\n", b"\0\r\n", b"", b"\r\n\r\n", b"\x0b\r\n", b"\r\r\n"];
    let blank = pick(rng, &blanks);
    if rng.one_in(2) {
        draft.blank = blank.to_vec();
        return format!("blank line {}", shown(blank));
    }
    let at = rng.below(draft.headers.len());
    if at == 0 || rng.one_in(3) {
        draft.start_end.extend(blank);
        return format!("blank line {} behind the start line", shown(blank));
    }
    draft.headers[at - 1].end.extend(blank);
    format!("blank line {} in front of {}", shown(blank), name_of(&draft.headers[at]))
}

pub(super) fn comment(draft: &mut Draft, rng: &mut Rng) -> String {
    let text = pick(rng, &[b"(comment)", b" (a) ", b"(<sip:240@pbx>)", b"(username=\"240\")", b"(\")"]);
    let at = any_header(draft, rng);
    let header = &mut draft.headers[at];
    let place = match &mut header.value {
        Value::Text(value) => {
            insert(value, text, rng);
            "text"
        }
        Value::Party(party) => in_party(party, text, rng),
        Value::Credentials(credentials) => in_credentials(credentials, text, rng),
    };
    format!("comment {} at {place} of {}", shown(text), name_of(header))
}
