//! The rules of values in one text.

use super::anchors::Anchors;
use super::cards;
use super::marker;
use super::rules::{Rule, Rules};
use super::shapes::{self, Memory};
use std::ops::Range;

/// A replaced value can look like another secret's beginning; so often is it looked at again.
const ROUNDS_MAX: usize = 4;

/// A secret in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) place: Range<usize>,
    pub(super) rule: Rule,
}

/// Buffers that outlive a text.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// Folded bytes of a column or a value.
    pub(super) folded: Vec<u8>,
    found: Vec<Found>,
}

/// The text with a marker in the place of each secret; `None` if there is none. `hit` is told the
/// rule of each.
pub(super) fn redact(
    text: &[u8],
    anchors: &Anchors,
    rules: Rules,
    scratch: &mut Scratch,
    mut hit: impl FnMut(Rule),
) -> Option<Vec<u8>> {
    let mut out: Option<Vec<u8>> = None;
    for _round in 0..ROUNDS_MAX {
        let current = out.as_deref().unwrap_or(text);
        scan(current, anchors, rules, scratch);
        if scratch.found.is_empty() {
            break;
        }
        scratch.found.iter().for_each(|found| hit(found.rule));
        out = Some(replaced(current, &scratch.found));
    }
    out
}

/// Fills `scratch.found` with the secrets of a text, in their order, none within another.
fn scan(text: &[u8], anchors: &Anchors, rules: Rules, scratch: &mut Scratch) {
    let Scratch { folded, found } = scratch;
    found.clear();
    let mut memory = Memory::default();
    let mut done = 0;
    anchors.each(text, folded, |anchor| {
        let secret = shapes::find(text, anchor.start..anchor.end, anchor.shape, &mut memory);
        let next = anchor.start + 1;
        match secret {
            Some((place, rule)) if rules.is_on(rule) && place.start >= done => {
                done = place.end;
                found.push(Found { place, rule });
                done.max(next)
            }
            _ => next,
        }
    });
    if rules.is_on(Rule::Card) {
        let others = found.len();
        cards::each(text, |place| {
            let overlaps =
                |other: &Found| other.place.start < place.end && place.start < other.place.end;
            let before = found[..others].partition_point(|other| other.place.end <= place.start);
            if !found[..others].get(before).is_some_and(overlaps) {
                found.push(Found { place, rule: Rule::Card });
            }
        });
        if found.len() > others {
            found.sort_unstable_by_key(|found| found.place.start);
        }
    }
}

fn replaced(text: &[u8], found: &[Found]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    for Found { place, rule } in found {
        out.extend_from_slice(&text[at..place.start]);
        marker::push(*rule, &mut out);
        at = place.end;
    }
    out.extend_from_slice(&text[at..]);
    out
}
