//! Any bytes as a block: an error or rows, never a panic.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| logstrata_engine::testing::block_decode(bytes));
