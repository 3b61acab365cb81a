//! How long senders wait for their acknowledgement below the full rate, by the size of their batches, and how
//! long queries take meanwhile.
//!
//! For each size the full rate is found first, with many connections that send as fast as they are answered.
//! Then batches are sent at half of that rate at fixed times, however long the answers take: a slow answer
//! keeps no other batch from being sent, so its wait is not the only one that tells of what made it slow.

use crate::Result;
use crate::facts::Facts;
use crate::queries;
use crate::report::{QueryTimes, Waits};
use crate::send::{self, Body};
use crate::truth::Truth;
use logstrata_client::Client;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Events of a request.
const BATCHES: [usize; 3] = [1, 50, 5_000];
/// Connections that find the full rate.
const CONNECTIONS: usize = 16;
/// Events of the workload that are sent, again and again.
const EVENTS: u64 = 100_000;
/// The same for batches of one event.
const REQUESTS: u64 = 20_000;

/// What was measured.
#[derive(Debug)]
pub(crate) struct Latency {
    batches: Vec<OfBatch>,
    /// Queries beside senders, and on the same store without.
    queries: Option<(Vec<QueryTimes>, Vec<QueryTimes>)>,
}

/// Batches of one size.
#[derive(Debug)]
struct OfBatch {
    events: usize,
    /// Events a second: as many as can be, and as were sent.
    full: f64,
    sent: f64,
    waits: Waits,
    /// How long after their time batches were sent: what the client itself adds.
    behind: Waits,
}

/// Measures each size for so long, and the queries beside batches of the greatest.
pub(crate) async fn measure(
    client: &Client,
    workload: &Path,
    known: Option<&(Facts, Truth)>,
    time: Duration,
    repetitions: usize,
) -> Result<Latency> {
    let mut batches = Vec::new();
    for size in BATCHES {
        let events = EVENTS.min(REQUESTS * size as u64);
        let bodies: Rc<[Body]> = send::bodies(workload, events, size)?.into();
        let full = full_rate(client, &bodies, time / 2).await?;
        if full <= 0.0 {
            return Err("no batch was acknowledged in time".into());
        }
        let pause = Duration::from_secs_f64(2.0 * size as f64 / full);
        let ends = Instant::now() + time;
        let paced = paced(client, &bodies, pause, move || Instant::now() >= ends);
        let (waits, behind, elapsed) = tokio::task::LocalSet::new().run_until(paced).await?;
        let sent = (waits.len() * size) as f64 / elapsed.as_secs_f64();
        batches.push(OfBatch { events: size, full, sent, waits, behind });
    }
    let queries = match (known, batches.last()) {
        (Some(known), Some(last)) => {
            let pause = Duration::from_secs_f64(2.0 * last.events as f64 / last.full);
            let bodies: Rc<[Body]> = send::bodies(workload, EVENTS, last.events)?.into();
            let beside = beside(client, &bodies, pause, known, repetitions).await?;
            client.flush().await?;
            let alone = queries::measure(client, &known.0, &known.1, repetitions).await?;
            Some((beside, alone))
        }
        _ => None,
    };
    Ok(Latency { batches, queries })
}

/// Events a second over many connections that send as fast as they are answered.
async fn full_rate(client: &Client, bodies: &Rc<[Body]>, time: Duration) -> Result<f64> {
    let started = Instant::now();
    let events = Rc::new(Cell::new(0));
    let tasks = tokio::task::LocalSet::new();
    let senders = (0..CONNECTIONS).map(|first| {
        let (client, bodies, events) = (client.clone(), Rc::clone(bodies), Rc::clone(&events));
        tasks.spawn_local(async move {
            for body in bodies.iter().cycle().skip(first * bodies.len() / CONNECTIONS) {
                if started.elapsed() >= time {
                    break;
                }
                client.ingest_ndjson(body.bytes.clone()).await?;
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
    bodies: &Rc<[Body]>,
    pause: Duration,
    ends: impl Fn() -> bool,
) -> Result<(Waits, Waits, Duration)> {
    let waits = Rc::new(RefCell::new(Waits::default()));
    let (mut behind, mut senders) = (Waits::default(), Vec::new());
    let started = tokio::time::Instant::now();
    let mut ticks = tokio::time::interval_at(started, pause);
    for body in bodies.iter().cycle() {
        let due = ticks.tick().await;
        if ends() {
            break;
        }
        behind.add(due.elapsed());
        let (client, body, waits) = (client.clone(), body.bytes.clone(), Rc::clone(&waits));
        senders.push(tokio::task::spawn_local(async move {
            let sent = Instant::now();
            client.ingest_ndjson(body).await?;
            waits.borrow_mut().add(sent.elapsed());
            Ok::<_, logstrata_client::Error>(())
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
    bodies: &Rc<[Body]>,
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
    let sending = paced(client, bodies, pause, || is_over.get());
    let (measured, sent) = tasks.run_until(async { tokio::join!(asking, sending) }).await;
    sent?;
    measured
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for OfBatch { events, full, sent, waits, behind } in &self.batches {
            let [p50, p99, p999] = [500, 990, 999].map(|rank| waits.per_mille(rank));
            writeln!(
                f,
                "batches of {events:<5} full rate {full:>8.0} events/s; at {sent:.0}: p50 {p50:.2} ms, p99 \
                 {p99:.2} ms, p99.9 {p999:.2} ms (sent late by p99 {:.2} ms)",
                behind.per_mille(990)
            )?;
        }
        let Some((beside, alone)) = &self.queries else { return Ok(()) };
        writeln!(f, "queries, median ms               while ingesting      idle   ratio")?;
        for (beside, alone) in beside.iter().zip(alone) {
            let [loaded, idle] = [beside, alone].map(|query| query.waits.per_mille(500));
            let ratio = loaded / idle;
            writeln!(f, "{:<31} {loaded:>16.2} {idle:>9.2} {ratio:>7.2}", beside.name)?;
        }
        Ok(())
    }
}
