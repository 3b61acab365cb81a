//! Any bytes as a block, its parts and encodings behind their checksums.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| logstrata_tests::fuzz::run("block_decode", bytes));
