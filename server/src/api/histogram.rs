//! `GET` and `POST /api/v1/logs/histogram`: counts by level over time.

use super::hints::hints;
use super::query::{meta, parse_range, parse_wanted};
use super::querying::{self, Writing, Written};
use super::stats::parse_interval;
use super::{Call, Outcome};
use crate::status::ApiError;
use crate::units::format_duration;
use logstrata_client::wire::{HistogramBucket, HistogramQuery, write_histogram_answer};
use logstrata_engine::io::Clock;
use logstrata_engine::query::{Bucket, HistogramRequest};
use logstrata_engine::{Control, Engine, Level};
use std::time::Duration;

/// Buckets if nothing is said of them.
pub(crate) const BUCKETS_DEFAULT: usize = 60;
/// Buckets that may be asked for without an interval.
pub(crate) const BUCKETS_MAX: usize = 1_000;

pub(super) async fn get(call: Call) -> Outcome {
    let (state, params) = call.params_of_query(HistogramQuery::PARAMETERS).await?;
    let query = HistogramQuery {
        buckets: params.number("buckets", 1, BUCKETS_MAX)?,
        ..HistogramQuery::of_texts(|name| params.text(name))
    };
    querying::run(&state, &params, move |state, control| {
        Ok(answer(&state.engine, &*state.clock, &query, control)?.into_answer())
    })
    .await
}

/// Answers a query with a [`logstrata_client::wire::HistogramAnswer`] in JSON.
pub(crate) fn answer(
    engine: &Engine,
    clock: &dyn Clock,
    query: &HistogramQuery,
    control: &Control,
) -> Result<Written, ApiError> {
    let began = clock.monotonic();
    if query.interval.is_some() && query.buckets.is_some() {
        return Err(ApiError::invalid("interval and buckets exclude each other"));
    }
    let (filter, steps) = parse_wanted(&query.q)?;
    let request = HistogramRequest {
        filter,
        steps,
        range: parse_range(query.from.as_deref(), query.to.as_deref(), clock.now())?,
        interval: query.interval.as_deref().map(parse_interval).transpose()?,
        buckets: query.buckets.unwrap_or(BUCKETS_DEFAULT),
    };
    let found = engine.histogram_with(&request, control)?;
    let mut warnings = found.warnings;
    let empty = found.buckets.iter().all(|bucket| bucket.count() == 0);
    warnings.extend(hints(&query.q, &request.filter, empty));
    let took = clock.monotonic().saturating_sub(began);
    let meta = meta(control, took, found.buckets.len(), warnings, found.range, found.scanned);
    let interval = found.interval.map(|width| {
        format_duration(Duration::from_nanos(u64::try_from(width).unwrap_or_default()))
    });
    let writing = Writing::new(engine)?;
    let bucket = |place: usize| bucket_of(&found.buckets[place]);
    let body = write_histogram_answer(interval.as_deref(), found.buckets.len(), bucket, &meta);
    writing.end(body)
}

fn bucket_of(bucket: &Bucket) -> HistogramBucket {
    let levels = Level::ALL.iter().zip(bucket.levels).filter(|(_, count)| *count > 0);
    HistogramBucket {
        time: bucket.time.to_string(),
        count: bucket.count(),
        levels: levels.map(|(level, count)| (level.name().to_owned(), count)).collect(),
    }
}
