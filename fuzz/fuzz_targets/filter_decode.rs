//! Any bytes are a filter that answers, or an error.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u64, &[u8])| logstrata_engine::testing::filter_decode(input.1, input.0));
