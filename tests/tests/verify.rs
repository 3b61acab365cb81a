//! `logstrata verify` on stores that the real binary wrote: sound, damaged, while it runs.
#![expect(clippy::disallowed_methods, reason = "damages files on purpose")]

use logstrata_tests::json;
use logstrata_tests::server::{Server, run};
use std::fs;
use std::path::{Path, PathBuf};

const SETTINGS: [(&str, &str); 1] = [("LOGSTRATA_MEMTABLE_BYTES", "1MiB")];

fn events(first: usize, count: usize) -> Vec<String> {
    let event = |number: usize| {
        let level = ["info", "info", "error", "warn"][number % 4];
        format!(
            r#"{{"level":"{level}","service":"s{}","message":"request {number} took {} ms","trace_id":"{:032x}"}}"#,
            number % 5,
            number % 300,
            number as u128 * 0x9e37_79b9_7f4a_7c15
        )
    };
    (first..first + count).map(event).collect()
}

fn flush(server: &Server) {
    assert_eq!(server.post("/api/v1/admin/flush", "text/plain", b"").status, 200);
}

fn compact(server: &Server) {
    assert_eq!(server.post("/api/v1/admin/compact", "text/plain", b"").status, 200);
}

/// Verifies; returns the exit status and what was printed.
fn verify(dir: &Path, options: &[&str]) -> (i32, String) {
    let dir = dir.to_str().expect("UTF-8");
    let output = run(&[&["verify", dir], options].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("panicked"), "{said}");
    let out = String::from_utf8(output.stdout).expect("UTF-8");
    (output.status.code().expect("it exits"), format!("{out}{said}"))
}

/// Every file of a store below `dir`, but the lock and room of the log.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["", "wal", "segments", "keys"] {
        for entry in fs::read_dir(dir.join(folder)).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if path.is_file() && name != "LOCK" && !name.starts_with("free-") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A place in the records of a file of the log.
fn first_records(bytes: &[u8]) -> usize {
    let pages = (4_096..bytes.len()).step_by(4_096);
    let mut groups = pages.filter(|at| bytes[*at..].starts_with(b"LSGROUP"));
    let group = groups.find(|at| bytes[at + 32..at + 36] != [0; 4]).expect("events in the log");
    group + 100
}

/// A store with segments, packs, level-0 files and a log.
fn write(dir: &Path) {
    let server = Server::start_with(dir, &SETTINGS);
    for round in 0..4 {
        server.store(&events(round * 6_000, 6_000));
        flush(&server);
    }
    compact(&server);
    server.store(&events(90_000, 500));
    flush(&server);
    server.store(&events(91_000, 300));
    let (status, said) = server.stop();
    assert!(status.success(), "{said}");
}

#[test]
fn a_sound_store_is_told_from_a_damaged_one() {
    let dir = tempfile::tempdir().expect("a directory");
    write(dir.path());
    let before = files(dir.path());
    for options in [&[][..], &["--deep"], &["--strict"], &["--deep", "--strict"]] {
        let (status, said) = verify(dir.path(), options);
        assert_eq!(status, 0, "{options:?}: {said}");
        assert!(said.contains("sound") && said.contains("24500 events"), "{said}");
    }
    let (status, outcome) = verify(dir.path(), &["--deep", "--json"]);
    assert_eq!(status, 0, "{outcome}");
    assert_eq!(json::member(&outcome, "status"), Some("\"sound\""), "{outcome}");
    let checked = json::member(&outcome, "checked").expect("figures");
    assert_eq!(json::member(checked, "decoded"), Some("24500"), "{checked}");
    assert_eq!(json::member(checked, "log_events"), Some("300"), "{checked}");
    assert_eq!(files(dir.path()), before, "nothing was changed");

    // A byte in the middle of each file, in turn.
    let mut kinds = std::collections::BTreeSet::new();
    for path in before {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let bytes = fs::read(&path).expect("readable");
        let at = match name.rsplit_once('.') {
            Some((_, "wal")) => first_records(&bytes),
            // Only the front of a manifest is used.
            None => 4_096 + 80,
            Some(_) => bytes.len() / 2,
        };
        let mut changed = bytes.clone();
        changed[at] ^= 4;
        fs::write(&path, changed).expect("writable");
        let (status, said) = verify(dir.path(), &[]);
        assert_eq!(status, 1, "{name}: {said}");
        assert!(said.contains(&name) && said.contains("DAMAGED"), "{name}: {said}");
        if name.contains(".l0") || name.contains(".seg") || name.contains(".pack") {
            assert!(said.contains("events of default/"), "{name}: {said}");
            assert!(said.contains("at offset"), "{name}: {said}");
        }
        fs::write(&path, bytes).expect("writable");
        kinds.insert(name.rsplit_once('.').map_or("MANIFEST", |(_, kind)| kind).to_owned());
    }
    assert!(kinds.len() >= 4, "{kinds:?}");
    assert_eq!(verify(dir.path(), &["--deep"]).0, 0, "all was put back");
}

#[test]
fn what_is_no_store_can_not_be_verified() {
    let dir = tempfile::tempdir().expect("a directory");
    let missing = dir.path().join("missing");
    for path in [dir.path(), &*missing] {
        let (status, said) = verify(path, &[]);
        assert_eq!(status, 2, "{said}");
        assert!(said.starts_with("error: "), "{said}");
    }
    assert!(!missing.exists(), "nothing was made");
}

#[test]
fn a_running_server_is_no_obstacle_and_roots_are_followed() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = dir.path().join("store");
    let server = Server::start_with(&store, &SETTINGS);
    let mut roots = Vec::new();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..24 {
                server.store(&events(round * 1_000, 1_000));
                if round % 3 == 0 {
                    flush(&server);
                }
                if round % 8 == 7 {
                    compact(&server);
                }
            }
        });
        let mut rounds = 0;
        while !writer.is_finished() || rounds < 3 {
            let (status, root) = verify(&store, &["--export-root"]);
            assert_eq!(status, 0, "{root}");
            let path = dir.path().join(format!("root-{rounds}.json"));
            fs::write(&path, root).expect("writable");
            roots.push(path);
            let since = roots[rounds / 2].to_str().expect("UTF-8");
            let (status, said) = verify(&store, &["--deep", "--since-root", since]);
            assert_eq!(status, 0, "{said}");
            rounds += 1;
        }
    });
    let (status, said) = server.stop();
    assert!(status.success(), "{said}");
    for root in &roots {
        let since = root.to_str().expect("UTF-8");
        let (status, said) = verify(&store, &["--since-root", since]);
        assert_eq!(status, 0, "{said}");
    }
    // Another store, however sound, is not the one of the root.
    let other = dir.path().join("other");
    let server = Server::start(&other);
    server.store(&events(0, 10));
    flush(&server);
    drop(server);
    let (status, said) = verify(&other, &["--since-root", roots[0].to_str().expect("UTF-8")]);
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("root") && said.contains("that of store"), "{said}");
    fs::write(&roots[0], "{}").expect("writable");
    let (status, said) = verify(&store, &["--since-root", roots[0].to_str().expect("UTF-8")]);
    assert_eq!(status, 2, "{said}");
}

/// Whatever a kill leaves is no damage.
#[test]
fn a_killed_server_leaves_a_sound_store() {
    let dir = tempfile::tempdir().expect("a directory");
    for round in 0..4 {
        let server = Server::start_with(dir.path(), &SETTINGS);
        server.store(&events(round * 4_000, 4_000));
        if round % 2 == 1 {
            flush(&server);
        }
        server.store(&events(round * 4_000, 100));
        server.kill();
        let (status, said) = verify(dir.path(), &["--deep"]);
        assert_eq!(status, 0, "{said}");
    }
}
