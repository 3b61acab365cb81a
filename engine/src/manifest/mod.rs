//! Which sections are live: the only commit point. The bytes: `docs/format/manifest.md`.
//!
//! A manifest is a snapshot of the state and the edits since. Each edit is chained to the one
//! before by its hash, also from one manifest to the next.
//!
//! - `M1` edit n + 1 is written only after the sync of edit n returned.
//! - `M2` a manifest gets its name only after its snapshot is synced; then the older ones go. So
//!   the one with the highest number is the current one, and its snapshot is whole.
//! - `M3` the rows of a generation's runs, in live and in dropped sections of whatever files, add up
//!   to its sequence numbers.
//! - `M4` room for edits is written ahead, so that dropping works on a full disk.
//! - `M5` after a failed sync nothing more is committed.
//! - `M6` what opening has read is durable before it returns, and an edit that it has not found is
//!   never found later: the log of a generation may be given up on its word.

pub(crate) mod begin;
mod body;
pub(crate) mod chain;
mod edit;
mod edit_ledger;
mod edit_purge;
mod edit_v1;
mod file;
mod format;
#[cfg(any(test, feature = "testing"))]
mod fuzzing;
#[cfg(test)]
mod golden;
mod reader;
mod remains;
#[cfg(test)]
mod scale;
mod scar;
mod state;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use edit::Edit;
pub(crate) use file::{FileId, FileMeta, Range64, Run, SectionMeta, Tombstone};
pub(crate) use format::EditHash;
#[cfg(test)]
pub(crate) use fuzzing::forge;
#[cfg(feature = "testing")]
pub(crate) use fuzzing::{fuzz, fuzz_chain, fuzz_file};
pub(crate) use reader::{Contents, read};
pub(crate) use remains::{Remains, begin_anew, remains};
pub(crate) use scar::{RunKey, Scar, ScarredPage};
pub(crate) use state::{ManifestState, NUMBER_MAX};
pub(crate) use writer::{Manifest, ManifestImage};
