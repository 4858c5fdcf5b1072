//! The exact automaton: which signature a message carries, and where its headers and its Content-Length are.
//!
//! A state joins the position in the message with what the patterns have seen of the current value and of
//! the whole message. States are made when first reached and then laid out as `xdp_prog::matcher` walks
//! them.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use xdp_prog::abi::{MAX_CLASSES, ROW_UNIT, SignatureHead, Signatures};

use super::{
    Place, Signature, SignatureError, Size,
    byte_set::{ByteSet, is_blank},
    header,
    nfa::{Nfa, Node},
    pattern,
    position::{Meaning, Names, Number, Position},
    sets::{Group, Set, Sets},
};

/// Rows are numbered in units by a `u16`.
const UNITS: usize = 1 << 16;

/// Compiles `signatures`, which are numbered as they come, into the automaton's part of `tables`.
pub(super) fn build(signatures: &[&Signature], tables: &mut Signatures) -> Result<Size, SignatureError> {
    let mut nfa = Nfa::default();
    let mut places = Places::default();
    let mut largest = (0, "");
    for (number, signature) in signatures.iter().enumerate() {
        let before = nfa.len();
        let first = first_node(&mut nfa, signature, number as u16)?;
        places.add(signature, first);
        largest = largest.max((nfa.len() - before, &signature.name));
    }
    let names = Names::new(places.headers.iter().map(|(name, _)| name.as_str()));
    let classes = Classes::new(&nfa, &names);
    if classes.samples.len() > MAX_CLASSES {
        return Err(SignatureError::TooManyClasses { count: classes.samples.len() });
    }
    let units = classes.samples.len().div_ceil(ROW_UNIT).next_power_of_two();
    let limit = UNITS / units;
    let automaton = Automaton::explore(&nfa, &names, &places, &classes, limit)
        .filter(|automaton| 1 + automaton.states.len() + signatures.len() < limit)
        .ok_or_else(|| SignatureError::TooManyStates { limit, largest: largest.1.to_owned() })?;
    automaton.lay_out(signatures.len(), units, generation(signatures), tables);
    for (entry, class) in tables.classes.iter_mut().zip(classes.of) {
        *entry = 2 * class;
    }
    Ok(Size { states: automaton.states.len(), classes: classes.samples.len() })
}

/// A number for the set: another one has another, but for one case in four billion.
fn generation(signatures: &[&Signature]) -> u32 {
    let mut hasher = DefaultHasher::new();
    // Of another version, the same signatures may have other rows.
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    format!("{signatures:?}").hash(&mut hasher);
    hasher.finish() as u32
}

fn first_node(nfa: &mut Nfa, signature: &Signature, number: u16) -> Result<Node, SignatureError> {
    let refuse = |what| SignatureError::Signature { name: signature.name.clone(), what };
    let tree = pattern::tree(&signature.matching, &signature.places).map_err(refuse)?;
    nfa.add(&tree, number).map_err(|too_large| refuse(too_large.to_string()))
}

/// The first nodes of the patterns for each place.
#[derive(Default)]
struct Places {
    start_line: Vec<Node>,
    message: Vec<Node>,
    body: Vec<Node>,
    /// By canonical name.
    headers: Vec<(String, Vec<Node>)>,
}

impl Places {
    fn add(&mut self, signature: &Signature, first: Node) {
        for place in &signature.places {
            match place {
                Place::StartLine => self.start_line.push(first),
                Place::Message => self.message.push(first),
                Place::Body => self.body.push(first),
                Place::Header(name) => self.header(header::canonical(name)).push(first),
            }
        }
    }

    fn header(&mut self, name: &str) -> &mut Vec<Node> {
        let known = self.headers.iter().position(|(known, _)| known.eq_ignore_ascii_case(name));
        let at = known.unwrap_or_else(|| {
            self.headers.push((name.to_owned(), vec![]));
            self.headers.len() - 1
        });
        &mut self.headers[at].1
    }
}

/// Bytes that no state tells apart are one class.
struct Classes {
    of: [u8; 256],
    /// One byte of each.
    samples: Vec<u8>,
}

impl Classes {
    fn new(nfa: &Nfa, names: &Names) -> Self {
        let mut classes = Self { of: [0; 256], samples: vec![] };
        // The bytes that `Names::step` and `Text::feed` look at.
        let blanks = ByteSet::from_iter(b" \t".iter().copied());
        classes.split(blanks);
        for byte in *b"\r\n:" {
            classes.split(ByteSet::from_iter([byte]));
        }
        classes.split((0..=b' ').collect());
        classes.split((b'0'..=b'9').collect());
        for byte in names.bytes() {
            classes.split(ByteSet::from_iter([byte, byte.to_ascii_uppercase()]));
        }
        for mut set in nfa.byte_sets() {
            // In patterns, a space stands for every blank.
            if set.has(b' ') {
                set.add(b'\t');
            }
            classes.split(set);
        }
        for class in 0..=classes.of.iter().copied().max().unwrap_or_default() {
            // The space before the other blank of its class, because patterns have it.
            let mut bytes = std::iter::once(b' ').chain(0..=u8::MAX);
            classes.samples.extend(bytes.find(|byte| classes.of[*byte as usize] == class));
        }
        classes
    }

    /// Splits each class that lies partly in `set`.
    fn split(&mut self, set: ByteSet) {
        let mut renamed = HashMap::new();
        for (byte, class) in (0..=u8::MAX).zip(&mut self.of) {
            let fresh = renamed.len() as u8;
            *class = *renamed.entry((*class, set.has(byte))).or_insert(fresh);
        }
    }

    fn class(&self, byte: u8) -> usize {
        self.of[byte as usize] as usize
    }
}

/// The state of the patterns in a text whose blanks are normalised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Text {
    /// Only blanks so far.
    Lead(Set),
    Inside(Set),
    /// In blanks. They count as a space if more follows; they count as nothing if the value ends.
    Gap {
        after: Set,
        found_at_end: Option<u16>,
    },
}

impl Text {
    /// No pattern can match.
    const NONE: Self = Self::Inside(Set::EMPTY);

    fn start(sets: &mut Sets<'_>, group: Group) -> Self {
        Self::Lead(sets.start(group)).settled()
    }

    /// The text after `byte`, and what is found by it.
    fn feed(self, sets: &mut Sets<'_>, classes: &Classes, byte: u8) -> (Self, Option<u16>) {
        if is_blank(byte) {
            let Self::Inside(set) = self else { return (self, None) };
            let after = sets.step(set, classes.class(b' '));
            return (Self::Gap { after, found_at_end: sets.found_at_end(set) }.settled(), None);
        }
        let (set, waiting) = match self {
            Self::Lead(set) | Self::Inside(set) => (set, None),
            Self::Gap { after, .. } => (after, sets.found(after)),
        };
        let set = sets.step(set, classes.class(byte));
        (Self::Inside(set), first(waiting, sets.found(set)))
    }

    /// The signature that is found if the text ends here.
    fn found_at_end(self, sets: &Sets<'_>) -> Option<u16> {
        match self {
            Self::Lead(set) | Self::Inside(set) => sets.found_at_end(set),
            Self::Gap { found_at_end, .. } => found_at_end,
        }
    }

    /// Fewer states: nothing is to be told apart where nothing can be found.
    fn settled(self) -> Self {
        match self {
            Self::Lead(Set::EMPTY) | Self::Gap { after: Set::EMPTY, found_at_end: None } => Self::NONE,
            other => other,
        }
    }
}

fn first(one: Option<u16>, other: Option<u16>) -> Option<u16> {
    one.into_iter().chain(other).min()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct State {
    position: Position,
    value: Text,
    message: Text,
    /// Requests are; of responses only the framing matters.
    judged: bool,
}

/// Where a byte leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Dead,
    State(usize),
    Found(u16),
}

struct Automaton {
    states: Vec<State>,
    /// By state, then class.
    targets: Vec<Vec<Target>>,
    /// A walk may begin at a header's line.
    lines: bool,
}

/// The nodes that may begin a match, by where they may.
struct Groups {
    start_line: Group,
    message: Group,
    body: Group,
    headers: Vec<Group>,
}

struct Explorer<'a> {
    sets: Sets<'a>,
    groups: Groups,
    names: &'a Names,
    classes: &'a Classes,
    states: Vec<State>,
    known: HashMap<State, usize>,
}

const REQUEST: usize = 0;
const RESPONSE: usize = 1;
/// Only where no signature looks at the whole message.
const LINE: usize = 2;

impl Automaton {
    /// All states that requests and responses can reach; `None` if they are more than `limit`.
    fn explore(nfa: &Nfa, names: &Names, places: &Places, classes: &Classes, limit: usize) -> Option<Self> {
        let mut sets = Sets::new(nfa, &classes.samples);
        let groups = Groups {
            start_line: sets.group(places.start_line.clone()),
            message: sets.group(places.message.clone()),
            body: sets.group(places.body.clone()),
            headers: places.headers.iter().map(|(_, firsts)| sets.group(firsts.clone())).collect(),
        };
        let mut explorer = Explorer { sets, groups, names, classes, states: vec![], known: HashMap::new() };
        let message = Text::start(&mut explorer.sets, explorer.groups.message);
        let request = State { position: Position::Before, value: Text::NONE, message, judged: true };
        let response = State { message: Text::NONE, judged: false, ..request };
        assert_eq!([explorer.number(request), explorer.number(response)], [REQUEST, RESPONSE]);
        let lines = message == Text::NONE;
        if lines {
            let line = State { position: Position::Break(Number::No), ..request };
            assert_eq!(explorer.number(line), LINE);
        }
        let mut targets = vec![];
        while let Some(state) = explorer.states.get(targets.len()).copied() {
            if explorer.states.len() > limit {
                return None;
            }
            targets.push(classes.samples.iter().map(|byte| explorer.target(state, *byte)).collect());
        }
        Some(Self { states: explorer.states, targets, lines })
    }
}

impl Explorer<'_> {
    fn number(&mut self, state: State) -> usize {
        let fresh = self.states.len();
        let number = *self.known.entry(state).or_insert(fresh);
        if number == fresh {
            self.states.push(state);
        }
        number
    }

    fn target(&mut self, state: State, byte: u8) -> Target {
        let (position, meaning) = self.names.step(state.position, byte);
        if position == Position::Before {
            return Target::State(self.number(state));
        }
        let (message, in_message) = state.message.feed(&mut self.sets, self.classes, byte);
        let (value, in_value) = self.value(state, meaning, byte);
        if let Some(signature) = first(in_message, in_value) {
            return Target::Found(signature);
        }
        if position == Position::Body && value == Text::NONE && message == Text::NONE {
            return Target::Dead;
        }
        Target::State(self.number(State { position, value, message, judged: state.judged }))
    }

    /// The value after `byte`, and what is found in it.
    fn value(&mut self, state: State, meaning: Meaning, byte: u8) -> (Text, Option<u16>) {
        match meaning {
            Meaning::More => state.value.feed(&mut self.sets, self.classes, byte),
            Meaning::StartLine => {
                self.begin(state, Some(self.groups.start_line)).feed(&mut self.sets, self.classes, byte)
            }
            Meaning::ValueOver => (Text::NONE, state.value.found_at_end(&self.sets)),
            Meaning::HeadersOver => {
                (self.begin(state, Some(self.groups.body)), state.value.found_at_end(&self.sets))
            }
            Meaning::Value(header) => {
                let group = header.map(|header| self.groups.headers[header]);
                (self.begin(state, group), None)
            }
        }
    }

    fn begin(&mut self, state: State, group: Option<Group>) -> Text {
        match group {
            Some(group) if state.judged => Text::start(&mut self.sets, group),
            _ => Text::NONE,
        }
    }
}

/// The order of rows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Zone {
    Ordinary,
    Body,
    Credentials,
    Digit,
}

const fn zone(state: &State) -> Zone {
    match state.position {
        Position::BodyStart => Zone::Body,
        Position::Value(Number::Credentials) => Zone::Credentials,
        Position::Value(Number::Digit) => Zone::Digit,
        _ => Zone::Ordinary,
    }
}

impl Automaton {
    fn lay_out(&self, signatures: usize, units: usize, generation: u32, tables: &mut Signatures) {
        let mut order: Vec<usize> = (0..self.states.len()).collect();
        order.sort_by_key(|number| zone(&self.states[*number]));
        let mut row_of = vec![0; order.len()];
        for (place, number) in order.iter().enumerate() {
            row_of[*number] = row(1 + place, units);
        }
        let first = |zone_start| {
            row(1 + order.partition_point(|number| zone(&self.states[*number]) < zone_start), units)
        };
        let accept = row(1 + order.len(), units);
        let found = |signature: u16| accept + (signature << units.trailing_zeros());
        tables.head = SignatureHead {
            count: signatures as u16,
            request: row_of[REQUEST],
            response: row_of[RESPONSE],
            line: if self.lines { row_of[LINE] } else { 0 },
            body: first(Zone::Body),
            credentials: first(Zone::Credentials),
            digit: first(Zone::Digit),
            accept,
            accept_shift: units.trailing_zeros() as u16,
            reserved: 0,
            generation,
        };
        for (targets, row) in self.targets.iter().zip(&row_of) {
            let entries = &mut tables.rows[*row as usize * ROW_UNIT..];
            for (entry, target) in entries.iter_mut().zip(targets) {
                *entry = match target {
                    Target::Dead => 0,
                    Target::State(number) => row_of[*number],
                    Target::Found(signature) => found(*signature),
                };
            }
        }
        for signature in 0..signatures as u16 {
            let row = found(signature);
            tables.rows[row as usize * ROW_UNIT..][..units * ROW_UNIT].fill(row);
        }
    }
}

/// The row of the state that is `place`-th in order, in units; the caller has checked that it fits.
const fn row(place: usize, units: usize) -> u16 {
    (place * units) as u16
}
