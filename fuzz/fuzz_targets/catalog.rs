//! Any bytes as an object of the archive's catalog, and as the body of one.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| logstrata_tests::fuzz::run("catalog", bytes));
