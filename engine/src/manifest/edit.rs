//! The edits of the manifest, and their bytes: bincode of structs that are private to this file,
//! so that the state can change without its form on disk.

use super::state::{FileMeta, ManifestState, SectionMeta, Tombstone};
use crate::limits::MANIFEST_EDIT_BYTES_MAX;
use crate::partition::PartitionKey;
use crate::timestamp::Day;
use bincode::{Decode, Encode};

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
        /// The generation that names the file.
        file: u64,
        /// The offsets that name the sections.
        sections: Vec<u64>,
        /// Why, for people.
        reason: String,
    },
}

/// What the kinds of edits are called on disk. Zero is reserved.
pub(super) const SNAPSHOT: u16 = 1;
/// See [`SNAPSHOT`].
pub(super) const ADD_FILE: u16 = 2;
/// See [`SNAPSHOT`].
pub(super) const DROP_SECTIONS: u16 = 3;
/// The version of all kinds of edits that this code writes.
pub(super) const EDIT_VERSION: u16 = 1;

#[derive(Debug, Encode, Decode)]
struct StateV1 {
    store_uuid: [u8; 16],
    incarnation: u16,
    committed_generation: Option<u64>,
    next_seq: u64,
    clock_high_water: i64,
    files: Vec<FileV1>,
    tombstones: Vec<TombstoneV1>,
}

#[derive(Debug, Encode, Decode)]
struct FileV1 {
    generation: u64,
    len: u64,
    first_seq: u64,
    end_seq: u64,
    checksum: Option<[u8; 32]>,
    sections: Vec<SectionV1>,
    columns: Vec<String>,
}

#[derive(Debug, Encode, Decode)]
struct SectionV1 {
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
    run_digest: Option<[u8; 32]>,
}

#[derive(Debug, Encode, Decode)]
struct TombstoneV1 {
    generation: u64,
    section: SectionV1,
    reason: String,
}

#[derive(Debug, Encode, Decode)]
struct AddFileV1 {
    file: FileV1,
    clock_high_water: i64,
}

#[derive(Debug, Encode, Decode)]
struct DropSectionsV1 {
    file: u64,
    sections: Vec<u64>,
    reason: String,
}

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<MANIFEST_EDIT_BYTES_MAX>()
}

impl Edit {
    /// The kind and the bytes of the edit.
    pub(super) fn encode(&self) -> (u16, Vec<u8>) {
        match self {
            Self::Snapshot(state) => (SNAPSHOT, to_bytes(StateV1::from(state))),
            Self::AddFile { file, clock_high_water } => {
                let mirror = AddFileV1 { file: file.into(), clock_high_water: *clock_high_water };
                (ADD_FILE, to_bytes(mirror))
            }
            Self::DropSections { file, sections, reason } => {
                let (sections, reason) = (sections.clone(), reason.clone());
                (DROP_SECTIONS, to_bytes(DropSectionsV1 { file: *file, sections, reason }))
            }
        }
    }

    /// The edit of these bytes; `None` for a kind that is unknown.
    pub(super) fn decode(kind: u16, bytes: &[u8]) -> Option<Result<Self, String>> {
        Some(match kind {
            SNAPSHOT => from_bytes::<StateV1>(bytes).and_then(Self::snapshot),
            ADD_FILE => from_bytes::<AddFileV1>(bytes).map(|mirror| Self::AddFile {
                file: mirror.file.into(),
                clock_high_water: mirror.clock_high_water,
            }),
            DROP_SECTIONS => from_bytes(bytes).map(|mirror| {
                let DropSectionsV1 { file, sections, reason } = mirror;
                Self::DropSections { file, sections, reason }
            }),
            _ => return None,
        })
    }

    fn snapshot(mirror: StateV1) -> Result<Self, String> {
        let count = mirror.files.len();
        let files = mirror.files.into_iter().map(|file| (file.generation, file.into()));
        let state = ManifestState {
            store_uuid: mirror.store_uuid,
            incarnation: mirror.incarnation,
            committed_generation: mirror.committed_generation,
            next_seq: mirror.next_seq,
            clock_high_water: mirror.clock_high_water,
            files: files.collect(),
            tombstones: mirror.tombstones.into_iter().map(Tombstone::from).collect(),
        };
        if state.files.len() != count {
            return Err("a file twice".to_owned());
        }
        state.check()?;
        Ok(Self::Snapshot(state))
    }
}

fn to_bytes(mirror: impl Encode) -> Vec<u8> {
    bincode::encode_to_vec(mirror, config()).expect("encoding to memory fails for no value of ours")
}

fn from_bytes<T: Decode<()>>(bytes: &[u8]) -> Result<T, String> {
    match bincode::decode_from_slice(bytes, config()) {
        Ok((mirror, used)) if used == bytes.len() => Ok(mirror),
        Ok((_, used)) => Err(format!("{} bytes behind the edit", bytes.len() - used)),
        Err(error) => Err(error.to_string()),
    }
}

impl From<&ManifestState> for StateV1 {
    fn from(state: &ManifestState) -> Self {
        Self {
            store_uuid: state.store_uuid,
            incarnation: state.incarnation,
            committed_generation: state.committed_generation,
            next_seq: state.next_seq,
            clock_high_water: state.clock_high_water,
            files: state.files.values().map(FileV1::from).collect(),
            tombstones: state.tombstones.iter().map(TombstoneV1::from).collect(),
        }
    }
}

impl From<&FileMeta> for FileV1 {
    fn from(file: &FileMeta) -> Self {
        Self {
            generation: file.generation,
            len: file.len,
            first_seq: file.seqs.start,
            end_seq: file.seqs.end,
            checksum: file.checksum,
            sections: file.sections.iter().map(SectionV1::from).collect(),
            columns: file.columns.clone(),
        }
    }
}

impl From<FileV1> for FileMeta {
    fn from(file: FileV1) -> Self {
        Self {
            generation: file.generation,
            len: file.len,
            seqs: file.first_seq..file.end_seq,
            checksum: file.checksum,
            sections: file.sections.into_iter().map(SectionMeta::from).collect(),
            columns: file.columns,
        }
    }
}

impl From<&SectionMeta> for SectionV1 {
    fn from(section: &SectionMeta) -> Self {
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
            run_digest: section.run_digest,
        }
    }
}

impl From<SectionV1> for SectionMeta {
    fn from(section: SectionV1) -> Self {
        let (tenant, class) = (section.tenant.into(), section.class.into());
        Self {
            partition: PartitionKey { tenant, class, day: Day(section.day) },
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
            run_digest: section.run_digest,
        }
    }
}

impl From<&Tombstone> for TombstoneV1 {
    fn from(gone: &Tombstone) -> Self {
        let (section, reason) = (SectionV1::from(&gone.section), gone.reason.clone());
        Self { generation: gone.generation, section, reason }
    }
}

impl From<TombstoneV1> for Tombstone {
    fn from(gone: TombstoneV1) -> Self {
        Self { generation: gone.generation, section: gone.section.into(), reason: gone.reason }
    }
}
