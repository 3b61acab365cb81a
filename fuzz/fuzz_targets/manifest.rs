//! Any bytes where a manifest is read: errors, never a panic.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| logstrata_engine::testing::manifest(bytes));
