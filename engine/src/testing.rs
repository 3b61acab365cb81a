//! Internal doors for fuzz targets, benches and the test crate. Not for products.

pub mod bench;

/// The hex dump of a file, as format pages end in one.
pub fn dump(bytes: &[u8]) -> String {
    crate::codec::dump::to_text(bytes)
}

/// The file whose dump is the last fenced block of a page.
///
/// # Panics
/// If the page ends in none.
pub fn dumped(page: &str) -> Vec<u8> {
    crate::codec::dump::from_page(page)
}

/// Everything that reads a group of the log. Must not panic, whatever the bytes.
pub fn wal_group(bytes: &[u8]) {
    crate::wal::fuzz(bytes);
}

/// The records of a group's body as inputs of [`wal_group`] that reach what is behind compression.
pub fn raw_records(body: &[u8]) -> Vec<Vec<u8>> {
    crate::wal::raw_records(body)
}

/// Recovers from any bytes as the files of a log; must not panic, and what it hands out must be there
/// again after a power cut.
pub fn wal_files(bytes: &[u8]) {
    crate::wal::fuzz_files(bytes);
}

/// Reads any bytes as the body of a manifest's edit of every kind and version; must not panic.
pub fn manifest(bytes: &[u8]) {
    crate::manifest::fuzz(bytes);
}

/// Reads any bytes as a whole manifest; must not panic, and what opens once must open again.
pub fn manifest_file(bytes: &[u8]) {
    crate::manifest::fuzz_file(bytes);
}

/// Reads any bytes as a file of links; must not panic.
pub fn chain(bytes: &[u8]) {
    crate::manifest::fuzz_chain(bytes);
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

/// Reads any bytes as a whole file of sections with its blocks, filters and indexes; must not panic.
pub fn segment_file(bytes: &[u8]) {
    crate::segment::fuzz_file(bytes);
}

/// Reads any bytes as a file of keys; must not panic.
pub fn keys(bytes: &[u8]) {
    crate::idempotency::fuzz(bytes);
}

/// Reads any bytes as an encrypted file, as encrypted messages and as keys; must not panic, and what is
/// written must come back or be refused.
pub fn encryption(bytes: &[u8]) {
    crate::crypt::fuzz(bytes);
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
