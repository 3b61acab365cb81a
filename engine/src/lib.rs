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
mod compact;
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
pub mod query;
mod repair;
mod scan;
mod segment;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod testing;
mod timestamp;
mod value;
mod verify;
mod wal;

pub use append::{Rule, Rules};
pub use batch::{Batch, BatchBuilder, EventBuilder};
pub use engine::{Appended, Engine, Status};
pub use error::{Corruption, Error, ErrorKind, Result};
pub use event::{EventId, Kind, Level, Seq, Value};
pub use idempotency::{ANSWER_BYTES_MAX, BatchKey, BodyHash, Claim, Stored, Ticket};
pub use inspect::inspect;
pub use limits::{CompactionLimits, Limits};
pub use options::Options;
pub use partition::PartitionKey;
pub use pool::{Consumer, Pool, PoolStatus, Refused, Reservation};
pub use repair::{Damage, Loss, Repair, repair};
pub use scan::{Cancel, Control};
pub use timestamp::{Day, Timestamp, civil_from_days, days_from_civil};
pub use verify::{
    Affected, Checked, Finding, Report, Root, Severity, VerifyOptions, current_root, verify,
};
