//! What stands behind the pipes.
//!
//! ```text
//! stage  = "where" or | "extract" quoted [ "from" name ] | "stats" [ figure { "," figure } ] [ by ]
//!        | "top" [ number ] names | "uniq" names | "sort" [ "-" ] name { "," [ "-" ] name }
//!        | "fields" names | "limit" number
//! by     = "by" group { "," group }
//! figure = function "(" [ name [ "," number ] ] ")" [ "as" name ]
//! group  = "bin" "(" duration ")" | "bin" "(" name "," ( number | quantity ) ")" [ "as" name ] | name
//! ```

use super::{
    Input, Parsed, error, extract, filter, other, place, rest, skip_blanks, take_to, value, words,
};
use crate::limits::{QUERY_NAME_BYTES_MAX, QUERY_NAMES_MAX, QUERY_STAGES_MAX};
use crate::query::ast::{Bin, Field, Figure, Group, SortKey, Span, Stage, StageKind};
use crate::value::{Quantity, Unit};
use winnow::Parser;
use winnow::combinator::{opt, separated};

/// Rows of `top` without a number.
const TOP_DEFAULT: usize = 10;

pub(super) fn stages(input: &mut Input<'_>) -> Parsed<Vec<Stage>> {
    let mut stages = Vec::new();
    while opt(sign('|')).parse_next(input)?.is_some() {
        skip_blanks(input);
        let start = place(input);
        if stages.len() == QUERY_STAGES_MAX {
            let message = format!("more than {QUERY_STAGES_MAX} stages");
            return Err(error(message, start..input.state.text.len()));
        }
        let kind = stage(input)?;
        let is_table =
            matches!(kind, StageKind::Stats { .. } | StageKind::Top { .. } | StageKind::Uniq(_));
        input.state.of_table |= is_table;
        let end = start + input.state.text[start..place(input)].trim_end().len();
        stages.push(Stage { kind, span: start..end });
        skip_blanks(input);
        let next = rest(input).chars().next();
        if next.is_some_and(|c| c != '|' && c != ')') {
            let at = place(input);
            let len = rest(input).find(char::is_whitespace).unwrap_or(rest(input).len());
            return Err(error("expected `|` or the end behind this stage", at..at + len));
        }
    }
    Ok(stages)
}

fn stage(input: &mut Input<'_>) -> Parsed<StageKind> {
    let span = letters(input);
    match &*input.state.text[span.clone()].to_ascii_lowercase() {
        "where" => {
            skip_blanks(input);
            Ok(StageKind::Where(filter::or(input, None)?))
        }
        "extract" => {
            let source = quoted(input, "a text with places in quotes, as in \"took <ms:int>ms\"")?;
            let from = match opt(word("from")).parse_next(input)? {
                Some(()) => Some(name(input)?),
                None => None,
            };
            let nth = value::count_regex(input, &source.1)?;
            extract::compile(source.0, from, nth)
                .map(StageKind::Extract)
                .map_err(|reason| error(reason, source.1))
        }
        "stats" => stats(input),
        "top" => {
            let limit = opt(number).parse_next(input)?.unwrap_or(TOP_DEFAULT);
            Ok(StageKind::Top { limit, fields: names(input)? })
        }
        "uniq" => Ok(StageKind::Uniq(names(input)?)),
        "sort" => {
            let keys = list(input, sort_key)?;
            each_once(keys.iter().map(|key| &key.field))?;
            Ok(StageKind::Sort(keys))
        }
        "fields" => names(input).map(StageKind::Fields),
        "limit" => match opt(number).parse_next(input)? {
            Some(limit) => Ok(StageKind::Limit(limit)),
            None => Err(expected(input, "a number above 0")),
        },
        "" => Err(expected(input, &format!("a stage behind `|`: {}", words::STAGES.join(", ")))),
        name => {
            let known = words::STAGES.join(", ");
            Err(error(format!("no stage is called `{name}`; there are {known}"), span))
        }
    }
}

fn stats(input: &mut Input<'_>) -> Parsed<StageKind> {
    skip_blanks(input);
    let has_figures = !rest(input).is_empty()
        && !rest(input).starts_with('|')
        && !starts_with_word(rest(input), "by");
    let figures = if has_figures { list(input, figure)? } else { Vec::new() };
    let by = match opt(word("by")).parse_next(input)? {
        Some(()) => list(input, group)?,
        None => Vec::new(),
    };
    Ok(StageKind::Stats { figures, by })
}

fn figure(input: &mut Input<'_>) -> Parsed<Figure> {
    skip_blanks(input);
    let start = place(input);
    let function = letters(input);
    if function.is_empty() || !rest(input).starts_with('(') {
        return Err(expected(input, "a figure, as in count() or p95(duration_ms)"));
    }
    let function = input.state.text[function].to_ascii_lowercase();
    sign('(').parse_next(input)?;
    let field = match opt(sign(')')).parse_next(input)? {
        Some(()) => None,
        None => Some(name(input)?),
    };
    let mut argument = None;
    if field.is_some() {
        if opt(sign(',')).parse_next(input)?.is_some() {
            skip_blanks(input);
            let text = words::name_in_list_end(input.state.text, place(input));
            argument = Some(take_to(input, text).to_owned());
        }
        close(input, start)?;
    }
    let written: String =
        input.state.text[start..place(input)].chars().filter(|c| !c.is_whitespace()).collect();
    let span = start..place(input);
    let name = match opt(word("as")).parse_next(input)? {
        Some(()) => name(input)?.name,
        None if function == "count" && field.is_none() => "count".into(),
        None => written,
    };
    Ok(Figure { function, field, argument, name, span })
}

fn group(input: &mut Input<'_>) -> Parsed<Group> {
    skip_blanks(input);
    let start = place(input);
    if !starts_with_bin(rest(input)) {
        return name(input).map(Group::Field);
    }
    letters(input);
    sign('(').parse_next(input)?;
    skip_blanks(input);
    let first = place(input)..words::name_in_list_end(input.state.text, place(input));
    if let Some(width) = duration(&input.state.text[first.clone()]) {
        take_to(input, first.end);
        close(input, start)?;
        return Ok(Group::Time(width));
    }
    let field = name(input)?;
    if opt(sign(',')).parse_next(input)?.is_none() {
        let message = "expected a duration above 0, as in bin(5m), or a field and a step, as in \
                       bin(duration_ms, 100)";
        return Err(error(message, start..place(input)));
    }
    skip_blanks(input);
    let step = place(input)..words::name_in_list_end(input.state.text, place(input));
    let text = take_to(input, step.end);
    let width = step_of(text, &field.name).map_err(|message| error(message, step))?;
    close(input, start)?;
    let name = match opt(word("as")).parse_next(input)? {
        Some(()) => name(input)?.name,
        None => format!("bin({},{text})", field.name),
    };
    Ok(Group::Bin(Bin { field, width, name }))
}

/// A step above 0 in which the numbers of a field are counted; one with a unit, in the unit that the
/// field's name tells.
fn step_of(text: &str, field: &str) -> Result<f64, String> {
    let quantity = Quantity::parse(text.as_bytes());
    let in_unit = |quantity: Quantity| quantity.number_in(Unit::of_field(field)?);
    let width = match quantity {
        None => text.parse::<f64>().ok(),
        Some(quantity) => match in_unit(quantity) {
            Some(number) => Some(number.to_f64()),
            None => {
                return Err(format!(
                    "the name of `{field}` does not tell a unit like that of `{text}`: write the step as a \
                     number"
                ));
            }
        },
    };
    let above_zero = width.filter(|width| width.is_finite() && *width > 0.0);
    above_zero.ok_or_else(|| "expected a step above 0".into())
}

/// Nanoseconds above 0.
fn duration(text: &str) -> Option<i64> {
    Quantity::parse(text.as_bytes())?.nanoseconds().filter(|width| *width > 0)
}

fn starts_with_bin(text: &str) -> bool {
    text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("bin("))
}

fn close(input: &mut Input<'_>, start: usize) -> Parsed<()> {
    match opt(sign(')')).parse_next(input)? {
        Some(()) => Ok(()),
        None => Err(error("expected `)` to close this", start..place(input))),
    }
}

fn sort_key(input: &mut Input<'_>) -> Parsed<SortKey> {
    let descending = opt(sign('-')).parse_next(input)?.is_some();
    Ok(SortKey { field: name(input)?, descending })
}

fn names(input: &mut Input<'_>) -> Parsed<Vec<Field>> {
    let names = list(input, name)?;
    each_once(names.iter())?;
    Ok(names)
}

/// A name said twice means nothing, and would take memory for each time.
fn each_once<'f>(mut fields: impl Iterator<Item = &'f Field>) -> Parsed<()> {
    let mut said = std::collections::BTreeSet::new();
    match fields.find(|field| !said.insert(&field.name)) {
        Some(field) => {
            Err(error(format!("`{}` stands here twice", field.name), field.span.clone()))
        }
        None => Ok(()),
    }
}

/// One or more, separated by commas.
fn list<'t, T>(
    input: &mut Input<'t>,
    one: impl FnMut(&mut Input<'t>) -> Parsed<T>,
) -> Parsed<Vec<T>> {
    let start = place(input);
    let all: Vec<T> = separated(1.., one, sign(',')).parse_next(input)?;
    if all.len() > QUERY_NAMES_MAX {
        let message = format!("more than {QUERY_NAMES_MAX} in one stage");
        return Err(error(message, start..place(input)));
    }
    Ok(all)
}

/// The name of a field or a column, quoted if it has blanks or commas.
fn name(input: &mut Input<'_>) -> Parsed<Field> {
    skip_blanks(input);
    let start = place(input);
    let name = if rest(input).starts_with('"') {
        quoted(input, "a name")?.0
    } else {
        let end = words::name_in_list_end(input.state.text, start);
        take_to(input, end).to_owned()
    };
    let span = start..place(input);
    if name.is_empty() {
        return Err(expected(input, "the name of a field"));
    }
    if name.len() > QUERY_NAME_BYTES_MAX {
        let message = format!("the name of a field has more than {QUERY_NAME_BYTES_MAX} bytes");
        return Err(error(message, span));
    }
    Ok(Field { name, span })
}

fn quoted(input: &mut Input<'_>, what: &str) -> Parsed<(String, Span)> {
    skip_blanks(input);
    let start = place(input);
    if !rest(input).starts_with('"') {
        return Err(expected(input, what));
    }
    let Some((text, end)) = words::quoted(input.state.text, start) else {
        return Err(error("expected `\"` to close this quote", start..start + 1));
    };
    take_to(input, end);
    Ok((text, start..end))
}

/// A number above 0.
fn number(input: &mut Input<'_>) -> Parsed<usize> {
    skip_blanks(input);
    let end = words::name_in_list_end(input.state.text, place(input));
    match input.state.text[place(input)..end].parse() {
        Ok(number) if number > 0 => {
            take_to(input, end);
            Ok(number)
        }
        _ => other(input),
    }
}

/// Letters, in their place.
fn letters(input: &mut Input<'_>) -> Span {
    skip_blanks(input);
    let start = place(input);
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let len = rest(input).find(|c| !is_part(c)).unwrap_or(rest(input).len());
    take_to(input, start + len);
    start..start + len
}

fn starts_with_word(text: &str, word: &str) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
        && text[word.len()..].chars().next().is_none_or(char::is_whitespace)
}

/// A word that joins two others, in any case.
fn word<'t>(word: &'static str) -> impl FnMut(&mut Input<'t>) -> Parsed<()> {
    move |input| {
        skip_blanks(input);
        if !starts_with_word(rest(input), word) {
            return other(input);
        }
        let end = place(input) + word.len();
        take_to(input, end);
        Ok(())
    }
}

fn sign<'t>(sign: char) -> impl FnMut(&mut Input<'t>) -> Parsed<()> {
    move |input| {
        skip_blanks(input);
        sign.void().parse_next(input)
    }
}

fn expected(input: &Input<'_>, what: &str) -> winnow::error::ErrMode<super::SyntaxError> {
    let at = place(input);
    let found = match rest(input).chars().next() {
        None => "the end".to_owned(),
        Some(c) => format!("`{c}`"),
    };
    let len = rest(input).chars().next().map_or(0, char::len_utf8);
    error(format!("expected {what}, found {found}"), at..at + len)
}

#[cfg(test)]
mod tests {
    use crate::query::ast::{Filter, StageKind};
    use crate::query::parse_query;

    #[test]
    fn a_pipe_needs_no_blanks_if_a_stage_follows() {
        for text in ["service:a|stats count()", "n:*|limit 2", "a |where b|limit 1", "a| top 3 b"] {
            let query = parse_query(text).expect("is of the language");
            let pipes = text.matches('|').count();
            assert_eq!((query.stages.len(), query.filter == Filter::All), (pipes, false), "{text}");
        }
    }

    #[test]
    fn columns_of_a_table_are_named_as_they_are_written() {
        for (text, column) in [
            ("* | stats avg(ms) by service | where avg(ms):>100", "avg(ms)"),
            ("* | stats count() by bin(n,5) | where -bin(n,5)==10", "bin(n,5)"),
        ] {
            let query = parse_query(text).expect("is of the language");
            let filter = match &query.stages.last().expect("there are two").kind {
                StageKind::Where(Filter::Not(inner)) => &**inner,
                StageKind::Where(filter) => filter,
                other => panic!("{other:?}"),
            };
            let Filter::Leaf(leaf) = filter else { panic!("{filter:?}") };
            assert_eq!(leaf.field.as_ref().map(|field| &*field.name), Some(column), "{text}");
        }
    }
}
