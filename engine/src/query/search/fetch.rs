//! The events of a page, once it is known which they are.

use super::pass::Pass;
use super::{ALONE_QUICK_MAX, Hit, Part, Search};
use crate::engine::Shared;
use crate::error::Result;
use crate::limits::FETCH_BYTES_MAX;
use crate::pool::{Consumer, Pool, Reservation};
use crate::query::request::EventRecord;
use crate::query::table::Source;
use crate::scan::Items;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The memory of a page is reserved in steps of this.
const STEP_BYTES: usize = 256 << 10;

/// Sources whose events several threads fetch.
struct ManyFetches {
    shared: Arc<Shared>,
    pass: Arc<Pass>,
    fetches: Vec<Fetch>,
    /// Until it is taken.
    page: Mutex<Option<Page>>,
}

/// Those of them from the first on that was not fetched alone.
struct RestOfFetches {
    many: Arc<ManyFetches>,
    first: usize,
}

/// Once its time is over, a page's events are fetched from so many sources at a time.
const LATE_SOURCES_MAX: usize = 2;

/// The events of a page, and their memory.
pub(super) struct Fetched {
    pub(super) events: Vec<EventRecord>,
    pub(super) memory: Reservation,
    /// Hits that are done with: their events are there, unless they are damaged.
    pub(super) taken: usize,
}

/// The events that are wanted of one source.
struct Fetch {
    index: usize,
    source: Arc<Source>,
    /// Rows, rising, and their places among the events.
    wanted: Vec<(usize, usize)>,
}

/// Events that are fetched at once, by place, and their memory.
struct Page {
    events: Vec<Option<EventRecord>>,
    bytes: usize,
    memory: Reservation,
}

/// What the events of a page may take, and the raw bytes of the blocks that they are fetched from at
/// once: in proportion to what queries can always have. A page that takes all of it is refused for
/// ever, however often it is asked for.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    page: usize,
    fetch: usize,
}

impl Bounds {
    fn of(pool: &Pool, page_bytes_max: usize) -> Self {
        let share = pool.share(Consumer::Query);
        Self { page: page_bytes_max.min(share / 8), fetch: FETCH_BYTES_MAX.min(share / 4) }
    }
}

impl Search<'_> {
    /// The events of the hits, in their order, as many as one page may take: at least one, for the
    /// next page has to get further. `late`: the query's time is over already.
    pub(super) fn fetch_page(&mut self, hits: &[Hit], mut late: bool) -> Result<Fetched> {
        let memory = self.pass.pool.reserve(Consumer::Query, 0)?;
        let mut fetched = Fetched { events: Vec::new(), memory, taken: 0 };
        let mut bounds = Bounds::of(&self.pass.pool, self.page_bytes_max);
        // Each field that is added may be as long as the event.
        bounds.fetch /= 1 + self.pass.steps.fields_added();
        let mut bytes = 0;
        while fetched.taken < hits.len() {
            let rest = &hits[fetched.taken..];
            let most = if late { LATE_SOURCES_MAX } else { usize::MAX };
            let next = &rest[..self.fetched_at_once(rest, bounds.fetch, most)];
            let pass = Arc::clone(&self.pass);
            let page = match pass.plan.takes_in("fetch", next.len(), || self.fetch(next)) {
                Ok(page) => page,
                Err(error) if !late && self.excuses.admit(&error) => {
                    late = true;
                    self.scan.wind_up();
                    continue;
                }
                Err(error) if fetched.taken > 0 => {
                    self.excuses.excuse(error)?;
                    return Ok(fetched);
                }
                Err(error) => return Err(error),
            };
            fetched.memory.merge(page.memory);
            for event in page.events {
                let size = event.as_ref().map_or(0, EventRecord::memory_bytes);
                if bytes + size > bounds.page && !fetched.events.is_empty() {
                    fetched.memory.shrink_to(bytes);
                    return Ok(fetched);
                }
                bytes += size;
                fetched.taken += 1;
                fetched.events.extend(event);
            }
        }
        Ok(fetched)
    }

    /// The events of the hits, in their order; each source is read once.
    fn fetch(&mut self, hits: &[Hit]) -> Result<Page> {
        let mut by_source: BTreeMap<usize, Vec<(usize, usize)>> = BTreeMap::new();
        for (place, (_, source, row)) in hits.iter().enumerate() {
            by_source.entry(*source).or_default().push((*row, place));
        }
        let memory = self.pass.pool.reserve(Consumer::Query, 0)?;
        let page = Page { events: vec![None; hits.len()], bytes: 0, memory };
        let fetch = |(index, mut wanted): (usize, Vec<_>)| {
            wanted.sort_unstable();
            Fetch { index, source: Arc::clone(self.source(index)), wanted }
        };
        let many = Arc::new(ManyFetches {
            fetches: by_source.into_iter().map(fetch).collect(),
            shared: Arc::clone(self.shared),
            pass: Arc::clone(&self.pass),
            page: Mutex::new(Some(page)),
        });
        let count = many.fetches.len();
        let mut first = 0;
        while first < count {
            let left = count - first;
            // What took long to scan was not decoded before, and takes as long to fetch.
            let alone = first < ALONE_QUICK_MAX as usize && self.is_quick(self.began);
            if left > 1 && self.shared.scans.slots() > 1 && !alone {
                let rest = RestOfFetches { many: Arc::clone(&many), first };
                self.scan.run_all(Arc::new(rest), left)?;
                break;
            }
            self.scan.item()?;
            many.run(first)?;
            first += 1;
        }
        let page = many.page.lock().take().expect("taken once");
        let is_whole = page.events.iter().all(Option::is_some);
        assert!(is_whole || !self.excuses.is_whole(), "an event for each hit, or a gap");
        Ok(page)
    }

    fn source(&self, index: usize) -> &Arc<Source> {
        let Part::Source(source) = &self.parts[index] else { unreachable!("rows are of sources") };
        source
    }

    /// How many of the hits, from the first on, lie in sources that may be decoded at once.
    fn fetched_at_once(&self, hits: &[Hit], bytes_max: usize, sources_max: usize) -> usize {
        let mut sources = BTreeSet::new();
        let mut bytes = 0usize;
        for (place, (_, source, _)) in hits.iter().enumerate() {
            if sources.insert(*source) {
                bytes = bytes.saturating_add(self.source(*source).bytes);
                if (bytes > bytes_max || sources.len() > sources_max) && place > 0 {
                    return place;
                }
            }
        }
        hits.len()
    }
}

impl Items for RestOfFetches {
    fn run(&self, item: usize) -> Result<()> {
        self.many.run(self.first + item)
    }
}

impl ManyFetches {
    fn run(&self, item: usize) -> Result<()> {
        let Fetch { index, source, wanted } = &self.fetches[item];
        let shared = &*self.shared;
        let (opened, _memory) = match self.pass.kept.take(*index) {
            Some((opened, memory)) => (Ok(opened), memory),
            None => {
                let memory = self.pass.kept.reserve(&self.pass.pool, source.bytes)?;
                (source.open_again(shared), memory)
            }
        };
        let rows: Vec<usize> = wanted.iter().map(|(row, _)| *row).collect();
        let fetched = opened.and_then(|opened| {
            let events = opened.with_table(shared, |table| table.fetch(&rows, shared.incarnation));
            opened.keep(shared);
            events
        });
        let Some(mut fetched) = self.pass.excuses.piece(fetched)? else { return Ok(()) };
        fetched.iter_mut().for_each(|event| self.pass.steps.add_fields(event));
        assert_eq!(fetched.len(), wanted.len(), "one event a row");
        let mut page = self.page.lock();
        let Page { events, bytes, memory } = page.as_mut().expect("taken after the last item");
        *bytes += fetched.iter().map(EventRecord::memory_bytes).sum::<usize>();
        memory.grow_to(*bytes, STEP_BYTES)?;
        for (event, (_, place)) in fetched.into_iter().zip(wanted) {
            events[*place] = Some(event);
        }
        Ok(())
    }
}
