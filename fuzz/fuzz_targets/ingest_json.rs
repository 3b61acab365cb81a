//! Any bytes as JSON lines, as a JSON document and as text: no panic, and a batch that is in order.
#![no_main]

use libfuzzer_sys::fuzz_target;
use logstrata_engine::{BatchBuilder, Limits, Timestamp};
use logstrata_server::ingest::json::{decode_json, decode_ndjson};
use logstrata_server::ingest::text::{TextDecoder, TextOptions};

const ARRIVAL: Timestamp = Timestamp(1_700_000_000_000_000_000);

fuzz_target!(|body: &[u8]| {
    let limits = Limits::default();
    let lines = decode_ndjson(body, &limits, ARRIVAL);
    lines.batch.check_invariants();
    for rejected in &lines.rejected {
        assert!(rejected.line >= 1 && rejected.error.len() < 200);
    }
    if let Ok(document) = decode_json(body, &limits, ARRIVAL) {
        document.batch.check_invariants();
    }
    let mut batch = BatchBuilder::new(&limits, ARRIVAL);
    let mut text = TextDecoder::new(TextOptions { now: ARRIVAL, ..TextOptions::default() });
    for line in body.split(|byte| *byte == b'\n') {
        text.push_line(&mut batch, line).expect("inputs are smaller than an event may be");
    }
    batch.build().check_invariants();
});
