//! The terms of rows: the writer's side of the index contract.
//!
//! The contract is `index(rows) ⊇ need(query)` for every query that one of the rows answers. More
//! terms than needed cost space, one too few loses rows.

use super::split::{SLOT, Split, Variable};
use super::term::{TermKind, term, whole_value};
use super::tokens::{
    LETTER_RUN_MIN, Token, TokenKind, as_word_with_digit, for_each_letter_run, for_each_token,
};
use crate::batch::{RowColumn, Rows};
use crate::event::{Kind, Value};
use crate::field;
use crate::io;
use crate::limits::TOKEN_BYTES_MAX;
use crate::value::Number;
use crate::value::any_leaf;
use xxhash_rust::xxh3::xxh3_64;

/// Terms remembered, to leave out those that come again at once. Fits the first-level cache.
const RECENT_TERMS: usize = 4_096;
/// Values of a column remembered, to leave out those that come again.
const RECENT_VALUES: usize = 1_024;

/// Variables that are looked at between two breaks.
const PIECE_VARIABLES: usize = 4_096;
/// A number of so many bytes has no more digits than are kept exactly whatever they are.
const PLAIN_NUMBER_BYTES_MAX: usize = 18;

/// What somebody found out of a column's values.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Known<'a> {
    /// Their sentences and variables.
    Split(&'a Split),
    /// The indices of values that have all others among them.
    Firsts(&'a [u32]),
    /// They are lower-case hexadecimal digits, at most [`TOKEN_BYTES_MAX`] in each, at least one, and
    /// those of these indices have all others among them; all of them if there are none.
    Ids(Option<&'a [u32]>),
}

/// All terms of the rows, rising, each once. They are the same whatever `known_of` knows of a column.
pub(crate) fn collect<'a>(
    rows: &Rows,
    known_of: impl Fn(&RowColumn) -> Option<Known<'a>>,
) -> Vec<u64> {
    let mut terms = Collector::default().collect(rows, known_of).to_vec();
    terms.sort_unstable();
    terms.dedup();
    terms
}

/// Whether the values of a column are terms as a whole.
pub(super) fn is_exact(column: &RowColumn) -> bool {
    field::is_exact(&field::display_name(&column.name))
}

/// Finds the terms of values: the one place that says what they are.
#[derive(Debug)]
pub(super) struct ValueTerms {
    scratch: Vec<u8>,
}

impl ValueTerms {
    pub(super) fn new() -> Self {
        Self { scratch: Vec::new() }
    }

    /// Gives every term of a value, folded and cut, to `f`; some more than once.
    pub(super) fn each(
        &mut self,
        value: Value<'_>,
        is_exact: bool,
        mut f: impl FnMut(TermKind, &[u8]),
    ) {
        if value.kind == Kind::Json {
            // The very texts that a query is matched with.
            any_leaf(value.text, |leaf| {
                self.scalar(leaf, is_exact, &mut f);
                false
            });
        } else {
            self.scalar(value, is_exact, &mut f);
        }
    }

    /// As [`ValueTerms::each`] of a string that has nothing but lower-case hexadecimal digits, at least one
    /// and at most [`TOKEN_BYTES_MAX`]: it is one word, which nothing folds or cuts.
    pub(super) fn each_of_id(&mut self, id: &[u8], mut f: impl FnMut(TermKind, &[u8])) {
        debug_assert!((1..=TOKEN_BYTES_MAX).contains(&id.len()));
        f(TermKind::Word, id);
        let letters = letters_of_id(id);
        let in_runs = (1..LETTER_RUN_MIN).fold(letters, |runs, next| runs & letters >> next);
        // Of all letters it is a word like any other.
        if in_runs != 0 && letters.count_ones() as usize != id.len() {
            for_each_letter_run(id, |run| f(TermKind::LetterRun, run));
        }
        // A number has no letter but the `e` before its exponent.
        if letters.count_ones() <= 1 {
            self.number(id, &mut f);
        }
    }

    /// As [`ValueTerms::each`] of every value of a column that was cut, and is not exact unless each is one
    /// variable. The words of a text are those of its sentence and its variables (`S1`).
    fn each_of_split(
        &mut self,
        column: &RowColumn,
        split: &Split,
        is_exact: bool,
        mut f: impl FnMut(TermKind, &[u8]),
    ) {
        split.sentences().for_each(|sentence| each_of_words(sentence, &mut f));
        for variables in split.variables().chunks(PIECE_VARIABLES) {
            variables.iter().for_each(|variable| each_of_variable(*variable, column, &mut f));
            io::may_break();
        }
        // A number's sentence is one of few; nearly always there is none.
        let may_be_numbers: Vec<bool> = split.sentences().map(may_be_number).collect();
        let have_numbers = may_be_numbers.contains(&true);
        for (index, code) in split.codes().iter().enumerate() {
            if *code == Split::RAW {
                self.each(column.value(index), is_exact, &mut f);
            } else if have_numbers && may_be_numbers[usize::from(*code)] {
                self.number(column.value(index).text, &mut f);
            }
        }
    }

    fn scalar(&mut self, value: Value<'_>, is_exact: bool, f: &mut impl FnMut(TermKind, &[u8])) {
        match point_of_decimal(value.text) {
            Some(point) => self.decimal(value, point, is_exact, f),
            None => self.text(value, is_exact, f),
        }
    }

    fn text(&mut self, value: Value<'_>, is_exact: bool, f: &mut impl FnMut(TermKind, &[u8])) {
        let Value { kind, text } = value;
        let mut is_word = false;
        for_each_token(text, |token| {
            is_word |= token.is_whole_word(text);
            each_of_token(text, token, f);
        });
        // A word is its own term; most values of exact fields are one.
        if is_exact
            && !is_word
            && let Some(whole) = whole_value(text, &mut self.scratch)
        {
            f(TermKind::WholeValue, whole);
        }
        if matches!(kind, Kind::String | Kind::Number) {
            self.number(text, f);
        }
    }

    /// As [`ValueTerms::text`] of what [`point_of_decimal`] tells: its digits are words, which nothing folds
    /// or cuts.
    fn decimal(
        &mut self,
        value: Value<'_>,
        point: usize,
        is_exact: bool,
        f: &mut impl FnMut(TermKind, &[u8]),
    ) {
        let Value { kind, text } = value;
        f(TermKind::Word, &text[..point]);
        let has_point = point < text.len();
        if has_point {
            f(TermKind::Word, &text[point + 1..]);
            if is_exact {
                f(TermKind::WholeValue, text);
            }
        }
        // The canonical lexeme has no zero at the front, and none behind a point at the end.
        let is_plain = text[0] != b'0' && !(has_point && text.ends_with(b"0"));
        let is_canonical = is_plain && text.len() <= PLAIN_NUMBER_BYTES_MAX;
        if !is_canonical && matches!(kind, Kind::String | Kind::Number) {
            self.number(text, f);
        }
    }

    /// A number in another form than the canonical one, which its tokens stand for.
    pub(super) fn number(&mut self, text: &[u8], f: &mut impl FnMut(TermKind, &[u8])) {
        let Some(b'0'..=b'9' | b'-') = text.first() else { return };
        if Number::is_canonical(text) {
            return;
        }
        if let Some(number) = Number::parse(text) {
            self.scratch.clear();
            number.write_canonical(&mut self.scratch);
            f(TermKind::Number, &self.scratch);
        }
    }
}

/// Gives every term of the words and bigrams of a text to `f`.
pub(super) fn each_of_words(text: &[u8], mut f: impl FnMut(TermKind, &[u8])) {
    for_each_token(text, |token| each_of_token(text, token, &mut f));
}

/// Gives every term of a variable of a column that was cut to `f`.
pub(super) fn each_of_variable(
    variable: Variable,
    column: &RowColumn,
    mut f: impl FnMut(TermKind, &[u8]),
) {
    let text = variable.text(column);
    if variable.is_digits() {
        f(TermKind::Word, word_of_digits(text));
    } else if !each_of_word_with_digit(text, &mut f) {
        each_of_words(text, f);
    }
}

/// As [`each_of_words`] of a text that is one word of ASCII with a digit, and not cut. Returns whether it is.
pub(super) fn each_of_word_with_digit(text: &[u8], f: &mut impl FnMut(TermKind, &[u8])) -> bool {
    as_word_with_digit(text, |word| {
        f(TermKind::Word, word);
        for_each_letter_run(word, |run| f(TermKind::LetterRun, run));
    })
}

/// A bit for each letter of an id, which has digits of ASCII besides and is no longer than 64 bytes.
fn letters_of_id(id: &[u8]) -> u64 {
    let (eights, rest) = id.as_chunks::<8>();
    // Of these bytes, letters alone have the bit 0x40. The product moves bit 8 i to bit 56 + i, for each i.
    let letters_of = |eight: [u8; 8]| {
        let bits = u64::from_le_bytes(eight) >> 6 & 0x0101_0101_0101_0101;
        bits.wrapping_mul(0x0102_0408_1020_4080) >> 56
    };
    let numbered = eights.iter().enumerate();
    let mut letters =
        numbered.fold(0, |letters, (number, eight)| letters | letters_of(*eight) << (8 * number));
    if !rest.is_empty() {
        let mut last = [b'0'; 8];
        last[..rest.len()].copy_from_slice(rest);
        letters |= letters_of(last) << (8 * eights.len());
    }
    letters
}

/// Where the point stands in a text of digits with a point between two of them, which is short enough to be a
/// term as a whole; its length if it has digits alone. `None` of all other texts.
fn point_of_decimal(text: &[u8]) -> Option<usize> {
    let digits = |text: &[u8]| text.iter().position(|byte| !byte.is_ascii_digit());
    if text.len() > TOKEN_BYTES_MAX || !text.first()?.is_ascii_digit() {
        return None;
    }
    let Some(point) = digits(text) else { return Some(text.len()) };
    let fraction = &text[point + 1..];
    let is_one = text[point] == b'.' && !fraction.is_empty() && digits(fraction).is_none();
    is_one.then_some(point)
}

/// The word that digits are: there is nothing to fold, and there are no letter runs.
pub(super) fn word_of_digits(digits: &[u8]) -> &[u8] {
    &digits[..digits.len().min(TOKEN_BYTES_MAX)]
}

/// Gives every term of a token of a text to `f`.
pub(super) fn each_of_token(text: &[u8], token: Token<'_>, f: &mut impl FnMut(TermKind, &[u8])) {
    f(token.kind.into(), token.bytes);
    if token.kind == TokenKind::Word && !token.is_letters() {
        for_each_letter_run(&text[token.start..token.end], |run| f(TermKind::LetterRun, run));
    }
}

/// Collects terms, with buffers that are kept.
///
/// Both memories of what came before are direct-mapped: a sender who makes hashes collide makes
/// them forget, which costs time, but neither a term nor a long search. Values are compared byte
/// by byte, because equal hashes of different values can be made on purpose.
#[derive(Debug)]
pub(super) struct Collector {
    values: ValueTerms,
    terms: Vec<u64>,
    recent_terms: Box<[u64]>,
    /// Indexes of values in the column, plus one.
    recent_values: Box<[u32]>,
}

impl Default for Collector {
    fn default() -> Self {
        // No slot may hold a term that belongs there: the complement of the slot's number doesn't.
        let recent_terms = (0..RECENT_TERMS as u64).map(|slot| !slot).collect();
        let recent_values = vec![0; RECENT_VALUES].into();
        Self { values: ValueTerms::new(), terms: Vec::new(), recent_terms, recent_values }
    }
}

impl Collector {
    /// All terms of the rows, in any order, some more than once. Names of fields, levels and times have
    /// none.
    pub(super) fn collect<'a>(
        &mut self,
        rows: &Rows,
        known_of: impl Fn(&RowColumn) -> Option<Known<'a>>,
    ) -> &[u64] {
        self.terms.clear();
        for (slot, term) in (0..).zip(&mut self.recent_terms) {
            *term = !slot;
        }
        // No query looks into what is hidden.
        for column in rows.columns.iter().filter(|column| !field::is_hidden(&column.name)) {
            self.column(column, known_of(column));
            io::may_break();
        }
        &self.terms
    }

    /// The bytes that it keeps.
    pub(super) fn memory(&self) -> usize {
        self.terms.capacity() * size_of::<u64>()
    }

    fn column(&mut self, column: &RowColumn, known: Option<Known<'_>>) {
        let is_exact = is_exact(column);
        let Self { values, terms, recent_terms, .. } = self;
        let mut push_term = |kind, bytes: &[u8]| push(terms, recent_terms, term(kind, bytes));
        match known {
            // A whole value is no sentence; of one word it is no term of its own.
            Some(Known::Split(split)) if !is_exact || split.sentences().all(is_bare) => {
                return values.each_of_split(column, split, is_exact, push_term);
            }
            Some(Known::Firsts(firsts)) => {
                let mut each = |index| values.each(column.value(index), is_exact, &mut push_term);
                return firsts.iter().for_each(|at| each(*at as usize));
            }
            Some(Known::Ids(firsts)) => {
                // An id as a whole hardly comes again: what is remembered are its runs of letters.
                let mut id = |index| {
                    values.each_of_id(column.value(index).text, |kind, bytes| match kind {
                        TermKind::Word => terms.push(term(kind, bytes)),
                        _ => push(terms, recent_terms, term(kind, bytes)),
                    });
                };
                return match firsts {
                    Some(firsts) => firsts.iter().for_each(|at| id(*at as usize)),
                    None => (0..column.len()).for_each(id),
                };
            }
            _ => {}
        }
        self.recent_values.fill(0);
        for index in 0..column.len() {
            if self.is_recent(column, index) {
                continue;
            }
            let Self { values, terms, recent_terms, .. } = self;
            values.each(column.value(index), is_exact, |kind, bytes| {
                push(terms, recent_terms, term(kind, bytes));
            });
        }
    }

    /// Whether the value came before, among the last ones; it is remembered.
    fn is_recent(&mut self, column: &RowColumn, index: usize) -> bool {
        let value = column.value(index);
        let recent = &mut self.recent_values[xxh3_64(value.text) as usize % RECENT_VALUES];
        let before = std::mem::replace(recent, index as u32 + 1).checked_sub(1);
        before.is_some_and(|before| column.value(before as usize) == value)
    }
}

fn push(terms: &mut Vec<u64>, recent_terms: &mut [u64], term: u64) {
    let recent = &mut recent_terms[term as usize % RECENT_TERMS];
    let is_new = std::mem::replace(recent, term) != term;
    // Nobody can foretell which: to take one back costs less than to be wrong.
    terms.push(term);
    terms.truncate(terms.len() - usize::from(!is_new));
}

/// Whether the texts of a sentence are one variable each: a word, from their first byte to their last.
pub(crate) fn is_bare(sentence: &[u8]) -> bool {
    sentence == [SLOT]
}

/// Whether a sentence has nothing but slots and what else a number can have.
pub(super) fn may_be_number(sentence: &[u8]) -> bool {
    sentence.iter().all(|byte| matches!(*byte, SLOT | b'-' | b'+' | b'.' | b'e' | b'E'))
}

#[cfg(test)]
mod tests;
