//! What a query needs of a block: the planner's side of the index contract.
//!
//! - `N1` If a row passes the filter, its terms meet the need. What can't be proven is not needed.
//! - `N2` `NOT` proves nothing: that a block holds a word does not say that every row does.

mod pattern;

use super::segment::{BlockIndex, EVERY_FRAME, FrameMask, SectionHits};
use super::term::{Term, TermKind, whole_value};
use super::tokens::for_each_token;
use crate::field;
use crate::limits::NEED_TERMS_MAX;
use crate::query::ast;
use crate::value::Number;
use std::cmp::Ordering;

/// The terms that a block must hold for a query to find anything in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing is provable: every block may have answers.
    Nothing,
    /// No block has answers.
    Never,
    /// This term.
    Term(Term),
    /// Each of these. At least two, none of them `Nothing`, `Never` or `All`.
    All(Vec<Need>),
    /// One of these. At least two, none of them `Nothing`, `Never` or `Any`.
    Any(Vec<Need>),
}

/// What the filter of a query needs.
pub(crate) fn need(filter: &ast::Filter) -> Need {
    Planner { terms_left: NEED_TERMS_MAX }.filter(filter)
}

impl Need {
    /// The frames of a block that may have answers; those left out have none, for certain.
    pub(crate) fn frames(&self, index: &BlockIndex) -> FrameMask {
        self.evaluate(&|term| index.frames(term))
    }

    /// Whether a section may have answers; "no" is certain.
    pub(crate) fn is_met_in(&self, hits: &SectionHits) -> bool {
        self.evaluate(&|term| if hits.lacks(term) { 0 } else { EVERY_FRAME }) != 0
    }

    /// Calls `f` with every term; some more than once.
    pub(crate) fn for_each_term<'a>(&'a self, f: &mut impl FnMut(&'a Term)) {
        match self {
            Self::Nothing | Self::Never => {}
            Self::Term(term) => f(term),
            Self::All(needs) | Self::Any(needs) => {
                needs.iter().for_each(|need| need.for_each_term(f));
            }
        }
    }

    /// A row that meets a need lies in one frame, with all its terms: frames are sets of answers.
    fn evaluate(&self, of_term: &impl Fn(&Term) -> FrameMask) -> FrameMask {
        match self {
            Self::Nothing => EVERY_FRAME,
            Self::Never => 0,
            Self::Term(term) => of_term(term),
            Self::All(needs) => needs.iter().fold(EVERY_FRAME, |frames, need| match frames {
                0 => 0,
                _ => frames & need.evaluate(of_term),
            }),
            Self::Any(needs) => needs.iter().fold(0, |frames, need| match frames {
                EVERY_FRAME => EVERY_FRAME,
                _ => frames | need.evaluate(of_term),
            }),
        }
    }

    fn all(needs: impl IntoIterator<Item = Self>) -> Self {
        let mut each = Vec::new();
        for need in needs {
            match need {
                Self::Never => return Self::Never,
                Self::All(needs) => each.extend(needs),
                Self::Nothing => {}
                need => each.push(need),
            }
        }
        dedup(&mut each);
        if each.len() > 1 { Self::All(each) } else { each.pop().unwrap_or(Self::Nothing) }
    }

    fn any(needs: impl IntoIterator<Item = Self>) -> Self {
        let mut one = Vec::new();
        for need in needs {
            match need {
                Self::Nothing => return Self::Nothing,
                Self::Any(needs) => one.extend(needs),
                Self::Never => {}
                need => one.push(need),
            }
        }
        dedup(&mut one);
        if one.len() > 1 { Self::Any(one) } else { one.pop().unwrap_or(Self::Never) }
    }
}

/// Leaves out the terms that come a second time; the few other needs may repeat.
fn dedup(needs: &mut Vec<Need>) {
    needs.sort_by(|a, b| match (a, b) {
        (Need::Term(a), Need::Term(b)) => a.cmp(b),
        (Need::Term(_), _) => Ordering::Less,
        (_, Need::Term(_)) => Ordering::Greater,
        _ => Ordering::Equal,
    });
    needs.dedup();
}

/// Counts the terms, so that no query asks more of each filter than a scan would cost.
struct Planner {
    terms_left: usize,
}

impl Planner {
    fn filter(&mut self, filter: &ast::Filter) -> Need {
        match filter {
            ast::Filter::All | ast::Filter::Not(_) => Need::Nothing,
            ast::Filter::And(filters) => Need::all(filters.iter().map(|each| self.filter(each))),
            ast::Filter::Or(filters) => Need::any(filters.iter().map(|each| self.filter(each))),
            ast::Filter::Leaf(leaf) => self.leaf(leaf),
        }
    }

    fn leaf(&mut self, leaf: &ast::Leaf) -> Need {
        let field = leaf.field.as_ref().map(|field| field.name.as_str());
        // These have no terms.
        if let Some("level" | "timestamp") = field {
            return Need::Nothing;
        }
        match &leaf.test {
            ast::Test::Exists | ast::Test::Range(_) | ast::Test::Network(..) => Need::Nothing,
            ast::Test::Wildcard(wildcard) => self.wildcard(wildcard),
            ast::Test::Same(text) => self.tokens(text),
            ast::Test::Regex(pattern) => self.pattern(&pattern.source),
            ast::Test::Text(text) => match field {
                None => self.tokens(text),
                Some(name) => self.field_text(text, field::is_exact(name)),
            },
        }
    }

    /// A term, or nothing beyond the count.
    fn term(&mut self, kind: TermKind, bytes: &[u8]) -> Need {
        match self.terms_left.checked_sub(1) {
            Some(left) => {
                self.terms_left = left;
                Need::Term(Term::new(kind, bytes))
            }
            None => Need::Nothing,
        }
    }

    /// The tokens of a phrase. Its edges are borders of tokens in the text too, so that every
    /// token in it is a whole one; neighbours of a script without spaces are neighbours there.
    fn tokens(&mut self, phrase: &str) -> Need {
        let mut needs = Vec::new();
        for_each_token(phrase.as_bytes(), |token| {
            needs.push(self.term(token.kind.into(), token.bytes));
        });
        Need::all(needs)
    }

    fn field_text(&mut self, text: &str, is_exact: bool) -> Need {
        let mut as_text = self.tokens(text);
        if is_exact && let Some(whole) = whole_value(text.as_bytes(), &mut Vec::new()) {
            as_text = Need::all([as_text, self.term(TermKind::WholeValue, whole)]);
        }
        match Number::parse(text.as_bytes()) {
            None => as_text,
            Some(number) => Need::any([as_text, self.number(&number)]),
        }
    }

    /// A value that is equal: in its canonical form by its tokens, in others by the number's term.
    fn number(&mut self, number: &Number) -> Need {
        let canonical = number.canonical();
        let odd_form = self.term(TermKind::Number, canonical.as_bytes());
        Need::any([self.tokens(&canonical), odd_form])
    }
}

#[cfg(test)]
mod tests;
