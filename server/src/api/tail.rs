//! `GET` and `POST /api/v1/logs/tail`: the events that pass a query, as they are stored.

mod follower;

use super::query::parse_stages;
use super::{Call, Outcome};
use crate::sse;
use crate::status::{ApiError, streamed};
use follower::Follower;
use hyper::header::HeaderMap;
use logstrata_client::wire::{LAST_EVENT_ID, TailQuery};
use logstrata_engine::{EventId, Seq, query};

pub(super) async fn get(call: Call) -> Outcome {
    let header = last_event_id(&call.head.headers)?;
    let (state, params) = call.params_of_query(TailQuery::PARAMETERS).await?;
    let text = params.get("q").unwrap_or_default();
    let wrong = |error| ApiError::from(error).in_query(text);
    let query = query::TailQuery::new(&parse_stages(text)?).map_err(wrong)?;
    let after = params.get("after").map(|id| parsed("after", id)).transpose()?;
    // The header is the newer of the two: `EventSource` comes again with the URL that it was given.
    let resumed = match header {
        Some(id) => Some((LAST_EVENT_ID, parsed(LAST_EVENT_ID, &id)?)),
        None => after.map(|id| ("after", id)),
    };
    let place = state.tails.enter()?;
    let asked = std::sync::Arc::clone(&state);
    let asking = query.clone();
    let told = move || (asked.engine.visible(), asked.engine.tail_warnings(&asking));
    let (visible, warnings) = state.tails.reads.run(told).await?;
    let position = match resumed {
        Some((name, id)) => position(name, id, state.engine.incarnation(), visible)?,
        None => visible,
    };
    let follower = Follower::new(state, query, position, place);
    let mut answer = streamed(sse::CONTENT_TYPE, follower.into_body(&warnings));
    // Of proxies that collect answers before they pass them on, some heed this.
    answer.headers_mut().insert("x-accel-buffering", "no".parse().expect("a header's value"));
    Ok(answer)
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(LAST_EVENT_ID).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(ApiError::invalid("there are two Last-Event-ID headers")),
        (Some(value), None) => match value.to_str() {
            // A reader that has no id yet may say so.
            Ok("") => Ok(None),
            Ok(id) => Ok(Some(id.to_owned())),
            Err(_) => Err(ApiError::invalid("the Last-Event-ID header is not ASCII")),
        },
    }
}

/// The place in the log that the text of an id stands for.
pub(super) fn position_of(
    name: &str,
    id: &str,
    incarnation: u16,
    visible: Seq,
) -> Result<Seq, ApiError> {
    position(name, parsed(name, id)?, incarnation, visible)
}

fn parsed(name: &str, id: &str) -> Result<EventId, ApiError> {
    id.parse().map_err(|why| wrong(name, &format!("not an id of a tail: {why}")))
}

fn position(name: &str, id: EventId, incarnation: u16, visible: Seq) -> Result<Seq, ApiError> {
    if id.incarnation() != incarnation {
        return Err(wrong(name, "of another store, or of this one before it was restored"));
    }
    if id.seq() > visible {
        return Err(wrong(name, "of an event that this store does not have"));
    }
    Ok(id.seq())
}

fn wrong(name: &str, why: &str) -> ApiError {
    ApiError::invalid(format!("{name}: {why}; begin without it"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use logstrata_engine::Timestamp;

    #[test]
    fn only_an_id_of_this_store_is_a_position() {
        let position = |id: &str| {
            position_of("after", id, 7, Seq(100)).map_err(|error| error.detail().message.clone())
        };
        let id = |incarnation, seq| EventId::new(Timestamp(5), incarnation, Seq(seq)).to_string();
        assert_eq!(position(&id(7, 100)), Ok(Seq(100)));
        assert_eq!(position(&id(7, 0)), Ok(Seq(0)));
        for (text, part) in [
            ("12", "not an id"),
            (&*id(8, 5), "another store"),
            (&*id(7, 101), "does not have"),
            (&*id(7, u64::MAX), "does not have"),
        ] {
            let error = position(text).expect_err(text);
            assert!(error.starts_with("after: ") && error.contains(part), "{error}");
        }
    }
}
