//! Tails against the log: the same events in the same order, whatever happens meanwhile.
#![expect(
    clippy::disallowed_methods,
    reason = "readers that are slow, and senders that go on meanwhile"
)]

use logstrata_tests::dice::Dice;
use logstrata_tests::http;
use logstrata_tests::json::{member, unquoted};
use logstrata_tests::server::{Server, spawn};
use logstrata_tests::tail::{Event, Tail};
use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Sends `count` events from `first` on; every third is an error, every seventh comes late.
fn send(address: SocketAddr, first: usize, count: usize, padding: &str) {
    let line = |n: usize| {
        let level = if n.is_multiple_of(3) { "error" } else { "info" };
        let time = 1_700_000_000 + if n.is_multiple_of(7) { n / 2 } else { n };
        format!(
            "{{\"ts\":{time},\"level\":\"{level}\",\"n\":{n},\"list\":[1,\t{n}],\
             \"message\":\"event {n} took {n}ms {padding}\"}}\n"
        )
    };
    let body: String = (first..first + count).map(line).collect();
    let kind = "application/x-ndjson";
    let answer = http::request(address, "POST", "/api/v1/logs", kind, body.as_bytes());
    let answer = answer.expect("answered");
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(member(&answer.body, "accepted"), Some(&*count.to_string()), "{}", answer.body);
}

fn id_of(event: &str) -> String {
    unquoted(member(event, "id").expect("an id"))
}

/// The events that the query finds, in the order in which they were stored: ids end with the
/// number of that.
fn in_order_of_the_log(server: &Server, query: &str) -> Vec<String> {
    let mut events = server.all(query);
    events.sort_by_key(|event| id_of(event)[13..].to_owned());
    events
}

/// The value of a metric.
fn metric(server: &Server, name: &str) -> u64 {
    let page = server.get("/metrics", &[]).body;
    let mut lines = page.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    lines.next().unwrap_or_else(|| panic!("{name} is not in\n{page}")).parse().expect("a number")
}

/// Waits until a metric has a value.
fn wait_for(server: &Server, name: &str, value: u64) {
    let began = Instant::now();
    while metric(server, name) != value {
        assert!(began.elapsed() < Duration::from_secs(30), "{name} is {}", metric(server, name));
        std::thread::sleep(Duration::from_millis(20));
    }
}

const SMALL: [(&str, &str); 1] = [("LOGSTRATA_MEMTABLE_BYTES", "1MiB")];

/// Follows a query until there are `count` events, breaking off and coming again at random.
fn follow(address: SocketAddr, query: &str, begin: &str, count: usize, seed: u64) -> Vec<String> {
    let mut dice = Dice::new(seed);
    let mut found: Vec<String> = Vec::new();
    let mut last = begin.to_owned();
    while found.len() < count {
        let mut tail = Tail::open(address, query, Some(&last)).expect("resumed");
        let stint = dice.within(1..count / 4);
        for _ in 0..stint.min(count - found.len()) {
            let event = tail.event();
            assert_eq!(tail.last_id.as_deref(), Some(&*id_of(&event)));
            found.push(event);
        }
        last = tail.last_id.expect("an id");
        std::thread::sleep(Duration::from_millis(dice.roll() % 30));
    }
    found
}

#[test]
fn a_tail_is_the_log_whatever_is_stored_flushed_and_compacted_meanwhile() {
    const EVENTS: usize = 24_000;
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start_with(dir.path(), &SMALL);
    let address = server.address();
    send(address, 0, 30, "");
    // Behind what was there before.
    let begin = Tail::open(address, "", None).expect("followed").position();
    let queries = ["", "level:error", "| where n:>20000 | fields id, n", "\"took 77ms\""];
    let counts = [EVENTS, EVENTS / 3, EVENTS + 30 - 20_001, 1];
    let is_done = AtomicBool::new(false);
    let found: Vec<Vec<String>> = std::thread::scope(|scope| {
        let follow = |index: usize| {
            let (query, count, begin) = (queries[index], counts[index], &begin);
            move || follow(address, query, begin, count, index as u64)
        };
        let readers: Vec<_> = (0..3).map(|index| scope.spawn(follow(index))).collect();
        let done = &is_done;
        scope.spawn(move || {
            let mut dice = Dice::new(99);
            while !done.load(Ordering::Relaxed) {
                let path = *dice.pick(&[&"/api/v1/admin/flush", &"/api/v1/admin/compact"]);
                let answer = http::request(address, "POST", path, "text/plain", b"");
                assert_eq!(answer.expect("answered").status, 200);
                std::thread::sleep(Duration::from_millis(dice.roll() % 200));
            }
        });
        let senders: Vec<_> = (0..2)
            .map(|half| {
                scope.spawn(move || {
                    let mut dice = Dice::new(half as u64);
                    let (mut next, end) = (30 + half * EVENTS / 2, 30 + (half + 1) * EVENTS / 2);
                    while next < end {
                        let count = dice.within(1..400).min(end - next);
                        send(address, next, count, "");
                        next += count;
                    }
                })
            })
            .collect();
        senders.into_iter().for_each(|sender| sender.join().expect("sent"));
        let found = readers.into_iter().map(|reader| reader.join().expect("followed")).collect();
        is_done.store(true, Ordering::Relaxed);
        found
    });
    for (query, found) in queries.iter().zip(&found) {
        let all = in_order_of_the_log(&server, query);
        let since = all.iter().skip_while(|event| id_of(event)[13..] <= begin[13..]);
        assert!(since.eq(found), "{query}: {} and {}", all.len(), found.len());
    }
    let mut tail = Tail::open(address, queries[3], Some(&begin)).expect("followed");
    assert_eq!(vec![tail.event()], server.all(queries[3]));
}

#[test]
fn a_tail_goes_on_after_the_server_was_killed() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path());
    let mut tail = Tail::open(server.address(), "", None).expect("followed");
    send(server.address(), 0, 5, "");
    let mut found: Vec<String> = (0..3).map(|_| tail.event()).collect();
    let last = tail.last_id.clone().expect("an id");
    server.kill();
    while let Ok(event) = tail.wait() {
        assert!(event.is_some(), "it does not end well");
    }
    let server = Server::start(dir.path());
    let mut tail = Tail::open(server.address(), "", Some(&last)).expect("resumed");
    found.extend((0..2).map(|_| tail.event()));
    send(server.address(), 5, 1, "");
    found.push(tail.event());
    assert_eq!(found, in_order_of_the_log(&server, ""));
    // In the URL, for who can't set headers; the header is the newer one.
    let after = id_of(&found[0]);
    let mut tail = Tail::request(server.address(), &[("after", &after)], "").expect("resumed");
    assert_eq!(tail.event(), found[1]);
    let header = format!("Last-Event-ID: {last}\r\n");
    let mut tail = Tail::request(server.address(), &[("after", &after)], &header).expect("resumed");
    assert_eq!(tail.event(), found[3]);
    let (status, said) = server.stop();
    assert!(status.success(), "{said}");
    while tail.wait().expect("ends well").is_some() {}
}

#[test]
fn a_slow_reader_is_told_what_it_missed_and_one_that_never_reads_holds_nobody_up() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path());
    let address = server.address();
    let mut slow = Tail::open(address, "level:error", None).expect("followed");
    let _never = Tail::open(address, "", None).expect("followed");
    let mut quick = Tail::open(address, "level:info", None).expect("followed");
    send(address, 0, 3, "");
    let first = slow.event();
    let padding = "x".repeat(1_200);
    let (rounds, size) = (30, 2_000);
    let reader = std::thread::spawn(move || {
        let count = 2 + (3..3 + rounds * size).filter(|n: &usize| !n.is_multiple_of(3)).count();
        let found: Vec<String> = (0..count).map(|_| id_of(&quick.event())).collect();
        found.into_iter().collect::<HashSet<_>>().len() == count
    });
    let began = Instant::now();
    for round in 0..rounds {
        send(address, 3 + round * size, size, &padding);
    }
    assert!(reader.join().expect("followed"), "the quick one has every event once");
    // It has to have let the server wait for a second.
    std::thread::sleep(Duration::from_secs(2).saturating_sub(began.elapsed()));
    let all = in_order_of_the_log(&server, "level:error");
    assert_eq!(first, all[0]);
    let (mut told, mut gaps) = (1, 0);
    while told < all.len() {
        let event: Event = slow.wait().expect("comes in time").expect("has not ended");
        if event.kind == "message" {
            assert_eq!(event.data, all[told], "the {told}th");
            told += 1;
            continue;
        }
        assert_eq!(event.kind, "missed", "{event:?}");
        let count: usize = member(&event.data, "count").expect("a count").parse().expect("number");
        let after = unquoted(member(&event.data, "after").expect("a place"));
        let mut gap = Tail::open(address, "level:error", Some(&after)).expect("resumed");
        for missed in &all[told..told + count] {
            assert_eq!(&gap.event(), missed, "what was missed can be had");
        }
        assert_eq!(slow.last_id, Some(unquoted(member(&event.data, "through").expect("a place"))));
        told += count;
        gaps += 1;
        assert_eq!(metric(&server, "logstrata_tail_missed_events_total") as usize, count);
    }
    assert_eq!(gaps, 1, "it was slow once");
    send(address, 3 + rounds * size, 3, "");
    assert!(slow.event().contains("event "), "and goes on live");
    let (status, said) = server.stop();
    assert!(status.success(), "the one that never reads keeps it from nothing: {said}");
}

#[test]
fn readers_are_counted_bounded_and_let_go() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path());
    let address = server.address();
    let tails: Vec<Tail> =
        (0..64).map(|_| Tail::open(address, "a", None).expect("followed")).collect();
    let refused = Tail::open(address, "a", None).expect_err("there are enough");
    assert_eq!(refused.status, 429, "{}", refused.body);
    assert!(refused.head.to_ascii_lowercase().contains("\r\nretry-after: 1"), "{}", refused.head);
    assert_eq!(metric(&server, "logstrata_tail_readers"), 64);
    drop(tails);
    wait_for(&server, "logstrata_tail_readers", 0);
    Tail::open(address, "a", None).expect("there is room again");
}

/// Passes connections on to a server that may change.
fn proxy(target: Arc<Mutex<SocketAddr>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("is bound");
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.expect("a connection");
            let Ok(server) = TcpStream::connect(*target.lock().expect("not poisoned")) else {
                continue;
            };
            for (from, to) in [(&client, &server), (&server, &client)] {
                let (mut from, mut to) =
                    (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(std::net::Shutdown::Both);
                });
            }
        }
    });
    address
}

#[test]
fn the_command_comes_again_by_itself_and_shows_each_event_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path());
    let first = server.store(&["{\"message\":\"before\"}"]);
    let target = Arc::new(Mutex::new(server.address()));
    let url = format!("http://{}", proxy(Arc::clone(&target)));
    let arguments = ["tail", "event", "--json", "--after", &first, "--server", &url];
    let mut command = spawn(&arguments);
    let mut lines = BufReader::new(command.stdout.take().expect("piped")).lines();
    let mut next = || lines.next().expect("goes on").expect("UTF-8");
    send(server.address(), 0, 10, "");
    let mut shown: Vec<String> = (0..10).map(|_| next()).collect();
    server.kill();
    let server = Server::start(dir.path());
    send(server.address(), 10, 10, "");
    *target.lock().expect("not poisoned") = server.address();
    shown.extend((0..10).map(|_| next()));
    assert_eq!(shown, in_order_of_the_log(&server, "event"));
    let id = command.id().to_string();
    let sent = std::process::Command::new("kill").args(["-INT", &id]).status();
    assert!(sent.expect("`kill` runs").success());
    assert!(command.wait().expect("ended").success(), "Ctrl-C is no failure");
    let mut said = String::new();
    command.stderr.take().expect("piped").read_to_string(&mut said).expect("UTF-8");
    assert!(said.starts_with("note: ") && said.contains("trying again"), "{said}");
    let refused = logstrata_tests::server::run(&["tail", "| sort a", "--server", &server.url()]);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("`sort` would never be done"), "{said}");
}

/// A query that is too long for a URL, in a body: the same stream, resumed by the same header.
#[test]
fn a_tail_is_asked_for_in_a_body_too() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path());
    let (json, form) = ("application/json", "application/x-www-form-urlencoded");
    let begin = server.store(&["{\"message\":\"before\"}"]);
    let long = format!("NOT \\\"{}\\\" level:error", "x".repeat(40_000));
    let asked = format!("{{\"q\":\"{long}\",\"after\":\"{begin}\"}}");
    let mut tail = Tail::post(server.address(), json, &asked, "").expect("followed");
    send(server.address(), 0, 30, "");
    let expected = in_order_of_the_log(&server, "level:error");
    assert_eq!(expected.len(), 10);
    for event in &expected {
        assert_eq!(tail.event(), *event);
    }
    drop(tail);
    // What comes again says so in the header: it is newer than what the body has.
    let header = format!("Last-Event-ID: {}\r\n", id_of(&expected[3]));
    let asked = format!("q=level%3Aerror&after={begin}");
    let mut tail = Tail::post(server.address(), form, &asked, &header).expect("resumed");
    for event in &expected[4..] {
        assert_eq!(tail.event(), *event);
    }
    for (kind, body, part) in [
        (json, "{\"q\":\"a | stats count()\"}", "never be done"),
        (json, "{\"q\":7}", "has to be text"),
        (json, "{\"from\":\"now-5m\"}", "known are q, after"),
        ("text/plain", "q=a", "text/plain"),
    ] {
        let refused = Tail::post(server.address(), kind, body, "").expect_err("is refused");
        assert!(matches!(refused.status, 400 | 415), "{body}: {}", refused.status);
        assert!(refused.body.contains(part), "{body}: {}", refused.body);
    }
}

#[test]
fn what_can_not_be_followed_is_a_clear_error() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path());
    let other = tempfile::tempdir().expect("a directory");
    let other = Server::start(other.path());
    let foreign = other.store(&["{\"message\":\"a\"}"]);
    let own = server.store(&["{\"message\":\"a\"}"]);
    let open = |query: &str, id: Option<&str>| Tail::open(server.address(), query, id).map(drop);
    let later = format!("{}ZZZZZZZZ", &own[..18]);
    for (query, id, part) in [
        ("| stats count()", None, "never be done"),
        ("level:error | sort n", None, "\"start\":14"),
        ("level:(", None, "caret"),
        ("", Some("nonsense"), "not an id of a tail"),
        ("", Some(&*foreign), "of another store"),
        ("", Some(&*later), "does not have"),
    ] {
        let refused = open(query, id).expect_err("is refused");
        let body = &refused.body;
        assert_eq!(refused.status, 400, "{query:?} {id:?}: {body}");
        assert!(body.contains(part) || part == "caret" && body.contains('^'), "{query:?}: {body}");
    }
    open("", Some(&own)).expect("its own");
    let wrong = Tail::request(server.address(), &[("from", "now-5m")], "").expect_err("is refused");
    assert!(wrong.body.contains("known are q, after"), "{}", wrong.body);
}
