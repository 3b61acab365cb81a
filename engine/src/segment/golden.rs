//! The dump at the end of `docs/format/segment.md` is a file of this version, byte for byte. If a
//! test fails here, files that are already stored would be read differently: a new version is
//! needed, not a new dump.

use super::tests::{GENERATION, STORE, handles, sample_sections, store, write_sample};
use super::{BlockCache, SegmentFile};
use crate::block;
use crate::codec::dump;
use crate::manifest::FileMeta;
use crate::names;

const VERSION_1: &str = include_str!("fixtures/v1.md");
const VERSION_2: &str = include_str!("fixtures/v2.md");
const PAGE: &str = include_str!("../../../docs/format/segment.md");

#[test]
fn the_dump_of_the_format_page_is_what_is_written() {
    let (storage, io, dir) = store();
    write_sample(&io, &dir);
    let written = storage.read(&names::level_zero(&dir, GENERATION)).unwrap();
    assert!(dump::from_page(PAGE) == written, "written now:\n{}", dump::to_text(&written));
}

#[test]
fn the_dump_of_the_format_page_is_read() {
    assert_is_the_sample(PAGE, 1);
}

#[test]
fn a_file_of_version_1_is_read() {
    assert_is_the_sample(VERSION_1, 0);
}

#[test]
fn a_file_of_version_2_is_read() {
    assert_is_the_sample(VERSION_2, 1);
}

/// Reads the dump of a page: sections with `runs` runs each.
fn assert_is_the_sample(page: &str, runs: usize) {
    let (storage, io, dir) = store();
    let bytes = dump::from_page(page);
    let meta = FileMeta { len: bytes.len() as u64, ..write_sample(&io, &dir) };
    let path = names::level_zero(&dir, GENERATION);
    storage.overwrite(&path, bytes);
    let file = SegmentFile::new(&handles(&io), &path, STORE, &meta);
    let cache = BlockCache::new(1 << 20);
    let sections = file.sections(&cache).unwrap();
    let expected = sample_sections();
    assert_eq!(sections.len(), expected.len());
    for (section, expected) in sections.iter().zip(&expected) {
        assert_eq!(section.key, expected.key);
        assert_eq!(section.runs.len(), runs);
        let metas: Vec<_> = section.blocks.iter().map(|place| place.meta).collect();
        assert_eq!(metas, expected.blocks.iter().map(|(meta, _)| *meta).collect::<Vec<_>>());
        for place in &section.blocks {
            block::decode(&file.block(place, &cache).unwrap()).unwrap();
        }
    }
}
