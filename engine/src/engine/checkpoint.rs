//! A moment of the store that can be copied elsewhere: the manifest up to an edit, and every file that
//! it names, pinned.
//!
//! - `K1` the files are those of the last edit, neither more nor less: both are taken under the
//!   manifest's lock.
//! - `K2` the bytes of a manifest up to an edit never change, and a file of sections never does: who
//!   reads either later reads what was there at the moment.
//! - `K3` a pinned file stays on the disk until its pin is dropped, as it does for a query.

use super::{Engine, Shared};
use crate::error::{Error, Result};
use crate::io::File;
use crate::manifest::{FileMeta, ManifestImage, SectionMeta};
use crate::names::{self, Name};
use crate::partition::PartitionKey;
use crate::segment::SegmentFile;
use crate::timestamp::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A moment of a store, for copying it. Holds the files that it names on the disk until it is dropped.
#[derive(Debug)]
pub struct Checkpoint {
    /// The store's uuid.
    pub store: [u8; 16],
    /// The first sequence number that is in no file.
    pub next_seq: u64,
    /// Every file that the manifest names, then the links of the manifests before.
    pub files: Vec<SealedFile>,
    image: ManifestImage,
}

/// The place of an edit in the chain: what `hash` names is the whole history up to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainPlace {
    /// The number of the manifest.
    pub manifest: u64,
    /// The number of the edit in it, from 1.
    pub edit: u64,
    /// The hash of that edit.
    pub hash: [u8; 32],
}

/// A file that is never written to again.
#[derive(Debug, Clone)]
pub struct SealedFile {
    /// Its path within the store, with `/` between folder and name.
    pub name: String,
    /// Its length in bytes.
    pub len: u64,
    /// BLAKE3 of all its bytes, if the manifest has it.
    pub blake3: Option<[u8; 32]>,
    /// When it was written; of the links of a manifest nothing is known.
    pub created: Option<Timestamp>,
    /// Its live sections.
    pub sections: Vec<SealedSection>,
    source: Source,
}

/// A live section of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSection {
    /// Tenant, retention class and day.
    pub partition: PartitionKey,
    /// Where it begins in its file.
    pub offset: u64,
    /// Its length in bytes.
    pub len: u64,
    /// The number of events.
    pub rows: u64,
    /// The earliest and the latest timestamp.
    pub times: (Timestamp, Timestamp),
    /// The lowest and the highest sequence number.
    pub seqs: (u64, u64),
    /// The levels in it: bit `1 << code`.
    pub levels: u8,
}

#[derive(Debug, Clone)]
enum Source {
    /// `K3`: the last one that holds it removes a file that was replaced meanwhile.
    Sections(Arc<SegmentFile>),
    /// Links, which nothing removes.
    Links(Arc<dyn File>, PathBuf),
}

impl Engine {
    /// The store as of now, to be copied. What is in memory only is not in it.
    ///
    /// # Errors
    /// `Closed` after a failed sync of the manifest; `Io`.
    pub fn checkpoint(&self) -> Result<Checkpoint> {
        Checkpoint::take(&self.shared)
    }

    /// Whether the store's history goes through this edit: whether the store that had it as its last is
    /// this one, earlier.
    ///
    /// # Errors
    /// `Corrupt`, `Io` of the links of an earlier manifest.
    pub fn has_edit(&self, place: &ChainPlace) -> Result<bool> {
        let ChainPlace { manifest, edit, hash } = place;
        self.shared.manifest().has_edit(*manifest, *edit, hash)
    }

    /// The store's uuid.
    pub fn store_uuid(&self) -> [u8; 16] {
        self.shared.store
    }
}

impl Checkpoint {
    fn take(shared: &Shared) -> Result<Self> {
        let manifest = shared.manifest();
        let image = manifest.image()?;
        let live = Arc::clone(&shared.state().files);
        let next_seq = manifest.state().next_seq;
        drop(manifest);
        let mut files: Vec<_> =
            live.iter().map(|live| SealedFile::of_sections(&live.meta, &live.file)).collect();
        files.extend(chains(shared, image.number)?);
        Ok(Self { store: shared.store, next_seq, files, image })
    }

    /// The last edit.
    pub fn place(&self) -> ChainPlace {
        let ManifestImage { number, edits, hash, .. } = self.image;
        ChainPlace { manifest: number, edit: edits, hash }
    }

    /// The length of the manifest's bytes up to and with the last edit.
    pub fn manifest_len(&self) -> u64 {
        self.image.len
    }

    /// The manifest's bytes from `offset` up to [`Checkpoint::manifest_len`].
    ///
    /// # Errors
    /// `Io`; `Invalid` for an offset behind the end.
    pub fn manifest_bytes(&self, offset: u64) -> Result<Vec<u8>> {
        let ManifestImage { path, file, len, .. } = &self.image;
        let bytes = len.checked_sub(offset).and_then(|len| usize::try_from(len).ok());
        let Some(bytes) = bytes else {
            return Err(Error::invalid(format!("the manifest ends before {offset}")));
        };
        let mut bytes = vec![0; bytes];
        file.read_exact_at(&mut bytes, offset).map_err(|e| Error::io("read", path, e))?;
        Ok(bytes)
    }
}

/// The links of every manifest before this one that are there.
fn chains(shared: &Shared, number: u64) -> Result<Vec<SealedFile>> {
    let (storage, dir) = (&shared.io.storage, &shared.dir);
    let listed = storage.list(dir).map_err(|e| Error::io("list", dir, e))?;
    let mut chains = Vec::new();
    for name in listed {
        match Name::parse(&name) {
            // Those of the current manifest are written again when it ends.
            Some(Name::Chain(of)) if of < number => {}
            _ => continue,
        }
        let path = dir.join(&name);
        let file = storage.open(&path).map_err(|e| Error::io("open", &path, e))?;
        let len = file.len().map_err(|e| Error::io("read", &path, e))?;
        let source = Source::Links(file, path);
        let (created, sections) = (None, Vec::new());
        chains.push(SealedFile { name, len, blake3: None, created, sections, source });
    }
    chains.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(chains)
}

impl SealedFile {
    /// Whether it is on the disk, or has left it for the archive.
    pub fn is_local(&self) -> bool {
        match &self.source {
            Source::Sections(file) => !file.is_evicted(),
            Source::Links(..) => true,
        }
    }

    fn of_sections(meta: &FileMeta, file: &Arc<SegmentFile>) -> Self {
        Self {
            name: names::in_store(&meta.id.path(Path::new(""))),
            len: meta.len,
            blake3: meta.checksum,
            created: Some(Timestamp(meta.created)),
            sections: meta.sections.iter().map(SealedSection::from).collect(),
            source: Source::Sections(Arc::clone(file)),
        }
    }

    /// Fills `bytes` from `offset`.
    ///
    /// # Errors
    /// `Corrupt` if the file ends before, `Io`.
    pub fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<()> {
        match &self.source {
            Source::Sections(file) => file.read_stored(bytes, offset),
            Source::Links(file, path) => {
                file.read_exact_at(bytes, offset).map_err(|e| Error::io("read", path, e))
            }
        }
    }
}

impl From<&SectionMeta> for SealedSection {
    fn from(section: &SectionMeta) -> Self {
        Self {
            partition: section.partition.clone(),
            offset: section.offset,
            len: section.len,
            rows: section.rows,
            times: (Timestamp(section.min_ts), Timestamp(section.max_ts)),
            seqs: (section.min_seq, section.max_seq),
            levels: section.levels,
        }
    }
}
