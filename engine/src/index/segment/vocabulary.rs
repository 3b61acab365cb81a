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
use std::collections::hash_map::Entry as MapEntry;
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
    /// By the hash of its term: the first word that had it.
    by_hash: HashMap<u64, u32>,
    /// Those whose hash another word had before.
    others: HashMap<Arc<[u8]>, u32>,
    words: Vec<Word>,
    entries: Vec<Entry>,
    key_bytes: usize,
    /// By hash: the upper half of the hash of the word that came last, and its number.
    recent: Box<[(u32, u32)]>,
    block: u16,
}

struct Word {
    key: Arc<[u8]>,
    /// Its last entry.
    last: u32,
}

/// The frames of a block that have a word.
struct Entry {
    word: u32,
    block: u16,
    frames: FrameMask,
}

impl fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vocabulary").field("words", &self.words.len()).finish_non_exhaustive()
    }
}

impl Word {
    fn is(&self, kind: TermKind, word: &[u8]) -> bool {
        let key = self.key.split_first();
        key.is_some_and(|(code, rest)| *code == kind as u8 && rest == word)
    }
}

impl Vocabulary {
    pub(super) fn new() -> Self {
        Self {
            by_hash: HashMap::new(),
            others: HashMap::new(),
            words: Vec::new(),
            entries: Vec::new(),
            key_bytes: 0,
            recent: vec![(0, NONE); RECENT_WORDS].into(),
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
        let (recent, tag) = (self.recent[slot], (hash >> 32) as u32);
        // Another word is nearly always told without looking at it, which is not in the processor's cache.
        let is_same =
            |number: u32| self.words.get(number as usize).is_some_and(|known| known.is(kind, word));
        if recent.0 == tag && is_same(recent.1) {
            return WordNumber(recent.1);
        }
        let number = self.look_up(hash, kind, word);
        self.recent[slot] = (tag, number);
        WordNumber(number)
    }

    fn look_up(&mut self, hash: u64, kind: TermKind, word: &[u8]) -> u32 {
        let number = self.words.len() as u32;
        let first = *self.by_hash.entry(hash).or_insert(number);
        if self.words.get(first as usize).is_some_and(|known| known.is(kind, word)) {
            return first;
        }
        let mut key = Vec::with_capacity(word.len() + 1);
        write_word_key(kind, word, &mut key);
        let key: Arc<[u8]> = key.into();
        if first != number {
            match self.others.entry(Arc::clone(&key)) {
                MapEntry::Occupied(known) => return *known.get(),
                MapEntry::Vacant(place) => place.insert(number),
            };
        }
        self.key_bytes += key.len();
        self.words.push(Word { key, last: NONE });
        number
    }

    /// Adds a word to frames of the block, at least one.
    pub(super) fn add(&mut self, word: WordNumber, frames: FrameMask) {
        debug_assert!(frames != 0, "a word is in some frame");
        let last = &mut self.words[word.0 as usize].last;
        match self.entries.get_mut(*last as usize) {
            Some(entry) if entry.block == self.block => entry.frames |= frames,
            _ => {
                *last = self.entries.len() as u32;
                self.entries.push(Entry { word: word.0, block: self.block, frames });
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
        self,
        mut each: impl FnMut(&[u8], Postings<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let Self { words, entries, by_hash, others, .. } = self;
        drop((by_hash, others));
        // The entries of each word together, still by block.
        let mut ends = vec![0u32; words.len()];
        entries.iter().for_each(|entry| ends[entry.word as usize] += 1);
        let mut total = 0;
        for end in &mut ends {
            (*end, total) = (total, total + *end);
        }
        let mut postings = vec![(0, 0); entries.len()];
        for Entry { word, block, frames } in entries {
            let end = &mut ends[word as usize];
            postings[*end as usize] = (block, frames);
            *end += 1;
        }
        let mut order: Vec<u32> = (0..words.len() as u32).collect();
        order.sort_unstable_by(|a, b| words[*a as usize].key.cmp(&words[*b as usize].key));
        for word in order {
            let word = word as usize;
            let start = word.checked_sub(1).map_or(0, |before| ends[before]);
            each(&words[word].key, &postings[start as usize..ends[word] as usize])?;
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
