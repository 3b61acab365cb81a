//! Patterns that are looked for in values, some of which are long: a query may end before one.

use crate::scan::Interrupt;
use regex::bytes;
use std::ops::Range;

/// A pattern of a query.
#[derive(Debug, Clone)]
pub(crate) struct Regex {
    regex: bytes::Regex,
    interrupt: Interrupt,
}

impl Regex {
    pub(super) fn new(regex: &bytes::Regex, interrupt: &Interrupt) -> Self {
        Self { regex: regex.clone(), interrupt: interrupt.clone() }
    }

    /// Whether it matches somewhere in a value. Of a query that is to end, a long value matches nothing:
    /// its plan tells, and what it found counts for nothing.
    pub(crate) fn is_match(&self, value: &[u8]) -> bool {
        !self.interrupt.leaves_out(value) && self.regex.is_match(value)
    }

    /// Where the first match is; none under the same condition.
    pub(crate) fn find(&self, value: &[u8]) -> Option<Range<usize>> {
        match self.interrupt.leaves_out(value) {
            true => None,
            false => self.regex.find(value).map(|found| found.range()),
        }
    }
}
