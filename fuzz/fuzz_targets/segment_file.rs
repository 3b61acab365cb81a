//! Any bytes as a whole file of sections: directory, blocks, filters, indexes.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| logstrata_tests::fuzz::run("segment_file", bytes));
