//! The workload, cut into requests, and the connections that send them.

use crate::Result;
use crate::report::Waits;
use bytes::Bytes;
use logstrata_client::{Client, Retry};
use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A request's events, one JSON object a line.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    pub(crate) events: u64,
    pub(crate) bytes: Bytes,
}

/// What was sent, and how that went.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
    pub(crate) elapsed: Duration,
    pub(crate) waits: Waits,
}

impl Sent {
    pub(crate) fn add(&mut self, other: Self) {
        self.events += other.events;
        self.bytes += other.bytes;
        self.elapsed += other.elapsed;
        self.waits.extend(other.waits);
    }
}

/// The first `events` lines of the workload's files, in order of their names.
pub(crate) fn bodies(workload: &Path, events: u64, batch: usize) -> Result<Vec<Body>> {
    let listed = std::fs::read_dir(workload)
        .map_err(|error| format!("{}: {error}", workload.display()))?
        .map(|entry| Ok(entry?.path()));
    let mut files: Vec<_> = listed.collect::<Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "ndjson"));
    files.sort();
    let mut bodies = Vec::new();
    let (mut body, mut lines, mut left) = (Vec::new(), 0, events);
    for file in files {
        let text = std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        for line in text.split_inclusive(|byte| *byte == b'\n').filter(|line| line.len() > 1) {
            if left == 0 {
                break;
            }
            body.extend_from_slice(line);
            lines += 1;
            left -= 1;
            if lines == batch as u64 || left == 0 {
                bodies.push(Body { events: lines, bytes: std::mem::take(&mut body).into() });
                lines = 0;
            }
        }
    }
    if lines > 0 {
        bodies.push(Body { events: lines, bytes: body.into() });
    }
    Ok(bodies)
}

/// Lets the client see which of its connections the server has closed, after this thread did something else
/// for long: a request on such a connection fails.
pub(crate) async fn look_at_connections() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

/// Sends every body once, over so many connections at a time.
pub(crate) async fn send(client: &Client, bodies: &[Body], connections: usize) -> Result<Sent> {
    let started = Instant::now();
    let next = Rc::new(Cell::new(0));
    let tasks = tokio::task::LocalSet::new();
    let bodies: Rc<[Body]> = bodies.into();
    let mut senders = Vec::new();
    for _ in 0..connections {
        let (client, next, bodies) = (client.clone(), Rc::clone(&next), Rc::clone(&bodies));
        senders.push(tasks.spawn_local(async move { sender(&client, &next, &bodies).await }));
    }
    let mut sent = Sent::default();
    tasks
        .run_until(async {
            for sender in senders {
                let waits = sender.await.map_err(|error| error.to_string())?;
                sent.waits.extend(waits.map_err(|error| error.to_string())?);
            }
            Ok::<_, String>(())
        })
        .await?;
    sent.elapsed = started.elapsed();
    sent.events = bodies.iter().map(|body| body.events).sum();
    sent.bytes = bodies.iter().map(|body| body.bytes.len() as u64).sum();
    Ok(sent)
}

async fn sender(client: &Client, next: &Cell<usize>, bodies: &[Body]) -> Result<Waits> {
    let mut waits = Waits::default();
    while let Some(body) = bodies.get(next.get()) {
        next.set(next.get() + 1);
        let started = Instant::now();
        // A refusal counts as waiting: that is what it is for the sender.
        let answer = Retry::default().run(|| client.ingest_ndjson(body.bytes.clone())).await?;
        waits.add(started.elapsed());
        if answer.accepted != body.events {
            let rejected = answer.rejected.first().map_or("", |line| &line.error);
            return Err(format!("{} of {}: {rejected}", answer.accepted, body.events).into());
        }
    }
    Ok(waits)
}
