//! Which events match, by their numbers: for what changes them rather than shows them.

use super::ast::Filter;
use super::filter::Plan;
use super::request::TimeRange;
use super::selection::Selection;
use super::table::{Source, in_file, in_memory};
use crate::engine::{Shared, Snapshot};
use crate::error::Result;
use crate::manifest::Range64;
use crate::pool::{Consumer, Reservation};
use crate::scan::Control;
use crate::timestamp::Timestamp;
use std::sync::Arc;

/// What has to be true of an event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Matching<'a> {
    pub(crate) filter: &'a Filter,
    /// Its level is one of these: bit `1 << code`.
    pub(crate) levels: u8,
    /// It is earlier than this.
    pub(crate) before: Option<Timestamp>,
    /// Its number is at most this.
    pub(crate) through: u64,
}

/// How much more memory is asked for at least.
const STEP: usize = 1 << 20;

/// The sequence numbers of the events of a snapshot that match, as ranges that rise and are apart, and the
/// memory that they take.
///
/// # Errors
/// `Corrupt` if any block that may have one can't be read; `Memory` or `Busy` if too many match; those of
/// `control`.
pub(crate) fn matching(
    shared: &Arc<Shared>,
    snapshot: &Snapshot,
    wanted: Matching<'_>,
    control: &Control,
) -> Result<(Vec<Range64>, Reservation)> {
    let mut scan = shared.scans.enter(control);
    let interrupt = shared.scans.interrupt(control);
    let plan = Plan::of_query(wanted.filter, None, interrupt);
    let range = TimeRange { to: wanted.before, ..TimeRange::default() };
    let mut found: Vec<Range64> = Vec::new();
    let mut kept = shared.pool.reserve(Consumer::Query, 0)?;
    let mut add = |source: &Source| -> Result<()> {
        scan.item()?;
        let Some(known) = source.admit(&plan, shared)? else { return Ok(()) };
        let _memory = shared.pool.reserve(Consumer::Query, source.bytes)?;
        source.open(shared)?.with_table(shared, |table| {
            let seqs = table.seqs()?;
            let times = table.timestamps()?;
            let in_time = |row: usize| wanted.before.is_none_or(|before| times[row] < before.0);
            let among = |row: usize| seqs[row] <= wanted.through && in_time(row);
            let among = Selection::from_fn(table.rows(), among);
            let among = table.with_levels(wanted.levels, among)?;
            let rows = plan.evaluate(table, &known, among)?;
            for seq in rows.iter().map(|row| seqs[row]) {
                match found.last_mut().filter(|last| last.end == seq) {
                    Some(last) => last.end += 1,
                    None => found.push(Range64 { start: seq, end: seq + 1 }),
                }
            }
            // Once more while they are joined.
            kept.grow_to(found.capacity() * 2 * size_of::<Range64>(), STEP)?;
            Ok(())
        })
    };
    in_memory(snapshot, range, (0, wanted.through)).iter().try_for_each(&mut add)?;
    for file in snapshot.files.iter() {
        in_file(shared, file, range, Some(&plan), &mut 0)?.iter().try_for_each(&mut add)?;
    }
    found.sort_unstable();
    let found = joined(found);
    kept.shrink_to(found.capacity() * size_of::<Range64>());
    Ok((found, kept))
}

/// Ranges in order, those that meet as one.
fn joined(ranges: Vec<Range64>) -> Vec<Range64> {
    let mut all: Vec<Range64> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match all.last_mut().filter(|last| last.end >= range.start) {
            Some(last) => last.end = last.end.max(range.end),
            None => all.push(range),
        }
    }
    all
}
