//! Plain text: a line is an event.

use super::source::Source;
use super::{Payload, Piece, Reading, Stop};
use crate::cli::Failure;
use crate::ingest::text::{TextDecoder, TextOptions};
use logstrata_engine::BatchBuilder;

/// Bytes of a piece: as events they are at most twice as many.
const PIECE_BYTES: usize = 1 << 20;
/// Events of a piece.
const PIECE_EVENTS: usize = 5_000;

/// Reads a file of text.
pub(super) fn read(
    source: &mut Source,
    reading: &Reading,
    send: &mut dyn FnMut(Piece) -> Result<(), Failure>,
) -> Result<(), Stop> {
    let service = reading.service.clone().or_else(|| source.service().map(str::to_owned));
    let mut decoder =
        TextDecoder::new(TextOptions { now: reading.arrival.at, service, offset_seconds: 0 });
    let mut line_number = 0;
    loop {
        let bytes = source.lines(PIECE_BYTES)?;
        if bytes.is_empty() {
            return Ok(());
        }
        let mut batch = BatchBuilder::new(&reading.limits, reading.arrival);
        let mut rejected = Vec::new();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            line_number += 1;
            if let Err(error) = decoder.push_line(&mut batch, line) {
                rejected.push((line_number, error.to_string()));
            }
            if batch.len() >= PIECE_EVENTS {
                let full = std::mem::replace(
                    &mut batch,
                    BatchBuilder::new(&reading.limits, reading.arrival),
                );
                send(piece(source, Payload::Events(full.build())))?;
            }
        }
        if !rejected.is_empty() {
            send(piece(source, Payload::Rejected(rejected)))?;
        }
        if !batch.is_empty() {
            send(piece(source, Payload::Events(batch.build())))?;
        }
    }
}

fn piece(source: &Source, payload: Payload) -> Piece {
    Piece { payload, file: source.name().to_owned(), service: None }
}
