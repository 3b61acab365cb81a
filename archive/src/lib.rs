//! The archive of Logstrata: sealed files of a store as immutable objects of an object store, a catalog
//! of them as a log of edits next to them, and the way back.
//!
//! ```text
//! engine: Checkpoint (manifest up to an edit, pinned files)
//!   -> copy    an object named by the hash of its bytes, verified
//!   -> catalog an edit: files that were added and given up, the manifest's new bytes
//!   -> clean   objects of files that were given up, a day later; orphans after two
//!   -> erase   all of those at once, behind an exact purge
//! restore: catalog -> manifest -> files -> a store
//! ```
//!
//! The engine knows nothing of it; the server joins the two. For operators: `docs/archive.md`.

mod archive;
mod cache;
mod catalog;
mod claim;
mod clean;
mod cold;
mod copy;
mod credentials;
mod erase;
mod error;
mod evict;
mod export;
mod flights;
mod opened;
mod pass;
mod rate;
mod restore;
mod room;
mod settings;
mod status;
mod store;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod testing;
#[cfg(test)]
mod tests;
mod verify;

pub use archive::{Archive, Pass};
pub use catalog::{Entry, Section};
pub use cold::{ColdFigures, ColdStore, clear_cache};
pub use error::{Error, ErrorKind, Result};
pub use export::{
    DayFile, DayManifest, ExportFormat, ExportSettings, ExportWriter, Exported, ExportedPartition,
    HistoryPlace,
};
pub use opened::Opened;
pub use restore::{RestoreOptions, RestoreReport, restore};
pub use settings::{PART_BYTES_MIN, Settings};
pub use status::{DayStatus, FileStatus, Status};
pub use verify::Verified;
