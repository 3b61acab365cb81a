//! Any bytes as a file of sections and as its footer: an error or a directory, never a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| logstrata_engine::testing::segment_directory(bytes));
