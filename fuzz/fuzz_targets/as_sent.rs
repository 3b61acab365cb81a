//! Any bytes as the note of how an event was sent, and JSON made again from it.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| logstrata_tests::fuzz::run("as_sent", bytes));
