//! Internal doors for fuzz targets, benches and the test crate. Not for products.

pub mod bench;

/// Everything that reads the log. Must not panic, whatever the bytes.
pub fn wal_group(bytes: &[u8]) {
    crate::wal::fuzz(bytes);
}

/// Everything that reads a manifest. Must not panic, whatever the bytes.
pub fn manifest(bytes: &[u8]) {
    crate::manifest::fuzz(bytes);
}

/// Decodes any bytes as a block, and as the parts behind its checksums; must not panic.
pub fn block_decode(bytes: &[u8]) {
    crate::block::fuzz::decode_any(bytes);
}

/// Decodes any bytes as a filter and asks it for a term; must not panic.
pub fn filter_decode(bytes: &[u8], term: u64) {
    crate::index::decode_any(bytes, term);
}

/// Reads any bytes as the index of a section, and as damage of one, and asks it for terms; must
/// not panic, nor lose what was added.
pub fn segment_index(bytes: &[u8]) {
    crate::index::fuzz_segment_index(bytes);
}

/// Reads any bytes as a file of sections, and as a footer behind its checksum; must not panic.
pub fn segment_directory(bytes: &[u8]) {
    crate::segment::fuzz(bytes);
}

/// Reads any bytes as a file of keys; must not panic.
pub fn keys(bytes: &[u8]) {
    crate::idempotency::fuzz(bytes);
}

/// Reads any bytes as a cursor, and as the body of one behind its checksum; must not panic.
pub fn cursor(bytes: &[u8]) {
    crate::query::fuzz_cursor(bytes);
}

/// Sends any bytes through the door to the log, as values and names of every kind; must not panic,
/// and the second time nothing may change.
pub fn redact(bytes: &[u8]) {
    crate::append::fuzz(bytes);
}
