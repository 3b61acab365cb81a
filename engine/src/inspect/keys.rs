//! Files of keys.

use super::Output;
use crate::error::Result;
use crate::idempotency::{self, KeysFile, Origin};
use crate::io::Io;
use crate::timestamp::Timestamp;
use std::path::Path;

pub(super) fn inspect(
    io: &Io,
    path: &Path,
    generation: u64,
    dump: bool,
    out: &mut Output<'_>,
) -> Result<()> {
    let KeysFile { entries, clock_ms, damage } = idempotency::read(io, path, None, generation)?;
    let time = |ms: i64| Timestamp(ms.saturating_mul(1_000_000));
    let of = |origin| entries.iter().filter(|entry| entry.claim.key.origin == origin).count();
    out.line(format!("keys of generation {generation}"))?;
    if let Some(clock_ms) = clock_ms {
        out.line(format!("written when the clock of keys showed {}", time(clock_ms)))?;
    }
    out.line(format!("{} keys that senders gave", of(Origin::Sent)))?;
    out.line(format!("{} keys made of bodies", of(Origin::Body)))?;
    for entry in entries.iter().filter(|_| dump) {
        let claim = &entry.claim;
        // Of an answer only its length: it may quote what was sent.
        out.line(format!(
            "key {:?} of body {:?}: {} events, {} to {}, came {}, {} bytes of answer",
            claim.key,
            claim.body,
            entry.count,
            entry.first,
            entry.last,
            time(claim.arrival_ms),
            claim.answer.len()
        ))?;
    }
    damage.map_or(Ok(()), |damage| Err(damage.into()))
}
