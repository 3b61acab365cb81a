//! The edits of the manifest, and their bytes: bincode of structs that are private to this file,
//! so that the state can change without its form on disk. Version 1 is read by `edit_v1.rs`.

use super::edit_v1;
use super::file::{FileId, FileMeta, Range64, Run, SectionMeta, Tombstone};
use super::state::ManifestState;
use crate::limits::MANIFEST_EDIT_BYTES_MAX;
use crate::partition::PartitionKey;
use crate::timestamp::Day;
use bincode::{Decode, Encode};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A change of what is live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Edit {
    /// The whole state: the first edit of each manifest.
    Snapshot(ManifestState),
    /// A generation, or several, became a file: their log is not needed any more.
    AddFile {
        /// The file.
        file: FileMeta,
        /// The latest time seen, in nanoseconds since the epoch.
        clock_high_water: i64,
    },
    /// Sections of a file are dropped. The file goes with its last section.
    DropSections {
        /// The file.
        file: FileId,
        /// The offsets that name the sections.
        sections: Vec<u64>,
        /// Why, for people.
        reason: String,
    },
    /// Sections give way to files with the same runs. A file goes with its last section.
    Replace {
        /// The new segments and packs, by number.
        added: Vec<FileMeta>,
        /// Files, and the offsets of those of their sections that go.
        removed: Vec<(FileId, Vec<u64>)>,
    },
}

/// What the kinds of edits are called on disk. Zero is reserved.
pub(super) const SNAPSHOT: u16 = 1;
/// See [`SNAPSHOT`].
pub(super) const ADD_FILE: u16 = 2;
/// See [`SNAPSHOT`].
pub(super) const DROP_SECTIONS: u16 = 3;
/// See [`SNAPSHOT`]. Since version 2.
pub(super) const REPLACE: u16 = 4;
/// The version of all kinds of edits that this code writes.
pub(super) const EDIT_VERSION: u16 = 3;
/// Since this version the hash of an edit is one of its body's hash, so that the chain can be
/// followed when the bodies are gone. The bodies are those of version 2.
pub(super) const LINKED_VERSION: u16 = 3;

#[derive(Debug, Encode, Decode)]
struct StateV2 {
    store_uuid: [u8; 16],
    incarnation: u16,
    committed_generation: Option<u64>,
    next_seq: u64,
    next_file: u64,
    clock_high_water: i64,
    files: Vec<FileV2>,
    tombstones: Vec<TombstoneV2>,
}

/// The order of the variants is their number on disk.
#[derive(Debug, Encode, Decode)]
enum IdV2 {
    LevelZero(u64),
    Segment(u64),
    Pack(u64),
}

#[derive(Debug, Encode, Decode)]
struct FileV2 {
    id: IdV2,
    len: u64,
    first_seq: u64,
    end_seq: u64,
    created: i64,
    writes: u8,
    checksum: Option<[u8; 32]>,
    sections: Vec<SectionV2>,
    columns: Vec<String>,
}

#[derive(Debug, Encode, Decode)]
struct SectionV2 {
    tenant: String,
    class: String,
    day: i32,
    offset: u64,
    len: u64,
    blocks: u32,
    rows: u64,
    min_ts: i64,
    max_ts: i64,
    min_seq: u64,
    max_seq: u64,
    levels: u8,
    raw_bytes: u64,
    runs: Vec<RunV2>,
}

#[derive(Debug, Encode, Decode)]
struct RunV2 {
    generation: u64,
    first_seq: u64,
    end_seq: u64,
    rows: u64,
    digest: Option<[u8; 32]>,
}

#[derive(Debug, Encode, Decode)]
struct TombstoneV2 {
    file: IdV2,
    section: SectionV2,
    reason: String,
}

#[derive(Debug, Encode, Decode)]
struct AddFileV2 {
    file: FileV2,
    clock_high_water: i64,
}

#[derive(Debug, Encode, Decode)]
struct DropSectionsV2 {
    file: IdV2,
    sections: Vec<u64>,
    reason: String,
}

#[derive(Debug, Encode, Decode)]
struct ReplaceV2 {
    added: Vec<FileV2>,
    removed: Vec<(IdV2, Vec<u64>)>,
}

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<MANIFEST_EDIT_BYTES_MAX>()
}

impl Edit {
    /// The kind and the bytes of the edit.
    pub(super) fn encode(&self) -> (u16, Vec<u8>) {
        match self {
            Self::Snapshot(state) => (SNAPSHOT, to_bytes(StateV2::from(state))),
            Self::AddFile { file, clock_high_water } => {
                let mirror = AddFileV2 { file: file.into(), clock_high_water: *clock_high_water };
                (ADD_FILE, to_bytes(mirror))
            }
            Self::DropSections { file, sections, reason } => {
                let (sections, reason) = (sections.clone(), reason.clone());
                let file = (*file).into();
                (DROP_SECTIONS, to_bytes(DropSectionsV2 { file, sections, reason }))
            }
            Self::Replace { added, removed } => {
                let added = added.iter().map(FileV2::from).collect();
                let removed = removed.iter().map(|(id, gone)| ((*id).into(), gone.clone()));
                (REPLACE, to_bytes(ReplaceV2 { added, removed: removed.collect() }))
            }
        }
    }

    /// The edit of these bytes; `None` for a kind or a version that is unknown.
    pub(super) fn decode(kind: u16, version: u16, bytes: &[u8]) -> Option<Result<Self, String>> {
        let mut names = Interner::default();
        let names = &mut names;
        match version {
            1 => return edit_v1::decode(kind, bytes, names),
            2 | EDIT_VERSION => {}
            _ => return None,
        }
        Some(match kind {
            SNAPSHOT => {
                from_bytes::<StateV2>(bytes).and_then(|mirror| Self::snapshot(mirror, names))
            }
            ADD_FILE => from_bytes::<AddFileV2>(bytes).map(|mirror| Self::AddFile {
                file: mirror.file.into_meta(names),
                clock_high_water: mirror.clock_high_water,
            }),
            DROP_SECTIONS => from_bytes(bytes).map(|mirror| {
                let DropSectionsV2 { file, sections, reason } = mirror;
                Self::DropSections { file: file.into(), sections, reason }
            }),
            REPLACE => from_bytes::<ReplaceV2>(bytes).map(|mirror| {
                let added = mirror.added.into_iter().map(|file| file.into_meta(names)).collect();
                let removed = mirror.removed.into_iter().map(|(id, gone)| (id.into(), gone));
                Self::Replace { added, removed: removed.collect() }
            }),
            _ => return None,
        })
    }

    fn snapshot(mirror: StateV2, names: &mut Interner) -> Result<Self, String> {
        let count = mirror.files.len();
        let files = mirror.files.into_iter().map(|file| Arc::new(file.into_meta(names)));
        let files = files.map(|file| (file.id, file)).collect();
        let tombstones = mirror.tombstones.into_iter().map(|gone| Tombstone {
            file: gone.file.into(),
            section: gone.section.into_meta(names),
            reason: gone.reason,
        });
        let state = ManifestState {
            store_uuid: mirror.store_uuid,
            incarnation: mirror.incarnation,
            committed_generation: mirror.committed_generation,
            next_seq: mirror.next_seq,
            next_file: mirror.next_file,
            clock_high_water: mirror.clock_high_water,
            tombstones: tombstones.collect(),
            files,
        };
        Self::checked(state, count)
    }

    /// The snapshot of a state that was read, with this many files.
    pub(super) fn checked(state: ManifestState, files: usize) -> Result<Self, String> {
        if state.files.len() != files {
            return Err("a file twice".to_owned());
        }
        state.check()?;
        Ok(Self::Snapshot(state))
    }
}

fn to_bytes(mirror: impl Encode) -> Vec<u8> {
    bincode::encode_to_vec(mirror, config()).expect("encoding to memory fails for no value of ours")
}

/// The struct of these bytes.
pub(super) fn from_bytes<T: Decode<()>>(bytes: &[u8]) -> Result<T, String> {
    match bincode::decode_from_slice(bytes, config()) {
        Ok((mirror, used)) if used == bytes.len() => Ok(mirror),
        Ok((_, used)) => Err(format!("{} bytes behind the edit", bytes.len() - used)),
        Err(error) => Err(error.to_string()),
    }
}

/// Keeps each name of a tenant or a class once: a hundred thousand sections share a few.
#[derive(Debug, Default)]
pub(super) struct Interner(BTreeSet<Arc<str>>);

impl Interner {
    /// The partition of these names.
    pub(super) fn partition(&mut self, tenant: &str, class: &str, day: i32) -> PartitionKey {
        PartitionKey { tenant: self.name(tenant), class: self.name(class), day: Day(day) }
    }

    fn name(&mut self, text: &str) -> Arc<str> {
        if let Some(name) = self.0.get(text) {
            return Arc::clone(name);
        }
        let name: Arc<str> = text.into();
        self.0.insert(Arc::clone(&name));
        name
    }
}

impl From<&ManifestState> for StateV2 {
    fn from(state: &ManifestState) -> Self {
        let tombstones = state.tombstones.iter().map(|gone| TombstoneV2 {
            file: gone.file.into(),
            section: (&gone.section).into(),
            reason: gone.reason.clone(),
        });
        Self {
            store_uuid: state.store_uuid,
            incarnation: state.incarnation,
            committed_generation: state.committed_generation,
            next_seq: state.next_seq,
            next_file: state.next_file,
            clock_high_water: state.clock_high_water,
            files: state.files.values().map(|file| FileV2::from(&**file)).collect(),
            tombstones: tombstones.collect(),
        }
    }
}

impl From<FileId> for IdV2 {
    fn from(id: FileId) -> Self {
        match id {
            FileId::LevelZero(generation) => Self::LevelZero(generation),
            FileId::Segment(number) => Self::Segment(number),
            FileId::Pack(number) => Self::Pack(number),
        }
    }
}

impl From<IdV2> for FileId {
    fn from(id: IdV2) -> Self {
        match id {
            IdV2::LevelZero(generation) => Self::LevelZero(generation),
            IdV2::Segment(number) => Self::Segment(number),
            IdV2::Pack(number) => Self::Pack(number),
        }
    }
}

impl From<&FileMeta> for FileV2 {
    fn from(file: &FileMeta) -> Self {
        Self {
            id: file.id.into(),
            len: file.len,
            first_seq: file.seqs.start,
            end_seq: file.seqs.end,
            created: file.created,
            writes: file.writes,
            checksum: file.checksum,
            sections: file.sections.iter().map(SectionV2::from).collect(),
            columns: file.columns.clone(),
        }
    }
}

impl FileV2 {
    fn into_meta(self, names: &mut Interner) -> FileMeta {
        FileMeta {
            id: self.id.into(),
            len: self.len,
            seqs: self.first_seq..self.end_seq,
            created: self.created,
            writes: self.writes,
            checksum: self.checksum,
            sections: self.sections.into_iter().map(|section| section.into_meta(names)).collect(),
            columns: self.columns,
        }
    }
}

impl From<&SectionMeta> for SectionV2 {
    fn from(section: &SectionMeta) -> Self {
        let run = |run: &Run| RunV2 {
            generation: run.generation,
            first_seq: run.seqs.start,
            end_seq: run.seqs.end,
            rows: run.rows,
            digest: run.digest,
        };
        Self {
            tenant: section.partition.tenant.to_string(),
            class: section.partition.class.to_string(),
            day: section.partition.day.0,
            offset: section.offset,
            len: section.len,
            blocks: section.blocks,
            rows: section.rows,
            min_ts: section.min_ts,
            max_ts: section.max_ts,
            min_seq: section.min_seq,
            max_seq: section.max_seq,
            levels: section.levels,
            raw_bytes: section.raw_bytes,
            runs: section.runs.iter().map(run).collect(),
        }
    }
}

impl SectionV2 {
    fn into_meta(self, names: &mut Interner) -> SectionMeta {
        let run = |run: RunV2| Run {
            generation: run.generation,
            seqs: Range64 { start: run.first_seq, end: run.end_seq },
            rows: run.rows,
            digest: run.digest,
        };
        SectionMeta {
            partition: names.partition(&self.tenant, &self.class, self.day),
            offset: self.offset,
            len: self.len,
            blocks: self.blocks,
            rows: self.rows,
            min_ts: self.min_ts,
            max_ts: self.max_ts,
            min_seq: self.min_seq,
            max_seq: self.max_seq,
            levels: self.levels,
            raw_bytes: self.raw_bytes,
            runs: self.runs.into_iter().map(run).collect(),
        }
    }
}
