//! Append-only files that make an acknowledgement true. The bytes: `docs/format/wal.md`.
//!
//! A *record* is one batch. Whatever is queued when the last sync ends becomes a *group*, written
//! and synced as one. Groups are numbered through all files of the store.
//!
//! - `W1` group n + 1 is written only after the sync of group n returned.
//! - `W2` a file gets its name only after its header and the groups in it are synced, and a group
//!   in it counts only after the directory is synced.
//! - `W3` the sequence numbers of the records follow each other without a gap, from the first of
//!   a generation to the last of the newest.
//! - `W4` after a failed sync nothing more is written: the kernel may count lost pages as clean.
//! - `W5` a group whose write failed is wiped before its place and number are used again.
//! - `W6` what recovery has handed out is durable before it returns.
//!
//! From `W1` and `W2` follows what recovery relies on: a crash can damage only the last group of
//! the last file, and not if that file got its name with it. All other damage is corruption.

mod buffers;
mod check;
mod columns;
mod examine;
mod format;
#[cfg(any(test, feature = "testing"))]
mod fuzzing;
#[cfg(test)]
mod golden;
mod reader;
mod record;
mod recover;
mod sound;
mod spares;
#[cfg(test)]
mod tests;
mod verdict;
mod writer;

pub(crate) use check::check;
pub(crate) use examine::{LogDamage, examine, write_empty};
#[cfg(feature = "testing")]
pub(crate) use fuzzing::{fuzz, fuzz_files, raw_records};
pub(crate) use reader::walk;
pub(crate) use record::EncodedRecord;
pub(crate) use recover::recover;
pub(crate) use sound::{Beginning, beginning, each_sound};
pub(crate) use writer::Wal;
