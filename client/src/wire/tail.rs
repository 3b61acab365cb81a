//! Queries that are followed.

use serde::{Deserialize, Serialize};

/// What may surprise whoever follows a query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warned {
    /// For people.
    pub message: String,
}

/// Events that a tail has left out, because its reader was too slow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Missed {
    /// So many that pass the query.
    pub count: u64,
    /// They lie behind this id: a tail that begins there tells them.
    pub after: String,
    /// The tail goes on behind this id.
    pub through: String,
}
