//! `POST /api/v1/admin/compact`: what was flushed becomes segments and packs, whatever its age.

use super::{Call, Outcome};
use crate::status::json;

pub(super) async fn post(call: Call) -> Outcome {
    call.params(&[])?;
    let state = call.state.clone();
    call.state.compactions.run(move || state.engine.compact_now()).await??;
    Ok(json(b"{\"compacted\":true}".to_vec()))
}
