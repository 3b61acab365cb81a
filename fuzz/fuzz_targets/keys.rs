//! Any bytes as a file of idempotency keys.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| logstrata_tests::fuzz::run("keys", bytes));
