//! Any bytes where the log is read: errors, never a panic.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| logstrata_engine::testing::wal_group(bytes));
