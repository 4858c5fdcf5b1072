//! Sets of pattern nodes, made when first reached: the subset construction over normalised text.

use std::collections::{HashMap, HashSet};

use super::{
    byte_set::ByteSet,
    nfa::{Edge, Nfa, Node},
};

/// A set of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Set(u32);

impl Set {
    /// Nothing can match any more.
    pub(super) const EMPTY: Self = Self(0);
}

/// Patterns that are looked for in the same places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Group(u32);

/// The entry of a set's members for "the patterns of group n may also begin here": one number in place of
/// hundreds of first nodes.
const ANYWHERE: Node = 1 << 31;

#[derive(Debug)]
struct Patterns {
    firsts: Vec<Node>,
    /// By class: where the patterns that begin with it are after it.
    restarts: Vec<Vec<Node>>,
}

#[derive(Debug)]
struct Row {
    members: Box<[Node]>,
    found: Option<u16>,
    found_at_end: Option<u16>,
    /// By class, as far as known.
    next: Vec<Option<Set>>,
}

#[derive(Debug)]
pub(super) struct Sets<'a> {
    nfa: &'a Nfa,
    /// A byte of each class.
    samples: &'a [u8],
    groups: Vec<Patterns>,
    rows: Vec<Row>,
    known: HashMap<Box<[Node]>, Set>,
}

/// Which assertions hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Where {
    Start,
    Inside,
    End,
}

impl<'a> Sets<'a> {
    pub(super) fn new(nfa: &'a Nfa, samples: &'a [u8]) -> Self {
        let mut sets = Self { nfa, samples, groups: vec![], rows: vec![], known: HashMap::new() };
        let empty = sets.intern(vec![]);
        debug_assert_eq!(empty, Set::EMPTY);
        sets
    }

    /// A group of patterns by their first nodes.
    pub(super) fn group(&mut self, firsts: Vec<Node>) -> Group {
        if let Some(same) = self.groups.iter().position(|group| group.firsts == firsts) {
            return Group(same as u32);
        }
        let inside = self.closure(&firsts, Where::Inside);
        let restarts = self.samples.iter().map(|sample| self.after(&inside, *sample)).collect();
        self.groups.push(Patterns { firsts, restarts });
        Group(self.groups.len() as u32 - 1)
    }

    /// The set at the start of a value.
    pub(super) fn start(&mut self, group: Group) -> Set {
        let patterns = &self.groups[group.0 as usize];
        let mut members = self.closure(&patterns.firsts, Where::Start);
        if patterns.restarts.iter().any(|restart| !restart.is_empty()) {
            members.push(ANYWHERE | group.0);
        }
        self.intern(members)
    }

    /// The set after a byte of `class`.
    pub(super) fn step(&mut self, set: Set, class: usize) -> Set {
        let row = &self.rows[set.0 as usize];
        if let Some(next) = row.next[class] {
            return next;
        }
        let mut members = self.after(&row.members, self.samples[class]);
        for member in row.members.iter().filter(|member| **member & ANYWHERE != 0) {
            members.push(*member);
            members.extend(&self.groups[(member & !ANYWHERE) as usize].restarts[class]);
        }
        let next = self.intern(members);
        self.rows[set.0 as usize].next[class] = Some(next);
        next
    }

    /// The first signature that is found in `set`.
    pub(super) fn found(&self, set: Set) -> Option<u16> {
        self.rows[set.0 as usize].found
    }

    /// The first signature that is found if the value ends here.
    pub(super) fn found_at_end(&self, set: Set) -> Option<u16> {
        self.rows[set.0 as usize].found_at_end
    }

    fn intern(&mut self, mut members: Vec<Node>) -> Set {
        members.sort_unstable();
        members.dedup();
        let members = members.into_boxed_slice();
        if let Some(set) = self.known.get(&members) {
            return *set;
        }
        let row = Row {
            found: self.first_match(&members),
            found_at_end: self.first_match(&self.closure(&members, Where::End)),
            next: vec![None; self.samples.len()],
            members: members.clone(),
        };
        let set = Set(self.rows.len() as u32);
        self.rows.push(row);
        self.known.insert(members, set);
        set
    }

    fn first_match(&self, members: &[Node]) -> Option<u16> {
        let patterns = members.iter().filter(|member| **member & ANYWHERE == 0);
        patterns
            .filter_map(|node| match self.nfa.edge(*node) {
                Edge::Match(signature) => Some(*signature),
                _ => None,
            })
            .min()
    }

    /// Where the members are after `byte`.
    fn after(&self, members: &[Node], byte: u8) -> Vec<Node> {
        let takes = |set: &ByteSet| set.has(byte);
        let targets: Vec<Node> = members
            .iter()
            .filter(|member| **member & ANYWHERE == 0)
            .filter_map(|node| match self.nfa.edge(*node) {
                Edge::Byte(set, next) if takes(set) => Some(*next),
                _ => None,
            })
            .collect();
        self.closure(&targets, Where::Inside)
    }

    /// The nodes that `from` reaches without a byte and that something can come of.
    fn closure(&self, from: &[Node], at: Where) -> Vec<Node> {
        let mut reached: Vec<Node> = vec![];
        let mut open: Vec<Node> = from.iter().copied().filter(|node| node & ANYWHERE == 0).collect();
        let mut splits = HashSet::new();
        while let Some(node) = open.pop() {
            match self.nfa.edge(node) {
                Edge::Byte(..) | Edge::Match(_) => reached.push(node),
                Edge::Split(nexts) => {
                    if splits.insert(node) {
                        open.extend(nexts);
                    }
                }
                Edge::Start(next) if at == Where::Start => open.push(*next),
                Edge::Start(_) => {}
                Edge::End(next) if at == Where::End => open.push(*next),
                Edge::End(_) => reached.push(node),
            }
        }
        reached
    }
}
