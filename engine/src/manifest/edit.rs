//! The edits of the manifest, and their bytes: bincode of structs that are private to this file,
//! so that the state can change without its form on disk. Version 1 is read by `edit_v1.rs`; what is
//! kept of retention has its form in `edit_ledger.rs`, what purges leave in `edit_purge.rs`.

use super::edit_ledger::{ChangeV4, LedgerV4, StateV6};
use super::edit_purge::{self, StateV5};
use super::edit_v1;
use super::file::{FileId, FileMeta, Range64, Run, SectionMeta, Tombstone};
use super::scar::{RunKey, Scar};
use super::state::ManifestState;
use crate::limits::MANIFEST_EDIT_BYTES_MAX;
use crate::partition::PartitionKey;
use crate::retention::{Change, Ledger};
use crate::timestamp::Day;
use bincode::{Decode, Encode};
use std::collections::{BTreeMap, BTreeSet};
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
    /// Sections are dropped. A file goes with its last section.
    DropSections {
        /// Files, and the offsets of those of their sections that go.
        removed: Vec<(FileId, Vec<u64>)>,
        /// Why, for people.
        reason: String,
        /// The latest time seen, in nanoseconds since the epoch.
        clock_high_water: i64,
    },
    /// Sections give way to files with the same runs. A file goes with its last section.
    Replace {
        /// The new segments and packs, by number.
        added: Vec<FileMeta>,
        /// Files, and the offsets of those of their sections that go.
        removed: Vec<(FileId, Vec<u64>)>,
    },
    /// What is kept of retention changes.
    Retention {
        /// How.
        change: Change,
        /// The latest time seen, in nanoseconds since the epoch.
        clock_high_water: i64,
    },
    /// Sections give way to files with fewer of their events. A file goes with its last section.
    Purge {
        /// The new segments and packs, by number.
        added: Vec<FileMeta>,
        /// Files, and the offsets of those of their sections that go.
        removed: Vec<(FileId, Vec<u64>)>,
        /// The events that are gone, run by run, with the digests that the runs were sealed with.
        gone: Vec<Tombstone>,
        /// What proves the rest of each run of which something is left and that has a digest.
        scars: BTreeMap<RunKey, Scar>,
        /// The latest time seen, in nanoseconds since the epoch.
        clock_high_water: i64,
    },
    /// Files are in the archive only from now on: their local copies go.
    Evict {
        /// Segments and packs, each with a hash.
        files: Vec<FileId>,
        /// The latest time seen, in nanoseconds since the epoch.
        clock_high_water: i64,
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
/// See [`SNAPSHOT`]. Since version 4.
pub(super) const RETENTION: u16 = 5;
/// See [`SNAPSHOT`]. Since version 5.
pub(super) const PURGE: u16 = 6;
/// See [`SNAPSHOT`]. Since version 5.
pub(super) const EVICT: u16 = 7;
/// The version of all kinds of edits that this code writes.
pub(super) const EDIT_VERSION: u16 = 6;
/// Since this version the hash of an edit is one of its body's hash, so that the chain can be
/// followed when the bodies are gone. Its bodies are those of version 2.
pub(super) const LINKED_VERSION: u16 = 3;
/// Since this version snapshots have what is kept of retention, and a drop is of several files.
const RETENTION_VERSION: u16 = 4;
/// Since this version there are purges, and files in the archive only; snapshots have what they leave.
const PURGE_VERSION: u16 = 5;
/// Since this version snapshots tell who released the last holds, and a release why and when.
const RELEASED_VERSION: u16 = 6;

#[derive(Debug, Encode, Decode)]
pub(super) struct StateV2 {
    store_uuid: [u8; 16],
    incarnation: u16,
    committed_generation: Option<u64>,
    next_seq: u64,
    next_file: u64,
    clock_high_water: i64,
    files: Vec<FileV2>,
    tombstones: Vec<TombstoneV2>,
}

/// What version 4 has behind that.
#[derive(Debug, Encode, Decode)]
pub(super) struct StateV4 {
    pub(super) state: StateV2,
    pub(super) ledger: LedgerV4,
}

/// The order of the variants is their number on disk.
#[derive(Debug, Encode, Decode)]
pub(super) enum IdV2 {
    LevelZero(u64),
    Segment(u64),
    Pack(u64),
}

#[derive(Debug, Encode, Decode)]
pub(super) struct FileV2 {
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
pub(super) struct TombstoneV2 {
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
struct DropSectionsV4 {
    removed: Vec<(IdV2, Vec<u64>)>,
    reason: String,
    clock_high_water: i64,
}

#[derive(Debug, Encode, Decode)]
struct RetentionV4 {
    change: ChangeV4,
    clock_high_water: i64,
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
            Self::Snapshot(state) => (SNAPSHOT, to_bytes(StateV6::from(state))),
            Self::AddFile { file, clock_high_water } => {
                let mirror = AddFileV2 { file: file.into(), clock_high_water: *clock_high_water };
                (ADD_FILE, to_bytes(mirror))
            }
            Self::DropSections { removed, reason, clock_high_water } => {
                let (removed, reason) = (to_ids(removed), reason.clone());
                let clock_high_water = *clock_high_water;
                (DROP_SECTIONS, to_bytes(DropSectionsV4 { removed, reason, clock_high_water }))
            }
            Self::Replace { added, removed } => {
                let added = added.iter().map(FileV2::from).collect();
                (REPLACE, to_bytes(ReplaceV2 { added, removed: to_ids(removed) }))
            }
            Self::Retention { change, clock_high_water } => {
                let (change, clock_high_water) = (change.into(), *clock_high_water);
                (RETENTION, to_bytes(RetentionV4 { change, clock_high_water }))
            }
            Self::Purge { .. } => (PURGE, edit_purge::encode(self)),
            Self::Evict { .. } => (EVICT, edit_purge::encode_evict(self)),
        }
    }

    /// The edit of these bytes; `None` for a kind or a version that is unknown.
    pub(super) fn decode(kind: u16, version: u16, bytes: &[u8]) -> Option<Result<Self, String>> {
        let mut names = Interner::default();
        let names = &mut names;
        match version {
            1 => return edit_v1::decode(kind, bytes, names),
            2..=EDIT_VERSION => {}
            _ => return None,
        }
        Some(match kind {
            SNAPSHOT if version < RETENTION_VERSION => from_bytes(bytes).and_then(|state| {
                let ledger = (&Ledger::default()).into();
                let state = StateV5::of(StateV4 { state, ledger });
                Self::snapshot(StateV6::of(state), names)
            }),
            SNAPSHOT if version < PURGE_VERSION => from_bytes(bytes)
                .and_then(|state| Self::snapshot(StateV6::of(StateV5::of(state)), names)),
            SNAPSHOT if version < RELEASED_VERSION => {
                from_bytes(bytes).and_then(|state| Self::snapshot(StateV6::of(state), names))
            }
            SNAPSHOT => from_bytes(bytes).and_then(|state| Self::snapshot(state, names)),
            ADD_FILE => from_bytes::<AddFileV2>(bytes).map(|mirror| Self::AddFile {
                file: mirror.file.into_meta(names),
                clock_high_water: mirror.clock_high_water,
            }),
            DROP_SECTIONS if version < RETENTION_VERSION => from_bytes(bytes).map(|mirror| {
                let DropSectionsV2 { file, sections, reason } = mirror;
                let removed = vec![(file.into(), sections)];
                Self::DropSections { removed, reason, clock_high_water: i64::MIN }
            }),
            DROP_SECTIONS => from_bytes(bytes).map(|mirror| {
                let DropSectionsV4 { removed, reason, clock_high_water } = mirror;
                Self::DropSections { removed: from_ids(removed), reason, clock_high_water }
            }),
            REPLACE => from_bytes::<ReplaceV2>(bytes).map(|mirror| {
                let added = mirror.added.into_iter().map(|file| file.into_meta(names)).collect();
                Self::Replace { added, removed: from_ids(mirror.removed) }
            }),
            RETENTION if version >= RETENTION_VERSION => {
                from_bytes::<RetentionV4>(bytes).map(|mirror| Self::Retention {
                    change: mirror.change.into_change(mirror.clock_high_water),
                    clock_high_water: mirror.clock_high_water,
                })
            }
            PURGE if version >= PURGE_VERSION => edit_purge::decode(bytes, names),
            EVICT if version >= PURGE_VERSION => edit_purge::decode_evict(bytes),
            _ => return None,
        })
    }

    fn snapshot(mirror: StateV6, names: &mut Interner) -> Result<Self, String> {
        let StateV6 { state, released } = mirror;
        let StateV5 { state: StateV4 { state: mirror, ledger }, scars, evicted } = state;
        let count = mirror.files.len();
        let files = mirror.files.into_iter().map(|file| Arc::new(file.into_meta(names)));
        let files = files.map(|file| (file.id, file)).collect();
        let tombstones = mirror.tombstones.into_iter().map(|gone| gone.into_tombstone(names));
        let tombstones = tombstones.collect();
        let state = ManifestState {
            store_uuid: mirror.store_uuid,
            incarnation: mirror.incarnation,
            committed_generation: mirror.committed_generation,
            next_seq: mirror.next_seq,
            next_file: mirror.next_file,
            clock_high_water: mirror.clock_high_water,
            tombstones,
            files,
            retention: ledger.into_ledger(released)?,
            scars: edit_purge::from_scars(scars, names)?,
            evicted: evicted.into_iter().map(FileId::from).collect(),
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

pub(super) fn to_ids(removed: &[(FileId, Vec<u64>)]) -> Vec<(IdV2, Vec<u64>)> {
    removed.iter().map(|(id, gone)| ((*id).into(), gone.clone())).collect()
}

pub(super) fn from_ids(removed: Vec<(IdV2, Vec<u64>)>) -> Vec<(FileId, Vec<u64>)> {
    removed.into_iter().map(|(id, gone)| (id.into(), gone)).collect()
}

pub(super) fn to_bytes(mirror: impl Encode) -> Vec<u8> {
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
        let tombstones = state.tombstones.iter().map(TombstoneV2::from);
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

impl From<&Tombstone> for TombstoneV2 {
    fn from(gone: &Tombstone) -> Self {
        let (section, reason) = ((&gone.section).into(), gone.reason.clone());
        Self { file: gone.file.into(), section, reason }
    }
}

impl TombstoneV2 {
    pub(super) fn into_tombstone(self, names: &mut Interner) -> Tombstone {
        let section = self.section.into_meta(names);
        Tombstone { file: self.file.into(), section, reason: self.reason }
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
    pub(super) fn into_meta(self, names: &mut Interner) -> FileMeta {
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
