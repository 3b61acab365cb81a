//! The sentences of all blocks that queries looked at, each once: blocks share nearly all of theirs,
//! so that a query judges a few thousand, whatever the number of blocks.
//!
//! - `T1` A number given out stands for the same sentence as long as its [`Epoch`] lives. A table that
//!   has become too large begins a new one, and outlines of the old are made anew.
//! - `T2` An [`Outline`] says how many values of a column have each sentence, and how many have none:
//!   together they are all.

use super::column::{FrameBigrams, Templates};
use crate::error::Result;
use crate::index::fold_into;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use xxhash_rust::xxh3::xxh3_64;

/// What the sentences of an epoch take at most.
const EPOCH_BYTES_MAX: usize = 16 << 20;
/// About what a sentence takes beside its texts.
const SENTENCE_BYTES: usize = 32;
/// Bytes below this are slots in a sentence.
const LITERAL_MIN: u8 = 9;

/// What a variable of a slot can be: a whole word with an ASCII digit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    /// ASCII digits.
    Digits,
    /// ASCII digits and `a` to `f`.
    Hex,
    /// Any letters, digits and `_`.
    Any,
}

impl Slot {
    pub(crate) const ALL: [Self; 3] = [Self::Digits, Self::Hex, Self::Any];

    /// The slot that a byte of a sentence stands for, if it is none of the text.
    pub(crate) fn of(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Digits),
            2 => Some(Self::Hex),
            0 | 3..LITERAL_MIN => Some(Self::Any),
            LITERAL_MIN.. => None,
        }
    }

    /// The byte that stands for it in a sentence.
    pub(crate) fn byte(self) -> u8 {
        match self {
            Self::Digits => 1,
            Self::Hex => 2,
            Self::Any => 3,
        }
    }
}

/// A list of sentences, as they are and folded, with a byte of [`Slot`] for each slot.
#[derive(Debug, Default)]
pub(crate) struct Sentences {
    texts: Texts,
    folded: Texts,
}

/// Texts, each with a NUL behind it.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    bytes: Vec<u8>,
    /// Where each text ends.
    ends: Vec<u32>,
}

impl Texts {
    fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push(u32::try_from(self.bytes.len()).expect("sentences are bounded"));
        self.bytes.push(0);
    }

    fn get(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before] as usize + 1);
        &self.bytes[start..self.ends[index] as usize]
    }

    /// All texts in order.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.ends.len()).map(|index| self.get(index))
    }

    /// Calls `each` once with every text, and its index, in which `find` finds a place. `find`
    /// searches many texts at once; what it looks for begins at the place.
    pub(crate) fn for_each_found(
        &self,
        find: impl Fn(&[u8]) -> Option<usize>,
        mut each: impl FnMut(usize, &[u8]),
    ) {
        let (mut next, mut at) = (0, 0);
        while let Some(place) = self.bytes.get(at..).and_then(&find) {
            let place = at + place;
            next += self.ends[next..].partition_point(|end| (*end as usize) < place);
            let Some(end) = self.ends.get(next) else { return };
            at = *end as usize + 1;
            each(next, self.get(next));
            next += 1;
        }
    }
}

impl Sentences {
    /// Appends a sentence.
    pub(crate) fn push(&mut self, sentence: &[u8]) {
        self.texts.push(|bytes| bytes.extend_from_slice(sentence));
        self.folded.push(|bytes| fold_into(sentence, bytes));
    }

    /// The number of sentences.
    pub(crate) fn len(&self) -> usize {
        self.texts.ends.len()
    }

    fn heap_bytes(&self) -> usize {
        let bytes = self.texts.bytes.capacity() + self.folded.bytes.capacity();
        bytes + self.len() * SENTENCE_BYTES
    }

    /// The sentences as they are.
    pub(crate) fn texts(&self) -> &Texts {
        &self.texts
    }

    /// The sentences, folded.
    pub(crate) fn folded(&self) -> &Texts {
        &self.folded
    }
}

/// The sentences of a store. Bounded.
#[derive(Debug, Default)]
pub(crate) struct SentenceTable {
    epoch: Mutex<Arc<Epoch>>,
}

/// Sentences and their numbers, which rise from zero.
#[derive(Debug, Default)]
pub(crate) struct Epoch {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// By hash; the text decides.
    numbers: HashMap<u64, u32>,
    /// What each block brought that was new, with the number of the first of it.
    lists: Vec<(u32, Arc<Sentences>)>,
    count: u32,
    bytes: usize,
}

/// What the sentences of a block's column of templates are.
#[derive(Debug)]
pub(crate) struct Outline {
    epoch: Weak<Epoch>,
    /// The number of each sentence, by code.
    numbers: Box<[u32]>,
    /// How many values each sentence has.
    counts: Box<[u32]>,
    /// How many slots each sentence has.
    slots: Box<[u32]>,
    /// How many values have none.
    raw: usize,
    /// What the column's frames of variables may have.
    bigrams: FrameBigrams,
}

impl SentenceTable {
    /// The outline of a column, and the epoch that its numbers are of.
    pub(crate) fn outline(&self, templates: &Templates) -> Result<(Outline, Arc<Epoch>)> {
        let slots = templates.slots()?.into();
        let epoch = self.epoch();
        let mut outcome = Ok(());
        let numbers = epoch.numbers_of(|each| outcome = templates.for_each_with_slots(each));
        outcome?;
        let outline = Outline {
            epoch: Arc::downgrade(&epoch),
            numbers,
            counts: templates.counts().into(),
            slots,
            raw: templates.raw_len(),
            bigrams: templates.frame_bigrams(),
        };
        Ok((outline, epoch))
    }

    /// The current epoch, or a new one if that is too large.
    fn epoch(&self) -> Arc<Epoch> {
        let mut epoch = self.epoch.lock();
        if epoch.known.lock().bytes > EPOCH_BYTES_MAX {
            *epoch = Arc::default();
        }
        Arc::clone(&epoch)
    }
}

impl Epoch {
    /// The numbers of the sentences that `for_each` gives.
    fn numbers_of(&self, for_each: impl FnOnce(&mut dyn FnMut(&[u8]))) -> Box<[u32]> {
        let mut known = self.known.lock();
        let mut new = Sentences::default();
        let mut numbers = Vec::new();
        for_each(&mut |sentence| numbers.push(known.number_of(sentence, &mut new)));
        if new.len() > 0 {
            let first = known.count;
            known.count += new.len() as u32;
            known.bytes += new.heap_bytes();
            known.lists.push((first, Arc::new(new)));
        }
        numbers.into()
    }

    /// The list with the sentence of a number, and the number of the list's first.
    pub(crate) fn list_with(&self, number: u32) -> (u32, Arc<Sentences>) {
        self.known.lock().list_with(number).clone()
    }
}

impl Known {
    fn list_with(&self, number: u32) -> &(u32, Arc<Sentences>) {
        &self.lists[self.lists.partition_point(|(first, _)| *first <= number) - 1]
    }

    fn number_of(&mut self, sentence: &[u8], new: &mut Sentences) -> u32 {
        let next = self.count + new.len() as u32;
        let number = *self.numbers.entry(xxh3_64(sentence)).or_insert(next);
        let is_known = number < self.count && {
            let (first, list) = self.list_with(number);
            list.texts.get((number - first) as usize) == sentence
        };
        if is_known {
            return number;
        }
        // It is new, or has another's hash: it is known by each block's number for it then.
        new.push(sentence);
        next
    }
}

impl Outline {
    /// The bytes that it takes, with all that may yet be remembered.
    pub(crate) fn heap_bytes(&self) -> usize {
        let lists = [&self.numbers, &self.counts, &self.slots].map(|list| size_of_val(&**list));
        size_of::<Self>() + lists.iter().sum::<usize>() + self.bigrams.bytes_max()
    }

    /// The epoch that the numbers are of, if it still lives.
    pub(crate) fn epoch(&self) -> Option<Arc<Epoch>> {
        self.epoch.upgrade()
    }

    /// The number of each sentence, by code.
    pub(crate) fn numbers(&self) -> &[u32] {
        &self.numbers
    }

    /// How many values each sentence has, by code.
    pub(crate) fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// How many slots each sentence has, by code.
    pub(super) fn slots(&self) -> &[u32] {
        &self.slots
    }

    /// Whether a variable that is not of digits may have one of these texts of letters, digits and `_`, as
    /// far as is known of the column.
    pub(crate) fn may_have(&self, texts: &[Box<[u8]>]) -> bool {
        self.bigrams.any_may_have(texts)
    }

    pub(super) fn bigrams(&self) -> &FrameBigrams {
        &self.bigrams
    }

    /// How many values have no sentence.
    pub(crate) fn raw(&self) -> usize {
        self.raw
    }
}
