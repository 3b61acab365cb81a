//! Any bytes as a file of idempotency keys: an error, or entries that are written as they were read.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| logstrata_engine::testing::keys(bytes));
