//! The words of a section under construction, and the frames that each of them is in.
//!
//! - `V1` A word is known by its key, byte for byte: equal hashes of different words can be made on
//!   purpose, and cost time only.
//! - `V2` The entries of a word are of rising blocks, one for each block that has it. Adding a word
//!   twice to a frame changes nothing.

use super::hits::FrameMask;
use super::words_write::Postings;
use crate::error::{Error, Result};
use crate::index::term::{TermKind, write_word_key};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Words remembered by their hashes, so that those that come again at once are not looked up.
const RECENT_WORDS: usize = 4_096;
/// About what a word takes beside its key, which stands there once: the list, the map, their slack.
const WORD_BYTES: usize = 128;
/// What no word and no entry has for a number.
const NONE: u32 = u32::MAX;
/// A block has fewer words than this: a bound of its raw bytes is 2^30.
const BLOCK_WORDS_MAX: usize = 1 << 30;

/// The number of a word in a [`Vocabulary`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WordNumber(u32);

/// The words of a section under construction.
pub(super) struct Vocabulary {
    numbers: HashMap<Arc<[u8]>, u32>,
    words: Vec<Word>,
    entries: Vec<Entry>,
    key_bytes: usize,
    /// By hash: the number of the word that came last.
    recent: Box<[u32]>,
    /// The key that is looked up.
    scratch: Vec<u8>,
    block: u16,
}

struct Word {
    key: Arc<[u8]>,
    /// Its last entry.
    last: u32,
}

/// The frames of a block that have a word.
struct Entry {
    /// The word's entry for a block before.
    before: u32,
    block: u16,
    frames: FrameMask,
}

impl fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vocabulary").field("words", &self.words.len()).finish_non_exhaustive()
    }
}

impl Vocabulary {
    pub(super) fn new() -> Self {
        Self {
            numbers: HashMap::new(),
            words: Vec::new(),
            entries: Vec::new(),
            key_bytes: 0,
            recent: vec![NONE; RECENT_WORDS].into(),
            scratch: Vec::new(),
            block: 0,
        }
    }

    /// Begins a block, which comes behind all others.
    ///
    /// # Errors
    /// If there is no number for what it may bring.
    pub(super) fn begin_block(&mut self, block: u32) -> Result<()> {
        self.block = u16::try_from(block).expect("a section has at most 65,536 blocks");
        if self.entries.len().max(self.words.len()) > NONE as usize - BLOCK_WORDS_MAX {
            return Err(Error::memory("the words of a section are too many for one index"));
        }
        Ok(())
    }

    /// The number of a word of the dictionary; `hash` is its term's.
    pub(super) fn number(&mut self, hash: u64, kind: TermKind, word: &[u8]) -> WordNumber {
        let slot = hash as usize % RECENT_WORDS;
        let recent = self.recent[slot];
        let is_it = |known: &Word| {
            known.key.split_first().is_some_and(|(code, rest)| *code == kind as u8 && rest == word)
        };
        if self.words.get(recent as usize).is_some_and(is_it) {
            return WordNumber(recent);
        }
        let number = self.look_up(kind, word);
        self.recent[slot] = number;
        WordNumber(number)
    }

    fn look_up(&mut self, kind: TermKind, word: &[u8]) -> u32 {
        self.scratch.clear();
        write_word_key(kind, word, &mut self.scratch);
        if let Some(number) = self.numbers.get(&*self.scratch) {
            return *number;
        }
        let number = self.words.len() as u32;
        let key: Arc<[u8]> = Arc::from(&*self.scratch);
        self.key_bytes += key.len();
        self.words.push(Word { key: Arc::clone(&key), last: NONE });
        self.numbers.insert(key, number);
        number
    }

    /// Adds a word to frames of the block, at least one.
    pub(super) fn add(&mut self, word: WordNumber, frames: FrameMask) {
        debug_assert!(frames != 0, "a word is in some frame");
        let last = &mut self.words[word.0 as usize].last;
        match self.entries.get_mut(*last as usize) {
            Some(entry) if entry.block == self.block => entry.frames |= frames,
            _ => {
                let before = std::mem::replace(last, self.entries.len() as u32);
                self.entries.push(Entry { before, block: self.block, frames });
            }
        }
    }

    /// About the bytes that it takes.
    pub(super) fn memory(&self) -> usize {
        self.key_bytes
            + self.words.len() * WORD_BYTES
            + self.entries.capacity() * size_of::<Entry>()
    }

    /// Gives every word to `each`, by rising key, with its frames.
    ///
    /// # Errors
    /// Those of `each`.
    pub(super) fn for_each<E>(
        mut self,
        mut each: impl FnMut(&[u8], Postings<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        drop(self.numbers);
        self.words.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let mut postings = Vec::new();
        for word in &self.words {
            postings.clear();
            let mut at = word.last;
            while let Some(entry) = self.entries.get(at as usize) {
                postings.push((entry.block, entry.frames));
                at = entry.before;
            }
            postings.reverse();
            each(&word.key, &postings)?;
        }
        Ok(())
    }

    /// How many pairs of word and frame there are.
    pub(super) fn pairs(&self) -> u64 {
        self.entries.iter().map(|entry| u64::from(entry.frames.count_ones())).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::term::term;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn every_word_has_the_frames_it_was_added_to(
            added in prop::collection::vec(("[ab]{1,3}", 0u32..5, 0u32..16), 0..200),
        ) {
            let mut added = added;
            added.sort_by_key(|(_, block, _)| *block);
            let mut vocabulary = Vocabulary::new();
            let mut expected: BTreeMap<Vec<u8>, BTreeMap<u16, FrameMask>> = BTreeMap::new();
            for (word, block, frame) in &added {
                vocabulary.begin_block(*block).unwrap();
                let hash = term(TermKind::Word, word.as_bytes());
                // Different words under one hash are different words.
                let number = vocabulary.number(hash % 3, TermKind::Word, word.as_bytes());
                vocabulary.add(number, 1 << frame);
                let key = [&[TermKind::Word as u8], word.as_bytes()].concat();
                *expected.entry(key).or_default().entry(*block as u16).or_default() |= 1 << frame;
            }
            let pairs: u32 = expected.values().flat_map(BTreeMap::values).map(|m| m.count_ones()).sum();
            prop_assert_eq!(vocabulary.pairs(), u64::from(pairs));
            let mut found = Vec::new();
            let each = |key: &[u8], postings: Postings<'_>| {
                found.push((key.to_vec(), postings.iter().copied().collect()));
                Ok::<_, ()>(())
            };
            vocabulary.for_each(each).unwrap();
            prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
        }
    }
}
