//! What a table does not tell exactly, as answers say it.

use logstrata_client::wire::{Approximate, Inexact, OtherGroups};
use logstrata_engine::query::{self, ErrorBound, StatsTable};

/// The groups that have no row of their own.
pub(super) fn other(other: Option<&query::OtherGroups>) -> Option<OtherGroups> {
    other.map(|other| OtherGroups {
        events: other.row.count,
        group_events_max: other.group_events_max,
    })
}

/// A column and how far its figures are off.
pub(super) fn approximate(column: &str, bound: ErrorBound) -> Approximate {
    let column = column.to_owned();
    match bound {
        ErrorBound::Relative(error) => {
            Approximate { column, relative_error: Some(error), ..Approximate::default() }
        }
        ErrorBound::Standard(error) => {
            Approximate { column, standard_error: Some(error), ..Approximate::default() }
        }
        ErrorBound::LeftOut(events) => {
            Approximate { column, left_out_max: Some(events), ..Approximate::default() }
        }
    }
}

/// The same of a table whose aggregates have these names.
pub(super) fn of_table<'a>(table: &StatsTable, names: impl Iterator<Item = &'a str>) -> Inexact {
    let bounds = names.zip(&table.error_bounds);
    let columns = bounds.filter_map(|(name, bound)| Some(approximate(name, (*bound)?)));
    let counts = table.left_out_max.map(|most| approximate("count", ErrorBound::LeftOut(most)));
    Inexact {
        other: other(table.other.as_ref()),
        approximate: counts.into_iter().chain(columns).collect(),
    }
}
