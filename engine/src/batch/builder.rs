//! Builds a batch event by event: decoders push fields, the builder files the event under its
//! partition.

use super::rows::{RowColumn, Rows};
use super::shape::ShapeNames;
use super::{Batch, Part};
use crate::error::{Error, Result};
use crate::event::{Kind, Level, Value};
use crate::field;
use crate::limits::{BATCH_PARTS_MAX, Limits};
use crate::partition::{Arrival, DEFAULT_TENANT, PartitionKey};
use crate::retention::{ClassClock, ClassIndex, Policy};
use crate::timestamp::{Day, Timestamp};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// Builds a [`Batch`] event by event.
#[derive(Debug)]
pub struct BatchBuilder {
    tenant: Arc<str>,
    pub(super) arrival: Arrival,
    event_bytes_max: usize,
    pub(super) policy: Policy,
    pub(super) rows: u32,
    pub(super) columns: usize,
    pub(super) parts: Vec<PartBuilder>,
    pub(super) shapes: Vec<ShapeNames>,
    part_places: HashMap<(Day, ClassIndex), usize>,
    last_part: usize,
    staged: Staged,
}

/// The fields of the event under construction, before it is known where it belongs.
#[derive(Debug, Default)]
struct Staged {
    fields: Vec<StagedField>,
    names: String,
    bytes: Vec<u8>,
    /// Whether a rule of retention looks at any of the fields.
    is_looked_at: bool,
}

#[derive(Debug)]
struct StagedField {
    name: Range<usize>,
    kind: Kind,
    value: Range<usize>,
}

#[derive(Debug)]
pub(super) struct PartBuilder {
    key: PartitionKey,
    class: ClassIndex,
    pub(super) rows: Rows,
    places: HashMap<Arc<str>, usize>,
    /// The column that followed each column in the last event: events of one sender have the same
    /// fields in the same order, so a comparison finds the column that a hash would.
    followers: Vec<usize>,
    /// The last row in which each column's name came again, and how often.
    repetitions: Vec<(u32, usize)>,
    first: usize,
    /// The columns of each shape that an event here had.
    pub(super) shapes: Vec<Box<[u32]>>,
}

/// One event under construction. Dropped without [`EventBuilder::finish`], it leaves nothing.
#[derive(Debug)]
pub struct EventBuilder<'a> {
    batch: &'a mut BatchBuilder,
    /// The event's time; the time of arrival unless set.
    pub timestamp: Timestamp,
    /// The event's level; [`Level::Info`] unless set.
    pub level: Level,
}

impl BatchBuilder {
    /// An empty batch of the default tenant. `arrival` is when its bytes came in.
    pub fn new(limits: &Limits, arrival: impl Into<Arrival>) -> Self {
        Self {
            tenant: DEFAULT_TENANT.into(),
            arrival: arrival.into(),
            event_bytes_max: limits.event_bytes_max,
            policy: limits.retention.clone(),
            rows: 0,
            columns: 0,
            parts: Vec::new(),
            shapes: Vec::new(),
            part_places: HashMap::new(),
            last_part: 0,
            staged: Staged::default(),
        }
    }

    /// Begins the next event.
    pub fn event(&mut self) -> EventBuilder<'_> {
        self.staged.fields.clear();
        self.staged.names.clear();
        self.staged.bytes.clear();
        self.staged.is_looked_at = false;
        let timestamp = self.arrival.at;
        EventBuilder { batch: self, timestamp, level: Level::default() }
    }

    /// The number of events finished so far.
    pub fn len(&self) -> usize {
        self.rows as usize
    }

    /// Whether no event is finished yet.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The columns of all partitions so far: each costs some hundred bytes besides its values.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The bytes that the finished events take in memory.
    pub fn raw_bytes(&self) -> usize {
        self.parts.iter().map(|part| part.rows.raw_bytes()).sum()
    }

    /// Makes room for events to come, if they are like those so far, which took `seen` bytes of
    /// `total` where they came from: columns that grow step by step are copied at each.
    pub fn expect(&mut self, seen: usize, total: usize) {
        self.parts.iter_mut().for_each(|part| part.rows.expect(seen, total));
    }

    /// The batch of all finished events, in the order in which they were finished.
    pub fn build(self) -> Batch {
        let mut parts = Vec::with_capacity(self.parts.len());
        for part in self.parts {
            let mut rows = part.rows;
            let count = rows.len();
            rows.columns.iter_mut().for_each(|column| column.finish(count));
            parts.push(Part { key: part.key, rows });
        }
        Batch { rows: self.rows, parts, claim: None }
    }

    /// The class of the event that is under construction (see [`crate::retention`]).
    fn class(&self, level: Level, staged: &Staged) -> ClassIndex {
        let classifier = self.policy.classifier();
        if !staged.is_looked_at {
            return classifier.plain(level);
        }
        classifier.class(level, || {
            staged.fields.iter().map(|field| {
                let text = &staged.bytes[field.value.clone()];
                (&staged.names[field.name.clone()], Value { kind: field.kind, text })
            })
        })
    }

    /// The index of the partition's builder.
    pub(super) fn part(&mut self, class: ClassIndex, timestamp: Timestamp) -> usize {
        let mut day = match self.policy.class(class.into()).clock {
            ClassClock::Event => self.arrival.partition_day(timestamp),
            ClassClock::Arrival => self.arrival.day,
        };
        let is_many = self.parts.len() >= BATCH_PARTS_MAX;
        if is_many && !self.part_places.contains_key(&(day, class)) {
            // A sender of random dates must not open a partition for each.
            day = self.arrival.day;
        }
        let is_it = |part: &PartBuilder| part.key.day == day && part.class == class;
        if !self.parts.get(self.last_part).is_some_and(is_it) {
            self.last_part = *self.part_places.entry((day, class)).or_insert_with(|| {
                let name = Arc::clone(self.policy.classifier().name(class));
                let key = PartitionKey { tenant: Arc::clone(&self.tenant), class: name, day };
                self.parts.push(PartBuilder::new(key, class));
                self.parts.len() - 1
            });
        }
        self.last_part
    }

    pub(super) fn check_size(&self, size: usize) -> Result<()> {
        if size <= self.event_bytes_max {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "the event has {size} bytes, at most {} are allowed",
            self.event_bytes_max
        )))
    }
}

impl EventBuilder<'_> {
    /// Adds a field by its column name (see [`crate::field`]). A name that the event has already
    /// is kept as a repetition.
    pub fn field(&mut self, name: &str, kind: Kind, text: &[u8]) {
        let staged = &mut self.batch.staged;
        let start = staged.names.len();
        staged.names.push_str(name);
        staged.is_looked_at |= self.batch.policy.classifier().looks_at(name);
        let value = staged.bytes.len();
        staged.bytes.extend_from_slice(text);
        staged.fields.push(StagedField {
            name: start..staged.names.len(),
            kind,
            value: value..staged.bytes.len(),
        });
    }

    /// Files the event.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Invalid`] if the event is larger than `event_bytes_max`; it leaves
    /// nothing then.
    pub fn finish(self) -> Result<()> {
        let batch = self.batch;
        let size = batch.staged.bytes.len() + batch.staged.names.len();
        batch.check_size(size)?;
        let staged = std::mem::take(&mut batch.staged);
        let class = batch.class(self.level, &staged);
        let place = batch.part(class, self.timestamp);
        let part = &mut batch.parts[place];
        let row = part.begin(batch.rows, self.timestamp, self.level);
        let columns_before = part.rows.columns.len();
        let mut previous = None;
        for field in &staged.fields {
            let column = part.free_column(previous, &staged.names[field.name.clone()], row);
            let text = &staged.bytes[field.value.clone()];
            part.rows.columns[column].push(row, Value { kind: field.kind, text });
            previous = Some(column);
        }
        batch.columns += part.rows.columns.len() - columns_before;
        batch.rows += 1;
        batch.staged = staged;
        Ok(())
    }
}

impl PartBuilder {
    fn new(key: PartitionKey, class: ClassIndex) -> Self {
        let rows = Rows::default();
        Self {
            key,
            class,
            rows,
            places: HashMap::new(),
            followers: Vec::new(),
            repetitions: Vec::new(),
            first: 0,
            shapes: Vec::new(),
        }
    }

    /// Begins a row, the `offset`-th event of the batch. Returns its number.
    pub(super) fn begin(&mut self, offset: u32, timestamp: Timestamp, level: Level) -> u32 {
        let row = self.rows.len() as u32;
        self.rows.seq_offsets.push(offset);
        self.rows.timestamps.push(timestamp.0);
        self.rows.levels.push(level as u8);
        row
    }

    /// The column of this name, or of its first repetition that the row does not have.
    fn free_column(&mut self, previous: Option<usize>, name: &str, row: u32) -> usize {
        let column = self.column(previous, name);
        if !self.has_value(column, row) {
            return column;
        }
        let (last_row, count) = &mut self.repetitions[column];
        if *last_row != row {
            (*last_row, *count) = (row, 0);
        }
        *count += 1;
        // Only a caller that makes up ordinals of its own needs more than one round.
        let mut ordinal = *count;
        loop {
            let column = self.column(previous, &field::with_ordinal(name, ordinal));
            if !self.has_value(column, row) {
                return column;
            }
            ordinal += 1;
        }
    }

    fn has_value(&self, column: usize, row: u32) -> bool {
        let column = &self.rows.columns[column];
        column.len().checked_sub(1).is_some_and(|last| column.row_of(last) == row)
    }

    pub(super) fn column(&mut self, previous: Option<usize>, name: &str) -> usize {
        let guess = previous.map_or(self.first, |column| self.followers[column]);
        if self.rows.columns.get(guess).is_some_and(|column| &*column.name == name) {
            return guess;
        }
        let column = match self.places.get(name) {
            Some(column) => *column,
            None => {
                let name: Arc<str> = name.into();
                self.rows.columns.push(RowColumn::dense(Arc::clone(&name)));
                self.followers.push(0);
                self.repetitions.push((0, 0));
                self.places.insert(name, self.rows.columns.len() - 1);
                self.rows.columns.len() - 1
            }
        };
        match previous {
            Some(previous) => self.followers[previous] = column,
            None => self.first = column,
        }
        column
    }
}
