//! Events of a known shape: the same fields in the same order. They are filed from where their
//! values lie, without a copy of them and without looking for any name.

use super::builder::{BatchBuilder, PartBuilder};
use crate::error::Result;
use crate::event::{Level, Value};
use crate::retention::ClassIndex;
use crate::timestamp::Timestamp;

/// The fields of events that look alike, as one [`BatchBuilder`] knows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape(usize);

/// The column names of a shape, in the order of an event's fields.
#[derive(Debug)]
pub(super) struct ShapeNames {
    names: Box<[Box<str>]>,
    bytes: usize,
    /// Whether a rule of retention looks at any of them.
    is_looked_at: bool,
}

impl BatchBuilder {
    /// Makes a shape known: events that have these fields, by column name, in this order. `None` if
    /// a name is there twice; such events are built field by field.
    pub fn shape(&mut self, names: &[&str]) -> Option<Shape> {
        let same =
            |known: &ShapeNames| known.names.iter().map(|name| &**name).eq(names.iter().copied());
        if let Some(known) = self.shapes.iter().position(same) {
            return Some(Shape(known));
        }
        let mut sorted = names.to_vec();
        sorted.sort_unstable();
        if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
            return None;
        }
        let classifier = self.policy.classifier();
        self.shapes.push(ShapeNames {
            names: names.iter().map(|name| Box::from(*name)).collect(),
            bytes: names.iter().map(|name| name.len()).sum(),
            is_looked_at: names.iter().any(|name| classifier.looks_at(name)),
        });
        Some(Shape(self.shapes.len() - 1))
    }

    /// Files an event of a shape of this builder, `values` in the order of the shape's names: as if
    /// it were built field by field. Without a time it is of the arrival's.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Invalid`] if the event is larger than `event_bytes_max`; it leaves
    /// nothing then.
    pub fn push<'v, I>(
        &mut self,
        Shape(shape): Shape,
        timestamp: Option<Timestamp>,
        level: Level,
        values: I,
    ) -> Result<()>
    where
        I: ExactSizeIterator<Item = Value<'v>> + Clone,
    {
        let known = &self.shapes[shape];
        assert_eq!(values.len(), known.names.len(), "one value a name");
        self.check_size(known.bytes + values.clone().map(|value| value.text.len()).sum::<usize>())?;
        let timestamp = timestamp.unwrap_or(self.arrival.at);
        let class = self.class_of_shape(shape, level, values.clone());
        let place = self.part(class, timestamp);
        let part = &mut self.parts[place];
        self.columns += part.learn(shape, &self.shapes[shape].names);
        let row = part.begin(self.rows, timestamp, level);
        for (column, value) in part.shapes[shape].iter().zip(values) {
            part.rows.columns[*column as usize].push(row, value);
        }
        self.rows += 1;
        Ok(())
    }

    fn class_of_shape<'v>(
        &self,
        shape: usize,
        level: Level,
        values: impl Iterator<Item = Value<'v>> + Clone,
    ) -> ClassIndex {
        let classifier = self.policy.classifier();
        let known = &self.shapes[shape];
        if !known.is_looked_at {
            return classifier.plain(level);
        }
        classifier.class(level, || {
            let fields = known.names.iter().zip(values.clone());
            fields.map(|(name, value)| (&**name, value))
        })
    }
}

impl PartBuilder {
    /// Finds the columns of a shape, once. Returns how many are new.
    fn learn(&mut self, shape: usize, names: &[Box<str>]) -> usize {
        if self.shapes.len() <= shape {
            self.shapes.resize_with(shape + 1, Box::default);
        }
        if self.shapes[shape].len() == names.len() {
            return 0;
        }
        let before = self.rows.columns.len();
        let mut previous = None;
        let columns = names.iter().map(|name| {
            let column = self.column(previous, name);
            previous = Some(column);
            column as u32
        });
        self.shapes[shape] = columns.collect();
        self.rows.columns.len() - before
    }
}
