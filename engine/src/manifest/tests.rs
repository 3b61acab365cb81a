mod chain;
mod ledger;
mod plain;
mod replace;
mod wiped;

use super::*;
use crate::error::{Error, ErrorKind, Result};
use crate::io::{
    Entropy, Fault, FaultyStorage, Io, ManualClock, MemoryStorage, SeededEntropy, Storage,
};
use crate::limits::Limits;
use crate::names;
use crate::partition::PartitionKey;
use crate::retention::{Change, Policy};
use crate::timestamp::{Day, Timestamp};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

pub(super) const DIR: &str = "/store";

pub(super) fn io(storage: impl Storage + 'static, seed: u64) -> Io {
    Io {
        storage: Arc::new(storage),
        clock: Arc::new(ManualClock::new(Timestamp(1_700_000_000_000_000_000))),
        entropy: Arc::new(SeededEntropy::new(seed)),
    }
}

fn open(io: &Io) -> Result<Manifest> {
    Manifest::open_or_create(io, Path::new(DIR), &Limits::tiny())
}

/// The edit that adds the next generation, with these many events in each section.
fn add(state: &ManifestState, rows: &[u64]) -> Edit {
    let generation = state.committed_generation.unwrap_or(0) + 1;
    let first = state.next_seq;
    let end = first + rows.iter().sum::<u64>();
    let sections = rows.iter().enumerate().map(|(index, rows)| SectionMeta {
        partition: PartitionKey {
            tenant: "default".into(),
            class: ["info", "error"][index % 2].into(),
            day: Day(19_675 + index as i32),
        },
        offset: 4_096 + 1_000 * index as u64,
        len: 900,
        blocks: 1,
        rows: *rows,
        min_ts: -5,
        max_ts: generation as i64,
        min_seq: first,
        max_seq: end - 1,
        levels: 0b1000,
        raw_bytes: 100 * rows,
        runs: vec![Run {
            generation,
            seqs: (first..end).into(),
            rows: *rows,
            digest: (index % 2 == 0).then_some([index as u8; 32]),
        }],
    });
    let file = FileMeta {
        id: FileId::LevelZero(generation),
        len: 100_000,
        seqs: first..end,
        created: 7 * generation as i64,
        writes: 1,
        checksum: None,
        sections: sections.collect(),
        columns: vec!["message".to_owned(), "a\\.b".to_owned()],
    };
    Edit::AddFile { file, clock_high_water: 7 * generation as i64 }
}

/// The edit that drops every second section of the oldest file.
fn drop_oldest(state: &ManifestState) -> Option<Edit> {
    let (file, meta) = state.files.first_key_value()?;
    let sections = meta.sections.iter().step_by(2).map(|section| section.offset).collect();
    let (removed, clock_high_water) = (vec![(*file, sections)], state.clock_high_water + 1);
    Some(Edit::DropSections { removed, reason: "expired".to_owned(), clock_high_water })
}

/// The edit that moves every second section of the oldest files into a pack: sections of the same
/// partition are one there.
fn pack_oldest(state: &ManifestState) -> Option<Edit> {
    let mut by_partition: BTreeMap<PartitionKey, Vec<&SectionMeta>> = BTreeMap::new();
    let mut removed = Vec::new();
    for (id, file) in state.files.iter().take(3) {
        let gone: Vec<_> = file.sections.iter().rev().step_by(2).collect();
        removed.push((*id, gone.iter().map(|section| section.offset).collect()));
        for section in gone {
            by_partition.entry(section.partition.clone()).or_default().push(section);
        }
    }
    let file = packed(state.next_file, by_partition.values());
    Some(Edit::Replace { added: vec![file?], removed })
}

/// A pack with a section for each of these lists of sections.
fn packed<'a>(
    number: u64,
    partitions: impl Iterator<Item = &'a Vec<&'a SectionMeta>>,
) -> Option<FileMeta> {
    let sections = partitions.zip(0..).map(|(gone, index)| {
        let mut runs: Vec<Run> = gone.iter().flat_map(|section| section.runs.clone()).collect();
        runs.sort_unstable();
        SectionMeta {
            offset: 64 + 1_000 * index,
            rows: gone.iter().map(|section| section.rows).sum(),
            min_seq: gone.iter().map(|section| section.min_seq).min().unwrap(),
            max_seq: gone.iter().map(|section| section.max_seq).max().unwrap(),
            runs,
            ..gone[0].clone()
        }
    });
    let sections: Vec<_> = sections.collect();
    let seqs =
        sections.iter().map(|s| s.min_seq).min()?..sections.iter().map(|s| s.max_seq).max()? + 1;
    Some(FileMeta {
        id: FileId::Pack(number),
        len: 100_000,
        seqs,
        created: 1,
        writes: 2,
        checksum: Some([9; 32]),
        sections,
        columns: Vec::new(),
    })
}

/// The `index`-th edit of a life.
fn edit(state: &ManifestState, index: u64) -> Edit {
    match drop_oldest(state) {
        Some(edit) if index % 3 == 2 => edit,
        Some(_) if index % 5 == 3 => pack_oldest(state).expect("there are files"),
        _ => add(state, &vec![1 + index; 1 + (index as usize * 7) % 40]),
    }
}

/// Commits edits; returns every state that was current, and how many of them are acknowledged.
fn live(io: &Io, edits: u64, states: &mut Vec<ManifestState>, acked: &mut usize) -> Result<()> {
    let mut manifest = open(io)?;
    states.push(manifest.state().clone());
    *acked = states.len();
    for index in 0..edits {
        if index == edits / 2 {
            manifest = open(io)?;
        }
        let edit = edit(manifest.state(), index);
        let mut next = manifest.state().clone();
        next.apply(edit.clone());
        next.check().unwrap();
        states.push(next);
        manifest.commit(edit)?;
        assert_eq!(Some(manifest.state()), states.last());
        *acked = states.len();
    }
    Ok(())
}

/// Opens a copy of the disk, and again after a power cut right behind that.
fn check(disk: &MemoryStorage, states: &[ManifestState], acked: usize) {
    let found = open(&io(disk.clone(), 77)).unwrap();
    let state = found.state().clone();
    if acked > 0 {
        let place = states.iter().position(|known| *known == state).expect("a state of its life");
        assert!(place + 1 >= acked, "an acknowledged edit is lost");
    }
    let again = open(&io(disk.power_cut(), 78)).unwrap();
    assert_eq!(*again.state(), state, "what opening gave out is lost");
    assert_eq!(again.hash(), found.hash());
}

fn coin(seed: u64, one_in: u64) -> impl FnMut() -> bool {
    let entropy = SeededEntropy::new(seed);
    move || entropy.next_u64().is_multiple_of(one_in)
}

#[test]
fn edits_come_back_through_several_manifests() {
    let disk = MemoryStorage::new();
    let (mut states, mut acked) = (Vec::new(), 0);
    live(&io(disk.clone(), 1), 20, &mut states, &mut acked).unwrap();
    assert_eq!(acked, 21);
    check(&disk, &states, acked);
    let mut names = disk.list(Path::new(DIR)).unwrap();
    names.retain(|name| !name.starts_with("CHAIN"));
    assert_eq!(names.len(), 1, "{names:?}");
    assert!(!disk.paths().contains(&names::manifest(Path::new(DIR), 1)), "{names:?}");
    let last = states.last().unwrap();
    assert!(!last.tombstones.is_empty());
    assert!(last.clock_high_water > 7);
}

#[test]
fn a_new_store_has_an_identity_of_its_own() {
    let first = open(&io(MemoryStorage::new(), 1)).unwrap();
    let second = open(&io(MemoryStorage::new(), 2)).unwrap();
    assert_ne!(first.state().store_uuid, second.state().store_uuid);
    assert_ne!(first.state().incarnation, 0);
    assert_eq!(first.state().next_seq, 1);
    assert_eq!(first.state().committed_generation, None);
}

#[test]
fn a_crash_at_any_step_loses_no_acknowledged_edit() {
    for step in 0.. {
        let disk = MemoryStorage::new();
        let faulty = FaultyStorage::new(disk.clone());
        faulty.fail(step, Fault::Halt);
        let (mut states, mut acked) = (Vec::new(), 0);
        let result = live(&io(faulty.clone(), 1), 12, &mut states, &mut acked);
        assert_eq!(result.is_err(), faulty.halted(), "step {step}: {result:?}");
        check(&disk.power_cut(), &states, acked);
        for seed in 0..8 {
            check(&disk.crash(coin(seed << 32 | step, 2)), &states, acked);
        }
        check(&disk, &states, acked);
        if result.is_ok() {
            assert!(step > 40, "the life has more steps than {step}");
            break;
        }
    }
}

#[test]
fn a_full_disk_refuses_an_edit_and_a_failed_sync_closes() {
    let (mut refused, mut closed) = (0, 0);
    for step in 0.. {
        let disk = MemoryStorage::new();
        let faulty = FaultyStorage::new(disk.clone());
        let mut manifest = open(&io(faulty.clone(), 1)).unwrap();
        let before = faulty.operations();
        faulty.fail(step, Fault::Error(std::io::ErrorKind::StorageFull));
        let mut states = vec![manifest.state().clone()];
        let mut acked = 1;
        for index in 0..8 {
            let edit = edit(manifest.state(), index);
            let mut next = manifest.state().clone();
            next.apply(edit.clone());
            match manifest.commit(edit) {
                Ok(()) => {
                    assert_eq!(states.len(), acked, "a closed manifest takes no edit");
                    states.push(next);
                    acked = states.len();
                }
                Err(error) => {
                    assert_eq!(*manifest.state(), states[acked - 1]);
                    if error.kind() != ErrorKind::Closed {
                        refused += 1;
                    } else if states.len() == acked {
                        // This one may be found, none of those that are refused from now on.
                        closed += 1;
                        states.push(next);
                    }
                }
            }
        }
        check(&disk.crash(coin(step, 2)), &states, acked);
        check(&disk, &states, acked);
        if faulty.operations() - before <= step {
            break;
        }
    }
    assert!(refused > 5 && closed > 5, "{refused} refused, {closed} closed");
}

/// A disk on which no file can be made or grow.
#[derive(Debug)]
struct NoRoom(MemoryStorage);

impl Storage for NoRoom {
    fn create_dir_all(&self, path: &Path) -> std::io::Result<()> {
        self.0.create_dir_all(path)
    }
    fn create(&self, _: &Path) -> std::io::Result<Arc<dyn crate::io::File>> {
        Err(std::io::ErrorKind::StorageFull.into())
    }
    fn open(&self, path: &Path) -> std::io::Result<Arc<dyn crate::io::File>> {
        self.0.open(path)
    }
    fn open_for_write(&self, path: &Path) -> std::io::Result<Arc<dyn crate::io::File>> {
        self.0.open_for_write(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove(&self, path: &Path) -> std::io::Result<()> {
        self.0.remove(path)
    }
    fn list(&self, dir: &Path) -> std::io::Result<Vec<String>> {
        self.0.list(dir)
    }
    fn sync_dir(&self, dir: &Path) -> std::io::Result<()> {
        self.0.sync_dir(dir)
    }
    fn space(&self, dir: &Path) -> std::io::Result<crate::io::Space> {
        self.0.space(dir)
    }
    fn lock(&self, path: &Path) -> std::io::Result<Box<dyn crate::io::Lock>> {
        self.0.lock(path)
    }
}

#[test]
fn dropping_works_on_a_full_disk() {
    let disk = MemoryStorage::new();
    let mut manifest = open(&io(disk.clone(), 1)).unwrap();
    for _ in 0..3 {
        manifest.commit(add(manifest.state(), &[5, 5, 5])).unwrap();
    }
    let path = manifest_path(&disk);
    let len = disk.read(&path).unwrap().len();
    let full = io(NoRoom(disk.clone()), 2);
    let mut manifest = open(&full).unwrap();
    for _ in 0..3 {
        manifest.commit(drop_oldest(manifest.state()).unwrap()).unwrap();
    }
    assert_eq!(disk.read(&path).unwrap().len(), len, "an edit grew the file");
    assert_eq!(open(&io(disk, 3)).unwrap().state(), manifest.state());
}

fn manifest_path(disk: &MemoryStorage) -> std::path::PathBuf {
    disk.paths().into_iter().find(|path| path.to_string_lossy().contains("MANIFEST")).unwrap()
}

#[test]
fn damage_is_refused_unless_it_may_be_a_tear() {
    let disk = MemoryStorage::new();
    let mut manifest = open(&io(disk.clone(), 1)).unwrap();
    for _ in 0..3 {
        manifest.commit(add(manifest.state(), &[5, 5])).unwrap();
    }
    let before = manifest.state().clone();
    manifest.commit(add(manifest.state(), &[5, 5])).unwrap();
    let after = manifest.state().clone();
    let path = manifest_path(&disk);
    let len = disk.read(&path).unwrap().len();
    let mut torn = 0;
    for at in (0..len).step_by(23) {
        let copy = disk.power_cut();
        let mut bytes = copy.read(&path).unwrap();
        bytes[at] ^= 0x10;
        copy.overwrite(&path, bytes);
        match open(&io(copy, 9)) {
            Ok(found) if *found.state() == after => {}
            Ok(found) => {
                assert_eq!(*found.state(), before);
                torn += 1;
            }
            Err(error) => assert_eq!(error.corruption().expect("Corrupt").file, path, "{error}"),
        }
    }
    assert!(torn > 3, "the last edit alone can be taken for a tear");
}

#[test]
fn files_without_a_manifest_are_no_new_store() {
    let disk = MemoryStorage::new();
    disk.create_dir_all(&names::segments_dir(Path::new(DIR))).unwrap();
    disk.create(&names::level_zero(Path::new(DIR), 3)).unwrap();
    let error = open(&io(disk, 1)).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("0000000000000003.l0"), "{error}");
}

#[test]
fn an_edit_of_another_version_is_named() {
    let disk = MemoryStorage::new();
    let manifest = open(&io(disk.clone(), 1)).unwrap();
    let path = manifest_path(&disk);
    drop(manifest);
    let io = io(disk.clone(), 2);
    let contents = read(&io, &path, |_, _| {}).unwrap();
    for (kind, version) in [(9, 1), (2, 7), (5, 3), (6, 4)] {
        let seed = contents.header.seed();
        let body = [1, 2, 3];
        let body_crc = crate::codec::crc::crc32(seed, &[&body]);
        let previous = contents.hash;
        let header =
            format::EditHeader { kind, version, number: 2, body_len: 3, body_crc, previous };
        contents.file.write_all_at(&header.frame(&body, seed), contents.end).unwrap();
        let error = read(&io, &path, |_, _| {}).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let wanted = format!("kind {kind} version {version}");
        assert!(error.to_string().contains(&wanted), "{error}");
    }
}

#[test]
fn a_chain_that_is_broken_is_refused() {
    let disk = MemoryStorage::new();
    let mut manifest = open(&io(disk.clone(), 1)).unwrap();
    manifest.commit(add(manifest.state(), &[5])).unwrap();
    let path = manifest_path(&disk);
    let io = io(disk, 2);
    let contents = read(&io, &path, |_, _| {}).unwrap();
    let seed = contents.header.seed();
    let (kind, body) = add(manifest.state(), &[5]).encode();
    let header = format::EditHeader {
        kind,
        version: edit::EDIT_VERSION,
        number: 3,
        body_len: body.len() as u32,
        body_crc: crate::codec::crc::crc32(seed, &[&body]),
        previous: [1; 32],
    };
    contents.file.write_all_at(&header.frame(&body, seed), contents.end).unwrap();
    let error: Error = read(&io, &path, |_, _| {}).map(|_| ()).unwrap_err();
    assert_eq!(error.corruption().unwrap().offset, contents.end, "{error}");
}

#[test]
#[should_panic(expected = "M3")]
fn sections_that_do_not_add_up_are_not_committed() {
    let mut manifest = open(&io(MemoryStorage::new(), 1)).unwrap();
    let Edit::AddFile { mut file, clock_high_water } = add(manifest.state(), &[5, 5]) else {
        unreachable!()
    };
    file.sections[0].rows -= 1;
    let _ = manifest.commit(Edit::AddFile { file, clock_high_water });
}

proptest! {
    #[test]
    fn any_edit_comes_back(sizes in prop::collection::vec(prop::collection::vec(1u64..50, 1..9), 1..9)) {
        let mut state = ManifestState::new([3; 16], 9, -4);
        for rows in &sizes {
            let edit = add(&state, rows);
            prop_assert_eq!(state.check_edit(&edit), Ok(()));
            state.apply(edit.clone());
            let (kind, bytes) = edit.encode();
            prop_assert_eq!(Edit::decode(kind, edit::EDIT_VERSION, &bytes), Some(Ok(edit)));
        }
        for edit in [drop_oldest, pack_oldest].iter().filter_map(|edit| edit(&state)).collect::<Vec<_>>() {
            if state.check_edit(&edit).is_err() {
                continue; // The drop took the last section.
            }
            let (kind, bytes) = edit.encode();
            prop_assert_eq!(Edit::decode(kind, edit::EDIT_VERSION, &bytes), Some(Ok(edit.clone())));
            state.apply(edit);
        }
        let snapshot = Edit::Snapshot(state);
        let (kind, bytes) = snapshot.encode();
        prop_assert_eq!(Edit::decode(kind, edit::EDIT_VERSION, &bytes), Some(Ok(snapshot)));
    }

    #[test]
    fn any_bytes_give_no_panic(
        kind in 0u16..8,
        version in 0u16..8,
        noise: Vec<u8>,
        at: prop::sample::Index,
        value: u8,
    ) {
        let _ = Edit::decode(kind, version, &noise);
        let mut state = ManifestState::new([3; 16], 9, -4);
        state.apply(add(&state.clone(), &[3, 4]));
        let pack = pack_oldest(&state).expect("a file");
        let change = Change::Classes(Policy::default().rules().to_vec());
        let rules = Edit::Retention { change, clock_high_water: 1 };
        for edit in [Edit::Snapshot(state.clone()), add(&state, &[1, 2]), pack, rules] {
            let (kind, mut bytes) = edit.encode();
            let at = at.index(bytes.len());
            bytes[at] = value;
            if let Some(Ok(edit)) = Edit::decode(kind, edit::EDIT_VERSION, &bytes) {
                let _ = state.check_edit(&edit);
            }
        }
    }
}
