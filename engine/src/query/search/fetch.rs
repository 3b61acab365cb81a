//! The events of a page, once it is known which they are.

use super::{Hit, Part, Search};
use crate::error::Result;
use crate::limits::{FETCH_BYTES_MAX, PAGE_BYTES_MAX};
use crate::pool::{Consumer, Reservation};
use crate::query::request::EventRecord;
use crate::query::table::Source;
use std::collections::{BTreeMap, BTreeSet};

/// The memory of a page is reserved in steps of this.
const STEP_BYTES: usize = 256 << 10;

impl Search<'_> {
    /// The events of the hits, in their order, as many as one page may take: at least one, for the
    /// next page has to get further.
    pub(super) fn fetch_page(&mut self, hits: &[Hit]) -> Result<Vec<EventRecord>> {
        let mut events: Vec<EventRecord> = Vec::new();
        let mut memory = self.shared.pool.reserve(Consumer::Query, 0)?;
        let mut bytes = 0;
        let mut rest = hits;
        while !rest.is_empty() {
            let (next, later) = rest.split_at(self.fetched_at_once(rest));
            rest = later;
            for event in self.fetch(next, bytes, &mut memory)? {
                bytes += event.bytes();
                if bytes > PAGE_BYTES_MAX && !events.is_empty() {
                    return Ok(events);
                }
                events.push(event);
            }
        }
        Ok(events)
    }

    /// The events of the hits, in their order; each source is read once. There are `before` bytes
    /// of events already.
    fn fetch(
        &mut self,
        hits: &[Hit],
        before: usize,
        memory: &mut Reservation,
    ) -> Result<Vec<EventRecord>> {
        let mut by_source: BTreeMap<usize, Vec<(usize, usize)>> = BTreeMap::new();
        for (place, (_, source, row)) in hits.iter().enumerate() {
            by_source.entry(*source).or_default().push((*row, place));
        }
        let mut events: Vec<Option<EventRecord>> = vec![None; hits.len()];
        let mut bytes = before;
        for (source, mut wanted) in by_source {
            self.scan.item()?;
            wanted.sort_unstable();
            let rows: Vec<usize> = wanted.iter().map(|(row, _)| *row).collect();
            let shared = self.shared;
            let source = self.source(source);
            let _decoded = shared.pool.reserve(Consumer::Query, source.bytes)?;
            let fetched =
                source.with_table(shared, |table| table.fetch(&rows, shared.incarnation))?;
            assert_eq!(fetched.len(), wanted.len(), "one event a row");
            bytes += fetched.iter().map(EventRecord::bytes).sum::<usize>();
            memory.grow_to(bytes, STEP_BYTES)?;
            for (event, (_, place)) in fetched.into_iter().zip(wanted) {
                events[place] = Some(event);
            }
        }
        Ok(events.into_iter().flatten().collect())
    }

    fn source(&self, index: usize) -> &Source {
        let Part::Source(source) = &self.parts[index] else { unreachable!("rows are of sources") };
        source
    }

    /// How many of the hits, from the first on, lie in sources that may be decoded at once.
    fn fetched_at_once(&self, hits: &[Hit]) -> usize {
        let mut sources = BTreeSet::new();
        let mut bytes = 0usize;
        for (place, (_, source, _)) in hits.iter().enumerate() {
            if sources.insert(*source) {
                bytes = bytes.saturating_add(self.source(*source).bytes);
                if bytes > FETCH_BYTES_MAX && place > 0 {
                    return place;
                }
            }
        }
        hits.len()
    }
}
