//! How a matcher finds the values that may pass among many whose texts stand one behind the other:
//! one pass over all, instead of one search in each.
//!
//! `N1`: what a finder looks for stands, whole, in every scalar value that passes the matcher.

use super::Matcher;
use crate::index::Phrase;
use memchr::memmem;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Hir, HirKind};

/// Looks for what every value that passes has in it.
#[derive(Debug)]
pub(crate) enum Finder<'a> {
    /// A phrase, in any case. Its borders are not looked at.
    Phrase(&'a Phrase),
    /// Bytes.
    Literal(&'a memmem::Finder<'static>),
}

impl Finder<'_> {
    /// Where what it looks for first begins.
    pub(crate) fn find(&self, texts: &[u8]) -> Option<usize> {
        match self {
            Self::Phrase(phrase) => phrase.find_ascii(texts),
            Self::Literal(literal) => literal.find(texts),
        }
    }
}

impl Matcher {
    /// A finder of the values that may pass, if there is something that all of them have.
    pub(crate) fn finder(&self) -> Option<Finder<'_>> {
        match self {
            Self::Term(phrase) | Self::Words { phrase, number: None } if phrase.is_ascii() => {
                Some(Finder::Phrase(phrase))
            }
            Self::Pattern { literal: Some(literal), .. } => Some(Finder::Literal(literal)),
            // What is empty is found nowhere in particular.
            Self::Same(text) if !text.needle().is_empty() => Some(Finder::Literal(text)),
            Self::Wildcard(wildcard) if wildcard.longest().is_ascii() => {
                Some(Finder::Phrase(wildcard.longest()))
            }
            // A number can be written in many ways.
            Self::Any | Self::Term(_) | Self::Words { .. } | Self::Whole { .. } => None,
            Self::Same(_) | Self::Wildcard(_) | Self::Range(_) | Self::Network(..) => None,
            Self::Pattern { literal: None, .. } => None,
        }
    }
}

/// The longest bytes that stand in every match of a pattern, as far as that is plain to see.
pub(super) fn literal_of(source: &str) -> Option<memmem::Finder<'static>> {
    // As the regex crate parses what is matched with bytes.
    let hir = ParserBuilder::new().utf8(false).build().parse(source).ok()?;
    let literal = longest_literal(&hir)?;
    Some(memmem::Finder::new(literal).into_owned())
}

fn longest_literal(hir: &Hir) -> Option<&[u8]> {
    match hir.kind() {
        HirKind::Literal(literal) => Some(&literal.0),
        HirKind::Capture(capture) => longest_literal(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => longest_literal(&repetition.sub),
        HirKind::Concat(parts) => {
            parts.iter().filter_map(longest_literal).max_by_key(|literal| literal.len())
        }
        HirKind::Repetition(_) | HirKind::Alternation(_) | HirKind::Class(_) => None,
        HirKind::Look(_) | HirKind::Empty => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Kind, Value};
    use crate::query::ast::{Filter, Leaf};
    use crate::query::parse;
    use proptest::prelude::*;

    fn leaf(query: &str) -> Option<Leaf> {
        match parse(query).ok()? {
            Filter::Leaf(leaf) => Some(leaf),
            _ => None,
        }
    }

    #[test]
    fn literals_of_patterns() {
        let literal = |source: &str| {
            let finder = literal_of(source)?;
            Some(String::from_utf8(finder.needle().to_vec()).expect("text"))
        };
        assert_eq!(literal("blk_[0-9]+77").as_deref(), Some("blk_"));
        assert_eq!(literal("^(a(bcd)+)?e{2}").as_deref(), Some("e"));
        assert_eq!(literal("(x(bcd)+)e*").as_deref(), Some("bcd"));
        for source in ["a|b", "(?i)abc", "[0-9]+", "(abc)?", "", "^$", "("] {
            assert_eq!(literal(source), None, "{source}");
        }
    }

    proptest! {
        /// N1.
        #[test]
        fn what_passes_is_found(
            query in prop_oneof![
                "[askAK\u{17f}\u{212a}5.]{1,4}".prop_map(|text| format!("\"{text}\"")),
                "[askAK5]{1,3}".prop_map(|text| format!("message:{text}")),
                "(a|s\\+|k|\\[as\\]|\\(ak\\)\\?|\\(as\\)\\{2\\}|\\^|\\$|\\.){1,4}"
                    .prop_map(|text| format!("message:~\"{text}\"")),
            ],
            text in "[askAK\u{17f}\u{212a}5. ]{0,12}",
            before in "[ask ]{0,4}",
        ) {
            let Some(leaf) = leaf(&query) else { return Ok(()) };
            let matcher = Matcher::new(&leaf);
            let value = Value { kind: Kind::String, text: text.as_bytes() };
            if matcher.matches(value) && let Some(finder) = matcher.finder() {
                prop_assert!(finder.find(text.as_bytes()).is_some(), "{query}");
                let many = format!("{before}\0{text}\0{before}");
                let found = finder.find(many.as_bytes());
                prop_assert!(found.is_some_and(|at| at <= before.len() + text.len()), "{query}");
            }
        }
    }
}
