//! Legal holds: what nothing may drop, with who says so and why.

use crate::limits::{HOLD_QUERY_BYTES_MAX, HOLD_TEXT_BYTES_MAX};
use crate::partition::PartitionKey;
use crate::query::{SyntaxError, parse};
use crate::timestamp::{Day, Timestamp};

/// What is held: everything that fits all that is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HoldScope {
    /// Only this class.
    pub class: Option<String>,
    /// Only this tenant.
    pub tenant: Option<String>,
    /// Only partition days from this one on.
    pub from: Option<Day>,
    /// Only partition days up to this one, itself included.
    pub to: Option<Day>,
    /// Only sections with an event that matches this, in the language of queries.
    pub query: Option<String>,
}

/// A hold is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldRequest {
    /// What is held.
    pub scope: HoldScope,
    /// Who wants it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// When somebody should look whether it is still needed. Nothing happens then by itself.
    pub review: Option<Day>,
}

/// A hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Its number, from 1; never given again.
    pub id: u64,
    /// What is held.
    pub scope: HoldScope,
    /// Who wanted it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub created: Timestamp,
    /// When somebody should look whether it is still needed.
    pub review: Option<Day>,
}

/// A hold that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleasedHold {
    /// What it was.
    pub hold: Hold,
    /// Who said so.
    pub by: String,
    /// Why, if that was said.
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}

impl HoldScope {
    /// Whether it can hold events of this partition.
    pub(crate) fn covers(&self, partition: &PartitionKey) -> bool {
        let is =
            |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|w| w == found);
        is(&self.class, &partition.class)
            && is(&self.tenant, &partition.tenant)
            && self.from.is_none_or(|from| from <= partition.day)
            && self.to.is_none_or(|to| partition.day <= to)
    }
}

impl HoldRequest {
    /// Whether it can be kept and made sense of later.
    ///
    /// # Errors
    /// What is wrong with it; with the place, if that is in its query.
    pub fn check(&self) -> Result<(), SyntaxError> {
        let shape = self.check_shape();
        shape.map_err(|message| SyntaxError { message: message.to_owned(), span: 0..0 })?;
        self.scope.query.as_ref().map_or(Ok(()), |query| parse(query).map(drop))
    }

    /// The same but for its query, whose language may have changed since.
    pub(crate) fn check_shape(&self) -> Result<(), &'static str> {
        let HoldScope { class, tenant, from, to, query } = &self.scope;
        if self.scope == HoldScope::default() {
            return Err("say what is held: a class, a tenant, days or a query");
        }
        if self.owner.trim().is_empty() || self.reason.trim().is_empty() {
            return Err("a hold has an owner and a reason");
        }
        if from.zip(*to).is_some_and(|(from, to)| from > to) {
            return Err("the first day of a hold is behind its last");
        }
        let texts = [Some(&self.owner), Some(&self.reason), class.as_ref(), tenant.as_ref()];
        if texts.into_iter().flatten().any(|text| text.len() > HOLD_TEXT_BYTES_MAX) {
            return Err("owner, reason, class and tenant of a hold have 1,024 bytes at most");
        }
        if query.as_ref().is_some_and(|query| query.len() > HOLD_QUERY_BYTES_MAX) {
            return Err("the query of a hold has 4,096 bytes at most");
        }
        Ok(())
    }
}
