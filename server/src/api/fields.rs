//! `GET` and `POST /api/v1/fields`, `/api/v1/fields/{name}/values`: names and values, as completion wants them.

use super::facets::{inexact, kind_names, write_values};
use super::hints::hints;
use super::params::Params;
use super::query::{meta, parse_range, parse_wanted};
use super::querying::{self, Writing, Written};
use super::{Call, Outcome};
use crate::status::ApiError;
use logstrata_client::wire::{self, FieldsQuery, NamedField, QueryMeta};
use logstrata_engine::io::Clock;
use logstrata_engine::query::FacetsRequest;
use logstrata_engine::{Control, Engine};
use serde::Serialize;

/// Fields or values at most.
pub(crate) const LIMIT_MAX: usize = 1_000;
/// Fields if nothing is said of them: all.
pub(crate) const FIELDS_DEFAULT: usize = LIMIT_MAX;
/// Values if nothing is said of them.
pub(crate) const VALUES_DEFAULT: usize = 20;

pub(super) async fn get(call: Call) -> Outcome {
    let (state, params) = call.params_of_query(FieldsQuery::PARAMETERS).await?;
    let query = asked(&params)?;
    querying::run(&state, &params, move |state, control| {
        Ok(fields_answer(&state.engine, &*state.clock, &query, control)?.into_answer())
    })
    .await
}

pub(super) async fn values(call: Call) -> Outcome {
    let name = call.segment()?;
    let (state, params) = call.params_of_query(FieldsQuery::PARAMETERS).await?;
    let query = asked(&params)?;
    querying::run(&state, &params, move |state, control| {
        Ok(values_answer(&state.engine, &*state.clock, &name, &query, control)?.into_answer())
    })
    .await
}

fn asked(params: &Params) -> Result<FieldsQuery, ApiError> {
    Ok(FieldsQuery {
        limit: params.number("limit", 1, LIMIT_MAX)?,
        ..FieldsQuery::of_texts(|name| params.text(name))
    })
}

fn request(query: &FieldsQuery, clock: &dyn Clock) -> Result<FacetsRequest, ApiError> {
    let (filter, steps) = parse_wanted(&query.q)?;
    Ok(FacetsRequest {
        filter,
        steps,
        range: parse_range(query.from.as_deref(), query.to.as_deref(), clock.now())?,
        ..FacetsRequest::default()
    })
}

/// Answers with a [`wire::FieldsAnswer`] in JSON.
pub(crate) fn fields_answer(
    engine: &Engine,
    clock: &dyn Clock,
    query: &FieldsQuery,
    control: &Control,
) -> Result<Written, ApiError> {
    #[derive(Serialize)]
    struct Answer<'a> {
        fields: Vec<NamedField>,
        events: u64,
        events_left_out: u64,
        cut: bool,
        #[serde(flatten)]
        meta: &'a QueryMeta,
    }
    let began = clock.monotonic();
    let name_prefix = query.prefix.clone().unwrap_or_default();
    let request = FacetsRequest { name_prefix, ..request(query, clock)? };
    let found = engine.facets_with(&request, control)?;
    let limit = query.limit.unwrap_or(FIELDS_DEFAULT);
    let mut warnings = found.warnings.clone();
    warnings.extend(hints(&query.q, &request.filter, found.events == 0));
    if found.events_left_out > 0 {
        warnings.push(format!(
            "the figures are of the newest {} events alone; the names are of all",
            found.events
        ));
    }
    let took = clock.monotonic().saturating_sub(began);
    let meta = meta(control, took, found.fields.len(), warnings, request.range, found.scanned);
    let field = |facet: &logstrata_engine::query::Facet| NamedField {
        name: facet.name.clone(),
        events: facet.events,
        kinds: kind_names(&facet.kinds).into_iter().map(str::to_owned).collect(),
    };
    let answer = Answer {
        fields: found.fields.iter().take(limit).map(field).collect(),
        events: found.events,
        events_left_out: found.events_left_out,
        cut: found.is_cut || found.fields.len() > limit,
        meta: &meta,
    };
    let mut out = b"{".to_vec();
    wire::push_members(&mut out, &answer);
    Writing::new(engine)?.end(out)
}

/// Answers with a [`wire::ValuesAnswer`] in JSON.
pub(crate) fn values_answer(
    engine: &Engine,
    clock: &dyn Clock,
    name: &str,
    query: &FieldsQuery,
    control: &Control,
) -> Result<Written, ApiError> {
    #[derive(Serialize)]
    struct Rest<'a> {
        field: &'a str,
        events: u64,
        matching: u64,
        distinct: Option<u64>,
        error: u64,
        #[serde(flatten)]
        meta: &'a QueryMeta,
    }
    let began = clock.monotonic();
    let request = FacetsRequest {
        fields: Some(vec![name.to_owned()]),
        value_prefix: query.prefix.clone().unwrap_or_default(),
        values: query.limit.unwrap_or(VALUES_DEFAULT),
        ..request(query, clock)?
    };
    let found = engine.facets_with(&request, control)?;
    let facet = found.fields.first().ok_or_else(|| {
        ApiError::invalid("the name of the field is longer than any that can be asked for")
    })?;
    let mut warnings = found.warnings.clone();
    warnings.extend(hints(&query.q, &request.filter, found.events == 0));
    warnings.extend(inexact(facet));
    let took = clock.monotonic().saturating_sub(began);
    let meta = meta(
        control,
        took,
        facet.values.as_ref().map_or(0, Vec::len),
        warnings,
        request.range,
        found.scanned,
    );
    let rest = Rest {
        field: name,
        events: facet.events,
        matching: facet.matching,
        distinct: facet.distinct,
        error: facet.error,
        meta: &meta,
    };
    let mut writing = Writing::new(engine)?;
    let mut out = b"{\"values\":".to_vec();
    let values = facet.values.as_deref().unwrap_or_default();
    writing.item(&mut out, |out| write_values(values, out));
    out.push(b',');
    wire::push_members(&mut out, &rest);
    writing.end(out)
}
