//! The client library against the real binary.

mod common;

use common::{Server, dir};
use logstrata_client::wire::{ErrorKind, SearchQuery, StatsQuery, TailQuery};
use logstrata_client::{BatcherLimits, Client, Error, Retry, run_batcher};
use std::io::{Read as _, Write as _};
use std::time::Duration;
use tokio::sync::mpsc;

#[tokio::test]
async fn every_call_is_answered() {
    let dir = dir();
    let server = Server::start(dir.path());
    let client = Client::new(&server.url()).expect("is an address");
    client.ready().await.expect("is ready");
    let stored =
        client.ingest_ndjson("{\"message\":\"hello\",\"n\":7}\nbad\n").await.expect("stored");
    assert_eq!((stored.accepted, stored.rejected_count, stored.rejected[0].line), (1, 1, 2));
    client.flush().await.expect("flushes");
    client.compact().await.expect("compacts");

    let query = SearchQuery { q: "hello n:>6".into(), limit: Some(5), ..SearchQuery::default() };
    let page = client.search(&query).await.expect("found");
    let id = stored.first_id.expect("has an id");
    let event = client.event(&id).await.expect("is answered").expect("is there");
    assert_eq!(page.logs.len(), 1);
    assert_eq!(page.logs[0].get().as_bytes(), event);
    let none = client.event("00000000000000000000000000").await.expect("is answered");
    assert_eq!(none, None);

    let query = StatsQuery { agg: Some("sum(n)".into()), ..StatsQuery::default() };
    let table = client.stats(&query).await.expect("is answered");
    assert_eq!(table.rows[0].get("sum(n)").map(|value| value.get()), Some("7"));
}

#[tokio::test]
async fn refusals_say_why() {
    let dir = dir();
    let server = Server::start(dir.path());
    let client = Client::new(&server.url()).expect("is an address");
    let query = SearchQuery { q: "a AND (".into(), ..SearchQuery::default() };
    let error = client.search(&query).await.expect_err("does not parse");
    assert_eq!(error.kind(), Some(ErrorKind::Invalid));
    let Error::Server(refusal) = error else { panic!("{error:?}") };
    assert!(refusal.status == 400 && refusal.error.position.is_some(), "{refusal:?}");

    let error = client.ingest_ndjson("bad\n").await.expect_err("nothing is stored");
    let Error::Server(refusal) = error else { panic!("{error:?}") };
    assert_eq!(refusal.ingest.expect("lists the lines").rejected_count, 1);

    drop(server);
    let error = client.ready().await.expect_err("nobody is there");
    assert!(matches!(error, Error::Transport { .. }), "{error:?}");
}

#[tokio::test]
async fn a_batcher_sends_what_is_full_and_what_is_old() {
    let dir = dir();
    let server = Server::start(dir.path());
    let client = Client::new(&server.url()).expect("is an address");
    let age_max = Duration::from_millis(10);
    let limits = BatcherLimits { events_max: 2, age_max, ..BatcherLimits::default() };
    let (events, received) = mpsc::channel(10);
    let (answers, mut answered) = mpsc::unbounded_channel();
    // There before it runs, so that the first two can't be parted by time.
    for _ in 0..3 {
        events.send(b"{\"message\":\"m\"}".to_vec()).await.expect("is taken");
    }
    let running = tokio::spawn(run_batcher(
        client,
        limits,
        Retry::default(),
        received,
        move |body, answer| {
            answers
                .send((body.events, answer.map(|answer| answer.accepted).ok()))
                .expect("is heard");
        },
    ));
    assert_eq!(answered.recv().await, Some((2, Some(2))), "full");
    assert_eq!(answered.recv().await, Some((1, Some(1))), "old: nothing else comes");
    events.send(b"{\"message\":\"last\"}".to_vec()).await.expect("is taken");
    drop(events);
    assert_eq!(answered.recv().await, Some((1, Some(1))), "the end");
    running.await.expect("ends");
    assert_eq!(server.messages("").len(), 4);
}

/// A server that was cut off, not ended, closes no connection: a tail of it waited for ever.
#[tokio::test]
async fn a_tail_of_a_server_that_is_silent_breaks() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("is free");
    let address = listener.local_addr().expect("has one");
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("comes");
        // An answer to no request is an error of its own.
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("is asked");
            asked.push(byte[0]);
        }
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(head).expect("is sent");
        // Silent until the client leaves.
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let client = Client::new(&format!("http://{address}")).expect("is an address");
    let mut tail = client.tail(&TailQuery::default()).await.expect("begins");
    // From here on no time passes but the client's waiting.
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let error = tail.next().await.expect_err("nothing comes");
    assert!(matches!(error, Error::Transport { connecting: false, .. }), "{error:?}");
    assert_eq!(began.elapsed().as_secs(), 45);
}
