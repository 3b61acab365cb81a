//! The bytes of one part of a block, verified, with the place that errors name.

use crate::codec::slice::Slice;
use crate::io::FileBytes;
use std::fmt;
use std::ops::{Deref, Range};
use std::path::Path;
use std::sync::Arc;

/// Bytes of a block: shared with a block in memory, or of a file.
pub(super) enum PartBytes {
    Shared(Arc<[u8]>, Range<usize>),
    File(FileBytes),
}

impl PartBytes {
    /// The bytes that they take in memory; those that are mapped take none.
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Shared(_, range) => range.len(),
            Self::File(bytes) => bytes.heap_bytes(),
        }
    }
}

impl Deref for PartBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Shared(bytes, range) => &bytes[range.clone()],
            Self::File(bytes) => bytes,
        }
    }
}

/// One part of a block whose checksum holds.
pub(crate) struct Part {
    pub(super) bytes: PartBytes,
    /// Where it begins in the file.
    pub(super) offset: u64,
    /// The file; empty for a block in memory.
    pub(super) file: Arc<Path>,
    pub(super) what: &'static str,
}

impl Part {
    /// Reads the part from its beginning.
    pub(super) fn slice(&self) -> Slice<'_> {
        Slice::new(&self.bytes, self.offset, self.what, &self.file)
    }

    /// Reads a range of the part, which must lie in it.
    pub(super) fn slice_of(&self, range: Range<usize>) -> Slice<'_> {
        let offset = self.offset + range.start as u64;
        Slice::new(&self.bytes[range], offset, self.what, &self.file)
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} bytes at {}", self.what, self.bytes.len(), self.offset)
    }
}

/// What bounds the decoding of a part: the header's figures, already checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Rows of the block.
    pub(super) rows: usize,
    /// Values of the column.
    pub(super) values: usize,
    /// Bytes that anything inflated from the part can have.
    pub(super) raw_max: usize,
}
