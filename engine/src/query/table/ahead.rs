//! Fetches ahead what listing reads of files in the archive, of many files at a time: a query would wait for one
//! answer after the other, several for each file.

use crate::engine::{LiveFile, Shared};
use crate::error::Result;
use crate::query::filter::Plan;
use std::sync::Arc;

/// Files of which something is fetched at a time.
pub(crate) const AHEAD_MAX: usize = 64;

/// Reads of files in the archive what [`super::source::in_file`] is about to read. Whatever is in the way is found
/// again by whoever reads it.
pub(crate) fn read_ahead(shared: &Shared, files: &[&LiveFile], plan: Option<&Plan>) {
    let plan = plan.filter(|plan| shared.prunes() && plan.uses_index);
    let cold: Vec<&LiveFile> = files.iter().copied().filter(|f| f.file.is_evicted()).collect();
    for files in cold.chunks(AHEAD_MAX) {
        if directories(shared, files).and_then(|()| indexes(shared, files, plan)).is_err() {
            return;
        }
    }
}

fn directories(shared: &Shared, files: &[&LiveFile]) -> Result<()> {
    let ends = files.iter().flat_map(|live| {
        let ends = live.file.ends(&shared.cache).into_iter();
        ends.filter_map(|range| Some((live.file.cold()?, range)))
    });
    let _ahead = shared.handles.prefetch(&ends.collect::<Vec<_>>());
    files.iter().try_for_each(|live| live.file.sections(&shared.cache).map(drop))
}

fn indexes(shared: &Shared, files: &[&LiveFile], plan: Option<&Plan>) -> Result<()> {
    let Some(plan) = plan else { return Ok(()) };
    let mut sections = Vec::new();
    for live in files {
        for section in live.file.sections(&shared.cache)?.iter() {
            let first = section.blocks.first();
            if first.is_some_and(|first| live.meta.section(first.offset).is_some()) {
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
