//! Pieces go to a server, several at once.

use super::encode::{rejected_lines, to_ndjson};
use super::json::with_service;
use super::{Failure, Payload, Piece, Sink, Tally};
use crate::ingest::json::decode_ndjson;
use bytes::Bytes;
use logstrata_client::wire::{ErrorKind, IngestAnswer, RejectedLine};
use logstrata_client::{Client, Error, Retry};
use logstrata_engine::io::{Entropy, SystemEntropy};
use logstrata_engine::{Limits, Timestamp};
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// Requests on their way at once.
const IN_FLIGHT_MAX: usize = 4;
/// Events of a request at most.
const EVENTS_MAX: usize = 5_000;
/// A line that may be too large for a server, which refuses its whole request.
const LONG_LINE_BYTES: usize = 2 << 20;

/// A server.
pub(super) struct Upload {
    client: Client,
    runtime: Runtime,
    requests: JoinSet<Answered>,
    chance: SystemEntropy,
}

/// What became of a request.
struct Answered {
    file: Arc<str>,
    lines_before: u64,
    lines: u64,
    answer: Result<IngestAnswer, Error>,
}

impl Upload {
    pub(super) fn new(client: Client) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| Failure::Failed(format!("cannot start: {error}")))?;
        Ok(Self { client, runtime, requests: JoinSet::new(), chance: SystemEntropy })
    }

    fn post(
        &mut self,
        file: &Arc<str>,
        (lines_before, lines): (u64, u64),
        body: Bytes,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        self.wait(IN_FLIGHT_MAX - 1, tally)?;
        let (client, file) = (self.client.clone(), Arc::clone(file));
        // Chance names the batch: what is sent again after a broken connection is stored once.
        let key = format!("{:016x}{:016x}", self.chance.next_u64(), self.chance.next_u64());
        let request = async move {
            let retry = Retry { has_keys: true, ..Retry::default() };
            let answer = retry.run(|| client.ingest_once(body.clone(), &key)).await;
            Answered { file, lines_before, lines, answer }
        };
        self.requests.spawn_on(request, self.runtime.handle());
        Ok(())
    }

    /// Waits until at most `left` requests are on their way.
    fn wait(&mut self, left: usize, tally: &mut Tally) -> Result<(), Failure> {
        let mut result = Ok(());
        while self.requests.len() > left {
            let Some(answered) = self.runtime.block_on(self.requests.join_next()) else { break };
            let answered = answered.map_err(|_| {
                Failure::Failed("sending failed by a defect of this program".into())
            })?;
            result = result.and(count(answered, tally));
        }
        result
    }
}

fn count(answered: Answered, tally: &mut Tally) -> Result<(), Failure> {
    let answer = match answered.answer {
        Ok(answer) => answer,
        // Nothing of it could be stored: the next piece may be better.
        Err(Error::Server(refusal))
            if refusal.error.kind == ErrorKind::Invalid && refusal.ingest.is_some() =>
        {
            refusal.ingest.unwrap_or_default()
        }
        // A line that is too large for any request is rejected like one that is too large for an
        // event; the others may fit.
        Err(Error::Server(refusal))
            if refusal.error.kind == ErrorKind::TooLarge && answered.lines == 1 =>
        {
            let rejected = vec![RejectedLine { line: 1, error: refusal.error.message }];
            IngestAnswer { rejected, rejected_count: 1, ..IngestAnswer::default() }
        }
        Err(error) => return Err(error.into()),
    };
    tally.accepted += answer.accepted;
    tally.expired += answer.expired_on_arrival;
    let (count, lines) = (answer.rejected_count, &answer.rejected);
    tally.rejected(&answered.file, count, answered.lines_before, lines);
    Ok(())
}

impl Sink for Upload {
    fn send(&mut self, piece: Piece, tally: &mut Tally) -> Result<(), Failure> {
        let file: Arc<str> = piece.file.into();
        match piece.payload {
            Payload::Rejected(lines) => {
                tally.rejected(&file, lines.len() as u64, 0, &rejected_lines(lines));
                Ok(())
            }
            Payload::Events(batch) => {
                let events = batch.len() as u64;
                self.post(&file, (0, events), to_ndjson(&batch).into(), tally)
            }
            Payload::Lines { bytes, mut lines_before } => {
                let bytes = match &piece.service {
                    Some(service) => with_service_everywhere(&bytes, service).into(),
                    None => Bytes::from(bytes),
                };
                for (body, lines) in parts(&bytes) {
                    self.post(&file, (lines_before, lines), body, tally)?;
                    lines_before += lines;
                }
                Ok(())
            }
        }
    }

    fn finish(&mut self, tally: &mut Tally) -> Result<(), Failure> {
        self.wait(0, tally)
    }
}

/// Cuts lines into bodies of at most [`EVENTS_MAX`] events, each with its number of lines. A line
/// of [`LONG_LINE_BYTES`] is a body of its own.
fn parts(bytes: &Bytes) -> Vec<(Bytes, u64)> {
    let mut parts = Vec::new();
    let (mut start, mut end, mut lines) = (0, 0, 0);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let long = line.len() >= LONG_LINE_BYTES;
        if long && lines > 0 {
            parts.push((bytes.slice(start..end), lines as u64));
            (start, lines) = (end, 0);
        }
        end += line.len();
        lines += 1;
        if long || lines == EVENTS_MAX || end == bytes.len() {
            parts.push((bytes.slice(start..end), lines as u64));
            (start, lines) = (end, 0);
        }
    }
    parts
}

/// Gives every event that names no service this one. Lines that are no events stay as they are:
/// the server says what is wrong with them.
fn with_service_everywhere(bytes: &[u8], service: &str) -> Vec<u8> {
    let limits = Limits::default();
    let mut out = Vec::with_capacity(bytes.len() + (bytes.len() >> 2));
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let batch = decode_ndjson(line, &limits, Timestamp::default()).batch;
        let named = batch.has_column("service");
        let edited = match std::str::from_utf8(line) {
            Ok(text) if !named && !batch.is_empty() => with_service(text, service),
            _ => None,
        };
        match edited {
            None => out.extend_from_slice(line),
            Some(edited) => {
                out.extend_from_slice(edited.as_bytes());
                out.push(b'\n');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_whole_lines_and_their_numbers() {
        let mut text = "{}\n".repeat(EVENTS_MAX + 2);
        text.push_str("{\"last\":1}");
        let bytes = Bytes::from(text);
        let parts = parts(&bytes);
        assert_eq!(parts.iter().map(|part| part.1).collect::<Vec<_>>(), [EVENTS_MAX as u64, 3]);
        let together: Vec<u8> = parts.iter().flat_map(|part| part.0.to_vec()).collect();
        assert_eq!(together, bytes);
        assert!(super::parts(&Bytes::new()).is_empty());

        let long = "x".repeat(LONG_LINE_BYTES);
        let bytes = Bytes::from(format!("{{}}\n{{}}\n{long}\n{{}}\n"));
        let lines: Vec<u64> = super::parts(&bytes).iter().map(|part| part.1).collect();
        assert_eq!(lines, [2, 1, 1]);
    }

    #[test]
    fn only_events_without_a_service_get_one() {
        let lines = "{\"m\":1}\n{\"app\":\"own\"}\nbroken\n\n{\"m\":2}";
        let expected = "{\"service\":\"s\",\"m\":1}\n{\"app\":\"own\"}\nbroken\n\n{\"service\":\"s\",\"m\":2}\n";
        let out = with_service_everywhere(lines.as_bytes(), "s");
        assert_eq!(String::from_utf8(out).expect("UTF-8"), expected);
    }
}
