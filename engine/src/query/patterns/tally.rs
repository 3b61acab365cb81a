//! Shapes and what was counted of each.
//!
//! - `T1` Every event that was added is counted once: under its shape, or among the others.
//! - `T2` There are at most [`SHAPES_MAX`] shapes, of [`BYTES_MAX`] bytes together.

use super::group::WORD_BYTES;
use super::words::shape_of;
use crate::error::Result;
use crate::pool::{Consumer, Pool, Reservation};
use std::collections::HashMap;
use std::sync::Arc;

/// Equal stretches of time whose events are counted.
pub(super) const BUCKETS: usize = 20;
const SHAPES_MAX: usize = 20_000;
const BYTES_MAX: usize = 16 << 20;
/// Bytes of an example at most.
const EXAMPLE_BYTES_MAX: usize = 512;
/// The memory of shapes is reserved in steps of this.
const STEP_BYTES: usize = 256 << 10;

/// Timestamp and sequence number: what orders events.
pub(super) type Place = (i64, u64);

/// What was counted of a shape.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) count: u64,
    /// Of the range that it is compared with.
    pub(super) before: u64,
    pub(super) first: Option<Place>,
    pub(super) last: Option<Place>,
    /// The message of the last, or its beginning.
    pub(super) example: Vec<u8>,
    /// Where that message is: the number of the table, and the row.
    pub(super) example_at: Option<(u64, usize)>,
    pub(super) trend: [u64; BUCKETS],
}

impl Tally {
    /// Keeps the message of the last event.
    pub(super) fn keep_example(&mut self, message: &[u8]) {
        let len = message.len().min(EXAMPLE_BYTES_MAX);
        self.example.clear();
        self.example.extend_from_slice(&message[..len]);
    }

    /// Counts an event of the range.
    pub(super) fn add(&mut self, place: Place, bucket: usize) {
        self.count += 1;
        self.trend[bucket] += 1;
        self.see(place);
    }

    /// The event is one of it, in whichever range.
    pub(super) fn see(&mut self, place: Place) {
        self.first = Some(self.first.map_or(place, |first| first.min(place)));
        self.last = self.last.max(Some(place));
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.before += other.before;
        if other.last > self.last {
            self.example.clone_from(&other.example);
        }
        other.first.into_iter().chain(other.last).for_each(|place| self.see(place));
        self.trend.iter_mut().zip(other.trend).for_each(|(mine, theirs)| *mine += theirs);
    }
}

/// Stored sentences whose shapes are remembered, and their bytes.
const SENTENCES_MAX: usize = 20_000;
const SENTENCES_BYTES_MAX: usize = 4 << 20;

/// The shapes met so far.
#[derive(Debug)]
pub(super) struct Shapes {
    numbers: HashMap<Arc<[u8]>, usize>,
    /// The numbers of the shapes of sentences: the same ones are stored in many blocks.
    sentences: HashMap<Box<[u8]>, Option<usize>>,
    sentence_bytes: usize,
    /// That of the last sentence.
    shape: Vec<u8>,
    pub(super) texts: Vec<Arc<[u8]>>,
    pub(super) tallies: Vec<Tally>,
    /// Events whose shape is one too many.
    pub(super) others: Tally,
    bytes: usize,
    words: usize,
    pub(super) memory: Reservation,
}

impl Shapes {
    pub(super) fn new(pool: &Arc<Pool>) -> Result<Self> {
        Ok(Self {
            numbers: HashMap::new(),
            sentences: HashMap::new(),
            sentence_bytes: 0,
            shape: Vec::new(),
            texts: Vec::new(),
            tallies: Vec::new(),
            others: Tally::default(),
            bytes: 0,
            words: 0,
            memory: pool.reserve(Consumer::Query, 0)?,
        })
    }

    /// The number of the shape of a sentence, unless it is new and one too many. What is stored comes
    /// again.
    pub(super) fn number(&mut self, sentence: &[u8], is_stored: bool) -> Result<Option<usize>> {
        if let Some(number) = self.sentences.get(sentence).filter(|_| is_stored) {
            return Ok(*number);
        }
        let mut shape = std::mem::take(&mut self.shape);
        shape_of(sentence, &mut shape);
        let number = self.number_of(&shape);
        self.shape = shape;
        let number = number?;
        let bytes = self.sentence_bytes + sentence.len();
        if is_stored && self.sentences.len() < SENTENCES_MAX && bytes <= SENTENCES_BYTES_MAX {
            self.sentence_bytes = bytes;
            self.reserve()?;
            self.sentences.insert(sentence.into(), number);
        }
        Ok(number)
    }

    fn number_of(&mut self, shape: &[u8]) -> Result<Option<usize>> {
        if let Some(number) = self.numbers.get(shape) {
            return Ok(Some(*number));
        }
        let bytes = self.bytes + shape.len();
        if self.texts.len() == SHAPES_MAX || bytes > BYTES_MAX {
            return Ok(None);
        }
        self.bytes = bytes;
        self.words += shape.iter().filter(|byte| **byte == b' ').count() + 1;
        self.reserve()?;
        let shape: Arc<[u8]> = shape.into();
        self.numbers.insert(Arc::clone(&shape), self.texts.len());
        self.texts.push(shape);
        self.tallies.push(Tally::default());
        Ok(Some(self.texts.len() - 1))
    }

    /// Reserves the memory of what there is, and of one shape and one sentence more.
    fn reserve(&mut self) -> Result<()> {
        let each = size_of::<Tally>() + EXAMPLE_BYTES_MAX + 4 * size_of::<Arc<[u8]>>();
        let tallies = (self.texts.len() + 1) * each;
        let each = 2 * size_of::<(Box<[u8]>, Option<usize>)>();
        let sentences = (self.sentences.len() + 1) * each + self.sentence_bytes;
        // A pattern takes at most what its first shape does.
        let shapes = self.words * WORD_BYTES + self.bytes * 2;
        self.memory.grow_to(tallies + sentences + shapes, STEP_BYTES)?;
        Ok(())
    }

    /// What is counted of a shape; of the others without a number.
    pub(super) fn tally(&mut self, number: Option<usize>) -> &mut Tally {
        match number {
            Some(number) => &mut self.tallies[number],
            None => &mut self.others,
        }
    }
}
