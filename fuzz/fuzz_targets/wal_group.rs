//! Any bytes as a group and a record behind their checksums.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| logstrata_tests::fuzz::run("wal_group", bytes));
