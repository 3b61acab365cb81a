//! The storage engine of Logstrata.
//!
//! ```text
//! BatchBuilder -> append (number) -> wal (write, sync) -> memtable (visible, acknowledged)
//!   -> flush: level-0 file, manifest edit, WAL retired
//!   -> compact: segments and packs, manifest edit, level-0 files removed
//! query: snapshot of memtables and sections -> prune -> filter -> newest first
//! ```

mod append;
mod batch;
mod block;
mod codec;
mod cold;
mod compact;
pub mod crypt;
mod engine;
mod error;
mod event;
pub mod field;
mod idempotency;
mod index;
mod inspect;
pub mod io;
mod limits;
mod manifest;
mod memtable;
mod names;
mod options;
mod partition;
mod pool;
mod proof;
mod purge;
pub mod query;
mod repair;
mod restore;
mod retention;
mod scan;
mod segment;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod testing;
mod timestamp;
mod trace;
mod value;
mod verify;
mod wal;

pub use append::{Rule, Rules};
pub use batch::{Batch, BatchBuilder, EventBuilder, Shape};
pub use cold::{Ahead, Came, ColdAway, ColdFile, ColdFiles, Patience};
pub use engine::{
    Appended, ArchivedFile, ChainPlace, Checkpoint, EncryptionStatus, Engine, KeyUse, LeftDisk,
    Losses, SealedFile, SealedPartition, SealedPiece, SealedSection, Status, WaitingDay,
};
pub use error::{Corruption, Error, ErrorKind, Result};
pub use event::{EventId, Kind, Level, Seq, Value};
pub use idempotency::{ANSWER_BYTES_MAX, BatchKey, BodyHash, Claim, Stored, Ticket};
pub use inspect::inspect;
pub use limits::{CompactionLimits, DiskBudget, Limits};
pub use options::Options;
pub use partition::{Arrival, PartitionKey};
pub use pool::{Consumer, Pool, PoolStatus, Refused, Reservation};
pub use purge::{Counted, PurgeDay, PurgeRule, PurgeRun};
pub use repair::{Damage, Loss, Repair, repair};
pub use restore::{Restore, RestoreFile, Restored};
pub use retention::{
    Amount, ClassClock, ClassRule, ClassStatus, DueDay, Hold, HoldCover, HoldRequest, HoldScope,
    Keep, Policy, PolicyError, Preset, ReleasedHold, RetentionRun, RetentionStatus,
    Rule as RetentionRule, RunKind,
};
pub use scan::{Account, Cancel, Control, Effort, Gap, GapKind, Reads, Tolerance};
pub use timestamp::{Day, Timestamp, civil_from_days, days_from_civil};
pub use trace::{OperatorPlan, PassPlan, QueryPlan, TierPlan};
pub use verify::{
    Affected, Checked, Finding, Report, Root, Severity, VerifyOptions, current_root, verify,
};
