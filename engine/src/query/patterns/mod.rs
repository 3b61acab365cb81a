//! The sentences with holes behind a result: which there are, how often, and when.
//!
//! Messages are counted by their *shapes* ([`words`]): where a column has templates, one look at a
//! sentence serves all its messages. Then shapes that differ in few words are grouped ([`group`]).
//!
//! - `P1` Counts of the patterns, of those that are not listed and of events without a message add
//!   up to the events that match.
//! - `P2` As long as there are not too many shapes, the answer is that of the events alone, wherever
//!   they are stored.

mod group;
#[cfg(test)]
mod loghub;
mod places;
mod tally;
#[cfg(test)]
mod tests;
mod words;

use super::ast::Filter;
use super::explain;
use super::filter::Plan;
use super::names;
use super::request::{Scanned, Step, TimeRange};
use super::selection::Selection;
use super::stats::LIST_STEP_BYTES;
use super::steps::Steps;
use super::table::{Listing, Source, Table, begin_pass, in_memory, sources, times_in};
use crate::engine::{Shared, Snapshot};
use crate::error::Result;
use crate::event::{EventId, Seq};
use crate::pool::{Consumer, Pool};
use crate::scan::{Control, Excuses, Scan};
use crate::timestamp::Timestamp;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tally::{BUCKETS, Shapes, Tally};

pub(crate) use words::sentence_of;

const MESSAGE: &str = "message";

/// Which patterns are wanted.
#[derive(Debug, Clone, Default)]
pub struct PatternsRequest {
    /// The events.
    pub filter: Filter,
    /// What is done to those that pass it.
    pub steps: Vec<Step>,
    /// Their time.
    pub range: TimeRange,
    /// The time that it is compared with: which patterns are new since then, which are gone.
    pub compare: Option<TimeRange>,
    /// Patterns that are listed at most.
    pub limit: usize,
}

/// Patterns, the most frequent first.
#[derive(Debug)]
pub struct Patterns {
    /// Those that are listed.
    pub patterns: Vec<Pattern>,
    /// The events whose patterns are not listed, if there are any.
    pub other: Option<Pattern>,
    /// Events that match.
    pub events: u64,
    /// Those of them that have no message.
    pub without_message: u64,
    /// What may surprise, for people.
    pub warnings: Vec<String>,
    /// What it took.
    pub scanned: Scanned,
}

/// A sentence with holes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// With `<*>` for each hole.
    pub text: String,
    /// Events in the range.
    pub count: u64,
    /// Events in the range that it is compared with; 0 without one.
    pub before: u64,
    /// The earliest of these events; `None` without any.
    pub first: Option<Timestamp>,
    /// The latest.
    pub last: Option<Timestamp>,
    /// The id of the latest.
    pub example_id: Option<EventId>,
    /// Its message, or the first 512 bytes of it.
    pub example: Vec<u8>,
    /// The events in each of twenty equal parts of the range.
    pub trend: [u64; BUCKETS],
}

/// The patterns of what matches.
pub(crate) fn patterns(
    shared: &Arc<Shared>,
    request: &PatternsRequest,
    control: &Control,
) -> Result<Patterns> {
    let snapshot = shared.snapshot_for(control);
    let mut scan = shared.scans.enter(control);
    scan.item()?;
    let pool = shared.pool_of(control);
    explain::tell(control, &request.filter, request.range, || vec!["patterns".into()]);
    let interrupt = shared.scans.interrupt(control);
    let trace = begin_pass("patterns", shared, &snapshot, control);
    let mut mine = Mine {
        shared,
        steps: Arc::new(Steps::new(&request.steps).of_query(trace.as_deref(), &interrupt)),
        shapes: Shapes::new(&pool)?,
        pool,
        plan: Plan::of_query(&request.filter, trace, interrupt),
        excuses: control.excuses(),
        span: span_of(&snapshot, request.range),
        tables: 0,
        events: 0,
        without_message: 0,
        scanned: Scanned::default(),
    };
    let sides = [(Some(request.range), Side::Asked), (request.compare, Side::Before)];
    for (range, side) in sides.into_iter().filter_map(|(range, side)| Some((range?, side))) {
        if let Err(error) = mine.range(&mut scan, &snapshot, range, side) {
            if mine.scanned == Scanned::default() {
                return Err(error);
            }
            mine.excuses.excuse(error)?;
            break;
        }
    }
    scan.wind_up();
    mine.plan.phase("scan");
    scan.item()?;
    let stored = mine.steps.stored(std::iter::empty());
    let mut warnings = names::warnings(&snapshot, &request.filter, &stored);
    let (patterns, other) = mine.list(&mut scan, request.limit, &mut warnings)?;
    mine.plan.phase("group");
    let Mine { events, without_message, scanned, .. } = mine;
    Ok(Patterns { patterns, other, events, without_message, warnings, scanned })
}

/// What the trend is about: the range, or what is stored.
fn span_of(snapshot: &Snapshot, range: TimeRange) -> Span {
    let memory = in_memory(snapshot, range, (0, u64::MAX)).into_iter().map(|source| source.times);
    let files = snapshot.files.iter().filter_map(|file| times_in(file, range, u8::MAX));
    let stored = memory.chain(files).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    let (first, last) = stored.map_or((0, 0), |(first, last)| (first.0, last.0));
    let from = range.from.map_or(first, |from| from.0);
    let to = range.to.map_or(last, |to| to.0.saturating_sub(1));
    Span::new(from, to)
}

/// A span of time in [`BUCKETS`] equal parts.
#[derive(Debug, Clone, Copy)]
struct Span {
    /// The first nanosecond of each part but the first.
    starts: [i64; BUCKETS - 1],
}

impl Span {
    /// From the first to the last nanosecond; the last counts as the first where it is before it.
    fn new(first: i64, last: i64) -> Self {
        let (first, last) = (i128::from(first), i128::from(last.max(first)));
        let len = last - first + 1;
        let start = |part: i128| first + (part * len + BUCKETS as i128 - 1) / BUCKETS as i128;
        let starts = std::array::from_fn(|index| start(index as i128 + 1));
        Self { starts: starts.map(|start| start.try_into().unwrap_or(i64::MAX)) }
    }

    /// The part in which a point in time lies, or to which it is next.
    fn part_of(&self, timestamp: i64) -> usize {
        self.starts.partition_point(|start| *start <= timestamp)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Asked,
    Before,
}

/// What was counted so far.
struct Mine<'a> {
    shared: &'a Arc<Shared>,
    pool: Arc<Pool>,
    plan: Plan,
    steps: Arc<Steps>,
    excuses: Excuses,
    span: Span,
    shapes: Shapes,
    /// Tables that were taken in.
    tables: u64,
    events: u64,
    without_message: u64,
    scanned: Scanned,
}

impl Mine<'_> {
    /// Takes in all sources of a range.
    fn range(
        &mut self,
        scan: &mut Scan<'_>,
        snapshot: &Snapshot,
        range: TimeRange,
        side: Side,
    ) -> Result<()> {
        let shared = self.shared;
        let mut listed = self.pool.reserve(Consumer::Query, 0)?;
        let mut before = |count| {
            listed.grow_to(count * size_of::<Source>(), LIST_STEP_BYTES)?;
            scan.item()
        };
        let pruned = &mut self.scanned.blocks_pruned;
        let excuses = self.excuses.clone();
        let listing = Listing { excuses: &excuses, pruned, before: &mut before };
        let mut sources = sources(shared, snapshot, range, Some(&self.plan), listing)?;
        // Of few shapes an example is read that a later one replaces.
        sources.sort_by_key(|source| Reverse(source.times.1));
        for source in &sources {
            scan.item()?;
            let done = self.source(source, range, side);
            excuses.piece(done)?;
        }
        Ok(())
    }

    /// Takes in what matches of a source in this range.
    fn source(&mut self, source: &Source, range: TimeRange, side: Side) -> Result<()> {
        let shared = self.shared;
        let Some(known) = source.admit(&self.plan, shared)? else {
            self.scanned.blocks_pruned += 1;
            return Ok(());
        };
        let _memory = self.pool.reserve(Consumer::Query, source.bytes)?;
        source.open(shared)?.with_table(shared, |table| {
            let timestamps = table.timestamps()?;
            let candidates = Selection::from_fn(table.rows(), |row| {
                range.from.is_none_or(|from| timestamps[row] >= from.0)
                    && range.to.is_none_or(|to| timestamps[row] < to.0)
            });
            self.scanned.blocks += 1;
            self.scanned.rows += candidates.count() as u64;
            let selected = self.plan.evaluate(table, &known, candidates)?;
            if selected.is_empty() {
                return Ok(());
            }
            if self.excuses.skip_damage() {
                // What is read below is whole: of a damaged source nothing is counted.
                table.seqs()?;
                table.for_each_value(MESSAGE, &selected, &mut |_, _| {})?;
            }
            if self.steps.is_empty() {
                return self.table(table, &selected, side);
            }
            let steps = Arc::clone(&self.steps);
            let (table, selected) = steps.run(table, selected)?;
            self.table(&table, &selected, side)
        })
    }

    /// Takes in the selected rows of a table.
    fn table(&mut self, table: &dyn Table, selected: &Selection, side: Side) -> Result<()> {
        let (timestamps, seqs) = (table.timestamps()?, table.seqs()?);
        // The number of the shape of each sentence.
        let mut known: Vec<Option<Option<usize>>> = Vec::new();
        let (mut failed, mut with_message) = (None, 0);
        // Shapes whose latest event so far is of this table.
        let mut latest: Vec<Option<usize>> = Vec::new();
        self.tables += 1;
        let Self { shapes, span, tables, .. } = self;
        table.for_each_sentence(MESSAGE, selected, &mut |row, code, sentence| {
            if failed.is_some() {
                return;
            }
            with_message += 1;
            let code = code.map(usize::from);
            let number = match code.and_then(|code| known.get(code).copied().flatten()) {
                Some(number) => number,
                None => {
                    let number = shapes.number(sentence, code.is_some()).unwrap_or_else(|error| {
                        failed = Some(error);
                        None
                    });
                    if let Some(code) = code {
                        known.resize(known.len().max(code + 1), None);
                        known[code] = Some(number);
                    }
                    number
                }
            };
            let (tally, place) = (shapes.tally(number), (timestamps[row], seqs[row]));
            if tally.last.is_none_or(|last| last < place) {
                let before = tally.example_at.replace((*tables, row));
                if before.is_none_or(|(table, _)| table != *tables) {
                    latest.push(number);
                }
            }
            match side {
                Side::Asked => tally.add(place, span.part_of(place.0)),
                Side::Before => {
                    tally.before += 1;
                    tally.see(place);
                }
            }
        })?;
        let row_of = |number: &Option<usize>| shapes.tally(*number).example_at.map(|(_, row)| row);
        let rows: Vec<Option<usize>> = latest.iter().map(row_of).collect();
        let numbers: HashMap<usize, Option<usize>> =
            rows.into_iter().zip(latest).filter_map(|(row, number)| Some((row?, number))).collect();
        let mut examples = Selection::none(table.rows());
        numbers.keys().for_each(|row| examples.insert(*row));
        table.for_each_value(MESSAGE, &examples, &mut |row, value| {
            shapes.tally(numbers[&row]).keep_example(value.text);
        })?;
        if side == Side::Asked {
            // After a failure the other rows are not looked at: whether they have a message is not known.
            let events = if failed.is_some() { with_message } else { selected.count() as u64 };
            self.events += events;
            self.without_message += events - with_message;
        }
        failed.map_or(Ok(()), Err)
    }

    /// The patterns of the shapes, and one for all that are not among them.
    fn list(
        &self,
        scan: &mut Scan<'_>,
        limit: usize,
        warnings: &mut Vec<String>,
    ) -> Result<(Vec<Pattern>, Option<Pattern>)> {
        let Shapes { texts, tallies, others, .. } = &self.shapes;
        let counted = texts.iter().zip(tallies);
        let counted: Vec<(&[u8], u64)> =
            counted.map(|(text, tally)| (&**text, tally.count + tally.before)).collect();
        let of_group = |group: group::Group| {
            let mut all = Tally::default();
            group.shapes.iter().for_each(|shape| all.merge(&tallies[*shape]));
            (words::shown(&group.pattern), all)
        };
        let groups = group::groups(&counted, &mut || scan.item())?.into_iter().map(of_group);
        // Groups of shapes that were divided may read the same.
        let mut by_text: BTreeMap<String, Tally> = BTreeMap::new();
        groups.for_each(|(text, tally)| by_text.entry(text).or_default().merge(&tally));
        let mut listed: Vec<(String, Tally)> = by_text.into_iter().collect();
        listed.sort_by_key(|(_, tally)| Reverse(tally.count.max(tally.before)));
        let mut other = others.clone();
        if other.count + other.before > 0 {
            warnings.push(format!(
                "there are more than {} different sentences: {} events with others are counted \
                 under `other`; narrow the query",
                texts.len(),
                other.count + other.before
            ));
        }
        let unlisted = listed.split_off(limit.min(listed.len()));
        if !unlisted.is_empty() {
            warnings.push(format!(
                "{} rarer patterns are counted under `other`; a higher limit shows more",
                unlisted.len()
            ));
        }
        unlisted.iter().for_each(|(_, tally)| other.merge(tally));
        let is_some = other.count + other.before > 0;
        let patterns = listed.into_iter().map(|(text, tally)| self.pattern(text, tally)).collect();
        Ok((patterns, is_some.then(|| self.pattern("other".into(), other))))
    }

    fn pattern(&self, text: String, tally: Tally) -> Pattern {
        let incarnation = self.shared.incarnation;
        let id = |(timestamp, seq)| EventId::new(Timestamp(timestamp), incarnation, Seq(seq));
        Pattern {
            text,
            count: tally.count,
            before: tally.before,
            first: tally.first.map(|(timestamp, _)| Timestamp(timestamp)),
            last: tally.last.map(|(timestamp, _)| Timestamp(timestamp)),
            example_id: tally.last.map(id),
            example: tally.example,
            trend: tally.trend,
        }
    }
}
