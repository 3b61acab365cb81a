//! How a column of templates is gone through when its sentences have been judged: texts are rebuilt
//! only where their variables tell.

use super::EachSentence;
use crate::block::{Column, ColumnData, Templates};
use crate::error::Result;
use crate::index::Phrase;
use crate::query::matcher::{Judged, Matcher, Verdict};
use crate::query::patterns::sentence_of;
use crate::query::selection::Selection;
use std::collections::HashMap;

/// Adds the rows of `from` whose value in a column of templates passes.
pub(super) fn add_matching(
    column: &Column,
    judged: &Judged,
    matcher: &Matcher,
    from: &Selection,
    to: &mut Selection,
) -> Result<()> {
    let ColumnData::Templates(templates) = column.data() else {
        unreachable!("columns of templates have sentences");
    };
    let codes = templates.codes()?;
    // What has no sentence comes behind them.
    let raw = judged.verdicts.len();
    let mut verdicts = judged.verdicts.clone();
    verdicts.push(Verdict::Depends);
    let verdict = |index: usize| verdicts[usize::from(codes[index]).min(raw)];
    let presence = column.presence();
    if judged.passing > 0 {
        to.insert_where(from, |row| {
            presence.value_index(row).is_some_and(|index| verdict(index) == Verdict::Always)
        });
    }
    if !judged.depends && templates.raw_len() == 0 {
        return Ok(());
    }
    let in_words = matcher.in_words();
    let mut scratch = Vec::new();
    for row in from.iter() {
        let Some(index) = presence.value_index(row) else { continue };
        if verdict(index) != Verdict::Depends {
            continue;
        }
        let passes = match in_words.filter(|_| usize::from(codes[index]) < raw) {
            Some(pattern) => templates.has_variable(
                index,
                |slot| pattern.may_be_in(slot),
                |variable| pattern.is_match(variable),
            )?,
            None => matcher.matches(templates.value(index, &mut scratch)?),
        };
        if passes {
            to.insert(row);
        }
    }
    Ok(())
}

/// As [`add_matching`] where few rows are candidates: only their sentences are looked at. `phrase` is
/// what [`Matcher::phrase_of_literals`] gave: where no literal has it, no text of the sentence does.
pub(super) fn add_matching_few(
    column: &Column,
    phrase: &Phrase,
    matcher: &Matcher,
    from: &Selection,
    to: &mut Selection,
) -> Result<()> {
    let ColumnData::Templates(templates) = column.data() else {
        unreachable!("columns of templates have sentences");
    };
    let (codes, sentences) = (templates.codes()?, templates.sentences()?);
    let mut known: HashMap<u16, bool> = HashMap::new();
    let mut scratch = Vec::new();
    for row in from.iter() {
        let Some(index) = column.presence().value_index(row) else { continue };
        let code = codes[index];
        let may_pass = code == Templates::RAW
            || *known
                .entry(code)
                .or_insert_with(|| phrase.is_match(sentences.value(usize::from(code)).text));
        if may_pass && matcher.matches(templates.value(index, &mut scratch)?) {
            to.insert(row);
        }
    }
    Ok(())
}

/// Calls `each` with every selected row that has a value, with the code of its sentence if it has one,
/// and with the sentence.
pub(super) fn for_each_sentence(
    column: &Column,
    selected: &Selection,
    each: &mut EachSentence<'_>,
) -> Result<()> {
    let ColumnData::Templates(templates) = column.data() else {
        unreachable!("columns of templates have sentences");
    };
    let (codes, sentences) = (templates.codes()?, templates.sentences()?);
    let (mut scratch, mut sentence) = (Vec::new(), Vec::new());
    for row in selected.iter() {
        let Some(index) = column.presence().value_index(row) else { continue };
        let code = codes[index];
        if code == Templates::RAW {
            sentence_of(templates.value(index, &mut scratch)?.text, &mut sentence);
            each(row, None, &sentence);
        } else {
            each(row, Some(code), sentences.value(usize::from(code)).text);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
