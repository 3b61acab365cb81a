//! One event by its id.

use crate::engine::{Shared, Snapshot};
use crate::error::Result;
use crate::event::EventId;
use crate::pool::Consumer;
use crate::query::request::{EventRecord, TimeRange};
use crate::query::table::sources_of;
use crate::scan::Control;
use crate::timestamp::Timestamp;
use std::sync::Arc;

/// The event of this id: found by the statistics of sections and blocks alone.
pub(crate) fn get(
    shared: &Arc<Shared>,
    id: EventId,
    control: &Control,
) -> Result<Option<EventRecord>> {
    if id.incarnation() != shared.incarnation {
        return Ok(None);
    }
    let snapshot: Snapshot = shared.snapshot_for(control);
    let seq = id.seq().0;
    let first_ns = id.millis().saturating_mul(1_000_000);
    let range = TimeRange {
        from: Some(Timestamp(first_ns)),
        to: first_ns.checked_add(1_000_000).map(Timestamp),
    };
    let mut scan = shared.scans.enter(control);
    scan.item()?;
    for source in sources_of(shared, &snapshot, range, seq, &mut || scan.item())? {
        scan.item()?;
        let _memory = shared.pool.reserve(Consumer::Query, source.bytes)?;
        let found = source.open_again(shared)?.with_table(shared, |table| {
            let Ok(row) = table.seqs()?.binary_search(&seq) else { return Ok(None) };
            Ok(table.fetch(&[row], shared.incarnation)?.pop().filter(|event| event.id == id))
        })?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}
