//! What became of the members of one event: told by the decoder, for [`super::shapes`] to learn from.

use super::sent::Form;
use logstrata_engine::{Kind, Level};
use std::ops::Range;

/// Where a field's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// A leaf, by its place among them.
    Leaf(usize),
    /// The same for every event that looks like this one.
    Constant(Kind, Box<[u8]>),
}

/// A member's value that is no object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leaf {
    /// Where it stands in the object's text.
    pub(super) raw: Range<usize>,
    /// The alias that its name is.
    pub(super) alias: Option<u8>,
}

/// The members of an event, and the fields that were made of them.
#[derive(Debug, Default)]
pub(super) struct Trace {
    /// Where the object's text lies.
    base: usize,
    /// In the order of the text.
    pub(super) leaves: Vec<Leaf>,
    /// The fields by column name, in their order.
    pub(super) fields: Vec<(String, Source)>,
    /// How the time was sent, if it was.
    pub(super) time: Option<Form<'static>>,
    pub(super) level: Level,
    /// The event has something that other values in its place would not have.
    pub(super) is_peculiar: bool,
}

impl Trace {
    /// Forgets the event before.
    pub(super) fn begin(&mut self, text: &str) {
        self.base = text.as_ptr().addr();
        self.leaves.clear();
        self.fields.clear();
        self.time = None;
        self.is_peculiar = false;
    }

    /// Takes a leaf, a part of the object's text.
    pub(super) fn leaf(&mut self, raw: &str, alias: Option<usize>) {
        // Of an object without members others may have some.
        self.is_peculiar |= raw.starts_with('{');
        let raw = self.place(raw);
        // There are fewer than 255 aliases: asserted beside the table.
        self.leaves.push(Leaf { raw, alias: alias.map(|alias| alias as u8) });
    }

    /// Takes a field whose value is a leaf.
    pub(super) fn field(&mut self, name: &str, raw: &str) {
        let raw = self.place(raw);
        match self.leaves.iter().rposition(|leaf| leaf.raw == raw) {
            Some(leaf) => self.fields.push((name.to_owned(), Source::Leaf(leaf))),
            None => self.is_peculiar = true,
        }
    }

    /// Takes a field that other events of this shape have as well.
    pub(super) fn constant(&mut self, name: &str, kind: Kind, text: &[u8]) {
        self.fields.push((name.to_owned(), Source::Constant(kind, text.into())));
    }

    fn place(&self, raw: &str) -> Range<usize> {
        let start = raw.as_ptr().addr().wrapping_sub(self.base);
        start..start.wrapping_add(raw.len())
    }
}
