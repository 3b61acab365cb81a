//! `POST /api/v1/admin/flush`: everything in memory becomes a file.

use super::{Call, Outcome};
use crate::status::json;

pub(super) async fn post(call: Call) -> Outcome {
    call.params(&[])?;
    let state = call.state.clone();
    call.state.flushes.run(move || state.engine.flush()).await??;
    Ok(json(b"{\"flushed\":true}".to_vec()))
}
