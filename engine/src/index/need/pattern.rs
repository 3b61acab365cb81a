//! What a regular expression needs.
//!
//! A pattern becomes *variants*: sequences of pieces, one of which stands in every text that
//! matches. Within a sequence, a run of known characters proves terms where its neighbours prove
//! that the tokenizer would cut there.
//!
//! - `P1` Pieces describe adjacent parts of the match, in order. [`Piece::Unknown`] is any text,
//!   also none; the text before the first and behind the last piece is unknown too.
//! - `P2` The sizes are bounded: what is larger becomes unknown.

use super::{Need, Planner};
use crate::index::classes::tables::{DIGITS, LETTERS};
use crate::index::classes::{Class, class_of, fold, overlaps};
use crate::index::term::TermKind;
use crate::index::tokens::{LETTER_RUN_MIN, for_each_letter_run};
use crate::query::ast::Wildcard;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{self, Hir, HirKind, Look};

/// Sequences of a pattern at most.
const VARIANTS_MAX: usize = 32;
/// Pieces of a sequence at most.
const PIECES_MAX: usize = 1_024;
/// The most characters that fold to one: a larger class is not one character in several cases.
const CASES_MAX: usize = 8;

/// A part of a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// One character, but for case; this is the folded one.
    Char(char),
    /// One character that does not join, or the edge of the text or of a line.
    Border,
    /// Characters that do not join, or nothing.
    Gap,
    /// One character that is no letter.
    NonLetter,
    /// The border of a word as the pattern sees it. If a letter stands on one side of it, none
    /// stands on the other.
    WordEdge,
    /// Anything or nothing.
    Unknown,
}

/// What is known of a run's neighbour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Neighbour {
    /// Nothing.
    Unknown,
    /// It is no letter, if it is there.
    NonLetter,
    /// It joins, but is no letter.
    Joining,
    /// It does not join, or is not there.
    Border,
}

type Variant = Vec<Piece>;

impl Planner {
    /// What the pattern needs of a text in which it matches.
    pub(super) fn pattern(&mut self, source: &str) -> Need {
        // As the regex crate parses what is matched with bytes.
        let Ok(hir) = ParserBuilder::new().utf8(false).build().parse(source) else {
            return Need::Nothing;
        };
        Need::any(variants(&hir).into_iter().map(|variant| self.variant(&variant)))
    }

    /// What a text with gaps needs: where no gap is, it begins and ends at a border.
    pub(super) fn wildcard(&mut self, wildcard: &Wildcard) -> Need {
        let mut pieces = Vec::new();
        for (index, text) in wildcard.pieces.iter().enumerate() {
            pieces.push(if index == 0 { Piece::Border } else { Piece::Unknown });
            pieces.extend(text.chars().map(|c| Piece::Char(fold(c))));
        }
        if wildcard.pieces.last().is_some_and(|piece| !piece.is_empty()) {
            pieces.push(Piece::Border);
        }
        self.variant(&pieces)
    }

    fn variant(&mut self, pieces: &[Piece]) -> Need {
        let mut needs = Vec::new();
        let mut at = 0;
        while at < pieces.len() {
            let run = pieces[at..].iter().map_while(|piece| joining(*piece)).count();
            if run > 0 {
                needs.push(self.run(pieces, at, at + run));
            } else if let [Piece::Char(a), Piece::Char(b), ..] = pieces[at..]
                && class_of(a) == Class::Solo
                && class_of(b) == Class::Solo
            {
                let bigram = String::from_iter([a, b]);
                needs.push(self.term(TermKind::Bigram, bigram.as_bytes()));
            }
            at += run.max(1);
        }
        Need::all(needs)
    }

    /// The run of joining characters `start..end`, which neither neighbour piece continues.
    fn run(&mut self, pieces: &[Piece], start: usize, end: usize) -> Need {
        let left = neighbour(pieces[..start].iter().rev());
        let right = neighbour(pieces[end..].iter());
        if left == Neighbour::Border && right == Neighbour::Border {
            return self.tokens(&text(&pieces[start..end]));
        }
        let mut needs = Vec::new();
        let mut at = start;
        while at < end {
            let is_letter =
                |piece: &&Piece| joining(**piece).is_some_and(|c| class_of(c) == Class::Letter);
            let letters = pieces[at..end].iter().take_while(is_letter).count();
            let before = if at == start { left } else { Neighbour::Joining };
            let after = if at + letters == end { right } else { Neighbour::Joining };
            needs.push(self.letters(&pieces[at..at + letters], before, after));
            at += letters.max(1);
        }
        Need::all(needs)
    }

    /// Letters between two neighbours, not both of which are borders of tokens.
    fn letters(&mut self, pieces: &[Piece], before: Neighbour, after: Neighbour) -> Need {
        let is_open = before == Neighbour::Unknown || after == Neighbour::Unknown;
        if pieces.len() < LETTER_RUN_MIN || is_open {
            return Need::Nothing;
        }
        let letters = text(pieces);
        let mut run = Need::Nothing;
        for_each_letter_run(letters.as_bytes(), |bytes| {
            run = self.term(TermKind::LetterRun, bytes);
        });
        if before == Neighbour::Joining || after == Neighbour::Joining {
            return run;
        }
        // Whether a digit or `_` follows is not known: if so it is a run, if not a word.
        Need::any([run, self.tokens(&letters)])
    }
}

fn joining(piece: Piece) -> Option<char> {
    match piece {
        Piece::Char(c) if class_of(c).joins() => Some(c),
        _ => None,
    }
}

/// The characters of pieces that all are characters.
fn text(pieces: &[Piece]) -> String {
    pieces.iter().filter_map(|piece| joining(*piece)).collect()
}

/// What is known of the neighbour of a run, from the pieces beside it, the nearest first.
fn neighbour<'a>(pieces: impl Iterator<Item = &'a Piece>) -> Neighbour {
    let mut known = Neighbour::Unknown;
    let mut behind_gap = false;
    for piece in pieces {
        match piece {
            Piece::Gap => behind_gap = true,
            Piece::WordEdge => known = Neighbour::NonLetter,
            Piece::Border => return Neighbour::Border,
            Piece::NonLetter => return Neighbour::NonLetter,
            Piece::Unknown => return known,
            Piece::Char(c) => {
                return match class_of(*c) {
                    Class::Separator | Class::Solo => Neighbour::Border,
                    // The gap may be empty or not.
                    Class::Digit | Class::Underscore if behind_gap => Neighbour::NonLetter,
                    Class::Digit | Class::Underscore => Neighbour::Joining,
                    // Behind a gap or a word's edge.
                    Class::Letter => known,
                };
            }
        }
    }
    known
}

/// The sequences of a pattern. None at all if nothing matches it.
fn variants(hir: &Hir) -> Vec<Variant> {
    match hir.kind() {
        HirKind::Empty => vec![vec![]],
        HirKind::Literal(literal) => vec![literal_pieces(&literal.0)],
        HirKind::Class(class) => class_piece(class).map(|piece| vec![piece]).into_iter().collect(),
        HirKind::Look(look) => vec![vec![look_piece(*look)]],
        HirKind::Capture(capture) => variants(&capture.sub),
        HirKind::Repetition(repetition) => repetition_variants(repetition),
        HirKind::Concat(parts) => concat_variants(parts),
        HirKind::Alternation(parts) => {
            let all: Vec<Variant> = parts.iter().flat_map(variants).collect();
            if all.len() > VARIANTS_MAX { vec![vec![Piece::Unknown]] } else { all }
        }
    }
}

fn concat_variants(parts: &[Hir]) -> Vec<Variant> {
    let mut all: Vec<Variant> = vec![vec![]];
    for part in parts {
        let part = variants(part);
        let pieces = |variants: &[Variant]| variants.iter().map(Vec::len).max().unwrap_or(0);
        if all.len() * part.len() > VARIANTS_MAX || pieces(&all) + pieces(&part) > PIECES_MAX {
            // A part that is too much stands for itself, so that what follows still counts.
            all.iter_mut().for_each(|variant| variant.push(Piece::Unknown));
            if pieces(&all) > PIECES_MAX {
                return all;
            }
            continue;
        }
        all = all
            .iter()
            .flat_map(|front| part.iter().map(move |back| [&front[..], back].concat()))
            .collect();
    }
    all
}

fn repetition_variants(repetition: &hir::Repetition) -> Vec<Variant> {
    let mut all = variants(&repetition.sub);
    let is_one = |piece: Piece| matches!(&all[..], [variant] if variant[..] == [piece]);
    match (repetition.min, repetition.max) {
        (1, Some(1)) => all,
        (0, Some(1)) if all.len() < VARIANTS_MAX => {
            all.push(vec![]);
            all
        }
        (0, _) if is_one(Piece::Border) => vec![vec![Piece::Gap]],
        (0, _) => vec![vec![Piece::Unknown]],
        // The first and the last of several are alike.
        _ if is_one(Piece::Border) || is_one(Piece::NonLetter) => all,
        _ => {
            // What precedes the repetition precedes its first round; what follows is unknown.
            all.iter_mut().for_each(|variant| variant.push(Piece::Unknown));
            all
        }
    }
}

/// Characters are known if all the literal is UTF-8. Such a character is one in the text too,
/// whatever bytes stand around it; a part of a character could become any.
fn literal_pieces(literal: &[u8]) -> Variant {
    match std::str::from_utf8(literal) {
        Ok(text) if text.len() <= PIECES_MAX => {
            text.chars().map(|c| Piece::Char(fold(c))).collect()
        }
        _ => vec![Piece::Unknown],
    }
}

/// `None` for the class without characters.
fn class_piece(class: &hir::Class) -> Option<Piece> {
    let ranges: Vec<(char, char)> = match class {
        hir::Class::Unicode(class) => class.iter().map(|r| (r.start(), r.end())).collect(),
        // A byte above ASCII is a part of a character.
        hir::Class::Bytes(class) if !class.is_ascii() => return Some(Piece::Unknown),
        hir::Class::Bytes(class) => {
            class.iter().map(|r| (char::from(r.start()), char::from(r.end()))).collect()
        }
    };
    let mut folded = ranges.iter().flat_map(|(first, last)| *first..=*last).take(CASES_MAX + 1);
    let first = fold(folded.next()?);
    let count = 1 + folded.clone().count();
    if count <= CASES_MAX && folded.all(|c| fold(c) == first) {
        return Some(Piece::Char(first));
    }
    let has = |table: &[(u32, u32)]| {
        ranges.iter().any(|(first, last)| overlaps(table, u32::from(*first), u32::from(*last)))
    };
    let underscore = u32::from('_');
    Some(if has(&LETTERS) {
        Piece::Unknown
    } else if has(&DIGITS) || has(&[(underscore, underscore)]) {
        Piece::NonLetter
    } else {
        Piece::Border
    })
}

fn look_piece(look: Look) -> Piece {
    match look {
        Look::Start | Look::End | Look::StartLF | Look::EndLF | Look::StartCRLF | Look::EndCRLF => {
            Piece::Border
        }
        // Every letter is a word's character to the pattern, but not every digit is.
        Look::WordUnicode
        | Look::WordStartUnicode
        | Look::WordEndUnicode
        | Look::WordStartHalfUnicode
        | Look::WordEndHalfUnicode => Piece::WordEdge,
        // Only ASCII counts for these, so that a letter may stand on both sides.
        Look::WordAscii
        | Look::WordAsciiNegate
        | Look::WordStartAscii
        | Look::WordEndAscii
        | Look::WordStartHalfAscii
        | Look::WordEndHalfAscii
        | Look::WordUnicodeNegate => Piece::Unknown,
    }
}

#[cfg(test)]
mod tests;
