//! A table of figures: events counted and measured by group and time bucket.

mod assign;
mod distinct;
mod excess;
mod figure;
mod groups;
mod places;
mod stretches;
mod summed;
mod tally;
mod weights;
mod workers;

use super::ast::Filter;
use super::explain;
use super::filter::Plan;
use super::names;
use super::request::{Aggregate, Function, Scanned, StatsRequest, StatsTable, TimeRange};
use super::selection::Selection;
use super::steps::Steps;
use super::table::{Listing, Source, Table, begin_again, begin_pass, sources};
use crate::engine::Shared;
use crate::error::{Error, Result};
use crate::event::{Kind, Level, Value};
use crate::index::BlockIndex;
use crate::limits::STATS_BYTES_MAX;
use crate::pool::{Consumer, Pool};
use crate::scan::{Control, Excuses, Interrupt};
use crate::timestamp::Timestamp;
use crate::trace::PassTrace;
use assign::count_times;
use excess::{Bounds, Excess};
use groups::{Groups, Rows};
use std::borrow::Cow;
use std::sync::Arc;
use stretches::{Item, Stretches};
use tally::Tally;
use workers::Round;

/// The memory of lists of sources is reserved in steps of this.
pub(super) const LIST_STEP_BYTES: usize = 64 << 10;

/// About what is kept of a block for a query.
const KEPT_BYTES: u64 = 32 << 10;

/// What is done with the rows that match, as it is told.
const MEASURE: &str = "count and measure";

/// What is asked of each source.
#[derive(Debug)]
struct Pass {
    shared: Arc<Shared>,
    request: StatsRequest,
    plan: Plan,
    steps: Steps,
    excess: Arc<Excess>,
    excuses: Excuses,
    /// The query's memory.
    pool: Arc<Pool>,
    /// Whether what is found out of its blocks can be kept: of more it would be gone before it is asked for
    /// again.
    keeps: bool,
    stretches: Stretches,
}

/// The groups of the sources that one worker at a time has scanned.
#[derive(Debug)]
struct Part<'a> {
    pass: &'a Pass,
    found: Found,
}

/// Groups, and what they took.
#[derive(Debug)]
struct Found {
    groups: Groups,
    /// Events that are in no group yet.
    tally: Option<Tally>,
    scanned: Scanned,
}

/// A table of figures.
pub(crate) fn stats(
    shared: &Arc<Shared>,
    request: &StatsRequest,
    steps: Steps,
    control: &Control,
) -> Result<StatsTable> {
    if request.interval.is_some_and(|interval| interval <= 0) {
        return Err(Error::invalid("interval: must be above zero"));
    }
    check_fields(request)?;
    let snapshot = shared.snapshot_for(control);
    shared.cache.values().begin_query();
    let mut scan = shared.scans.enter(control);
    scan.item()?;
    explain::tell(control, &request.filter, request.range, || explain::of_table(request));
    let trace = begin_pass("table", shared, &snapshot, control);
    let interrupt = shared.scans.interrupt(control);
    let steps = steps.of_query(trace.as_deref(), &interrupt);
    let plan = Plan::of_query(&request.filter, trace, interrupt.clone());
    let pool = shared.pool_of(control);
    let mut listed = pool.reserve(Consumer::Query, 0)?;
    let mut pruned = 0;
    let mut before = |count| {
        let each = size_of::<Source>() + size_of::<Item>();
        listed.grow_to(count * each, LIST_STEP_BYTES)?;
        scan.item()
    };
    let (range, plan_ref) = (request.range, Some(&plan));
    let excuses = control.excuses();
    let listing = Listing { excuses: &excuses, pruned: &mut pruned, before: &mut before };
    let sources = Arc::new(sources(shared, &snapshot, range, plan_ref, listing)?);
    plan.phase("list");
    let mut pass = Pass::new((shared, pool), request, plan, steps, excuses);
    pass.keeps = sources.len() as u64 * KEPT_BYTES <= shared.limits.cache_bytes_max;
    let items = pass.items(&sources);
    let mut pass = Arc::new(pass);
    let mut found = workers::run(&mut scan, &pass, (&sources, items), Round::First)?;
    let mut scanned = found.scanned;
    if found.groups.are_weighed() {
        // The last of them.
        found.groups.weigh()?;
        drop(found);
        pass.plan.phase("scan");
        pass =
            Arc::new(pass.again(begin_again("table again", shared, &sources, control), interrupt));
        scan.go_on();
        let items = (0..sources.len()).map(Item::Source).collect();
        found = workers::run(&mut scan, &pass, (&sources, items), Round::Greatest)?;
        scanned += found.scanned;
    }
    scanned.blocks_pruned += pruned;
    pass.plan.phase("scan");
    let grouped = request.group_by.iter().map(String::as_str);
    let measured = request.aggregates.iter().map(|aggregate| &*aggregate.field);
    let others = pass.steps.stored(grouped.chain(measured));
    let mut warnings = names::warnings(&snapshot, &request.filter, &others);
    let rows = found.groups.into_rows(request.interval, request.top, &mut || scan.item())?;
    pass.plan.phase("order");
    warnings.extend(excess_warning(&rows));
    Ok(rows.into_table(warnings, scanned))
}

/// A table of the selected rows of another, of which there are no more than groups may be.
pub(crate) fn of_table(
    (shared, pool): (&Arc<Shared>, &Arc<Pool>),
    request: StatsRequest,
    steps: Steps,
    table: &dyn Table,
    selected: Selection,
) -> Result<StatsTable> {
    check_fields(&request)?;
    let timestamps = table.timestamps()?;
    let (plan, whole) = (Plan::new(&Filter::All), Control::default().excuses());
    let mut pass = Pass::new((shared, Arc::clone(pool)), &request, plan, steps, whole);
    // There is no second look at these rows, and no need: the pool bounds what they take.
    pass.excess = Arc::new(Excess::new(pool, Bounds::none(), false));
    let pass = Arc::new(pass);
    let mut part = Part { found: Found::new(&pass, Round::First)?, pass: &pass };
    if !selected.is_empty() {
        let (table, selected) = pass.steps.run(table, selected)?;
        part.measure(&table, &timestamps, &selected)?;
    }
    let mut groups = part.found.groups;
    groups.bound()?;
    let rows = groups.into_rows(request.interval, request.top, &mut || Ok(()))?;
    Ok(rows.into_table(Vec::new(), Scanned::default()))
}

/// What is to be said of a table that has more groups than there may be.
fn excess_warning(rows: &Rows) -> Option<String> {
    if let Some(most) = rows.left_out_max {
        return Some(format!(
            "there are too many groups to count each: one that is not among these may have up to {most} \
             events"
        ));
    }
    let other = rows.other.as_ref()?;
    Some(format!(
        "there are more than the {} groups that were kept, the greatest: the {} events of all others are \
         in the row `other`, at most {} of one group",
        rows.rows.len(),
        other.row.count,
        other.group_events_max
    ))
}

/// Level and time are no columns: what can't be computed of them is said, not answered with nothing.
fn check_fields(request: &StatsRequest) -> Result<()> {
    if request.group_by.iter().any(|name| name == "timestamp") {
        return Err(Error::invalid("group_by: events are grouped by time with `interval`"));
    }
    let is_none = |aggregate: &&Aggregate| match &*aggregate.field {
        "timestamp" => true,
        "level" => !matches!(aggregate.function, Function::Count | Function::Uniq),
        _ => false,
    };
    match request.aggregates.iter().find(is_none) {
        Some(Aggregate { field, .. }) => {
            Err(Error::invalid(format!("agg: there is no such figure of `{field}`")))
        }
        None => Ok(()),
    }
}

impl Pass {
    fn new(
        (shared, pool): (&Arc<Shared>, Arc<Pool>),
        request: &StatsRequest,
        plan: Plan,
        steps: Steps,
        excuses: Excuses,
    ) -> Self {
        let bounds = Bounds {
            groups_max: shared.limits.groups_max,
            bytes_max: STATS_BYTES_MAX,
            distinct_max: shared.limits.distinct_max,
        };
        let excess = Arc::new(Excess::new(&pool, bounds, request.top.is_some()));
        let (shared, request) = (Arc::clone(shared), request.clone());
        let stretches = Stretches::default();
        Self { shared, request, plan, steps, excess, excuses, pool, keeps: true, stretches }
    }

    /// The same for a second look, which tells of itself.
    fn again(&self, trace: Option<Arc<PassTrace>>, interrupt: Interrupt) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            request: self.request.clone(),
            steps: self.steps.of_query(trace.as_deref(), &interrupt),
            plan: Plan::of_query(&self.request.filter, trace, interrupt),
            excess: Arc::clone(&self.excess),
            excuses: self.excuses.clone(),
            pool: Arc::clone(&self.pool),
            keeps: self.keeps,
            stretches: Stretches::default(),
        }
    }

    /// The bucket and the level of all events of a source, if its header tells all there is to
    /// know: every event matches, in one bucket, and nothing but its level is asked for.
    fn known_from_header(&self, source: &Source) -> Option<(i64, Option<Level>)> {
        let level = self.only_times_tell(source)?;
        let bucket = self.bucket(source.times.0.0);
        let is_one = bucket == self.bucket(source.times.1.0);
        (is_one && contains(self.request.range, source.times)).then_some((bucket, level))
    }

    /// The level of all events of a source, if it has but one, where their times alone tell in which group
    /// each of them is.
    fn only_times_tell(&self, source: &Source) -> Option<Option<Level>> {
        let request = &self.request;
        let levels = source.levels;
        let one_level = levels.is_power_of_two();
        let all_match = self.plan.matches_all()
            || self.plan.decided_by_level() && levels & !self.plan.levels == 0;
        let known = all_match
            && self.shared.prunes()
            && self.steps.is_empty()
            && request.aggregates.is_empty()
            && request.group_by.iter().all(|name| name == "level" && one_level);
        known.then(|| Level::from_code(levels.trailing_zeros() as u8).filter(|_| one_level))
    }

    fn bucket(&self, timestamp: i64) -> i64 {
        self.request.interval.map_or(0, |interval| timestamp.div_euclid(interval))
    }
}

impl Part<'_> {
    /// Takes in a source, which is the `number`-th of the snapshot.
    fn scan(&mut self, number: usize, source: &Source) -> Result<()> {
        let pass = self.pass;
        let Some(known) = source.admit(&pass.plan, &pass.shared)? else {
            self.found.scanned.blocks_pruned += 1;
            return Ok(());
        };
        self.found.groups.begin_source(number)?;
        if let Some((bucket, level)) = pass.known_from_header(source) {
            self.found.scanned.blocks_pruned += 1;
            if let Some(trace) = &pass.plan.trace {
                trace.header_told(source.tier(), source.rows as u64, source.bytes_stored());
            }
            self.count_of_level(bucket, level, source.rows as u64)?;
        } else {
            let _memory = pass.pool.reserve(Consumer::Query, source.bytes)?;
            source.open(&pass.shared)?.with_table(&pass.shared, |table| {
                self.scan_table((number, source), table, &known)
            })?;
        }
        self.found.groups.bound()
    }

    /// Counts events of a source whose times alone tell.
    fn count_of_level(&mut self, bucket: i64, level: Option<Level>, events: u64) -> Result<()> {
        let level = level.map(|level| (Kind::String, level.name().as_bytes().to_vec()));
        let key = self.pass.request.group_by.iter().map(|_| level.as_ref());
        let group = self.found.groups.find(bucket, key)?;
        self.found.groups.count(group as usize, events);
        Ok(())
    }

    /// Counts the rows of a table that match, all of which are in range, if nothing else is asked
    /// for and the table knows; `false` if not.
    fn count_known(
        &mut self,
        number: usize,
        table: &dyn Table,
        known: &BlockIndex,
        (times, levels): ((Timestamp, Timestamp), u8),
    ) -> Result<bool> {
        if self.tallied_field().is_some() {
            return self.tally_known(number, table, known, levels);
        }
        let bucket = self.pass.bucket(times.0.0);
        let only_counts = self.pass.steps.is_empty()
            && self.pass.request.aggregates.is_empty()
            && self.pass.request.group_by.is_empty()
            && bucket == self.pass.bucket(times.1.0);
        if !only_counts || !self.pass.shared.prunes() {
            return Ok(false);
        }
        let Some(count) = self.pass.plan.known_count(table, known)? else { return Ok(false) };
        self.found.scanned.blocks += 1;
        self.found.scanned.rows += table.rows() as u64;
        if count > 0 {
            let group = self.found.groups.find(bucket, std::iter::empty())?;
            self.found.groups.count(group as usize, count);
        }
        Ok(true)
    }

    /// Takes in the rows of the table of a source.
    fn scan_table(
        &mut self,
        (number, source): (usize, &Source),
        table: &dyn Table,
        known: &BlockIndex,
    ) -> Result<()> {
        let (range, times) = (self.pass.request.range, source.times);
        let all_in_range = contains(range, times);
        if all_in_range
            && (self.count_known(number, table, known, (times, source.levels))?
                || self.sum_up(table, times, source.levels)?)
        {
            return Ok(());
        }
        if let Some(level) = self.pass.only_times_tell(source)
            && let Some(counts) =
                count_times(&table.timestamps()?, range, self.pass.request.interval)
        {
            self.found.scanned.blocks += 1;
            self.found.scanned.rows += counts.iter().map(|(_, events)| events).sum::<u64>();
            return counts
                .into_iter()
                .try_for_each(|(bucket, events)| self.count_of_level(bucket, level, events));
        }
        let timestamps = match all_in_range && self.pass.request.interval.is_none() {
            true => Cow::default(),
            false => table.timestamps()?,
        };
        let candidates = match all_in_range {
            true => Selection::all(table.rows()),
            false => Selection::from_fn(table.rows(), |row| {
                contains(range, (Timestamp(timestamps[row]), Timestamp(timestamps[row])))
            }),
        };
        self.found.scanned.blocks += 1;
        self.found.scanned.rows += candidates.count() as u64;
        let selected = self.pass.plan.evaluate(table, known, candidates)?;
        if selected.is_empty() {
            return Ok(());
        }
        let pass = self.pass;
        let rows = selected.count();
        if pass.steps.is_empty() {
            let measure = || match self.tally_rows(number, table, &selected)? {
                true => Ok(()),
                false => self.measure(table, &timestamps, &selected),
            };
            return pass.plan.takes_in(MEASURE, rows, measure);
        }
        let (table, selected) = pass.steps.run(table, selected)?;
        let rows = selected.count();
        pass.plan.takes_in(MEASURE, rows, || self.measure(&table, &timestamps, &selected))
    }

    /// Takes in the selected rows.
    fn measure(
        &mut self,
        table: &dyn Table,
        timestamps: &[i64],
        selected: &Selection,
    ) -> Result<()> {
        let groups = self.assign_groups(table, timestamps, selected)?;
        if self.found.groups.are_weighed() {
            return Ok(());
        }
        for (index, aggregate) in self.pass.request.aggregates.iter().enumerate() {
            let all = &mut self.found.groups;
            if aggregate.field == "level" && !all.wants_numbers(index) {
                // The level is no column.
                let levels = table.levels()?;
                for row in selected.iter() {
                    let Some(level) = Level::from_code(levels[row]) else { continue };
                    let value = Value { kind: Kind::String, text: level.name().as_bytes() };
                    all.add_value(groups[row] as usize, index, value);
                }
            } else if all.wants_numbers(index) {
                table.for_each_number(
                    column_of(&aggregate.field),
                    selected,
                    &mut |row, number| {
                        all.add_number(groups[row] as usize, index, number);
                    },
                )?;
            } else {
                table.for_each_value(
                    column_of(&aggregate.field),
                    selected,
                    &mut |row, value| {
                        all.add_value(groups[row] as usize, index, value);
                    },
                )?;
            }
        }
        Ok(())
    }
}

fn contains(range: TimeRange, times: (Timestamp, Timestamp)) -> bool {
    range.from.is_none_or(|from| times.0 >= from) && range.to.is_none_or(|to| times.1 < to)
}

/// An attribute that was sent as `id` is kept as `_id`: `id` is the event's own.
fn column_of(name: &str) -> &str {
    if name == "id" { "_id" } else { name }
}
