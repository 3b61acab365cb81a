//! Fetches ahead what listing reads of many files at a time: a query would wait for one answer after the other, of
//! the archive several for each file, of the disk one for each index.

use crate::engine::{LiveFile, Shared};
use crate::error::Result;
use crate::query::filter::Plan;
use crate::query::request::TimeRange;
use crate::query::table::source::overlaps;
use crate::segment::Section;
use crate::timestamp::Timestamp;
use std::sync::Arc;

/// Files of which something is fetched at a time.
pub(crate) const AHEAD_MAX: usize = 64;

/// Tells whether pages of indexes are read that were not read before: else asking for them ahead is in vain.
#[derive(Debug, Default)]
pub(crate) struct NewPages(Option<u64>);

impl NewPages {
    /// Whether some were since this was last asked.
    pub(crate) fn are_read(&mut self, shared: &Shared) -> bool {
        let count = shared.cache.index_counts().new_pages();
        self.0.replace(count).is_some_and(|before| before != count)
    }
}

/// Asks for what [`super::source::in_file`] is about to read of files, and waits for what is in the archive. Whatever
/// is in the way is found again by whoever reads it.
pub(crate) fn read_ahead(
    shared: &Shared,
    files: &[&LiveFile],
    range: TimeRange,
    plan: Option<&Plan>,
) {
    let plan = plan.filter(|plan| shared.prunes() && plan.uses_index);
    let (cold, here): (Vec<_>, Vec<_>) = files.iter().copied().partition(|f| f.file.is_evicted());
    if let Some(plan) = plan {
        here.into_iter().for_each(|live| pages(shared, live, range, plan));
    }
    for files in cold.chunks(AHEAD_MAX) {
        if directories(shared, files).and_then(|()| indexes(shared, files, range, plan)).is_err() {
            return;
        }
    }
}

/// Lets the system read the pages that are looked up in a file that is here. What is not known of it yet stays
/// closed: opening many takes time, and whoever asks may have none left.
fn pages(shared: &Shared, live: &LiveFile, range: TimeRange, plan: &Plan) {
    let Some(sections) = shared.cache.sections(live.meta.id) else { return };
    for section in sections.iter().filter(|section| can_have(live, section, range)) {
        if let Some(index) = live.file.known_index(section, &shared.cache) {
            index.will_need(plan.terms());
        }
    }
}

/// Whether the manifest has a section, and it can have events of this range.
fn can_have(live: &LiveFile, section: &Section, range: TimeRange) -> bool {
    let meta = section.blocks.first().and_then(|first| live.meta.section(first.offset));
    meta.is_some_and(|meta| overlaps(range, (Timestamp(meta.min_ts), Timestamp(meta.max_ts))))
}

fn directories(shared: &Shared, files: &[&LiveFile]) -> Result<()> {
    let ends = files.iter().flat_map(|live| {
        let ends = live.file.ends(&shared.cache).into_iter();
        ends.filter_map(|range| Some((live.file.cold()?, range)))
    });
    let _ahead = shared.handles.prefetch(&ends.collect::<Vec<_>>());
    files.iter().try_for_each(|live| live.file.sections(&shared.cache).map(drop))
}

fn indexes(
    shared: &Shared,
    files: &[&LiveFile],
    range: TimeRange,
    plan: Option<&Plan>,
) -> Result<()> {
    let Some(plan) = plan else { return Ok(()) };
    let mut sections = Vec::new();
    for live in files {
        for section in live.file.sections(&shared.cache)?.iter() {
            if can_have(live, section, range) {
                sections.push((*live, section.clone()));
            }
        }
    }
    let heads = sections.iter().filter_map(|(live, section)| {
        Some((live.file.cold()?, live.file.index_head(section, &shared.cache)?))
    });
    let ahead = shared.handles.prefetch(&heads.collect::<Vec<_>>());
    let mut indexes = Vec::new();
    for (live, section) in &sections {
        if let Some(index) = live.file.index(section, &shared.cache)? {
            indexes.push((*live, section, Arc::clone(&index)));
        }
    }
    drop(ahead);
    let mut pages = Vec::new();
    for (live, section, index) in &indexes {
        let places = live.file.index_pages(section, &index.pages_of(plan.terms()));
        pages.extend(places.into_iter().filter_map(|range| Some((live.file.cold()?, range))));
    }
    let _ahead = shared.handles.prefetch(&pages);
    indexes.iter().try_for_each(|(_, _, index)| index.look_up(plan.terms()).map(drop))
}
