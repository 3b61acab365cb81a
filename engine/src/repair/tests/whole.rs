//! Every kind of file, damaged everywhere.

use super::*;
use crate::block::{Block, Source};
use crate::segment;

fn sorted(seqs: &[u64]) -> Vec<u64> {
    let mut seqs = seqs.to_vec();
    seqs.sort_unstable();
    seqs
}

/// The numbers of the events whose bytes are at a place of a file of segments: none of an index, a filter,
/// a header or a directory.
fn seqs_at(storage: &MemoryStorage, path: &Path, at: usize) -> Vec<u64> {
    let file = storage.open(path).expect("is there");
    let directory = segment::read_directory(&*file, path).expect("sound");
    let at = at as u64;
    for place in directory.sections.iter().flat_map(|section| &section.blocks) {
        let (file, path, offset) = (Arc::clone(&file), path.into(), place.offset);
        let block = Block::open(Source::File { file, path, offset }, &place.meta).expect("sound");
        let filter = block.other_parts()[5].1;
        if (offset..offset + u64::from(place.meta.len - filter)).contains(&at) {
            return block.seqs().expect("sound").all().expect("sound").to_vec();
        }
    }
    Vec::new()
}

#[test]
fn whatever_is_damaged_the_rest_serves_and_the_report_says_what_is_lost() {
    let storage = store();
    let before = events(&copy_of(&storage)).expect("sound");
    assert_eq!(before.len(), 4 * 440 + 240 + 160 + 40 + 80);
    let since = root(&storage);
    let (mut lossy, mut harmless) = (0, 0);
    for part in [".l0", ".seg", ".pack"] {
        let paths = named(&storage, part);
        assert!(!paths.is_empty(), "{part}");
        for path in paths {
            for harm in harms(&storage, &path, 12) {
                let what = format!("{} {harm:?}", path.display());
                let damaged = super::harm(&storage, &path, harm);
                let outcome = check(&damaged, &before, &what);
                check_told(&outcome, &what);
                let error = &outcome.done.damages[0].error;
                assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
                // What is dropped and what is left is still what the root is about.
                assert_eq!(faults(&damaged, Some(&since)), [] as [&str; 0], "{what}");
                // A section that has moved is not missed.
                match (harm, outcome.missing.is_empty()) {
                    (_, true) => harmless += 1,
                    (Harm::Longer, false) => panic!("{what}"),
                    (Harm::Flipped(at), false) => {
                        assert_eq!(
                            sorted(&outcome.missing),
                            seqs_at(&storage, &path, at),
                            "{what}"
                        );
                        lossy += 1;
                    }
                    _ => lossy += 1,
                }
            }
        }
    }
    assert!(lossy > 20 && harmless > 20, "{lossy} cost events, {harmless} did not");
}

#[test]
fn what_is_sound_behind_damage_of_the_log_stays() {
    let storage = store();
    let before = events(&copy_of(&storage)).expect("sound");
    let paths = named(&storage, ".wal");
    assert!(paths.len() > 1, "{paths:?}");
    let (mut moved, mut tears) = (0, 0);
    let last = before.keys().map(|id| seq_of(id)).max().expect("events");
    for path in paths {
        for harm in harms(&storage, &path, 40) {
            let what = format!("{} {harm:?}", path.display());
            let damaged = super::harm(&storage, &path, harm);
            let outcome = check(&damaged, &before, &what);
            if outcome.done.damages.is_empty() {
                // The end of the log may be a tear: `docs/durability.md`, what remains ambiguous.
                let of_last = |seq: &u64| *seq > last - BATCH as u64;
                assert!(outcome.missing.iter().all(of_last), "{what}");
                tears += 1;
                continue;
            }
            check_told(&outcome, &what);
            if let Harm::Flipped(at) = harm {
                let missing = outcome.missing.len();
                let most = if at < 4_096 { 0 } else { BATCH };
                assert!(missing <= most, "{what}: one group, not {missing} events");
            }
            moved += usize::from(outcome.done.damages[0].remedy.contains("level-0"));
        }
    }
    assert!(moved > 10 && tears > 0, "{moved} moved, {tears} tears");
}

/// Keys are remembered as far as they can be read.
#[test]
fn keys_of_a_log_that_is_moved_are_kept() {
    let storage = store();
    let path = &named(&storage, ".wal")[0];
    let damaged = harm(&storage, path, Harm::Flipped(8_192 + 90));
    let done = mend(&damaged, false).expect("repaired");
    assert!(done.damages[0].remedy.contains("level-0"), "{}", done.damages[0]);
    let engine = open(&damaged);
    assert!(!append_once(&engine, "first", 20_000));
    assert!(!append_once(&engine, "second", 20_100));
    assert!(append_once(&engine, "third", 20_200));
    engine.close().expect("closed");
}

#[test]
fn a_damaged_file_of_keys_is_written_anew() {
    let storage = store();
    let before = events(&copy_of(&storage)).expect("sound");
    for path in named(&storage, ".keys") {
        for harm in harms(&storage, &path, 40) {
            // No list says which generations have one.
            if let Harm::Removed = harm {
                continue;
            }
            let what = format!("{} {harm:?}", path.display());
            let outcome = check(&super::harm(&storage, &path, harm), &before, &what);
            assert_eq!((outcome.missing.len(), outcome.done.damages.len()), (0, 1), "{what}");
        }
    }
}

/// A manifest costs no event, whatever is damaged in it: the files tell what they hold.
#[test]
fn a_damaged_manifest_is_written_anew() {
    let storage = store();
    let before = events(&copy_of(&storage)).expect("sound");
    let [path] = &named(&storage, "MANIFEST")[..] else { panic!("one manifest") };
    let mut harms = harms(&storage, path, 20);
    // Headers of the edits and their bodies.
    let edits = (4_096..used(&storage, path)).step_by(4_096);
    harms.extend(edits.flat_map(|at| [at, at + 30, at + 70].map(Harm::Flipped)));
    let (mut mended, mut unchanged) = (0, 0);
    for harm in harms {
        let what = format!("{harm:?}");
        let damaged = super::harm(&storage, path, harm);
        let is_refused = Engine::open(options(&copy_of(&damaged))).is_err();
        let outcome = check(&damaged, &before, &what);
        assert_eq!(outcome.missing, [] as [u64; 0], "{what}");
        check_told(&outcome, &what);
        // The rest is padding, or room for edits to come.
        assert!(!is_refused || !outcome.done.damages.is_empty(), "{what}");
        match outcome.done.damages.len() {
            0 => unchanged += 1,
            _ => mended += 1,
        }
        assert_eq!(outcome.after.len(), before.len());
    }
    assert!(mended > 10 && unchanged > 0, "{mended}, {unchanged}");
}

/// A root that was noted before the damage holds; one behind it is refused.
#[test]
fn roots_hold_as_far_as_the_chain_does() {
    let storage = MemoryStorage::new();
    let engine = open(&storage);
    let mut roots = Vec::new();
    for round in 0..3 {
        append(&engine, round * BATCH..(round + 1) * BATCH);
        engine.flush().expect("flushed");
        roots.push(root(&storage));
    }
    engine.close().expect("closed");
    let [path] = &named(&storage, "MANIFEST")[..] else { panic!("one manifest") };
    // The second of three added files, behind the rules of retention.
    let damaged = harm(&storage, path, Harm::Flipped(4 * 4_096 + 80));
    let done = mend(&damaged, false).expect("repaired");
    assert!(done.damages[0].remedy.contains("edit 3 of manifest 1"), "{}", done.damages[0]);
    assert_eq!(faults(&damaged, None), [] as [&str; 0]);
    assert_eq!(faults(&damaged, Some(&roots[0])), [] as [&str; 0]);
    for root in &roots[1..] {
        assert!(!faults(&damaged, Some(root)).is_empty());
    }
    // Without any of it the chain begins anew.
    let removed = harm(&storage, path, Harm::Removed);
    let done = mend(&removed, false).expect("repaired");
    assert!(done.damages[0].remedy.contains("begins anew"), "{}", done.damages[0]);
    assert_eq!(faults(&removed, None), [] as [&str; 0]);
    assert!(!faults(&removed, Some(&roots[0])).is_empty());
}

#[test]
fn what_is_no_store_is_refused() {
    let storage = MemoryStorage::new();
    storage.create_dir_all(Path::new(DIR)).expect("made");
    let error = mend(&storage, false).expect_err("no store");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(storage.paths().is_empty());
}

/// Links are a proof that can't be made again: that is said, and verify goes on saying it.
#[test]
fn damaged_links_are_told_and_stay() {
    let storage = store();
    let path = &named(&storage, "CHAIN")[0];
    let damaged = harm(&storage, path, Harm::Flipped(80));
    let done = mend(&damaged, false).expect("looked at");
    assert_eq!(done.damages.len(), 1);
    assert!(done.set_aside.is_none() && done.damages[0].remedy.starts_with("nothing"));
    assert!(!faults(&damaged, None).is_empty());
}

/// Several places of several files, overwritten with anything: the store serves what is left, each event
/// once and as it was, and verifies.
#[test]
fn any_bytes_in_several_files_are_mended() {
    use crate::io::Entropy as _;
    let storage = store();
    let before = events(&copy_of(&storage)).expect("sound");
    let kinds = ["MANIFEST", ".l0", ".seg", ".pack", ".keys", ".wal"];
    let paths: Vec<PathBuf> = kinds.iter().flat_map(|kind| named(&storage, kind)).collect();
    let rounds =
        std::env::var("LOGSTRATA_REPAIR_ROUNDS").map_or(24, |n| n.parse().expect("a number"));
    for round in 0..rounds {
        let entropy = SeededEntropy::new(round);
        let below = |bound: usize| (entropy.next_u64() % bound as u64) as usize;
        let damaged = copy_of(&storage);
        let mut what = format!("round {round}:");
        for _ in 0..2 + round % 3 {
            let path = &paths[below(paths.len())];
            let mut bytes = damaged.read(path).expect("is there");
            let used = bytes.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 1);
            let start = below(used);
            let end = (start + 1 + below(200)).min(bytes.len());
            entropy.fill(&mut bytes[start..end]);
            damaged.overwrite(path, bytes);
            what += &format!(" {} {start}..{end}", path.display());
        }
        let outcome = check(&damaged, &before, &what);
        assert!(outcome.after.len() * 2 > before.len(), "{what}: {}", outcome.after.len());
    }
}
