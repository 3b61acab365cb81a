//! `GET /metrics`.

use super::{Call, Outcome};
use crate::metrics::CONTENT_TYPE;
use crate::status::with_type;

pub(super) async fn get(call: Call) -> Outcome {
    call.params(&[])?;
    let state = call.state.clone();
    let text = call.state.status.run(move || state.metrics.encode()).await?;
    Ok(with_type(CONTENT_TYPE, text.into_bytes()))
}
