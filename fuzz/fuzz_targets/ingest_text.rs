//! Any bytes as lines of text.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| logstrata_tests::fuzz::run("ingest_text", bytes));
