//! What is in the archive: a log of edits in the object store itself. The bytes:
//! `docs/format/catalog.md`.

mod begin;
mod bytes;
mod entry;
mod format;
#[cfg(any(test, feature = "testing"))]
mod fuzzing;
#[cfg(test)]
mod golden;
mod log;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use entry::{Edit, Hash, Op, Piece};
pub use entry::{Entry, Section};
#[cfg(feature = "testing")]
pub(crate) use fuzzing::fuzz;
pub(crate) use log::{Catalog, Committed, End, folder_of};
pub(crate) use state::State;
