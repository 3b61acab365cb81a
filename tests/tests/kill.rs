//! `kill -9` under load, again and again: what was acknowledged is there, once; and so is what was
//! sent again under its key. `KILL_CYCLES=200 cargo test -p logstrata-tests --test kill -- --nocapture`
//! kills more often, and tells how much was acknowledged.

use logstrata_tests::dice::Dice;
use logstrata_tests::server::Server;
use logstrata_tests::{http, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Condvar, Mutex};

const CYCLES: usize = 10;
/// After so many kills a new store is begun: every check reads all of a store.
const CYCLES_OF_A_STORE: usize = 20;
const SENDERS: usize = 4;
/// Events become files often, so that kills meet cuts and flushes too.
const SETTINGS: [(&str, &str); 2] =
    [("LOGSTRATA_MEMTABLE_BYTES", "1MiB"), ("LOGSTRATA_GENERATION_AGE", "1s")];

/// How often the server of each store is killed.
fn stores() -> Vec<usize> {
    let all = std::env::var("KILL_CYCLES").map_or(CYCLES, |text| text.parse().expect("a number"));
    (0..all).step_by(CYCLES_OF_A_STORE).map(|first| CYCLES_OF_A_STORE.min(all - first)).collect()
}

/// What a test has seen.
#[derive(Default)]
struct Figures {
    cycles: usize,
    sent: usize,
    acknowledged: usize,
    /// Batches with keys that were stored before they were sent again.
    resumed: usize,
}

impl Figures {
    fn add(&mut self, cycles: usize, progress: &Progress) {
        let counts = progress.counts.lock().expect("not poisoned");
        self.cycles += cycles;
        self.sent += counts.sent.len();
        self.acknowledged += counts.acknowledged.len();
    }

    /// A test that gets here has found nothing lost and nothing doubled.
    fn tell(&self) {
        let Self { cycles, sent, acknowledged, resumed } = self;
        eprintln!(
            "{cycles} kills, {sent} events sent, {acknowledged} acknowledged, 0 lost, 0 doubled, \
             {resumed} batches sent again that were stored"
        );
    }
}

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

impl Progress {
    fn begin_cycle(&self) {
        let mut counts = self.counts.lock().expect("not poisoned");
        (counts.answers, counts.ended) = (0, 0);
    }

    /// Waits for so many answers in this cycle.
    fn wait_for(&self, answers: usize) {
        let counts = self.counts.lock().expect("not poisoned");
        let too_few = |counts: &mut Counts| counts.answers < answers && counts.ended < SENDERS;
        let counts = self.changed.wait_while(counts, too_few).expect("not poisoned");
        assert!(counts.answers >= answers, "the server or the senders ended before it was killed");
    }
}

#[test]
fn acknowledged_events_survive_kill_9_once() {
    let mut dice = Dice::new(1);
    let mut figures = Figures::default();
    for cycles in stores() {
        figures.add(cycles, &killed_again_and_again(cycles, &mut dice));
    }
    figures.tell();
}

fn killed_again_and_again(cycles: usize, dice: &mut Dice) -> Progress {
    let dir = tempfile::tempdir().expect("a directory");
    let progress = Progress::default();
    for cycle in 0..cycles {
        // Both ways of reading files, turn by turn.
        let mmap = ("LOGSTRATA_MMAP", if cycle % 2 == 0 { "true" } else { "false" });
        let server = Server::start_with(dir.path(), &[&SETTINGS[..], &[mmap]].concat());
        check(&server, &progress);
        progress.begin_cycle();
        let address = server.address();
        let answers = dice.within(5..150);
        std::thread::scope(|scope| {
            for sender in 0..SENDERS {
                let progress = &progress;
                let seed = dice.roll();
                scope.spawn(move || send(address, &format!("{cycle}-{sender}"), seed, progress));
            }
            scope.spawn(|| flush(address));
            progress.wait_for(answers);
            server.kill();
        });
    }
    let server = Server::start_with(dir.path(), &SETTINGS);
    check(&server, &progress);
    let (status, said) = server.stop();
    assert!(status.success(), "{status}\n{said}");
    progress
}

/// Sends batches until the server is gone.
fn send(address: SocketAddr, name: &str, seed: u64, progress: &Progress) {
    let _ends = Ends(progress);
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
}

/// Counts a sender as ended when it is dropped, also by a panic.
struct Ends<'a>(&'a Progress);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.counts.lock().expect("not poisoned").ended += 1;
        self.0.changed.notify_all();
    }
}

/// A sender of batches with keys, each of which it sends until it is acknowledged, to as many
/// servers as that takes.
struct Keyed {
    name: String,
    dice: Dice,
    /// The number of the batch that is sent now, and its body.
    number: usize,
    body: String,
    /// The answer to it that was lost on the way back.
    lost: Option<String>,
    /// Every batch that was acknowledged: its key, its body and the first answer.
    answered: Vec<(String, String, String)>,
    /// How often a batch was acknowledged that had been stored before.
    resumed: usize,
}

impl Keyed {
    fn new(name: String, seed: u64) -> Self {
        let dice = Dice::new(seed);
        let (body, lost, answered) = (String::new(), None, Vec::new());
        let mut keyed = Self { name, dice, number: 0, body, lost, answered, resumed: 0 };
        keyed.prepare();
        keyed
    }

    /// Makes the body of the next batch; some have a line that is rejected.
    fn prepare(&mut self) {
        self.body.clear();
        for event in 0..self.dice.within(1..100) {
            let mark = format!("{}-{}-{event}", self.name, self.number);
            self.body.push_str(&format!("{{\"message\":\"event {mark}\",\"mark\":\"{mark}\"}}\n"));
        }
        if self.dice.chance(20) {
            self.body.push_str("no event\n");
        }
    }

    /// Sends the current batch once; `false` if there was no answer.
    fn send(&mut self, address: SocketAddr, progress: &Progress) -> bool {
        let events = self.body.lines().filter(|line| line.starts_with('{'));
        let marks = events.map(|event| json::member(event, "mark").expect("a mark"));
        let marks: Vec<String> = marks.map(json::unquoted).collect();
        progress.counts.lock().expect("not poisoned").sent.extend(marks.iter().cloned());
        let key = format!("{}/{}", self.name, self.number);
        let Ok(answer) = post_once(address, &key, &self.body) else { return false };
        if answer.status == 200 {
            let accepted = json::member(&answer.body, "accepted").expect("accepted");
            assert_eq!(accepted, marks.len().to_string());
            self.resumed += usize::from(is_replay(&answer));
            match self.lost.take() {
                None if self.dice.chance(10) => {
                    self.lost = Some(answer.body);
                    return true;
                }
                None => {}
                Some(lost) => assert_eq!(answer.body, lost, "{key}"),
            }
            self.answered.push((key, std::mem::take(&mut self.body), answer.body));
            self.number += 1;
            self.prepare();
            let mut counts = progress.counts.lock().expect("not poisoned");
            counts.acknowledged.extend(marks);
            counts.answers += 1;
            drop(counts);
            progress.changed.notify_all();
        } else {
            assert!(matches!(answer.status, 429 | 503), "{answer:?}");
        }
        true
    }

    /// Every key that was acknowledged gets its first answer, word for word.
    fn check_replays(&self, address: SocketAddr) {
        for (key, body, first) in &self.answered {
            let again = post_once(address, key, body).expect("answered");
            assert_eq!((again.status, &again.body), (200, first), "{key}");
            assert!(is_replay(&again), "{key} was stored again: {}", again.head);
        }
    }
}

fn post_once(address: SocketAddr, key: &str, body: &str) -> std::io::Result<http::Response> {
    let headers = [("Content-Type", "application/x-ndjson"), ("Idempotency-Key", key)];
    http::request_with(address, "POST", "/api/v1/logs", &headers, body.as_bytes())
}

fn is_replay(answer: &http::Response) -> bool {
    answer.head.to_ascii_lowercase().contains("\r\nidempotency-replayed: true")
}

/// After each restart every acknowledged key replays its first answer and no event is there twice;
/// what was on its way when a server died is sent again and is there once.
#[test]
fn batches_with_keys_are_stored_once_over_kill_9() {
    let mut dice = Dice::new(2);
    let mut figures = Figures::default();
    for cycles in stores() {
        let (progress, resumed) = killed_with_keys(cycles, &mut dice);
        figures.add(cycles, &progress);
        figures.resumed += resumed;
    }
    assert!(figures.resumed > 0, "no batch was sent again");
    figures.tell();
}

fn killed_with_keys(cycles: usize, dice: &mut Dice) -> (Progress, usize) {
    let dir = tempfile::tempdir().expect("a directory");
    let progress = Progress::default();
    let new = |sender| Keyed::new(format!("sender{sender}"), dice.roll());
    let mut senders: Vec<Keyed> = (0..SENDERS).map(new).collect();
    for _ in 0..cycles {
        let server = Server::start_with(dir.path(), &SETTINGS);
        let address = server.address();
        check(&server, &progress);
        senders.iter().for_each(|sender| sender.check_replays(address));
        progress.begin_cycle();
        let answers = dice.within(5..60);
        std::thread::scope(|scope| {
            for sender in &mut senders {
                let progress = &progress;
                scope.spawn(move || {
                    let _ends = Ends(progress);
                    while sender.send(address, progress) {}
                });
            }
            scope.spawn(|| flush(address));
            progress.wait_for(answers);
            server.kill();
        });
    }
    let server = Server::start_with(dir.path(), &SETTINGS);
    for sender in &mut senders {
        let last = sender.number;
        while sender.number == last {
            assert!(sender.send(server.address(), &progress), "the server is there");
        }
        sender.check_replays(server.address());
    }
    // Everything that was sent is there once: also what was on its way when a server died.
    check(&server, &progress);
    let counts = progress.counts.lock().expect("not poisoned");
    assert_eq!(counts.sent, counts.acknowledged);
    drop(counts);
    (progress, senders.iter().map(|sender| sender.resumed).sum())
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
