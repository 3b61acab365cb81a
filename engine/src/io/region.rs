//! Bytes of a file that never change, wherever they are kept.

use std::io;
use std::sync::Arc;

/// A range of an immutable file: read into memory once.
#[derive(Debug, Clone)]
pub struct Region {
    bytes: Arc<[u8]>,
}

impl Region {
    /// Bytes in memory.
    pub fn owned(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self { bytes: bytes.into() }
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is no byte.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Runs `work` on the bytes.
    ///
    /// # Errors
    /// If the bytes could not be read while `work` ran: what it returned is then worth nothing.
    pub fn read<T>(&self, work: impl FnOnce(&[u8]) -> T) -> io::Result<T> {
        Ok(work(&self.bytes))
    }
}
