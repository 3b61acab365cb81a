//! Numbers for values that come again: all blocks of a store know a value of a field by the same number,
//! so that a query counts by it, and judges each value once.
//!
//! - `U1` A number stands for the same kind and lexeme as long as its [`FieldValues`] live, and no two stand
//!   for the same.
//! - `U2` Numbers begin at 1: 0 stands for no value.
//! - `U3` What is full takes no more, and begins anew with the next query: blocks have numbers of what was
//!   before until they are asked again. A field that was full gets only the values that columns list from
//!   there on: it has more than come again often enough.

mod column;
mod records;
mod sums;
mod word;

pub(crate) use column::{Numbered, Numbering, RowNumbers};
pub(crate) use sums::{ValueSums, ValueSumsBuilder};
pub(in crate::block) use word::Word;

use super::column::Records;
use crate::event::{Kind, Value};
use foldhash::fast::RandomState;
use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use records::KnownRecords;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// What the values of all fields take at most.
const VALUES_BYTES_MAX: usize = 16 << 20;
/// Values of a field at most.
const FIELD_VALUES_MAX: usize = 1 << 17;
/// Fields at most.
const FIELDS_MAX: usize = 256;
/// About what a value takes besides its text.
const VALUE_BYTES: usize = 40;
/// About what a field takes besides its values.
const FIELD_BYTES: usize = 512;

/// The numbered values of a store. Bounded.
#[derive(Debug, Default)]
pub(crate) struct ValueTable {
    fields: Mutex<HashMap<Box<str>, Arc<FieldValues>>>,
}

/// The numbered values of a field.
#[derive(Debug, Default)]
pub(crate) struct FieldValues {
    known: RwLock<KnownValues>,
    bytes: AtomicUsize,
    /// Whether values are numbered only where a column lists them (`U3`).
    only_listed: bool,
    /// Whether there was no room for a value.
    was_full: AtomicBool,
}

/// The values of a field, by number.
#[derive(Debug, Default)]
pub(crate) struct KnownValues {
    /// Strings for which there is room here are nowhere else.
    records: KnownRecords,
    /// Strings that are words by themselves.
    words: HashMap<Word, u32, RandomState>,
    /// All others by hash; the value decides.
    numbers: HashMap<u64, u32, RandomState>,
    kinds: Vec<Kind>,
    /// Where each text ends in `texts`, behind which there is a NUL.
    ends: Vec<u32>,
    texts: Vec<u8>,
    /// Kinds that occur, as bits of their codes.
    kind_bits: u8,
    /// Whether one lexeme is a value of several kinds.
    is_ambiguous: bool,
}

impl ValueTable {
    /// To be called when a query begins: lets go of what is full (`U3`).
    pub(crate) fn begin_query(&self) {
        let mut fields = self.fields.lock();
        let bytes: usize = fields.values().map(|field| field.bytes.load(Relaxed)).sum();
        if bytes > VALUES_BYTES_MAX || fields.len() > FIELDS_MAX {
            fields.clear();
        }
        for field in fields.values_mut().filter(|field| field.is_full()) {
            *field = Arc::new(FieldValues { only_listed: true, ..FieldValues::default() });
        }
    }

    /// The values of the field with this column name.
    pub(crate) fn of_field(&self, name: &str) -> Arc<FieldValues> {
        let mut fields = self.fields.lock();
        if let Some(field) = fields.get(name) {
            return Arc::clone(field);
        }
        Arc::clone(fields.entry(name.into()).or_default())
    }
}

impl FieldValues {
    /// The values that are known now.
    pub(crate) fn known(&self) -> RwLockReadGuard<'_, KnownValues> {
        self.known.read()
    }

    fn is_full(&self) -> bool {
        let bytes_max = VALUES_BYTES_MAX / 4 + records::BYTES_MAX;
        self.was_full.load(Relaxed) || self.bytes.load(Relaxed) > bytes_max
    }

    /// Whether values are numbered that no column lists.
    pub(crate) fn takes_unlisted(&self) -> bool {
        !self.only_listed && !self.is_full()
    }

    /// The number of each of these values; `None` if there is no room for all.
    pub(crate) fn numbers_of<'v>(
        &self,
        values: impl Iterator<Item = Value<'v>>,
    ) -> Option<Vec<u32>> {
        let look_up = |known: &KnownValues, value: &Value<'v>| known.look_up(*value);
        self.number_all(values, look_up, KnownValues::number_of)
    }

    /// The same of strings.
    pub(in crate::block) fn numbers_of_words(&self, words: &[Word]) -> Option<Vec<u32>> {
        let look_up = |known: &KnownValues, word: &Word| Some(known.look_up_word(*word));
        self.number_all(words.iter().copied(), look_up, KnownValues::number_of_word)
    }

    /// The same of a prefix with digits, for which there must be room ([`FieldValues::has_room_for`]).
    pub(in crate::block) fn numbers_of_records(&self, records: &Records) -> Option<Vec<u32>> {
        let mut numbers: Vec<u32> = {
            let known = self.known.read();
            let by_digits = known.records.numbers();
            records.numbers().iter().map(|digits| by_digits[*digits as usize]).collect()
        };
        if !numbers.contains(&0) {
            return Some(numbers);
        }
        let mut known = self.known.write();
        let (mut text, mut is_full) = (Vec::new(), false);
        for (number, digits) in numbers.iter_mut().zip(records.numbers()) {
            if *number == 0 {
                match known.number_of_record(*digits, &mut text) {
                    Some(found) => *number = found,
                    None => is_full = true,
                }
            }
        }
        self.grown(&known);
        (!is_full).then_some(numbers)
    }

    /// Whether strings of this prefix are known by their digits: from now on, if none are yet.
    fn has_room_for(&self, records: &Records) -> bool {
        let greatest = greatest_of(records.numbers());
        let has_room = self.known.read().records.has_room(records, greatest);
        has_room || self.known.write().make_room_for(records, greatest)
    }

    /// Most are known, and looked up by several threads at once.
    fn number_all<V>(
        &self,
        values: impl Iterator<Item = V>,
        look_up: impl Fn(&KnownValues, &V) -> Option<u32>,
        mut number_of: impl FnMut(&mut KnownValues, V) -> Option<u32>,
    ) -> Option<Vec<u32>> {
        let mut numbers = Vec::with_capacity(values.size_hint().0);
        let mut new = Vec::new();
        {
            let known = self.known.read();
            for value in values {
                let number = look_up(&known, &value)?;
                if number == 0 {
                    new.push((numbers.len(), value));
                }
                numbers.push(number);
            }
        }
        if new.is_empty() {
            return Some(numbers);
        }
        let mut known = self.known.write();
        let mut is_full = false;
        for (at, value) in new {
            match number_of(&mut known, value) {
                Some(number) => numbers[at] = number,
                None => is_full = true,
            }
        }
        self.grown(&known);
        (!is_full).then_some(numbers)
    }

    /// There are further values.
    fn grown(&self, known: &KnownValues) {
        let (texts, records) = (known.texts.len(), known.records.heap_bytes());
        self.bytes.store(texts + known.len() * VALUE_BYTES + records + FIELD_BYTES, Relaxed);
        if known.len() >= FIELD_VALUES_MAX {
            self.was_full.store(true, Relaxed);
        }
    }

    /// How many of these strings are known.
    fn known_words(&self, words: &[Word]) -> usize {
        let known = self.known.read();
        words.iter().filter(|word| known.look_up_word(**word) > 0).count()
    }

    /// How many of the strings with these digits are known.
    fn known_records(&self, digits: &[u32]) -> usize {
        let known = self.known.read();
        let by_digits = known.records.numbers();
        digits.iter().filter(|digits| by_digits[**digits as usize] > 0).count()
    }
}

/// The greatest of some numbers, 0 of none.
fn greatest_of(numbers: &[u32]) -> u32 {
    numbers.iter().fold(0, |greatest, number| greatest.max(*number))
}

fn hash_of(kind: Kind, text: &[u8]) -> u64 {
    xxh3_64_with_seed(text, kind as u64)
}

impl KnownValues {
    /// The number of values.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The value of a number above zero that was given out.
    pub(crate) fn value(&self, number: u32) -> Value<'_> {
        let index = number as usize - 1;
        Value { kind: self.kinds[index], text: &self.texts[self.start(index)..self.end(index)] }
    }

    /// The texts of the values behind the first `count`, each with a NUL behind it.
    pub(crate) fn texts_behind(&self, count: usize) -> &[u8] {
        &self.texts[self.start(count)..]
    }

    /// The bytes of the texts of all values up to a number.
    pub(crate) fn texts_len(&self, number: u32) -> usize {
        (number as usize).checked_sub(1).map_or(0, |last| self.end(last))
    }

    /// Kinds that occur, as bits of their codes.
    pub(crate) fn kinds(&self) -> u8 {
        self.kind_bits
    }

    /// Whether one lexeme is a value of several kinds.
    pub(crate) fn is_ambiguous(&self) -> bool {
        self.is_ambiguous
    }

    fn start(&self, index: usize) -> usize {
        index.checked_sub(1).map_or(0, |before| self.end(before) + 1)
    }

    fn end(&self, index: usize) -> usize {
        self.ends[index] as usize
    }

    /// The number of a value, 0 if it is not known; `None` if another has its hash, and it gets none.
    fn look_up(&self, value: Value<'_>) -> Option<u32> {
        if let Some(digits) = self.digits_of(value) {
            return Some(self.records.numbers()[digits as usize]);
        }
        if let Some(word) = Word::of(value) {
            return Some(self.look_up_word(word));
        }
        let hash = hash_of(value.kind, value.text);
        let Some(number) = self.numbers.get(&hash).copied() else { return Some(0) };
        let known = self.value(number);
        ((known.kind, known.text) == (value.kind, value.text)).then_some(number)
    }

    /// The number of a string, 0 if it is not known.
    fn look_up_word(&self, word: Word) -> u32 {
        if let Some(digits) = self.digits_of_word(word) {
            return self.records.numbers()[digits as usize];
        }
        self.words.get(&word).copied().unwrap_or(0)
    }

    /// What the digits of a value say that is known by them, or will be.
    fn digits_of(&self, value: Value<'_>) -> Option<u32> {
        let may_be = self.records.is_there() && value.kind == Kind::String;
        if may_be { self.records.digits_of(value.text) } else { None }
    }

    fn digits_of_word(&self, word: Word) -> Option<u32> {
        let digits_of = |bytes: [u8; _]| self.records.digits_of(Word::text(&bytes));
        if self.records.is_there() { digits_of(word.bytes()) } else { None }
    }

    /// Makes room for strings to be known by their digits, those among them that are known already as well;
    /// `false` if that can't be.
    fn make_room_for(&mut self, records: &Records, greatest: u32) -> bool {
        let before = self.records.numbers().len();
        if !self.records.make_room(records, greatest) {
            return false;
        }
        if self.records.numbers().len() > before {
            for number in 1..=self.len() as u32 {
                if let Some(digits) = self.digits_of(self.value(number)) {
                    self.records.set(digits, number);
                }
            }
        }
        true
    }

    fn number_of(&mut self, value: Value<'_>) -> Option<u32> {
        if let Some(digits) = self.digits_of(value) {
            return self.number_of_record(digits, &mut Vec::new());
        }
        if let Some(word) = Word::of(value) {
            return self.number_of_word(word);
        }
        match self.look_up(value) {
            Some(0) => {}
            known => return known,
        }
        let number = self.push(value)?;
        self.numbers.insert(hash_of(value.kind, value.text), number);
        Some(number)
    }

    fn number_of_word(&mut self, word: Word) -> Option<u32> {
        if let Some(digits) = self.digits_of_word(word) {
            return self.number_of_record(digits, &mut Vec::new());
        }
        match self.look_up_word(word) {
            0 => {}
            known => return Some(known),
        }
        let bytes = word.bytes();
        let number = self.push(Value { kind: Kind::String, text: Word::text(&bytes) })?;
        self.words.insert(word, number);
        Some(number)
    }

    /// The number of a string for which there is room among the records. `text` is empty, or was written here.
    fn number_of_record(&mut self, digits: u32, text: &mut Vec<u8>) -> Option<u32> {
        match self.records.numbers()[digits as usize] {
            0 => {}
            known => return Some(known),
        }
        self.records.write(digits, text);
        let number = self.push(Value { kind: Kind::String, text })?;
        self.records.set(digits, number);
        Some(number)
    }

    /// Gives a value that is not known its number, if there is room.
    fn push(&mut self, value: Value<'_>) -> Option<u32> {
        let bytes = self.texts.len() + value.text.len();
        if self.len() >= FIELD_VALUES_MAX || bytes > VALUES_BYTES_MAX / 2 {
            return None;
        }
        let occurs = |kind: &Kind| self.kind_bits >> *kind as u8 & 1 == 1;
        let mut others = Kind::ALL.into_iter().filter(|kind| *kind != value.kind).filter(occurs);
        // What has the hash of another may be one of them.
        let is_there = |kind| self.look_up(Value { kind, ..value }) != Some(0);
        self.is_ambiguous |= others.any(is_there);
        self.kind_bits |= 1 << value.kind as u8;
        self.kinds.push(value.kind);
        self.texts.extend_from_slice(value.text);
        self.ends.push(self.texts.len() as u32);
        self.texts.push(0);
        Some(self.len() as u32)
    }
}

#[cfg(test)]
mod tests;
