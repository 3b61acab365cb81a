//! What the server says of purges.

use super::StoredAmount;
use serde::{Deserialize, Serialize};

/// Purges events, or tells what would go.
pub const PURGE_PATH: &str = "/api/v1/logs/purge";

/// What is purged: events that fit all that is said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeQuery {
    /// Only events that are older, like `30d`.
    pub older_than: Option<String>,
    /// Only these levels, joined by commas.
    pub level: Option<String>,
    /// Only this class.
    pub class: Option<String>,
    /// Only events that match this.
    pub q: Option<String>,
    /// Whether events of sections that are only touched go, too.
    pub exact: bool,
}

impl PurgeQuery {
    /// The parameters of the operation.
    pub const PARAMETERS: &'static [&'static str] =
        &["older_than", "level", "class", "q", "exact", "dry_run", "confirm"];
}

/// What a purge finds in a class on a day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PurgeDayAnswer {
    /// Whose events these are.
    pub tenant: String,
    /// Their class.
    pub class: String,
    /// Their day.
    #[cfg_attr(feature = "schema", schemars(extend("format" = "date")))]
    pub day: String,
    /// Sections all of whose events match.
    pub whole: StoredAmount,
    /// Sections of which only some events match: those events, and the bytes of the sections.
    pub touched: StoredAmount,
    /// Sections with events that match and are held.
    pub held: StoredAmount,
    /// What holds them.
    pub holds: Vec<u64>,
    /// Whether files of the daily export may have some of these events: an exact purge writes those files
    /// anew, others leave them as they are.
    pub exported: bool,
}

/// What became of the copies of purged events in the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PurgedArchive {
    /// No object of a file has them any more, and no file of an exported day.
    Erased,
    /// They are there still: the archive could not be brought to what the store is now. They go with the
    /// next pass that works, and out of exported days with the next export. One that can't be written anew is
    /// named by `archive_error`.
    Pending,
}

/// What a purge took, or would take.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PurgeAnswer {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// Whether events of sections that are only touched go, too.
    pub exact: bool,
    /// What goes, or went; what is in memory only is not in it.
    pub purged: StoredAmount,
    /// What matches and stays: it is held, or its section is only touched and the purge is not exact.
    pub left: StoredAmount,
    /// Events that match and are in no file yet.
    pub in_memory: u64,
    /// By class, day and tenant.
    pub days: Vec<PurgeDayAnswer>,
    /// Of an exact purge of a server with an archive: what became of the copies there.
    pub archive: Option<PurgedArchive>,
    /// Why the archive is pending.
    pub archive_error: Option<String>,
    /// Of a dry run: what the purge has to be confirmed with.
    pub confirm: Option<String>,
    /// Of a dry run: how many seconds that holds.
    pub confirm_within: Option<u64>,
}
