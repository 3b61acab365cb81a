//! The sentences of a column.

use super::{Stand, Templates};
use crate::block::column::values::{self, Stored, Values};
use crate::block::list::SentenceList;
use crate::codec::packed;
use crate::codec::slice::Slice;
use crate::error::Corruption;
use crate::event::Kind;
use crate::index::SLOT;
use std::sync::Arc;

/// What the variables of a column are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Class {
    /// Only digits.
    Digits = 0,
    /// Digits and letters from a to f.
    Hex = 1,
    /// Any words.
    Other = 2,
}

/// The sentences of a column, by place.
#[derive(Debug)]
pub(crate) enum ColumnSentences {
    /// The column's own.
    Own(Values),
    /// Those of these numbers.
    Shared(Arc<SentenceList>, Arc<[u32]>),
}

/// What is inflated to test the sentences of a column, and to rebuild texts.
#[derive(Debug)]
pub(crate) struct Dictionary {
    sentences: ColumnSentences,
    /// The number of slots of each.
    slots: Box<[u32]>,
}

impl ColumnSentences {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Own(values) => values.len(),
            Self::Shared(_, numbers) => numbers.len(),
        }
    }

    /// The sentence at a place, with [`SLOT`] for each variable; panics past the last.
    pub(crate) fn get(&self, place: usize) -> &[u8] {
        match self {
            Self::Own(values) => values.value(place).text,
            Self::Shared(list, numbers) => list.get(numbers[place] as usize),
        }
    }

    /// All in order.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.len()).map(|place| self.get(place))
    }

    /// The bytes of the sentence at a place, of which nothing has to be read.
    fn len_of(&self, place: usize) -> usize {
        match self {
            Self::Own(values) => values.text_len(place),
            Self::Shared(list, numbers) => list.len_of(numbers[place] as usize),
        }
    }

    fn slots_of(&self, place: usize) -> usize {
        match self {
            Self::Own(values) => count_slots(values.value(place).text),
            Self::Shared(list, numbers) => list.slots_of(numbers[place] as usize) as usize,
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::Own(values) => values.heap_bytes(),
            // The list is its section's.
            Self::Shared(_, numbers) => size_of_val(&**numbers),
        }
    }
}

impl Dictionary {
    /// The bytes that it takes in memory.
    pub(super) fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.sentences.heap_bytes() + size_of_val(&*self.slots)
    }

    /// The sentences, rising.
    pub(super) fn sentences(&self) -> &ColumnSentences {
        &self.sentences
    }

    /// How many slots each sentence has.
    pub(crate) fn slots(&self) -> &[u32] {
        &self.slots
    }

    pub(super) fn read(templates: &Templates) -> Result<Self, Corruption> {
        let mut slice = templates.slice_of(templates.listing.clone());
        let sentences = match &templates.sentences {
            Stand::Own(place) => {
                slice = templates.slice_of(place.range());
                ColumnSentences::Own(read_own(&mut slice, place.stored)?)
            }
            Stand::Shared(list, numbers) => {
                ColumnSentences::Shared(Arc::clone(list), Arc::clone(numbers))
            }
        };
        let mut slots = Vec::with_capacity(sentences.len());
        let mut literals = 0usize;
        for (place, count) in templates.counts.iter().enumerate() {
            let of_sentence = sentences.slots_of(place);
            // What a sentence is repeated to is a text of the block: the sum is bounded.
            let literal = (sentences.len_of(place) - of_sentence) * *count as usize;
            literals = literals.saturating_add(literal);
            slots.push(of_sentence as u32);
            if literals > templates.shape.raw_max {
                return Err(slice.corrupt("sentences as long as the rows", literals.to_string()));
            }
        }
        Ok(Self { sentences, slots: slots.into() })
    }
}

/// The sentences that stand in the column.
fn read_own(slice: &mut Slice<'_>, stored: Stored) -> Result<Values, Corruption> {
    let sentences = values::inflate(slice, stored)?;
    let rise = (1..sentences.len())
        .all(|index| sentences.value(index - 1).text < sentences.value(index).text);
    if !rise || sentences.iter().any(|sentence| sentence.kind != Kind::String) {
        return Err(slice.corrupt("rising strings", "others"));
    }
    Ok(sentences)
}

/// Reads the numbers of `count` sentences of a list.
pub(super) fn decode_numbers(
    slice: &mut Slice<'_>,
    count: usize,
    list: &SentenceList,
) -> Result<Arc<[u32]>, Corruption> {
    let numbers = packed::decode(slice, count)?;
    let mut is_there = vec![false; list.len()];
    let differ = numbers.iter().all(|number| {
        let place = usize::try_from(*number).ok().and_then(|number| is_there.get_mut(number));
        place.is_some_and(|is_there| !std::mem::replace(is_there, true))
    });
    if !differ {
        let expected = format!("different sentences of {}", list.len());
        return Err(slice.corrupt(expected, format!("{count} numbers")));
    }
    Ok(numbers.into_iter().map(|number| number as u32).collect())
}

/// Counts in bytes, of which many are added at once, as long as those can't overflow.
pub(in crate::block) fn count_slots(sentence: &[u8]) -> usize {
    let count = |part: &[u8]| part.iter().map(|byte| u8::from(*byte == SLOT)).sum::<u8>();
    sentence.chunks(usize::from(u8::MAX)).map(|part| usize::from(count(part))).sum()
}
