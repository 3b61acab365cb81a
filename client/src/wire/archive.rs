//! The archive: what is copied to the object store, what waits, what went wrong.

use crate::query_string::encode;
use serde::{Deserialize, Serialize};

/// Where the archive's state is asked for.
pub const ARCHIVE_PATH: &str = "/api/v1/archive";
/// Where everything sealed is copied now.
pub const ARCHIVE_RUN_PATH: &str = "/api/v1/archive/run";
/// Where the archive is held against itself.
pub const ARCHIVE_VERIFY_PATH: &str = "/api/v1/archive/verify";

/// Where days are exported now.
pub const ARCHIVE_EXPORT_PATH: &str = "/api/v1/archive/export";

/// The archive's state is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ArchiveQuery {
    /// Whether every file is told; by default they are.
    pub files: Option<bool>,
}

impl ArchiveQuery {
    /// The parameters' names.
    pub const PARAMETERS: &'static [&'static str] = &["files"];

    /// As a query string.
    pub fn encode(&self) -> String {
        encode_switch("files", self.files)
    }
}

/// The archive of a store, at a moment. Times are RFC 3339.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ArchiveAnswer {
    /// Where it is.
    pub place: String,
    /// The store's uuid: the folder in the object store.
    pub store: String,
    /// `idle`, `copying`, `failing`, or `starting` before the catalog was read.
    pub state: String,
    /// The file that is being copied.
    pub copying: Option<String>,
    /// Files that are copied, and their bytes.
    pub copied: FileCount,
    /// Files that wait, and their bytes.
    pub waiting: FileCount,
    /// Files that the store has given up: their objects go a day later.
    pub removed: FileCount,
    /// By how many seconds the oldest file that waits is older than it should be.
    pub lag_seconds: u64,
    /// When a pass last worked.
    pub worked: Option<String>,
    /// What went wrong last, unless a pass has worked since.
    pub error: Option<ArchiveFailure>,
    /// What a restore would bring back; nothing before the first pass.
    pub restorable: Option<Restorable>,
    /// What may surprise.
    pub warnings: Vec<String>,
    /// Why an export failed, unless one has worked since.
    #[serde(default)]
    pub export_error: Option<ArchiveFailure>,
    /// Every UTC day that has events in files, the latest first.
    pub days: Vec<ArchiveDay>,
    /// Every file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<ArchiveFile>,
}

/// A number of files, and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FileCount {
    /// How many.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ArchiveFailure {
    /// When.
    pub at: String,
    /// For people.
    pub message: String,
}

/// What a restore would bring back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Restorable {
    /// The store as of then.
    pub at: String,
    /// The first sequence number that it would lack.
    pub next_seq: u64,
    /// The manifest, and the number of its edit, that it would have.
    pub manifest: u64,
    /// See `manifest`.
    pub edit: u64,
    /// The last object of the catalog.
    pub catalog: u64,
}

/// The events of a UTC day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ArchiveDay {
    /// `YYYY-MM-DD`.
    pub day: String,
    /// `copied` if all of it is, `partly`, or `waiting`.
    pub state: String,
    /// Events in files.
    pub events: u64,
    /// Those of them that are copied.
    pub events_copied: u64,
    /// Bytes of their sections.
    pub bytes: u64,
    /// Those of them that are copied.
    pub bytes_copied: u64,
    /// When the last of them was copied.
    pub copied: Option<String>,
    /// When it was last exported, of all tenants; nothing if it was not, or was not looked for yet.
    #[serde(default)]
    pub exported: Option<String>,
    /// Files that it is exported as.
    #[serde(default)]
    pub files_exported: u64,
    /// Their events.
    #[serde(default)]
    pub events_exported: u64,
}

/// A file of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ArchiveFile {
    /// Its path within the store.
    pub name: String,
    /// `copied` or `waiting`.
    pub state: String,
    /// Its length.
    pub bytes: u64,
    /// When it was written; nothing for the links of a manifest.
    pub created: Option<String>,
    /// When its copy was verified.
    pub copied: Option<String>,
    /// Whether it is on the server's disk, too.
    pub local: bool,
}

/// Everything sealed is to be copied now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ArchiveRunQuery {
    /// Whether a catalog with another history of this store is taken over.
    pub adopt: Option<bool>,
}

impl ArchiveRunQuery {
    /// The parameters' names.
    pub const PARAMETERS: &'static [&'static str] = &["adopt"];

    /// As a query string.
    pub fn encode(&self) -> String {
        encode_switch("adopt", self.adopt)
    }
}

/// What a pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ArchiveRunAnswer {
    /// Files whose copies were verified.
    pub files: u64,
    /// Bytes that were sent.
    pub bytes: u64,
    /// Objects that were deleted.
    pub deleted: u64,
    /// Local copies that left the disk.
    #[serde(default)]
    pub evicted: u64,
}

/// Days are to be exported now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArchiveExportQuery {
    /// Only this day, `YYYY-MM-DD`, whatever its age; otherwise all that are due.
    pub day: Option<String>,
}

impl ArchiveExportQuery {
    /// The parameters' names.
    pub const PARAMETERS: &'static [&'static str] = &["day"];

    /// As a query string.
    pub fn encode(&self) -> String {
        encode(self.day.as_deref().map(|day| ("day", day)))
    }
}

/// What an export did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ArchiveExportAnswer {
    /// Days of tenants that had something to export.
    pub days: u64,
    /// Files that were written.
    pub files: u64,
    /// Their events.
    pub events: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The archive is to be held against itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ArchiveVerifyQuery {
    /// Whether every object is read.
    pub deep: Option<bool>,
}

impl ArchiveVerifyQuery {
    /// The parameters' names.
    pub const PARAMETERS: &'static [&'static str] = &["deep"];

    /// As a query string.
    pub fn encode(&self) -> String {
        encode_switch("deep", self.deep)
    }
}

/// What a verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ArchiveVerifyAnswer {
    /// Objects of the catalog that were followed.
    pub edits: u64,
    /// Files whose objects were looked at, and their bytes.
    pub checked: FileCount,
    /// Objects that no edit names: deleted once they are two days old.
    pub orphans: u64,
    /// What is wrong; nothing if all is well.
    pub damage: Vec<String>,
}

/// A switch, if it is given.
fn encode_switch(name: &str, on: Option<bool>) -> String {
    let text = |on| if on { "true" } else { "false" };
    encode(on.map(|on| (name, text(on))))
}
