//! The rules, compiled, over the columns of a batch.

use super::anchors::{self, Anchors};
use super::cards;
use super::json::{self, Judge};
use super::keys::KeyState;
use super::marker;
use super::rules::{RULES, Rule, Rules};
use super::text::{self, Scratch};
use crate::batch::RowColumn;
use crate::event::Kind;
use crate::field;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
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

    /// A text without its secrets. Nothing is counted: it is no event's.
    pub(crate) fn text(&self, text: &str) -> String {
        if self.rules.is_none() {
            return text.to_owned();
        }
        let redacted = SCRATCH.with_borrow_mut(|scratch| {
            text::redact(text.as_bytes(), &self.anchors, self.rules, scratch, |_| {})
        });
        redacted
            .map_or_else(|| text.to_owned(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// What stands in the place of a value whose key says that it is a secret; `None` if it does not.
    pub(crate) fn marker_of_key(&self, name: &str) -> Option<String> {
        let rule = KeyState::of(name.as_bytes()).rule().filter(|rule| self.rules.is_on(*rule))?;
        let mut out = Vec::new();
        marker::push(rule, &mut out);
        Some(String::from_utf8_lossy(&out).into_owned())
    }

    /// Replaces the secrets of a column.
    pub(super) fn column(&self, column: &mut RowColumn) {
        if self.rules.is_none() {
            return;
        }
        let keys = KeyState::of(column.name.as_bytes());
        SCRATCH.with_borrow_mut(|scratch| {
            let mut edits = Vec::new();
            let is_secret = keys.rule().is_some_and(|rule| self.rules.is_on(rule));
            if is_secret || keys.is_base64() {
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

    /// Replaces the secrets that stand in names.
    pub(super) fn names(&self, columns: &mut [RowColumn]) {
        if self.rules.is_none() {
            return;
        }
        let renamed: Vec<(usize, String)> = SCRATCH.with_borrow_mut(|scratch| {
            let name = |(index, column): (usize, &RowColumn)| {
                Some((index, self.name(&column.name, scratch)?))
            };
            columns.iter().enumerate().filter_map(name).collect()
        });
        if renamed.is_empty() {
            return;
        }
        // R4: two names may have become one.
        let mut taken: HashSet<Arc<str>> =
            columns.iter().map(|column| Arc::clone(&column.name)).collect();
        let mut ordinals = HashMap::<String, usize>::new();
        for (index, name) in renamed {
            let ordinal = ordinals.entry(name.clone()).or_default();
            columns[index].name = loop {
                let free: Arc<str> = field::with_ordinal(&name, *ordinal).into();
                *ordinal += 1;
                if taken.insert(Arc::clone(&free)) {
                    break free;
                }
            };
        }
    }

    /// A column name without the secrets in its keys, if there are any.
    fn name(&self, name: &str, scratch: &mut Scratch) -> Option<String> {
        if field::is_hidden(name) || !self.is_suspect(name.as_bytes(), &mut scratch.folded) {
            return None;
        }
        let mut any = false;
        let mut after = String::new();
        for (depth, key) in field::keys(name).iter().enumerate() {
            let hit = |rule| self.hit(rule);
            let redacted = text::redact(key.as_bytes(), &self.anchors, self.rules, scratch, hit);
            any |= redacted.is_some();
            let key = redacted.as_deref().map_or(Cow::Borrowed(&**key), String::from_utf8_lossy);
            field::push_key(&mut after, &key, depth == 0);
        }
        any.then_some(after)
    }

    /// Whether a text has to be looked at.
    fn is_suspect(&self, text: &[u8], folded: &mut Vec<u8>) -> bool {
        let mut any = false;
        self.anchors.each(text, folded, |_| {
            any = true;
            text.len()
        });
        cards::each_run(text, |_| any = true);
        any
    }

    /// The values that have to be looked at: those with an anchor or a long number in them, and
    /// those that hold values of their own. Rising.
    fn suspects(&self, column: &RowColumn, keys: KeyState, folded: &mut Vec<u8>) -> Vec<usize> {
        let has = |kind: Kind| memchr::memchr(kind as u8, &column.kinds).is_some();
        let mut suspects = Vec::new();
        if has(Kind::String) {
            if !anchors::none_in(&column.bytes) {
                let mut places = Places::new(column);
                self.anchors.each(&column.bytes, folded, |anchor| {
                    let (index, value) = places.of(anchor.start);
                    if anchor.end > value.end {
                        return anchor.start + 1;
                    }
                    suspects.push(index);
                    value.end
                });
            }
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
        let hit = |rule| self.redactor.hit(rule);
        if keys.is_base64()
            && let Ok(plain) = STANDARD.decode(text)
        {
            let redacted = text::redact(&plain, anchors, rules, self.scratch, hit)?;
            return Some(STANDARD.encode(redacted).into_bytes());
        }
        text::redact(text, anchors, rules, self.scratch, hit)
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

/// Gives values of a column other texts, `edits` by rising index. What lies between two of them is moved at
/// once, to where the texts before it leave it; a column written anew would be fresh memory.
fn apply(column: &mut RowColumn, edits: &[Edit]) {
    let RowColumn { kinds, ends, bytes, .. } = column;
    let old_len = bytes.len();
    let start_of = |index: usize| index.checked_sub(1).map_or(0, |before| ends[before] as usize);
    // What is kept behind each edit, and by how much it moves: a difference, which may wrap.
    let mut shift = 0usize;
    let mut kept = Vec::with_capacity(edits.len());
    for (at, (index, _, text)) in edits.iter().enumerate() {
        let end = ends[*index] as usize;
        let next = edits.get(at + 1).map_or(old_len, |(next, ..)| start_of(*next));
        shift = shift.wrapping_add(text.len()).wrapping_sub(end - start_of(*index));
        kept.push((end..next, shift));
    }
    let len = old_len.wrapping_add(shift);
    assert!(u32::try_from(len).is_ok(), "batches are far below 4 GiB");
    bytes.reserve_exact(len.saturating_sub(old_len));
    bytes.resize(len.max(old_len), 0);
    let is_nearer = |shift: usize| shift.cast_signed() < 0;
    let mut go = |(old, shift): &(Range<usize>, usize)| {
        bytes.copy_within(old.clone(), old.start.wrapping_add(*shift));
    };
    // Their order stays. So what moves towards the front takes no place of what has yet to move, from the
    // first on, and neither does what moves towards the end, from the last on.
    kept.iter().filter(|(_, shift)| is_nearer(*shift)).for_each(&mut go);
    kept.iter().rev().filter(|(_, shift)| !is_nearer(*shift)).for_each(&mut go);
    bytes.truncate(len);
    for (at, ((index, kind, text), (old, shift))) in edits.iter().zip(kept).enumerate() {
        kinds[*index] = *kind as u8;
        let end = old.start.wrapping_add(shift);
        bytes[end - text.len()..end].copy_from_slice(text);
        let next = edits.get(at + 1).map_or(ends.len(), |(next, ..)| *next);
        ends[*index..next].iter_mut().for_each(|end| *end = end.wrapping_add(shift as u32));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Value;
    use proptest::prelude::*;

    fn column(values: &[Vec<u8>]) -> RowColumn {
        let mut column = RowColumn::dense("c".into());
        for (row, text) in (0..).zip(values) {
            column.push(row, Value { kind: Kind::String, text });
        }
        column
    }

    proptest! {
        #[test]
        fn edited_values_are_others_and_all_else_stays(
            values in prop::collection::vec(
                (prop::collection::vec(any::<u8>(), 0..6), prop::option::of("[a-c]{0,9}")), 1..60
            ),
        ) {
            let (old, new): (Vec<_>, Vec<_>) = values.into_iter().unzip();
            let mut edited = column(&old);
            let edits = new.iter().enumerate().filter_map(|(index, text)| {
                Some((index, Kind::String, text.as_ref()?.clone().into_bytes()))
            });
            apply(&mut edited, &edits.collect::<Vec<_>>());
            let expected = old.into_iter().zip(new);
            let expected = expected.map(|(old, new)| new.map_or(old, String::into_bytes));
            prop_assert_eq!(edited, column(&expected.collect::<Vec<_>>()));
        }
    }
}
