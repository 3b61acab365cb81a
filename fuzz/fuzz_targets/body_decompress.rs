//! Any bytes as a compressed body.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| logstrata_tests::fuzz::run("body_decompress", bytes));
