//! Any bytes as the body of an edit of every kind and version.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| logstrata_tests::fuzz::run("manifest", bytes));
