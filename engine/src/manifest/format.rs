//! Bytes of a manifest, without I/O: the file's header and the header of each edit. Checksums of
//! edits begin with a seed made of the store's uuid and the manifest's random id.

use crate::codec::crc::crc32;
use crate::codec::slice::Slice;
use crate::error::Error;
use crate::limits::WAL_ALIGN;
use std::path::Path;

/// The first bytes of a manifest.
pub(super) const FILE_MAGIC: [u8; 8] = *b"LSMAN\0\0\0";
/// The first bytes of an edit.
pub(super) const EDIT_MAGIC: [u8; 4] = *b"LSED";
/// The version of manifests that this code writes.
pub(super) const FILE_VERSION: u16 = 1;
/// Edits begin at multiples of this: a write never touches a page that is synced.
pub(super) const PAGE: usize = WAL_ALIGN;
/// Where the edits begin.
pub(super) const FILE_HEADER_BYTES: u64 = PAGE as u64;
/// The bytes before an edit's body.
pub(super) const EDIT_HEADER_BYTES: usize = 64;

const FILE_CRC_AT: usize = 48;
const EDIT_CRC_AT: usize = 60;

/// Names an edit and everything before it.
pub(crate) type EditHash = [u8; 32];

/// What a manifest says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileHeader {
    /// The store that it belongs to.
    pub(crate) store_uuid: [u8; 16],
    /// Random for each manifest.
    pub(crate) manifest_id: u64,
    /// As in its name.
    pub(crate) number: u64,
}

/// What an edit says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EditHeader {
    /// Which kind of edit.
    pub(super) kind: u16,
    /// The version of that kind.
    pub(super) version: u16,
    /// Its place in this manifest, from 1.
    pub(super) number: u64,
    /// The bytes of the body.
    pub(super) body_len: u32,
    /// Their checksum, begun with the seed.
    pub(super) body_crc: u32,
    /// The hash of the edit before, in this manifest or the one before; zeros for the first.
    pub(super) previous: EditHash,
}

/// The bytes that an edit takes, padding included.
pub(super) fn edit_bytes(body_len: usize) -> usize {
    (EDIT_HEADER_BYTES + body_len).next_multiple_of(PAGE)
}

impl FileHeader {
    /// What the checksums of its edits begin with.
    pub(super) fn seed(&self) -> u32 {
        crc32(0, &[&self.store_uuid, &self.manifest_id.to_le_bytes()])
    }

    /// The header page.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut page = Vec::with_capacity(PAGE);
        page.extend(FILE_MAGIC);
        page.extend(FILE_VERSION.to_le_bytes());
        page.extend([0; 2]);
        page.extend([0; 4]);
        page.extend(self.store_uuid);
        page.extend(self.manifest_id.to_le_bytes());
        page.extend(self.number.to_le_bytes());
        debug_assert_eq!(page.len(), FILE_CRC_AT);
        page.extend(crc32(0, &[&page]).to_le_bytes());
        page.resize(PAGE, 0);
        page
    }

    /// The header at the start of `bytes`.
    ///
    /// # Errors
    /// `Corrupt`; `Unsupported` for a version or a feature that this code doesn't know.
    pub(super) fn decode(bytes: &[u8], file: &Path) -> Result<Self, Error> {
        let mut slice = Slice::new(bytes, 0, "manifest header", file);
        let fields = slice.take(FILE_CRC_AT)?;
        let (crc, expected) = (slice.u32()?, crc32(0, &[fields]));
        let start = Slice::new(fields, 0, "manifest header", file);
        let mut slice = start.clone();
        let magic = slice.take(8)?;
        if magic != FILE_MAGIC {
            return Err(start.corrupt("LSMAN", format!("{magic:02x?}")).into());
        }
        if crc != expected {
            return Err(start.corrupt(format!("crc {expected:08x}"), format!("{crc:08x}")).into());
        }
        let (version, _reserved, features) = (slice.u16()?, slice.u16()?, slice.u32()?);
        if version != FILE_VERSION || features != 0 {
            return Err(Error::unsupported(format!(
                "{} is a manifest of version {version} with features {features:#x}; this program \
                 knows version {FILE_VERSION} without features",
                file.display()
            )));
        }
        let mut store_uuid = [0; 16];
        store_uuid.copy_from_slice(slice.take(16)?);
        Ok(Self { store_uuid, manifest_id: slice.u64()?, number: slice.u64()? })
    }
}

impl EditHeader {
    /// The header, the body, and the padding.
    pub(super) fn frame(&self, body: &[u8], seed: u32) -> Vec<u8> {
        let mut bytes = vec![0; edit_bytes(body.len())];
        bytes[0..4].copy_from_slice(&EDIT_MAGIC);
        bytes[4..6].copy_from_slice(&self.kind.to_le_bytes());
        bytes[6..8].copy_from_slice(&self.version.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.number.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.body_len.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.body_crc.to_le_bytes());
        bytes[24..56].copy_from_slice(&self.previous);
        let crc = crc32(seed, &[&bytes[..EDIT_CRC_AT]]);
        bytes[EDIT_CRC_AT..EDIT_HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
        bytes[EDIT_HEADER_BYTES..][..body.len()].copy_from_slice(body);
        bytes
    }

    /// The header at the start of `bytes`, if one of this manifest stands there.
    pub(super) fn decode(bytes: &[u8], seed: u32) -> Option<Self> {
        let mut slice = Slice::new(bytes, 0, "manifest edit", Path::new(""));
        let fields = slice.take(EDIT_CRC_AT).ok()?;
        let crc = slice.u32().ok()?;
        if !fields.starts_with(&EDIT_MAGIC) || crc != crc32(seed, &[fields]) {
            return None;
        }
        let mut slice = Slice::new(fields.get(4..)?, 4, "manifest edit", Path::new(""));
        let (kind, version, number) = (slice.u16().ok()?, slice.u16().ok()?, slice.u64().ok()?);
        let (body_len, body_crc) = (slice.u32().ok()?, slice.u32().ok()?);
        let mut previous = [0; 32];
        previous.copy_from_slice(slice.take(32).ok()?);
        Some(Self { kind, version, number, body_len, body_crc, previous })
    }

    /// Whether this is the body that the header was made for.
    pub(super) fn fits(&self, body: &[u8], seed: u32) -> bool {
        body.len() == self.body_len as usize && crc32(seed, &[body]) == self.body_crc
    }
}
