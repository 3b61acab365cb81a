//! Which files of a store are under which key.

use super::FileCount;
use serde::{Deserialize, Serialize};

/// Which files are encrypted, and under which keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EncryptionAnswer {
    /// The names of the keys that the server has; the first encrypts what is written. Without any, what is
    /// written is plain.
    pub keys: Vec<String>,
    /// The files of events on the disk, by key.
    pub files: Vec<FilesUnderKey>,
    /// Files that are in the archive only: their keys are those that they had when they left the disk.
    pub away: Vec<FilesUnderKey>,
    /// The files of idempotency keys.
    pub key_files: Vec<FilesUnderKey>,
    /// The key of the manifest; `null` if it is plain.
    pub manifest: Option<String>,
    /// The keys of the log: of what is in no file yet, and of what is written to it. `null` stands for what
    /// is plain.
    pub log: Vec<Option<String>>,
    /// Files of any kind whose key is not known: their first bytes are damaged, or the archive does not
    /// answer.
    pub unreadable: FileCount,
}

/// The files under a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FilesUnderKey {
    /// The name of the key; `null` of files that are plain.
    pub key: Option<String>,
    /// The files.
    pub count: FileCount,
}
