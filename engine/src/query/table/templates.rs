//! How a column of templates is gone through when its sentences have been judged: texts are rebuilt
//! only where their variables tell.

use super::EachSentence;
use crate::block::{Column, ColumnData, Outline, Templates};
use crate::error::Result;
use crate::index::Phrase;
use crate::query::matcher::{Judge, Judged, Matcher, Verdict};
use crate::query::patterns::sentence_of;
use crate::query::selection::Selection;

/// Of so many candidates, the variables of each are looked at; of more, all that lie in the same frames
/// are searched at once.
const FEW_ROWS_MAX: usize = 32;

/// Of so few sentences all codes are compared with each, many at a time.
const FEW_CODES_MAX: usize = 4;

/// Adds the rows of `from` whose value in a column of templates passes. `outline` is the column's, if it was made,
/// `judged` what `matcher` says of it.
pub(super) fn add_matching(
    column: &Column,
    outline: Option<&Outline>,
    judged: &Judged,
    matcher: &Matcher,
    from: &Selection,
    to: &mut Selection,
) -> Result<()> {
    let ColumnData::Templates(templates) = column.data() else {
        unreachable!("columns of templates have sentences");
    };
    if judged.passing == 0 && !judged.depends && templates.raw_len() == 0 {
        return Ok(());
    }
    let (codes, presence) = (templates.code_list()?, column.presence());
    // What has no sentence comes behind them.
    let raw = judged.verdicts.len();
    let mut verdicts = judged.verdicts.clone();
    verdicts.push(Verdict::Depends);
    let code = |index: usize| usize::from(codes[index]).min(raw);
    if judged.passing > 0 {
        let always = (0..).zip(&verdicts).filter(|(_, verdict)| **verdict == Verdict::Always);
        let always: Vec<u16> = always.map(|(code, _)| code).take(FEW_CODES_MAX + 1).collect();
        if always.len() <= FEW_CODES_MAX && codes.len() == from.rows() {
            to.insert_bits(from, |rows| bits_of(&codes[rows], &always));
        } else {
            to.insert_where(from, |row| {
                let passes = |index| verdicts[code(index)] == Verdict::Always;
                presence.value_index(row).is_some_and(passes)
            });
        }
    }
    if !judged.depends && templates.raw_len() == 0 {
        return Ok(());
    }
    let in_words = matcher.in_words();
    let is_searched = judged.depends && from.count() > FEW_ROWS_MAX;
    if let Some((pattern, outline)) = in_words.zip(outline).filter(|_| is_searched) {
        let wanted = |slot| pattern.may_be_in(slot);
        let (begins, find) = (pattern.begins(), |variables: &[u8]| pattern.find(variables));
        let found = match from.count() == from.rows() {
            true => templates.find_variables(outline, wanted, None, begins, find)?,
            false => {
                let mut depends = vec![false; raw + 1];
                from.for_each(|row| {
                    if let Some(index) = presence.value_index(row) {
                        let code = code(index);
                        depends[code] = verdicts[code] == Verdict::Depends;
                    }
                });
                let depends = |code: usize| depends[code];
                templates.find_variables(outline, wanted, Some(&depends), begins, find)?
            }
        };
        if let Some(found) = found {
            let passes = |index: usize| found[index];
            to.insert_where(from, |row| presence.value_index(row).is_some_and(passes));
        }
        if templates.raw_len() == 0 {
            return Ok(());
        }
        // What has no sentence is left.
        verdicts[..raw].fill(Verdict::Never);
    }
    let mut scratch = Vec::new();
    for row in from.iter() {
        let Some(index) = presence.value_index(row) else { continue };
        let code = code(index);
        if verdicts[code] != Verdict::Depends {
            continue;
        }
        let passes = match in_words.filter(|_| code < raw) {
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

/// A bit for each of up to 64 codes: whether it is a wanted one.
fn bits_of(codes: &[u16], wanted: &[u16]) -> u64 {
    // Nearly always there is none, which is soon told.
    let has = |wanted: &u16| codes.iter().fold(false, |has, code| has | (code == wanted));
    if !wanted.iter().any(has) {
        return 0;
    }
    codes.iter().rev().fold(0, |bits, code| bits << 1 | u64::from(wanted.contains(code)))
}

/// What a test says of the sentences of a column of templates, if they stand in the list of a section. `phrase` is
/// what [`Matcher::phrase_of_literals`] gave.
pub(super) fn judge_listed(column: &Column, phrase: &Phrase, judge: &Judge) -> Option<Judged> {
    let ColumnData::Templates(templates) = column.data() else { return None };
    let (list, numbers) = templates.listed()?;
    Some(judge.judge_listed(phrase, list, numbers, templates.counts()))
}

/// As [`add_matching`] where not all rows are candidates: only their sentences are looked at, and nothing is
/// found out of all. `phrase` is
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
    let (codes, sentences) = (templates.code_list()?, templates.sentences()?);
    let mut known = vec![None; sentences.len()];
    let mut scratch = Vec::new();
    for row in from.iter() {
        let Some(index) = column.presence().value_index(row) else { continue };
        let code = codes[index];
        let may_pass = code == Templates::RAW || {
            let code = usize::from(code);
            *known[code].get_or_insert_with(|| phrase.is_match(sentences.get(code)))
        };
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
    let (codes, sentences) = (templates.code_list()?, templates.sentences()?);
    let (mut scratch, mut sentence) = (Vec::new(), Vec::new());
    for row in selected.iter() {
        let Some(index) = column.presence().value_index(row) else { continue };
        let code = codes[index];
        if code == Templates::RAW {
            sentence_of(templates.value(index, &mut scratch)?.text, &mut sentence);
            each(row, None, &sentence);
        } else {
            each(row, Some(code), sentences.get(usize::from(code)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
