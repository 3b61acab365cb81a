//! The real server on a real file system that is full to the last byte: what is acknowledged stays,
//! events are refused, and retention alone makes it writable again.
#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "mounts and fills a disk")]

use logstrata_engine::Timestamp;
use logstrata_engine::io::Io;
use logstrata_tests::json;
use logstrata_tests::server::{Server, run};
use logstrata_tests::truth::numbers;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Room for three files of the log, and what else a small store needs.
const DISK_MIB: u64 = 448;
/// What each file of the log takes.
const WAL_FILE_BYTES: u64 = 64 << 20;
/// What the store may fill before it refuses events; the rest is filled by others.
const LEFT: u64 = 16 << 20;
const BATCH: usize = 400;
/// Batches at most until the disk is full.
const BATCHES_MAX: usize = 1_200;

/// A file system of its own. It is unmounted when this is dropped.
struct Disk {
    at: tempfile::TempDir,
    _image: tempfile::TempDir,
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).output().is_ok_and(|output| output.status.success())
}

impl Disk {
    fn new(mount: impl FnOnce(&str, &Path) -> bool) -> Option<Self> {
        let (at, image) = (tempfile::tempdir().ok()?, tempfile::tempdir().ok()?);
        let is_mounted = mount(at.path().to_str()?, image.path());
        is_mounted.then_some(Self { at, _image: image })
    }

    fn tmpfs() -> Option<Self> {
        let size = format!("size={DISK_MIB}m");
        Self::new(|at, _| succeeds("mount", &["-t", "tmpfs", "-o", &size, "logstrata-test", at]))
    }

    fn ext4() -> Option<Self> {
        Self::new(|at, folder| {
            let image = folder.join("image");
            let file = File::create(&image).expect("created");
            file.set_len(DISK_MIB << 20).expect("a sparse file");
            let image = image.to_str().expect("UTF-8");
            succeeds("mkfs.ext4", &["-q", "-F", image])
                && succeeds("mount", &["-o", "loop", image, at])
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.at.path().join(name)
    }

    /// Fills the disk to the last byte with a file; returns it.
    fn fill(&self, name: &str) -> File {
        let mut file = File::create(self.path(name)).expect("created");
        let zeros = vec![0; 1 << 20];
        for size in [1 << 20, 4 << 10, 1] {
            loop {
                match file.write(&zeros[..size]) {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
        file
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmounted = succeeds("umount", &[self.at.path().to_str().expect("UTF-8")]);
        assert!(unmounted || std::thread::panicking(), "still mounted");
    }
}

/// Events of a batch: every other one was due a month ago.
fn lines(first: usize, now: Timestamp) -> String {
    const DAY: i64 = 86_400_000_000_000;
    let old = Timestamp(now.0 - 40 * DAY);
    let line = |number: usize| {
        let (level, time) = if number.is_multiple_of(2) { ("debug", old) } else { ("info", now) };
        let word = |n: u64| (number as u64 * 32 + n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let noise: String = (0..32).map(|n| format!("{:016x}", word(n))).collect();
        format!(
            "{{\"timestamp\":\"{time}\",\"level\":\"{level}\",\"message\":\"event #{number}# {noise}\"}}\n"
        )
    };
    (first..first + BATCH).map(line).collect()
}

/// Waits until a file of the log is made ahead. On a disk that others fill meanwhile it is given up, and its
/// room is room again.
fn wait_for_spare(wal: &Path) {
    let is_spare = |entry: &std::fs::DirEntry| {
        let is_free = entry.file_name().to_string_lossy().starts_with("free-");
        is_free && entry.metadata().is_ok_and(|metadata| metadata.len() == WAL_FILE_BYTES)
    };
    for _ in 0..600 {
        let entries = std::fs::read_dir(wal).expect("the log's folder");
        if entries.filter_map(Result::ok).any(|entry| is_spare(&entry)) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("no file of the log is made ahead");
}

fn lives_on(disk: &Disk) {
    let store = disk.path("store");
    let settings = [("LOGSTRATA_MEMTABLE_BYTES", "1MiB"), ("LOGSTRATA_GENERATION_AGE", "1s")];
    let mut server = Server::start_with(&store, &settings);
    let now = Io::system().clock.now();
    let send = |server: &Server, first| {
        server.post("/api/v1/logs", "application/x-ndjson", lines(first, now).as_bytes())
    };
    assert_eq!(send(&server, 0).status, 200);
    wait_for_spare(&store.join("wal"));
    let reserve = (DISK_MIB << 20) / 10;
    let others = disk.fill("others");
    let filled = others.metadata().expect("is there").len();
    others.set_len(filled.saturating_sub(reserve + LEFT)).expect("cut");
    let mut stored = BATCH;
    let refused = (1..BATCHES_MAX).find_map(|number| {
        let answer = send(&server, stored);
        if number % 8 == 0 {
            // Files of one class each, as there are on a server that has run for a while.
            server.post("/api/v1/admin/compact", "text/plain", b"");
        }
        stored += if answer.status == 200 { BATCH } else { 0 };
        (answer.status != 200).then_some(answer)
    });
    let refused = refused.expect("the disk is full at some time");
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(refused.body.contains("\"full\""), "{}", refused.body);
    // The reserve is there for this. How much was still in memory is up to the pace of the machine, and what
    // is due there could not be flushed, and so not be dropped, on a disk without a byte.
    let flushed = server.post("/api/v1/admin/flush", "text/plain", b"");
    assert_eq!(flushed.status, 200, "{}", flushed.body);
    drop(disk.fill("more"));
    assert_ne!(server.get("/readyz", &[]).status, 200);
    assert_eq!(send(&server, stored).status, 503);
    let all = |server: &Server| -> BTreeSet<usize> {
        server.all("").iter().flat_map(|event| numbers(event).collect::<Vec<_>>()).collect()
    };
    assert_eq!(all(&server), (0..stored).collect());
    // A power cut in this state changes nothing of it.
    server.kill();
    server = Server::start_with(&store, &settings);
    assert_eq!(all(&server), (0..stored).collect());

    let answer = server.post("/api/v1/retention/run", "text/plain", b"");
    assert_eq!(answer.status, 200, "{}", answer.body);
    let dropped = json::member(&answer.body, "dropped").expect("dropped");
    assert_eq!(json::member(dropped, "events").expect("events"), (stored / 2).to_string());
    let kept: BTreeSet<usize> = (0..stored).filter(|number| !number.is_multiple_of(2)).collect();
    assert_eq!(all(&server), kept);
    std::fs::remove_file(disk.path("more")).expect("removed");
    assert_eq!(server.get("/readyz", &[]).status, 200);
    assert_eq!(send(&server, stored).status, 200);
    let (status, said) = server.stop();
    assert!(status.success() && !said.contains("panicked"), "{said}");
    let verified = run(&["verify", store.to_str().expect("UTF-8"), "--deep"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

#[test]
fn a_full_tmpfs_is_made_writable_by_retention() {
    match Disk::tmpfs() {
        Some(disk) => lives_on(&disk),
        None => eprintln!("skipped: nothing can be mounted here"),
    }
}

#[test]
fn a_full_ext4_is_made_writable_by_retention() {
    match Disk::ext4() {
        Some(disk) => lives_on(&disk),
        None => eprintln!("skipped: no image can be mounted here"),
    }
}
