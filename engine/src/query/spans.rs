//! The spans of a trace: what its events tell of each, and who called whom.
//!
//! - `S1` every span is told once, behind its parent: spans whose parent no event names as its own are
//!   roots (*orphans*), and of spans that call each other in a circle the earliest is one.
//! - `S2` a span's parent is what its earliest event with a parent says, whoever scans which event.

mod tree;

use super::gather::{Events, Gather, Gathered, gather};
use super::request::{SearchPage, SearchRequest};
use super::search;
use super::selection::Selection;
use super::steps::Steps;
use super::table::{Codes, EventTable};
use crate::engine::Shared;
use crate::error::Result;
use crate::event::{Kind, Level};
use crate::limits::{SPAN_NAME_BYTES_MAX, SPAN_SERVICES_MAX, SPANS_MAX};
use crate::pool::{Consumer, Pool, Reservation};
use crate::scan::Control;
use crate::timestamp::Timestamp;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// A page of the events of a trace.
#[derive(Debug, Clone)]
pub struct Trace {
    /// The page.
    pub page: SearchPage,
    /// With the first page: the spans of all pages, unless there was no time left for them.
    pub spans: Option<Spans>,
}

/// The spans of a trace.
#[derive(Debug, Clone, Default)]
pub struct Spans {
    /// Each behind its parent and its elder siblings with all that they called.
    pub spans: Vec<Span>,
    /// Events of the trace.
    pub events: u64,
    /// Those of no span.
    pub events_outside: u64,
    /// That of the spans: it is theirs as long as they are there.
    pub(crate) _memory: Option<Arc<Reservation>>,
}

/// What the events of a span tell of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Its id, as it was sent.
    pub id: Vec<u8>,
    /// Its parent's, if an event tells one.
    pub parent: Option<Vec<u8>>,
    /// The number of spans above it.
    pub depth: usize,
    /// Whether no event is of the parent.
    pub is_orphan: bool,
    /// Whether the span is above its parent: they call each other in a circle.
    pub is_in_circle: bool,
    /// When its first event happened.
    pub start: Timestamp,
    /// When its last event happened.
    pub end: Timestamp,
    /// The number of events by level, in the order of [`Level::ALL`].
    pub levels: [u64; Level::ALL.len()],
    /// The services of its events, rising.
    pub services: Vec<Vec<u8>>,
}

/// A page of the events of a trace.
pub(crate) fn trace(
    shared: &Arc<Shared>,
    request: &SearchRequest,
    control: &Control,
) -> Result<Trace> {
    let began = shared.scans.now();
    let mut page = search::search(shared, request, Steps::default(), control)?;
    if request.cursor.is_some() {
        return Ok(Trace { page, spans: None });
    }
    let left = control.after(shared.scans.now().saturating_sub(began));
    let events =
        Events { filter: &request.filter, steps: &[], range: request.range, sources_max: None };
    let Gathered { found, scanned, .. } = match gather(shared, events, SpanSums, &left) {
        Ok(gathered) => gathered,
        Err(error) => {
            control.excuses().excuse(error)?;
            return Ok(Trace { page, spans: None });
        }
    };
    page.scanned += scanned;
    if found.is_cut {
        page.warnings.push(format!(
            "not all of the spans: at most {SPANS_MAX} are told, {SPAN_SERVICES_MAX} services of each, \
             and none whose name has more than {SPAN_NAME_BYTES_MAX} bytes"
        ));
    }
    let spans = Spans {
        events: found.events,
        events_outside: found.events_outside,
        spans: tree::in_order(found.spans),
        _memory: Some(Arc::new(found.memory)),
    };
    Ok(Trace { page, spans: Some(spans) })
}

/// Sums up the events of each span.
struct SpanSums;

/// What is known of some spans.
struct Found {
    spans: HashMap<Box<[u8]>, Sums>,
    events: u64,
    events_outside: u64,
    /// Whether something was left out.
    is_cut: bool,
    bytes: usize,
    memory: Reservation,
}

/// The time and the sequence number of an event.
type EventPlace = (i64, u64);

/// What some events of a span tell.
#[derive(Debug, Clone)]
struct Sums {
    /// With the place of the event that tells it.
    parent: Option<(EventPlace, Box<[u8]>)>,
    start: i64,
    end: i64,
    levels: [u64; Level::ALL.len()],
    services: BTreeSet<Box<[u8]>>,
}

/// Memory is reserved in steps of this.
const STEP_BYTES: usize = 64 << 10;
/// What a span takes besides its texts, and what a text takes besides its bytes: places in tables,
/// allocations. Twice, for the answer.
const SPAN_BYTES: usize = size_of::<Sums>() + size_of::<Span>() + 128;
const TEXT_BYTES: usize = 64;

impl Gather for SpanSums {
    const NAME: &'static str = "spans";
    type Found = Found;

    fn begin(&self, pool: &Arc<Pool>) -> Result<Found> {
        Ok(Found {
            spans: HashMap::new(),
            events: 0,
            events_outside: 0,
            is_cut: false,
            bytes: 0,
            memory: pool.reserve(Consumer::Query, 0)?,
        })
    }

    fn take(&self, table: &dyn EventTable, selected: &Selection, found: &mut Found) -> Result<()> {
        let spans = table.codes("span_id", selected)?;
        let parents = table.codes("parent_span_id", selected)?;
        let services = table.codes("service", selected)?;
        let (timestamps, seqs, levels) = (table.timestamps()?, table.seqs()?, table.levels()?);
        for row in selected.iter() {
            found.events += 1;
            let Some(id) = text_of(&spans, row) else {
                found.events_outside += 1;
                continue;
            };
            let Some(sums) = found.span(id, timestamps[row]) else { continue };
            let mut bytes = 0;
            let mut is_cut = false;
            sums.start = sums.start.min(timestamps[row]);
            sums.end = sums.end.max(timestamps[row]);
            if let Some(level) = usize::from(levels[row]).checked_sub(1)
                && let Some(count) = sums.levels.get_mut(level)
            {
                *count += 1;
            }
            if let Some(parent) = text_of(&parents, row) {
                is_cut |= parent.len() > SPAN_NAME_BYTES_MAX;
                if parent.len() <= SPAN_NAME_BYTES_MAX {
                    bytes += sums.set_parent((timestamps[row], seqs[row]), parent);
                }
            }
            if let Some(service) = text_of(&services, row) {
                is_cut |= !sums.add_service(service, &mut bytes);
            }
            found.is_cut |= is_cut;
            found.bytes += bytes;
        }
        found.memory.grow_to(found.bytes, STEP_BYTES)?;
        Ok(())
    }

    fn merge(&self, all: &mut Found, part: Found) -> Result<()> {
        all.events += part.events;
        all.events_outside += part.events_outside;
        all.is_cut |= part.is_cut;
        for (id, more) in part.spans {
            let Some(sums) = all.span(&id, more.start) else { continue };
            let mut bytes = 0;
            sums.start = sums.start.min(more.start);
            sums.end = sums.end.max(more.end);
            sums.levels.iter_mut().zip(more.levels).for_each(|(mine, count)| *mine += count);
            if let Some((place, parent)) = &more.parent {
                bytes += sums.set_parent(*place, parent);
            }
            let told = more.services.iter().map(|service| sums.add_service(service, &mut bytes));
            let is_cut = !told.fold(true, |all, told| all & told);
            all.is_cut |= is_cut;
            all.bytes += bytes;
        }
        all.memory.grow_to(all.bytes, STEP_BYTES)?;
        Ok(())
    }
}

impl Found {
    /// The sums of a span, of which an event happened then; `None` if there is no room for it.
    fn span(&mut self, id: &[u8], time: i64) -> Option<&mut Sums> {
        if !self.spans.contains_key(id) {
            if self.spans.len() == SPANS_MAX || id.len() > SPAN_NAME_BYTES_MAX {
                self.is_cut = true;
                return None;
            }
            self.bytes += SPAN_BYTES + 2 * (id.len() + TEXT_BYTES);
            let sums = Sums {
                parent: None,
                start: time,
                end: time,
                levels: [0; Level::ALL.len()],
                services: BTreeSet::new(),
            };
            self.spans.insert(id.into(), sums);
        }
        self.spans.get_mut(id)
    }
}

impl Sums {
    /// The event at this place tells this parent: the earliest is heard. Returns the bytes that it took.
    fn set_parent(&mut self, place: EventPlace, parent: &[u8]) -> usize {
        if self.parent.as_ref().is_some_and(|(before, _)| *before <= place) {
            return 0;
        }
        let before = self.parent.replace((place, parent.into())).map_or(0, |(_, text)| text.len());
        2 * (parent.len() + TEXT_BYTES).saturating_sub(before)
    }

    /// Returns whether there was room for it.
    fn add_service(&mut self, service: &[u8], bytes: &mut usize) -> bool {
        if self.services.contains(service) {
            return true;
        }
        if self.services.len() == SPAN_SERVICES_MAX || service.len() > SPAN_NAME_BYTES_MAX {
            return false;
        }
        *bytes += 2 * (service.len() + TEXT_BYTES);
        self.services.insert(service.into())
    }
}

/// The value of a row; `None` also for what tracers write in the place of no span.
fn text_of(codes: &Codes, row: usize) -> Option<&[u8]> {
    let code = codes.codes.get(row)?.checked_sub(1)?;
    let (kind, text) = codes.values.get(code as usize)?;
    let is_none = *kind == Kind::Null || text.iter().all(|byte| *byte == b'0');
    (!is_none).then_some(text)
}
