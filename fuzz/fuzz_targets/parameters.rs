//! Any bytes as query strings, ids, times, levels, names of fields.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| logstrata_tests::fuzz::run("parameters", bytes));
