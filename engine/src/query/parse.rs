//! The query language: text to syntax. `docs/query.md` describes it for people.
//!
//! ```text
//! or    = and { "OR" and }
//! and   = not { [ "AND" ] not }
//! not   = { "NOT" | "-" } term
//! term  = "(" or ")" | [ field ":" ] value | "*"
//! value = word | quoted | "~" quoted | "/" pattern "/" | ( ">" | ">=" | "<" | "<=" ) ( word | quoted )
//!       | "*" | "(" or ")"
//! ```
//!
//! - `P1` Recursion and the syntax are at most [`QUERY_DEPTH_MAX`] parentheses deep: `NOT` and
//!   `-` are counted off, not nested.
//! - `P2` `And` and `Or` have at least two members, none of them of the same kind; `Not` has no
//!   `Not` in it.

mod pattern;
mod words;

#[cfg(test)]
mod tests;

use super::ast::{Comparison, Field, Filter, Leaf, Span, Test};
use crate::limits::{
    QUERY_BYTES_MAX, QUERY_DEPTH_MAX, QUERY_NAME_BYTES_MAX, QUERY_REGEXES_MAX, QUERY_TERMS_MAX,
};
use std::fmt;

/// What is wrong with a query, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// What is wrong and what was expected.
    pub message: String,
    /// Byte offsets in the query text.
    pub span: Span,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.message, self.span.start)
    }
}

impl std::error::Error for SyntaxError {}

/// Parses a query; the empty one wants every event.
///
/// # Errors
/// A query that is not of the language, or is larger than the limits of queries.
pub fn parse(text: &str) -> Result<Filter, SyntaxError> {
    if text.len() > QUERY_BYTES_MAX {
        let message =
            format!("the query has {} bytes, at most {QUERY_BYTES_MAX} are allowed", text.len());
        return Err(SyntaxError { message, span: 0..text.len() });
    }
    let mut parser = Parser { text, at: 0, depth: 0, terms: 0, regexes: 0 };
    parser.skip_blanks();
    if parser.rest().is_empty() {
        return Ok(Filter::All);
    }
    let filter = parser.or(None)?;
    match parser.rest() {
        "" => Ok(filter),
        _ => Err(error("no parenthesis is open that `)` could close", parser.at..parser.at + 1)),
    }
}

fn error(message: impl Into<String>, span: Span) -> SyntaxError {
    SyntaxError { message: message.into(), span }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
    terms: usize,
    regexes: usize,
}

/// What joins or turns terms around, in capitals.
const KEYWORDS: [&str; 3] = ["AND", "OR", "NOT"];

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn skip_blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// The keyword that comes next. A keyword ends at a blank, a parenthesis or a quote.
    fn peek_keyword(&self) -> Option<&'static str> {
        KEYWORDS.into_iter().find(|keyword| {
            self.rest().strip_prefix(keyword).is_some_and(|behind| {
                behind.chars().next().is_none_or(|c| c.is_whitespace() || "()\"".contains(c))
            })
        })
    }

    /// Skips a keyword if it comes next, and says where it was.
    fn keyword(&mut self, keyword: &'static str) -> Option<Operator> {
        self.skip_blanks();
        let start = self.at;
        (self.peek_keyword() == Some(keyword)).then(|| {
            self.at += keyword.len();
            Operator { name: keyword, span: start..self.at }
        })
    }

    fn or(&mut self, field: Option<&Field>) -> Result<Filter, SyntaxError> {
        let mut any = Vec::new();
        let mut operator = None;
        loop {
            match self.and(field, operator)? {
                Filter::Or(nested) => any.extend(nested),
                filter => any.push(filter),
            }
            operator = self.keyword("OR");
            if operator.is_none() {
                return Ok(one_or(any, Filter::Or));
            }
        }
    }

    fn and(
        &mut self,
        field: Option<&Field>,
        mut operator: Option<Operator>,
    ) -> Result<Filter, SyntaxError> {
        let mut all = Vec::new();
        loop {
            match self.not(field, operator)? {
                Filter::And(nested) => all.extend(nested),
                filter => all.push(filter),
            }
            operator = self.keyword("AND");
            let ends = self.rest().is_empty()
                || self.rest().starts_with(')')
                || self.peek_keyword() == Some("OR");
            if operator.is_none() && ends {
                return Ok(one_or(all, Filter::And));
            }
        }
    }

    fn not(
        &mut self,
        field: Option<&Field>,
        mut operator: Option<Operator>,
    ) -> Result<Filter, SyntaxError> {
        let mut negated = false;
        loop {
            if let Some(not) = self.keyword("NOT") {
                negated = !negated;
                operator = Some(not);
            } else if let Some(dashes) = self.dashes() {
                negated ^= dashes.len() % 2 == 1;
                operator = Some(Operator { name: "-", span: dashes });
            } else {
                break;
            }
        }
        Ok(match self.term(field, operator)? {
            filter if !negated => filter,
            Filter::Not(inner) => *inner,
            filter => Filter::Not(Box::new(filter)),
        })
    }

    /// Skips the dashes that stand before a term. A word of punctuation alone, such as `->`, is a
    /// term itself.
    fn dashes(&mut self) -> Option<Span> {
        let behind = self.rest().trim_start_matches('-');
        let start = self.at;
        let end = self.text.len() - behind.len();
        if start == end {
            return None;
        }
        let word = &self.text[end..words::word_end(self.text, end)];
        let negates = behind.starts_with(['(', '"'])
            || word == "*"
            || word.contains(|c: char| !c.is_ascii_punctuation());
        negates.then(|| {
            self.at = end;
            start..end
        })
    }

    fn term(
        &mut self,
        inherited: Option<&Field>,
        operator: Option<Operator>,
    ) -> Result<Filter, SyntaxError> {
        self.skip_blanks();
        let start = self.at;
        if self.rest().is_empty() || self.rest().starts_with(')') || self.peek_keyword().is_some() {
            return Err(self.missing_term(operator));
        }
        if self.rest().starts_with('(') {
            return self.group(inherited);
        }
        if let Some(field) = self.field()? {
            return self.value(&field, start);
        }
        if let Some(field) = inherited {
            return self.value(field, start);
        }
        self.count_term(start)?;
        let text = if self.rest().starts_with('"') {
            let text = self.quoted()?;
            if text.is_empty() {
                return Err(error("expected text between the quotes", start..self.at));
            }
            text
        } else {
            match self.word() {
                "*" => return Ok(Filter::All),
                word => words::unescape(word),
            }
        };
        let span = start..self.at;
        Ok(Filter::Leaf(Leaf { field: None, test: Test::Text(text), span }))
    }

    fn missing_term(&self, operator: Option<Operator>) -> SyntaxError {
        let found = match self.peek_keyword() {
            Some(keyword) => keyword,
            None if self.rest().is_empty() => "the end",
            None => "`)`",
        };
        let span = match (&operator, self.peek_keyword()) {
            (_, Some(keyword)) => self.at..self.at + keyword.len(),
            (Some(operator), None) => operator.span.clone(),
            (None, None) => self.at..(self.at + 1).min(self.text.len()),
        };
        match operator {
            Some(operator) => {
                error(format!("expected a term after {}, found {found}", operator.name), span)
            }
            None => error(format!("expected a term, found {found}"), span),
        }
    }

    fn group(&mut self, field: Option<&Field>) -> Result<Filter, SyntaxError> {
        let open = self.at..self.at + 1;
        if self.depth == QUERY_DEPTH_MAX {
            let message = format!("parentheses nest more than {QUERY_DEPTH_MAX} deep");
            return Err(error(message, open));
        }
        self.at += 1;
        self.skip_blanks();
        if self.rest().is_empty() {
            return Err(error("expected `)` to close this parenthesis", open));
        }
        self.depth += 1;
        let filter = self.or(field)?;
        self.depth -= 1;
        if !self.rest().starts_with(')') {
            return Err(error("expected `)` to close this parenthesis", open));
        }
        self.at += 1;
        Ok(filter)
    }

    /// Skips a name and its colon, if they come next. A name may be quoted.
    fn field(&mut self) -> Result<Option<Field>, SyntaxError> {
        let start = self.at;
        let (name, end) = if self.rest().starts_with('"') {
            match words::quoted(self.text, start) {
                Some((name, end)) if self.text[end..].starts_with(':') => (name, end),
                _ => return Ok(None),
            }
        } else {
            let word = &self.text[start..words::word_end(self.text, start)];
            match words::field_colon(word) {
                Some(colon) => (words::unescape(&word[..colon]), start + colon),
                None => return Ok(None),
            }
        };
        if name == "timestamp" {
            return Err(error("the time range is given by `from` and `to`", start..end));
        }
        if name.len() > QUERY_NAME_BYTES_MAX {
            let message = format!("the name of a field has more than {QUERY_NAME_BYTES_MAX} bytes");
            return Err(error(message, start..end));
        }
        self.at = end + 1;
        Ok(Some(Field { name, span: start..end }))
    }

    /// The value of a field. `start` is where the term began: at the field's name, or at the value
    /// if the name stands before a group.
    fn value(&mut self, field: &Field, start: usize) -> Result<Filter, SyntaxError> {
        if self.rest().starts_with('(') {
            return self.group(Some(field));
        }
        self.count_term(start)?;
        let test = if self.rest().starts_with("~\"") {
            self.at += 1;
            let source = self.quoted()?;
            self.pattern(source, start)?
        } else if self.rest().starts_with('/')
            && let Some((source, end)) = words::slashes(self.text, self.at)
        {
            self.at = end;
            self.pattern(source, start)?
        } else if let Some(comparison) = self.comparison() {
            Test::Compare(comparison, self.text_value(start)?.1)
        } else {
            match self.text_value(start)? {
                ("*", _) => Test::Exists,
                (_, text) => Test::Text(text),
            }
        };
        Ok(Filter::Leaf(Leaf { field: Some(field.clone()), test, span: start..self.at }))
    }

    fn comparison(&mut self) -> Option<Comparison> {
        let (sign, comparison) = [
            (">=", Comparison::GreaterOrEqual),
            ("<=", Comparison::LessOrEqual),
            (">", Comparison::Greater),
            ("<", Comparison::Less),
        ]
        .into_iter()
        .find(|(sign, _)| self.rest().starts_with(sign))?;
        self.at += sign.len();
        Some(comparison)
    }

    /// A quoted or a bare value: as it was written, and as it is meant.
    fn text_value(&mut self, start: usize) -> Result<(&'t str, String), SyntaxError> {
        let value = self.at;
        if self.rest().starts_with('"') {
            let text = self.quoted()?;
            return Ok((&self.text[value..self.at], text));
        }
        let word = self.word();
        if word.is_empty() {
            let before = &self.text[start..value];
            let message = format!(
                "expected a value right behind `{before}`; to search for this text, quote it"
            );
            return Err(error(message, start..value));
        }
        Ok((word, words::unescape(word)))
    }

    fn word(&mut self) -> &'t str {
        let start = self.at;
        self.at = words::word_end(self.text, start);
        &self.text[start..self.at]
    }

    fn quoted(&mut self) -> Result<String, SyntaxError> {
        let (text, end) = words::quoted(self.text, self.at)
            .ok_or_else(|| error("expected `\"` to close this quote", self.at..self.at + 1))?;
        self.at = end;
        Ok(text)
    }

    fn pattern(&mut self, source: String, start: usize) -> Result<Test, SyntaxError> {
        let span = start..self.at;
        self.regexes += 1;
        if self.regexes > QUERY_REGEXES_MAX {
            let message = format!("more than {QUERY_REGEXES_MAX} regular expressions");
            return Err(error(message, span));
        }
        let pattern = pattern::compile(source)
            .map_err(|reason| error(format!("bad regular expression: {reason}"), span))?;
        Ok(Test::Regex(Box::new(pattern)))
    }

    fn count_term(&mut self, start: usize) -> Result<(), SyntaxError> {
        self.terms += 1;
        if self.terms > QUERY_TERMS_MAX {
            let message = format!("more than {QUERY_TERMS_MAX} terms");
            return Err(error(message, start..self.text.len()));
        }
        Ok(())
    }
}

/// A keyword or `-` that wants a term behind it.
struct Operator {
    name: &'static str,
    span: Span,
}

fn one_or(mut filters: Vec<Filter>, many: impl FnOnce(Vec<Filter>) -> Filter) -> Filter {
    if filters.len() == 1 { filters.swap_remove(0) } else { many(filters) }
}
