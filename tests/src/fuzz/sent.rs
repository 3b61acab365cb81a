//! Targets for what senders and people write: bodies, queries, parameters.

use logstrata_client::{decode_query_string, encode_query_string};
use logstrata_engine::query::parse;
use logstrata_engine::{BatchBuilder, EventId, Kind, Limits, Timestamp, testing};
use logstrata_server::fuzz_parameters;
use logstrata_server::ingest::body::decompress;
use logstrata_server::ingest::json::{Decoded, decode_json, decode_ndjson, write_as_sent};
use logstrata_server::ingest::text::{TextDecoder, TextOptions};
use logstrata_server::ingest::{
    canonical_name, detect, level_of_name, parse_level, parse_query_time, parse_timestamp,
};

const NOW: Timestamp = Timestamp(1_700_000_000_000_000_000);
const BODY_BYTES_MAX: usize = 1 << 16;
/// An event with a note of how it was sent.
const SAMPLE: &[u8] = br#"{"time":1600000000,"msg":"m","severity":"WARNING","id":1,"app":"a"}"#;

/// A body of every encoding: an error, or at most as many bytes as are allowed.
pub(super) fn body_decompress(body: &[u8]) {
    for encoding in ["identity", "gzip", "zstd", "deflate"] {
        if let Ok(plain) = decompress(body, Some(encoding), BODY_BYTES_MAX) {
            assert!(plain.len() <= BODY_BYTES_MAX, "{encoding}");
        }
    }
}

/// A filter, behind the eight bytes of the term that it is asked for.
pub(super) fn filter_decode(bytes: &[u8]) {
    let (term, filter) = bytes.split_first_chunk().unwrap_or((&[0; 8], bytes));
    testing::filter_decode(filter, u64::from_le_bytes(*term));
}

/// Lines of JSON, and one JSON document: a batch that is in order, and errors that are short.
pub(super) fn ingest_json(body: &[u8]) {
    let limits = Limits::default();
    let _ = detect(body);
    check(&decode_ndjson(body, &limits, NOW));
    if let Ok(document) = decode_json(body, &limits, NOW) {
        check(&document);
    }
}

fn check(decoded: &Decoded) {
    decoded.batch.check_invariants();
    for rejected in &decoded.rejected {
        assert!(rejected.line >= 1 && rejected.error.len() < 200);
    }
    assert!(decoded.rejected.len() as u64 <= decoded.rejected_count);
}

/// Lines of text: each that is not empty is an event.
pub(super) fn ingest_text(body: &[u8]) {
    let limits = Limits::default();
    for offset_seconds in [0, 19_800] {
        let mut batch = BatchBuilder::new(&limits, NOW);
        let options = TextOptions { now: NOW, service: None, offset_seconds };
        let mut text = TextDecoder::new(options);
        let mut lines = 0;
        for line in body.split(|byte| *byte == b'\n') {
            lines += usize::from(!matches!(line, [] | [b'\r']));
            text.push_line(&mut batch, line).expect("inputs are smaller than an event may be");
        }
        let batch = batch.build();
        batch.check_invariants();
        assert_eq!(batch.len(), lines, "X1");
    }
}

/// What a block has of how an event was sent, and events whose JSON is made again: what is sent again
/// is accepted.
pub(super) fn as_sent(bytes: &[u8]) {
    let limits = Limits::default();
    for event in decode_ndjson(bytes, &limits, NOW).batch.events() {
        let mut again = Vec::new();
        write_as_sent(&event, &mut again);
        let decoded = decode_ndjson(&again, &limits, NOW);
        assert_eq!((decoded.batch.len(), decoded.rejected_count), (1, 0));
    }
    let mut event = decode_ndjson(SAMPLE, &limits, NOW).batch.events().remove(0);
    for kind in [Kind::String, Kind::Json] {
        let note = event.as_sent.as_mut().expect("the sample has a note");
        (note.kind, note.text) = (kind, bytes.to_vec());
        write_as_sent(&event, &mut Vec::new());
    }
}

/// A query: a filter, or an error whose place is in the text.
pub(super) fn query_parse(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Err(error) = parse(&text) {
        assert!(text.get(error.span.clone()).is_some(), "{error:?}");
    }
}

/// Query strings, every parameter, ids, times, levels, names: errors, or what comes back from its text.
pub(super) fn parameters(bytes: &[u8]) {
    let text = &*String::from_utf8_lossy(bytes);
    if let Ok(pairs) = decode_query_string(text) {
        let again = encode_query_string(pairs.iter().map(|(name, value)| (&**name, &**value)));
        assert_eq!(decode_query_string(&again), Ok(pairs));
    }
    if let Ok(id) = text.parse::<EventId>() {
        assert_eq!(id.to_string().parse(), Ok(id));
    }
    fuzz_parameters(text);
    let _ = (parse_query_time(text, NOW), parse_timestamp(bytes), parse_level(bytes));
    let _ = (level_of_name(text), canonical_name(text));
}
