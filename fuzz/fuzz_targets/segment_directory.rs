//! Any bytes as the footer of a file of sections, checksums made right.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| logstrata_tests::fuzz::run("segment_directory", bytes));
