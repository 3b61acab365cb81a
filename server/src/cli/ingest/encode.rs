//! Decoded plain text as NDJSON, for a server.

use logstrata_client::wire::RejectedLine;
use logstrata_engine::Batch;

/// The events of a batch, one JSON object a line, in their order.
pub(super) fn to_ndjson(batch: &Batch) -> Vec<u8> {
    let mut out = Vec::with_capacity(batch.raw_bytes() * 2);
    batch.write_ndjson(&mut out);
    out
}

/// Lines and what is wrong with them, as a server would say it.
pub(super) fn rejected_lines(lines: impl IntoIterator<Item = (u64, String)>) -> Vec<RejectedLine> {
    lines.into_iter().map(|(line, error)| RejectedLine { line, error }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::json::decode_ndjson;
    use logstrata_engine::{BatchBuilder, Kind, Level, Limits, Timestamp};

    #[test]
    fn a_batch_comes_back_as_it_was() {
        let (limits, arrival) = (Limits::default(), Timestamp(1_800_000_000_000_000_000));
        let mut batch = BatchBuilder::new(&limits, arrival);
        let messages: [&[u8]; 5] =
            [b"plain", b"quo\"te\\ and \x01\x7f", "é\u{2028}".as_bytes(), b"", b"a\xff\x00b"];
        for (number, message) in messages.iter().enumerate() {
            let mut event = batch.event();
            // Several partitions, so that the order has to be put together again.
            event.level = Level::ALL[number % 3];
            event.timestamp = Timestamp(arrival.0 - number as i64 * 86_400_000_000_001);
            event.field("service", Kind::String, b"s");
            event.field("message", Kind::String, message);
            event.finish().expect("small");
        }
        let batch = batch.build();
        let lines = to_ndjson(&batch);
        let decoded = decode_ndjson(&lines, &limits, arrival);
        assert_eq!(decoded.rejected, []);
        assert_eq!(decoded.batch, batch);
    }
}
