//! Text with gaps: `conn*`, `*/orders/*/items`.
//!
//! - `W1` In words, the text begins and ends at a border of tokens where no gap does, and a gap has no
//!   blanks in it; as a whole value it has no other text around it, and a gap has anything in it.

use super::sentence::{PatternSentences, Verdict};
use crate::block::Slot;
use crate::index::{Phrase, fold_into, joins_after, joins_before};
use crate::query::ast;
use memchr::memmem::Finder;
use std::ops::Range;

/// A text with gaps to search for, prepared.
#[derive(Debug)]
pub(crate) struct Wildcard {
    /// What stands between the gaps, folded. None is empty.
    pieces: Vec<Finder<'static>>,
    /// Whether nothing stands before the first piece or behind the last.
    opens: bool,
    closes: bool,
    is_whole: bool,
    /// The longest piece.
    longest: Phrase,
    /// What is less, and tells of sentences that none of their texts passes.
    sentences: PatternSentences,
}

impl Wildcard {
    /// Prepares to search; `is_whole` if it is to be the whole value.
    pub(crate) fn new(wildcard: &ast::Wildcard, is_whole: bool) -> Self {
        let given = &wildcard.pieces;
        assert!(given.len() > 1, "a text without a gap is no wildcard");
        let texts: Vec<&String> = given.iter().filter(|piece| !piece.is_empty()).collect();
        let folded = |piece: &&String| {
            let mut folded = Vec::new();
            fold_into(piece.as_bytes(), &mut folded);
            Finder::new(&folded).into_owned()
        };
        let escaped: Vec<String> = texts.iter().map(|piece| regex::escape(piece)).collect();
        let longest = texts.iter().max_by_key(|piece| piece.len());
        Self {
            pieces: texts.iter().map(folded).collect(),
            opens: given.first().is_some_and(|piece| !piece.is_empty()),
            closes: given.last().is_some_and(|piece| !piece.is_empty()),
            is_whole,
            longest: Phrase::new(longest.map_or("", |piece| piece)),
            sentences: PatternSentences::new(&format!("(?i){}", escaped.join("(?s-u:.)*"))),
        }
    }

    /// A phrase that stands in every text that passes, whatever is beside it.
    pub(crate) fn longest(&self) -> &Phrase {
        &self.longest
    }

    /// Whether a text passes.
    pub(crate) fn is_match(&self, text: &[u8]) -> bool {
        let mut folded = Vec::with_capacity(text.len());
        fold_into(text, &mut folded);
        match self.is_whole {
            true => self.is_whole(&folded),
            false => self.is_in_words(&folded),
        }
    }

    fn is_whole(&self, text: &[u8]) -> bool {
        let mut at = 0;
        for (index, piece) in self.pieces.iter().enumerate() {
            let needle = piece.needle();
            let place = match index {
                0 if self.opens => text.starts_with(needle).then_some(0),
                _ => piece.find(&text[at..]).map(|found| at + found),
            };
            let Some(place) = place else { return false };
            at = place + needle.len();
        }
        let last = self.pieces.last().map_or(&[][..], |piece| piece.needle());
        // Of all places of the last piece the end of the text is the last one.
        !self.closes
            || at == text.len()
            || (text.len() - last.len() >= self.before_last(text) && text.ends_with(last))
    }

    /// Where the pieces before the last end at the earliest.
    fn before_last(&self, text: &[u8]) -> usize {
        let before = &self.pieces[..self.pieces.len() - 1];
        before.iter().fold(0, |at, piece| {
            let found = piece.find(&text[at..]).map_or(text.len(), |found| at + found);
            (found + piece.needle().len()).min(text.len())
        })
    }

    fn is_in_words(&self, text: &[u8]) -> bool {
        let Some((first, others)) = self.pieces.split_first() else { return true };
        let len = first.needle().len();
        let mut from = 0;
        while let Some(found) = text.get(from..).and_then(|rest| first.find(rest)) {
            let (start, end) = (from + found, from + found + len);
            from = start + 1;
            if self.opens && is_inside(text, start) {
                continue;
            }
            let Some((last, middle)) = others.split_last() else {
                if self.closes && is_inside(text, end) {
                    continue;
                }
                return true;
            };
            let is_blank = |byte: &u8| byte.is_ascii_whitespace();
            let run_end = text[end..].iter().position(is_blank).map_or(text.len(), |at| end + at);
            let behind = middle.iter().try_fold(end, |at, piece| {
                let found = piece.find(text.get(at..run_end)?)?;
                Some(at + found + piece.needle().len())
            });
            if let Some(at) = behind
                && at <= run_end
                && self.ends_in(text, last, at..run_end)
            {
                return true;
            }
            // What begins later in this run has less room for the others.
            from = from.max((run_end + 1).saturating_sub(len));
        }
        false
    }

    /// Whether the last piece stands in a range of the text, at the edge of a token if it has to.
    fn ends_in(&self, text: &[u8], last: &Finder<'static>, range: Range<usize>) -> bool {
        let len = last.needle().len();
        let mut from = range.start;
        while let Some(found) = text.get(from..range.end).and_then(|rest| last.find(rest)) {
            let (place, end) = (from + found, from + found + len);
            if !self.closes || !is_inside(text, end) {
                return true;
            }
            // Places overlap: in `7000` the second `00` begins inside of the first. None that ends
            // before the token does is worth a look.
            let Some(border) = (end + 1..=range.end).find(|at| !is_inside(text, *at)) else {
                return false;
            };
            from = (place + 1).max(border - len);
        }
        false
    }

    /// What the test says of the texts of a sentence.
    pub(super) fn verdict(&self, sentence: &[u8]) -> Verdict {
        let has_slot = |text: &[u8]| text.iter().any(|byte| Slot::of(*byte).is_some());
        if !has_slot(sentence) {
            return Verdict::of(self.is_match(sentence));
        }
        // A variable is a word: there are no blanks in it, and its edges are borders.
        if !self.pieces.iter().any(|piece| has_slot(piece.needle())) && self.is_match(sentence) {
            return Verdict::Always;
        }
        self.sentences.verdict_by_automaton(sentence).min(Verdict::Depends)
    }
}

/// Whether a place is inside a token.
fn is_inside(text: &[u8], at: usize) -> bool {
    joins_before(&text[..at]) && joins_after(&text[at..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Whether the pieces stand in the text from `at` on, `W1` and nothing else: every place is tried.
    fn stands(text: &str, pieces: &[String], at: usize, closes: bool) -> bool {
        let Some((piece, others)) = pieces.split_first() else {
            return !closes || !is_inside(text.as_bytes(), at);
        };
        (at..=text.len())
            .take_while(|place| !text[at..*place].contains(' '))
            .filter(|place| text[*place..].starts_with(piece.as_str()))
            .any(|place| stands(text, others, place + piece.len(), closes))
    }

    fn stands_somewhere(text: &str, pieces: &[String]) -> bool {
        let (opens, closes) = (!pieces[0].is_empty(), !pieces[pieces.len() - 1].is_empty());
        (0..=text.len())
            .filter(|place| text[*place..].starts_with(pieces[0].as_str()))
            .filter(|place| !opens || !is_inside(text.as_bytes(), *place))
            .any(|place| stands(text, &pieces[1..], place + pieces[0].len(), closes))
    }

    #[test]
    fn places_of_the_last_piece_overlap() {
        let pieces = ["id-", "00"].map(String::from).to_vec();
        assert!(Wildcard::new(&ast::Wildcard { pieces }, false).is_match(b"order id-7000 ok"));
    }

    proptest! {
        #[test]
        fn words_with_gaps_are_found_wherever_they_stand(
            text in "[a0 -]{0,12}",
            pieces in proptest::collection::vec("[a0-]{1,3}", 1..4),
            open in any::<bool>(),
            close in any::<bool>(),
        ) {
            let mut pieces = pieces;
            if !open || pieces.len() == 1 {
                pieces.insert(0, String::new());
            }
            if !close {
                pieces.push(String::new());
            }
            let found = Wildcard::new(&ast::Wildcard { pieces: pieces.clone() }, false);
            prop_assert_eq!(found.is_match(text.as_bytes()), stands_somewhere(&text, &pieces));
        }
    }
}
