//! The digests in the manifest are those of the rows in the files, however they got there.

use super::*;
use crate::batch::Rows;
use crate::block;
use crate::manifest::{self, Run};
use crate::proof::digest_of_section;
use proptest::prelude::*;

/// The rows of a run among those of a block.
fn rows_of(rows: &Rows, run: &Run) -> std::ops::Range<usize> {
    let before = |seq: u64| (0..rows.len()).filter(|row| rows.seq(*row).0 < seq).count();
    before(run.seqs.start)..before(run.seqs.end)
}

/// Recomputes the digest of every run from its rows. Returns how many there are.
fn check_digests(engine: &Engine) -> usize {
    let shared = &engine.shared;
    let files = Arc::clone(&shared.state().files);
    let mut checked = 0;
    for live in files.iter() {
        let sections = live.file.sections(&shared.cache).unwrap();
        assert_eq!(sections.len(), live.meta.sections.len());
        for meta in &live.meta.sections {
            let section = sections.iter().find(|section| section.key == meta.partition).unwrap();
            for run in &meta.runs {
                let rows = section.blocks.iter().map(|place| {
                    let rows: Rows = block::decode(&*live.file.block(place, &shared.cache)?)?;
                    let range = rows_of(&rows, run);
                    Ok((rows, range))
                });
                let digest = digest_of_section(&meta.partition, run.generation, rows).unwrap();
                assert_eq!(run.digest, Some(digest), "{}", meta.partition);
                checked += 1;
            }
        }
    }
    checked
}

#[derive(Debug, Clone)]
enum Step {
    Append(usize),
    Flush,
    Compact,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1usize..150).prop_map(Step::Append),
        2 => Just(Step::Flush),
        1 => Just(Step::Compact),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_digest_at_flush_is_that_of_the_rows_in_the_file(steps in steps()) {
        let storage = MemoryStorage::new();
        let mut engine = Engine::open(options(&storage)).unwrap();
        let mut count = 0;
        for step in steps {
            match step {
                Step::Append(size) => {
                    engine.append(batch(count, size)).unwrap();
                    count += size;
                }
                Step::Flush => engine.flush().unwrap(),
                Step::Compact => engine.compact_now().unwrap(),
                Step::Reopen => {
                    drop(engine);
                    engine = Engine::open(options(&storage)).unwrap();
                    check_digests(&engine);
                }
            }
        }
        engine.flush().unwrap();
        prop_assert!(check_digests(&engine) > 0 || count == 0);
        engine.compact_now().unwrap();
        prop_assert!(check_digests(&engine) > 0 || count == 0);
    }
}

/// Every edit names the one before, from one manifest to the next: the last hash names them all.
#[test]
fn the_edits_that_carry_digests_are_chained() {
    let storage = MemoryStorage::new();
    let engine = Engine::open(options(&storage)).unwrap();
    for number in 0..3 {
        engine.append(batch(number * 10, 10)).unwrap();
        engine.flush().unwrap();
    }
    drop(engine);
    let io = options(&storage).io;
    let path = crate::names::manifest(std::path::Path::new("store"), 1);
    let mut edits = 0;
    let contents = manifest::read(&io, &path, |_, _| edits += 1).unwrap();
    assert_eq!(edits, 5, "the store, its rules of retention, and three flushes");
    let digests = contents.state.files.values().flat_map(|file| &file.sections);
    assert!(
        digests.clone().count() > 3
            && digests.clone().all(|s| s.runs.iter().all(|run| run.digest.is_some()))
    );
}
