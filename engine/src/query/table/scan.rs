//! How the values of one column of a block are gone through: in each encoding the way that costs
//! least.

use crate::block::{Column, ColumnData, Numbers, Presence, Text, Values};
use crate::error::Result;
use crate::event::{Kind, Value};
use crate::query::matcher::{Finder, IdTest, Matcher, NumberTest};
use crate::query::selection::Selection;

/// Adds the rows of `from` whose value passes. `kinds` are those that occur, `1 << code` each.
pub(super) fn add_matching(
    column: &Column,
    kinds: u8,
    matcher: &Matcher,
    from: &Selection,
    to: &mut Selection,
) -> Result<()> {
    let rows = column.presence().rows();
    let mut add = |row: usize| {
        if from.contains(row) {
            to.insert(row);
        }
    };
    match column.data() {
        _ if matches!(matcher, Matcher::Any) => {
            match column.presence().words() {
                Some(words) => to.insert_of_words(from, words),
                None => to.union(from),
            }
            return Ok(());
        }
        ColumnData::Constant(values) => {
            if matcher.matches(values.value(0)) {
                rows.for_each(add);
            }
            return Ok(());
        }
        ColumnData::Dictionary { values, codes } => {
            let passes = passing(values, finder(matcher, kinds).as_ref(), matcher);
            if passes.contains(&true) {
                let passing =
                    rows.zip(codes.get()?).filter(|(_, code)| passes[usize::from(**code)]);
                passing.for_each(|(row, _)| add(row));
            }
            return Ok(());
        }
        ColumnData::Numbers(numbers) => {
            let test = matcher.number_test();
            if !matches!(test, NumberTest::Text) {
                let passing = passing_numbers(numbers, column.presence(), &test, matcher, from);
                to.union(&passing);
                return Ok(());
            }
        }
        ColumnData::Ids(ids) => match matcher.id_test(ids.width) {
            IdTest::None => return Ok(()),
            IdTest::All => {
                rows.for_each(add);
                return Ok(());
            }
            IdTest::Equal(wanted) => {
                let presence = column.presence();
                return ids.for_each_of(&wanted, |index| {
                    presence.row_of(index).into_iter().for_each(&mut add);
                });
            }
            IdTest::Text => {}
        },
        ColumnData::Text(text) => {
            if let Some(finder) = finder(matcher, kinds) {
                return find_in_frames(text, column.presence(), &finder, matcher, from, to);
            }
        }
        ColumnData::Templates(_) => {}
    }
    visit(column, from, |row, value| {
        if matcher.matches(value) {
            to.insert(row);
        }
    })
}

/// What finds the values that may pass, of these kinds: the texts of JSON values are escaped.
fn finder(matcher: &Matcher, kinds: u8) -> Option<Finder<'_>> {
    matcher.finder().filter(|_| kinds >> Kind::Json as u8 & 1 == 0)
}

/// Which values of a dictionary pass.
fn passing(values: &Values, finder: Option<&Finder<'_>>, matcher: &Matcher) -> Vec<bool> {
    let Some(finder) = finder else {
        return values.iter().map(|value| matcher.matches(value)).collect();
    };
    let mut passes = vec![false; values.len()];
    values.for_each_found(
        |texts| finder.find(texts),
        |index, value| passes[index] = matcher.matches(value),
    );
    passes
}

/// The rows of `from` whose number passes.
fn passing_numbers(
    numbers: &Numbers,
    presence: &Presence,
    test: &NumberTest<'_>,
    matcher: &Matcher,
    from: &Selection,
) -> Selection {
    let mut passing = Selection::none(from.rows());
    if let Some(wanted) = test.mantissas(numbers.scale) {
        let values = presence.rows().zip(numbers.mantissas());
        let within = values.filter(|(_, mantissa)| wanted.contains(mantissa));
        within.for_each(|(row, _)| passing.insert(row));
    }
    // What stands in the place of an exception is arbitrary.
    for exception in &numbers.exceptions {
        let Some(row) = presence.row_of(exception.index as usize) else { continue };
        passing.remove(row);
        if matcher.matches(Value { kind: exception.kind, text: &exception.text }) {
            passing.insert(row);
        }
    }
    passing.intersect(from);
    passing
}

/// Searches whole frames, and looks closer only at the values in which something was found.
fn find_in_frames(
    text: &Text,
    presence: &Presence,
    finder: &Finder<'_>,
    matcher: &Matcher,
    from: &Selection,
    to: &mut Selection,
) -> Result<()> {
    for index in 0..text.frame_count() {
        let values = text.frame_values(index);
        let first = presence.row_of(values.start);
        let last = values.end.checked_sub(1).and_then(|last| presence.row_of(last));
        let (Some(first), Some(last)) = (first, last) else { continue };
        if !from.any_in(first..last + 1) {
            continue;
        }
        let frame = text.frame(index)?;
        frame.values.for_each_found(
            |texts| finder.find(texts),
            |index, value| {
                if let Some(row) = presence.row_of(frame.first + index)
                    && from.contains(row)
                    && matcher.matches(value)
                {
                    to.insert(row);
                }
            },
        );
    }
    Ok(())
}

/// Calls `each` with the selected rows that have a value, in order. Text frames without a selected
/// row stay compressed.
pub(super) fn visit(
    column: &Column,
    selected: &Selection,
    mut each: impl FnMut(usize, Value<'_>),
) -> Result<()> {
    let mut rows = column.presence().rows();
    if let ColumnData::Text(text) = column.data() {
        for index in 0..text.frame_count() {
            let count = text.frame_values(index).len();
            let of_frame = rows.clone().take(count);
            if let Some(last) = count.checked_sub(1) {
                rows.nth(last);
            }
            let mut wanted =
                of_frame.enumerate().filter(|(_, row)| selected.contains(*row)).peekable();
            if wanted.peek().is_some() {
                let frame = text.frame(index)?;
                wanted.for_each(|(value, row)| each(row, frame.values.value(value)));
            }
        }
        return Ok(());
    }
    column.expect_reads(selected.count())?;
    let mut scratch = Vec::new();
    for (index, row) in rows.enumerate() {
        if selected.contains(row) {
            each(row, column.value(index, &mut scratch)?);
        }
    }
    Ok(())
}
