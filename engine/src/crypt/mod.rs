//! Encryption at rest: what stands on the disk and in the archive, of what the formats write and read.
//!
//! Files of sections and of keys are cut into frames of 8 KiB, each encrypted on its own, so that a
//! range is read without the rest. Groups of the log, edits of the manifest and objects of the catalog
//! are one *message* each. Both begin with the same header (`docs/format/encryption.md`). *Stored* bytes
//! are those on the disk; lengths and hashes in the manifest and the archive are of these, so that both
//! have the same ones, and are verified without a key. Offsets of the formats are those of the plain
//! bytes.
//!
//! - `X1` no key encrypts two things: each file and each message has its own, derived from the master
//!   key and 128 random bits. So no nonce comes twice.
//! - `X2` a frame opens only in its file, at its place, and as the last only if it was the last: what is
//!   cut off, swapped or repeated is refused. A message opens only where it was written for.
//! - `X3` keys are in no error, no log and no `Debug`.
//! - `X4` a key that is missing is no damage: nothing is repaired, dropped or set aside for it.

mod frames;
#[cfg(any(test, feature = "testing"))]
mod fuzzing;
#[cfg(test)]
mod golden;
mod header;
mod input;
mod keyring;
mod message;
mod output;
mod refusal;
#[cfg(test)]
mod tests;

#[cfg(feature = "testing")]
pub(crate) use fuzzing::fuzz;
pub(crate) use header::{HEADER_BYTES, Purpose, TAG_BYTES};
pub(crate) use input::Input;
pub use keyring::{KeyId, Keyring};
pub(crate) use message::{Sealed, key_of, open};
pub use message::{open_object, seal_object};
pub(crate) use output::Output;
pub(crate) use refusal::Refusal;

use crate::error::Result;
use crate::io::{File, Storage};
use header::{Header, MAGIC};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The plain bytes of a file that is not written to any more, as it stands in a store.
///
/// # Errors
/// Those of opening it.
pub(crate) fn open_file(storage: &dyn Storage, path: &Path) -> io::Result<Arc<dyn File>> {
    Ok(Arc::new(Input::new(storage.open(path)?, storage.keys().cloned())))
}

/// Refuses bytes that are read as plain ones for want of keys.
///
/// # Errors
/// `Locked`, if they are encrypted.
pub(crate) fn refuse_encrypted(bytes: &[u8], file: &Path) -> Result<()> {
    if !is_encrypted(bytes) {
        return Ok(());
    }
    let refusal = match Header::decode(bytes, Purpose::File) {
        Ok(header) => Refusal::NoKey(header.key),
        Err(refusal) => refusal,
    };
    Err(refusal.into_error(file))
}

/// Whether the stored bytes of a file or a message begin as encrypted ones do.
pub(crate) fn is_encrypted(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}
