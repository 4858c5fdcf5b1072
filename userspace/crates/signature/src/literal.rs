//! The bytes that a match must contain, derived from a pattern's tree.

use regex_syntax::hir::{Hir, HirKind, Look, Repetition};

use super::{
    Place,
    byte_set::{BLANKS, ByteSet},
};

/// The bytes that may stand at each place of a run, without their case.
pub(super) type Literal = Vec<Vec<u8>>;

/// A pattern with more branches loses some of its parts.
const ALTERNATIVES_MAX: usize = 64;
/// A class with more bytes says nothing: `[a-z0-9]` and a little more.
const CLASS_MAX: usize = 40;

/// As the prefilter's table sees a byte.
pub(super) const fn fold(byte: u8) -> u8 {
    byte | 0x20
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Bytes(Vec<u8>),
    /// The byte before the value, and the one behind it; they take no room, so two in a row are one.
    Start,
    End,
    /// Any number of any bytes.
    Gap,
}

/// Of each alternative, the literals. Every match contains all literals of at least one.
pub(super) fn alternatives(tree: &Hir, places: &[Place]) -> Vec<Vec<Literal>> {
    write_out(tree).into_iter().map(|pieces| runs(pieces, places)).collect()
}

fn runs(mut pieces: Vec<Piece>, places: &[Place]) -> Vec<Literal> {
    pieces.dedup_by(|one, other| one == other && matches!(one, Piece::Start | Piece::End));
    let before = before(places);
    let mut runs = vec![vec![]];
    for piece in pieces {
        let bytes = match piece {
            Piece::Bytes(bytes) => Some(bytes),
            Piece::Start => before.clone(),
            Piece::End => Some(blanks()),
            Piece::Gap => None,
        };
        match (bytes, runs.last_mut()) {
            (Some(bytes), Some(run)) => run.push(bytes),
            _ => runs.push(vec![]),
        }
    }
    runs
}

/// The bytes that may stand before the first byte of a value; nothing is known of where a message begins.
fn before(places: &[Place]) -> Option<Vec<u8>> {
    if places.iter().any(|place| matches!(place, Place::StartLine | Place::Message)) {
        return None;
    }
    let mut bytes = blanks();
    if places.iter().any(|place| matches!(place, Place::Header(_))) {
        bytes.push(b':');
    }
    Some(bytes)
}

fn blanks() -> Vec<u8> {
    BLANKS.map(fold).to_vec()
}

fn write_out(tree: &Hir) -> Vec<Vec<Piece>> {
    match tree.kind() {
        HirKind::Empty => vec![vec![]],
        HirKind::Literal(literal) => concat(literal.0.iter().map(|byte| set(ByteSet::from_iter([*byte])))),
        HirKind::Class(class) => set(ByteSet::of_class(class)),
        HirKind::Look(Look::Start) => vec![vec![Piece::Start]],
        // `pattern` refuses all others.
        HirKind::Look(_) => vec![vec![Piece::End]],
        HirKind::Capture(capture) => write_out(&capture.sub),
        HirKind::Concat(parts) => concat(parts.iter().map(write_out)),
        HirKind::Alternation(branches) => {
            let all: Vec<_> = branches.iter().flat_map(write_out).collect();
            if all.len() > ALTERNATIVES_MAX { vec![vec![Piece::Gap]] } else { all }
        }
        HirKind::Repetition(repetition) => repeat(repetition),
    }
}

fn set(set: ByteSet) -> Vec<Vec<Piece>> {
    let mut bytes: Vec<u8> = set.iter().filter(|byte| *byte != b' ').map(fold).collect();
    bytes.sort_unstable();
    bytes.dedup();
    // A space is any run of blanks: its first and its last byte are known, and may be the same.
    let space = vec![Piece::Bytes(blanks()), Piece::Gap, Piece::Bytes(blanks())];
    match (bytes.len(), set.has(b' ')) {
        (0, true) => vec![space],
        (1..=CLASS_MAX, true) => vec![vec![Piece::Bytes(bytes)], space],
        (1..=CLASS_MAX, false) => vec![vec![Piece::Bytes(bytes)]],
        _ => vec![vec![Piece::Gap]],
    }
}

/// Every way through all parts. A part with too many ways is left out.
fn concat(parts: impl Iterator<Item = Vec<Vec<Piece>>>) -> Vec<Vec<Piece>> {
    parts.fold(vec![vec![]], |ways, part| {
        let part = if ways.len() * part.len() > ALTERNATIVES_MAX { vec![vec![Piece::Gap]] } else { part };
        ways.iter().flat_map(|way| part.iter().map(|rest| [way.as_slice(), rest].concat())).collect()
    })
}

fn repeat(repetition: &Repetition) -> Vec<Vec<Piece>> {
    let once = write_out(&repetition.sub);
    if (repetition.min, repetition.max) == (0, Some(1)) {
        return [once, vec![vec![]]].concat();
    }
    let more = (repetition.max != Some(repetition.min)).then(|| vec![vec![Piece::Gap]]);
    concat(std::iter::repeat_n(once, repetition.min as usize).chain(more))
}
