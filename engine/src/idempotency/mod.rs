//! Batches that are stored once, however often they are sent.
//!
//! A sender names its batch by a key. The first batch of a key is stored and its answer kept; the
//! same batch again gets that answer, another batch of the same key is refused, and a retry that
//! comes while the first is on its way waits for what becomes of it.
//!
//! - `K1` a key is remembered from the moment its batch is visible: it travels in the batch's record
//!   of the log, and with the flush of its generation it goes to a file of its own, which is durable
//!   before the log of that generation may go.
//! - `K2` a batch that was refused leaves no trace of its key.
//! - `K3` what is remembered is bounded in number, in time and in bytes; the oldest goes first. Keys
//!   that senders gave and keys made of bodies have bounds of their own.
//! - `K4` no jump of the wall clock makes a key older or younger.

mod claims;
mod clock;
mod file;
mod format;
#[cfg(any(test, feature = "testing"))]
mod fuzzing;
#[cfg(test)]
mod golden;
mod record;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use claims::Claims;
pub use claims::{Claim, Stored, Ticket};
pub(crate) use file::{KeyFiles, check, read, remove_orphans, write_entries};
pub(crate) use format::KeysFile;
#[cfg(feature = "testing")]
pub(crate) use fuzzing::fuzz;
pub(crate) use record::{ClaimRecord, Entry};
pub(crate) use table::Range;

use std::fmt;

/// The longest answer that is kept with a key, in bytes.
pub const ANSWER_BYTES_MAX: usize = 512;
/// Senders that wait for one batch on its way: each holds a body and a connection.
pub(crate) const WAITING_MAX: usize = 64;

/// What a batch is known by: a hash of its tenant and of the name that its sender gave it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchKey {
    pub(crate) hash: [u8; 16],
    pub(crate) origin: Origin,
}

/// Where a key comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// Its sender gave it.
    Sent,
    /// It is made of a body that came without a key.
    Body,
}

/// What is remembered at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Keys that senders gave.
    pub(crate) keys_max: usize,
    /// Keys made of bodies.
    pub(crate) body_keys_max: usize,
    /// Bytes of the answers kept with the keys of one origin.
    pub(crate) answer_bytes_max: usize,
}

impl Origin {
    /// Seconds for which a key is remembered, unless there are too many: 24 hours, or 10 minutes.
    pub(crate) fn window_s(self) -> u32 {
        match self {
            Self::Sent => 24 * 60 * 60,
            Self::Body => 10 * 60,
        }
    }

    /// The same in milliseconds.
    fn window_ms(self) -> i64 {
        i64::from(self.window_s()) * 1_000
    }

    /// The origin whose keys are remembered for so many seconds.
    fn of_window(window_s: u32) -> Option<Self> {
        [Self::Sent, Self::Body].into_iter().find(|origin| origin.window_s() == window_s)
    }
}

/// A hash of what a batch was made from, which tells a retry from another batch of the same key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BodyHash(pub(crate) [u8; 16]);

impl BatchKey {
    /// The key of a batch that its sender calls `name`; remembered for 24 hours.
    pub fn named(tenant: &str, name: &[u8]) -> Self {
        let hash = hash("logstrata batch key 1", &[tenant.as_bytes(), name]);
        Self { hash, origin: Origin::Sent }
    }

    /// The key of a batch without a name, which is known by its body; remembered for 10 minutes.
    pub fn of_body(tenant: &str, body: BodyHash) -> Self {
        let hash = hash("logstrata body key 1", &[tenant.as_bytes(), &body.0]);
        Self { hash, origin: Origin::Body }
    }
}

impl BodyHash {
    /// The hash of these parts, which don't run into each other.
    pub fn new(parts: &[&[u8]]) -> Self {
        Self(hash("logstrata batch body 1", parts))
    }
}

impl fmt::Debug for BatchKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = match self.origin {
            Origin::Sent => "sent",
            Origin::Body => "body",
        };
        write!(f, "{origin}:{:032x}", u128::from_be_bytes(self.hash))
    }
}

impl fmt::Debug for BodyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// The first half of BLAKE3 in key derivation mode over the parts and their lengths.
fn hash(context: &str, parts: &[&[u8]]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut half = [0; 16];
    half.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    half
}
