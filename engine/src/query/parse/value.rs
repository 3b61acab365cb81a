//! What stands behind a field's colon.

use super::filter::group;
use super::{Input, Parsed, error, other, pattern, place, rest, skip_blanks, take_to, words};
use crate::field::is_exact;
use crate::limits::{QUERY_REGEXES_MAX, QUERY_TERMS_MAX};
use crate::query::ast::{Bound, Field, Filter, Leaf, Network, Range, Span, Test, Wildcard};
use winnow::Parser;
use winnow::combinator::alt;

/// The value of a field. `start` is where the term began: at the field's name, or at the value if the
/// name stands before a group.
pub(super) fn value(input: &mut Input<'_>, field: &Field, start: usize) -> Parsed<Filter> {
    if rest(input).starts_with('(') {
        return group(input, Some(field));
    }
    count_term(input, start)?;
    let test = alt((
        |input: &mut Input<'_>| same(input, start),
        |input: &mut Input<'_>| regex(input, start),
        range,
        |input: &mut Input<'_>| comparison(input, start),
        |input: &mut Input<'_>| text(input, field, start),
    ))
    .parse_next(input)?;
    Ok(Filter::Leaf(Leaf { field: Some(field.clone()), test, span: start..place(input) }))
}

/// `==` and a text.
fn same(input: &mut Input<'_>, start: usize) -> Parsed<Test> {
    "==".parse_next(input)?;
    Ok(Test::Same(plain(input, start)?))
}

fn regex(input: &mut Input<'_>, start: usize) -> Parsed<Test> {
    let source = if rest(input).starts_with("~\"") {
        "~".parse_next(input)?;
        quoted(input)?
    } else if rest(input).starts_with('/')
        && let Some((source, end)) = words::slashes(input.state.text, place(input))
    {
        take_to(input, end);
        source
    } else {
        return other(input);
    };
    let span = start..place(input);
    let nth = count_regex(input, &span)?;
    let pattern = pattern::compile(source, nth)
        .map_err(|reason| error(format!("bad regular expression: {reason}"), span))?;
    Ok(Test::Regex(Box::new(pattern)))
}

/// `[from TO to]`. What has no `TO` behind a first bound is a word.
fn range(input: &mut Input<'_>) -> Parsed<Test> {
    let open = place(input);
    let lower_inclusive = alt(('['.value(true), '{'.value(false))).parse_next(input)?;
    skip_blanks(input);
    let lower = bound(input)?;
    skip_blanks(input);
    if !rest(input).starts_with("TO") || !rest(input)[2..].starts_with(char::is_whitespace) {
        return other(input);
    }
    "TO".parse_next(input)?;
    skip_blanks(input);
    let Ok(upper) = bound(input) else {
        let message = "expected the end of the range behind TO: a value, or `*`";
        return Err(error(message, open..place(input)));
    };
    skip_blanks(input);
    let close: Parsed<bool> = alt((']'.value(true), '}'.value(false))).parse_next(input);
    let Ok(upper_inclusive) = close else {
        return Err(error("expected `]` or `}` to close this range", open..open + 1));
    };
    Ok(Test::Range(Range {
        lower: lower.map(|text| Bound { text, inclusive: lower_inclusive }),
        upper: upper.map(|text| Bound { text, inclusive: upper_inclusive }),
    }))
}

/// An end of a range; `None` for `*`.
fn bound(input: &mut Input<'_>) -> Parsed<Option<String>> {
    let (text, start) = (input.state.text, place(input));
    if rest(input).starts_with('"') {
        let Some((text, end)) = words::quoted(text, start) else { return other(input) };
        take_to(input, end);
        return Ok(Some(text));
    }
    match take_to(input, words::bound_end(text, start)) {
        "" => other(input),
        "*" => Ok(None),
        word => Ok(Some(words::unescape(word))),
    }
}

fn comparison(input: &mut Input<'_>, start: usize) -> Parsed<Test> {
    let sign = alt((">=", "<=", ">", "<")).parse_next(input)?;
    let bound = Some(Bound { text: plain(input, start)?, inclusive: sign.ends_with('=') });
    Ok(Test::Range(match sign.starts_with('>') {
        true => Range { lower: bound, upper: None },
        false => Range { lower: None, upper: bound },
    }))
}

/// A text that means itself alone.
fn plain(input: &mut Input<'_>, start: usize) -> Parsed<String> {
    if rest(input).starts_with('"') {
        return quoted(input);
    }
    Ok(words::unescape(word(input, start)?))
}

fn text(input: &mut Input<'_>, field: &Field, start: usize) -> Parsed<Test> {
    if rest(input).starts_with('"') {
        return Ok(Test::Text(quoted(input)?));
    }
    let word = word(input, start)?;
    match Network::parse(word) {
        Some(network) => Ok(Test::Network(network, word.to_owned())),
        None => test_of_word(word, is_exact(&field.name), start..place(input)),
    }
}

/// A word, or quotes, without a field.
pub(super) fn text_of_word(input: &mut Input<'_>) -> Parsed<Test> {
    if rest(input).starts_with('"') {
        return Ok(Test::Text(quoted(input)?));
    }
    let start = place(input);
    let word = word(input, start)?;
    test_of_word(word, false, start..place(input))
}

/// What an unquoted word asks for. In words a gap has no blanks, nor has what stands beside it; a value
/// that is wanted `whole` may have some.
fn test_of_word(word: &str, whole: bool, span: Span) -> Parsed<Test> {
    let mut pieces = words::gapped(word);
    if pieces.len() == 1 {
        return Ok(Test::Text(pieces.swap_remove(0)));
    }
    if pieces.iter().all(String::is_empty) {
        return Ok(Test::Exists);
    }
    if !whole && pieces.iter().any(|piece| piece.contains(char::is_whitespace)) {
        let message =
            "a word with `*` has no blanks; for texts with gaps there are patterns: ~\"a .*b\"";
        return Err(error(message, span));
    }
    let last = pieces.len() - 1;
    let mut places = 0..=last;
    pieces.retain(|piece| {
        let place = places.next().unwrap_or_default();
        place == 0 || place == last || !piece.is_empty()
    });
    Ok(Test::Wildcard(Wildcard { pieces }))
}

fn word<'t>(input: &mut Input<'t>, start: usize) -> Parsed<&'t str> {
    let (text, at) = (input.state.text, place(input));
    let end = words::word_end(text, at);
    if end == at {
        let before = &text[start..at];
        let message =
            format!("expected a value right behind `{before}`; to search for this text, quote it");
        return Err(error(message, start..at));
    }
    Ok(take_to(input, end))
}

fn quoted(input: &mut Input<'_>) -> Parsed<String> {
    let at = place(input);
    let (text, end) = words::quoted(input.state.text, at)
        .ok_or_else(|| error("expected `\"` to close this quote", at..at + 1))?;
    take_to(input, end);
    Ok(text)
}

/// Which regular expression of the query this one is, from 1.
pub(super) fn count_regex(input: &mut Input<'_>, span: &Span) -> Parsed<usize> {
    input.state.regexes += 1;
    if input.state.regexes > QUERY_REGEXES_MAX {
        let message = format!("more than {QUERY_REGEXES_MAX} regular expressions");
        return Err(error(message, span.clone()));
    }
    Ok(input.state.regexes)
}

pub(super) fn count_term(input: &mut Input<'_>, start: usize) -> Parsed<()> {
    input.state.terms += 1;
    if input.state.terms > QUERY_TERMS_MAX {
        let message = format!("more than {QUERY_TERMS_MAX} terms");
        return Err(error(message, start..input.state.text.len()));
    }
    Ok(())
}
