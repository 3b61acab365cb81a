//! Any bytes as values and names of an event, through the door.

use super::{Redacted, Redactor, Rules};
use crate::batch::{Batch, BatchBuilder};
use crate::event::Kind;
use crate::field;
use crate::limits::Limits;
use crate::timestamp::Timestamp;

/// Redacts `bytes` as a value of several fields, and as a name. The batch stays in order, and what
/// was redacted once stays as it is.
pub(crate) fn fuzz(bytes: &[u8]) {
    let redactor = Redactor::new(Rules::default());
    let once = Redacted::new(batch(bytes), &redactor).into_batch();
    once.check_invariants();
    let twice = Redacted::new(once.clone(), &redactor).into_batch();
    assert_eq!(once, twice, "A2");
}

fn batch(bytes: &[u8]) -> Batch {
    let mut builder = BatchBuilder::new(&Limits::default(), Timestamp(0));
    let mut event = builder.event();
    let mut name = String::new();
    field::push_key(&mut name, &String::from_utf8_lossy(bytes), true);
    event.field(&name, Kind::Bool, b"true");
    for (name, kind) in [
        ("message", Kind::String),
        ("message_base64", Kind::String),
        ("order_id", Kind::String),
        ("list", Kind::Json),
        (field::AS_SENT, Kind::Json),
    ] {
        event.field(name, kind, bytes);
    }
    // An event that is too large leaves nothing.
    let _ = event.finish();
    builder.build()
}
