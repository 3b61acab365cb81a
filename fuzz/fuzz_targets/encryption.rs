//! Any bytes as encrypted files and messages, and as keys.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| logstrata_tests::fuzz::run("encryption", bytes));
