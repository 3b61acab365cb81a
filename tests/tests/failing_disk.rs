//! The real server on a real disk that fails: errors of reads, writes, syncs and renames, short writes,
//! no room, and a kernel that loses what it could not sync. What was acknowledged is there once the
//! disk is healed, what is sound is served meanwhile, and the server says what is wrong.
#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "looks at the folders of the store")]

use logstrata_tests::failing_disk::{DiskOp, FailingDisk, Trouble};
use logstrata_tests::http::{self, Response};
use logstrata_tests::json;
use logstrata_tests::server::{Server, run};
use logstrata_tests::truth::numbers;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const DAYS: [&str; 2] = ["2024-03-10", "2024-03-11"];

/// Three numbers of 16 digits that are those of this event alone.
fn ids_of(number: usize) -> String {
    let id = |n: u64| (number as u64 * 3 + n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("{:016x} {:016x} {:016x}", id(0), id(1), id(2))
}

/// A store on a disk that fails, its server, and what it has acknowledged.
struct Life {
    // Ends before its disk.
    server: Option<Server>,
    disk: FailingDisk,
    mmap: &'static str,
    acknowledged: BTreeSet<usize>,
    /// Sent, refused or not answered: there or not, but whole.
    refused: BTreeSet<usize>,
    next: usize,
}

impl Life {
    /// `None` where no disk can be mounted.
    fn begin() -> Option<Self> {
        let disk = FailingDisk::mount()?;
        let (acknowledged, refused) = (BTreeSet::new(), BTreeSet::new());
        let mut life = Self { server: None, disk, mmap: "true", acknowledged, refused, next: 0 };
        life.start();
        Some(life)
    }

    fn try_start(&self) -> Result<Server, String> {
        let settings = [("LOGSTRATA_COMPACTION", "false"), ("LOGSTRATA_MMAP", self.mmap)];
        Server::try_start(&self.disk.path("store"), &settings).map_err(|(_, said)| said)
    }

    fn start(&mut self) {
        self.server = Some(self.try_start().expect("served"));
    }

    fn server(&self) -> &Server {
        self.server.as_ref().expect("started")
    }

    /// Ends the server, as a user does whose disk has failed; a closed store may say so.
    fn stop(&mut self) {
        let (_, said) = self.server.take().expect("started").stop();
        assert!(!said.contains("panicked"), "{said}");
    }

    /// Heals the disk and starts anew.
    fn recover(&mut self) {
        self.disk.heal();
        if self.server.is_some() {
            self.stop();
        }
        self.start();
        self.check();
        self.works();
    }

    /// Sends a batch of a day, with its own number as key.
    fn send(&mut self, day: &str, count: usize) -> Response {
        let numbers: Vec<usize> = (self.next..self.next + count).collect();
        self.next += count;
        let line = |number: &usize| {
            let ids = ids_of(*number);
            format!(
                "{{\"timestamp\":\"{day}T10:00:00Z\",\"message\":\"event #{number}# {ids}\"}}\n"
            )
        };
        let body: String = numbers.iter().map(line).collect();
        let key = format!("batch-{}", numbers[0]);
        let headers = [("Content-Type", "application/x-ndjson"), ("Idempotency-Key", &*key)];
        let address = self.server().address();
        let answer = http::request_with(address, "POST", "/api/v1/logs", &headers, body.as_bytes());
        let answer = answer.expect("answered");
        let known = if answer.status == 200 { &mut self.acknowledged } else { &mut self.refused };
        known.extend(numbers);
        answer
    }

    fn store(&mut self, day: &str, count: usize) {
        let answer = self.send(day, count);
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    fn post(&self, path: &str) -> Response {
        self.server().post(path, "text/plain", b"")
    }

    fn is_ready(&self) -> bool {
        self.server().get("/readyz", &[]).status == 200
    }

    /// The events of a day, or why there are none.
    fn of(&self, day: &str) -> Result<BTreeSet<usize>, Response> {
        let (from, to) = (format!("{day}T00:00:00Z"), format!("{day}T23:00:00Z"));
        let mut found = BTreeSet::new();
        let mut cursor = String::new();
        loop {
            let mut parameters = vec![("from", &*from), ("to", &to), ("limit", "10000")];
            if !cursor.is_empty() {
                parameters.push(("cursor", &cursor));
            }
            let answer = self.server().get("/api/v1/logs", &parameters);
            if answer.status != 200 {
                return Err(answer);
            }
            for number in numbers(&answer.body) {
                assert!(found.insert(number), "event {number} is there twice");
            }
            match json::member(&answer.body, "next_cursor").expect("next_cursor") {
                "null" => return Ok(found),
                next => cursor = json::unquoted(next),
            }
        }
    }

    /// All that was acknowledged is there once, and nothing that was never sent.
    fn check(&self) {
        let mut found = BTreeSet::new();
        for day in DAYS {
            found.extend(self.of(day).unwrap_or_else(|answer| panic!("{day}: {}", answer.body)));
        }
        let lost: Vec<_> = self.acknowledged.difference(&found).collect();
        assert!(lost.is_empty(), "{} acknowledged events are lost: {:?}", lost.len(), lost[0]);
        let sent: BTreeSet<_> = self.acknowledged.union(&self.refused).copied().collect();
        assert!(found.is_subset(&sent));
    }

    /// The store takes events, makes files, compacts them.
    fn works(&mut self) {
        assert!(self.is_ready());
        self.store(DAYS[1], 20);
        for path in ["/api/v1/admin/flush", "/api/v1/admin/compact"] {
            let answer = self.post(path);
            assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        }
        self.check();
    }

    /// Nothing is acknowledged any more, and that is said; all that was is served.
    fn is_closed(&mut self) {
        assert!(!self.is_ready());
        let ready = self.server().get("/readyz", &[]);
        assert_eq!(ready.status, 503, "{}", ready.body);
        assert!(
            ready.body.contains("until the store is opened again")
                || ready.body.contains("until it is opened again"),
            "{}",
            ready.body
        );
        for _ in 0..3 {
            let answer = self.send(DAYS[0], 5);
            assert_eq!(answer.status, 503, "{}", answer.body);
            assert!(answer.body.contains("\"closed\""), "{}", answer.body);
        }
        self.check();
    }

    /// Ends all: the store is sound.
    fn end(mut self) {
        self.stop();
        let store = self.disk.path("store");
        let verified = run(&["verify", store.to_str().expect("UTF-8"), "--deep"]);
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    }
}

/// A kernel that loses the pages whose write-back failed is the worst of them.
#[test]
fn after_a_failed_sync_of_the_log_nothing_is_acknowledged_until_a_restart() {
    for trouble in [Trouble::Io, Trouble::Lost] {
        let Some(mut life) = Life::begin() else { return };
        life.store(DAYS[0], 100);
        life.disk.inject(DiskOp::Sync, ".wal", trouble);
        let answer = life.send(DAYS[0], 50);
        assert_eq!(answer.status, 503, "{}", answer.body);
        assert!(answer.body.contains(".wal"), "names the file: {}", answer.body);
        life.is_closed();
        // The disk is well again, but nothing tells what it has: only a restart does.
        assert!(life.disk.heal() > 0);
        life.is_closed();
        life.recover();
        life.end();
    }
}

#[test]
fn a_failed_sync_or_rename_on_the_way_to_a_file_closes_the_store() {
    for (op, part) in [
        (DiskOp::Sync, ".l0"),
        (DiskOp::Sync, "MANIFEST"),
        (DiskOp::Sync, ".keys"),
        (DiskOp::SyncDir, "segments"),
        (DiskOp::SyncDir, "wal"),
        (DiskOp::Rename, ".wal"),
    ] {
        let Some(mut life) = Life::begin() else { return };
        life.store(DAYS[0], 100);
        life.disk.inject(op, part, Trouble::Io);
        let flushed = life.post("/api/v1/admin/flush");
        // The next group may be what needs a new file.
        if flushed.status == 200 {
            life.send(DAYS[0], 10);
        }
        assert!(life.disk.failed() > 0, "{op:?} of {part} was asked for");
        life.is_closed();
        life.recover();
        life.end();
    }
}

/// What the disk refuses is refused, and the next batch is taken.
#[test]
fn a_write_that_fails_is_refused_and_the_store_goes_on() {
    for (trouble, status) in [(Trouble::Io, 500), (Trouble::Full, 503), (Trouble::Room(100), 503)] {
        let Some(mut life) = Life::begin() else { return };
        life.store(DAYS[0], 100);
        // The write that is cut short is a second one that fails.
        let times = if matches!(trouble, Trouble::Room(_)) { 2 } else { 1 };
        let refused = (0..20).find_map(|_| {
            life.disk.inject_times(DiskOp::Write, ".wal", trouble, times);
            let answer = life.send(DAYS[0], 50);
            life.disk.heal();
            // A group without records may have come first: nobody waits for it.
            (answer.status != 200).then_some(answer)
        });
        let answer = refused.expect("some write was that of a batch");
        assert_eq!(answer.status, status, "{trouble:?}: {}", answer.body);
        assert!(answer.body.contains(".wal"), "names the file: {}", answer.body);
        life.works();
        for (part, path) in [
            (".l0", "/api/v1/admin/flush"),
            ("MANIFEST", "/api/v1/admin/flush"),
            (".pack", "/api/v1/admin/compact"),
        ] {
            life.store(DAYS[0], 30);
            if part == ".pack" {
                assert_eq!(life.post("/api/v1/admin/flush").status, 200);
            }
            life.disk.inject(DiskOp::Write, part, trouble);
            let answer = life.post(path);
            assert!(life.disk.failed() > 0, "{part}: {}", answer.body);
            assert_ne!(answer.status, 200, "{trouble:?} {part}: {}", answer.body);
            life.check();
            if life.is_ready() {
                life.store(DAYS[1], 5);
                life.disk.heal();
                life.works();
            } else {
                life.recover();
            }
        }
        life.recover();
        life.end();
    }
}

/// Whatever a write takes at a time.
#[test]
fn short_writes_are_gone_on_with() {
    let Some(mut life) = Life::begin() else { return };
    life.disk.inject(DiskOp::Write, "", Trouble::Short(1_000));
    for _ in 0..3 {
        life.store(DAYS[0], 300);
        life.works();
    }
    assert!(life.disk.failed() > 50, "writes were short");
    life.stop();
    life.start();
    life.check();
    life.end();
}

/// Mapped or read: pages that can't be had are errors of the queries that need them.
#[test]
fn reads_of_one_file_that_fail_cost_only_its_queries() {
    for mmap in ["true", "false"] {
        let Some(mut life) = Life::begin() else { return };
        life.stop();
        life.mmap = mmap;
        life.start();
        // Enough for an index, which is mapped as long as it is known.
        for _ in 0..4 {
            life.store(DAYS[0], 8_500);
        }
        for path in ["/api/v1/admin/flush", "/api/v1/admin/compact"] {
            assert_eq!(life.post(path).status, 200);
        }
        life.store(DAYS[1], 9_000);
        assert_eq!(life.post("/api/v1/admin/flush").status, 200);
        let first = &largest(&life.disk.below("store/segments"));
        life.stop();
        life.start();
        let [known, unknown] = [7, 20_000].map(|number| ids_of(number)[17..33].to_owned());
        let answer = life.server().get("/api/v1/logs", &[("q", &known)]);
        assert_eq!(numbers(&answer.body).collect::<Vec<_>>(), [7], "{}", answer.body);
        let maps = fs::read_to_string(format!("/proc/{}/maps", life.server().id()));
        let is_mapped = maps.expect("readable").contains(first);
        assert_eq!(is_mapped, mmap == "true", "the index is mapped");

        life.disk.inject(DiskOp::Read, first, Trouble::Io);
        life.disk.forget(first);
        for _ in 0..3 {
            let answer = life.of(DAYS[0]).expect_err("can't be read");
            assert_eq!(answer.status, 500, "{}", answer.body);
            assert!(answer.body.contains(first), "names the file: {}", answer.body);
            assert_eq!(life.of(DAYS[1]).expect("served").len(), 9_000);
            // What is not known of its index must not be taken for "not there".
            let answer = life.server().get("/api/v1/logs", &[("q", &unknown)]);
            assert_eq!(answer.status, 500, "{}", answer.body);
            // What was shown of it before may be in memory still.
            let answer = life.server().get("/api/v1/logs", &[("q", &known)]);
            if answer.status != 500 {
                assert_eq!(numbers(&answer.body).collect::<Vec<_>>(), [7], "{}", answer.body);
            }
        }
        assert!(life.is_ready());
        life.store(DAYS[1], 10);
        let verified = run(&["verify", life.disk.path("store").to_str().expect("UTF-8")]);
        assert!(!verified.status.success(), "verify can't read it either");
        assert!(String::from_utf8_lossy(&verified.stdout).contains(first));
        assert!(life.disk.heal() > 0);
        life.disk.forget(first);
        life.check();
        life.works();
        life.end();
    }
}

/// The name of the largest file.
fn largest(folder: &Path) -> String {
    let files = fs::read_dir(folder).expect("a directory").map(|entry| entry.expect("an entry"));
    let largest = files.max_by_key(|file| file.metadata().expect("is there").len());
    largest.expect("a file").file_name().into_string().expect("UTF-8")
}

/// A store that can't be read when it is opened is refused; nothing is changed.
#[test]
fn reads_that_fail_at_the_start_refuse_the_store() {
    let Some(mut life) = Life::begin() else { return };
    life.store(DAYS[0], 100);
    assert_eq!(life.post("/api/v1/admin/flush").status, 200);
    life.store(DAYS[0], 100);
    for (op, part) in [
        (DiskOp::Read, "MANIFEST"),
        (DiskOp::Read, "-00000000.wal"),
        (DiskOp::Write, "MANIFEST"),
        (DiskOp::Sync, "MANIFEST"),
        (DiskOp::Rename, ".wal"),
        (DiskOp::SyncDir, "store"),
    ] {
        life.server.take().expect("started").kill();
        life.disk.inject(op, part, Trouble::Io);
        let said = match life.try_start() {
            Ok(_) => panic!("{op:?} of {part}: served all the same"),
            Err(said) => said,
        };
        assert!(life.disk.heal() > 0, "{op:?} of {part} was asked for: {said}");
        let name = part.trim_start_matches('-');
        assert!(said.contains("error: ") && said.contains(name), "{op:?} of {part}: {said}");
        assert!(!said.contains("panicked"), "{said}");
        life.start();
        life.check();
    }
    life.recover();
    life.end();
}

/// A new manifest is begun under another name and renamed; a rename that fails with EIO may have
/// happened.
#[test]
fn a_manifest_that_can_not_be_renamed_closes_the_store() {
    let Some(mut life) = Life::begin() else { return };
    life.store(DAYS[0], 100);
    life.disk.inject(DiskOp::Rename, "MANIFEST", Trouble::Io);
    let names = |number| {
        let name = |n| format!(",\"n{number:03}-{n:02}-{}\":1", "x".repeat(230));
        (0..60).map(name).collect::<String>()
    };
    let mut flushes = 0;
    while life.disk.failed() == 0 {
        flushes += 1;
        assert!(flushes < 400, "no new manifest was begun");
        let event = format!("{{\"timestamp\":\"2024-01-01\",\"message\":\"\"{}}}", names(flushes));
        life.server().store(&[event]);
        life.post("/api/v1/admin/flush");
    }
    life.is_closed();
    life.recover();
    life.end();
}
