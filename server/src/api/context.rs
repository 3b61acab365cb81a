//! `GET /api/v1/logs/{id}/context`: what stood around an event.

use super::query::{meta, parse_names};
use super::querying::{self, Writing, Written};
use super::{Call, Outcome};
use crate::status::ApiError;
use logstrata_client::wire::{self, ContextQuery, ErrorKind};
use logstrata_engine::io::Clock;
use logstrata_engine::query::{ContextRequest, EventRecord, TimeRange};
use logstrata_engine::{Control, Engine};

/// Neighbours on either side if nothing is said of them.
pub(crate) const NEIGHBOURS_DEFAULT: usize = 20;
/// Neighbours on either side at most.
pub(crate) const NEIGHBOURS_MAX: usize = 1_000;

pub(super) async fn get(call: Call) -> Outcome {
    let id = call.segment()?;
    let params = call.params(ContextQuery::PARAMETERS)?;
    let query = ContextQuery {
        before: params.number("before", 0, NEIGHBOURS_MAX)?,
        after: params.number("after", 0, NEIGHBOURS_MAX)?,
        ..ContextQuery::of_texts(|name| params.text(name))
    };
    querying::run(&call.state, &params, move |state, control| {
        Ok(answer(&state.engine, &*state.clock, &id, &query, control)?.into_answer())
    })
    .await
}

/// Answers with a [`wire::ContextAnswer`] in JSON.
pub(crate) fn answer(
    engine: &Engine,
    clock: &dyn Clock,
    id: &str,
    query: &ContextQuery,
    control: &Control,
) -> Result<Written, ApiError> {
    let began = clock.monotonic();
    let request = ContextRequest {
        id: id.parse().map_err(|error| ApiError::invalid(format!("not an event id: {error}")))?,
        before: query.before.unwrap_or(NEIGHBOURS_DEFAULT),
        after: query.after.unwrap_or(NEIGHBOURS_DEFAULT),
        same: parse_names("same", query.same.as_deref().unwrap_or_default())?,
    };
    let Some(found) = engine.context_with(&request, control)? else {
        return Err(ApiError::new(ErrorKind::NotFound, "there is no event of this id"));
    };
    let took = clock.monotonic().saturating_sub(began);
    let answered = 1 + found.before.len() + found.after.len();
    let meta =
        meta(control, took, answered, found.warnings.clone(), TimeRange::default(), found.scanned);
    let mut writing = Writing::new(engine)?;
    let mut out = Vec::new();
    out.extend_from_slice(b"{\"before\":");
    push_events(&mut writing, &mut out, &found.before);
    out.extend_from_slice(b",\"event\":");
    writing.item(&mut out, |out| found.event.write_json(out));
    out.extend_from_slice(b",\"after\":");
    push_events(&mut writing, &mut out, &found.after);
    out.push(b',');
    wire::push_members(&mut out, &meta);
    writing.end(out)
}

/// Appends a list of events.
pub(super) fn push_events(writing: &mut Writing, out: &mut Vec<u8>, events: &[EventRecord]) {
    out.push(b'[');
    for (place, event) in events.iter().enumerate() {
        writing.item(out, |out| {
            if place > 0 {
                out.push(b',');
            }
            event.write_json(out);
        });
    }
    out.push(b']');
}
