//! Any text as a cursor: an error, or what its text was made from.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| logstrata_engine::testing::cursor(bytes));
