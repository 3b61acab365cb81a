//! The links of the chain: what is kept of edits whose manifest is gone, so that the chain can be
//! followed from any edit to the last one. The bytes: `docs/format/manifest.md`, "The chain".
//!
//! - `L1` the file of a manifest's links is durable under its name before the next manifest gets
//!   its own.
//! - `L2` a link takes 36 bytes, whatever its edit was about: nothing of tenants or events stays.

use super::begin::Failure;
use super::edit::LINKED_VERSION;
use super::format::{EditHash, EditHeader};
use crate::codec::slice::Slice;
use crate::error::{Corruption, Error, ErrorKind, Result};
use crate::io::Io;
use crate::names;
use std::io::ErrorKind as IoErrorKind;
use std::path::Path;

/// The first bytes of a file of links.
const MAGIC: [u8; 8] = *b"LSCHAIN\0";
/// The version of files of links that this code writes.
const VERSION: u16 = 1;
/// Magic, version, features, number of links, store, manifest, hash before.
const HEADER_BYTES: usize = 8 + 2 + 2 + 4 + 16 + 8 + 32;
const LINK_BYTES: usize = 2 + 2 + 32;
const CRC_BYTES: usize = 4;
/// A file is refused above this, so that a foreign length can't make us allocate.
const FILE_BYTES_MAX: u64 = 1 << 28;

/// What the chain has of an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    /// The kind of edit.
    pub(crate) kind: u16,
    /// The version of that kind.
    pub(crate) version: u16,
    /// BLAKE3 of the body; of an edit of before there were links its own hash, which only the body
    /// could prove.
    pub(crate) digest: [u8; 32],
}

/// The links of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Links {
    /// The number of the manifest.
    pub(crate) manifest: u64,
    /// The hash of the edit before the first; zeros in a new store.
    pub(crate) previous: EditHash,
    /// Its edits, the snapshot first.
    pub(crate) links: Vec<Link>,
}

impl Link {
    /// The link of the edit with this header and body.
    pub(super) fn of(header: &EditHeader, body: &[u8]) -> Self {
        let EditHeader { kind, version, previous, .. } = header;
        let mut hasher = blake3::Hasher::new();
        if *version < LINKED_VERSION {
            hasher.update(previous);
            hasher.update(&kind.to_le_bytes());
            hasher.update(&version.to_le_bytes());
        }
        hasher.update(body);
        Self { kind: *kind, version: *version, digest: *hasher.finalize().as_bytes() }
    }

    /// Whether the edit's hash follows from the link.
    pub(crate) fn is_proof(&self) -> bool {
        self.version >= LINKED_VERSION
    }

    /// The hash of the edit, which follows one of the hash `previous`.
    pub(crate) fn hash(&self, previous: &EditHash) -> EditHash {
        if !self.is_proof() {
            return self.digest;
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(previous);
        hasher.update(&self.kind.to_le_bytes());
        hasher.update(&self.version.to_le_bytes());
        hasher.update(&self.digest);
        *hasher.finalize().as_bytes()
    }
}

impl Links {
    /// The hash of each edit, in order.
    pub(crate) fn hashes(&self) -> impl Iterator<Item = EditHash> {
        self.links.iter().scan(self.previous, |hash, link| {
            *hash = link.hash(hash);
            Some(*hash)
        })
    }

    /// The hash of the last edit.
    pub(crate) fn last(&self) -> EditHash {
        self.hashes().last().unwrap_or(self.previous)
    }

    /// The bytes of the file of these links.
    pub(super) fn encode(&self, store: &[u8; 16]) -> Vec<u8> {
        let bytes = HEADER_BYTES + self.links.len() * LINK_BYTES + CRC_BYTES;
        let mut out = Vec::with_capacity(bytes);
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend([0; 2]);
        let count = u32::try_from(self.links.len()).expect("an edit takes 4 KiB of its manifest");
        out.extend(count.to_le_bytes());
        out.extend(store);
        out.extend(self.manifest.to_le_bytes());
        out.extend(self.previous);
        for link in &self.links {
            out.extend(link.kind.to_le_bytes());
            out.extend(link.version.to_le_bytes());
            out.extend(link.digest);
        }
        let crc = crc32fast::hash(&out);
        out.extend(crc.to_le_bytes());
        out
    }

    /// The links of manifest `number` of a store, as they stand in `bytes` of `file`.
    ///
    /// # Errors
    /// `Corrupt`; `Unsupported` for a version or a feature that this code doesn't know.
    pub(super) fn decode(bytes: &[u8], store: &[u8; 16], number: u64, file: &Path) -> Result<Self> {
        let body_len = bytes.len().saturating_sub(CRC_BYTES);
        let (body, crc) = bytes.split_at_checked(body_len).unwrap_or_default();
        let mut slice = Slice::new(body, 0, "chain", file);
        let start = slice.clone();
        let magic = slice.take(MAGIC.len())?;
        if magic != MAGIC {
            return Err(start.corrupt("LSCHAIN", format!("{magic:02x?}")).into());
        }
        let computed = crc32fast::hash(body).to_le_bytes();
        if crc != computed {
            return Err(start
                .corrupt(format!("crc {computed:02x?}"), format!("{crc:02x?}"))
                .into());
        }
        let (version, features) = (slice.u16()?, slice.u16()?);
        if version != VERSION || features != 0 {
            return Err(Error::unsupported(format!(
                "{} is a chain of version {version} with features {features:#x}; this program \
                 knows version {VERSION} without features",
                file.display()
            )));
        }
        let count = slice.u32()? as usize;
        let (found_store, manifest) = (slice.take(16)?, slice.u64()?);
        if found_store != store || manifest != number {
            let expected = format!("the chain of manifest {number} of this store");
            let found = format!("that of manifest {manifest} of store {found_store:02x?}");
            return Err(start.corrupt(expected, found).into());
        }
        let hash = |slice: &mut Slice<'_>| -> Result<[u8; 32], Corruption> {
            Ok(slice.take(32)?.try_into().expect("32 bytes were taken"))
        };
        let previous = hash(&mut slice)?;
        if slice.remaining() / LINK_BYTES < count {
            return Err(slice.corrupt(format!("{count} links"), "the end of the file").into());
        }
        let mut links = Vec::with_capacity(count);
        for _ in 0..count {
            let (kind, version) = (slice.u16()?, slice.u16()?);
            links.push(Link { kind, version, digest: hash(&mut slice)? });
        }
        slice.finish()?;
        Ok(Self { manifest, previous, links })
    }
}

/// Reads the links of manifest `number`.
///
/// # Errors
/// `Io`, also if there is no such file; `Corrupt`; `Unsupported`.
pub(crate) fn read(io: &Io, dir: &Path, store: &[u8; 16], number: u64) -> Result<Links> {
    let path = names::chain(dir, number);
    let failed = |e| Error::io("read", &path, e);
    let file = io.storage.open(&path).map_err(failed)?;
    let len = file.len().map_err(failed)?;
    if len > FILE_BYTES_MAX {
        let (expected, found) = (format!("at most {FILE_BYTES_MAX} bytes"), len.to_string());
        return Err(Corruption { file: path, offset: 0, what: "chain", expected, found }.into());
    }
    let mut bytes = vec![0; len as usize];
    file.read_exact_at(&mut bytes, 0).map_err(failed)?;
    Links::decode(&bytes, store, number, &path)
}

/// Writes the links of a manifest that ends; durable under their name when this returns. A file of
/// fewer links, left by an attempt that failed, is replaced.
pub(super) fn write(io: &Io, dir: &Path, store: &[u8; 16], links: &Links) -> Result<(), Failure> {
    let path = names::chain(dir, links.manifest);
    let temporary = names::temporary(&path);
    match io.storage.remove(&temporary) {
        Err(e) if e.kind() != IoErrorKind::NotFound => {
            return Err(Error::io("remove", &temporary, e).into());
        }
        _ => {}
    }
    let file = io.storage.create(&temporary).map_err(|e| Error::io("create", &temporary, e))?;
    if let Err(e) = file.write_all_at(&links.encode(store), 0) {
        let _ = io.storage.remove(&temporary);
        return Err(Error::io("write", &temporary, e).into());
    }
    let fatal = |error| Failure { error, fatal: true };
    file.sync_data().map_err(|e| fatal(Error::io("sync", &temporary, e)))?;
    io.storage.rename(&temporary, &path).map_err(|e| {
        let error = Error::io("rename", &temporary, e);
        Failure { fatal: error.kind() != ErrorKind::Full, error }
    })?;
    io.storage.sync_dir(dir).map_err(|e| fatal(Error::io("sync", dir, e)))
}
