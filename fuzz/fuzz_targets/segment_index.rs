//! Any bytes as the index of a section.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| logstrata_tests::fuzz::run("segment_index", bytes));
