//! How long senders wait for their acknowledgement below the full rate, by the size of their batches, and how
//! long queries take meanwhile.
//!
//! For each size the full rate is found first, with many connections that send as fast as they are answered.
//! Then batches are sent at half of that rate at fixed times, however long the answers take: a slow answer
//! keeps no other batch from being sent, so its wait is not the only one that tells of what made it slow.
//!
//! What is sent are copies of the workload that are other data each (see scale/copies.rs), of later days: else each
//! needle would be found as often as it was sent, and the queries beside would not be those without senders.

use crate::Result;
use crate::disk;
use crate::facts::Facts;
use crate::queries;
use crate::report::{QueryTimes, Waits};
use crate::scale::Supply;
use crate::send;
use crate::truth::Truth;
use logstrata_client::{Client, Retry};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Events of a request.
const BATCHES: [usize; 3] = [1, 50, 5_000];
/// Connections that find the full rate.
const CONNECTIONS: usize = 16;
/// Requests in flight at most while they are sent at a pace, the others wait here, which counts: a server that stands
/// still for a moment would otherwise be met by thousands of new connections, and the system's retries of those
/// take a minute.
const IN_FLIGHT_MAX: usize = 512;
/// Events of the workload that are sent, again and again.
const EVENTS: u64 = 100_000;
/// The same for batches of one event.
const REQUESTS: u64 = 20_000;

/// What was measured.
#[derive(Debug)]
pub(crate) struct Latency {
    batches: Vec<OfBatch>,
    /// Queries without senders, beside them, and without them again, on what is stored by then.
    queries: Option<[Vec<QueryTimes>; 3]>,
}

/// Batches of one size.
#[derive(Debug)]
struct OfBatch {
    events: usize,
    /// Events a second: as many as can be, and as were sent.
    full: f64,
    sent: f64,
    waits: Waits,
    /// One write and fdatasync of the disk itself just before, by bytes.
    fdatasync: Vec<(usize, Waits)>,
    /// How long after their time batches were sent: what the client itself adds.
    behind: Waits,
}

/// Measures each size for so long, and the queries beside batches of the greatest. The disk is that of `dir`.
pub(crate) async fn measure(
    client: &Client,
    (workload, dir): (&Path, &Path),
    known: Option<&(Facts, Truth)>,
    time: Duration,
    repetitions: usize,
) -> Result<Latency> {
    let rare = || known.into_iter().flat_map(|(facts, _)| facts.rare.keys().map(String::as_str));
    let mut batches = Vec::new();
    for size in BATCHES {
        let events = EVENTS.min(REQUESTS * size as u64);
        let supply = Rc::new(Supply::new(&send::bodies(workload, events, size)?, rare())?);
        send::look_at_connections().await;
        let full = full_rate(client, &supply, time / 2).await?;
        if full <= 0.0 {
            return Err("no batch was acknowledged in time".into());
        }
        let pause = Duration::from_secs_f64(2.0 * size as f64 / full);
        let fdatasync = disk::fdatasync(dir)?;
        send::look_at_connections().await;
        let ends = Instant::now() + time;
        let paced = paced(client, &supply, pause, move || Instant::now() >= ends);
        let (waits, behind, elapsed) = tokio::task::LocalSet::new().run_until(paced).await?;
        let sent = (waits.len() * size) as f64 / elapsed.as_secs_f64();
        batches.push(OfBatch { events: size, full, sent, waits, fdatasync, behind });
    }
    let queries = match (known, batches.last()) {
        (Some(known), Some(last)) => {
            let pause = Duration::from_secs_f64(2.0 * last.events as f64 / last.full);
            let supply = Supply::new(&send::bodies(workload, EVENTS, last.events)?, rare())?;
            let alone = async || {
                send::look_at_connections().await;
                client.flush().await?;
                queries::measure(client, &known.0, &known.1, repetitions).await
            };
            let before = alone().await?;
            let beside = beside(client, &supply, pause, known, repetitions).await?;
            Some([before, beside, alone().await?])
        }
        _ => None,
    };
    Ok(Latency { batches, queries })
}

/// Events a second over many connections that send as fast as they are answered.
async fn full_rate(client: &Client, supply: &Rc<Supply>, time: Duration) -> Result<f64> {
    let started = Instant::now();
    let events = Rc::new(Cell::new(0));
    let tasks = tokio::task::LocalSet::new();
    let senders = (0..CONNECTIONS).map(|_| {
        let (client, supply, events) = (client.clone(), Rc::clone(supply), Rc::clone(&events));
        tasks.spawn_local(async move {
            while started.elapsed() < time {
                let body = supply.next();
                Retry::default().run(|| client.ingest_ndjson(body.bytes.clone())).await?;
                events.set(events.get() + body.events);
            }
            Ok::<_, logstrata_client::Error>(())
        })
    });
    let senders: Vec<_> = senders.collect();
    tasks
        .run_until(async {
            for sender in senders {
                sender.await??;
            }
            Ok::<_, Box<dyn std::error::Error>>(())
        })
        .await?;
    Ok(events.get() as f64 / started.elapsed().as_secs_f64())
}

/// Sends a body every so often until told to end. Returns the waits for answers, how far sending was behind, and
/// the time that it took. For a `LocalSet`.
async fn paced(
    client: &Client,
    supply: &Supply,
    pause: Duration,
    ends: impl Fn() -> bool,
) -> Result<(Waits, Waits, Duration)> {
    let waits = Rc::new(RefCell::new(Waits::default()));
    let (mut behind, mut senders) = (Waits::default(), Vec::new());
    let places = Rc::new(Semaphore::new(IN_FLIGHT_MAX));
    let started = tokio::time::Instant::now();
    let mut ticks = tokio::time::interval_at(started, pause);
    loop {
        let body = supply.next().bytes;
        let due = ticks.tick().await;
        if ends() {
            break;
        }
        behind.add(due.elapsed());
        let (client, waits, places) = (client.clone(), Rc::clone(&waits), Rc::clone(&places));
        senders.push(tokio::task::spawn_local(async move {
            let sent = Instant::now();
            let _place = places.acquire().await?;
            // A refusal counts as waiting, and so does a connection that is closed to make room for others:
            // that a body may be stored twice does not matter here.
            let retry = Retry { has_keys: true, ..Retry::default() };
            retry.run(|| client.ingest_ndjson(body.clone())).await?;
            waits.borrow_mut().add(sent.elapsed());
            Ok::<_, Box<dyn std::error::Error>>(())
        }));
    }
    let elapsed = started.elapsed();
    for sender in senders {
        sender.await??;
    }
    Ok((waits.take(), behind, elapsed))
}

/// The queries while bodies are sent at a pace. Their answers change meanwhile, and are not compared.
async fn beside(
    client: &Client,
    supply: &Supply,
    pause: Duration,
    (facts, truth): &(Facts, Truth),
    repetitions: usize,
) -> Result<Vec<QueryTimes>> {
    let is_over = Rc::new(Cell::new(false));
    let asking = async {
        let measured = queries::measure(client, facts, truth, repetitions).await;
        is_over.set(true);
        measured
    };
    let tasks = tokio::task::LocalSet::new();
    let sending = paced(client, supply, pause, || is_over.get());
    let (measured, sent) = tasks.run_until(async { tokio::join!(asking, sending) }).await;
    sent?;
    measured
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for OfBatch { events, full, sent, waits, fdatasync, behind } in &self.batches {
            let [p50, p99, p999] = [500, 990, 999].map(|rank| waits.per_mille(rank));
            write!(
                f,
                "batches of {events:<5} full rate {full:>8.0} events/s; at {sent:.0}: p50 {p50:.2} ms, p99 \
                 {p99:.2} ms, p99.9 {p999:.2} ms (sent late by p99 {:.2} ms); disk",
                behind.per_mille(990)
            )?;
            for (size, waits) in fdatasync {
                let (p50, p99) = (waits.per_mille(500), waits.per_mille(990));
                write!(f, ", {} KiB: p50 {p50:.2} ms, p99 {p99:.2} ms", size >> 10)?;
            }
            writeln!(f)?;
        }
        let Some([before, beside, after]) = &self.queries else { return Ok(()) };
        writeln!(f, "queries, median ms               idle before  ingesting  idle after   ratio")?;
        for ((before, query), after) in before.iter().zip(beside).zip(after) {
            let [before, loaded, after] =
                [before, query, after].map(|query| query.waits.per_mille(500));
            // Those over all that is stored take longer the more there is.
            let ratio = loaded / ((before + after) / 2.0);
            writeln!(
                f,
                "{:<31} {before:>12.2} {loaded:>10.2} {after:>11.2} {ratio:>7.2}",
                query.name
            )?;
        }
        Ok(())
    }
}
