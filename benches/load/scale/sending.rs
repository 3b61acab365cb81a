//! Sends copies, and looks at server and sender after each million events.

use super::copies::Copies;
use super::report::Sample;
use crate::Result;
use crate::process::Server;
use crate::report::Waits;
use bytes::BytesMut;
use logstrata_client::{Client, Retry};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

/// Events of a row of the report.
const MILLION: u64 = 1_000_000;

/// What was sent before.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) copies: u64,
    pub(super) bytes: u64,
}

/// What the senders share.
#[derive(Debug)]
pub(super) struct Sending<'a> {
    copies: &'a Copies,
    server: &'a Server,
    client: Client,
    /// The next body of those of all copies, and the end.
    next: Cell<u64>,
    end: u64,
    /// What is acknowledged, of all copies.
    events: Cell<u64>,
    bytes: Cell<u64>,
    waits: RefCell<Waits>,
    state: RefCell<Option<State>>,
    samples: RefCell<Vec<Sample>>,
}

/// As of the end of a row.
#[derive(Debug)]
struct State {
    at: Instant,
    events: u64,
    cpu: Duration,
    own_cpu: Duration,
}

impl<'a> Sending<'a> {
    /// Sends what is between `from` and so many copies.
    pub(super) fn new(
        copies: &'a Copies,
        server: &'a Server,
        client: Client,
        from: Sent,
        to: u64,
    ) -> Self {
        let bodies = copies.places.bases.len() as u64;
        Self {
            copies,
            server,
            client,
            next: Cell::new(from.copies * bodies),
            end: to * bodies,
            events: Cell::new(from.copies * copies.places.events),
            bytes: Cell::new(from.bytes),
            waits: RefCell::default(),
            state: RefCell::default(),
            samples: RefCell::default(),
        }
    }

    pub(super) async fn run(&self, connections: usize) -> Result<()> {
        self.end_row()?;
        let senders = (0..connections).map(|_| Box::pin(self.sender()) as Pin<Box<_>>);
        all(senders.collect()).await?;
        if !self.events.get().is_multiple_of(MILLION) {
            self.end_row()?;
        }
        Ok(())
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    pub(super) fn into_samples(self) -> Vec<Sample> {
        self.samples.into_inner()
    }

    async fn sender(&self) -> Result<()> {
        let bodies = self.copies.places.bases.len() as u64;
        let mut buffer = BytesMut::new();
        while self.next.get() < self.end {
            let next = self.next.replace(self.next.get() + 1);
            let (copy, number) = (next / bodies, (next % bodies) as usize);
            self.copies.make(copy, number, &mut buffer);
            let bytes = buffer.freeze();
            let started = Instant::now();
            // A refusal counts as waiting.
            let answer = Retry::default().run(|| self.client.ingest_ndjson(bytes.clone())).await?;
            self.waits.borrow_mut().add(started.elapsed());
            let events = self.copies.places.bases[number].lines.len() as u64;
            if answer.accepted != events {
                return Err(format!("{} of {events} were accepted", answer.accepted).into());
            }
            let before = self.events.replace(self.events.get() + events);
            self.bytes.set(self.bytes.get() + bytes.len() as u64);
            if before / MILLION != (before + events) / MILLION {
                self.end_row()?;
            }
            // The memory of this body, unless somebody still has it.
            buffer = bytes.try_into_mut().unwrap_or_default();
        }
        Ok(())
    }

    /// Tells what there was since the last row, if this is not the first.
    fn end_row(&self) -> Result<()> {
        let now = State {
            at: Instant::now(),
            events: self.events.get(),
            cpu: self.server.cpu()?,
            own_cpu: own_cpu()?,
        };
        let (waits, peak) = (self.waits.take(), self.server.take_peak());
        if let Some(before) = &*self.state.borrow() {
            let events = now.events - before.events;
            let an_event = |time: Duration| time.as_secs_f64() * 1e6 / events as f64;
            let sample = Sample {
                upto: now.events,
                rate: events as f64 / (now.at - before.at).as_secs_f64(),
                cpu: an_event(now.cpu - before.cpu),
                own_cpu: an_event(now.own_cpu - before.own_cpu),
                p99: waits.per_mille(990),
                memory: peak,
                bytes: self.server.store_bytes()?,
            };
            println!("{sample}");
            self.samples.borrow_mut().push(sample);
        }
        *self.state.borrow_mut() = Some(now);
        Ok(())
    }
}

/// Microseconds of CPU that making an event takes, over a whole copy.
pub(super) fn making(copies: &Copies) -> Result<f64> {
    let before = own_cpu()?;
    let mut buffer = BytesMut::new();
    for number in 0..copies.places.bases.len() {
        copies.make(0, number, &mut buffer);
        std::hint::black_box(&buffer);
    }
    Ok((own_cpu()? - before).as_secs_f64() * 1e6 / copies.places.events as f64)
}

/// CPU time of this thread, which does all that is done here but to look at the server's memory. As of the
/// scheduler's last look: good for seconds, not for what takes less than milliseconds.
fn own_cpu() -> Result<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let spent =
        text.split_ascii_whitespace().next().ok_or("/proc/thread-self/schedstat is empty")?;
    Ok(Duration::from_nanos(spent.parse()?))
}

/// Waits for all, or for the first that fails.
async fn all(mut futures: Vec<Pin<Box<dyn Future<Output = Result<()>> + '_>>>) -> Result<()> {
    poll_fn(|context| {
        let mut failed = Ok(());
        futures.retain_mut(|future| match future.as_mut().poll(context) {
            Poll::Pending => true,
            Poll::Ready(Ok(())) => false,
            Poll::Ready(error) => {
                failed = error;
                false
            }
        });
        match failed {
            Ok(()) if !futures.is_empty() => Poll::Pending,
            done => Poll::Ready(done),
        }
    })
    .await
}
