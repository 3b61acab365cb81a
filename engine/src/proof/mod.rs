//! Proof that history was not altered: digests of what was stored, apart from how it is stored.
//!
//! A *run* is the rows of one partition in one generation. Its digest is taken once, when its rows
//! are sealed, goes into the manifest's chained edits, and is found again from the rows for ever
//! after: through merging, recompression and changes of every encoding. The bytes that are hashed:
//! `docs/format/run-digest.md`.

mod canon;
mod digest;
mod scar;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use digest::digest_of_section;
pub(crate) use digest::{Recomputed, Runs};
pub(crate) use scar::{Pages, Positions, healed, scar_of};
