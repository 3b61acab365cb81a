//! Where a phrase can stand in the texts of a sentence.
//!
//! A variable is a whole token of its text, and the edges of a phrase are borders of tokens. So a
//! phrase that reaches into a variable has one of its own tokens there, whole: one with an ASCII
//! digit. A phrase without such a token stands in the literal parts of a sentence or nowhere, and
//! the sentence alone decides.

use super::{Verdict, ends_in_slot, has_slots, slot_at};
use crate::block::Sentences;
use crate::index::{for_each_token, joins_after, joins_before};
use memchr::memmem;
use std::ops::Range;

/// A phrase prepared to be looked for in folded sentences.
#[derive(Debug, Clone)]
pub(super) struct SentencePhrase {
    folded: Box<[u8]>,
    /// Where its tokens lie that can be variables.
    variables: Box<[Range<usize>]>,
    /// The longest of its parts without these: it stands in each sentence that has the phrase.
    part: memmem::Finder<'static>,
    joins_left: bool,
    joins_right: bool,
    /// Whether it has bytes that are slots in a sentence: no text that has one has a sentence.
    has_slots: bool,
}

impl SentencePhrase {
    /// Prepares for a folded phrase.
    pub(super) fn new(folded: &[u8]) -> Self {
        let mut variables = Vec::new();
        for_each_token(folded, |token| {
            let text = &folded[token.start..token.end];
            if text.iter().any(u8::is_ascii_digit) {
                variables.push(token.start..token.end);
            }
        });
        let starts = std::iter::once(0).chain(variables.iter().map(|token| token.end));
        let ends = variables.iter().map(|token| token.start).chain([folded.len()]);
        let part = starts.zip(ends).max_by_key(|(start, end)| end - start);
        let part = part.map_or(&[][..], |(start, end)| &folded[start..end]);
        Self {
            part: memmem::Finder::new(part).into_owned(),
            joins_left: joins_after(folded),
            joins_right: joins_before(folded),
            has_slots: has_slots(folded),
            variables: variables.into(),
            folded: folded.into(),
        }
    }

    /// Whether the phrase stands in the texts of each sentence.
    pub(super) fn verdicts(&self, sentences: &Sentences) -> Vec<Verdict> {
        let mut verdicts = vec![Verdict::Never; sentences.len()];
        sentences.folded().for_each_found(
            |sentences| self.part.find(sentences),
            |index, sentence| verdicts[index] = self.verdict(sentence),
        );
        verdicts
    }

    /// Whether the phrase stands in the texts of a folded sentence.
    fn verdict(&self, sentence: &[u8]) -> Verdict {
        if self.folded.is_empty() {
            return Verdict::Always;
        }
        if self.has_slots {
            return Verdict::Never;
        }
        if self.variables.is_empty() {
            return self.verdict_of_literals(sentence);
        }
        let starts = 0..sentence.len();
        starts.map(|start| self.verdict_at(sentence, start)).max().unwrap_or(Verdict::Never)
    }

    /// As [`SentencePhrase::verdict`], of a phrase that can't reach into a variable.
    fn verdict_of_literals(&self, sentence: &[u8]) -> Verdict {
        let mut at = 0;
        while let Some(found) = self.part.find(&sentence[at..]) {
            let (start, end) = (at + found, at + found + self.folded.len());
            if self.is_bounded(sentence, start..end) {
                return Verdict::Always;
            }
            at = start + 1;
        }
        Verdict::Never
    }

    /// Whether the text that a sentence stands for is the phrase.
    pub(super) fn verdict_whole(&self, sentence: &[u8]) -> Verdict {
        match self.follow(sentence, 0) {
            Some((verdict, end)) if end == sentence.len() && !self.has_slots => verdict,
            _ => Verdict::Never,
        }
    }

    fn verdict_at(&self, sentence: &[u8], start: usize) -> Verdict {
        match self.follow(sentence, start) {
            Some((verdict, end)) if self.is_bounded(sentence, start..end) => verdict,
            _ => Verdict::Never,
        }
    }

    /// Whether an edge of the phrase that is part of a token is that token's border here.
    fn is_bounded(&self, sentence: &[u8], place: Range<usize>) -> bool {
        let (before, behind) = (&sentence[..place.start], &sentence[place.end..]);
        !(self.joins_left && (ends_in_slot(before) || joins_before(before)))
            && !(self.joins_right && (slot_at(behind).is_some() || joins_after(behind)))
    }

    /// Where the phrase ends that begins at `start`, and whether it surely stands there.
    fn follow(&self, sentence: &[u8], start: usize) -> Option<(Verdict, usize)> {
        let (mut at, mut matched) = (start, 0);
        let mut verdict = Verdict::Always;
        while matched < self.folded.len() {
            let rest = &sentence[at..];
            if let Some(slot) = slot_at(rest) {
                let token = self.variables.iter().find(|token| token.start == matched)?;
                if !slot.may_be(&self.folded[token.clone()]) {
                    return None;
                }
                verdict = Verdict::Depends;
                (at, matched) = (at + 1, token.end);
            } else if rest.first() == Some(&self.folded[matched]) {
                (at, matched) = (at + 1, matched + 1);
            } else {
                return None;
            }
        }
        Some((verdict, at))
    }
}
