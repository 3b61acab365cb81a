//! Any bytes as all files of a log, as recovery reads them, checksums made right.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| logstrata_tests::fuzz::run("wal_files", bytes));
