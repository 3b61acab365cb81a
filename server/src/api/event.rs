//! `GET /api/v1/logs/{id}`: one event.

use super::{Call, Outcome, querying};
use crate::ingest::json::write_as_sent;
use crate::status::{ApiError, json};
use logstrata_client::wire::ErrorKind;
use logstrata_engine::EventId;

pub(super) async fn get(call: Call) -> Outcome {
    let as_sent = call.params(&["raw"])?.flag("raw")?;
    let id = call.id.as_deref().unwrap_or_default();
    let id: EventId =
        id.parse().map_err(|error| ApiError::invalid(format!("not an event id: {error}")))?;
    querying::run(&call.state, None, move |state, control| {
        match state.engine.get_with(id, control)? {
            Some(event) => {
                let mut body = Vec::new();
                match as_sent {
                    true => write_as_sent(&event, &mut body),
                    false => event.write_json(&mut body),
                }
                Ok(json(body))
            }
            None => Err(ApiError::new(ErrorKind::NotFound, "there is no event of this id")),
        }
    })
    .await
}
