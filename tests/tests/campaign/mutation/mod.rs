//! Changes to a request. Each returns a description of the change, and repeats it for the same seed.

mod credentials;
mod lines;
mod message;
mod parties;
mod start_line;

use sipward_tests::rng::Rng;

use crate::draft::{Draft, Header, Value};

/// A name that is in the message beside the account's own. The PBX has it.
const DECOY: &str = "240";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mutation {
    kind: usize,
    seed: u64,
}

/// Answers in words what was changed; empty: there was nothing to change.
type Change = fn(&mut Draft, &mut Rng) -> String;

impl Mutation {
    pub(crate) fn any(rng: &mut Rng) -> Self {
        Self { kind: rng.below(KINDS.len()), seed: rng.seed() }
    }

    pub(crate) fn apply(self, draft: &mut Draft) -> String {
        KINDS[self.kind](draft, &mut Rng::seeded(self.seed))
    }
}

const KINDS: [Change; 50] = [
    lines::all_line_ends,
    lines::one_line_end,
    lines::one_line_end,
    lines::colon,
    lines::colon,
    message::echoed,
    message::echoed,
    lines::fold,
    lines::fold,
    lines::fold,
    lines::header_case,
    message::compact,
    message::order,
    parties::second_party,
    parties::second_party,
    message::second_other,
    credentials::second_credentials,
    credentials::second_credentials,
    credentials::second_username,
    credentials::second_username,
    credentials::shadowed_username,
    credentials::shadowed_username,
    credentials::username_spelling,
    credentials::username_spelling,
    credentials::username_spelling,
    parties::display_name,
    parties::display_name,
    parties::display_name,
    parties::user_spelling,
    parties::user_spelling,
    parties::uri_shape,
    parties::uri_shape,
    lines::comment,
    credentials::comma_joined,
    start_line::version,
    start_line::method,
    start_line::leading,
    message::text_in_header,
    message::content_length,
    message::long,
    message::many,
    credentials::other_scheme,
    credentials::credentials_name,
    credentials::parameters,
    credentials::parameters,
    credentials::digest_word,
    lines::blank_line,
    start_line::start_line,
    message::any_byte,
    message::behind,
];

fn shown(bytes: &[u8]) -> String {
    let text = bytes.escape_ascii().to_string();
    if text.len() > 48 { format!("{}… ({} bytes)", &text[..40], bytes.len()) } else { text }
}

fn pick<'a>(rng: &mut Rng, of: &[&'a [u8]]) -> &'a [u8] {
    rng.pick::<&[u8]>(of)
}

/// Any header, mostly one that names the account.
fn any_header(draft: &Draft, rng: &mut Rng) -> usize {
    let names = |value: &Value| !matches!(value, Value::Text(_));
    let naming: Vec<usize> = (0..draft.headers.len()).filter(|&at| names(&draft.headers[at].value)).collect();
    if rng.one_in(3) || naming.is_empty() { rng.below(draft.headers.len()) } else { *rng.pick(&naming) }
}

fn name_of(header: &Header) -> String {
    header.name.escape_ascii().to_string()
}

/// At the beginning, at the end or inside.
fn insert(part: &mut Vec<u8>, text: &[u8], rng: &mut Rng) {
    let place = match rng.below(3) {
        0 => 0,
        1 => part.len(),
        _ => rng.below(part.len() + 1),
    };
    part.splice(place..place, text.iter().copied());
}

fn put(draft: &mut Draft, header: Header, rng: &mut Rng) -> &'static str {
    if rng.one_in(2) {
        draft.headers.insert(0, header);
        "before"
    } else {
        draft.headers.push(header);
        "behind"
    }
}
