//! What a query needs of a block: the planner's side of the index contract.
//!
//! - `N1` If a row passes the filter, its terms meet the need. What can't be proven is not needed.
//! - `N2` `NOT` proves nothing: that a block holds a word does not say that every row does.

mod pattern;

use super::fuse::Filter;
use super::term::{TermKind, term, token_term, whole_value_term};
use super::tokens::for_each_token;
use crate::field;
use crate::limits::NEED_TERMS_MAX;
use crate::query::ast;
use crate::value::Number;

/// The terms that a block must hold for a query to find anything in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing is provable: every block may have answers.
    Nothing,
    /// No block has answers.
    Never,
    /// This term.
    Term(u64),
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
    /// Whether a block with this filter may have answers; "no" is certain.
    pub(crate) fn is_met(&self, filter: &Filter) -> bool {
        match self {
            Self::Nothing => true,
            Self::Never => false,
            Self::Term(term) => filter.contains(*term),
            Self::All(needs) => needs.iter().all(|need| need.is_met(filter)),
            Self::Any(needs) => needs.iter().any(|need| need.is_met(filter)),
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
    needs.sort_by_key(|need| match need {
        Need::Term(term) => (0, *term),
        _ => (1, 0),
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
            ast::Test::Exists | ast::Test::Compare(..) => Need::Nothing,
            ast::Test::Regex(pattern) => self.pattern(&pattern.source),
            ast::Test::Text(text) => match field {
                None => self.tokens(text),
                Some(name) => self.field_text(text, field::is_exact(name)),
            },
        }
    }

    /// A term, or nothing beyond the count.
    fn term(&mut self, term: u64) -> Need {
        match self.terms_left.checked_sub(1) {
            Some(left) => {
                self.terms_left = left;
                Need::Term(term)
            }
            None => Need::Nothing,
        }
    }

    /// The tokens of a phrase. Its edges are borders of tokens in the text too, so that every
    /// token in it is a whole one; neighbours of a script without spaces are neighbours there.
    fn tokens(&mut self, phrase: &str) -> Need {
        let mut needs = Vec::new();
        for_each_token(phrase.as_bytes(), |token| {
            needs.push(self.term(token_term(token.kind, token.bytes)));
        });
        Need::all(needs)
    }

    fn field_text(&mut self, text: &str, is_exact: bool) -> Need {
        let mut as_text = self.tokens(text);
        if is_exact && let Some(whole) = whole_value_term(text.as_bytes(), &mut Vec::new()) {
            as_text = Need::all([as_text, self.term(whole)]);
        }
        match Number::parse(text.as_bytes()) {
            None => as_text,
            Some(number) => Need::any([as_text, self.number(&number)]),
        }
    }

    /// A value that is equal: in its canonical form by its tokens, in others by the number's term.
    fn number(&mut self, number: &Number) -> Need {
        let canonical = number.canonical();
        let odd_form = self.term(term(TermKind::Number, canonical.as_bytes()));
        Need::any([self.tokens(&canonical), odd_form])
    }
}

#[cfg(test)]
mod tests;
