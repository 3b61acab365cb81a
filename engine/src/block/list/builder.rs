//! The writer's half: numbers for sentences, in the order in which they are first met.

use super::{SentenceList, ValuesWriter, memory_of};
use crate::event::{Kind, Value};
use crate::limits::{SENTENCE_LIST_BYTES_MAX, SENTENCE_LIST_MAX};
use std::collections::HashMap;
use xxhash_rust::xxh3::xxh3_64;

/// From so many bytes on, a list takes in no block most of whose sentences it has not met yet: they
/// hardly come again, and whoever reads one text would inflate all of them.
const PICKY_BYTES: usize = SENTENCE_LIST_BYTES_MAX / 4;

/// The sentences of a section that is being written.
#[derive(Debug, Default)]
pub(crate) struct SentenceListBuilder {
    /// By hash; the text decides.
    pub(super) numbers: HashMap<u64, u32>,
    pub(super) texts: Vec<u8>,
    /// Where each ends.
    pub(super) ends: Vec<u32>,
}

/// What is written of a list.
#[derive(Debug)]
pub(crate) struct ListPart {
    /// A copy.
    pub(crate) bytes: Vec<u8>,
    /// About what it takes in memory.
    pub(crate) memory: u32,
}

impl SentenceListBuilder {
    /// The bytes that it takes.
    pub(crate) fn memory(&self) -> usize {
        let known = self.numbers.capacity() * (size_of::<(u64, u32)>() + 1);
        known + self.texts.capacity() + self.ends.capacity() * size_of::<u32>()
    }

    /// The numbers of some sentences, which all differ; `None`, and nothing is taken in, if they don't
    /// fit or would not come again.
    pub(in crate::block) fn numbers_of(&mut self, sentences: &[&[u8]]) -> Option<Vec<u64>> {
        let (count, len) = (self.ends.len(), self.texts.len());
        let mut new = Vec::new();
        let mut bytes = 0;
        let numbers = sentences.iter().map(|sentence| {
            bytes += sentence.len();
            let hash = xxh3_64(sentence);
            if let Some(number) = self.numbers.get(&hash)
                && self.get(*number as usize) == *sentence
            {
                return u64::from(*number);
            }
            new.push((hash, *sentence));
            (count + new.len() - 1) as u64
        });
        let numbers: Vec<u64> = numbers.collect();
        let new_bytes: usize = new.iter().map(|(_, sentence)| sentence.len()).sum();
        let fits =
            count + new.len() <= SENTENCE_LIST_MAX && len + new_bytes <= SENTENCE_LIST_BYTES_MAX;
        if !fits || (len >= PICKY_BYTES && new_bytes > bytes / 2) {
            return None;
        }
        for (hash, sentence) in new {
            // Of two with one hash the later is met anew each time, which costs its bytes.
            self.numbers.insert(hash, self.ends.len() as u32);
            self.texts.extend_from_slice(sentence);
            self.ends.push(self.texts.len() as u32);
        }
        Some(numbers)
    }

    /// The list, if it has a sentence.
    pub(crate) fn finish(&self) -> Option<ListPart> {
        if self.ends.is_empty() {
            return None;
        }
        let values =
            (0..self.ends.len()).map(|number| Value { kind: Kind::String, text: self.get(number) });
        let mut writer = ValuesWriter::new();
        let (raw_len, stored) = writer.store(values);
        let memory = memory_of(raw_len, self.ends.len()) as u32;
        Some(ListPart { bytes: SentenceList::encode(self.ends.len(), raw_len, stored), memory })
    }

    fn get(&self, number: usize) -> &[u8] {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.texts[start as usize..self.ends[number] as usize]
    }
}
