//! `GET /api/v1/admin/slow-queries`: the latest queries that took long.

use super::{Call, Outcome};
use crate::status::json;

pub(super) async fn get(call: Call) -> Outcome {
    call.params(&[])?;
    let answer = call.state.slow.answer();
    Ok(json(serde_json::to_vec(&answer).expect("plain values always serialize")))
}
