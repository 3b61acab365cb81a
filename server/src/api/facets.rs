//! `GET` and `POST /api/v1/logs/facets`: the fields of a result and their commonest values.

use super::hints::hints;
use super::query::{meta, parse_names, parse_range, parse_wanted};
use super::querying::{self, Writing, Written};
use super::search::write_cell;
use super::stats::write_string;
use super::{Call, Outcome};
use crate::status::ApiError;
use logstrata_client::wire::{self, FacetsQuery, QueryMeta};
use logstrata_engine::io::Clock;
use logstrata_engine::query::{Cell, Facet, FacetsRequest};
use logstrata_engine::{Control, Engine, Kind};
use serde::Serialize;

/// Fields that are told at most.
const FIELDS_MAX: usize = 200;
/// Values of each field if nothing is said of them.
pub(crate) const VALUES_DEFAULT: usize = 10;
/// Values of each field at most.
pub(crate) const VALUES_MAX: usize = 100;

pub(super) async fn get(call: Call) -> Outcome {
    let (state, params) = call.params_of_query(FacetsQuery::PARAMETERS).await?;
    let query = FacetsQuery {
        limit: params.number("limit", 1, VALUES_MAX)?,
        ..FacetsQuery::of_texts(|name| params.text(name))
    };
    querying::run(&state, &params, move |state, control| {
        Ok(answer(&state.engine, &*state.clock, &query, control)?.into_answer())
    })
    .await
}

/// Answers a query with a [`wire::FacetsAnswer`] in JSON.
pub(crate) fn answer(
    engine: &Engine,
    clock: &dyn Clock,
    query: &FacetsQuery,
    control: &Control,
) -> Result<Written, ApiError> {
    #[derive(Serialize)]
    struct Rest<'a> {
        events: u64,
        cut: bool,
        #[serde(flatten)]
        meta: &'a QueryMeta,
    }
    let began = clock.monotonic();
    let named = query.fields.as_deref().map(|names| parse_names("fields", names)).transpose()?;
    let (filter, steps) = parse_wanted(&query.q)?;
    let request = FacetsRequest {
        filter,
        steps,
        range: parse_range(query.from.as_deref(), query.to.as_deref(), clock.now())?,
        fields: named.filter(|names| !names.is_empty()),
        values: query.limit.unwrap_or(VALUES_DEFAULT),
        ..FacetsRequest::default()
    };
    let found = engine.facets_with(&request, control)?;
    let fields = &found.fields[..found.fields.len().min(FIELDS_MAX)];
    let is_cut = found.is_cut || fields.len() < found.fields.len();
    let mut warnings = found.warnings.clone();
    warnings.extend(hints(&query.q, &request.filter, found.events == 0));
    if is_cut {
        warnings.push("not all fields are told; name those that matter with `fields`".into());
    }
    warnings.extend(fields.iter().filter_map(inexact));
    let took = clock.monotonic().saturating_sub(began);
    let meta = meta(control, took, fields.len(), warnings, request.range, found.scanned);
    let mut writing = Writing::new(engine)?;
    let mut out = Vec::new();
    out.extend_from_slice(b"{\"fields\":[");
    for (place, facet) in fields.iter().enumerate() {
        writing.item(&mut out, |out| {
            if place > 0 {
                out.push(b',');
            }
            write_facet(facet, out);
        });
    }
    out.extend_from_slice(b"],");
    wire::push_members(&mut out, &Rest { events: found.events, cut: is_cut, meta: &meta });
    writing.end(out)
}

/// What is to be said of counts that lack something.
pub(super) fn inexact(facet: &Facet) -> Option<String> {
    (facet.error > 0 && facet.values.is_some()).then(|| {
        format!(
            "`{}` has so many values that the rarest were forgotten: a count may be too low by up to {}",
            facet.name, facet.error
        )
    })
}

fn write_facet(facet: &Facet, out: &mut Vec<u8>) {
    #[derive(Serialize)]
    struct Figures {
        events: u64,
        kinds: Vec<&'static str>,
        distinct: Option<u64>,
        error: u64,
        other: u64,
    }
    let told: u64 = facet.values.iter().flatten().map(|(_, count)| count).sum();
    out.extend_from_slice(b"{\"name\":");
    write_string(&facet.name, out);
    out.extend_from_slice(b",\"values\":");
    match &facet.values {
        Some(values) => write_values(values, out),
        None => out.extend_from_slice(b"null"),
    }
    out.push(b',');
    let figures = Figures {
        events: facet.events,
        kinds: kind_names(&facet.kinds),
        distinct: facet.distinct,
        error: if facet.values.is_some() { facet.error } else { 0 },
        other: facet.events.saturating_sub(told),
    };
    wire::push_members(out, &figures);
}

/// Appends values and their counts as a list.
pub(super) fn write_values(values: &[(Cell, u64)], out: &mut Vec<u8>) {
    out.push(b'[');
    for (place, (value, count)) in values.iter().enumerate() {
        out.extend_from_slice(if place > 0 { b",{\"value\":" } else { b"{\"value\":" });
        write_cell(value.as_ref(), out);
        out.extend_from_slice(format!(",\"count\":{count}}}").as_bytes());
    }
    out.push(b']');
}

/// What values are in JSON, by name.
pub(super) fn kind_names(kinds: &[Kind]) -> Vec<&'static str> {
    let name = |kind: &Kind| match kind {
        Kind::String => "string",
        Kind::Number => "number",
        Kind::Bool => "bool",
        Kind::Null => "null",
        Kind::Json => "json",
    };
    kinds.iter().map(name).collect()
}
