//! Events counted by level and time: a table by level, with the empty buckets in between.
//!
//! - `H1` every bucket from that of the range's first point in time to that of its last is there, once
//!   and in order; those at the ends count what lies in the range.
//! - `H2` widths are multiples of each other's units and buckets are aligned to the epoch, so that the
//!   same event is in the same bucket whatever range is asked for.

use super::ast::Filter;
use super::request::{Order, Scanned, SearchPage, SearchRequest, StatsRequest, Step, TimeRange};
use super::steps::Steps;
use super::{explain, search, stats};
use crate::engine::Shared;
use crate::error::{Error, Result};
use crate::event::Level;
use crate::limits::HISTOGRAM_BUCKETS_MAX;
use crate::pool::{Consumer, Reservation};
use crate::scan::{Control, Gap, GapKind};
use crate::timestamp::{NS_PER_DAY, NS_PER_SECOND, Timestamp};
use std::sync::Arc;

const MILLISECOND: i64 = NS_PER_SECOND / 1_000;
const MINUTE: i64 = 60 * NS_PER_SECOND;
const HOUR: i64 = 60 * MINUTE;
const WEEK: i64 = 7 * NS_PER_DAY;

/// The widths that people like, in nanoseconds, rising. With the widest, all of time is 59 buckets.
const WIDTHS: [i64; 37] = [
    MILLISECOND,
    2 * MILLISECOND,
    5 * MILLISECOND,
    10 * MILLISECOND,
    20 * MILLISECOND,
    50 * MILLISECOND,
    100 * MILLISECOND,
    200 * MILLISECOND,
    500 * MILLISECOND,
    NS_PER_SECOND,
    2 * NS_PER_SECOND,
    5 * NS_PER_SECOND,
    10 * NS_PER_SECOND,
    15 * NS_PER_SECOND,
    30 * NS_PER_SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    NS_PER_DAY,
    2 * NS_PER_DAY,
    WEEK,
    2 * WEEK,
    4 * WEEK,
    13 * WEEK,
    26 * WEEK,
    52 * WEEK,
    104 * WEEK,
    260 * WEEK,
    520 * WEEK,
];

/// Counts over time are wanted.
#[derive(Debug, Clone)]
pub struct HistogramRequest {
    /// The query, parsed.
    pub filter: Filter,
    /// What is done to the events that pass it.
    pub steps: Vec<Step>,
    /// When the events happened; an end that is absent is that of the events that match.
    pub range: TimeRange,
    /// The width of a bucket in nanoseconds, above 0. If it is absent, one that people like.
    pub interval: Option<i64>,
    /// So many buckets at most, if the width is not given; more if no width makes so few.
    pub buckets: usize,
}

/// Counts over time.
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    /// The width of a bucket in nanoseconds; `None` if there is no event and no range to divide.
    pub interval: Option<i64>,
    /// All buckets of the range, the earliest first.
    pub buckets: Vec<Bucket>,
    /// The range that the buckets cover: an end that was absent is that of the events.
    pub range: TimeRange,
    /// What may surprise, for people.
    pub warnings: Vec<String>,
    /// What it took.
    pub scanned: Scanned,
    /// That of the buckets: it is theirs as long as they are there.
    pub(crate) _memory: Option<Arc<Reservation>>,
}

/// The events of a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// When it begins.
    pub time: Timestamp,
    /// The number of events by level, in the order of [`Level::ALL`].
    pub levels: [u64; Level::ALL.len()],
}

impl Bucket {
    /// The number of events.
    pub fn count(&self) -> u64 {
        self.levels.iter().sum()
    }
}

/// Counts over time.
pub(crate) fn histogram(
    shared: &Arc<Shared>,
    request: &HistogramRequest,
    control: &Control,
) -> Result<Histogram> {
    if request.interval.is_some_and(|interval| interval <= 0) {
        return Err(Error::invalid("interval: must be above zero"));
    }
    explain::tell(control, &request.filter, request.range, || vec!["histogram".into()]);
    let began = shared.scans.now();
    let left = || control.after(shared.scans.now().saturating_sub(began));
    let mut scanned = Scanned::default();
    let (range, first, last) = match ends(shared, request, &left, &mut scanned)? {
        Ends::Known { range, first, last } => (range, first, last),
        Ends::NoEvent(warnings) => {
            let (interval, range) = (request.interval, request.range);
            return Ok(Histogram { interval, range, warnings, scanned, ..Histogram::default() });
        }
    };
    let width = request.interval.unwrap_or_else(|| width(first, last, request.buckets));
    let count = buckets_between(first, last, width);
    if count > HISTOGRAM_BUCKETS_MAX as u64 {
        return Err(Error::invalid(format!(
            "interval: that makes {count} buckets of the range, at most {HISTOGRAM_BUCKETS_MAX} are \
             allowed; take a longer one"
        )));
    }
    let table = StatsRequest {
        filter: request.filter.clone(),
        range,
        group_by: vec!["level".into()],
        interval: Some(width),
        aggregates: Vec::new(),
        top: None,
    };
    let memory =
        shared.pool_of(control).reserve(Consumer::Query, count as usize * size_of::<Bucket>())?;
    let table = stats::stats(shared, &table, Steps::new(&request.steps), &left())?;
    scanned += table.scanned;
    let start = first.div_euclid(width);
    let empty = |offset: u64| Bucket {
        time: Timestamp(start.saturating_add_unsigned(offset).saturating_mul(width)),
        levels: [0; Level::ALL.len()],
    };
    let mut buckets: Vec<Bucket> = (0..count).map(empty).collect();
    for row in &table.rows {
        let [Some((_, name))] = &*row.group else { continue };
        let level = Level::ALL.iter().position(|level| level.name().as_bytes() == name);
        let place = row.time.map(|time| buckets.partition_point(|bucket| bucket.time < time));
        if let (Some(level), Some(place)) = (level, place)
            && let Some(bucket) = buckets.get_mut(place)
        {
            bucket.levels[level] += row.count;
        }
    }
    Ok(Histogram {
        interval: Some(width),
        buckets,
        range,
        warnings: table.warnings,
        scanned,
        _memory: Some(Arc::new(memory)),
    })
}

/// Where a histogram begins and ends.
enum Ends {
    Known {
        range: TimeRange,
        /// The first and the last point in time, both inclusive.
        first: i64,
        last: i64,
    },
    /// No event matches, and the range has no end of its own. With the warnings about the query.
    NoEvent(Vec<String>),
}

/// The range, with the times of the events that match where it has no ends.
fn ends(
    shared: &Arc<Shared>,
    request: &HistogramRequest,
    left: &dyn Fn() -> Control,
    scanned: &mut Scanned,
) -> Result<Ends> {
    let TimeRange { from, to } = request.range;
    let mut extreme = |order| -> Result<SearchPage> {
        let search = SearchRequest {
            query: String::new(),
            filter: request.filter.clone(),
            range: request.range,
            limit: 1,
            order,
            cursor: None,
        };
        let steps = Steps::new(&request.steps);
        let control = left();
        let page = search::search(shared, &search, steps, &control)?;
        // What is damaged or away may be left out. Within less of the range there is no answer.
        for Gap { kind, message } in control.account.gaps() {
            match kind {
                GapKind::Deadline => return Err(Error::deadline(message)),
                GapKind::Memory => return Err(Error::memory(message)),
                GapKind::Damaged | GapKind::Archive => {}
            }
        }
        *scanned += page.scanned;
        Ok(page)
    };
    let first = match from {
        Some(from) => from,
        None => {
            let page = extreme(Order::OldestFirst)?;
            match page.events.first() {
                Some(event) => event.timestamp,
                None => return Ok(Ends::NoEvent(page.warnings)),
            }
        }
    };
    // The last point in time, and the first that is no longer wanted: behind the last of all is none.
    let (last, to) = match to {
        Some(to) => (to.0.checked_sub(1), Some(to)),
        None => {
            let page = extreme(Order::NewestFirst)?;
            match page.events.first() {
                Some(event) => {
                    let last = event.timestamp.0;
                    (Some(last), last.checked_add(1).map(Timestamp))
                }
                None => return Ok(Ends::NoEvent(page.warnings)),
            }
        }
    };
    let range = TimeRange { from: Some(first), to };
    match last {
        Some(last) if last >= first.0 => Ok(Ends::Known { range, first: first.0, last }),
        _ => Ok(Ends::NoEvent(Vec::new())),
    }
}

/// The number of buckets of this width in which the points in time from `first` to `last` lie.
fn buckets_between(first: i64, last: i64, width: i64) -> u64 {
    last.div_euclid(width).abs_diff(first.div_euclid(width)).saturating_add(1)
}

/// The narrowest width that people like which makes at most so many buckets.
fn width(first: i64, last: i64, buckets: usize) -> i64 {
    let fits = |width: &&i64| buckets_between(first, last, **width) <= buckets as u64;
    *WIDTHS.iter().find(fits).unwrap_or(&WIDTHS[WIDTHS.len() - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_rise_and_the_widest_has_room_for_all_of_time() {
        assert!(WIDTHS.is_sorted_by(|a, b| a < b));
        assert!(buckets_between(i64::MIN, i64::MAX, WIDTHS[WIDTHS.len() - 1]) <= 60);
        assert_eq!(buckets_between(i64::MIN, i64::MAX, 1), u64::MAX);
    }

    #[test]
    fn a_width_makes_about_as_many_buckets_as_are_wanted() {
        let name = |width: i64| match width {
            width if width % NS_PER_DAY == 0 => format!("{}d", width / NS_PER_DAY),
            width if width % HOUR == 0 => format!("{}h", width / HOUR),
            width if width % MINUTE == 0 => format!("{}m", width / MINUTE),
            width if width % NS_PER_SECOND == 0 => format!("{}s", width / NS_PER_SECOND),
            width => format!("{}ms", width / MILLISECOND),
        };
        for (span, expected) in [
            (1, "1ms"),
            (NS_PER_SECOND, "20ms"),
            (MINUTE, "1s"),
            (15 * MINUTE, "15s"),
            (HOUR, "1m"),
            (6 * HOUR, "10m"),
            (NS_PER_DAY, "30m"),
            (WEEK, "3h"),
            (30 * NS_PER_DAY, "12h"),
            (365 * NS_PER_DAY, "7d"),
        ] {
            assert_eq!(name(width(0, span - 1, 60)), expected, "{span}");
            let count = buckets_between(0, span - 1, width(0, span - 1, 60));
            assert!(count <= 60 && (span == 1 || count >= 24), "{span}: {count}");
        }
        // Two points on both sides of the epoch are in two buckets, whatever their width.
        assert_eq!(width(-1, 1, 1), WIDTHS[WIDTHS.len() - 1]);
    }
}
