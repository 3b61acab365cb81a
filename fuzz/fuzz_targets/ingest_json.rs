//! Any bytes as bodies of JSON lines and JSON documents.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| logstrata_tests::fuzz::run("ingest_json", bytes));
