//! Any bytes as the index of a section: as they are, and as a change of a good one.

use super::{BlockIndex, IndexFaults, SegmentIndex, SegmentIndexBuilder};
use crate::batch::{RowColumn, Rows};
use crate::event::{Kind, Value};
use crate::index::Split;
use crate::index::term::{Term, TermKind};
use crate::io::Region;
use std::path::Path;
use std::sync::Arc;

/// Reads `bytes` as an index, and as damage of a good one: places and what is done to them. A
/// damaged index may be refused or say too much, but may not leave out what was added.
pub(crate) fn fuzz(bytes: &[u8]) {
    ask(bytes.to_vec(), false);
    let mut good = SegmentIndexBuilder::new().expect("memory never fails");
    good.add_block(&sample(), |_| None::<Split>).expect("memory never fails");
    let mut index = good.finish().expect("memory never fails");
    for damage in bytes.chunks_exact(4) {
        let at = u32::from_le_bytes([damage[0], damage[1], damage[2], 0]) as usize % index.len();
        index[at] ^= damage[3];
    }
    ask(index, true);
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
    let faults = IndexFaults::default();
    let Ok(index) = SegmentIndex::open(Region::owned(bytes), 1, &path, 0, &faults) else { return };
    let terms = [
        Term::new(TermKind::Word, b"timeout"),
        Term::new(TermKind::Word, b"conn4711"),
        Term::new(TermKind::LetterRun, b"conn"),
    ];
    let hits = Arc::new(index.look_up(&terms));
    for term in &terms {
        let frames = BlockIndex::Section(Arc::clone(&hits), 0).frames(term);
        assert!(!has_sample || frames & 1 == 1, "S1: {term:?}");
    }
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
