//! `GET /api/v1/logs/{id}`: one event.

use super::querying::{self, Writing};
use super::{Call, Outcome};
use crate::ingest::json::write_as_sent;
use crate::status::ApiError;
use logstrata_client::wire::ErrorKind;
use logstrata_engine::EventId;

pub(super) async fn get(call: Call) -> Outcome {
    let params = call.params(&["raw", "tier"])?;
    let as_sent = params.flag("raw")?;
    let id = call.segment()?;
    let id: EventId =
        id.parse().map_err(|error| ApiError::invalid(format!("not an event id: {error}")))?;
    querying::run(&call.state, &params, move |state, control| {
        match state.engine.get_with(id, control)? {
            Some(event) => {
                let mut body = Vec::new();
                let mut writing = Writing::new(&state.engine)?;
                writing.item(&mut body, |out| match as_sent {
                    true => write_as_sent(&event, out),
                    false => event.write_json(out),
                });
                Ok(writing.end(body)?.into_answer())
            }
            None => Err(ApiError::new(ErrorKind::NotFound, "there is no event of this id")),
        }
    })
    .await
}
