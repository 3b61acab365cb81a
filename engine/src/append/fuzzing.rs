//! Any bytes as values and names of an event, through the door.

use super::{Redacted, Redactor, Rules};
use crate::batch::{Batch, BatchBuilder, RowColumn};
use crate::event::Kind;
use crate::field;
use crate::limits::Limits;
use crate::timestamp::Timestamp;
use serde_json::value::RawValue;
use std::sync::LazyLock;

const JSON_FIELDS: [&str; 2] = ["list", field::AS_SENT];

/// Redacts `bytes` as a value of several fields, and as a name. The batch stays in order, and what
/// was redacted once stays as it is.
pub(crate) fn fuzz(bytes: &[u8]) {
    // Compiling the rules takes longer than all the rest.
    static REDACTOR: LazyLock<Redactor> = LazyLock::new(|| Redactor::new(Rules::default()));
    let once = Redacted::new(batch(bytes), &REDACTOR).into_batch();
    once.check_invariants();
    let twice = Redacted::new(once.clone(), &REDACTOR).into_batch();
    // What a decoder gives as JSON is JSON. Of anything else half a string may become a whole one.
    let is_json = serde_json::from_slice::<&RawValue>(bytes).is_ok();
    let columns = |batch: &Batch| {
        let columns = batch.parts().iter().flat_map(|part| part.rows.columns.clone());
        let bound = |column: &RowColumn| is_json || !JSON_FIELDS.contains(&&*column.name);
        columns.filter(bound).collect::<Vec<_>>()
    };
    assert_eq!(columns(&once), columns(&twice), "A2");
}

fn batch(bytes: &[u8]) -> Batch {
    let mut builder = BatchBuilder::new(&Limits::default(), Timestamp(0));
    let mut event = builder.event();
    let mut name = String::new();
    field::push_key(&mut name, &String::from_utf8_lossy(bytes), true);
    event.field(&name, Kind::Bool, b"true");
    for (name, kind) in
        [("message", Kind::String), ("message_base64", Kind::String), ("order_id", Kind::String)]
    {
        event.field(name, kind, bytes);
    }
    for name in JSON_FIELDS {
        event.field(name, Kind::Json, bytes);
    }
    // An event that is too large leaves nothing.
    let _ = event.finish();
    builder.build()
}
