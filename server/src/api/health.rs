//! `GET /healthz` and `GET /readyz`.

use super::{Call, Outcome};
use crate::status::{ApiError, json};

/// The process is there.
pub(super) async fn live(call: Call) -> Outcome {
    call.params(&[])?;
    Ok(json(b"{\"status\":\"ok\"}".to_vec()))
}

/// Events can be written. Nothing else makes a server unready: it would be restarted, or cut off
/// from its senders, for what a restart does not mend.
pub(super) async fn ready(call: Call) -> Outcome {
    call.params(&[])?;
    let state = call.state.clone();
    let status = call.state.status.run(move || state.engine.status()).await?;
    match status.not_writable {
        None => {
            let flushing = status.flush_failing.map(|why| format!("flushing fails: {why}"));
            let dropping = status.drops_suspended;
            let warnings: Vec<String> = flushing.into_iter().chain(dropping).collect();
            let body = serde_json::json!({ "status": "ready", "warnings": warnings });
            Ok(json(body.to_string().into_bytes()))
        }
        Some(why) => Err(ApiError::from(why).unavailable()),
    }
}
