//! The parameters `group_by` and `agg`, and the names of a table's columns.

use crate::status::ApiError;
use logstrata_engine::query::{Aggregate, Function};

/// Fields to group by, at most.
const GROUP_BY_MAX: usize = 16;
/// Figures of a group, at most.
const AGGREGATES_MAX: usize = 32;
const KNOWN: &str = "count, sum(field), avg(field), min(field), max(field), p50(field), \
                     p95(field), p99(field), uniq(field)";

/// A figure and the name of its column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    /// `p95(duration_ms)`.
    pub(crate) name: String,
    /// What to compute.
    pub(crate) aggregate: Aggregate,
}

/// The fields of `group_by`: names separated by commas.
pub(crate) fn parse_group_by(text: &str, with_time: bool) -> Result<Vec<String>, ApiError> {
    let mut fields: Vec<String> = Vec::new();
    if text.trim().is_empty() {
        return Ok(fields);
    }
    for field in text.split(',').map(str::trim) {
        if field.is_empty() {
            return Err(ApiError::invalid("group_by has an empty name between its commas"));
        }
        if field == "count" || (field == "time" && with_time) {
            return Err(ApiError::invalid(format!(
                "group_by can't name the field {field:?}: the answer has a column of that name"
            )));
        }
        if field.starts_with("bin(") {
            return Err(ApiError::invalid(
                "group_by takes no bins: for the time there is interval=5m, for numbers the stage \
                 `| stats count() by bin(duration_ms, 100)` of a search",
            ));
        }
        if field == "timestamp" {
            return Err(ApiError::invalid(
                "group_by can't name the timestamp: interval groups by it",
            ));
        }
        if fields.iter().any(|before| before == field) {
            return Err(ApiError::invalid(format!("group_by names {field:?} twice")));
        }
        // Here, not behind the loop: what is compared to all before it must stay few.
        if fields.len() == GROUP_BY_MAX {
            return Err(ApiError::invalid(format!("group_by takes at most {GROUP_BY_MAX} fields")));
        }
        fields.push(field.to_owned());
    }
    Ok(fields)
}

/// The figures of `agg`, without `count`, which is always there.
pub(crate) fn parse_aggregates(text: &str) -> Result<Vec<Column>, ApiError> {
    let mut columns: Vec<Column> = Vec::new();
    if text.trim().is_empty() {
        return Ok(columns);
    }
    for part in text.split(',').map(str::trim) {
        if part.eq_ignore_ascii_case("count") || part.eq_ignore_ascii_case("count()") {
            continue;
        }
        let column = parse_column(part)?;
        if columns.contains(&column) {
            return Err(ApiError::invalid(format!("agg names {:?} twice", column.name)));
        }
        if columns.len() == AGGREGATES_MAX {
            return Err(ApiError::invalid(format!("agg takes at most {AGGREGATES_MAX} figures")));
        }
        columns.push(column);
    }
    Ok(columns)
}

fn parse_column(text: &str) -> Result<Column, ApiError> {
    let wrong = || ApiError::invalid(format!("agg: {text:?} is no figure; known are {KNOWN}"));
    let inside = text.strip_suffix(')').ok_or_else(wrong)?;
    let (name, field) = inside.split_once('(').ok_or_else(wrong)?;
    let (name, field) = (name.trim().to_ascii_lowercase(), field.trim());
    let function = match name.as_str() {
        "sum" => Function::Sum,
        "avg" => Function::Avg,
        "min" => Function::Min,
        "max" => Function::Max,
        "p50" => Function::Percentile(500_000),
        "p95" => Function::Percentile(950_000),
        "p99" => Function::Percentile(990_000),
        "uniq" | "distinct" => Function::Uniq,
        _ => return Err(wrong()),
    };
    if field.is_empty() {
        return Err(wrong());
    }
    if field == "timestamp" {
        return Err(ApiError::invalid(
            "agg: the timestamp is no figure; a search finds the first and the last event",
        ));
    }
    let aggregate = Aggregate { function, field: field.to_owned() };
    Ok(Column { name: format!("{name}({field})"), aggregate })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of<T: std::fmt::Debug>(result: Result<T, ApiError>) -> String {
        result.expect_err("must be refused").detail().message.clone()
    }

    #[test]
    fn figures_are_read() {
        let columns = parse_aggregates("count, p95(duration_ms),UNIQ( user.id )").expect("valid");
        let figure = |name: &str, function, field: &str| Column {
            name: name.into(),
            aggregate: Aggregate { function, field: field.into() },
        };
        assert_eq!(
            columns,
            [
                figure("p95(duration_ms)", Function::Percentile(950_000), "duration_ms"),
                figure("uniq(user.id)", Function::Uniq, "user.id"),
            ]
        );
        let distinct = parse_aggregates("distinct(a)").expect("valid");
        assert_eq!(distinct, [figure("distinct(a)", Function::Uniq, "a")]);
        assert_eq!(parse_aggregates("").expect("none"), []);
        assert_eq!(parse_aggregates("count").expect("always there"), []);
    }

    #[test]
    fn other_figures_are_refused_and_the_known_ones_named() {
        for text in ["p96(x)", "median(x)", "sum", "sum()", "sum(x", "x)", "a,", "count(x)", "()"] {
            let error = error_of(parse_aggregates(text));
            assert!(error.contains("p99(field)"), "{text}: {error}");
        }
        assert!(error_of(parse_aggregates("max(timestamp)")).contains("no figure"));
        assert!(error_of(parse_aggregates("sum(a),SUM(a)")).contains("twice"));
        let many = (0..33).map(|n| format!("sum(f{n})")).collect::<Vec<_>>().join(",");
        assert!(error_of(parse_aggregates(&many)).contains("at most 32"));
    }

    /// It took seconds of a core to compare each of so many to all before it.
    #[test]
    fn endless_lists_are_refused_at_their_first_excess() {
        let groups = (0..500_000).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
        assert!(error_of(parse_group_by(&groups, false)).contains("at most 16"));
        let figures = (0..500_000).map(|n| format!("sum({n})")).collect::<Vec<_>>().join(",");
        assert!(error_of(parse_aggregates(&figures)).contains("at most 32"));
    }

    #[test]
    fn groups_are_read() {
        let groups = parse_group_by("service, order.id", true).expect("valid");
        assert_eq!(groups, ["service", "order.id"]);
        assert_eq!(parse_group_by(" ", true).expect("none"), Vec::<String>::new());
        assert_eq!(parse_group_by("time", false).expect("an ordinary field"), ["time"]);
        for (text, part) in [
            ("a,,b", "empty"),
            ("a,a", "twice"),
            ("count", "column"),
            ("time", "column"),
            ("a,timestamp", "interval"),
            ("a,bin(5m)", "interval=5m"),
            ("bin(duration_ms, 100)", "by bin(duration_ms, 100)"),
        ] {
            assert!(error_of(parse_group_by(text, true)).contains(part), "{text}");
        }
    }
}
