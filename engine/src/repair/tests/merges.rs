//! Stores whose last merge or flush did not end, and then lose their manifest or a file.

use super::*;
use crate::io::{Fault, FaultyStorage, Place, Rule};

/// Opens a copy of a store and runs `work` on it, cut off after each number of operations; the state that
/// a power cut leaves then. What is done behind an opening may be done before or within `work`: only the
/// operations of both have an order that can be counted.
fn cut_everywhere(
    storage: &MemoryStorage,
    work: impl Fn(&Engine) -> Result<()>,
    mut each: impl FnMut(u64, MemoryStorage),
) {
    for step in 0.. {
        let copy = copy_of(storage);
        let faulty = FaultyStorage::new(copy.clone());
        let mut options = options(&copy);
        options.io.storage = Arc::new(faulty.clone());
        // Files that wait to become the log are made by a thread of their own: counted with the others,
        // its steps would move these from life to life, and some would never be cut off.
        let place = Place::Without("free-".to_owned());
        faulty.inject(Rule { op: None, place, skip: step, times: 1, fault: Fault::Halt });
        let done = Engine::open(options).and_then(|engine| work(&engine));
        each(step, copy.crash(|| true));
        if done.is_ok() && !faulty.halted() {
            assert!(step > 5, "{step} operations");
            break;
        }
    }
}

/// Level-0 files and packs, and no log that matters.
fn young() -> MemoryStorage {
    let storage = MemoryStorage::new();
    let engine = open(&storage);
    append(&engine, 0..400);
    engine.flush().expect("flushed");
    append(&engine, 400..600);
    engine.flush().expect("flushed");
    engine.close().expect("closed");
    storage
}

#[test]
fn a_merge_that_was_cut_off_doubles_nothing_without_its_manifest() {
    let storage = young();
    let before = events(&copy_of(&storage)).expect("sound");
    let (mut outputs, mut sources) = (0, 0);
    cut_everywhere(
        &storage,
        |engine| engine.compact_now(),
        |step, left| {
            let there = named(&left, "segments/").len();
            let merged = named(&left, ".seg").len() + named(&left, ".pack").len();
            let is_both = there > merged && merged > 0;
            outputs += usize::from(is_both);
            sources += usize::from(merged == 0);
            // One of them at each step.
            let harms = [Harm::Removed, Harm::Flipped(20), Harm::Flipped(4_096 + 80)];
            let harm = harms[step as usize % 3];
            let manifests = named(&left, "MANIFEST");
            let path = manifests.last().expect("a manifest");
            let what = format!("step {step}, {harm:?}");
            let outcome = check(&super::harm(&left, path, harm), &before, &what);
            assert_eq!(outcome.missing, [] as [u64; 0], "{what}");
        },
    );
    assert!(outputs > 3 && sources > 3, "{outputs} with both, {sources} with sources alone");
}

/// What one of them has lost, the other still has.
#[test]
fn a_merge_that_was_cut_off_helps_with_damage() {
    let storage = young();
    let before = events(&copy_of(&storage)).expect("sound");
    let mut helped = 0;
    cut_everywhere(
        &storage,
        |engine| engine.compact_now(),
        |step, left| {
            let merged = [named(&left, ".seg"), named(&left, ".pack")].concat();
            for path in named(&left, ".l0") {
                let what = format!("step {step}, {}", path.display());
                let harm = Harm::Flipped(used(&left, &path) / 3);
                let outcome = check(&super::harm(&left, &path, harm), &before, &what);
                check_told(&outcome, &what);
                helped += usize::from(outcome.missing.is_empty() && merged.len() == 1);
            }
        },
    );
    assert!(helped > 0);
}

#[test]
fn a_flush_that_was_cut_off_doubles_nothing_without_its_manifest() {
    let storage = young();
    let engine = open(&storage);
    assert!(append_once(&engine, "one", 5_000));
    append(&engine, 600..800);
    engine.close().expect("closed");
    let before = events(&copy_of(&storage)).expect("sound");
    let mut files = 0;
    cut_everywhere(
        &storage,
        |engine| engine.flush(),
        |step, left| {
            files += usize::from(named(&left, ".l0").len() == 3);
            let harms = [Harm::Removed, Harm::Flipped(4_096 + 80)];
            let harm = harms[step as usize % 2];
            let manifests = named(&left, "MANIFEST");
            let path = manifests.last().expect("a manifest");
            let what = format!("step {step}, {harm:?}");
            let damaged = super::harm(&left, path, harm);
            let outcome = check(&damaged, &before, &what);
            assert_eq!(outcome.missing, [] as [u64; 0], "{what}");
        },
    );
    assert!(files > 3, "{files} with the file");
}

/// A file whose edit was never written, or is torn, gives back what the log has lost.
#[test]
fn a_flush_that_was_cut_off_helps_with_a_damaged_log() {
    let storage = young();
    let engine = open(&storage);
    append(&engine, 600..800);
    engine.close().expect("closed");
    let before = events(&copy_of(&storage)).expect("sound");
    let mut helped = 0;
    cut_everywhere(
        &storage,
        |engine| engine.flush(),
        |step, left| {
            let logs = named(&left, ".wal");
            let Some(path) = logs.iter().find(|path| used(&left, path) > 12_000) else { return };
            let what = format!("step {step}, {}", path.display());
            let outcome = check(&harm(&left, path, Harm::Flipped(8_192 + 90)), &before, &what);
            check_told(&outcome, &what);
            let has_file = named(&left, ".l0").len() == 3;
            assert!(!has_file || outcome.missing.is_empty(), "{what}");
            helped += usize::from(has_file);
        },
    );
    assert!(helped > 0);
}

/// What the log gives then has the name of the file that is set aside.
#[test]
fn a_flush_that_was_cut_off_and_its_log_are_both_damaged() {
    let storage = young();
    let engine = open(&storage);
    append(&engine, 600..800);
    engine.close().expect("closed");
    let before = events(&copy_of(&storage)).expect("sound");
    let mut both = 0;
    cut_everywhere(
        &storage,
        |engine| engine.flush(),
        |step, left| {
            let (logs, files) = (named(&left, ".wal"), named(&left, ".l0"));
            let log = logs.iter().find(|path| used(&left, path) > 12_000);
            let (Some(log), [_, _, file]) = (log, &files[..]) else { return };
            let damaged = harm(&left, log, Harm::Flipped(8_192 + 90));
            let damaged = harm(&damaged, file, Harm::Flipped(used(&left, file) / 3));
            let what = format!("step {step}");
            let outcome = check(&damaged, &before, &what);
            assert!(outcome.missing.len() <= BATCH, "{what}: {}", outcome.missing.len());
            both += 1;
        },
    );
    assert!(both > 0);
}

/// The last edit of a manifest may be taken for one that was never acknowledged. If it was, the files
/// tell.
#[test]
fn a_torn_edit_that_counted_is_found_in_the_files() {
    let storage = young();
    let before = events(&copy_of(&storage)).expect("sound");
    let last_edit = |storage: &MemoryStorage| {
        let [path] = &named(storage, "MANIFEST")[..] else { panic!("one manifest") };
        let bytes = storage.read(path).expect("is there");
        let mut edits =
            (4_096..bytes.len()).step_by(4_096).filter(|at| bytes[*at..].starts_with(b"LSED"));
        (path.clone(), edits.next_back().expect("edits"))
    };
    let compacted = copy_of(&storage);
    let engine = open(&compacted);
    engine.compact_now().expect("compacted");
    engine.close().expect("closed");
    for storage in [storage, compacted] {
        let (path, at) = last_edit(&storage);
        let damaged = harm(&storage, &path, Harm::Flipped(at + 70));
        let outcome = check(&damaged, &before, "the last edit");
        assert_eq!(outcome.missing, [] as [u64; 0]);
    }
}

/// What was dropped stays dropped as far as the manifest can be read, and is told if it can't.
#[test]
fn sections_that_were_dropped_may_come_back_only_without_the_edit() {
    let storage = store();
    let before = events(&copy_of(&storage)).expect("sound");
    let path = &named(&storage, ".seg")[0];
    let damaged = harm(&storage, path, Harm::Removed);
    let first = mend(&damaged, false).expect("repaired");
    let after = events(&damaged).expect("serves");
    let lost = before.len() - after.len();
    assert!(lost > 0 && first.damages[0].lost.len() == 1, "{}", first.damages[0]);
    // The file comes back from somewhere: the manifest knows that it is gone.
    damaged.overwrite(path, storage.read(path).expect("is there"));
    let engine = open(&damaged);
    append(&engine, 40_000..40_000 + BATCH);
    engine.flush().expect("flushed");
    engine.close().expect("closed");
    damaged.overwrite(path, storage.read(path).expect("is there"));
    let [manifest] = &named(&damaged, "MANIFEST")[..] else { panic!("one manifest") };
    let known = harm(&damaged, manifest, Harm::Flipped(used(&damaged, manifest) - 1));
    mend(&known, false).expect("repaired");
    assert_eq!(events(&known).expect("serves").len(), after.len() + BATCH);
    let unknown = harm(&damaged, manifest, Harm::Removed);
    let done = mend(&unknown, false).expect("repaired");
    assert!(done.damages[0].to_string().contains("may be there again"), "{}", done.damages[0]);
    assert_eq!(events(&unknown).expect("serves").len(), before.len() + BATCH);
    assert_eq!(faults(&unknown, None), [] as [&str; 0]);
}
