//! Where a pattern can match in the texts of a sentence: the pattern's automaton is run over the
//! sentence, and over a variable it takes every way that some text could take (*may*), or only those
//! that every text takes (*must*).
//!
//! - `P1` A way that some text of the sentence takes is taken by *may*: without a match there,
//!   no text has one.
//! - `P2` A way that *must* takes is taken by every text of the sentence.
//!
//! A pattern whose matches are parts of words, as `blk_[0-9]+77`, needs less: a match lies in a
//! literal part or in one variable.

use super::{Piece, Verdict, has_slots, pieces};
use crate::block::{Outline, Slot};
use crate::query::matcher::pattern::Regex;
use regex_automata::nfa::thompson::{Compiler, NFA, State, Transition, WhichCaptures};
use regex_automata::util::look::Look;
use regex_automata::util::primitives::StateID;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::literal::Extractor;
use regex_syntax::hir::{Class, Hir, HirKind};
use std::ops::Range;
use std::sync::OnceLock;

/// Larger automata cost more than the texts that they would rule out.
const STATES_MAX: usize = 4_096;
const AUTOMATON_BYTES_MAX: usize = 1 << 20;
/// States visited in one sentence at most, so that no pattern makes a scan slow.
const VISITS_MAX: usize = 100_000;
/// A shorter beginning has no pair of bytes, which would tell that a frame has it not.
const BEGIN_BYTES_MIN: usize = 2;

/// A pattern, to be looked for in sentences.
#[derive(Debug)]
pub(crate) struct PatternSentences {
    source: Box<str>,
    /// Made when it is first wanted; `None` if it is too large.
    automaton: OnceLock<Option<Automaton>>,
    /// If its matches are parts of words.
    in_words: OnceLock<Option<InWords>>,
}

/// A pattern whose matches are parts of words.
#[derive(Debug, Clone)]
pub(crate) struct InWords {
    regex: Regex,
    /// Whether it matches in variables of digits, of hexadecimal digits and in any.
    slots: [Verdict; 3],
    /// Every match begins with one of these texts, of two bytes at least, if they are known.
    begins: Option<Box<[Box<[u8]>]>>,
}

impl InWords {
    /// Whether it may match in a variable of a slot.
    pub(crate) fn may_be_in(&self, slot: Slot) -> bool {
        self.slots[slot as usize] != Verdict::Never
    }

    /// Whether it matches in a variable.
    pub(crate) fn is_match(&self, variable: &[u8]) -> bool {
        self.regex.is_match(variable)
    }

    /// The first match in the bytes of many variables. It is made of bytes of words, at least one.
    pub(crate) fn find(&self, variables: &[u8]) -> Option<Range<usize>> {
        self.regex.find(variables)
    }

    /// Whether it matches in no variable of a column with this outline, as far as is known.
    pub(crate) fn fails_in(&self, outline: &Outline) -> bool {
        let begins = self.begins.as_ref().filter(|_| !self.may_be_in(Slot::Digits));
        begins.is_some_and(|begins| !outline.may_have(begins))
    }

    /// What every match begins with: one of these, if it is known.
    pub(crate) fn begins(&self) -> Option<&[Box<[u8]>]> {
        self.begins.as_deref()
    }

    /// Bytes of slots are part of no match.
    fn verdict(&self, sentence: &[u8]) -> Verdict {
        if self.regex.is_match(sentence) {
            return Verdict::Always;
        }
        let slots = sentence.iter().filter_map(|byte| Slot::of(*byte));
        slots.map(|slot| self.slots[slot as usize]).max().unwrap_or(Verdict::Never)
    }
}

impl PatternSentences {
    pub(crate) fn new(source: &str) -> Self {
        Self { source: source.into(), automaton: OnceLock::new(), in_words: OnceLock::new() }
    }

    /// The pattern, if its matches are parts of words: what it depends on is one variable then.
    /// `regex` is the pattern.
    pub(super) fn in_words(&self, regex: &Regex) -> Option<&InWords> {
        let in_words = self.in_words.get_or_init(|| {
            let hir = ParserBuilder::new().utf8(false).build().parse(&self.source).ok()?;
            let has_bytes = hir.properties().minimum_len().is_some_and(|len| len > 0);
            (has_bytes && is_of_words(&hir)).then(|| InWords {
                regex: regex.clone(),
                slots: Slot::ALL.map(|slot| self.verdict_by_automaton(&[slot.byte()])),
                begins: begins(&hir),
            })
        });
        in_words.as_ref()
    }

    /// Whether the pattern matches in the texts of a sentence. `regex` is the pattern.
    pub(super) fn verdict(&self, regex: &Regex, sentence: &[u8]) -> Verdict {
        if !has_slots(sentence) {
            return Verdict::of(regex.is_match(sentence));
        }
        match self.in_words(regex) {
            Some(in_words) => in_words.verdict(sentence),
            None => self.verdict_by_automaton(sentence),
        }
    }

    /// As [`PatternSentences::verdict`], for a sentence with variables.
    pub(in crate::query::matcher) fn verdict_by_automaton(&self, sentence: &[u8]) -> Verdict {
        let automaton = self.automaton.get_or_init(|| Automaton::new(&self.source));
        automaton.as_ref().map_or(Verdict::Depends, |automaton| automaton.verdict(sentence))
    }
}

/// Whether all that matches is made of ASCII letters, digits and `_`, wherever it stands.
fn is_of_words(hir: &Hir) -> bool {
    let is_word = |byte: u8| byte == b'_' || byte.is_ascii_alphanumeric();
    let are_words =
        |first: u32, last: u32| last < 0x80 && (first..=last).all(|code| is_word(code as u8));
    match hir.kind() {
        HirKind::Empty => true,
        HirKind::Literal(literal) => literal.0.iter().all(|byte| is_word(*byte)),
        HirKind::Class(Class::Unicode(class)) => {
            class.iter().all(|range| are_words(range.start().into(), range.end().into()))
        }
        HirKind::Class(Class::Bytes(class)) => {
            class.iter().all(|range| are_words(range.start().into(), range.end().into()))
        }
        HirKind::Look(_) => false,
        HirKind::Repetition(repetition) => is_of_words(&repetition.sub),
        HirKind::Capture(capture) => is_of_words(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().all(is_of_words),
    }
}

/// The texts with one of which every match begins, if there are few, of two bytes at least.
fn begins(hir: &Hir) -> Option<Box<[Box<[u8]>]>> {
    let prefixes = Extractor::new().extract(hir);
    let texts = prefixes.literals()?.iter().map(|literal| literal.as_bytes());
    let are_long = texts.clone().all(|text| text.len() >= BEGIN_BYTES_MIN);
    are_long.then(|| texts.map(Box::from).collect())
}

/// The automaton of a pattern.
#[derive(Debug)]
struct Automaton(NFA);

/// What stands beside a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edge {
    /// Nothing: the text begins or ends there.
    End,
    Byte(u8),
    /// Some byte of a variable.
    Variable(Slot),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    May,
    Must,
}

/// It took more than [`VISITS_MAX`].
struct TooDear;

impl Automaton {
    /// The automaton of a pattern, unless it is too large.
    fn new(source: &str) -> Option<Self> {
        // As the regex crate parses what is matched with bytes.
        let hir = ParserBuilder::new().utf8(false).build().parse(source).ok()?;
        let config = NFA::config()
            .utf8(false)
            .which_captures(WhichCaptures::None)
            .nfa_size_limit(Some(AUTOMATON_BYTES_MAX));
        let nfa = Compiler::new().configure(config).build_from_hir(&hir).ok()?;
        (nfa.states().len() <= STATES_MAX).then_some(Self(nfa))
    }

    /// Whether the pattern matches in the texts of a sentence.
    fn verdict(&self, sentence: &[u8]) -> Verdict {
        match Run::new(&self.0, Mode::May).matches(sentence) {
            Ok(false) => Verdict::Never,
            Err(TooDear) => Verdict::Depends,
            Ok(true) => match Run::new(&self.0, Mode::Must).matches(sentence) {
                Ok(true) => Verdict::Always,
                Ok(false) | Err(TooDear) => Verdict::Depends,
            },
        }
    }
}

/// The automaton at a place of a sentence.
struct Run<'a> {
    nfa: &'a NFA,
    mode: Mode,
    /// States that the bytes before led to, whose own ways without a byte are yet to be gone.
    entered: Vec<StateID>,
    /// What `entered` leads to without a byte: those that wait for one.
    waiting: Vec<StateID>,
    /// The round in which each state was last visited.
    visited: Vec<u32>,
    round: u32,
    visits_left: usize,
}

impl<'a> Run<'a> {
    fn new(nfa: &'a NFA, mode: Mode) -> Self {
        Self {
            nfa,
            mode,
            entered: Vec::new(),
            waiting: Vec::new(),
            visited: vec![0; nfa.states().len()],
            round: 0,
            visits_left: VISITS_MAX,
        }
    }

    fn matches(&mut self, sentence: &[u8]) -> Result<bool, TooDear> {
        let mut before = Edge::End;
        let mut rest = pieces(sentence).peekable();
        while let Some(piece) = rest.next() {
            match piece {
                Piece::Literal(bytes) => {
                    for byte in bytes {
                        let here = Edge::Byte(*byte);
                        if self.settle(before, here)? {
                            return Ok(true);
                        }
                        self.take(*byte);
                        before = here;
                    }
                }
                Piece::Slot(slot) => {
                    let behind = match rest.peek() {
                        Some(Piece::Literal([first, ..])) => Edge::Byte(*first),
                        Some(Piece::Slot(slot)) => Edge::Variable(*slot),
                        Some(Piece::Literal([])) | None => Edge::End,
                    };
                    let is_match = self.settle(before, Edge::Variable(slot))?
                        || match self.mode {
                            Mode::May => self.may_take(slot)?,
                            Mode::Must => self.must_take(slot, behind)?,
                        };
                    if is_match {
                        return Ok(true);
                    }
                    before = Edge::Variable(slot);
                }
            }
        }
        self.settle(before, Edge::End)
    }

    /// Goes all ways without a byte, from the states entered and from the pattern's beginning:
    /// a match may begin anywhere. Whether one ends here.
    fn settle(&mut self, before: Edge, behind: Edge) -> Result<bool, TooDear> {
        self.entered.push(self.nfa.start_anchored());
        let mut entered = std::mem::take(&mut self.entered);
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.clear();
        let is_match = self.close(&mut entered, before, behind, |state| waiting.push(state));
        (self.entered, self.waiting) = (entered, waiting);
        is_match
    }

    /// Empties `open`, and gives the states that wait for a byte. Whether there is a match.
    fn close(
        &mut self,
        open: &mut Vec<StateID>,
        before: Edge,
        behind: Edge,
        mut waits: impl FnMut(StateID),
    ) -> Result<bool, TooDear> {
        self.round += 1;
        let mut is_match = false;
        while let Some(id) = open.pop() {
            if std::mem::replace(&mut self.visited[id.as_usize()], self.round) == self.round {
                continue;
            }
            self.visits_left = self.visits_left.checked_sub(1).ok_or(TooDear)?;
            match self.nfa.state(id) {
                State::ByteRange { .. } | State::Sparse(_) | State::Dense(_) => waits(id),
                State::Look { look, next } => {
                    let holds = holds(*look, before, behind);
                    if holds.unwrap_or(self.mode == Mode::May) {
                        open.push(*next);
                    }
                }
                State::Union { alternates } => open.extend(alternates),
                State::BinaryUnion { alt1, alt2 } => open.extend([*alt1, *alt2]),
                State::Capture { next, .. } => open.push(*next),
                State::Fail => {}
                State::Match { .. } => is_match = true,
            }
        }
        Ok(is_match)
    }

    fn take(&mut self, byte: u8) {
        let Self { nfa, waiting, entered, .. } = self;
        entered.clear();
        entered.extend(waiting.iter().filter_map(|state| step(nfa.state(*state), byte)));
    }

    /// Enters all states in which some variable could end. Whether one could hold a match's end.
    fn may_take(&mut self, slot: Slot) -> Result<bool, TooDear> {
        let mut ends: Vec<StateID> = Vec::new();
        let inside = Edge::Variable(slot);
        let mut is_first = true;
        let mut is_new = vec![true; self.nfa.states().len()];
        loop {
            let known = ends.len();
            for state in std::mem::take(&mut self.waiting) {
                for_each_transition(self.nfa.state(state), |way| {
                    if slot.overlaps(way.start, way.end)
                        && std::mem::replace(&mut is_new[way.next.as_usize()], false)
                    {
                        ends.push(way.next);
                    }
                });
            }
            // A match can begin at each byte, also where nothing has led to.
            if ends.len() == known && !is_first {
                break;
            }
            is_first = false;
            self.entered.clone_from(&ends);
            if self.settle(inside, inside)? {
                return Ok(true);
            }
        }
        self.entered = ends;
        Ok(false)
    }

    /// Enters states in which all variables end, and where each of their bytes leads to itself:
    /// those of `[0-9]+` or `.*`. Whether all have a match behind their first byte.
    fn must_take(&mut self, slot: Slot, behind: Edge) -> Result<bool, TooDear> {
        let mut ends = Vec::new();
        let mut open = Vec::new();
        let inside = Edge::Variable(slot);
        for state in std::mem::take(&mut self.waiting) {
            let Some(next) = common_step(self.nfa.state(state), slot) else { continue };
            let mut is_back = false;
            open.push(next);
            let is_match = self.close(&mut open, inside, inside, |reached| {
                is_back |= reached == state;
            })?;
            open.push(next);
            if is_match && self.close(&mut open, inside, behind, |_| {})? {
                return Ok(true);
            }
            if is_back {
                ends.push(next);
            }
            open.clear();
        }
        self.entered = ends;
        Ok(false)
    }
}

fn step(state: &State, byte: u8) -> Option<StateID> {
    match state {
        State::ByteRange { trans } => trans.matches_byte(byte).then_some(trans.next),
        State::Sparse(ways) => ways.matches_byte(byte),
        State::Dense(ways) => ways.matches_byte(byte),
        _ => None,
    }
}

fn for_each_transition(state: &State, mut each: impl FnMut(Transition)) {
    match state {
        State::ByteRange { trans } => each(*trans),
        State::Sparse(ways) => ways.transitions.iter().for_each(|way| each(*way)),
        State::Dense(ways) => {
            for (byte, next) in (0..=u8::MAX).zip(&ways.transitions) {
                if *next != StateID::ZERO {
                    each(Transition { start: byte, end: byte, next: *next });
                }
            }
        }
        _ => {}
    }
}

/// Where every byte of a variable leads, if that is one state.
fn common_step(state: &State, slot: Slot) -> Option<StateID> {
    let mut steps = slot.bytes().map(|byte| step(state, byte));
    let first = steps.next()??;
    steps.all(|next| next == Some(first)).then_some(first)
}

/// Whether an assertion holds at a place, if its neighbours tell.
fn holds(look: Look, before: Edge, behind: Edge) -> Option<bool> {
    let line_end = |edge: Edge| edge == Edge::End || edge == Edge::Byte(b'\n');
    let has_return = [before, behind].iter().any(|edge| matches!(edge, Edge::Byte(b'\r' | b'\n')));
    // Bytes that are not ASCII are words' bytes to some and not to others.
    let is_word = |edge: Edge| match edge {
        Edge::End => Some(false),
        Edge::Variable(Slot::Digits | Slot::Hex) => Some(true),
        Edge::Byte(byte) if byte.is_ascii() => Some(byte == b'_' || byte.is_ascii_alphanumeric()),
        Edge::Byte(_) | Edge::Variable(Slot::Any) => None,
    };
    let words = || Some((is_word(before)?, is_word(behind)?));
    match look {
        Look::Start => Some(before == Edge::End),
        Look::End => Some(behind == Edge::End),
        Look::StartLF => Some(line_end(before)),
        Look::EndLF => Some(line_end(behind)),
        Look::StartCRLF if has_return => None,
        Look::EndCRLF if has_return => None,
        Look::StartCRLF => Some(before == Edge::End),
        Look::EndCRLF => Some(behind == Edge::End),
        Look::WordAscii | Look::WordUnicode => words().map(|(a, b)| a != b),
        Look::WordAsciiNegate | Look::WordUnicodeNegate => words().map(|(a, b)| a == b),
        Look::WordStartAscii | Look::WordStartUnicode => words().map(|(a, b)| !a && b),
        Look::WordEndAscii | Look::WordEndUnicode => words().map(|(a, b)| a && !b),
        Look::WordStartHalfAscii | Look::WordStartHalfUnicode => is_word(before).map(|a| !a),
        Look::WordEndHalfAscii | Look::WordEndHalfUnicode => is_word(behind).map(|b| !b),
    }
}
