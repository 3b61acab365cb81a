//! The rules, compiled, over the columns of a batch.

use super::anchors::Anchors;
use super::cards;
use super::json::{self, Judge};
use super::keys::KeyState;
use super::marker;
use super::rules::{RULES, Rule, Rules};
use super::text::{self, Scratch};
use crate::batch::RowColumn;
use crate::event::Kind;
use std::cell::RefCell;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// The rules, compiled, and how often each has hit.
#[derive(Debug)]
pub(crate) struct Redactor {
    rules: Rules,
    anchors: Anchors,
    hits: [AtomicU64; RULES],
}

/// A value that becomes another.
type Edit = (usize, Kind, Vec<u8>);

impl Redactor {
    /// Compiles the rules.
    pub(crate) fn new(rules: Rules) -> Self {
        let hits = std::array::from_fn(|_| AtomicU64::new(0));
        Self { rules, anchors: Anchors::new(rules), hits }
    }

    /// How many values or parts of values each rule has replaced.
    pub(crate) fn hits(&self) -> Vec<(Rule, u64)> {
        Rule::ALL.iter().map(|rule| (*rule, self.hits[*rule as usize].load(Relaxed))).collect()
    }

    fn hit(&self, rule: Rule) {
        self.hits[rule as usize].fetch_add(1, Relaxed);
    }

    /// Replaces the secrets of a column.
    pub(super) fn column(&self, column: &mut RowColumn) {
        if self.rules.is_none() {
            return;
        }
        let keys = KeyState::of(column.name.as_bytes());
        SCRATCH.with_borrow_mut(|scratch| {
            let mut edits = Vec::new();
            if keys.rule().is_some_and(|rule| self.rules.is_on(rule)) {
                (0..column.len())
                    .for_each(|index| edits.extend(self.value(column, index, keys, scratch)));
            } else {
                for index in self.suspects(column, keys, &mut scratch.folded) {
                    edits.extend(self.value(column, index, keys, scratch));
                }
            }
            if !edits.is_empty() {
                apply(column, &edits);
            }
        });
    }

    /// The values that have to be looked at: those with an anchor or a long number in them, and
    /// those that hold values of their own. Rising.
    fn suspects(&self, column: &RowColumn, keys: KeyState, folded: &mut Vec<u8>) -> Vec<usize> {
        let has = |kind: Kind| memchr::memchr(kind as u8, &column.kinds).is_some();
        let mut suspects = Vec::new();
        if has(Kind::String) {
            let mut places = Places::new(column);
            self.anchors.each(&column.bytes, folded, |anchor| {
                let (index, value) = places.of(anchor.start);
                if anchor.end > value.end {
                    return anchor.start + 1;
                }
                suspects.push(index);
                value.end
            });
            if self.rules.is_on(Rule::Card) && !keys.is_id() {
                let mut places = Places::new(column);
                cards::each_run(&column.bytes, |run| {
                    // A run may span values: each is looked at for itself.
                    let mut at = run.start;
                    while at < run.end {
                        let (index, value) = places.of(at);
                        let part = at - value.start..value.end.min(run.end) - value.start;
                        if cards::any_in(&column.bytes[value.clone()], part) {
                            suspects.push(index);
                        }
                        at = value.end;
                    }
                });
            }
        }
        if has(Kind::Json) {
            let json = Kind::Json as u8;
            suspects.extend(memchr::memchr_iter(json, &column.kinds));
        }
        if has(Kind::Number) && keys.says_card() {
            suspects.extend(memchr::memchr_iter(Kind::Number as u8, &column.kinds));
        }
        suspects.sort_unstable();
        suspects.dedup();
        suspects
    }

    /// What becomes of a value, if it does not stay.
    fn value(
        &self,
        column: &RowColumn,
        index: usize,
        keys: KeyState,
        scratch: &mut Scratch,
    ) -> Option<Edit> {
        let value = column.value(index);
        let mut judge = Judging { redactor: self, scratch };
        if (value.kind != Kind::Json || value.text.first() == Some(&b'['))
            && let Some(rule) = judge.of_key(keys, value.kind, value.text)
        {
            let mut text = Vec::new();
            marker::push(rule, &mut text);
            return Some((index, Kind::String, text));
        }
        let text = match value.kind {
            Kind::String => judge.of_text(keys, value.text)?,
            Kind::Json => json::redact(value.text, keys, &mut judge)?,
            Kind::Number | Kind::Bool | Kind::Null => return None,
        };
        Some((index, value.kind, text))
    }
}

struct Judging<'a> {
    redactor: &'a Redactor,
    scratch: &'a mut Scratch,
}

impl Judge for Judging<'_> {
    fn of_key(&mut self, keys: KeyState, kind: Kind, text: &[u8]) -> Option<Rule> {
        let rules = self.redactor.rules;
        let of_key = keys.rule().filter(|rule| rules.is_on(*rule)).filter(|_| match kind {
            Kind::String => !text.is_empty() && !marker::is_whole(text),
            Kind::Number => true,
            Kind::Bool | Kind::Null => false,
            Kind::Json => !json::is_empty(text),
        });
        let is_card = || rules.is_on(Rule::Card) && json::is_card_number(keys, kind, text);
        let rule = of_key.or_else(|| is_card().then_some(Rule::Card))?;
        self.redactor.hit(rule);
        Some(rule)
    }

    fn of_text(&mut self, keys: KeyState, text: &[u8]) -> Option<Vec<u8>> {
        let Redactor { rules, anchors, .. } = self.redactor;
        let rules = if keys.is_id() { rules.without(Rule::Card) } else { *rules };
        text::redact(text, anchors, rules, self.scratch, |rule| self.redactor.hit(rule))
    }
}

/// Finds the value that holds a byte; places must not fall.
struct Places<'a> {
    ends: &'a [u32],
    index: usize,
}

impl<'a> Places<'a> {
    fn new(column: &'a RowColumn) -> Self {
        Self { ends: &column.ends, index: 0 }
    }

    /// The index of the value, and where it lies.
    fn of(&mut self, place: usize) -> (usize, Range<usize>) {
        let mut step = 1;
        let ends_by = |index: usize| self.ends.get(index).is_some_and(|end| *end as usize <= place);
        let mut low = self.index;
        while ends_by(low + step) {
            low += step;
            step *= 2;
        }
        let rest = &self.ends[low..self.ends.len().min(low + step + 1)];
        self.index = low + rest.partition_point(|end| *end as usize <= place);
        let start = self.index.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        (self.index, start..self.ends[self.index] as usize)
    }
}

/// Writes a column again with other values, `edits` by rising index. What lies between two edits is
/// copied at once.
fn apply(column: &mut RowColumn, edits: &[Edit]) {
    let mut bytes = Vec::with_capacity(column.bytes.len());
    let mut ends = Vec::with_capacity(column.ends.len());
    let mut copied = 0;
    let kept = |from: usize, to: usize, bytes: &mut Vec<u8>, ends: &mut Vec<u32>| {
        let Some(last) = to.checked_sub(1).filter(|_| from < to) else { return };
        let start = from.checked_sub(1).map_or(0, |before| column.ends[before]);
        let base = u32::try_from(bytes.len()).expect("batches are far below 4 GiB");
        bytes.extend_from_slice(&column.bytes[start as usize..column.ends[last] as usize]);
        ends.extend(column.ends[from..to].iter().map(|end| end - start + base));
    };
    for (index, kind, text) in edits {
        kept(copied, *index, &mut bytes, &mut ends);
        column.kinds[*index] = *kind as u8;
        bytes.extend_from_slice(text);
        ends.push(u32::try_from(bytes.len()).expect("batches are far below 4 GiB"));
        copied = index + 1;
    }
    kept(copied, column.len(), &mut bytes, &mut ends);
    (column.bytes, column.ends) = (bytes, ends);
}
