//! Any bytes as a file of links of the chain.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| logstrata_tests::fuzz::run("chain", bytes));
