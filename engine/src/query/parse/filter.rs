//! Terms and what joins them.

use super::value::{count_term, text_of_word, value};
use super::{
    Input, Parsed, QUERY_DEPTH_MAX, error, other, place, rest, skip_blanks, take_to, words,
};
use crate::limits::QUERY_NAME_BYTES_MAX;
use crate::query::ast::{Field, Filter, Leaf, Test};
use winnow::Parser;
use winnow::combinator::{alt, repeat, separated};

/// What joins or turns terms around, in capitals.
const KEYWORDS: [&str; 3] = ["AND", "OR", "NOT"];

/// A filter, or nothing before the end or a pipe.
pub(super) fn maybe_empty(input: &mut Input<'_>) -> Parsed<Filter> {
    skip_blanks(input);
    if rest(input).is_empty() || rest(input).starts_with('|') {
        return Ok(Filter::All);
    }
    let filter = or(input, None)?;
    skip_blanks(input);
    Ok(filter)
}

/// `field` stands before the parentheses around this.
pub(super) fn or(input: &mut Input<'_>, field: Option<&Field>) -> Parsed<Filter> {
    let any: Vec<Filter> = separated(1.., |input: &mut Input<'_>| and(input, field), keyword("OR"))
        .parse_next(input)?;
    Ok(joined(any, Filter::Or, |filter| match filter {
        Filter::Or(nested) => nested,
        filter => vec![filter],
    }))
}

fn and(input: &mut Input<'_>, field: Option<&Field>) -> Parsed<Filter> {
    let mut all = vec![not(input, field)?];
    let more = |input: &mut Input<'_>| {
        between(input)?;
        not(input, field)
    };
    let others: Vec<Filter> = repeat(0.., more).parse_next(input)?;
    all.extend(others);
    Ok(joined(all, Filter::And, |filter| match filter {
        Filter::And(nested) => nested,
        filter => vec![filter],
    }))
}

/// AND, or nothing where another term follows.
fn between(input: &mut Input<'_>) -> Parsed<()> {
    skip_blanks(input);
    if keyword("AND").parse_next(input).is_ok() {
        return Ok(());
    }
    if rest(input).starts_with("||") {
        let at = place(input);
        return Err(error("`||` is written OR", at..at + 2));
    }
    let ends = rest(input).is_empty()
        || rest(input).starts_with([')', '|'])
        || peek_keyword(rest(input)) == Some("OR");
    if ends { other(input) } else { Ok(()) }
}

/// One filter of many; `members` of one of their own kind are its own.
fn joined(
    filters: Vec<Filter>,
    many: impl FnOnce(Vec<Filter>) -> Filter,
    members: impl Fn(Filter) -> Vec<Filter>,
) -> Filter {
    let mut all: Vec<Filter> = filters.into_iter().flat_map(members).collect();
    if all.len() == 1 { all.swap_remove(0) } else { many(all) }
}

fn not(input: &mut Input<'_>, field: Option<&Field>) -> Parsed<Filter> {
    let negation = alt((keyword("NOT").value(1), dashes));
    let negations: usize =
        repeat(0.., negation).fold(|| 0, |all: usize, one: usize| all + one).parse_next(input)?;
    Ok(match term(input, field)? {
        filter if negations.is_multiple_of(2) => filter,
        Filter::Not(inner) => *inner,
        filter => Filter::Not(Box::new(filter)),
    })
}

/// The dashes that stand before a term. A word of punctuation alone, such as `->`, is a term
/// itself.
fn dashes(input: &mut Input<'_>) -> Parsed<usize> {
    skip_blanks(input);
    let text = input.state.text;
    let behind = rest(input).trim_start_matches('-');
    let (start, end) = (place(input), text.len() - behind.len());
    let negates = start < end && {
        let word = &text[end..words::word_end(text, end)];
        behind.starts_with(['(', '"'])
            || word == "*"
            || word.contains(|c: char| !c.is_ascii_punctuation())
    };
    if !negates {
        return other(input);
    }
    take_to(input, end);
    Ok(end - start)
}

/// The keyword that a text begins with. A keyword ends at a blank, a parenthesis or a quote.
fn peek_keyword(text: &str) -> Option<&'static str> {
    KEYWORDS.into_iter().find(|keyword| {
        text.strip_prefix(keyword).is_some_and(|behind| {
            behind.chars().next().is_none_or(|c| c.is_whitespace() || "()\"".contains(c))
        })
    })
}

fn keyword<'t>(keyword: &'static str) -> impl FnMut(&mut Input<'t>) -> Parsed<()> {
    move |input| {
        skip_blanks(input);
        if peek_keyword(rest(input)) != Some(keyword) {
            return other(input);
        }
        let end = place(input) + keyword.len();
        take_to(input, end);
        Ok(())
    }
}

fn term(input: &mut Input<'_>, inherited: Option<&Field>) -> Parsed<Filter> {
    skip_blanks(input);
    let start = place(input);
    let next = rest(input);
    if next.is_empty() || next.starts_with([')', '|']) || peek_keyword(next).is_some() {
        return Err(missing_term(input));
    }
    if next.starts_with('(') {
        return group(input, inherited);
    }
    if let Some(field) = field(input)? {
        return value(input, &field, start);
    }
    if let Some(field) = inherited {
        return value(input, field, start);
    }
    count_term(input, start)?;
    let test = text_of_word(input)?;
    match test {
        // `*:*` is every event, as in Lucene.
        Test::Wildcard(wildcard) if wildcard.pieces == ["", ":", ""] => return Ok(Filter::All),
        Test::Exists => return Ok(Filter::All),
        Test::Text(text) if text.is_empty() => {
            return Err(error("expected text between the quotes", start..place(input)));
        }
        _ => {}
    }
    Ok(Filter::Leaf(Leaf { field: None, test, span: start..place(input) }))
}

/// What to say where a term should be.
fn missing_term(input: &Input<'_>) -> winnow::error::ErrMode<super::SyntaxError> {
    let at = place(input);
    let (before, next) = (input.state.text[..at].trim_end(), rest(input));
    let keyword = peek_keyword(next);
    let found = match keyword {
        Some(keyword) => keyword,
        None if next.is_empty() => "the end",
        None if next.starts_with('|') => "`|`",
        None => "`)`",
    };
    // A term may be missing only at the start, behind a parenthesis and behind these.
    let operator = KEYWORDS.into_iter().chain(["-"]).find(|word| before.ends_with(word));
    let span = match (operator, keyword) {
        (_, Some(keyword)) => at..at + keyword.len(),
        (Some(operator), None) => before.len() - operator.len()..before.len(),
        (None, None) => at..(at + 1).min(input.state.text.len()),
    };
    match operator {
        Some(operator) => error(format!("expected a term after {operator}, found {found}"), span),
        None => error(format!("expected a term, found {found}"), span),
    }
}

/// Parentheses; `field` stands before them.
pub(super) fn group(input: &mut Input<'_>, field: Option<&Field>) -> Parsed<Filter> {
    let open = place(input)..place(input) + 1;
    if input.state.depth == QUERY_DEPTH_MAX {
        let message = format!("parentheses nest more than {QUERY_DEPTH_MAX} deep");
        return Err(error(message, open));
    }
    take_to(input, open.end);
    skip_blanks(input);
    if rest(input).is_empty() {
        return Err(error("expected `)` to close this parenthesis", open));
    }
    input.state.depth += 1;
    let filter = or(input, field)?;
    input.state.depth -= 1;
    skip_blanks(input);
    if !rest(input).starts_with(')') {
        return Err(error("expected `)` to close this parenthesis", open));
    }
    let end = place(input) + 1;
    take_to(input, end);
    Ok(filter)
}

/// A name and its colon (or the `==` behind it, which stays), if they come next. A name may be quoted.
fn field(input: &mut Input<'_>) -> Parsed<Option<Field>> {
    let (text, start) = (input.state.text, place(input));
    let named = if rest(input).starts_with('"') {
        let is_name = |end: usize| text[end..].starts_with(':') || text[end..].starts_with("==");
        words::quoted(text, start).filter(|(_, end)| is_name(*end))
    } else {
        let word = &text[start..words::word_end(text, start)];
        words::name_end(word, input.state.of_table)
            .map(|end| (words::unescape(&word[..end]), start + end))
    };
    let Some((name, end)) = named else { return Ok(None) };
    if name == "timestamp" {
        return Err(error("the time range is given by `from` and `to`", start..end));
    }
    if name.len() > QUERY_NAME_BYTES_MAX {
        let message = format!("the name of a field has more than {QUERY_NAME_BYTES_MAX} bytes");
        return Err(error(message, start..end));
    }
    take_to(input, end);
    if rest(input).starts_with(':') {
        take_to(input, end + 1);
    }
    Ok(Some(Field { name, span: start..end }))
}
