//! Pieces go straight into a store that no server has open.

use super::encode::rejected_lines;
use super::{Failure, Payload, Piece, Sink, Tally};
use crate::ingest::json::JsonDecoder;
use logstrata_engine::{Appended, Arrival, Batch, Engine, Limits, Result as EngineResult};
use std::sync::mpsc::{Receiver, Sender, channel};

/// Batches that wait for the log at once.
const IN_FLIGHT_MAX: usize = 4;

/// An open store.
pub(super) struct Store {
    engine: Option<Engine>,
    limits: Limits,
    arrival: Arrival,
    in_flight: usize,
    done: Receiver<EngineResult<Appended>>,
    on_done: Sender<EngineResult<Appended>>,
}

impl Store {
    /// Takes the store over; [`Sink::finish`] closes it.
    pub(super) fn new(engine: Engine, limits: Limits, arrival: Arrival) -> Self {
        let (on_done, done) = channel();
        Self { engine: Some(engine), limits, arrival, in_flight: 0, done, on_done }
    }

    fn submit(&mut self, batch: Batch, tally: &mut Tally) -> Result<(), Failure> {
        if batch.is_empty() {
            return Ok(());
        }
        self.wait(IN_FLIGHT_MAX - 1, tally)?;
        let engine = self.engine.as_ref().expect("open until the end");
        tally.expired += engine.expired_on_arrival(&batch) as u64;
        let on_done = self.on_done.clone();
        // The receiver is gone only if the command has failed already.
        engine.submit(batch, move |result| drop(on_done.send(result)));
        self.in_flight += 1;
        Ok(())
    }

    /// Waits until at most `left` batches are on their way.
    fn wait(&mut self, left: usize, tally: &mut Tally) -> Result<(), Failure> {
        while self.in_flight > left {
            let done = self.done.recv().expect("the store holds a sender itself");
            self.in_flight -= 1;
            tally.accepted += done?.count as u64;
        }
        Ok(())
    }
}

impl Sink for Store {
    fn send(&mut self, piece: Piece, tally: &mut Tally) -> Result<(), Failure> {
        match piece.payload {
            Payload::Events(batch) => self.submit(batch, tally),
            Payload::Rejected(lines) => {
                tally.rejected(&piece.file, lines.len() as u64, 0, &rejected_lines(lines));
                Ok(())
            }
            Payload::Lines { bytes, lines_before } => {
                let mut decoder =
                    JsonDecoder::new(&self.limits, self.arrival).after_line(lines_before);
                if let Some(service) = piece.service {
                    decoder = decoder.with_service(service);
                }
                decoder.push_lines(&bytes);
                let decoded = decoder.finish();
                let lines = decoded.rejected.into_iter().map(|line| (line.line, line.error));
                let lines = rejected_lines(lines);
                tally.rejected(&piece.file, decoded.rejected_count, 0, &lines);
                self.submit(decoded.batch, tally)
            }
        }
    }

    fn finish(&mut self, tally: &mut Tally) -> Result<(), Failure> {
        self.wait(0, tally)?;
        self.engine.take().expect("finished once").close()?;
        Ok(())
    }
}
