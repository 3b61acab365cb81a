//! `GET` and `POST /api/v1/logs/stats`: a table of figures.

use super::aggregate::{Column, parse_aggregates, parse_group_by};
use super::hints::hints;
use super::query::{meta, parse_range, parse_wanted};
use super::querying::{self, Writing, Written};
use super::search::write_cell;
use super::{Call, Outcome, inexact};
use crate::status::ApiError;
use crate::units::parse_duration;
use logstrata_client::wire::{self, StatsQuery};
use logstrata_engine::io::Clock;
use logstrata_engine::query::{StatsRequest, StatsRow};
use logstrata_engine::{Control, Engine};

pub(super) async fn get(call: Call) -> Outcome {
    let (state, params) = call.params_of_query(StatsQuery::PARAMETERS).await?;
    let query = StatsQuery {
        top: params.number("top", 1, usize::MAX)?,
        ..StatsQuery::of_texts(|name| params.text(name))
    };
    querying::run(&state, &params, move |state, control| {
        Ok(answer(&state.engine, &*state.clock, &query, control)?.into_answer())
    })
    .await
}

/// Answers a query with a [`wire::StatsAnswer`] in JSON.
pub(crate) fn answer(
    engine: &Engine,
    clock: &dyn Clock,
    query: &StatsQuery,
    control: &Control,
) -> Result<Written, ApiError> {
    let began = clock.monotonic();
    let interval = query.interval.as_deref().map(parse_interval).transpose()?;
    let group_by = query.group_by.as_deref().unwrap_or_default();
    let columns = parse_aggregates(query.agg.as_deref().unwrap_or_default())?;
    let (filter, steps) = parse_wanted(&query.q)?;
    let request = StatsRequest {
        filter,
        range: parse_range(query.from.as_deref(), query.to.as_deref(), clock.now())?,
        group_by: parse_group_by(group_by, interval.is_some())?,
        interval,
        aggregates: columns.iter().map(|column| column.aggregate.clone()).collect(),
        top: query.top,
    };
    let table = engine.stats_after(&steps, &request, control)?;
    let inexact = inexact::of_table(&table, columns.iter().map(|column| &*column.name));
    let mut warnings = table.warnings;
    warnings.extend(hints(&query.q, &request.filter, table.rows.iter().all(|row| row.count == 0)));
    let took = clock.monotonic().saturating_sub(began);
    let meta = meta(control, took, table.rows.len(), warnings, request.range, table.scanned);
    let mut writing = Writing::new(engine)?;
    let rows: Vec<&StatsRow> =
        table.rows.iter().chain(table.other.as_ref().map(|other| &other.row)).collect();
    let write = |row: usize, out: &mut Vec<u8>| {
        writing.item(out, |out| write_row(rows[row], &request, &columns, out));
    };
    let body = wire::write_stats_answer(rows.len(), write, &inexact, &meta);
    writing.end(body)
}

/// Nanoseconds of `30s`, `5m`, `1h`, `1d`.
pub(super) fn parse_interval(text: &str) -> Result<i64, ApiError> {
    let wrong = |why: String| ApiError::invalid(format!("interval: {why}"));
    let duration = parse_duration(text).map_err(wrong)?;
    match i64::try_from(duration.as_nanos()) {
        Ok(nanos) if nanos > 0 => Ok(nanos),
        _ => Err(wrong(format!("{text:?} is not above 0 and below 292 years"))),
    }
}

/// Appends a row as a JSON object: time, groups, count, figures.
fn write_row(row: &StatsRow, request: &StatsRequest, columns: &[Column], out: &mut Vec<u8>) {
    out.push(b'{');
    match row.time {
        Some(time) => out.extend_from_slice(format!("\"time\":\"{time}\",").as_bytes()),
        None if request.interval.is_some() => out.extend_from_slice(b"\"time\":null,"),
        None => {}
    }
    for (name, value) in request.group_by.iter().zip(&row.group) {
        write_string(name, out);
        out.push(b':');
        write_cell(value.as_ref(), out);
        out.push(b',');
    }
    out.extend_from_slice(format!("\"count\":{}", row.count).as_bytes());
    for (column, value) in columns.iter().zip(&row.values) {
        out.push(b',');
        write_string(&column.name, out);
        out.push(b':');
        write_figure(*value, out);
    }
    out.push(b'}');
}

/// Appends a figure. Whole numbers have no fraction; what is not finite becomes null, for JSON has
/// no other word for it.
fn write_figure(value: Option<f64>, out: &mut Vec<u8>) {
    /// Up to here every whole number is exact.
    const WHOLE_MAX: f64 = (1u64 << 53) as f64;
    match value {
        Some(value) if value.fract() == 0.0 && value.abs() <= WHOLE_MAX => {
            out.extend_from_slice((value as i64).to_string().as_bytes());
        }
        value => serde_json::to_writer(out, &value).expect("a number can be written to memory"),
    }
}

pub(super) fn write_string(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("a string can be written to memory");
}

#[cfg(test)]
mod tests {
    use super::*;
    use logstrata_engine::query::TimeRange;
    use logstrata_engine::query::ast::Filter;
    use logstrata_engine::{Kind, Timestamp};

    #[test]
    fn rows_keep_the_type_of_their_groups() {
        let row = StatsRow {
            time: Some(Timestamp(0)),
            group: vec![
                Some((Kind::String, b"a\"\xff".to_vec())),
                Some((Kind::Number, b"1e400".to_vec())),
                Some((Kind::Json, b"[1]".to_vec())),
                None,
            ],
            count: 7,
            values: vec![Some(2.5), Some(3.0), None, Some(f64::INFINITY)],
        };
        let request = StatsRequest {
            filter: Filter::All,
            range: TimeRange::default(),
            group_by: ["s", "n", "j", "no\"ne"].map(String::from).into(),
            interval: None,
            aggregates: Vec::new(),
            top: None,
        };
        let columns = parse_aggregates("sum(a),avg(a),min(a),max(a)").expect("valid");
        let mut out = Vec::new();
        write_row(&row, &request, &columns, &mut out);
        let expected = "{\"time\":\"1970-01-01T00:00:00Z\",\"s\":\"a\\\"\u{fffd}\",\"n\":1e400,\
                        \"j\":[1],\"no\\\"ne\":null,\"count\":7,\"sum(a)\":2.5,\"avg(a)\":3,\
                        \"min(a)\":null,\"max(a)\":null}";
        assert_eq!(String::from_utf8(out).expect("UTF-8"), expected);
    }

    #[test]
    fn intervals_are_above_zero() {
        assert_eq!(parse_interval("30s").ok(), Some(30_000_000_000));
        assert_eq!(parse_interval("1d").ok(), Some(86_400_000_000_000));
        for text in ["0s", "5", "one hour", "99999w"] {
            let error = parse_interval(text).expect_err(text).detail().message.clone();
            assert!(error.starts_with("interval: "), "{error}");
        }
    }
}
