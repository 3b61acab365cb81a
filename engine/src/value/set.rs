//! The distinct values among some, by number.

use crate::event::{Kind, Value};
use foldhash::fast::RandomState;
use std::collections::HashMap;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Distinct values, numbered from 1 on in the order in which they were first met. A value is its kind and
/// its lexeme.
#[derive(Debug, Default)]
pub(crate) struct ValueSet {
    /// By hash; one that another value has is counted up.
    numbers: HashMap<u64, u32, RandomState>,
    kinds: Vec<Kind>,
    /// Where each text ends in `texts`.
    ends: Vec<usize>,
    texts: Vec<u8>,
}

impl ValueSet {
    /// The number of a value.
    pub(crate) fn code(&mut self, value: Value<'_>) -> u32 {
        let mut hash = xxh3_64_with_seed(value.text, value.kind as u64);
        while let Some(number) = self.numbers.get(&hash) {
            let known = self.value(*number as usize - 1);
            if (known.kind, known.text) == (value.kind, value.text) {
                return *number;
            }
            hash = hash.wrapping_add(1);
        }
        self.kinds.push(value.kind);
        self.texts.extend_from_slice(value.text);
        self.ends.push(self.texts.len());
        let number = u32::try_from(self.len()).expect("there are no more values than rows");
        self.numbers.insert(hash, number);
        number
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    fn value(&self, index: usize) -> Value<'_> {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        Value { kind: self.kinds[index], text: &self.texts[start..self.ends[index]] }
    }

    /// All values by number.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = Value<'_>> {
        (0..self.len()).map(|index| self.value(index))
    }

    /// The same with texts of their own.
    pub(crate) fn into_values(self) -> Vec<(Kind, Vec<u8>)> {
        self.iter().map(|value| (value.kind, value.text.to_vec())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_value_has_one_number(texts in prop::collection::vec(("[ab]{0,3}", any::<bool>()), 0..60)) {
            let mut set = ValueSet::default();
            let mut met: Vec<(Kind, Vec<u8>)> = Vec::new();
            for (text, is_string) in &texts {
                let kind = if *is_string { Kind::String } else { Kind::Json };
                let value = (kind, text.as_bytes().to_vec());
                let wanted = met.iter().position(|known| *known == value).unwrap_or_else(|| {
                    met.push(value);
                    met.len() - 1
                });
                let number = set.code(Value { kind, text: text.as_bytes() });
                prop_assert_eq!(number as usize, wanted + 1);
            }
            prop_assert_eq!(set.len(), met.len());
            prop_assert_eq!(set.into_values(), met);
        }
    }

    #[test]
    fn values_with_one_hash_have_numbers_of_their_own() {
        let mut set = ValueSet::default();
        let value = |text: &'static str| Value { kind: Kind::String, text: text.as_bytes() };
        assert_eq!(set.code(value("a")), 1);
        // As if `b` had the hash of `a`.
        let hash = xxh3_64_with_seed(b"b", Kind::String as u64);
        set.numbers.insert(hash, 1);
        assert_eq!(set.code(value("b")), 2);
        assert_eq!((set.code(value("b")), set.code(value("a"))), (2, 1));
    }
}
