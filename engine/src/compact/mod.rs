//! Moves what flushes wrote into segments, one for each partition, and small partitions into packs.
//!
//! - `C1` a section is moved whole, and with its runs: no event is lost or doubled (`M3`).
//! - `C2` a block is copied with its checksums verified, and stays the same bytes but for what its section
//!   has for all of its blocks (the index in place of filters, the list of sentences) or has to give back;
//!   only blocks that are less than half full are made anew, together with their neighbours.
//! - `C3` no byte is written more than `writes_max` times after the log: each file knows how often
//!   its bytes were, and only files of the same count are merged.
//! - `C4` an index is reserved from the pool as it grows. Without memory for it, or if it can't be made
//!   for another reason, the blocks of the output have filters instead.
//! - `C5` the output is durable under its name before the edit names it; sources go after the edit
//!   is durable and nobody reads them any more.

mod execute;
mod merge;
mod plan;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

pub(crate) use execute::{
    Failure, Part, Place, SourceSection, blocks_of, execute, remove, rewrite,
};
pub(crate) use merge::{Input, memory_base};
pub(crate) use plan::{Job, Situation, next_job};
