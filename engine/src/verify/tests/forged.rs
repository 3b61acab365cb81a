//! Changes by somebody who may write the files and knows their form: every checksum is right.

use super::*;
use crate::block::{self, SentenceListBuilder, SharedSentences, Source};
use crate::manifest::{self, Edit, FileMeta, forge};
use crate::segment::{Header, IndexPart, Writer, Written, read_directory};

/// The edits of the current manifest, and where it is.
fn edits(storage: &MemoryStorage) -> (PathBuf, u64, [u8; 32], Vec<Edit>) {
    let (number, path) = chain::newest(&io(storage), Path::new(DIR)).unwrap();
    let mut edits = Vec::new();
    let contents = manifest::read(&io(storage), &path, |_, edit| edits.push(edit.clone())).unwrap();
    (path, number, contents.links.previous, edits)
}

/// Writes a manifest of these edits in the place of the current one.
fn put_edits(storage: &MemoryStorage, change: impl FnOnce(&mut Vec<Edit>)) {
    let store = root(storage).store;
    let (path, number, previous, mut edits) = edits(storage);
    change(&mut edits);
    storage.overwrite(&path, forge(store, number, previous, &edits));
}

/// The files that an edit, a snapshot too, names as new; changed by `change`.
fn each_file(edits: &mut [Edit], mut change: impl FnMut(&mut FileMeta)) {
    for edit in edits {
        match edit {
            Edit::Snapshot(state) => {
                state.files.values_mut().for_each(|file| change(Arc::make_mut(file)));
            }
            Edit::AddFile { file, .. } => change(file),
            Edit::Replace { added, .. } | Edit::Purge { added, .. } => {
                added.iter_mut().for_each(&mut change)
            }
            Edit::DropSections { .. } | Edit::Retention { .. } | Edit::Evict { .. } => {}
        }
    }
}

/// Writes a file of segments again with one byte of a message changed, every checksum made to fit.
/// Returns what the manifest would have said of it.
fn rewrite(storage: &MemoryStorage, path: &Path) -> FileMeta {
    let io = io(storage);
    let file = io.storage.open(path).unwrap();
    let directory = read_directory(&*file, path).unwrap();
    let bytes = storage.read(path).unwrap();
    storage.remove(path).unwrap();
    let header = Header { ..directory.header };
    let mut writer = Writer::begin(&io, Path::new(DIR), &header).unwrap();
    let mut is_done = false;
    for section in directory.sections {
        writer.begin_section(section.key.clone());
        let mut shared = SentenceListBuilder::default();
        let list = section.list.map(|place| {
            let file = io.storage.open(path).unwrap();
            Arc::new(SharedSentences::new(file, path.into(), place))
        });
        for place in &section.blocks {
            let start = place.offset as usize;
            let source = Source::Memory(bytes[start..start + place.meta.len as usize].into());
            let block = block::Block::open(source, &place.meta).unwrap().with_list(list.clone());
            let mut rows = block::decode(&block).unwrap();
            if !std::mem::replace(&mut is_done, true) {
                let message = rows.columns.iter_mut().find(|column| &*column.name == "message");
                let text = &mut message.unwrap().bytes;
                assert!(text.starts_with(b"request"));
                text[0] = b'X';
            }
            let encoded = block::seal(&rows);
            let encoded = match section.index {
                Some(_) => {
                    let bytes: Arc<[u8]> = encoded.bytes.into();
                    let block =
                        block::Block::open(Source::Memory(Arc::clone(&bytes)), &encoded.meta);
                    block::share(&bytes, &block.unwrap(), &[], &mut shared).unwrap()
                }
                None => encoded,
            };
            writer.put_block(&encoded.meta, &encoded.bytes).unwrap();
        }
        let index = section.index.map(|index| IndexPart {
            kind: index.kind,
            version: index.version,
            bytes: bytes[index.offset as usize..(index.offset + index.len) as usize].to_vec(),
        });
        writer.end_section(section.runs, shared.finish().as_ref(), index).unwrap();
    }
    writer.finish(directory.names, Written { at: 0, times: 1 }).unwrap()
}

fn damage(report: &Report) -> Vec<&Finding> {
    let is_damage = |finding: &&Finding| finding.severity == Severity::Damage;
    report.findings.iter().filter(is_damage).collect()
}

/// An event is rewritten in a level-0 file, a pack and a segment with all checksums of the file: the
/// file's hash tells, and the run is named. If the manifest is rewritten, too, the digest of the run
/// tells. If that is rewritten as well, only a root that was kept elsewhere does.
#[test]
fn a_rewritten_event_is_named() {
    for kind in [".l0", ".pack", ".seg"] {
        let storage = store();
        let since = root(&storage);
        let path = named(&storage, kind).remove(0);
        let forged = rewrite(&storage, &path);
        let report = check(&storage, false);
        let found = damage(&report);
        assert!(found.iter().all(|finding| finding.file == path), "{kind}: {found:?}");
        assert!(
            found.iter().any(|finding| finding.what.starts_with("run of")),
            "{kind}: {found:?}"
        );
        let run = found.iter().find(|finding| finding.what.starts_with("run of"));
        let events = run.and_then(|run| run.events.as_ref()).expect("the run, and its events");
        assert!(events.partition.contains("default"), "{events:?}");

        // The manifest names the forged file; the sections' lengths are what they are now.
        let mut digests = Vec::new();
        put_edits(&storage, |edits| {
            each_file(edits, |file| {
                if file.id == forged.id {
                    digests.extend(file.sections.iter().map(|section| section.runs.clone()));
                    *file =
                        FileMeta { created: file.created, writes: file.writes, ..forged.clone() };
                }
            });
        });
        assert_eq!(damage(&check(&storage, false)), Vec::<&Finding>::new(), "{kind}: not quickly");
        let report = check(&storage, true);
        let found = damage(&report);
        assert!(
            found.iter().any(|finding| finding.what.starts_with("run of")),
            "{kind}: {found:?}"
        );

        let options = VerifyOptions { deep: false, since: Some(since) };
        let report = check_with(&storage, &options);
        assert!(damage(&report).iter().any(|finding| finding.what == "root"), "{kind}");
    }
}

/// A digest that is rewritten with its events leaves nothing in the store that contradicts: what was
/// noted elsewhere does.
#[test]
fn a_rewritten_digest_is_found_by_the_root_alone() {
    let storage = store();
    let since = root(&storage);
    put_edits(&storage, |edits| {
        each_file(edits, |file| {
            for run in file.sections.iter_mut().flat_map(|section| &mut section.runs) {
                run.digest = None;
            }
        });
    });
    let options = VerifyOptions { deep: false, since: Some(since) };
    let report = check_with(&storage, &options);
    let found: Vec<_> = damage(&report).iter().map(|finding| &*finding.what).collect();
    // The edit's hash, and the runs. The directories of the files still have the digests.
    assert_eq!(found.iter().filter(|what| **what == "root").count(), 2, "{found:?}");
}

#[test]
fn swapped_files_are_named() {
    let storage = store();
    let engine = open(&storage);
    engine.append(batch(7_000, 30, Level::Info)).unwrap();
    engine.flush().unwrap();
    drop(engine);
    let paths = named(&storage, ".l0");
    let [a, b, ..] = &paths[..] else { panic!("two level-0 files") };
    let (first, second) = (storage.read(a).unwrap(), storage.read(b).unwrap());
    storage.overwrite(a, second);
    storage.overwrite(b, first);
    let report = check(&storage, false);
    for path in [a, b] {
        let is_it = |finding: &&Finding| finding.file == *path && finding.what == "segment header";
        assert!(report.findings.iter().any(|finding| is_it(&finding)), "{:?}", report.findings);
    }
}

/// A file of another store in the place of one, and beside them.
#[test]
fn a_foreign_file_is_named() {
    let storage = store();
    let path = named(&storage, ".l0").remove(0);
    let mut bytes = storage.read(&path).unwrap();
    bytes[16] ^= 1;
    let crc = crc32fast::hash(&bytes[..60]);
    bytes[60..64].copy_from_slice(&crc.to_le_bytes());
    let beside = Path::new("store/segments/00000000000000ff.l0");
    storage.overwrite(beside, bytes);
    let report = check(&storage, false);
    let [finding] = &damage(&report)[..] else { panic!("{:?}", report.findings) };
    assert_eq!((&*finding.file, &*finding.what), (beside, "surplus file"));
}

/// Edits that are dropped, inserted or changed, with a chain that fits again.
#[test]
fn a_changed_history_is_not_the_one_of_the_root() {
    let storage = store();
    let engine = open(&storage);
    engine.append(batch(7_000, 30, Level::Info)).unwrap();
    engine.flush().unwrap();
    drop(engine);
    let since = root(&storage);
    let (_, _, _, all) = edits(&storage);
    assert!(all.len() > 1, "{} edits", all.len());
    let check_since = |storage: &MemoryStorage| {
        let options = VerifyOptions { deep: false, since: Some(since.clone()) };
        check_with(storage, &options)
    };
    assert_eq!(check_since(&storage).findings, []);

    // The last edit never was: its events are missing, and the root's edit is none of the chain.
    let dropped = copy(&storage);
    put_edits(&dropped, |edits| drop(edits.pop()));
    let report = check_since(&dropped);
    assert!(damage(&report).iter().any(|finding| finding.what == "root"), "{report:?}");

    // A drop of sections is inserted before the end: those who read the chain alone see nothing.
    let inserted = copy(&storage);
    put_edits(&inserted, |edits| {
        let Some(Edit::AddFile { file, .. }) = edits.last() else { panic!("a flush was last") };
        let removed = vec![(file.id, vec![file.sections[0].offset])];
        let reason = "of no importance".to_owned();
        edits.push(Edit::DropSections { removed, reason, clock_high_water: 0 });
    });
    assert_eq!(damage(&check(&inserted, true)), Vec::<&Finding>::new());
    // It is a lawful end of the same chain: a root of before can't tell. One of after can.
    assert_eq!(damage(&check_since(&inserted)), Vec::<&Finding>::new());
    let later = VerifyOptions { deep: false, since: Some(root(&inserted)) };
    let report = check_with(&storage, &later);
    assert!(damage(&report).iter().any(|finding| finding.what == "root"), "{report:?}");

    // In the middle it moves the root's edit.
    let moved = copy(&storage);
    put_edits(&moved, |edits| {
        let Some(Edit::AddFile { file, .. }) = edits.last() else { panic!("a flush was last") };
        let mut twin = file.clone();
        twin.created += 1;
        let last = edits.len() - 1;
        edits[last] = Edit::AddFile { file: twin, clock_high_water: 0 };
    });
    let report = check_since(&moved);
    assert!(damage(&report).iter().any(|finding| finding.what == "root"), "{report:?}");
}

/// The manifest of last week: its events are there, those since are not.
#[test]
fn a_manifest_that_is_rolled_back_is_named() {
    let storage = store();
    let old = copy(&storage);
    let engine = open(&storage);
    for round in 0..8 {
        engine.append(batch(8_000 + round * 50, 30, Level::Info)).unwrap();
        engine.flush().unwrap();
    }
    engine.compact_now().unwrap();
    engine.close().unwrap();
    let since = root(&storage);
    let (_, newest) = chain::newest(&io(&storage), Path::new(DIR)).unwrap();
    let (number, path) = chain::newest(&io(&old), Path::new(DIR)).unwrap();
    storage.remove(&newest).unwrap();
    storage.overwrite(&path, old.read(&path).unwrap());
    let report = check(&storage, false);
    let is_ahead = |finding: &Finding| finding.found.contains("and links of");
    assert!(report.findings.iter().any(is_ahead), "{:?}", report.findings);

    // Whoever removes the links as well is betrayed by the files, and by any root of since.
    for path in named(&storage, "CHAIN-") {
        if path > crate::names::chain(Path::new(DIR), number - 1) {
            storage.remove(&path).unwrap();
        }
    }
    let report = check(&storage, false);
    assert_eq!(report.severity(), Some(Severity::Damage), "{:?}", report.findings);
    let report = check_with(&storage, &VerifyOptions { deep: false, since: Some(since) });
    let is_root = |finding: &Finding| finding.what == "root" && finding.found.contains("ends at");
    assert!(report.findings.iter().any(is_root), "{:?}", report.findings);
}

/// The links of an old manifest are rewritten, or those of another history are put there.
#[test]
fn links_that_do_not_meet_are_named() {
    let storage = store();
    let path = named(&storage, "CHAIN-").remove(0);
    let mut bytes = storage.read(&path).unwrap();
    bytes[80] ^= 1;
    let end = bytes.len() - 4;
    let crc = crc32fast::hash(&bytes[..end]);
    bytes[end..].copy_from_slice(&crc.to_le_bytes());
    storage.overwrite(&path, bytes);
    let report = check(&storage, false);
    let [finding] = &damage(&report)[..] else { panic!("{:?}", report.findings) };
    assert_eq!((&*finding.file, &*finding.what), (&*path, "chain"));
}
