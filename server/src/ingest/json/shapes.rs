//! Events that look like one before: the same text but for the values. Their fields are known, and
//! their values are filed from where they lie.
//!
//! A text is read as values with *glue* between them: braces, keys, colons, commas, spaces. Texts
//! that were decoded member by member (`event.rs`) are kept as paths of a tree over their glue. A
//! text on such a path is an object with the same keys in the same order, whatever its values are.
//!
//! `P1`: an event is filed here exactly as `event.rs` would file it. Whatever could differ (a value
//! that does not fit its field, a level or a form of time that was not seen with this glue, an
//! event that is too large) is left to it, and so are all errors.
//! `P2`: the tree is bounded, whatever is sent: once it is full, nothing more is learned.

use super::event::{DEPTH_MAX, FIELD_DEPTH_MAX, TimeRead};
use super::lexeme::nesting;
use super::minute::Minute;
use super::scan::{self, Span};
use super::sent::Form;
use super::slots::fits;
use super::trace::{Leaf, Source, Trace};
use crate::ingest::fields::{ALIASES, Slot, Takes};
use logstrata_engine::{BatchBuilder, Level, Shape, Value};

/// Places between values that are known.
const NODES_MAX: usize = 512;
/// Ways in which events of the paths are filed.
const VARIANTS_MAX: usize = 128;
/// Events that are traced: senders whose events never look alike shall not pay for it.
const TRACES_MAX: usize = 512;
/// What may follow one value.
const BRANCHES_MAX: usize = 16;
/// Values of an event.
const LEAVES_MAX: usize = 128;
/// The bytes of an event that are not its values, and of the names and notes that they become.
const FIXED_BYTES_MAX: usize = 8 << 10;
/// The bytes of a level.
const LEVEL_BYTES_MAX: usize = 64;

/// The shapes of the events of one batch.
#[derive(Debug)]
pub(super) struct Shapes {
    /// The first is before any value.
    nodes: Vec<Node>,
    variants: usize,
    traces: usize,
    spans: Vec<Span>,
    unescaped: Vec<u8>,
    minute: Minute,
    trace: Trace,
}

/// A value, on the path of those before it.
#[derive(Debug)]
struct Node {
    before: Glue,
    role: Role,
    /// What follows if it is not the last.
    next: Vec<usize>,
    /// What follows if it is.
    ends: Vec<End>,
}

/// What stands between two values.
#[derive(Debug)]
struct Glue {
    bytes: Box<[u8]>,
    /// How many of them are control characters.
    controls: usize,
}

/// What is behind the last value, and the events that ended so.
#[derive(Debug)]
struct End {
    tail: Glue,
    variants: Vec<Variant>,
}

/// What a value has to be for the field that it becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// An attribute: anything.
    Any,
    /// A known field.
    Known(Takes),
    Time,
    Level,
}

/// How events of one path are filed whose levels and forms of time are the same.
#[derive(Debug)]
struct Variant {
    /// As sent.
    level_text: Option<Box<str>>,
    level: Level,
    time: Option<Form<'static>>,
    shape: Shape,
    sources: Box<[Source]>,
}

/// A text that is on a path, by the places of its last value, of what is behind it, and of the
/// values of two fields.
#[derive(Debug, Default)]
struct Walk {
    node: usize,
    end: usize,
    time: Option<usize>,
    level: Option<usize>,
}

impl Default for Shapes {
    fn default() -> Self {
        Self {
            nodes: vec![Node::new("", Role::Any)],
            variants: 0,
            traces: 0,
            spans: Vec::new(),
            unescaped: Vec::new(),
            minute: Minute::default(),
            trace: Trace::default(),
        }
    }
}

impl Shapes {
    /// Files the event of a text that looks like one before. `None` if none does; then nothing is
    /// filed.
    pub(super) fn push(&mut self, text: &str, builder: &mut BatchBuilder) -> Option<TimeRead> {
        let walk = self.walk(text)?;
        let (mut timestamp, mut form) = (None, None);
        if let Some(time) = walk.time {
            let (time, sent) = self.minute.time(&text[self.spans[time].raw.clone()])?;
            (timestamp, form) = (Some(time), Some(sent));
        }
        let variant = self.variant(&walk, text, form)?;
        let values = variant.sources.iter().map(|source| match source {
            Source::Leaf(leaf) => self.spans[*leaf].value(text, &self.unescaped),
            Source::Constant(kind, text) => Value { kind: *kind, text },
        });
        builder.push(variant.shape, timestamp, variant.level, values).ok()?;
        Some(if timestamp.is_some() { TimeRead::Plain } else { TimeRead::Absent })
    }

    /// Finds the values of a text that is on a path.
    fn walk(&mut self, text: &str) -> Option<Walk> {
        self.spans.clear();
        self.unescaped.clear();
        let mut walk = Walk::default();
        let (mut at, mut controls) = (0, 0);
        loop {
            let rest = &text.as_bytes()[at..];
            let Node { next, ends, .. } = &self.nodes[walk.node];
            if let Some(end) = ends.iter().position(|end| *end.tail.bytes == *rest) {
                walk.end = end;
                controls += ends[end].tail.controls;
                // Those in the glue are all that there may be.
                return (controls == count_controls(text.as_bytes())).then_some(walk);
            }
            let begins = |next: &&usize| begins_with(rest, &self.nodes[**next].before.bytes);
            walk.node = *next.iter().find(begins)?;
            let Node { before, role, .. } = &self.nodes[walk.node];
            at += before.bytes.len();
            controls += before.controls;
            let span = scan::value(text, at, &mut self.unescaped)?;
            let raw = &text[span.raw.clone()];
            at = span.raw.end;
            match role {
                Role::Any if is_deep(raw) => return None,
                Role::Any => {}
                Role::Known(takes) if fits(raw, *takes) => {}
                Role::Known(_) => return None,
                Role::Time => walk.time = Some(self.spans.len()),
                Role::Level => walk.level = Some(self.spans.len()),
            }
            self.spans.push(span);
        }
    }

    /// How the event of a text is filed whose time was sent so.
    fn variant(&self, walk: &Walk, text: &str, time: Option<Form<'static>>) -> Option<&Variant> {
        let level = walk.level.map(|span| &text[self.spans[span].raw.clone()]);
        let is_it =
            |variant: &&Variant| variant.level_text.as_deref() == level && variant.time == time;
        self.nodes[walk.node].ends[walk.end].variants.iter().find(is_it)
    }

    /// What the decoder tells of the next event, unless nothing more is to be learned.
    pub(super) fn trace(&mut self) -> Option<&mut Trace> {
        let has_room = self.nodes.len() < NODES_MAX && self.variants < VARIANTS_MAX;
        if !has_room || self.traces == TRACES_MAX {
            return None;
        }
        self.traces += 1;
        Some(&mut self.trace)
    }

    /// Learns from the event of a text that was traced and filed.
    pub(super) fn learn(&mut self, text: &str, builder: &mut BatchBuilder) {
        if !self.trace.is_peculiar && is_small(&self.trace, text) {
            self.variants += usize::from(self.add(text, builder).is_some());
        }
    }

    fn add(&mut self, text: &str, builder: &mut BatchBuilder) -> Option<()> {
        let Trace { leaves, fields, time, level, .. } = &self.trace;
        let names: Vec<_> = fields.iter().map(|(name, _)| &**name).collect();
        let shape = builder.shape(&names)?;
        let (mut node, mut at, mut level_text) = (0, 0, None);
        for leaf in leaves {
            let role = Role::of(leaf);
            node = branch(&mut self.nodes, node, &text[at..leaf.raw.start], role)?;
            at = leaf.raw.end;
            if role == Role::Level {
                level_text = Some(Box::from(&text[leaf.raw.clone()]));
            }
        }
        let sources = fields.iter().map(|(_, source)| source.clone()).collect();
        let variant = Variant { level_text, level: *level, time: *time, shape, sources };
        self.nodes[node].add(&text[at..], variant)
    }
}

/// The branch of a node with this glue; a new one if there is none and room for it.
fn branch(nodes: &mut Vec<Node>, from: usize, before: &str, role: Role) -> Option<usize> {
    let same = |next: &&usize| *nodes[**next].before.bytes == *before.as_bytes();
    if let Some(known) = nodes[from].next.iter().find(same) {
        return Some(*known);
    }
    if nodes[from].next.len() == BRANCHES_MAX || nodes.len() == NODES_MAX {
        return None;
    }
    nodes.push(Node::new(before, role));
    let place = nodes.len() - 1;
    nodes[from].next.push(place);
    Some(place)
}

impl Node {
    fn new(before: &str, role: Role) -> Self {
        Self { before: Glue::new(before), role, next: Vec::new(), ends: Vec::new() }
    }

    /// Takes a way to file events that end behind this value, unless it is known.
    fn add(&mut self, tail: &str, variant: Variant) -> Option<()> {
        let same = |end: &End| *end.tail.bytes == *tail.as_bytes();
        let Some(known) = self.ends.iter().position(same) else {
            if self.ends.len() == BRANCHES_MAX {
                return None;
            }
            self.ends.push(End { tail: Glue::new(tail), variants: vec![variant] });
            return Some(());
        };
        let variants = &mut self.ends[known].variants;
        let same =
            |other: &Variant| other.level_text == variant.level_text && other.time == variant.time;
        if variants.iter().any(same) {
            return None;
        }
        variants.push(variant);
        Some(())
    }
}

impl Glue {
    fn new(text: &str) -> Self {
        Self { bytes: text.as_bytes().into(), controls: count_controls(text.as_bytes()) }
    }
}

impl Role {
    fn of(leaf: &Leaf) -> Self {
        let Some(alias) = leaf.alias else { return Self::Any };
        let alias = &ALIASES[usize::from(alias)];
        match alias.slot {
            Slot::Timestamp => Self::Time,
            Slot::Level => Self::Level,
            _ => Self::Known(alias.takes),
        }
    }
}

/// Whether what is kept of an event stays within bounds.
fn is_small(trace: &Trace, text: &str) -> bool {
    let values: usize = trace.leaves.iter().map(|leaf| leaf.raw.len()).sum();
    let constant = |source: &Source| match source {
        Source::Leaf(_) => 0,
        Source::Constant(_, text) => text.len(),
    };
    let fields: usize =
        trace.fields.iter().map(|(name, source)| name.len() + constant(source)).sum();
    let mut levels = trace.leaves.iter().filter(|leaf| Role::of(leaf) == Role::Level);
    trace.leaves.len() <= LEAVES_MAX
        && text.len() - values + fields <= FIXED_BYTES_MAX
        && levels.all(|leaf| leaf.raw.len() <= LEVEL_BYTES_MAX)
}

/// Whether an array may be too deep where it stands.
fn is_deep(raw: &str) -> bool {
    raw.starts_with('[') && nesting(raw) > DEPTH_MAX - FIELD_DEPTH_MAX
}

fn begins_with(text: &[u8], glue: &[u8]) -> bool {
    // Short, mostly: words that may overlap. Arrays are compared without a call, slices are not.
    let Some(head) = text.get(..glue.len()) else { return false };
    if let (Some(last), Some(last_of_glue)) = (head.last_chunk::<8>(), glue.last_chunk()) {
        let ((words, _), (of_glue, _)) = (head.as_chunks(), glue.as_chunks::<8>());
        return words.iter().zip(of_glue).all(|(a, b)| a == b) && last == last_of_glue;
    }
    match (head.first_chunk::<4>(), glue.first_chunk()) {
        (Some(first), Some(first_of_glue)) => {
            first == first_of_glue && head.last_chunk::<4>() == glue.last_chunk()
        }
        _ => head.iter().eq(glue),
    }
}

fn count_controls(text: &[u8]) -> usize {
    let is_control = |byte: u8| byte < 0x20;
    // Mostly there is none; this is done many bytes at a time.
    if !text.iter().fold(false, |any, byte| any | is_control(*byte)) {
        return 0;
    }
    text.iter().filter(|byte| is_control(**byte)).count()
}

#[cfg(test)]
mod tests;
