//! What a test says of a sentence: of all the texts at once that have it, whatever their variables
//! are.
//!
//! - `S1` A verdict is [`Verdict::Always`] or [`Verdict::Never`] only if [`Matcher::matches`] says
//!   so of every text that the sentence and variables can make. What can't be proven depends.

mod listed;
mod pattern;
mod phrase;
#[cfg(test)]
pub(crate) mod tests;

use super::Matcher;
use crate::block::{Epoch, FieldValues, KnownValues, Outline, Sentences, Slot};
use crate::event::{Kind, Value};
use crate::index::{Phrase, SLOT, fold_into};
use listed::OfLists;
use parking_lot::Mutex;
use phrase::SentencePhrase;
use std::sync::{Arc, Weak};

pub(crate) use pattern::{InWords, PatternSentences};

/// What is known of all texts of a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Verdict {
    /// None passes.
    Never,
    /// Their variables tell.
    Depends,
    /// All pass.
    Always,
}

/// A part of a sentence.
#[derive(Debug, Clone, Copy)]
enum Piece<'a> {
    /// Bytes of the text. Not empty.
    Literal(&'a [u8]),
    Slot(Slot),
}

impl Slot {
    /// Whether a variable can have a byte.
    fn has(self, byte: u8) -> bool {
        match self {
            Self::Digits => byte.is_ascii_digit(),
            Self::Hex => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            Self::Any => byte == b'_' || byte.is_ascii_alphanumeric() || !byte.is_ascii(),
        }
    }

    /// Every byte that a variable can have.
    fn bytes(self) -> impl Iterator<Item = u8> {
        (0..=u8::MAX).filter(move |byte| self.has(*byte))
    }

    /// Whether a variable can have a byte of `first..=last`.
    fn overlaps(self, first: u8, last: u8) -> bool {
        (first..=last).any(|byte| self.has(byte))
    }

    /// Whether some variable is this token, but for case; the token is folded and has a digit.
    fn may_be(self, token: &[u8]) -> bool {
        token.iter().all(|byte| self.has(*byte))
    }
}

fn pieces(sentence: &[u8]) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = sentence;
    std::iter::from_fn(move || {
        let (first, others) = rest.split_first()?;
        if let Some(slot) = Slot::of(*first) {
            rest = others;
            return Some(Piece::Slot(slot));
        }
        let len = rest.iter().position(|byte| Slot::of(*byte).is_some()).unwrap_or(rest.len());
        let (literal, others) = rest.split_at(len);
        rest = others;
        Some(Piece::Literal(literal))
    })
}

fn has_slots(sentence: &[u8]) -> bool {
    sentence.iter().any(|byte| Slot::of(*byte).is_some())
}

/// Whether a text of the sentence can be a number: those have nothing else.
pub(super) fn may_be_number(sentence: &[u8]) -> bool {
    let is_part = |byte: &u8| match byte {
        b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E' => true,
        _ => Slot::of(*byte).is_some(),
    };
    sentence.iter().all(is_part)
}

/// A matcher that remembers what it said of sentences, for all blocks of a query.
#[derive(Debug)]
pub(crate) struct Judge {
    pub(crate) matcher: Matcher,
    known: Mutex<OfEpoch>,
    lists: Mutex<OfLists>,
    fields: Mutex<Vec<OfField>>,
}

/// What is known of the numbered values of a field.
#[derive(Debug)]
struct OfField {
    field: Weak<FieldValues>,
    /// How many were looked at.
    judged: usize,
    /// Whether one of those passes.
    some_pass: bool,
}

/// Verdicts by the number of the sentence, of those that were looked at.
type Verdicts = Arc<Vec<Option<Verdict>>>;

#[derive(Debug, Default)]
struct OfEpoch {
    epoch: Weak<Epoch>,
    /// Whoever judges a block looks at them without a lock.
    verdicts: Verdicts,
}

/// What a test says of the values of a block's column.
#[derive(Debug)]
pub(crate) struct Judged {
    /// By code.
    pub(crate) verdicts: Vec<Verdict>,
    /// How many values have a sentence of which all texts pass.
    pub(crate) passing: u64,
    /// Whether there are sentences of which it depends.
    pub(crate) depends: bool,
}

impl Judged {
    /// `counts` says how many values have each sentence.
    fn new(verdicts: Vec<Verdict>, counts: &[u32]) -> Self {
        let passing = counts.iter().zip(&verdicts).map(|(count, verdict)| match verdict {
            Verdict::Always => u64::from(*count),
            Verdict::Depends | Verdict::Never => 0,
        });
        Self { passing: passing.sum(), depends: verdicts.contains(&Verdict::Depends), verdicts }
    }
}

impl Judge {
    pub(crate) fn new(matcher: Matcher) -> Self {
        Self { matcher, known: Mutex::default(), lists: Mutex::default(), fields: Mutex::default() }
    }

    /// Whether no value of a field passes. Each value is looked at once a query.
    pub(crate) fn fails_all(&self, field: &Arc<FieldValues>) -> bool {
        let mut fields = self.fields.lock();
        let is_it = |known: &OfField| std::ptr::eq(known.field.as_ptr(), Arc::as_ptr(field));
        let place = fields.iter().position(is_it).unwrap_or_else(|| {
            let field = Arc::downgrade(field);
            fields.push(OfField { field, judged: 0, some_pass: false });
            fields.len() - 1
        });
        let known = &mut fields[place];
        if !known.some_pass {
            let values = field.known();
            if known.judged < values.len() {
                known.some_pass = self.matcher.passes_one_behind(&values, known.judged);
                known.judged = values.len();
            }
        }
        !known.some_pass
    }

    /// What the matcher says of a column with this outline.
    pub(crate) fn judge(&self, outline: &Outline, epoch: &Arc<Epoch>) -> Judged {
        let mut known = self.known_of(epoch);
        let verdict = |number: &u32| match known.get(*number as usize) {
            Some(Some(verdict)) => *verdict,
            Some(None) | None => {
                known = self.known_with(epoch, *number);
                known[*number as usize].expect("it was just judged")
            }
        };
        Judged::new(outline.numbers().iter().map(verdict).collect(), outline.counts())
    }

    /// The verdicts on sentences of an epoch so far.
    fn known_of(&self, epoch: &Arc<Epoch>) -> Verdicts {
        let mut known = self.known.lock();
        if !std::ptr::eq(known.epoch.as_ptr(), Arc::as_ptr(epoch)) {
            *known = OfEpoch { epoch: Arc::downgrade(epoch), verdicts: Verdicts::default() };
        }
        Arc::clone(&known.verdicts)
    }

    /// The same with the verdict on one of the sentences, and on all that became known with it.
    fn known_with(&self, epoch: &Arc<Epoch>, number: u32) -> Verdicts {
        let (first, list) = epoch.list_with(number);
        let (first, end) = (first as usize, first as usize + list.len());
        let judged = self.matcher.verdicts(&list);
        let mut verdicts = self.known_of(epoch);
        let mut known = self.known.lock();
        // Another thread may have begun with a younger epoch: its verdicts stay.
        let is_current = std::ptr::eq(known.epoch.as_ptr(), Arc::as_ptr(epoch));
        let mine = if is_current { &mut known.verdicts } else { &mut verdicts };
        let all = Arc::make_mut(mine);
        all.resize(all.len().max(end), None);
        let places = &mut all[first..end];
        places.iter_mut().zip(judged).for_each(|(place, verdict)| *place = Some(verdict));
        Arc::clone(mine)
    }
}

impl Matcher {
    /// Whether a value of a field passes that is behind its first `count`.
    fn passes_one_behind(&self, values: &KnownValues, count: usize) -> bool {
        let is_findable = values.kinds() >> Kind::Json as u8 & 1 == 0;
        if let Some(finder) = self.finder().filter(|_| is_findable)
            && finder.find(values.texts_behind(count)).is_none()
        {
            return false;
        }
        (count..values.len()).any(|index| self.matches(values.value(index as u32 + 1)))
    }

    /// What the test says of the texts of each sentence.
    fn verdicts(&self, sentences: &Sentences) -> Vec<Verdict> {
        let mut verdicts = match self {
            Self::Any => vec![Verdict::Always; sentences.len()],
            Self::Term(phrase) | Self::Words { phrase, .. } => {
                SentencePhrase::new(phrase.folded()).verdicts(sentences)
            }
            Self::Whole { text, .. } => {
                let mut folded = Vec::new();
                fold_into(text.as_bytes(), &mut folded);
                let phrase = SentencePhrase::new(&folded);
                sentences.folded().iter().map(|sentence| phrase.verdict_whole(sentence)).collect()
            }
            Self::Same(text) => {
                let mut folded = Vec::new();
                fold_into(text.needle(), &mut folded);
                let phrase = SentencePhrase::new(&folded);
                let sentences = sentences.texts().iter().zip(sentences.folded().iter());
                let verdict = |(sentence, folded): (&[u8], &[u8])| match has_slots(sentence) {
                    true => phrase.verdict_whole(folded).min(Verdict::Depends),
                    false => Verdict::of(sentence == text.needle()),
                };
                sentences.map(verdict).collect()
            }
            Self::Wildcard(wildcard) => {
                sentences.texts().iter().map(|sentence| wildcard.verdict(sentence)).collect()
            }
            Self::Range(bounds) => {
                sentences.texts().iter().map(|sentence| bounds.verdict(sentence)).collect()
            }
            Self::Network(_, as_text) => {
                let mut verdicts = as_text.verdicts(sentences);
                for (sentence, verdict) in sentences.texts().iter().zip(&mut verdicts) {
                    // What is known of the text is not known of addresses.
                    *verdict = match has_slots(sentence) {
                        true => (*verdict).max(Verdict::Depends),
                        false => {
                            Verdict::of(self.matches(Value { kind: Kind::String, text: sentence }))
                        }
                    };
                }
                verdicts
            }
            Self::Pattern { regex, sentences: pattern, .. } => {
                sentences.texts().iter().map(|sentence| pattern.verdict(regex, sentence)).collect()
            }
        };
        if let Self::Words { number: Some(_), .. } | Self::Whole { number: Some(_), .. } = self {
            self.look_at_numbers(sentences, &mut verdicts);
        }
        verdicts
    }

    /// The phrase that stands in every text that passes, if it can only stand in what a sentence has
    /// besides its slots: each slot holds a whole word, with a digit.
    pub(crate) fn phrase_of_literals(&self) -> Option<&Phrase> {
        match self {
            Self::Term(phrase) | Self::Words { phrase, number: None } => {
                let is_literal = |byte: &u8| !byte.is_ascii_digit() && *byte != SLOT;
                phrase.folded().iter().all(is_literal).then_some(phrase)
            }
            _ => None,
        }
    }

    /// The pattern, if it is one whose matches are parts of words: of a text whose sentence
    /// depends, one variable tells.
    pub(crate) fn in_words(&self) -> Option<&InWords> {
        match self {
            Self::Pattern { regex, sentences, .. } => sentences.in_words(regex),
            _ => None,
        }
    }

    /// Of texts that are numbers, their words say nothing (M1).
    fn look_at_numbers(&self, sentences: &Sentences, verdicts: &mut [Verdict]) {
        for (sentence, verdict) in sentences.texts().iter().zip(verdicts) {
            if may_be_number(sentence) {
                let value = Value { kind: Kind::String, text: sentence };
                *verdict = match has_slots(sentence) {
                    true => Verdict::Depends,
                    false => Verdict::of(self.matches(value)),
                };
            }
        }
    }
}

impl Verdict {
    pub(super) fn of(passes: bool) -> Self {
        if passes { Self::Always } else { Self::Never }
    }
}

/// The slot that a sentence begins with.
fn slot_at(sentence: &[u8]) -> Option<Slot> {
    Slot::of(*sentence.first()?)
}

fn ends_in_slot(sentence: &[u8]) -> bool {
    sentence.last().is_some_and(|byte| Slot::of(*byte).is_some())
}
