//! Any bytes as a filter of a block.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| logstrata_tests::fuzz::run("filter_decode", bytes));
