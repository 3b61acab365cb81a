//! How a query tells what it does, if somebody asks.

use super::ast::{Filter, Stage};
use super::request::{Aggregate, Function, StatsRequest, TimeRange};
use super::show::duration;
use crate::scan::Control;

/// Tells how a query was understood, unless that was told already: a part of a query knows less.
pub(crate) fn tell(
    control: &Control,
    filter: &Filter,
    range: TimeRange,
    stages: impl FnOnce() -> Vec<String>,
) {
    if let Some(trace) = control.trace() {
        trace.tell(|| (filter.to_string(), stages(), (range.from, range.to)));
    }
}

/// Stages as they are written.
pub(crate) fn written(stages: &[Stage]) -> Vec<String> {
    stages.iter().map(Stage::to_string).collect()
}

/// A table as the stage that asks for it.
pub(crate) fn of_table(request: &StatsRequest) -> Vec<String> {
    let figure = |aggregate: &Aggregate| match aggregate.function {
        Function::Percentile(rank) => {
            format!("quantile({}, {})", aggregate.field, f64::from(rank) / 1e6)
        }
        function => format!("{function:?}({})", aggregate.field).to_lowercase(),
    };
    let figures =
        std::iter::once("count()".to_owned()).chain(request.aggregates.iter().map(figure));
    let time = request.interval.map(|width| format!("bin({})", duration(width)));
    let groups: Vec<String> = request.group_by.iter().cloned().chain(time).collect();
    let by = if groups.is_empty() { "" } else { " by " };
    let stats =
        format!("stats {}{by}{}", figures.collect::<Vec<_>>().join(", "), groups.join(", "));
    std::iter::once(stats).chain(request.top.map(|top| format!("top {top}"))).collect()
}
