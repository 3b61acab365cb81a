//! Any bytes as a whole manifest, checksums and hashes made right.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| logstrata_tests::fuzz::run("manifest_file", bytes));
