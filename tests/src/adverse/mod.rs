//! Events and queries made to mislead indexes and templates: texts of few sentences, whose
//! variables, borders and cases are easily mistaken for each other, in blocks that are large enough
//! to be cut into sentences, frames and units.

mod queries;
mod texts;

pub use queries::{filter_text, range};
pub use texts::Sender;

use crate::dice::Dice;
use logstrata_engine::Limits;

/// Bounds under which blocks have templates, segments have indexes, and compaction waits until it
/// is asked for. Mostly small blocks, of which many are made; sometimes such as have several frames.
pub fn limits(dice: &mut Dice) -> Limits {
    let mut limits = Limits {
        block_rows_max: [70, 100, 200, 600, 1_300][dice.weighted(&[35, 30, 25, 8, 2])],
        block_bytes_max: 4 << 20,
        group_bytes_max: 1 << 20,
        wal_file_bytes: 1 << 20,
        generation_bytes_max: 8 << 20,
        wal_bytes_max: 32 << 20,
        memtable_bytes_max: 4 << 20,
        ..Limits::tiny()
    };
    limits.compaction.segment_bytes_max = 8 << 20;
    limits.compaction.fan_in = dice.within(2..5);
    limits
}
