//! What the catalog knows: files, what becomes of them, and the manifest of the store.

use crate::error::{Error, Result};
use logstrata_engine::{ChainPlace, SealedSection as EngineSection, Timestamp};
use std::io::Read as _;
use std::sync::Arc;

/// What names an object of a file: BLAKE3 of its bytes.
pub(crate) type Hash = [u8; 32];

/// A live section of a file that was copied.
pub type Section = EngineSection;

/// A file in the object store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path within the store, as the engine names it.
    pub name: String,
    /// Its length in bytes.
    pub len: u64,
    /// BLAKE3 of its bytes: the name of its object.
    pub blake3: [u8; 32],
    /// When it was written.
    pub created: Timestamp,
    /// When its copy was verified.
    pub copied: Timestamp,
    /// Its live sections when it was copied. What was dropped since, the manifest tells.
    pub sections: Vec<Section>,
}

/// A file that the store does not have any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone {
    /// Since when the catalog knows.
    pub(crate) at: Timestamp,
    pub(crate) len: u64,
}

/// A change of the catalog, all of it or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edit {
    /// The process that writes.
    pub(crate) writer: [u8; 16],
    /// When, by its clock.
    pub(crate) time: Timestamp,
    pub(crate) ops: Vec<Op>,
}

/// A part of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Op {
    /// From now on only the writer of this edit may write.
    Claim,
    /// The object of this file is there and was verified.
    Add(Arc<Entry>),
    /// The store does not name the file any more; its object stays for a while.
    Remove(Hash),
    /// The object is about to be deleted: it must not be relied on, whether it is there or not.
    Doom(Hash),
    /// The object is gone.
    Deleted(Hash),
    /// The store's manifest goes on. Every file that it names at its end is in the catalog.
    Manifest {
        /// Its last edit.
        place: ChainPlace,
        /// Its length with the piece.
        len: u64,
        /// The first sequence number that is in no file.
        next_seq: u64,
        /// What is new of it.
        piece: Piece,
    },
    /// The manifest that was copied is another history's: the next one begins anew.
    Forget,
}

/// A stretch of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Where it begins in the manifest.
    pub(crate) offset: u64,
    /// Its length.
    pub(crate) len: u64,
    /// Its bytes, compressed by zstd: edits are padded with zeros.
    pub(crate) packed: Arc<[u8]>,
}

/// The manifest of the store, as far as it was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) place: ChainPlace,
    pub(crate) len: u64,
    pub(crate) next_seq: u64,
    /// When this was so, by the clock of the writer.
    pub(crate) at: Timestamp,
    /// All of it, from its beginning.
    pub(crate) pieces: Vec<Arc<Piece>>,
}

/// A manifest is refused above this.
const MANIFEST_BYTES_MAX: u64 = 1 << 30;

impl Piece {
    /// The piece of these bytes, which begin at `offset`.
    pub(crate) fn pack(offset: u64, bytes: &[u8]) -> Self {
        let packed = zstd::bulk::compress(bytes, 1).expect("compressing to memory fails for none");
        Self { offset, len: bytes.len() as u64, packed: packed.into() }
    }
}

impl Image {
    /// Whether the pieces follow each other up to the end.
    pub(crate) fn check(&self) -> Result<(), String> {
        let mut end = 0_u64;
        for piece in &self.pieces {
            if piece.offset != end {
                return Err(format!("a piece of the manifest at {end}, not {}", piece.offset));
            }
            end = end.checked_add(piece.len).ok_or("a manifest that ends")?;
        }
        if end != self.len || end > MANIFEST_BYTES_MAX {
            return Err(format!("pieces of a manifest of {} bytes, not {end}", self.len));
        }
        Ok(())
    }

    /// The bytes of the manifest.
    ///
    /// # Errors
    /// `Corrupt`.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>> {
        let wrong = |what: &str| Error::corrupt(format!("the manifest in the catalog: {what}"));
        self.check().map_err(|what| wrong(&what))?;
        let mut bytes = Vec::new();
        for piece in &self.pieces {
            // Memory grows with what is unpacked, up to what the piece promised.
            let unpacked = zstd::stream::Decoder::new(&piece.packed[..])
                .and_then(|packed| packed.take(piece.len.saturating_add(1)).read_to_end(&mut bytes))
                .map_err(|error| wrong(&error.to_string()))?;
            if unpacked as u64 != piece.len {
                return Err(wrong("a piece of another length"));
            }
        }
        Ok(bytes)
    }
}
