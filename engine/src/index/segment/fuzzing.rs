//! Any bytes as the index of a section: as they are, and as a change of a good one.

use super::format::{self, HEADER_LEN};
use super::ids::IdPages;
use super::pages::PAGE_BYTES;
use super::{BlockIndex, EVERY_FRAME, IndexCounts, SegmentIndex, SegmentIndexBuilder};
use crate::batch::{RowColumn, Rows};
use crate::codec::pieces::{number_at, put};
use crate::event::{Kind, Value};
use crate::index::Split;
use crate::index::term::{Term, TermKind};
use crate::io::Region;
use std::path::Path;
use std::sync::{Arc, LazyLock};

/// Reads `bytes` as an index, as a directory and pages of ids behind their checksums, and as damage of
/// a good index: places and what is done to them. A damaged index may be refused or say too much, but
/// may not leave out what was added.
pub(crate) fn fuzz(bytes: &[u8]) {
    ask(bytes.to_vec(), false);
    let (hash_bits, bytes_of_ids) =
        bytes.split_first().map_or((0, bytes), |(bits, rest)| (*bits, rest));
    let pages =
        bytes_of_ids.chunks(PAGE_BYTES).zip(0..).map(|(page, first)| (first << 16, page.to_vec()));
    let ids = IdPages { hash_bits: 24 + hash_bits % 17, pages: pages.collect() };
    ask(format::encode(2, &[], &ids), false);
    ask(with_directory(bytes), false);
    let mut index = good().to_vec();
    for damage in bytes.chunks_exact(4) {
        let at = u32::from_le_bytes([damage[0], damage[1], damage[2], 0]) as usize % index.len();
        index[at] ^= damage[3];
    }
    ask(index, true);
}

/// An index of [`sample`]: made once, for that takes longer than all the rest.
fn good() -> &'static [u8] {
    static GOOD: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut good = SegmentIndexBuilder::new();
        good.add_block(&sample(), |_| None::<Split>).expect("memory never fails");
        let mut terms = good.begin_block().expect("memory never fails");
        terms.sentence(b"peer \x01 closed");
        terms.variable(b"host17");
        terms.finish();
        good.finish().expect("memory never fails")
    });
    &GOOD
}

/// The good index with `directory` in the place of its own.
fn with_directory(directory: &[u8]) -> Vec<u8> {
    let good = good();
    let old = HEADER_LEN + number_at::<4>(good, 24) as usize;
    let mut index = good[..HEADER_LEN].to_vec();
    put(&mut index, 24, &(directory.len() as u32).to_le_bytes());
    put(&mut index, 28, &crc32fast::hash(directory).to_le_bytes());
    let crc = crc32fast::hash(&index[..HEADER_LEN - 4]);
    put(&mut index, HEADER_LEN - 4, &crc.to_le_bytes());
    index.extend_from_slice(directory);
    index.extend_from_slice(&good[old..]);
    index
}

/// Rows of a word and an id.
fn sample() -> Rows {
    let mut column = RowColumn::new("message".into());
    column.push(0, Value { kind: Kind::String, text: b"timeout conn4711" });
    Rows {
        base_seq: 1,
        seq_offsets: vec![0],
        timestamps: vec![0],
        levels: vec![3],
        columns: vec![column],
    }
}

fn ask(bytes: Vec<u8>, has_sample: bool) {
    let path: Arc<Path> = Path::new("fuzz").into();
    let counts = IndexCounts::default();
    let Ok(index) = SegmentIndex::open(Region::owned(bytes), 2, &path, 0, &counts) else { return };
    let terms = [
        Term::new(TermKind::Word, b"timeout"),
        Term::new(TermKind::Word, b"conn4711"),
        Term::new(TermKind::LetterRun, b"conn"),
    ];
    let hits = Arc::new(index.look_up(&terms).expect("is in memory"));
    for term in &terms {
        let frames = BlockIndex::Section(Arc::clone(&hits), 0).frames(term);
        assert!(!has_sample || frames & 1 == 1, "S1: {term:?}");
    }
    let closed = Term::new(TermKind::Word, b"closed");
    let hits = Arc::new(index.look_up([&closed]).expect("is in memory"));
    let frames = BlockIndex::Section(hits, 1).frames(&closed);
    assert!(!has_sample || frames == EVERY_FRAME, "S1: {closed:?}");
    let _ = index.verify();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_and_any_damage_lose_nothing(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            super::fuzz(&bytes);
        }
    }
}
