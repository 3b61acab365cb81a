//! Any bytes as the manifest of an exported day, and as the word that one is begun.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| logstrata_tests::fuzz::run("export_manifest", bytes));
