//! `kill -9` under load, again and again: what was acknowledged is there, once.

use logstrata_tests::dice::Dice;
use logstrata_tests::server::Server;
use logstrata_tests::{http, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Condvar, Mutex};

const CYCLES: usize = 10;
const SENDERS: usize = 4;
/// Events become files often, so that kills meet cuts and flushes too.
const SETTINGS: [(&str, &str); 2] =
    [("LOGSTRATA_MEMTABLE_BYTES", "1MiB"), ("LOGSTRATA_GENERATION_AGE", "1s")];

#[derive(Default)]
struct Progress {
    counts: Mutex<Counts>,
    changed: Condvar,
}

#[derive(Default)]
struct Counts {
    /// Marks of events that were sent.
    sent: BTreeSet<String>,
    /// Those that were acknowledged.
    acknowledged: BTreeSet<String>,
    /// Requests answered in this cycle.
    answers: usize,
    /// Senders of this cycle whose server is gone.
    ended: usize,
}

#[test]
fn acknowledged_events_survive_kill_9_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut dice = Dice::new(1);
    let progress = Progress::default();
    for cycle in 0..CYCLES {
        // Both ways of reading files, turn by turn.
        let mmap = ("LOGSTRATA_MMAP", if cycle % 2 == 0 { "true" } else { "false" });
        let server = Server::start_with(dir.path(), &[&SETTINGS[..], &[mmap]].concat());
        check(&server, &progress);
        let mut counts = progress.counts.lock().expect("not poisoned");
        (counts.answers, counts.ended) = (0, 0);
        drop(counts);
        let address = server.address();
        let answers = dice.within(5..150);
        std::thread::scope(|scope| {
            for sender in 0..SENDERS {
                let progress = &progress;
                let seed = dice.roll();
                scope.spawn(move || send(address, &format!("{cycle}-{sender}"), seed, progress));
            }
            scope.spawn(|| flush(address));
            let counts = progress.counts.lock().expect("not poisoned");
            let too_few = |counts: &mut Counts| counts.answers < answers && counts.ended < SENDERS;
            let counts = progress.changed.wait_while(counts, too_few).expect("not poisoned");
            assert!(counts.answers >= answers, "the server ended before it was killed");
            drop(counts);
            server.kill();
        });
    }
    let server = Server::start_with(dir.path(), &SETTINGS);
    check(&server, &progress);
    let (status, said) = server.stop();
    assert!(status.success(), "{status}\n{said}");
}

/// Sends batches until the server is gone.
fn send(address: SocketAddr, name: &str, seed: u64, progress: &Progress) {
    let mut dice = Dice::new(seed);
    for batch in 0.. {
        let marks: Vec<String> =
            (0..dice.within(1..200)).map(|event| format!("{name}-{batch}-{event}")).collect();
        let padding = "x".repeat(dice.below(300));
        let mut body = String::new();
        for mark in &marks {
            let level = dice.pick(&["debug", "info", "error"]);
            body.push_str(&format!(
                "{{\"level\":\"{level}\",\"message\":\"event {mark} {padding}\",\"mark\":\"{mark}\"}}\n"
            ));
        }
        progress.counts.lock().expect("not poisoned").sent.extend(marks.iter().cloned());
        let form = "application/x-ndjson";
        let answer = http::request(address, "POST", "/api/v1/logs", form, body.as_bytes());
        let Ok(answer) = answer else { break };
        let mut counts = progress.counts.lock().expect("not poisoned");
        if answer.status == 200 {
            let accepted = json::member(&answer.body, "accepted").expect("accepted");
            assert_eq!(accepted, marks.len().to_string());
            counts.acknowledged.extend(marks);
        } else {
            assert!(matches!(answer.status, 429 | 503), "{answer:?}");
        }
        counts.answers += 1;
        drop(counts);
        progress.changed.notify_all();
    }
    progress.counts.lock().expect("not poisoned").ended += 1;
    progress.changed.notify_all();
}

/// Asks for flushes and compactions until the server is gone.
fn flush(address: SocketAddr) {
    let post = |path: &str| http::request(address, "POST", path, "text/plain", b"").is_ok();
    while post("/api/v1/admin/flush") && post("/api/v1/admin/compact") {}
}

/// Every acknowledged event is there once, every other one that was sent at most once.
fn check(server: &Server, progress: &Progress) {
    let counts = progress.counts.lock().expect("not poisoned");
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for event in server.all("") {
        let mark = json::unquoted(json::member(&event, "mark").expect("every event has a mark"));
        *found.entry(mark).or_default() += 1;
    }
    let lost: Vec<_> = counts.acknowledged.iter().filter(|m| !found.contains_key(*m)).collect();
    assert!(lost.is_empty(), "{} acknowledged events are lost, as {:?}", lost.len(), lost[0]);
    let twice: Vec<_> = found.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "{} events are there more than once, as {:?}", twice.len(), twice[0]);
    let foreign: Vec<_> = found.keys().filter(|mark| !counts.sent.contains(*mark)).collect();
    assert!(foreign.is_empty(), "events that nobody sent: {foreign:?}");
}
