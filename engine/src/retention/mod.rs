//! How long events are kept: the rules that give each event its class, how long each class is kept,
//! what is held, and whether the clock can be trusted to say that something is due.
//!
//! - `R1` an event's class is decided once, where its batch is split into partitions, and never
//!   changes: what a rule matches applies to new events, how long its class is kept to all.
//! - `R2` a class is due at the end of its partition day plus what it is kept, never before.
//! - `R3` a class that no rule names any more keeps its last rule as long as it has events: the
//!   manifest has the rules of every class with events.
//! - `R4` a class of which nothing says how long it is kept is kept for ever.

mod classify;
mod clock;
mod hold;
mod ledger;
mod policy;
mod report;
mod rule;
#[cfg(test)]
mod tests;

pub(crate) use classify::ClassIndex;
pub(crate) use clock::ClockGuard;
pub use hold::{Hold, HoldRequest, HoldScope, ReleasedHold};
pub(crate) use ledger::{Change, Ledger};
pub use policy::{Policy, PolicyError, Preset};
pub use report::{Amount, ClassStatus, DueDay, HoldCover, RetentionRun, RetentionStatus, RunKind};
pub(crate) use rule::due;
pub use rule::{ClassClock, ClassRule, Keep, Rule};
