//! A filter made ready to run, and its evaluation on a table.

use super::ast::{Filter, Leaf};
use super::matcher::{Judge, Matcher, level_mask};
use super::selection::Selection;
use super::table::{NumberCounts, Table};
use crate::error::Result;
use crate::field;
use crate::index::{self, BlockIndex, Need, Term};
use crate::scan::Interrupt;
use crate::trace::{Operator, PassTrace};
use std::sync::Arc;

/// Bit per [`crate::Level`] code: every level.
const ALL_LEVELS: u8 = 0b111_1110;

/// A filter made ready to run.
#[derive(Debug)]
pub(crate) struct Plan {
    root: Node,
    /// What a block must hold to be worth reading.
    pub(crate) need: Need,
    /// Whether an index can tell anything, of the whole or of a part.
    pub(crate) uses_index: bool,
    /// The levels that matching events can have, as bits of their codes.
    pub(crate) levels: u8,
    /// Is told what is done, if somebody asks.
    pub(crate) trace: Option<Arc<PassTrace>>,
    interrupt: Interrupt,
}

#[derive(Debug)]
enum Node {
    All,
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    /// The level is one of these.
    Levels(u8),
    /// A field passes, in frames that have what that needs.
    Field(FieldTest, Need),
    /// Any field but level and timestamp.
    Anywhere(Judge, Need),
    /// A test whose work is told.
    Watched(Box<Node>, Arc<Operator>),
}

/// A test of one field.
#[derive(Debug)]
pub(crate) struct FieldTest {
    /// The field, by the name that people type.
    pub(crate) name: String,
    pub(crate) judge: Judge,
}

impl Plan {
    pub(crate) fn new(filter: &Filter) -> Self {
        Self::of_query(filter, None, Interrupt::default())
    }

    /// The same as a part of a query, which may end in between. Each test tells what it does, if somebody
    /// asks.
    pub(crate) fn of_query(
        filter: &Filter,
        trace: Option<Arc<PassTrace>>,
        interrupt: Interrupt,
    ) -> Self {
        let root = Node::new(filter, trace.as_deref(), &interrupt);
        let levels = root.levels();
        let uses_index = root.uses_index();
        Self { root, need: index::need(filter), uses_index, levels, trace, interrupt }
    }

    /// Runs what takes in so many rows that match.
    pub(crate) fn takes_in<T>(&self, name: &str, rows: usize, work: impl FnOnce() -> T) -> T {
        match &self.trace {
            Some(trace) => trace.takes_in(name, rows, work),
            None => work(),
        }
    }

    /// A part of the pass has ended.
    pub(crate) fn phase(&self, name: &'static str) {
        if let Some(trace) = &self.trace {
            trace.phase(name);
        }
    }

    /// Whether every event matches.
    pub(crate) fn matches_all(&self) -> bool {
        matches!(self.root, Node::All)
    }

    /// Whether the level alone decides.
    pub(crate) fn decided_by_level(&self) -> bool {
        matches!(self.root.bare(), Node::All | Node::Levels(_))
    }

    /// Whether an event matches if it has a field, whatever its value, and only then.
    pub(crate) fn wants_only_field(&self, name: &str) -> bool {
        match self.root.bare() {
            Node::Field(test, _) => test.name == name && matches!(test.judge.matcher, Matcher::Any),
            _ => false,
        }
    }

    /// Whether an event of a level that can match does if it has a field, whatever its value, and only then:
    /// `Some(true)`; `Some(false)` if it does anyway.
    pub(crate) fn wants_at_most_field(&self, name: &str) -> Option<bool> {
        fn wants(node: &Node, name: &str) -> Option<bool> {
            match node.bare() {
                Node::All | Node::Levels(_) => Some(false),
                Node::Field(test, _) => {
                    let is_it = test.name == name && matches!(test.judge.matcher, Matcher::Any);
                    is_it.then_some(true)
                }
                Node::And(nodes) => {
                    nodes.iter().try_fold(false, |any, node| Some(any | wants(node, name)?))
                }
                Node::Or(_) | Node::Not(_) | Node::Anywhere(..) | Node::Watched(..) => None,
            }
        }
        wants(&self.root, name)
    }

    /// The number of a table's rows that match, if they need not be looked at one by one.
    pub(crate) fn known_count(&self, table: &dyn Table, index: &BlockIndex) -> Result<Option<u64>> {
        self.interrupt.check()?;
        let known = match self.root.bare() {
            Node::Field(_, need) | Node::Anywhere(_, need) if need.frames(index) == 0 => Some(0),
            Node::Field(test, _) => table.known_count(Some(&test.name), &test.judge)?,
            Node::Anywhere(judge, _) => table.known_count(None, judge)?,
            _ => None,
        };
        self.interrupt.outcome()?;
        Ok(known)
    }

    /// The same by the value of a field; `Some(None)` if none matches.
    pub(crate) fn known_numbers(
        &self,
        table: &dyn Table,
        index: &BlockIndex,
        by: &str,
    ) -> Result<Option<Option<NumberCounts>>> {
        self.interrupt.check()?;
        let known = match self.root.bare() {
            Node::Field(_, need) | Node::Anywhere(_, need) if need.frames(index) == 0 => Some(None),
            Node::Field(test, _) => {
                table.known_numbers(Some(&test.name), &test.judge, by)?.map(Some)
            }
            Node::Anywhere(judge, _) => table.known_numbers(None, judge, by)?.map(Some),
            _ => None,
        };
        self.interrupt.outcome()?;
        Ok(known)
    }

    /// Every term that an index may be asked for; some more than once.
    pub(crate) fn terms(&self) -> Vec<&Term> {
        let mut terms = Vec::new();
        self.need.for_each_term(&mut |term| terms.push(term));
        self.root.terms(&mut terms);
        terms
    }

    /// The rows of `candidates` that match; `index` is what is known of the table.
    pub(crate) fn evaluate(
        &self,
        table: &dyn Table,
        index: &BlockIndex,
        mut candidates: Selection,
    ) -> Result<Selection> {
        candidates.keep_frames(self.need.frames(index));
        let found =
            self.root.evaluate(&On { table, index, interrupt: &self.interrupt }, candidates)?;
        // What was left out since the last check matches nothing (`N2` of interrupts).
        self.interrupt.outcome()?;
        Ok(found)
    }
}

/// What a filter is evaluated on.
struct On<'a> {
    table: &'a dyn Table,
    index: &'a BlockIndex,
    interrupt: &'a Interrupt,
}

impl Node {
    fn new(filter: &Filter, trace: Option<&PassTrace>, interrupt: &Interrupt) -> Self {
        let new = |part: &Filter| Self::new(part, trace, interrupt);
        match filter {
            Filter::All => Self::All,
            Filter::And(parts) => {
                let mut nodes: Vec<_> = parts.iter().map(new).collect();
                nodes.sort_by_key(Self::cost);
                Self::And(nodes)
            }
            Filter::Or(parts) => Self::Or(parts.iter().map(new).collect()),
            Filter::Not(inner) => Self::Not(Box::new(new(inner))),
            Filter::Leaf(leaf) => match trace {
                Some(trace) => {
                    let node = Box::new(Self::leaf(leaf, interrupt));
                    Self::Watched(node, trace.filter(leaf.to_string()))
                }
                None => Self::leaf(leaf, interrupt),
            },
        }
    }

    /// The test itself, if its work is told.
    fn bare(&self) -> &Self {
        match self {
            Self::Watched(node, _) => node,
            node => node,
        }
    }

    fn leaf(leaf: &Leaf, interrupt: &Interrupt) -> Self {
        let need = index::need(&Filter::Leaf(leaf.clone()));
        let Some(field) = &leaf.field else {
            return Self::Anywhere(Judge::new(Matcher::of_query(leaf, interrupt)), need);
        };
        if field.name == "level" {
            return Self::Levels(level_mask(&leaf.test));
        }
        // An attribute that was sent as `id` is kept as `_id`: `id` is the event's own.
        let name = if field.name == "id" { "_id".to_owned() } else { field.name.clone() };
        let judge = Judge::new(Matcher::of_query(leaf, interrupt));
        Self::Field(FieldTest { name, judge }, need)
    }

    /// What is tested first narrows what the others have to look at.
    fn cost(&self) -> u8 {
        match self.bare() {
            Self::All | Self::Levels(_) => 0,
            Self::Field(test, _) if field::is_exact(&test.name) => 1,
            Self::Field(test, _) if test.name != "message" => 2,
            Self::And(_) | Self::Or(_) | Self::Not(_) => 3,
            Self::Field(..) => 4,
            Self::Anywhere(..) | Self::Watched(..) => 5,
        }
    }

    fn uses_index(&self) -> bool {
        match self {
            Self::All | Self::Levels(_) => false,
            Self::And(nodes) | Self::Or(nodes) => nodes.iter().any(Self::uses_index),
            Self::Not(inner) => inner.uses_index(),
            Self::Field(_, need) | Self::Anywhere(_, need) => *need != Need::Nothing,
            Self::Watched(node, _) => node.uses_index(),
        }
    }

    fn terms<'a>(&'a self, to: &mut Vec<&'a Term>) {
        match self {
            Self::All | Self::Levels(_) => {}
            Self::And(nodes) | Self::Or(nodes) => nodes.iter().for_each(|node| node.terms(to)),
            Self::Not(inner) => inner.terms(to),
            Self::Field(_, need) | Self::Anywhere(_, need) => {
                need.for_each_term(&mut |term| to.push(term));
            }
            Self::Watched(node, _) => node.terms(to),
        }
    }

    fn levels(&self) -> u8 {
        match self {
            Self::Levels(mask) => *mask,
            Self::And(nodes) => nodes.iter().fold(ALL_LEVELS, |mask, node| mask & node.levels()),
            Self::Or(nodes) => nodes.iter().fold(0, |mask, node| mask | node.levels()),
            Self::Not(inner) => match inner.bare() {
                Self::Levels(mask) => ALL_LEVELS & !mask,
                _ => ALL_LEVELS,
            },
            Self::All | Self::Field(..) | Self::Anywhere(..) => ALL_LEVELS,
            Self::Watched(node, _) => node.levels(),
        }
    }

    /// The candidates that match. A term is looked for only in the frames that may hold it: in
    /// `a OR b`, blocks that have only `a` are not searched for `b`.
    fn evaluate(&self, on: &On<'_>, mut candidates: Selection) -> Result<Selection> {
        let On { table, index, interrupt } = on;
        if candidates.is_empty() {
            return Ok(candidates);
        }
        match self {
            Self::All => Ok(candidates),
            Self::And(nodes) => {
                nodes.iter().try_fold(candidates, |left, node| node.evaluate(on, left))
            }
            Self::Or(nodes) => {
                let mut found = Selection::none(candidates.rows());
                let mut left = candidates;
                for node in nodes {
                    let more = node.evaluate(on, left.clone())?;
                    left.subtract(&more);
                    found.union(&more);
                }
                Ok(found)
            }
            Self::Not(inner) => {
                let mut left = candidates.clone();
                left.subtract(&inner.evaluate(on, candidates)?);
                Ok(left)
            }
            Self::Levels(mask) => table.with_levels(*mask, candidates),
            Self::Watched(node, operator) => operator.run(
                candidates.count(),
                || node.evaluate(on, candidates),
                |passed| passed.as_ref().map_or(0, Selection::count),
            ),
            Self::Field(test, need) => {
                candidates.keep_frames(need.frames(index));
                if candidates.is_empty() {
                    return Ok(candidates);
                }
                interrupt.check()?;
                table.with_field(test, candidates)
            }
            Self::Anywhere(judge, need) => {
                candidates.keep_frames(need.frames(index));
                if candidates.is_empty() {
                    return Ok(candidates);
                }
                interrupt.check()?;
                table.with_any(judge, candidates)
            }
        }
    }
}

/// The fields that a filter names, as they were typed.
pub(crate) fn fields_named(filter: &Filter) -> Vec<&str> {
    let mut names = Vec::new();
    for_each_leaf(filter, &mut |leaf| names.extend(leaf.field.iter().map(|field| &*field.name)));
    names
}

/// Visits every test.
pub(crate) fn for_each_leaf<'f>(filter: &'f Filter, visit: &mut impl FnMut(&'f Leaf)) {
    match filter {
        Filter::All => {}
        Filter::And(parts) | Filter::Or(parts) => {
            parts.iter().for_each(|part| for_each_leaf(part, visit));
        }
        Filter::Not(inner) => for_each_leaf(inner, visit),
        Filter::Leaf(leaf) => visit(leaf),
    }
}
