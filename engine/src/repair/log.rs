//! The log: what is sound behind its damage stays in the store, too.
//!
//! A log has no gaps (`W3`), so that nothing can stay in it behind damage. If there is anything, all of
//! the log becomes a level-0 file, as a flush would have made it, and a new generation begins; the
//! numbers that are missing are told in the manifest. If there is nothing, the log ends before the damage.

use super::resolve::unknown;
use super::{Damage, Loss};
use crate::batch::Batch;
use crate::block;
use crate::error::{Error, Result};
use crate::field;
use crate::idempotency::{self, Entry};
use crate::io::Io;
use crate::limits::Limits;
use crate::manifest::{FileId, ManifestState, Range64};
use crate::memtable::{MemPartition, PendingBlock};
use crate::partition::PartitionKey;
use crate::proof::Runs;
use crate::segment::{self, Header, SectionBlocks};
use crate::wal::{self, LogDamage};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// What is done about a log behind whose damage there is nothing.
const CUT: &str = "copied from the damage on, and ended before it";
/// What is done about a log behind whose damage there is something.
const MOVED: &str =
    "copied from the damage on; all of its sound groups are written to a level-0 file";

/// A log that is damaged.
pub(super) struct DamagedLog {
    pub(super) damage: LogDamage,
    /// What becomes of it, if something sound is behind the damage.
    moved: Option<Moved>,
}

/// All that is sound in a log.
#[derive(Debug)]
struct Moved {
    /// The last generation in it.
    generation: u64,
    /// The numbers that it had, as far as they are known.
    seqs: Range64,
    /// Those that are missing.
    missing: Vec<Range64>,
}

/// Looks at the log as recovery would with this state. `None` if it is sound.
///
/// # Errors
/// `Unsupported`, `Io`.
pub(super) fn examine(io: &Io, dir: &Path, state: &ManifestState) -> Result<Option<DamagedLog>> {
    let (committed, next_seq) = (state.committed_generation, state.next_seq);
    let Some(damage) = wal::examine(io, dir, &state.store_uuid, committed, next_seq)? else {
        return Ok(None);
    };
    let mut moved = Moved {
        generation: 0,
        seqs: Range64 { start: next_seq, end: next_seq },
        missing: Vec::new(),
    };
    let mut is_behind = false;
    each(io, dir, state, |generation, first, batch| {
        let Moved { seqs, missing, .. } = &mut moved;
        if first > seqs.end {
            missing.push(Range64 { start: seqs.end, end: first });
        }
        seqs.end = first + batch.len() as u64;
        is_behind |= first >= damage.first_lost;
        moved.generation = generation;
        Ok(())
    })?;
    Ok(Some(DamagedLog { damage, moved: is_behind.then_some(moved) }))
}

fn each(
    io: &Io,
    dir: &Path,
    state: &ManifestState,
    each: impl FnMut(u64, u64, Batch) -> Result<()>,
) -> Result<()> {
    let committed = state.committed_generation.unwrap_or(0);
    wal::each_sound(io, dir, &state.store_uuid, committed, state.next_seq, each)
}

impl DamagedLog {
    /// What is told about it.
    pub(super) fn to_damage(&self) -> Damage {
        let error = self.damage.error.clone();
        let loss = |events, seqs| Loss { partition: None, events, seqs, times: None };
        let lost = match &self.moved {
            None => vec![loss(None, (self.damage.first_lost, None))],
            Some(Moved { missing, .. }) => {
                let gap = |gap: &Range64| loss(Some(gap.len()), (gap.start, Some(gap.end - 1)));
                missing.iter().map(gap).collect()
            }
        };
        let remedy = if self.moved.is_some() { MOVED } else { CUT }.to_owned();
        Damage { error, lost, remedy }
    }

    /// Whether the manifest has to say something new.
    pub(super) fn is_moved(&self) -> bool {
        self.moved.is_some()
    }

    /// Writes what is sound to a level-0 file, and its keys, and begins the log behind it. All of it
    /// counts with the state that it is added to.
    pub(super) fn write(
        &self,
        io: &Io,
        dir: &Path,
        limits: &Limits,
        state: &mut ManifestState,
    ) -> Result<()> {
        let Some(Moved { generation, seqs, missing }) = &self.moved else { return Ok(()) };
        let (generation, seqs) = (*generation, *seqs);
        let lost = missing.iter().map(|gap| gap.len()).sum();
        let mut partitions: BTreeMap<PartitionKey, Sealed> = BTreeMap::new();
        let (mut digests, mut names) = (Runs::default(), BTreeSet::new());
        let mut entries: Vec<Entry> = Vec::new();
        each(io, dir, state, |_, _, batch| {
            entries.extend(batch.entry(state.incarnation));
            for part in batch.parts {
                let columns = part.rows.columns.iter().map(|column| &*column.name);
                let shown = columns.filter(|name| !field::is_hidden(name));
                names.extend(shown.map(|name| field::display_name(name).into_owned()));
                digests.push(&part.key, &part.rows);
                let sealed = partitions.entry(part.key).or_default();
                sealed.rows.push(part.rows);
                while let Some(block) = sealed.rows.take_full_block(limits) {
                    sealed.seal(&block);
                }
            }
            Ok(())
        })?;
        let mut digests = digests.finish(generation);
        let sections = partitions.into_iter().map(|(key, mut sealed)| {
            let tail = sealed.rows.take_tail();
            tail.into_iter().for_each(|block| sealed.seal(&block));
            let digest = digests.remove(&key);
            SectionBlocks { key, blocks: sealed.blocks, digest }
        });
        let sections: Vec<_> = sections.collect();
        let (store, incarnation, id) =
            (state.store_uuid, state.incarnation, FileId::LevelZero(generation));
        let header = Header { store, incarnation, id, seqs: (seqs.start, seqs.end) };
        let meta = segment::write(io, dir, &header, &sections, names)?;
        if let Some(clock_ms) = entries.iter().map(|entry| entry.claim.arrival_ms).max() {
            idempotency::write_entries(io, dir, store, generation, clock_ms, &entries)?;
        }
        let next = generation.checked_add(1);
        let next = next.ok_or_else(|| Error::unsupported("all generations are used up"))?;
        wal::write_empty(io, dir, &store, next)?;
        state.files.insert(id, Arc::new(meta));
        if lost > 0 {
            state.tombstones.push(unknown(generation, seqs, lost));
        }
        (state.committed_generation, state.next_seq) = (Some(generation), seqs.end);
        Ok(())
    }

    /// Ends a log that stays before its damage.
    pub(super) fn cut(&self, io: &Io, dir: &Path, store: [u8; 16]) -> Result<()> {
        if self.is_moved() { Ok(()) } else { self.damage.cut(io, dir, store) }
    }
}

/// The events of one partition, as they become blocks.
#[derive(Default)]
struct Sealed {
    rows: MemPartition,
    blocks: Vec<(block::BlockMeta, Arc<[u8]>)>,
}

impl Sealed {
    fn seal(&mut self, block: &PendingBlock) {
        let encoded = block::seal(&block.gather());
        self.blocks.push((encoded.meta, encoded.bytes.into()));
        // Nobody reads it there.
        self.rows.pending.clear();
    }
}
