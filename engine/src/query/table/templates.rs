//! How a column of templates is gone through when its sentences have been judged: texts are rebuilt
//! only where their variables tell.

use crate::block::{Column, ColumnData};
use crate::error::Result;
use crate::query::matcher::{Judged, Matcher, Verdict};
use crate::query::selection::Selection;

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

#[cfg(test)]
mod tests;
