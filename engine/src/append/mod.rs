//! The door to the log: secrets are replaced here, before the first byte reaches the disk.
//!
//! - `A1` a record of the log is made of [`Redacted`] only, and only this folder makes one: no batch
//!   reaches the log around the rules.
//! - `A2` what no rule hits stays byte for byte; redacting twice changes nothing more.
//! - `A3` the time is linear in the bytes, whatever they are, and no bytes panic.
//!
//! Rules of keys look at column names and at keys inside JSON values ([`keys`]), rules of values at
//! every text ([`text`]), names and keys included. Rules are compiled once; a column is searched as one run of bytes, and a
//! value looked at closely only where an anchor of a rule lies in it.

mod anchors;
mod cards;
#[cfg(any(test, feature = "testing"))]
mod fuzzing;
mod json;
mod keys;
mod marker;
mod pairs;
mod quotes;
mod redactor;
#[cfg(test)]
mod regressions;
mod rules;
mod shapes;
#[cfg(test)]
mod tests;
mod text;
mod values;

#[cfg(any(test, feature = "testing"))]
pub(crate) use fuzzing::fuzz;
pub(crate) use redactor::Redactor;
pub use rules::{Rule, Rules};

use crate::batch::Batch;

/// A batch without what the rules call a secret: all that the log takes.
#[derive(Debug)]
pub(crate) struct Redacted {
    batch: Batch,
}

impl Redacted {
    /// Replaces the secrets of a batch, and counts them.
    pub(crate) fn new(mut batch: Batch, redactor: &Redactor) -> Self {
        for part in &mut batch.parts {
            for column in &mut part.rows.columns {
                redactor.column(column);
            }
            redactor.names(&mut part.rows.columns);
        }
        Self { batch }
    }

    /// The batch.
    pub(crate) fn batch(&self) -> &Batch {
        &self.batch
    }

    /// The batch, to be numbered and applied.
    pub(crate) fn into_batch(self) -> Batch {
        self.batch
    }
}
