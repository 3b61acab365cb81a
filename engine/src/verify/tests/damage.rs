//! Every byte of every kind of file, changed: found and named, or known not to matter.

use super::*;
use crate::manifest;

/// Every how many bytes one is changed; `LOGSTRATA_DAMAGE_STRIDE=1` takes all of them.
fn stride() -> usize {
    let set = std::env::var("LOGSTRATA_DAMAGE_STRIDE").ok();
    set.and_then(|stride| stride.parse().ok()).unwrap_or(61)
}

/// The bytes of a file that matter, and from where on they are those of the last group or edit,
/// which nothing follows: damage there looks as a crash does.
fn matters(storage: &MemoryStorage, path: &Path) -> (Vec<(usize, usize)>, usize) {
    let bytes = storage.read(path).unwrap();
    let name = path.to_string_lossy().into_owned();
    if name.contains("MANIFEST") {
        let (mut ranges, mut places) = (vec![(0, 52)], Vec::new());
        manifest::read(&io(storage), path, |at, _| places.push(at as usize)).unwrap();
        for at in &places {
            let body = u32::from_le_bytes(bytes[at + 16..at + 20].try_into().unwrap());
            ranges.push((*at, at + 64 + body as usize));
        }
        (ranges, *places.last().unwrap())
    } else if name.ends_with(".wal") {
        let (mut ranges, mut at, mut last) = (vec![(0, 76)], 4_096, 4_096);
        while bytes[at..].starts_with(b"LSGROUP") {
            let body = u32::from_le_bytes(bytes[at + 36..at + 40].try_into().unwrap()) as usize;
            ranges.push((at, at + 64 + body));
            last = at;
            at = (at + 64 + body).next_multiple_of(4_096);
        }
        (ranges, last)
    } else {
        (vec![(0, bytes.len())], bytes.len())
    }
}

/// What came of changing bytes of one kind of file.
#[derive(Debug, Default)]
struct Outcome {
    changed: usize,
    /// Named as damage.
    damage: usize,
    /// Named as what a crash could have left; all of them in the last group or edit.
    doubt: usize,
    /// Not found, in the last group or edit.
    last: usize,
    /// Not found: padding, reserved bytes, room that is not used.
    unused: usize,
}

fn campaign(storage: &MemoryStorage, path: &Path) -> Outcome {
    let bytes = storage.read(path).unwrap();
    let (ranges, last) = matters(storage, path);
    let mut outcome = Outcome::default();
    for at in (0..bytes.len()).step_by(stride()) {
        let does_matter = ranges.iter().any(|(start, end)| (*start..*end).contains(&at));
        // Room for what is to come has thousands of equal pages.
        if !does_matter && at % 7 > 0 {
            continue;
        }
        let damaged = copy(storage);
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        damaged.overwrite(path, changed);
        let report = check(&damaged, false);
        outcome.changed += 1;
        let place = format!("{} byte {at}", path.display());
        match report.severity() {
            Some(Severity::Damage) => {
                outcome.damage += 1;
                let is_here = |finding: &Finding| finding.file == path;
                assert!(report.findings.iter().any(is_here) || at >= last, "{place}: {report:?}");
            }
            Some(Severity::Note) if does_matter && at >= last => outcome.doubt += 1,
            None if does_matter && at >= last => outcome.last += 1,
            None if !does_matter => outcome.unused += 1,
            other => panic!("{place}: {other:?}, {:?}", report.findings),
        }
    }
    outcome
}

#[test]
fn every_changed_byte_is_named_or_does_not_matter() {
    let storage = store();
    for part in ["MANIFEST", "CHAIN", ".l0", ".seg", ".pack", ".keys", ".wal"] {
        let mut sum = Outcome::default();
        for path in &named(&storage, part) {
            if path.to_string_lossy().contains("free-") {
                continue;
            }
            let one = campaign(&storage, path);
            sum.changed += one.changed;
            sum.damage += one.damage;
            sum.doubt += one.doubt;
            sum.last += one.last;
            sum.unused += one.unused;
        }
        println!("{part}: {sum:?}");
        assert!(sum.damage > 0, "{part}");
        if !["MANIFEST", ".wal"].contains(&part) {
            assert_eq!(sum.changed, sum.damage, "{part}: every byte matters");
        }
    }
}

/// A missing, a cut and a longer file of each kind is named.
#[test]
fn a_file_that_is_missing_cut_or_longer_is_named() {
    let storage = store();
    for part in ["MANIFEST", "CHAIN", ".l0", ".seg", ".pack", ".keys", ".wal"] {
        for path in named(&storage, part) {
            if path.to_string_lossy().contains("free-") {
                continue;
            }
            let bytes = storage.read(&path).unwrap();
            let is_named = |change: &dyn Fn(&MemoryStorage)| {
                let damaged = copy(&storage);
                change(&damaged);
                let report = check(&damaged, false);
                let at = report.findings.iter().find(|finding| finding.file == path);
                (report.severity() == Some(Severity::Damage), at.is_some(), report.findings)
            };
            let missing = is_named(&|storage| storage.remove(&path).unwrap());
            // A generation without keys has no file, and no list says which have one.
            assert_eq!(missing.0, part != ".keys", "{}: {:?}", path.display(), missing.2);
            assert!(missing.1 || [".keys", "MANIFEST"].contains(&part), "{:?}", missing.2);
            let cut = bytes[..bytes.len() / 2 / 4_096 * 4_096].to_vec();
            let cut = if cut.is_empty() { bytes[..bytes.len() - 1].to_vec() } else { cut };
            let is_room = cut.len() >= 4_096 && bytes[cut.len()..].iter().all(|byte| *byte == 0);
            let found = is_named(&|storage| storage.overwrite(&path, cut.clone()));
            // Without its last edits a manifest is a whole one: the files contradict it.
            let is_here = found.1 || part == "MANIFEST";
            // Nothing says how long a log is: its last groups may never have been written.
            let is_room = is_room || part == ".wal";
            assert!(found.0 && is_here || is_room, "{} cut: {:?}", path.display(), found.2);
            let longer = [&bytes[..], b"x"].concat();
            let found = is_named(&|storage| storage.overwrite(&path, longer.clone()));
            let has_room = ["MANIFEST", ".wal"].contains(&part);
            assert!(found.0 && found.1 || has_room, "{} longer: {:?}", path.display(), found.2);
        }
    }
}

/// Any bytes in the place of a file: an outcome, never a panic, and never a sound store.
#[test]
fn foreign_bytes_are_no_panic() {
    let storage = store();
    let entropy = SeededEntropy::new(5);
    use crate::io::Entropy as _;
    for path in storage.paths() {
        let name = path.to_string_lossy().into_owned();
        if name.contains("free-") || name.ends_with("LOCK") {
            continue;
        }
        for round in 0..6 {
            let mut bytes = storage.read(&path).unwrap();
            match round {
                0 => bytes.clear(),
                1 => bytes.fill(0),
                2 => bytes.fill(0xff),
                _ => {
                    let start = entropy.next_u64() as usize % bytes.len();
                    let end = (start + 64).min(bytes.len());
                    entropy.fill(&mut bytes[start..end]);
                }
            }
            let damaged = copy(&storage);
            damaged.overwrite(&path, bytes);
            let report = check(&damaged, true);
            assert!(round > 2 || report.severity() == Some(Severity::Damage), "{name} {round}");
        }
    }
}
