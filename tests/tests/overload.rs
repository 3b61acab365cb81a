//! More than the server can take: it refuses in order, stays within its memory, and has everything
//! that it acknowledged.
#![expect(clippy::disallowed_methods, reason = "the memory of a process stands in a file")]

use logstrata_tests::http::{Response, Sending};
use logstrata_tests::server::Server;
use logstrata_tests::{http, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Barrier, Mutex, OnceLock};
use std::time::Duration;

const SENDERS: usize = 64;
/// Batches that each sender offers after the first.
const OFFERS: usize = 3;
const READERS: usize = 2;
const MEMORY: u64 = 128 << 20;
/// What anonymous memory may reach: the budget and a tenth, and what a process takes beside it.
const RSS_MAX: u64 = MEMORY + MEMORY / 10 + (64 << 20);
const SETTINGS: [(&str, &str); 1] = [("LOGSTRATA_MEMORY", "128MiB")];
/// How long what must come is waited for, in steps of 20 ms.
const PATIENCE: usize = 3_000;

/// What senders and readers were told.
#[derive(Default)]
struct Told {
    /// Acknowledged batches, and the events of each.
    acknowledged: Mutex<BTreeMap<String, usize>>,
    /// Those that were offered and refused, as often as they were.
    refused: Mutex<BTreeMap<u16, usize>>,
    /// Queries answered, and those refused.
    queries: [AtomicUsize; 2],
}

impl Told {
    /// An answer that is neither a success nor an orderly refusal ends the test.
    fn refused(&self, answer: &Response) {
        assert!(matches!(answer.status, 429 | 503), "{answer:?}");
        let head = answer.head.to_ascii_lowercase();
        let seconds = head.lines().find_map(|line| line.strip_prefix("retry-after: "));
        assert!(seconds.is_some_and(|s| s.parse::<u32>().is_ok_and(|s| s > 0)), "{answer:?}");
    }

    fn batch(&self, batch: &Batch, answer: &Response) -> bool {
        if answer.status == 200 {
            let accepted = json::member(&answer.body, "accepted").expect("accepted");
            assert_eq!(accepted, batch.events.to_string());
            let mut acknowledged = self.acknowledged.lock().expect("not poisoned");
            assert!(acknowledged.insert(batch.name.clone(), batch.events).is_none());
            return true;
        }
        self.refused(answer);
        *self.refused.lock().expect("not poisoned").entry(answer.status).or_default() += 1;
        false
    }
}

/// A batch with a name of its own, whose events are numbered.
struct Batch {
    name: String,
    events: usize,
    body: Vec<u8>,
}

impl Batch {
    /// So many events, with texts of so many bytes.
    fn new(name: String, events: usize, text_bytes: usize) -> Self {
        let noise = noise();
        let mut body = String::new();
        for n in 0..events {
            let start = n * 7_919 % (noise.len() - text_bytes);
            let text = &noise[start..start + text_bytes];
            let user = n * 31 % 50_021;
            writeln!(
                body,
                "{{\"batch\":\"{name}\",\"n\":{n},\"took_ms\":{}.5,\"user\":\"u{user}\",\
                 \"message\":\"request {n} {text}\"}}",
                n % 97
            )
            .expect("a string takes everything");
        }
        Self { name, events, body: body.into_bytes() }
    }
}

/// Words, most of which come once.
fn noise() -> &'static str {
    static NOISE: OnceLock<String> = OnceLock::new();
    NOISE.get_or_init(|| {
        let word = |n: u32| format!("{:x} served ", n.wrapping_mul(2_654_435_761) >> 12);
        (0..20_000).map(word).collect()
    })
}

/// A sender that holds its memory while all others ask for theirs: half of a batch, then the rest
/// once the server has refused somebody. Then it offers what it has, as fast as it is answered.
fn send(address: SocketAddr, sender: usize, half_sent: &Barrier, told: &Told) {
    let batch = Batch::new(format!("{sender}-first"), 100, 20 << 10);
    let headers = [("Content-Type", "application/x-ndjson")];
    let begun = Sending::begin(address, "POST", "/api/v1/logs", &headers, batch.body.len());
    let mut sending = begun.expect("a connection");
    let (first, rest) = batch.body.split_at(batch.body.len() / 2);
    sending.send(first);
    half_sent.wait();
    sending.send(rest);
    told.batch(&batch, &sending.answer().expect("an answer, not only a broken connection"));

    let mut number = 0;
    for _ in 0..OFFERS {
        let name = format!("{sender}-{number}");
        let (batch, encoding, key) = match sender % 4 {
            0 => (Batch::new(name, 100, 20 << 10), "identity", None),
            1 => (Batch::new(name.clone(), 4_000, 100), "identity", Some(name)),
            2 => (Batch::new(name, 50, 100 << 10), "zstd", None),
            _ => (Batch::new(name, 8_000, 10), "identity", None),
        };
        let mut headers = vec![("Content-Type", "application/x-ndjson")];
        headers.push(("Content-Encoding", encoding));
        headers.extend(key.as_deref().map(|key| ("Idempotency-Key", key)));
        let body = match encoding {
            "zstd" => zstd::bulk::compress(&batch.body, 1).expect("compresses"),
            _ => batch.body.clone(),
        };
        let answer = http::request_with(address, "POST", "/api/v1/logs", &headers, &body);
        let stored = told.batch(&batch, &answer.expect("an answer, not only a broken connection"));
        // With a key a refused batch is offered again, otherwise the next one.
        number += usize::from(stored || key.is_none());
    }
}

/// Asks until there is nothing more to be stored.
fn read(address: SocketAddr, over: &AtomicBool, told: &Told) {
    let targets = [
        "/api/v1/logs?limit=10000",
        "/api/v1/logs/stats?group_by=user&agg=avg(took_ms)",
        "/api/v1/logs/stats?q=message:/request%20[0-9]*7%20/&group_by=batch",
        "/api/v1/logs?q=served%20-absent&order=asc&limit=10000",
    ];
    for target in targets.iter().cycle() {
        if over.load(SeqCst) {
            return;
        }
        let answer = http::request(address, "GET", target, "text/plain", b"").expect("an answer");
        if answer.status != 200 {
            // A table of all users is too large for any server.
            let bound = answer.status == 400 && answer.body.contains("groups");
            if !bound {
                told.refused(&answer);
            }
        }
        told.queries[usize::from(answer.status != 200)].fetch_add(1, SeqCst);
    }
}

/// The most anonymous memory that the process was seen to have while `over` was not set.
fn watch(process: u32, over: &AtomicBool, peak: &AtomicU64) {
    while !over.load(SeqCst) {
        let status = std::fs::read_to_string(format!("/proc/{process}/status"));
        let status = status.expect("the process lives");
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
        peak.fetch_max(kib.expect("RssAnon in kB") << 10, SeqCst);
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn metric(server: &Server, name: &str) -> f64 {
    let answer = server.get("/metrics", &[]);
    let line = answer.body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.expect("the metric is there").parse().expect("a number")
}

/// Waits for what must come.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..PATIENCE {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("waited too long: {what}");
}

/// Every acknowledged batch is there whole and once, and no refused one in any part.
fn check(server: &Server, acknowledged: &BTreeMap<String, usize>) {
    let answer = server
        .get("/api/v1/logs/stats", &[("group_by", "batch"), ("agg", "uniq(n),min(n),max(n)")]);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let rows = json::elements(json::member(&answer.body, "rows").expect("rows"));
    let mut found = BTreeMap::new();
    for row in rows {
        let number = |key| json::member(row, key).expect("a figure").parse::<f64>().expect("one");
        let events = number("count") as usize;
        assert_eq!(number("min(n)"), 0.0, "{row}");
        assert_eq!(number("max(n)") as usize, events - 1, "{row}");
        assert_eq!(number("uniq(n)") as usize, events, "{row}");
        found.insert(json::unquoted(json::member(row, "batch").expect("a name")), events);
    }
    assert_eq!(&found, acknowledged);
}

#[test]
fn more_than_the_server_can_take_is_refused_in_order_and_within_its_memory() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start_with(dir.path(), &SETTINGS);
    let (address, process) = (server.address(), server.id());
    let (told, over, peak) = (Told::default(), AtomicBool::new(false), AtomicU64::new(0));
    let half_sent = Barrier::new(SENDERS + 1);
    std::thread::scope(|scope| {
        scope.spawn(|| watch(process, &over, &peak));
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                scope.spawn({
                    let (half_sent, told) = (&half_sent, &told);
                    move || send(address, sender, half_sent, told)
                })
            })
            .collect();
        // 64 times 2 MiB are more than ingest can have of 128 MiB.
        until("a refusal", || metric(&server, "logstrata_memory_refused_ingest_total") > 0.0);
        half_sent.wait();
        for _ in 0..READERS {
            scope.spawn(|| read(address, &over, &told));
        }
        let sent: Vec<_> = senders.into_iter().map(|sender| sender.join()).collect();
        over.store(true, SeqCst);
        sent.into_iter().for_each(|sent| sent.expect("no sender fails"));
    });
    let refused = told.refused.into_inner().expect("not poisoned");
    let mut acknowledged = told.acknowledged.into_inner().expect("not poisoned");
    let peak = peak.into_inner();
    println!(
        "{} batches acknowledged, refused {refused:?}, queries {:?}, RssAnon {} of {} MiB",
        acknowledged.len(),
        told.queries,
        peak >> 20,
        RSS_MAX >> 20
    );
    assert!(peak <= RSS_MAX, "{} MiB of anonymous memory", peak >> 20);
    assert!(refused.values().sum::<usize>() > 0 && !acknowledged.is_empty());

    let ready = |server: &Server| server.get("/readyz", &[]).status == 200;
    until("readiness", || ready(&server));
    let last = Batch::new("last".into(), 10, 10);
    until("room for a small batch", || {
        server.post("/api/v1/logs", "application/x-ndjson", &last.body).status == 200
    });
    acknowledged.insert(last.name, last.events);
    server.kill();
    let server = Server::start_with(dir.path(), &SETTINGS);
    assert!(ready(&server));
    check(&server, &acknowledged);
    let (status, said) = server.stop();
    assert!(status.success(), "{status}\n{said}");
}
