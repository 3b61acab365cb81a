//! Any bytes as values and names before the rules of redaction.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| logstrata_tests::fuzz::run("redact", bytes));
