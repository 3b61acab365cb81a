//! Purges: what a rule names goes before it is due, because somebody says so.
//!
//! - `P1` a purge names what it takes: a rule that names nothing is refused.
//! - `P2` what is held stays, and so does what came after the purge was counted.
//! - `P3` whole sections go like those that are due. Of sections that are only touched the events stay,
//!   unless the purge is exact: then what is left of them is written anew, with an index, filters and
//!   statistics of its own.
//! - `P4` of what an exact purge takes the store keeps counts and digests, and nothing else.

mod report;
mod rest;
mod rule;

pub use report::{Counted, PurgeDay, PurgeRun};
pub(crate) use rest::{Rest, is_erasure, rest_of};
pub use rule::PurgeRule;
