//! How long events are kept: what there is, what is due, what is held.

use serde::{Deserialize, Serialize};

/// How retention stands.
pub const RETENTION_PATH: &str = "/api/v1/retention";
/// Where what is due is dropped.
pub const RETENTION_RUN_PATH: &str = "/api/v1/retention/run";
/// Where drops go on after the clock has jumped.
pub const RETENTION_RESUME_PATH: &str = "/api/v1/retention/resume";
/// Where something is held.
pub const HOLDS_PATH: &str = "/api/v1/retention/holds";
/// A hold, by its number.
pub const HOLD_PATH: &str = "/api/v1/retention/holds/{id}";

/// Sections, and what is in them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StoredAmount {
    /// Sections: the events of a class and a day in one file.
    pub sections: u64,
    /// Events.
    pub events: u64,
    /// Their bytes in files.
    pub bytes: u64,
}

/// A class of events that are kept equally long.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RetentionClass {
    /// Its name.
    pub name: String,
    /// Which events are of it, as a query; `None` if nobody knows its rule.
    pub matches: Option<String>,
    /// How long they are kept from the end of their day on: `30d`, or `forever`.
    pub keep: String,
    /// How long they are kept on the server's own disk if they are in an archive.
    pub local_keep: Option<String>,
    /// Whether they may go only once they were exported.
    pub export: bool,
    /// What gives an event its day: `event`, its own time, or `arrival`.
    pub clock: String,
    /// Whether the configuration names it, so that new events can be of it.
    pub configured: bool,
    /// What of it is in files.
    pub stored: StoredAmount,
    /// Bytes of that on the server's own disk.
    pub bytes_local: u64,
    /// Bytes of that in the archive, on the server's disk as well or not.
    pub bytes_remote: u64,
    /// Its events that are in no file yet.
    pub events_in_memory: u64,
    /// Its oldest day in files.
    #[cfg_attr(feature = "schema", schemars(extend("format" = "date")))]
    pub oldest: Option<String>,
    /// When the first of its days is due.
    #[cfg_attr(feature = "schema", schemars(extend("format" = "date-time")))]
    pub next_drop: Option<String>,
    /// The holds that can hold any of it.
    pub holds: Vec<u64>,
}

/// A legal hold: what nothing may drop.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HoldAnswer {
    /// Its number.
    pub id: u64,
    /// Only this class.
    pub class: Option<String>,
    /// Only this tenant.
    pub tenant: Option<String>,
    /// Only days from this one on.
    #[cfg_attr(feature = "schema", schemars(extend("format" = "date")))]
    pub from: Option<String>,
    /// Only days up to this one, itself included.
    #[cfg_attr(feature = "schema", schemars(extend("format" = "date")))]
    pub to: Option<String>,
    /// Only sections with an event that matches this query.
    pub q: Option<String>,
    /// Who wanted it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// Since when.
    #[cfg_attr(feature = "schema", schemars(extend("format" = "date-time")))]
    pub created: String,
    /// When somebody should look whether it is still needed.
    #[cfg_attr(feature = "schema", schemars(extend("format" = "date")))]
    pub review: Option<String>,
}

/// What a hold holds as of now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HoldCoverAnswer {
    /// Sections, whole.
    pub sections: u64,
    /// Their events.
    pub events: u64,
    /// Their bytes in files.
    pub bytes: u64,
    /// Events that are in no file yet, and held as soon as they are.
    pub in_memory: u64,
}

/// A hold that was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HoldMadeAnswer {
    /// The hold: it is in force.
    #[serde(flatten)]
    pub hold: HoldAnswer,
    /// What it holds as of now; `None` if that could not be counted in a short time.
    pub covers: Option<HoldCoverAnswer>,
    /// What may be wrong with it, though it is right: fields of its query that no event has.
    pub warnings: Vec<String>,
}

/// How retention stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RetentionAnswer {
    /// The preset behind the configured rules.
    pub preset: String,
    /// Why nothing is dropped, if so.
    pub suspended: Option<String>,
    /// Every class with a rule or with events, in the order in which rules are tried.
    pub classes: Vec<RetentionClass>,
    /// What is held.
    pub holds: Vec<HoldAnswer>,
    /// What is due and kept until it was exported, the first to be due first.
    #[serde(default)]
    pub waiting: Vec<RetentionDay>,
    /// What has waited for that for more than a day; and why, if the daily export fails.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// A hold that ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReleasedHoldAnswer {
    /// What it was.
    #[serde(flatten)]
    pub hold: HoldAnswer,
    /// Who released it.
    pub released_by: String,
    /// When.
    #[cfg_attr(feature = "schema", schemars(extend("format" = "date-time")))]
    pub released: String,
    /// Why, if that was said.
    pub release_reason: Option<String>,
}

/// What is held.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HoldsAnswer {
    /// By number.
    pub holds: Vec<HoldAnswer>,
    /// The last holds that ended, a thousand at most, in the order in which they did; if they were asked
    /// for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<Vec<ReleasedHoldAnswer>>,
}

/// The sections of a class and a day that are due.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RetentionDay {
    /// Whose events these are.
    pub tenant: String,
    /// Their class.
    pub class: String,
    /// Their day.
    #[cfg_attr(feature = "schema", schemars(extend("format" = "date")))]
    pub day: String,
    /// Since when they are due.
    #[cfg_attr(feature = "schema", schemars(extend("format" = "date-time")))]
    pub due: String,
    /// What goes, or went.
    pub dropped: StoredAmount,
    /// What is held.
    pub held: StoredAmount,
    /// What has to wait until it was exported, because it came late, or while the clock is in doubt.
    pub waiting: StoredAmount,
    /// The holds that hold any of it.
    pub holds: Vec<u64>,
}

/// A run of the keeper, or what it would be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RetentionRunAnswer {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// Why nothing is dropped, if so.
    pub suspended: Option<String>,
    /// What goes, or went, together.
    pub dropped: StoredAmount,
    /// What is due and held, together.
    pub held: StoredAmount,
    /// What is due and has to wait, together.
    pub waiting: StoredAmount,
    /// Events that are due and in no file yet: a run writes them to files first, so they go with the rest
    /// unless they are held or have to wait.
    #[serde(default)]
    pub in_memory: u64,
    /// By class and day, the first to be due first.
    pub days: Vec<RetentionDay>,
}
