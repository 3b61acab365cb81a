//! The terms of sentences, found once for all blocks of a section: blocks share nearly all of theirs.

use crate::index::split::{SLOT, has_whole_slots};
use crate::index::term::{TermKind, term};
use crate::index::terms::{each_of_words, is_bare, may_be_number};
use std::collections::HashMap;
use std::ops::Range;
use xxhash_rust::xxh3::xxh3_64;

/// Bytes of sentences and of their terms that are remembered; then all are forgotten.
const BYTES_MAX: usize = 8 << 20;
/// About what a sentence takes beside its text and its terms.
const SENTENCE_BYTES: usize = 96;
/// About what a term takes: in the list, and in the map with its slack.
const TERM_BYTES: usize = 48;
/// What no block has for a number.
const NO_BLOCK: u32 = u32::MAX;

/// The terms of the sentences that came, until they are too many.
#[derive(Debug, Default)]
pub(super) struct SentenceTerms {
    /// By hash; the text decides.
    numbers: HashMap<u64, u32>,
    sentences: Vec<Known>,
    texts: Vec<u8>,
    /// The terms of all sentences, one sentence behind the other: places in `terms`.
    of_sentences: Vec<u32>,
    terms: Vec<KnownTerm>,
    by_hash: HashMap<u64, u32>,
}

/// A term of sentences.
#[derive(Debug)]
struct KnownTerm {
    hash: u64,
    /// The last block that it was given for.
    block: u32,
}

#[derive(Debug)]
struct Known {
    text: Range<u32>,
    terms: Range<u32>,
    sentence: Sentence,
}

/// What is to be known of a sentence besides its terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sentence {
    /// Its bytes but for the slots.
    pub(crate) literal_bytes: u32,
    /// Whether its texts may be numbers.
    pub(crate) may_be_number: bool,
    /// Whether each of its texts is one variable.
    pub(crate) is_bare: bool,
    /// Whether every slot stands where a whole word can: only then are the words of a text those of its
    /// sentence and its variables.
    pub(crate) is_sound: bool,
}

impl SentenceTerms {
    /// Gives the terms of a sentence of a block to `each`, but for those that it was given for the block
    /// just before.
    pub(super) fn of(&mut self, text: &[u8], block: u32, mut each: impl FnMut(u64)) -> Sentence {
        let number = self.number(text);
        let Known { terms, sentence, .. } = &self.sentences[number];
        for term in &self.of_sentences[place(terms)] {
            let term = &mut self.terms[*term as usize];
            if term.block != block {
                term.block = block;
                each(term.hash);
            }
        }
        *sentence
    }

    /// The bytes that it takes.
    pub(super) fn memory(&self) -> usize {
        self.texts.capacity()
            + self.of_sentences.capacity() * size_of::<u32>()
            + self.terms.len() * TERM_BYTES
            + self.sentences.len() * SENTENCE_BYTES
    }

    fn number(&mut self, text: &[u8]) -> usize {
        let hash = xxh3_64(text);
        if let Some(number) = self.numbers.get(&hash)
            && self.texts[place(&self.sentences[*number as usize].text)] == *text
        {
            return *number as usize;
        }
        if self.memory() > BYTES_MAX {
            *self = Self::default();
        }
        let number = self.sentences.len();
        let known = self.known(text);
        self.sentences.push(known);
        // One of two with the same hash is found anew each time that it comes.
        self.numbers.insert(hash, number as u32);
        number
    }

    fn known(&mut self, text: &[u8]) -> Known {
        let starts = (self.texts.len(), self.of_sentences.len());
        self.texts.extend_from_slice(text);
        each_of_words(text, |kind: TermKind, bytes: &[u8]| {
            let hash = term(kind, bytes);
            let number = *self.by_hash.entry(hash).or_insert_with(|| {
                self.terms.push(KnownTerm { hash, block: NO_BLOCK });
                self.terms.len() as u32 - 1
            });
            self.of_sentences.push(number);
        });
        let range = |start: usize, end: usize| start as u32..end as u32;
        Known {
            text: range(starts.0, self.texts.len()),
            terms: range(starts.1, self.of_sentences.len()),
            sentence: Sentence {
                literal_bytes: text.iter().filter(|byte| **byte != SLOT).count() as u32,
                may_be_number: may_be_number(text),
                is_bare: is_bare(text),
                is_sound: has_whole_slots(text),
            },
        }
    }
}

fn place(range: &Range<u32>) -> Range<usize> {
    range.start as usize..range.end as usize
}
