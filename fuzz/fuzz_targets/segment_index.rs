//! Any bytes are an index of a section that answers, or an error; damage of one loses no row.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| logstrata_engine::testing::segment_index(bytes));
