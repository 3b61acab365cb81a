//! One target for each decoder of foreign bytes: it ends without a panic, whatever the bytes.
//!
//! `fuzz/fuzz_targets` has a program for each that libFuzzer drives; `tests/tests/fuzz.rs` replays
//! the seeds and changes of them on a stable compiler. Both call what [`TARGETS`] lists.

mod mutate;
mod seeds;
mod sent;

pub use mutate::mutate;
pub use seeds::seeds;

use logstrata_engine::testing;

/// A decoder under test.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The name of its program and of the directory of its seeds.
    pub name: &'static str,
    /// Decodes any bytes.
    pub run: fn(&[u8]),
    /// How often the tests change each seed: as often as takes them a few seconds.
    pub changes: usize,
}

const fn target(name: &'static str, run: fn(&[u8]), changes: usize) -> Target {
    Target { name, run, changes }
}

/// Every target, by its name.
pub const TARGETS: [Target; 22] = [
    target("as_sent", sent::as_sent, 2_000),
    target("block_decode", testing::block_decode, 4_000),
    target("body_decompress", sent::body_decompress, 4_000),
    target("catalog", logstrata_archive::testing::catalog, 4_000),
    target("chain", testing::chain, 4_000),
    target("cursor", testing::cursor, 4_000),
    target("encryption", testing::encryption, 1_000),
    target("export_manifest", logstrata_archive::testing::export_manifest, 4_000),
    target("filter_decode", sent::filter_decode, 4_000),
    target("ingest_json", sent::ingest_json, 4_000),
    target("ingest_text", sent::ingest_text, 1_000),
    target("keys", testing::keys, 4_000),
    target("manifest", testing::manifest, 200),
    target("manifest_file", testing::manifest_file, 400),
    target("parameters", sent::parameters, 2_000),
    target("query_parse", sent::query_parse, 4_000),
    target("redact", testing::redact, 300),
    target("segment_directory", testing::segment_directory, 1_000),
    target("segment_file", testing::segment_file, 2_000),
    target("segment_index", testing::segment_index, 1_000),
    target("wal_files", testing::wal_files, 300),
    target("wal_group", testing::wal_group, 2_000),
];

/// Runs the target of this name.
///
/// # Panics
/// If there is none of this name; if it fails.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.expect("the table has the target").run)(bytes);
}
