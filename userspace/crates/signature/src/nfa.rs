//! A nondeterministic automaton for all patterns of a set.

use regex_syntax::hir::{Hir, HirKind, Look, Repetition};
use std::fmt;

use super::byte_set::ByteSet;

pub(super) type Node = u32;

/// Where a node leads.
#[derive(Clone, Debug)]
pub(super) enum Edge {
    Byte(ByteSet, Node),
    Split(Vec<Node>),
    /// Only at the value's start.
    Start(Node),
    /// Only at the value's end.
    End(Node),
    /// The signature of that number is found.
    Match(u16),
}

/// One pattern may not have more nodes: a repetition of repetitions.
const PATTERN_MAX: usize = 1024;

#[derive(Clone, Debug, Default)]
pub(super) struct Nfa {
    edges: Vec<Edge>,
}

/// The pattern has more than [`PATTERN_MAX`] nodes.
#[derive(Debug)]
pub(super) struct TooLarge;

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it is longer than {PATTERN_MAX} bytes, repetitions written out; shorten it")
    }
}

impl Nfa {
    pub(super) fn edge(&self, node: Node) -> &Edge {
        &self.edges[node as usize]
    }

    pub(super) fn len(&self) -> usize {
        self.edges.len()
    }

    pub(super) fn byte_sets(&self) -> impl Iterator<Item = ByteSet> {
        self.edges.iter().filter_map(|edge| match edge {
            Edge::Byte(set, _) => Some(*set),
            _ => None,
        })
    }

    /// Adds a pattern; the answer is its first node.
    pub(super) fn add(&mut self, tree: &Hir, signature: u16) -> Result<Node, TooLarge> {
        let limit = self.edges.len() + PATTERN_MAX;
        let found = self.push(Edge::Match(signature), limit)?;
        self.tree(tree, found, limit)
    }

    fn push(&mut self, edge: Edge, limit: usize) -> Result<Node, TooLarge> {
        if self.edges.len() >= limit {
            return Err(TooLarge);
        }
        self.edges.push(edge);
        Ok(self.edges.len() as Node - 1)
    }

    /// Nodes for `tree` that go on to `next`.
    fn tree(&mut self, tree: &Hir, next: Node, limit: usize) -> Result<Node, TooLarge> {
        match tree.kind() {
            HirKind::Empty => Ok(next),
            HirKind::Literal(literal) => {
                let bytes = literal.0.iter().rev();
                bytes.copied().try_fold(next, |next, byte| {
                    self.push(Edge::Byte(ByteSet::from_iter([byte]), next), limit)
                })
            }
            HirKind::Class(class) => self.push(Edge::Byte(ByteSet::of_class(class), next), limit),
            HirKind::Look(Look::Start) => self.push(Edge::Start(next), limit),
            // `pattern` refuses all others.
            HirKind::Look(_) => self.push(Edge::End(next), limit),
            HirKind::Capture(capture) => self.tree(&capture.sub, next, limit),
            HirKind::Concat(parts) => {
                parts.iter().rev().try_fold(next, |next, part| self.tree(part, next, limit))
            }
            HirKind::Alternation(branches) => {
                let branches: Result<_, _> =
                    branches.iter().map(|branch| self.tree(branch, next, limit)).collect();
                self.push(Edge::Split(branches?), limit)
            }
            HirKind::Repetition(repetition) => self.repetition(repetition, next, limit),
        }
    }

    fn repetition(&mut self, repetition: &Repetition, next: Node, limit: usize) -> Result<Node, TooLarge> {
        let mut first = next;
        match repetition.max {
            None => {
                let head = self.push(Edge::Split(vec![]), limit)?;
                let body = self.tree(&repetition.sub, head, limit)?;
                self.edges[head as usize] = Edge::Split(vec![body, next]);
                first = head;
            }
            Some(max) => {
                for _ in repetition.min..max {
                    let body = self.tree(&repetition.sub, first, limit)?;
                    first = self.push(Edge::Split(vec![body, next]), limit)?;
                }
            }
        }
        for _ in 0..repetition.min {
            first = self.tree(&repetition.sub, first, limit)?;
        }
        Ok(first)
    }
}
