//! Any bytes as a body of every encoding: an error or at most as many bytes as are allowed.

#![no_main]

use libfuzzer_sys::fuzz_target;
use logstrata_server::ingest::body::decompress;

const BODY_BYTES_MAX: usize = 1 << 16;

fuzz_target!(|body: &[u8]| {
    for encoding in ["identity", "gzip", "zstd", "deflate"] {
        if let Ok(plain) = decompress(body, Some(encoding), BODY_BYTES_MAX) {
            assert!(plain.len() <= BODY_BYTES_MAX, "{encoding}");
        }
    }
});
