//! Reads the edits of version 1: files were named by their generation alone, and each section was
//! of one run. A file's time is that of the edit, or that of the snapshot.

use super::edit::{ADD_FILE, DROP_SECTIONS, Edit, Interner, SNAPSHOT, from_bytes};
use super::file::{FileId, FileMeta, Range64, Run, SectionMeta, Tombstone};
use super::state::ManifestState;
use crate::retention::Ledger;
use bincode::Decode;
#[cfg(test)]
use bincode::Encode;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Debug, Decode)]
#[cfg_attr(test, derive(Encode))]
struct StateV1 {
    store_uuid: [u8; 16],
    incarnation: u16,
    committed_generation: Option<u64>,
    next_seq: u64,
    clock_high_water: i64,
    files: Vec<FileV1>,
    tombstones: Vec<TombstoneV1>,
}

#[derive(Debug, Decode)]
#[cfg_attr(test, derive(Encode))]
struct FileV1 {
    generation: u64,
    len: u64,
    first_seq: u64,
    end_seq: u64,
    checksum: Option<[u8; 32]>,
    sections: Vec<SectionV1>,
    columns: Vec<String>,
}

#[derive(Debug, Decode)]
#[cfg_attr(test, derive(Encode))]
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

#[derive(Debug, Decode)]
#[cfg_attr(test, derive(Encode))]
struct TombstoneV1 {
    generation: u64,
    section: SectionV1,
    reason: String,
}

#[derive(Debug, Decode)]
#[cfg_attr(test, derive(Encode))]
struct AddFileV1 {
    file: FileV1,
    clock_high_water: i64,
}

#[derive(Debug, Decode)]
#[cfg_attr(test, derive(Encode))]
struct DropSectionsV1 {
    file: u64,
    sections: Vec<u64>,
    reason: String,
}

/// The edit of these bytes; `None` for a kind that is unknown.
pub(super) fn decode(
    kind: u16,
    bytes: &[u8],
    names: &mut Interner,
) -> Option<Result<Edit, String>> {
    Some(match kind {
        SNAPSHOT => from_bytes::<StateV1>(bytes).and_then(|mirror| snapshot(mirror, names)),
        ADD_FILE => from_bytes::<AddFileV1>(bytes).map(|mirror| Edit::AddFile {
            file: mirror.file.into_meta(mirror.clock_high_water, names),
            clock_high_water: mirror.clock_high_water,
        }),
        DROP_SECTIONS => from_bytes(bytes).map(|mirror| {
            let DropSectionsV1 { file, sections, reason } = mirror;
            let removed = vec![(FileId::LevelZero(file), sections)];
            Edit::DropSections { removed, reason, clock_high_water: i64::MIN }
        }),
        _ => return None,
    })
}

fn snapshot(mirror: StateV1, names: &mut Interner) -> Result<Edit, String> {
    let seqs = generations(&mirror);
    let count = mirror.files.len();
    let created = mirror.clock_high_water;
    let files = mirror.files.into_iter().map(|file| Arc::new(file.into_meta(created, names)));
    let files = files.map(|file| (file.id, file)).collect();
    let tombstones = mirror.tombstones.into_iter().map(|gone| Tombstone {
        file: FileId::LevelZero(gone.generation),
        section: gone.section.into_meta(
            gone.generation,
            seqs.get(&gone.generation).copied().unwrap_or(Range64 { start: 0, end: 0 }),
            names,
        ),
        reason: gone.reason,
    });
    let state = ManifestState {
        store_uuid: mirror.store_uuid,
        incarnation: mirror.incarnation,
        committed_generation: mirror.committed_generation,
        next_seq: mirror.next_seq,
        next_file: 1,
        clock_high_water: mirror.clock_high_water,
        tombstones: tombstones.collect(),
        files,
        retention: Ledger::default(),
        scars: BTreeMap::new(),
        evicted: BTreeSet::new(),
    };
    Edit::checked(state, count)
}

/// The sequence numbers of each generation. One whose file is gone has as many as its sections had
/// events, behind those of the generation before.
fn generations(mirror: &StateV1) -> BTreeMap<u64, Range64> {
    let mut seqs: BTreeMap<u64, Range64> = BTreeMap::new();
    for gone in &mirror.tombstones {
        let range = seqs.entry(gone.generation).or_insert(Range64 { start: 0, end: 0 });
        range.end = range.end.saturating_add(gone.section.rows);
    }
    for file in &mirror.files {
        seqs.insert(file.generation, Range64 { start: file.first_seq, end: file.end_seq });
    }
    let mut end = 1u64;
    for range in seqs.values_mut() {
        if range.start == 0 {
            *range = Range64 { start: end, end: end.saturating_add(range.end) };
        }
        end = range.end;
    }
    seqs
}

impl FileV1 {
    fn into_meta(self, created: i64, names: &mut Interner) -> FileMeta {
        let seqs = Range64 { start: self.first_seq, end: self.end_seq };
        let section = |section: SectionV1| section.into_meta(self.generation, seqs, names);
        FileMeta {
            id: FileId::LevelZero(self.generation),
            len: self.len,
            seqs: self.first_seq..self.end_seq,
            created,
            writes: 1,
            checksum: self.checksum,
            sections: self.sections.into_iter().map(section).collect(),
            columns: self.columns,
        }
    }
}

impl SectionV1 {
    fn into_meta(self, generation: u64, seqs: Range64, names: &mut Interner) -> SectionMeta {
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
            runs: vec![Run { generation, seqs, rows: self.rows, digest: self.run_digest }],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(offset: u64, seqs: std::ops::RangeInclusive<u64>) -> SectionV1 {
        SectionV1 {
            tenant: "default".to_owned(),
            class: "info".to_owned(),
            day: offset as i32,
            offset,
            len: 1,
            blocks: 1,
            rows: seqs.end() - seqs.start() + 1,
            min_ts: 0,
            max_ts: 0,
            min_seq: *seqs.start(),
            max_seq: *seqs.end(),
            levels: 8,
            raw_bytes: 1,
            run_digest: None,
        }
    }

    fn tombstone(generation: u64, section: SectionV1) -> TombstoneV1 {
        TombstoneV1 { generation, section, reason: "expired".to_owned() }
    }

    /// Generations 1 and 4 are gone altogether, 2 in part.
    #[test]
    fn runs_of_dropped_generations_are_counted_out() {
        let file = FileV1 {
            generation: 2,
            len: 90,
            first_seq: 6,
            end_seq: 13,
            checksum: None,
            sections: vec![section(70, 6..=9)],
            columns: Vec::new(),
        };
        let mirror = StateV1 {
            store_uuid: [1; 16],
            incarnation: 3,
            committed_generation: Some(4),
            next_seq: 15,
            clock_high_water: 77,
            files: vec![file],
            tombstones: vec![
                tombstone(1, section(64, 1..=2)),
                tombstone(4, section(64, 13..=14)),
                tombstone(1, section(65, 3..=5)),
                tombstone(2, section(71, 10..=12)),
            ],
        };
        let bytes = bincode::encode_to_vec(mirror, bincode::config::standard()).unwrap();
        let Some(Ok(Edit::Snapshot(state))) = Edit::decode(SNAPSHOT, 1, &bytes) else {
            panic!("a snapshot of version 1");
        };
        assert_eq!(state.check(), Ok(()));
        assert_eq!((state.next_file, state.next_seq), (1, 15));
        let runs = state.tombstones.iter().flat_map(|gone| &gone.section.runs);
        let seqs: Vec<_> = runs.map(|run| (run.generation, run.seqs.start..run.seqs.end)).collect();
        assert_eq!(seqs, [(1, 1..6), (4, 13..15), (1, 1..6), (2, 6..13)]);
        assert_eq!(state.files[&FileId::LevelZero(2)].created, 77);
    }
}
