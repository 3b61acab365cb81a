//! So many events that the workload is sent many times, as other data each time (see copies.rs): whether the
//! last million is taken in as fast as the first, what that costs, whether queries are as fast on a store of weeks
//! as on that of a day, and how soon it is there again after `kill -9`.
//!
//! In order: a day is sent and asked for. The rest is sent. The server is killed, started again, and asked for
//! what was acknowledged; then it gets its time to merge, is asked again, stopped in order and started once more.
//!
//! The rules of retention are the default ones, but that everything is kept for 400 days longer: the days are
//! past, and nothing of them is to go meanwhile.

mod calendar;
mod copies;
mod expected;
mod places;
mod questions;
mod report;
mod sending;
mod supply;
#[cfg(test)]
mod tests;

pub(crate) use report::Report;
pub(crate) use supply::Supply;

use crate::Result;
use crate::disk;
use crate::facts::Facts;
use crate::process::Server;
use crate::queries::ask;
use crate::send::{self, Body};
use crate::truth::Truth;
use copies::Copies;
use expected::Expected;
use logstrata_client::Client;
use places::Places;
use report::{Measured, Restart, Sample, Written};
use sending::{Sending, Sent};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// How often a server that starts is asked whether it is ready.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) binary: &'a Path,
    pub(crate) dir: &'a Path,
    /// More arguments for the server.
    pub(crate) serve: &'a [String],
    /// Events in all, and of a day: at least so many, as whole copies.
    pub(crate) events: u64,
    pub(crate) day_events: u64,
    pub(crate) connections: usize,
    pub(crate) repetitions: usize,
}

/// The classes of the default rules, and the days that each is kept.
const CLASSES: [(&str, u32); 7] = [
    ("exceptions", 365),
    ("critical", 365),
    ("error", 180),
    ("warn", 90),
    ("info", 30),
    ("debug", 7),
    ("trace", 7),
];
const LONGER_DAYS: u32 = 400;

fn configuration() -> String {
    let class = |(name, days): &(&str, u32)| {
        format!("[[retention.class]]\nname = '{name}'\nkeep = '{}d'\n", days + LONGER_DAYS)
    };
    CLASSES.iter().map(class).collect()
}

/// Runs it all. What is measured is told as it comes.
pub(crate) async fn run(plan: &Plan<'_>, bodies: &[Body], facts: &Facts) -> Result<Report> {
    if facts.rare.keys().any(|word| !copies::can_be_rare(word)) || facts.needles.is_empty() {
        return Err("copies need needles, and rare words that begin with letters".into());
    }
    let truth = Truth::count(bodies, facts)?;
    let places = Places::find(bodies, facts.rare.keys().map(String::as_str))?;
    let per_day = plan.day_events.div_ceil(places.events).max(1);
    let days = plan.events.div_ceil(places.events * per_day).max(1);
    let today = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs() / 86_400;
    let copies = Copies {
        copies: plan.events.div_ceil(places.events).max(per_day),
        per_day,
        first_day: today - days,
        places,
    };
    if copies.copies > copies::COPIES_MAX {
        return Err("so many copies have no rare words of their own".into());
    }
    let mut run = Run::begin(plan, &copies)?;
    report::begin(&copies, sending::making(&copies)?);
    let mut measured = Vec::new();
    run.send(copies.per_day).await?;
    measured.push(run.measure(facts, &truth).await?);
    run.send(copies.copies).await?;
    let expected = Expected::count(&copies, copies.copies, facts, &truth)?;
    let (mut restarts, killed) = (Vec::new(), run.written()?);
    run.server.kill()?;
    restarts.push(run.start_again("after kill -9", &expected).await?);
    measured.push(run.measure(facts, &truth).await?);
    let written = killed + run.written()?;
    run.server.stop()?;
    restarts.push(run.start_again("after a stop in order", &expected).await?);
    run.server.stop()?;
    Ok(Report { samples: run.samples, measured, restarts, written, raw_bytes: run.raw_bytes })
}

/// A run, as far as it is.
struct Run<'a> {
    plan: &'a Plan<'a>,
    copies: &'a Copies,
    arguments: Vec<String>,
    server: Server,
    client: Client,
    samples: Vec<Sample>,
    /// Copies that were sent, and their bytes.
    sent: u64,
    raw_bytes: u64,
}

impl<'a> Run<'a> {
    fn begin(plan: &'a Plan<'a>, copies: &'a Copies) -> Result<Self> {
        let configuration_path = plan.dir.join("logstrata.toml");
        std::fs::write(&configuration_path, configuration())?;
        let path = configuration_path.to_str().ok_or("the folder's name is not text")?;
        let mut arguments = vec!["--config".to_owned(), path.to_owned()];
        arguments.extend_from_slice(plan.serve);
        let server = Server::start(plan.binary, &plan.dir.join("store"), &arguments)?;
        let client = Client::new(server.url())?;
        let samples = Vec::new();
        Ok(Self { plan, copies, arguments, server, client, samples, sent: 0, raw_bytes: 0 })
    }

    /// Sends copies until there are so many.
    async fn send(&mut self, copies: u64) -> Result<()> {
        let from = Sent { copies: self.sent, bytes: self.raw_bytes };
        let sending = Sending::new(self.copies, &self.server, self.client.clone(), from, copies);
        send::look_at_connections().await;
        sending.run(self.plan.connections).await?;
        self.raw_bytes = sending.bytes();
        self.samples.extend(sending.into_samples());
        self.sent = copies;
        Ok(())
    }

    /// Flushes, lets merges end, and asks.
    async fn measure(&self, facts: &Facts, truth: &Truth) -> Result<Measured> {
        let expected = Expected::count(self.copies, self.sent, facts, truth)?;
        send::look_at_connections().await;
        let started = Instant::now();
        self.client.flush().await?;
        let flushed = started.elapsed();
        let bytes = self.server.settled_bytes().await?;
        let settled = started.elapsed();
        self.server.take_peak();
        let idle = self.server.take_peak();
        let queries = questions::measure(&self.client, &expected, self.plan.repetitions).await?;
        let events = self.sent * self.copies.places.events;
        let memory = [idle, self.server.take_peak()];
        Ok(Measured { events, flushed, settled, bytes, memory, queries })
    }

    /// Bytes that the server's process has written: to files, and of these to the disk.
    fn written(&self) -> Result<Written> {
        let (called, stored) = self.server.written_bytes()?;
        Ok(Written { called, stored })
    }

    async fn start_again(
        &mut self,
        name: &'static str,
        expected: &Expected<'_>,
    ) -> Result<Restart> {
        let store = self.plan.dir.join("store");
        let log_bytes = disk::log_bytes(&store)?;
        let started = Instant::now();
        self.server = Server::start(self.plan.binary, &store, &self.arguments)?;
        self.client = Client::new(self.server.url())?;
        while let Err(error) = self.client.ready().await {
            if started.elapsed() > PATIENCE {
                return Err(error.into());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let ready = started.elapsed();
        // The first is of the copy that was sent last.
        let mut wrong = ask(&self.client, &questions::needle(expected, 0)).await?;
        let found = started.elapsed();
        let asked = Instant::now();
        wrong = wrong.or(ask(&self.client, &questions::needle(expected, 1)).await?);
        wrong = wrong.or(ask(&self.client, &questions::everything(expected)).await?);
        let memory = self.server.take_peak();
        Ok(Restart { name, log_bytes, ready, found, then: asked.elapsed(), memory, wrong })
    }
}
