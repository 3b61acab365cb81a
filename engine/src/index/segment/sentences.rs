//! The terms of sentences, found once for all blocks of a section: blocks share nearly all of theirs.

use super::vocabulary::{Vocabulary, WordNumber};
use crate::index::split::{SLOT, has_whole_slots};
use crate::index::term::{TermKind, is_dictionary_word, term};
use crate::index::terms::{each_of_words, is_bare, may_be_number};
use std::collections::HashMap;
use std::ops::Range;
use xxhash_rust::xxh3::xxh3_64;

/// Bytes of sentences and of their terms that are remembered; then all are forgotten.
const BYTES_MAX: usize = 8 << 20;
/// About what a sentence takes beside its text and its terms.
const SENTENCE_BYTES: usize = 96;

/// The terms of the sentences that came, until they are too many.
#[derive(Debug, Default)]
pub(super) struct SentenceTerms {
    /// By hash; the text decides.
    numbers: HashMap<u64, u32>,
    sentences: Vec<Known>,
    texts: Vec<u8>,
    words: Vec<WordNumber>,
    ids: Vec<u64>,
}

#[derive(Debug)]
struct Known {
    text: Range<u32>,
    words: Range<u32>,
    ids: Range<u32>,
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
    /// Gives the words of a sentence to `each_word` and its other terms to `each_id`.
    pub(super) fn of(
        &mut self,
        text: &[u8],
        words: &mut Vocabulary,
        each_word: impl Fn(&mut Vocabulary, WordNumber),
        each_id: impl FnMut(u64),
    ) -> Sentence {
        let number = self.number(text, words);
        let Known { words: own, ids, sentence, .. } = &self.sentences[number];
        self.words[place(own)].iter().for_each(|word| each_word(words, *word));
        self.ids[place(ids)].iter().copied().for_each(each_id);
        *sentence
    }

    /// The bytes that it takes.
    pub(super) fn memory(&self) -> usize {
        self.texts.capacity()
            + self.words.capacity() * size_of::<WordNumber>()
            + self.ids.capacity() * size_of::<u64>()
            + self.sentences.len() * SENTENCE_BYTES
    }

    fn number(&mut self, text: &[u8], words: &mut Vocabulary) -> usize {
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
        let known = self.known(text, words);
        self.sentences.push(known);
        // One of two with the same hash is found anew each time that it comes.
        self.numbers.insert(hash, number as u32);
        number
    }

    fn known(&mut self, text: &[u8], words: &mut Vocabulary) -> Known {
        let starts = (self.texts.len(), self.words.len(), self.ids.len());
        self.texts.extend_from_slice(text);
        each_of_words(text, |kind: TermKind, bytes: &[u8]| {
            let hash = term(kind, bytes);
            if is_dictionary_word(kind, bytes) {
                self.words.push(words.number(hash, kind, bytes));
            } else {
                self.ids.push(hash);
            }
        });
        let range = |start: usize, end: usize| start as u32..end as u32;
        Known {
            text: range(starts.0, self.texts.len()),
            words: range(starts.1, self.words.len()),
            ids: range(starts.2, self.ids.len()),
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
