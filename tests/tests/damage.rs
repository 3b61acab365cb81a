//! A file of each kind that is missing, cut off or changed by a bit, under the real binary: what is
//! sound is served, what is damaged is told by file, offset, expected and found, and a repair sets
//! it aside and says which events that costs: exactly those that are missing then.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "damages files on purpose"
)]

use logstrata_tests::http;
use logstrata_tests::server::{Server, run};
use logstrata_tests::truth::{Known, Truth, found};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Files stay what they are: nothing is compacted unless it is asked for.
const SETTINGS: [(&str, &str); 1] = [("LOGSTRATA_COMPACTION", "false")];
/// A partition in which nothing is stored before the damage.
const FRESH: (&str, &str) = ("2024-03-20", "warn");
/// A batch with a key, of a partition that nobody asks for.
const KEYED: &[u8] = br#"{"level":"debug","timestamp":"2024-03-10T00:00:00Z"}"#;
/// So many edits with long lists of names fill a manifest.
const NAMED_FILES: usize = 260;

/// What is done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Harm {
    Missing,
    /// To half of what is used of it.
    Truncated,
    /// A bit of the byte at this offset.
    Flipped(u64),
}

/// What a case has shown.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    /// The server did not open the store.
    refused: bool,
    /// A partition could not be read.
    failed: bool,
    /// `verify` found it.
    verified: bool,
    /// Events are missing after the repair.
    lost: usize,
}

fn post(server: &Server, path: &str) {
    let answer = server.post(path, "text/plain", b"");
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
}

/// Makes a store with each kind of file; returns its events.
fn write(dir: &Path) -> Truth {
    let mut truth = Truth::default();
    let server = Server::start_with(dir, &SETTINGS);
    // Edits with many names: a second manifest is begun, and the links of the first are kept.
    for number in 0..NAMED_FILES {
        let name = |n| format!(",\"n{number:03}-{n:02}-{}\":1", "x".repeat(230));
        let names: String = (0..60).map(name).collect();
        truth.store(&server, ("2024-03-01", "info"), 1, 0, &names);
        post(&server, "/api/v1/admin/flush");
    }
    // A partition of several blocks with an index, and small ones beside it.
    let once = [("Idempotency-Key", "once"), ("Content-Type", "application/x-ndjson")];
    let answer = http::request_with(server.address(), "POST", "/api/v1/logs", &once, KEYED);
    assert_eq!(answer.expect("answered").status, 200);
    for _ in 0..4 {
        truth.store(&server, ("2024-03-10", "info"), 8_500, 128, "");
        truth.store(&server, ("2024-03-10", "error"), 300, 16, "");
        truth.store(&server, ("2024-03-11", "info"), 300, 16, "");
    }
    post(&server, "/api/v1/admin/flush");
    post(&server, "/api/v1/admin/compact");
    truth.store(&server, ("2024-03-12", "info"), 400, 16, "");
    truth.store(&server, ("2024-03-13", "error"), 300, 16, "");
    post(&server, "/api/v1/admin/flush");
    for _ in 0..5 {
        truth.store(&server, ("2024-03-14", "info"), 50, 16, "");
        truth.store(&server, ("2024-03-15", "info"), 50, 16, "");
    }
    let (status, said) = server.stop();
    assert!(status.success(), "{said}");
    truth
}

/// Every file below `dir`, by its path there.
fn files(dir: &Path) -> BTreeMap<String, PathBuf> {
    let mut files = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(dir).expect("below").to_str().expect("UTF-8");
                files.insert(name.to_owned(), path);
            }
        }
    }
    files
}

/// The largest file of each kind.
fn one_of_each_kind(dir: &Path) -> BTreeMap<String, PathBuf> {
    let mut kinds = BTreeMap::new();
    for (name, path) in files(dir) {
        let base = name.rsplit('/').next().expect("a name");
        let kind = match base.rsplit_once('.') {
            _ if base.starts_with("free-") => "free".to_owned(),
            Some((_, kind)) => kind.to_owned(),
            None => base.split('-').next().expect("a name").to_owned(),
        };
        let len = |path: &PathBuf| fs::metadata(path).expect("is there").len();
        let larger = kinds.get(&kind).is_none_or(|other| len(&path) > len(other));
        if larger && kind != "LOCK" {
            kinds.insert(kind, path);
        }
    }
    kinds
}

/// The bytes of a file that are used: a log has room behind its groups, other files may have zeros.
fn used(path: &Path) -> u64 {
    if path.extension().is_some_and(|kind| kind == "wal") {
        let shown = inspect(path);
        let end = shown.lines().find_map(|line| line.split_once(" groups end at byte "));
        let end = end.map(|(_, end)| end.split(' ').next().expect("a number").parse());
        if let Some(end) = end {
            return end.expect("a number");
        }
    }
    let bytes = fs::read(path).expect("readable");
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1)
}

fn inspect(path: &Path) -> String {
    let shown = run(&["inspect", path.to_str().expect("UTF-8")]);
    String::from_utf8(shown.stdout).expect("UTF-8")
}

/// Places in a file that are worth a flipped bit.
fn places(kind: &str, path: &Path) -> Vec<u64> {
    let used = used(path);
    match kind {
        "free" => vec![used / 2],
        "wal" => {
            // Its header, the first group with records, and one in the middle; others are behind.
            let bytes = fs::read(path).expect("readable");
            let groups = (4_096..used as usize).step_by(4_096);
            let with_records = |at: &usize| bytes[at + 32..at + 36] != [0; 4];
            let groups: Vec<usize> = groups.filter(with_records).collect();
            vec![9, groups[0] as u64 + 100, groups[groups.len() / 2] as u64 + 10]
        }
        "MANIFEST" => vec![9, 4_096 + 80, used / 2],
        "seg" => vec![9, used / 3, index_of(path), used - 20],
        _ => vec![9, used / 3, used - 20],
    }
}

/// A place in the index of a segment: behind its last block.
fn index_of(path: &Path) -> u64 {
    let shown = inspect(path);
    assert!(shown.contains("  index of "), "the segment has an index: {shown}");
    let block = shown.lines().rfind(|line| line.starts_with("  block at ")).expect("a block");
    let numbers: Vec<u64> =
        block.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
    let [at, _rows, bytes, ..] = numbers[..] else { panic!("{block}") };
    at + bytes + (used(path) - at - bytes) / 2
}

fn harm(path: &Path, harm: Harm) {
    match harm {
        Harm::Missing => fs::remove_file(path).expect("removed"),
        Harm::Truncated => {
            let file = fs::OpenOptions::new().write(true).open(path).expect("opened");
            file.set_len(used(path) / 2).expect("cut off");
        }
        Harm::Flipped(at) => {
            let mut bytes = fs::read(path).expect("readable");
            bytes[at as usize] ^= 0x10;
            fs::write(path, bytes).expect("written");
        }
    }
}

/// A damaged copy of a store.
struct Case<'a> {
    truth: &'a Truth,
    dir: PathBuf,
    file: PathBuf,
    what: String,
    seen: Seen,
}

impl Case<'_> {
    /// What a message calls the file: of a manifest that is not there nobody may know the number.
    fn name(&self, harm: Harm) -> String {
        match base(&self.file) {
            name if name.starts_with("MANIFEST") && harm == Harm::Missing => "MANIFEST-".into(),
            name => name,
        }
    }

    /// Panics unless the text names the damaged file, and the place if there can be one.
    fn check_named(&self, text: &str, harm: Harm) {
        let name = self.name(harm);
        assert!(text.contains(&name), "{}: {name} is not named: {text}", self.what);
        if harm != Harm::Missing {
            for part in ["offset", "expected", "found"] {
                assert!(text.contains(part), "{}: no {part}: {text}", self.what);
            }
        }
    }

    /// The server refuses the store with a good reason, or serves what is sound and goes on.
    fn serve(&mut self, harm: Harm) {
        let server = match Server::try_start(&self.dir, &SETTINGS) {
            Ok(server) => server,
            Err((status, said)) => {
                assert_eq!(status.code(), Some(1), "{}: {said}", self.what);
                assert!(!said.contains("panicked"), "{}: {said}", self.what);
                self.check_named(&said, harm);
                self.seen.refused = true;
                return;
            }
        };
        let mut sound = 0;
        for partition in self.truth.partitions() {
            match found(&server, partition) {
                Ok(found) => {
                    assert_eq!(found, self.truth.of(partition), "{} {partition:?}", self.what);
                    sound += 1;
                }
                Err(answer) => {
                    assert_eq!(answer.status, 500, "{}: {}", self.what, answer.body);
                    self.check_named(&answer.body, harm);
                    self.seen.failed = true;
                }
            }
        }
        assert!(sound >= 2, "{}: other partitions go on", self.what);
        Truth::default().store(&server, FRESH, 10, 0, "");
        assert_eq!(found(&server, FRESH).expect("served").len(), 10, "{}", self.what);
        post(&server, "/api/v1/admin/flush");
        assert_eq!(server.get("/readyz", &[]).status, 200, "{}", self.what);
        let (status, said) = server.stop();
        assert!(status.success() && !said.contains("panicked"), "{}: {said}", self.what);
    }

    fn run(&self, arguments: &[&str]) -> (i32, String) {
        let dir = self.dir.to_str().expect("UTF-8");
        let output = run(&[&[arguments[0], dir], &arguments[1..]].concat());
        let out = String::from_utf8_lossy(&output.stdout);
        let text = format!("{out}{}", String::from_utf8_lossy(&output.stderr));
        assert!(!text.contains("panicked"), "{}: {text}", self.what);
        (output.status.code().expect("it exits"), text)
    }

    /// `verify` names the file, if it says that anything is damaged.
    fn verify(&mut self, harm: Harm) {
        let (status, said) = self.run(&["verify"]);
        self.seen.verified = status == 1;
        if status == 1 {
            assert!(said.contains(&self.name(harm)), "{}: {said}", self.what);
            assert!(said.contains("expected") && said.contains("found"), "{}: {said}", self.what);
        } else {
            assert_eq!(status, 0, "{}: {said}", self.what);
        }
    }

    /// Repairs; then all is found that the report does not name, and nothing that it does.
    fn repair(&mut self) {
        let damaged = fs::read(&self.file).ok();
        let before = lengths(&self.dir);
        let (status, report) = self.run(&["repair", "--json"]);
        if status != 0 {
            assert!(report.contains("error: "), "{}: {report}", self.what);
            assert_eq!(lengths(&self.dir), before, "{}: nothing was changed", self.what);
            assert_eq!(fs::read(&self.file).ok(), damaged, "{}: nothing was changed", self.what);
            return;
        }
        let report: Value = serde_json::from_str(&report).expect("JSON");
        let aside = report["set_aside"].as_str().map(PathBuf::from);
        let copies = aside.as_deref().map(lengths).unwrap_or_default();
        let after = lengths(&self.dir);
        for (name, len) in before {
            let stays = after.get(&name).is_some_and(|now| *now >= len);
            let copy = copies.contains_key(name.rsplit('/').next().expect("a name"));
            assert!(stays || copy, "{}: {name} is neither there nor set aside", self.what);
        }
        let missing = self.missing(&Server::start_with(&self.dir, &SETTINGS));
        self.seen.lost = missing.len();
        assert_eq!(missing, self.reported(&report), "{}: {report}", self.what);
        if let Some(aside) = aside {
            let text = fs::read_to_string(aside.join("REPORT")).expect("a report");
            assert!(text.contains(&base(&self.file)), "{}: {text}", self.what);
            if !missing.is_empty() && damaged.is_some() {
                let copy = fs::read(aside.join(base(&self.file))).ok();
                assert!(copy == damaged, "{}: the damaged file is set aside as it was", self.what);
            }
        }
        // Damaged links alone can't be made again: verify goes on to name them.
        let (status, said) = self.run(&["verify", "--deep"]);
        let is_of_links = base(&self.file).starts_with("CHAIN");
        assert_eq!(status, i32::from(is_of_links), "{}: {said}", self.what);
    }

    /// The events that are not found; all that is known is served.
    fn missing(&self, server: &Server) -> BTreeSet<usize> {
        let mut missing = BTreeSet::new();
        for partition in self.truth.partitions() {
            let found = found(server, partition).unwrap_or_else(|answer| {
                panic!("{}: {partition:?} after the repair: {}", self.what, answer.body)
            });
            let known = self.truth.of(partition);
            assert!(found.is_subset(&known), "{}: {partition:?}", self.what);
            missing.extend(known.difference(&found));
        }
        if !self.seen.refused {
            assert_eq!(found(server, FRESH).expect("served").len(), 10, "{}", self.what);
        }
        missing
    }

    /// The events that the report says are lost.
    fn reported(&self, report: &Value) -> BTreeSet<usize> {
        let mut reported = BTreeSet::new();
        for lost in damages(report).flat_map(|damage| damage["lost"].as_array().expect("a list")) {
            let first = lost["first_seq"].as_u64().expect("a number");
            // Of a log nobody knows how far it went, nor how many events it had.
            let is_counted = lost["events"].is_u64();
            let last = if is_counted { lost["last_seq"].as_u64() } else { None };
            let is_of = |known: &Known| {
                let partition = format!("default/{}/{}", known.level, known.day);
                (first..=last.unwrap_or(u64::MAX)).contains(&known.seq)
                    && lost["partition"].as_str().is_none_or(|name| name == partition)
            };
            let events = self.truth.events.iter().filter(|(_, known)| is_of(known));
            let events: BTreeSet<usize> = events.map(|(number, _)| *number).collect();
            if is_counted {
                assert_eq!(lost["events"], events.len(), "{}: {lost}", self.what);
            }
            reported.extend(events);
        }
        reported
    }
}

fn damages(report: &Value) -> impl Iterator<Item = &Value> {
    report["damages"].as_array().expect("a list").iter()
}

fn base(path: &Path) -> String {
    path.file_name().expect("a name").to_str().expect("UTF-8").to_owned()
}

/// The lengths of the files of a store, but for those that hold nothing.
fn lengths(dir: &Path) -> BTreeMap<String, u64> {
    let holds_nothing = |name: &str| name.contains("free-") || name.contains("LOCK");
    let files = files(dir).into_iter().filter(|(name, _)| !holds_nothing(name));
    files.map(|(name, path)| (name, fs::metadata(path).expect("is there").len())).collect()
}

/// Damages a copy of the store and goes the whole way with it.
fn try_case(truth: &Truth, store: &Path, file: &Path, harm: Harm) -> Seen {
    let copies = tempfile::tempdir().expect("a directory");
    let dir = copies.path().join("store");
    let copied = Command::new("cp").args(["-a", "--sparse=always"]).arg(store).arg(&dir).status();
    assert!(copied.expect("`cp` runs").success());
    let file = dir.join(file.strip_prefix(store).expect("a file of the store"));
    self::harm(&file, harm);
    let what = format!("{} {harm:?}", base(&file));
    let mut case = Case { truth, dir, file, what, seen: Seen::default() };
    case.serve(harm);
    case.verify(harm);
    case.repair();
    case.seen
}

/// Panics unless the case has gone as it must for a file of this kind.
fn judge(kind: &str, place: usize, harm: Harm, seen: Seen) {
    let what = format!("{kind} {harm:?}: {seen:?}");
    let is_flip = matches!(harm, Harm::Flipped(_));
    match kind {
        "l0" | "seg" | "pack" => {
            assert!(!seen.refused && seen.verified, "{what}");
            // Block data; an index only costs time; header and directory may be done without.
            if !is_flip || place == 1 {
                assert!(seen.failed && seen.lost > 0, "{what}");
            }
            if kind == "seg" && is_flip && place == 2 {
                assert!(!seen.failed && seen.lost == 0, "an index: {what}");
            }
        }
        "wal" => {
            assert!(seen.refused && seen.verified, "{what}");
            // A header says nothing that its file does not have elsewhere.
            assert_eq!(seen.lost > 0, !(is_flip && place == 0), "{what}");
        }
        "MANIFEST" => assert!(seen.refused && seen.verified && seen.lost == 0, "{what}"),
        "keys" | "CHAIN" => {
            assert!(!seen.refused && !seen.failed && seen.lost == 0, "{what}");
            assert!(seen.verified || (kind == "keys" && harm == Harm::Missing), "{what}");
        }
        "free" => assert!(!(seen.refused || seen.failed || seen.verified), "{what}"),
        kind => panic!("a new kind of file: {kind}"),
    }
}

#[test]
fn whatever_file_is_damaged_the_rest_is_served_and_a_repair_tells_the_cost() {
    let store = tempfile::tempdir().expect("a directory");
    let truth = write(store.path());
    let kinds = one_of_each_kind(store.path());
    let names: Vec<&str> = kinds.keys().map(String::as_str).collect();
    assert_eq!(names, ["CHAIN", "MANIFEST", "free", "keys", "l0", "pack", "seg", "wal"]);
    let mut cases = Vec::new();
    for (kind, path) in &kinds {
        cases.extend([Harm::Missing, Harm::Truncated].map(|harm| (kind, path, 0, harm)));
        let flips = places(kind, path).into_iter().enumerate();
        cases.extend(flips.map(|(place, at)| (kind, path, place, Harm::Flipped(at))));
    }
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((kind, path, place, harm)) =
                    cases.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let seen = try_case(&truth, store.path(), path, *harm);
                    println!("{kind} {harm:?}: {seen:?}");
                    judge(kind, *place, *harm, seen);
                }
            });
        }
    });
}
