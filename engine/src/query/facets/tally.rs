//! The values of a field, counted in bounded memory.
//!
//! - `T1` a count is never above the number of events, and below it by at most [`Tally::error`], which
//!   is 0 as long as there was room for all values (Misra and Gries, "Finding repeated elements"). Else
//!   it is at most a part in [`VALUES_KEPT`] of the events that were counted; for want of memory more, of
//!   the fields alone whose values take the most ([`Tally::halve`]): a part in as many as were left.

use crate::event::{Kind, Value};
use std::collections::HashMap;

/// Values beyond which the rarest are forgotten.
pub(super) const VALUES_MAX: usize = 4_096;
/// Values that are kept then, at most.
const VALUES_KEPT: usize = VALUES_MAX / 2;
/// Longer values are not told apart.
pub(super) const VALUE_BYTES_MAX: usize = 256;
/// What a value takes besides its text: a place in a table, an allocation; twice, for the answer.
const VALUE_BYTES: usize = 2 * (size_of::<(Box<[u8]>, Kind, u64)>() + 32);

/// The values of a field in some events.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    /// Events that have the field.
    pub(super) events: u64,
    /// Of these, those whose values were wanted.
    pub(super) matching: u64,
    /// Kinds that occur, as bits of their codes.
    pub(super) kinds: u8,
    /// Whether a wanted value was too long to be told.
    pub(super) has_long: bool,
    /// What counts may lack.
    pub(super) error: u64,
    /// Those that are `null`, which is not the text of four letters.
    nulls: u64,
    /// All others by lexeme; of several kinds the one with the lowest code is told.
    values: HashMap<Box<[u8]>, (Kind, u64)>,
    bytes: usize,
}

impl Tally {
    /// Takes in so many events that have the field; their values are not looked at.
    pub(super) fn add_events(&mut self, events: u64, kinds: u8) {
        self.events += events;
        self.kinds |= kinds;
    }

    /// Takes in a wanted value that so many events have, which were added before.
    pub(super) fn add_value(&mut self, value: Value<'_>, events: u64) {
        self.matching += events;
        if value.kind == Kind::Null {
            self.nulls += events;
            return;
        }
        if value.text.len() > VALUE_BYTES_MAX {
            self.has_long = true;
            return;
        }
        match self.values.get_mut(value.text) {
            Some((kind, count)) => {
                *kind = (*kind).min(value.kind);
                *count += events;
            }
            None => {
                self.bytes += 2 * value.text.len() + VALUE_BYTES;
                self.values.insert(value.text.into(), (value.kind, events));
            }
        }
    }

    /// Takes in what was counted elsewhere.
    pub(super) fn merge(&mut self, other: Self) {
        self.add_events(other.events, other.kinds);
        self.has_long |= other.has_long;
        self.error += other.error;
        self.nulls += other.nulls;
        let before = self.matching;
        for (text, (kind, count)) in &other.values {
            self.add_value(Value { kind: *kind, text }, *count);
        }
        self.matching = before + other.matching;
        self.bound();
    }

    /// What it takes, about.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.bytes
    }

    /// Forgets the rarest values, if there are too many.
    pub(super) fn bound(&mut self) {
        if self.values.len() > VALUES_MAX {
            self.keep(VALUES_KEPT);
        }
    }

    /// Forgets half of the values: memory is short.
    pub(super) fn halve(&mut self) {
        self.keep(self.values.len() / 2);
    }

    /// Forgets the rarest values, so that at most so many are left: all lose what the first of those has
    /// that must go.
    fn keep(&mut self, most: usize) {
        let mut counts: Vec<u64> = self.values.values().map(|(_, count)| *count).collect();
        if counts.len() <= most {
            return;
        }
        let (_, lost, _) = counts.select_nth_unstable_by(most, |a, b| b.cmp(a));
        let lost = *lost;
        self.error += lost;
        self.values.retain(|_, (_, count)| {
            *count = count.saturating_sub(lost);
            *count > 0
        });
        let texts: usize = self.values.keys().map(|text| text.len()).sum();
        self.bytes = 2 * texts + self.values.len() * VALUE_BYTES;
    }

    /// The number of different values, if none was forgotten or too long.
    pub(super) fn distinct(&self) -> Option<u64> {
        let others = self.values.len() as u64;
        (self.error == 0 && !self.has_long).then_some(others + u64::from(self.nulls > 0))
    }

    /// The commonest values, at most so many: the commonest first, then by text. Of counts that lack
    /// something, only those are told that say more than what they may lack.
    pub(super) fn commonest(self, most: usize) -> Vec<((Kind, Vec<u8>), u64)> {
        let error = self.error;
        let others = self.values.into_iter().filter(|(_, (_, count))| *count > error);
        let others = others.map(|(text, (kind, count))| ((kind, text.into_vec()), count));
        let nulls = (self.nulls > 0).then(|| ((Kind::Null, b"null".to_vec()), self.nulls));
        let mut values: Vec<_> = nulls.into_iter().chain(others).collect();
        values.sort_by(|((_, a), a_count), ((_, b), b_count)| (b_count, a).cmp(&(a_count, b)));
        values.truncate(most);
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn add(tally: &mut Tally, value: u64) {
        let text = value.to_string();
        tally.add_events(1, 1 << Kind::Number as u8);
        tally.add_value(Value { kind: Kind::Number, text: text.as_bytes() }, 1);
    }

    #[test]
    fn what_is_common_outlives_what_is_rare() {
        let mut parts = [Tally::default(), Tally::default()];
        for n in 0..200_000u64 {
            // Ten values have a fiftieth each, the others are all different.
            let value = if n % 5 == 0 { n / 5 % 10 } else { 1_000_000 + n };
            let part = &mut parts[n as usize % 2];
            add(part, value);
            if n % 8_192 == 0 {
                part.bound();
            }
        }
        let [mut all, part] = parts;
        all.merge(part);
        assert_eq!((all.events, all.matching, all.distinct()), (200_000, 200_000, None));
        assert!(all.error > 0 && all.error <= 200_000 / VALUES_KEPT as u64, "{}", all.error);
        let error = all.error;
        let commonest = all.commonest(20);
        assert_eq!(commonest.len(), 10, "the others are not told");
        for ((kind, text), count) in commonest {
            assert_eq!((kind, text.len()), (Kind::Number, 1));
            assert!((4_000 - error..=4_000).contains(&count), "{count}");
        }
    }

    #[test]
    fn long_values_are_counted_but_not_told() {
        let mut tally = Tally::default();
        tally.add_events(3, 2);
        tally.add_value(Value { kind: Kind::String, text: &[b'x'; VALUE_BYTES_MAX + 1] }, 2);
        tally.add_value(Value { kind: Kind::String, text: &[b'x'; VALUE_BYTES_MAX] }, 1);
        assert_eq!((tally.matching, tally.distinct()), (3, None));
        assert_eq!(tally.commonest(9).len(), 1);
    }

    /// Both were told as one, of the kind with the lower code.
    #[test]
    fn null_is_not_the_text_of_four_letters() {
        let mut parts = [Tally::default(), Tally::default()];
        for part in &mut parts {
            part.add_events(5, 1 << Kind::Null as u8 | 1 << Kind::String as u8);
            part.add_value(Value { kind: Kind::Null, text: b"null" }, 3);
            part.add_value(Value { kind: Kind::String, text: b"null" }, 2);
        }
        let [mut all, part] = parts;
        all.merge(part);
        assert_eq!((all.matching, all.distinct()), (10, Some(2)));
        let told = all.commonest(9);
        let null = |kind, count| ((kind, b"null".to_vec()), count);
        assert_eq!(told, [null(Kind::Null, 6), null(Kind::String, 4)]);
    }

    proptest! {
        #[test]
        fn counts_lack_at_most_the_error(values in prop::collection::vec(0u64..60, 0..400), most in 1usize..50) {
            let mut tally = Tally::default();
            for (at, value) in values.iter().enumerate() {
                add(&mut tally, *value);
                if at % 50 == 49 {
                    tally.keep(most);
                }
            }
            tally.keep(most);
            prop_assert!(tally.values.len() <= most);
            prop_assert!(tally.error as usize <= values.len() / (most + 1));
            for value in 0..60 {
                let exact = values.iter().filter(|other| **other == value).count() as u64;
                let got = tally.values.get(value.to_string().as_bytes()).map_or(0, |(_, n)| *n);
                prop_assert!(got <= exact && exact <= got + tally.error, "{got} of {exact}");
            }
        }
    }
}
