//! The wall clock jumps under the real binary: a day and ten years ahead, a day back, to 1970 and
//! home again, while producers with and without own times and keys go on, and the server is killed
//! and started in between. Nothing acknowledged is lost or doubled, ids stay unique and name their
//! events, keys replay, pages go on, and time ranges have what happened in them.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "compiles a shim, sets its clock, and compares with the real one"
)]

use logstrata_engine::EventId;
use logstrata_tests::server::{Server, run};
use logstrata_tests::truth::numbers;
use logstrata_tests::{http, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Adds the number in a file, mapped once, to the wall clock; monotonic time goes on as it does.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
static volatile long long *offset_s;
__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("CLOCK_OFFSET_FILE");
    int fd = path ? open(path, O_RDONLY) : -1;
    if (fd < 0) return;
    void *map = mmap(0, sizeof *offset_s, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (map != MAP_FAILED) offset_s = map;
}
int clock_gettime(clockid_t id, struct timespec *time) {
    int result = syscall(SYS_clock_gettime, id, time);
    int is_wall = id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE;
    if (result == 0 && is_wall && offset_s) time->tv_sec += *offset_s;
    return result;
}
"#;

const DAY: i64 = 86_400;
/// Own times are of 2024: their class keeps them. All others are under the rules of the preset, which are
/// shorter than the clock's jumps.
const CONFIG: &str =
    "[[retention.class]]\nname = 'timed'\nmatch = 'service:timed'\nkeep = 'forever'\n";
/// What a batch may take from the look at the clock to the answer, in seconds.
const SLACK: i64 = 120;
/// Requests of each producer between two jumps.
const REQUESTS: usize = 4;

/// The wall clock of servers, ahead of the real one by what it is set to.
struct Clock {
    shim: PathBuf,
    file: PathBuf,
    config: PathBuf,
}

impl Clock {
    /// `None` without a C compiler.
    fn new(dir: &Path) -> Option<Self> {
        let (source, shim) = (dir.join("clock.c"), dir.join("clock.so"));
        fs::write(&source, SHIM).expect("written");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&shim).arg(&source);
        cc.status().is_ok_and(|status| status.success()).then_some(())?;
        let clock = Self { shim, file: dir.join("offset"), config: dir.join("logstrata.toml") };
        fs::write(&clock.config, CONFIG).expect("written");
        fs::write(&clock.file, 0i64.to_le_bytes()).expect("written");
        Some(clock)
    }

    /// Written in place: the server has mapped the file.
    fn set(&self, offset_s: i64) {
        use std::os::unix::fs::FileExt;
        let file = fs::OpenOptions::new().write(true).open(&self.file).expect("opened");
        file.write_all_at(&offset_s.to_le_bytes(), 0).expect("written");
    }

    fn start(&self, dir: &Path) -> Server {
        Server::start_with(
            dir,
            &[
                ("LD_PRELOAD", self.shim.to_str().expect("UTF-8")),
                ("CLOCK_OFFSET_FILE", self.file.to_str().expect("UTF-8")),
                ("LOGSTRATA_CONFIG", self.config.to_str().expect("UTF-8")),
                ("LOGSTRATA_MEMTABLE_BYTES", "1MiB"),
                ("LOGSTRATA_GENERATION_AGE", "1s"),
            ],
        )
    }
}

/// The real wall clock, in seconds.
fn real_now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() as i64
}

/// A batch that was acknowledged.
#[derive(Debug, Clone)]
struct Stored {
    key: Option<String>,
    body: String,
    answer: String,
    numbers: Vec<usize>,
    first_id: EventId,
    /// Whether its events have their own times.
    is_timed: bool,
}

/// What producers and the test share.
#[derive(Default)]
struct World {
    address: Mutex<Option<SocketAddr>>,
    stored: Mutex<Vec<Stored>>,
    /// Events of batches without keys whose answers were lost: there or not.
    unknown: Mutex<BTreeSet<usize>>,
    changed: Condvar,
    next: AtomicUsize,
    ends: AtomicBool,
}

impl World {
    /// Sends batches until the test ends; those with keys until they are answered.
    fn produce(&self, is_timed: bool, is_keyed: bool) {
        while !self.ends.load(Ordering::Relaxed) {
            let first = self.next.fetch_add(20, Ordering::Relaxed);
            let numbers: Vec<usize> = (first..first + 20).collect();
            let line = |number: &usize| {
                // Own times are of a day in 2024.
                let time = format!(
                    "\"service\":\"timed\",\"timestamp\":\"2024-05-05T05:{:02}:00Z\",",
                    number % 60
                );
                let time = if is_timed { &*time } else { "" };
                format!("{{{time}\"message\":\"event #{number}# {}\"}}\n", "x".repeat(200))
            };
            let body: String = numbers.iter().map(line).collect();
            let key = is_keyed.then(|| format!("batch-{first}"));
            let Some(answer) = self.send(&key, &body) else {
                self.unknown.lock().expect("not poisoned").extend(numbers);
                continue;
            };
            let first_id = json::unquoted(json::member(&answer, "first_id").expect("first_id"));
            let first_id = first_id.parse().expect("an id");
            let stored = Stored { key, body, answer, numbers, first_id, is_timed };
            self.stored.lock().expect("not poisoned").push(stored);
            self.changed.notify_all();
            // Every check reads all events: a steady stream is enough.
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The answer; `None` if it was lost and nothing tells whether the batch was stored.
    fn send(&self, key: &Option<String>, body: &str) -> Option<String> {
        loop {
            let Some(address) = *self.address.lock().expect("not poisoned") else {
                if self.ends.load(Ordering::Relaxed) {
                    return None;
                }
                std::thread::yield_now();
                continue;
            };
            match post(address, key, body) {
                Ok(answer) if answer.status == 200 => return Some(answer.body),
                Ok(answer) => panic!("{answer:?}"),
                // When it ends before they are idle, the test has failed, and there is no server.
                Err(_) if key.is_none() || self.ends.load(Ordering::Relaxed) => return None,
                Err(_) => {}
            }
        }
    }

    /// Waits until so many more batches are acknowledged than now.
    fn wait_for(&self, more: usize) {
        let stored = self.stored.lock().expect("not poisoned");
        let wanted = stored.len() + more;
        drop(self.changed.wait_while(stored, |stored| stored.len() < wanted).expect("whole"));
    }

    fn stored(&self) -> Vec<Stored> {
        self.stored.lock().expect("not poisoned").clone()
    }
}

fn post(address: SocketAddr, key: &Option<String>, body: &str) -> std::io::Result<http::Response> {
    let mut headers = vec![("Content-Type", "application/x-ndjson")];
    headers.extend(key.as_ref().map(|key| ("Idempotency-Key", &**key)));
    http::request_with(address, "POST", "/api/v1/logs", &headers, body.as_bytes())
}

/// Counts the events of a range.
fn count(server: &Server, from: &str, to: &str) -> usize {
    let answer = server.get("/api/v1/logs/stats", &[("from", from), ("to", to)]);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let rows = json::member(&answer.body, "rows").expect("rows");
    let count = |row: &&str| json::member(row, "count").expect("count").parse::<usize>();
    json::elements(rows).first().map_or(0, |row| count(row).expect("a number"))
}

/// Pages through the events that there were at the first page, a page at a time.
#[derive(Default)]
struct Walk {
    cursor: Option<String>,
    found: Vec<usize>,
    is_done: bool,
}

impl Walk {
    fn page(&mut self, server: &Server) {
        let mut parameters = vec![("order", "asc"), ("limit", "60")];
        parameters.extend(self.cursor.as_ref().map(|cursor| ("cursor", &**cursor)));
        let answer = server.get("/api/v1/logs", &parameters);
        assert_eq!(answer.status, 200, "{}", answer.body);
        self.found.extend(numbers(&answer.body));
        let next = json::member(&answer.body, "next_cursor").expect("next_cursor");
        self.is_done = next == "null";
        self.cursor = (!self.is_done).then(|| json::unquoted(next));
    }
}

/// Everything that is known of the store holds.
fn check(server: &Server, world: &World, jumps: &[i64]) {
    // What was acknowledged before the question.
    let stored = world.stored();
    assert_eq!(server.get("/readyz", &[]).status, 200);
    let mut found = BTreeMap::new();
    for event in server.all("") {
        let id: EventId =
            json::unquoted(json::member(&event, "id").expect("id")).parse().expect("an id");
        let number = numbers(&event).next().expect("every event has a number");
        assert_eq!(found.insert(number, id), None, "event {number} is there twice");
    }
    let ids: BTreeSet<u64> = found.values().map(|id| id.seq().0).collect();
    assert_eq!(ids.len(), found.len(), "ids are unique");
    for batch in &stored {
        for (place, number) in batch.numbers.iter().enumerate() {
            let id = found.get(number).unwrap_or_else(|| panic!("event {number} is lost"));
            assert_eq!(id.seq().0, batch.first_id.seq().0 + place as u64, "event {number}");
        }
        let is_near =
            |jump: &i64| (batch.first_id.millis() / 1_000 - real_now() - jump).abs() < SLACK;
        assert!(batch.is_timed || jumps.iter().any(is_near), "{:?}", batch.first_id);
    }
    // An early, a middle and the last batch: by id, and by key.
    for batch in [stored.first(), stored.get(stored.len() / 2), stored.last()].into_iter().flatten()
    {
        let one = server.get(&format!("/api/v1/logs/{}", batch.first_id), &[]);
        assert_eq!(one.status, 200, "{}", one.body);
        assert_eq!(numbers(&one.body).next(), batch.numbers.first().copied());
    }
    let keyed: Vec<&Stored> = stored.iter().filter(|batch| batch.key.is_some()).collect();
    for batch in keyed.iter().step_by(keyed.len().div_ceil(20).max(1)) {
        let again = post(server.address(), &batch.key, &batch.body).expect("answered");
        assert_eq!((again.status, &again.body), (200, &batch.answer), "{:?}", batch.key);
        let head = again.head.to_ascii_lowercase();
        assert!(head.contains("idempotency-replayed: true"), "{:?} was stored again", batch.key);
    }
    // Own times are where they were said to be.
    let timed: usize = stored.iter().filter(|b| b.is_timed).map(|b| b.numbers.len()).sum();
    assert!(count(server, "2024-05-05", "2024-05-06") >= timed);
}

#[test]
fn jumps_of_the_wall_clock_lose_and_double_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let Some(clock) = Clock::new(dir.path()) else {
        eprintln!("skipped: no C compiler to make a clock that jumps");
        return;
    };
    let store = dir.path().join("store");
    let world = World::default();
    let to_1970 = 600 - real_now();
    let jumps = [0, DAY, 3_653 * DAY, -DAY, to_1970, 3_653 * DAY, 0];
    let mut walk = Walk::default();
    std::thread::scope(|scope| {
        let _ends = Ends(&world);
        let mut server = clock.start(&store);
        *world.address.lock().expect("not poisoned") = Some(server.address());
        for (is_timed, is_keyed) in [(false, false), (true, true), (false, true)] {
            let world = &world;
            scope.spawn(move || world.produce(is_timed, is_keyed));
        }
        for (number, jump) in jumps.into_iter().enumerate() {
            clock.set(jump);
            world.wait_for(3 * REQUESTS);
            // Relative ranges are those of the server's own clock.
            assert!(count(&server, "now-1m", "now+1m") > 0, "after a jump by {jump} s");
            assert!(count(&server, "now-2m", "now+2m") <= count(&server, "", ""));
            if !walk.is_done {
                walk.page(&server);
            }
            for path in ["/api/v1/admin/flush", "/api/v1/admin/compact"] {
                let answer = server.post(path, "text/plain", b"");
                assert_eq!(answer.status, 200, "{path}: {}", answer.body);
            }
            world.wait_for(REQUESTS);
            check(&server, &world, &jumps);
            if number % 2 == 1 {
                *world.address.lock().expect("not poisoned") = None;
                server.kill();
                server = clock.start(&store);
                *world.address.lock().expect("not poisoned") = Some(server.address());
                check(&server, &world, &jumps);
            }
        }
        world.ends.store(true, Ordering::Relaxed);
        let (status, said) = stop_when_idle(&world, server);
        assert!(status.success(), "{said}");
    });
    finish(&clock, &store, &world, &jumps, walk);
}

/// Lets producers end also when the test panics.
struct Ends<'a>(&'a World);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.ends.store(true, Ordering::Relaxed);
    }
}

fn stop_when_idle(world: &World, server: Server) -> (std::process::ExitStatus, String) {
    // Producers end behind the batch that they are sending: nothing is refused for the end.
    let sent = || world.next.load(Ordering::Relaxed) / 20;
    let known = || {
        world.stored.lock().expect("not poisoned").len()
            + world.unknown.lock().expect("not poisoned").len() / 20
    };
    while known() < sent() {
        std::thread::yield_now();
    }
    server.stop()
}

/// With the real clock again, all is there, and sound.
fn finish(clock: &Clock, store: &Path, world: &World, jumps: &[i64], mut walk: Walk) {
    clock.set(0);
    let server = clock.start(store);
    check(&server, world, jumps);
    while !walk.is_done {
        walk.page(&server);
    }
    let distinct: BTreeSet<usize> = walk.found.iter().copied().collect();
    assert_eq!(distinct.len(), walk.found.len(), "a cursor doubles nothing");
    let total = server.all("").len();
    let acknowledged = world.stored().len() * 20;
    let unknown = world.unknown.lock().expect("not poisoned").len();
    assert!((acknowledged..=acknowledged + unknown).contains(&total), "{total}");
    // Ranges divide the events without rest, at every place to which the clock jumped.
    let ends = ["1970-01-02", "2024-05-05", "2024-05-06", "2030-01-01"];
    let mut sum = count(&server, "", ends[0]) + count(&server, ends[3], "");
    for pair in ends.windows(2) {
        sum += count(&server, pair[0], pair[1]);
    }
    assert_eq!(sum, total);
    assert!(count(&server, "", ends[0]) > 0, "events of 1970");
    assert!(count(&server, "now+1d", "") > 0, "events of the time ahead");
    let (status, said) = server.stop();
    assert!(status.success(), "{said}");
    let verified = run(&["verify", store.to_str().expect("UTF-8"), "--deep"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}
