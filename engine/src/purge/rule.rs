//! What a purge is about.

use crate::error::{Error, Result};
use crate::event::Level;
use crate::limits::HOLD_QUERY_BYTES_MAX;
use crate::query::ast::Filter;
use crate::query::parse;
use crate::timestamp::Timestamp;
use std::fmt::Write as _;

/// How the reason of every purge's tombstone begins.
pub(super) const REASON: &str = "purge:";

/// Events that fit all that is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PurgeRule {
    /// Only events of before this time.
    pub before: Option<Timestamp>,
    /// Only these levels; all, if there are none.
    pub levels: Vec<Level>,
    /// Only this class.
    pub class: Option<String>,
    /// Only events that match this, in the language of queries.
    pub query: Option<String>,
}

impl PurgeRule {
    /// The filter of a rule that makes sense.
    ///
    /// # Errors
    /// `Invalid` for a rule that names nothing (`P1`), and for a query that is none.
    pub(crate) fn filter(&self) -> Result<Filter> {
        let query = self.query.as_deref().unwrap_or("").trim();
        if self.before.is_none()
            && self.levels.is_empty()
            && self.class.is_none()
            && query.is_empty()
        {
            return Err(Error::invalid(
                "a purge has to say what goes: by age, level, class or query",
            ));
        }
        if query.len() > HOLD_QUERY_BYTES_MAX {
            let most = HOLD_QUERY_BYTES_MAX;
            return Err(Error::invalid(format!("the query has more than {most} bytes")));
        }
        parse(query).map_err(|error| Error::invalid(error.to_string()))
    }

    /// The levels as bits `1 << code`.
    pub(crate) fn level_mask(&self) -> u8 {
        match &*self.levels {
            [] => u8::MAX,
            levels => levels.iter().fold(0, |mask, level| mask | 1 << *level as u8),
        }
    }

    /// What tombstones say. The words of a query may be what has to go, so they are not in it (`P4`).
    pub(crate) fn reason(&self) -> String {
        let mut reason = REASON.to_owned();
        if let Some(before) = self.before {
            let _ = write!(reason, " before {before}");
        }
        for level in &self.levels {
            let _ = write!(reason, " {}", level.name());
        }
        if self.query.is_some() {
            reason.push_str(" by a query");
        }
        if self.class.is_some() {
            reason.push_str(" of a class");
        }
        reason
    }
}
