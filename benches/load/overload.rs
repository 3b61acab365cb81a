//! More producers than the server can serve: what it refuses, what it still takes in, what that
//! costs in memory, and whether everything that it acknowledged is there after `kill -9`.
//!
//! The best rate is found with few producers first, on the same server, and looked for again
//! afterwards: a store that has grown merges files meanwhile, and the machine may have others to
//! serve. Producers don't heed `Retry-After`: they offer a refused batch again after a short pause.

use crate::Result;
use crate::process::Server;
use crate::report::Waits;
use crate::send::Body;
use logstrata_client::wire::{IngestAnswer, StatsQuery};
use logstrata_client::{Client, Error};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Producers among which the best rate is looked for, each number for a sixth of the time.
const FEW: [usize; 3] = [1, 2, 4];
/// So many times the producers of the best rate.
const TIMES: usize = 4;
/// Between a refusal and the next try.
const PAUSE: Duration = Duration::from_millis(20);
const MIB: u64 = 1 << 20;

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) binary: &'a Path,
    pub(crate) store: &'a Path,
    /// More arguments for the server.
    pub(crate) serve: &'a [String],
    /// Its memory, in MiB.
    pub(crate) memory: u64,
    /// How long it has too many producers.
    pub(crate) time: Duration,
}

/// What was measured.
#[derive(Debug)]
pub(crate) struct Report {
    few: Vec<Phase>,
    many: Phase,
    /// As many producers as had the best rate.
    again: Phase,
    /// Anonymous memory at most, and what it may be, in bytes.
    peak: (u64, u64),
    /// Events acknowledged, and those that are there after `kill -9`.
    kept: (u64, u64),
}

/// So many producers for a while.
#[derive(Debug, Default)]
struct Phase {
    producers: usize,
    events: u64,
    elapsed: Duration,
    /// Of acknowledged batches, from their first offer on.
    waits: Waits,
    /// By status and kind.
    refusals: BTreeMap<String, u64>,
    /// Of these, without `Retry-After`, or neither 429 nor 503.
    disorderly: u64,
    /// Requests without an answer.
    broken: u64,
}

/// Puts the server under too much load.
pub(crate) async fn run(plan: &Plan<'_>, bodies: &[Body]) -> Result<Report> {
    let mut arguments = vec!["--memory".to_owned(), format!("{}MiB", plan.memory)];
    arguments.extend_from_slice(plan.serve);
    let mut server = Server::start(plan.binary, plan.store, &arguments)?;
    let client = Client::new(server.url())?;
    let mut few = Vec::new();
    for producers in FEW {
        few.push(phase(&client, bodies, "few", producers, plan.time / 6).await?);
    }
    let best = few.iter().max_by(|a, b| a.rate().total_cmp(&b.rate())).expect("not empty");
    let many = phase(&client, bodies, "many", best.producers * TIMES, plan.time).await?;
    let again = phase(&client, bodies, "again", best.producers, plan.time / 6).await?;
    client.ready().await.map_err(|error| format!("not ready afterwards: {error}"))?;
    let budget = plan.memory * MIB;
    let peak = (server.peak_anonymous_bytes(), budget + budget / 10 + 64 * MIB);
    server.kill()?;
    let mut server = Server::start(plan.binary, plan.store, &arguments)?;
    let table = Client::new(server.url())?.stats(&StatsQuery::default()).await?;
    let counts = table.rows.iter().filter_map(|row| row.get("count")?.get().parse::<u64>().ok());
    let acknowledged = few.iter().chain([&many, &again]).map(|phase| phase.events).sum();
    let kept = (acknowledged, counts.sum());
    server.stop()?;
    Ok(Report { few, many, again, peak, kept })
}

/// The batches of a phase have its name in their keys, and the number of its producers.
async fn phase(
    client: &Client,
    bodies: &[Body],
    name: &'static str,
    producers: usize,
    time: Duration,
) -> Result<Phase> {
    let found = Rc::new(RefCell::new(Phase { producers, ..Phase::default() }));
    let (next, started) = (Rc::new(Cell::new(0)), Instant::now());
    let tasks = tokio::task::LocalSet::new();
    let bodies: Rc<[Body]> = bodies.into();
    let senders: Vec<_> = (0..producers)
        .map(|_| {
            let (client, found) = (client.clone(), Rc::clone(&found));
            let (bodies, next) = (Rc::clone(&bodies), Rc::clone(&next));
            tasks.spawn_local(async move {
                while started.elapsed() < time {
                    let number = next.replace(next.get() + 1);
                    let key = format!("{name}-{producers}/{number}");
                    let body = &bodies[number % bodies.len()];
                    offer(&client, body, &key, started + time, &found).await?;
                }
                Ok::<_, Error>(())
            })
        })
        .collect();
    tasks
        .run_until(async {
            for sender in senders {
                sender.await.map_err(|error| error.to_string())?.map_err(|e| e.to_string())?;
            }
            Ok::<_, String>(())
        })
        .await?;
    let mut found = Rc::into_inner(found).expect("the senders have ended").into_inner();
    found.elapsed = started.elapsed();
    Ok(found)
}

/// Offers a batch until it is stored, or refused after `end`. One of which nobody knows whether it
/// was stored is offered again, under its key.
async fn offer(
    client: &Client,
    body: &Body,
    key: &str,
    end: Instant,
    found: &RefCell<Phase>,
) -> Result<(), Error> {
    let began = Instant::now();
    let mut known = true;
    loop {
        let answer = client.ingest_once(body.bytes.clone(), key).await;
        match found.borrow_mut().take_in(answer, began)? {
            Outcome::Stored => return Ok(()),
            Outcome::Refused if known && Instant::now() >= end => return Ok(()),
            Outcome::Refused => {}
            Outcome::Unknown => known = false,
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What has become of an offer.
enum Outcome {
    Stored,
    Refused,
    Unknown,
}

impl Phase {
    /// Counts the answer to a batch that was first offered then.
    fn take_in(
        &mut self,
        answer: Result<IngestAnswer, Error>,
        began: Instant,
    ) -> Result<Outcome, Error> {
        match answer {
            Ok(answer) => {
                self.events += answer.accepted;
                self.waits.add(began.elapsed());
                Ok(Outcome::Stored)
            }
            Err(Error::Server(refusal)) => {
                let (status, kind) = (refusal.status, refusal.error.kind);
                *self.refusals.entry(format!("{status} {kind:?}")).or_default() += 1;
                let orderly = matches!(status, 429 | 503) && refusal.retry_after.is_some();
                self.disorderly += u64::from(!orderly);
                Ok(Outcome::Refused)
            }
            Err(Error::Transport { .. }) => {
                self.broken += 1;
                Ok(Outcome::Unknown)
            }
            Err(error) => Err(error),
        }
    }

    fn rate(&self) -> f64 {
        self.events as f64 / self.elapsed.as_secs_f64()
    }
}

impl Report {
    fn phases(&self) -> impl Iterator<Item = &Phase> {
        self.few.iter().chain([&self.many, &self.again])
    }

    /// Whether every promise was kept. Throughput is none.
    pub(crate) fn is_fine(&self) -> bool {
        self.kept.0 == self.kept.1
            && self.peak.0 <= self.peak.1
            && self.phases().all(|phase| phase.disorderly + phase.broken == 0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for phase in self.phases() {
            let (p50, p99) = (phase.waits.per_mille(500), phase.waits.per_mille(990));
            writeln!(
                f,
                "{:>3} producers: {:>7.0} events/s, acknowledged after p50 {p50:.0} ms, p99 {p99:.0} ms",
                phase.producers,
                phase.rate()
            )?;
            for (kind, count) in &phase.refusals {
                writeln!(f, "               {count} refused: {kind}")?;
            }
            let (disorderly, broken) = (phase.disorderly, phase.broken);
            if disorderly + broken > 0 {
                writeln!(f, "               {disorderly} DISORDERLY, {broken} WITHOUT AN ANSWER")?;
            }
        }
        let best = self.few.iter().map(Phase::rate).fold(0.0, f64::max);
        let shares = [best, self.again.rate()].map(|rate| self.many.rate() / rate * 1e2);
        let [before, after] = shares;
        writeln!(f, "throughput against the best  {before:.0}% before, {after:.0}% afterwards")?;
        let (peak, bound) = self.peak;
        writeln!(f, "RssAnon peak, MiB            {} of {}", peak / MIB, bound / MIB)?;
        let (acknowledged, found) = self.kept;
        writeln!(f, "events after kill -9         {found} of {acknowledged} acknowledged")
    }
}
