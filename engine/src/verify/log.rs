//! The log and the files of keys.

use super::Context;
use super::chain::Current;
use super::files::Listing;
use super::report::{Affected, Checked, Findings};
use crate::error::Result;
use crate::idempotency;
use crate::names;
use crate::wal;

/// How often a log that is written to is read again.
const TRIES_MAX: usize = 4;

/// Verifies the log of what is in no file yet, and all files of keys.
pub(super) fn check(
    context: &mut Context<'_>,
    current: &Current,
    checked: &mut Checked,
    findings: &mut Findings,
) -> Result<()> {
    check_keys(context, current, checked, findings)?;
    (context.progress)(&names::wal_dir(context.dir));
    let (io, dir) = (context.io, context.dir);
    let mut before: Option<String> = None;
    for attempt in 1.. {
        // Its files are recycled once the manifest has their events.
        let now = if attempt == 1 { None } else { Current::read(io, dir).ok() };
        let state = &now.as_ref().unwrap_or(current).contents.state;
        let store = &state.store_uuid;
        match wal::check(io, dir, store, state.committed_generation, state.next_seq) {
            Ok(report) => {
                checked.log_files = report.files;
                checked.log_events = report.events;
                if let Some((path, offset)) = report.torn {
                    let found = format!(
                        "one at {offset} that is cut off: a crash before it was acknowledged, or \
                         damage to the last"
                    );
                    findings.note(&path, "wal group", "the end of the groups", &found);
                }
                return Ok(());
            }
            Err(failure) => {
                let text = failure.error.to_string();
                if before.as_ref() == Some(&text) || attempt >= TRIES_MAX {
                    let events = Affected {
                        partition: "any".to_owned(),
                        first_seq: failure.next_seq,
                        last_seq: None,
                        events: None,
                    };
                    findings.error(&names::wal_dir(dir), failure.error, Some(events));
                    return Ok(());
                }
                before = Some(text);
            }
        }
    }
    Ok(())
}

fn check_keys(
    context: &mut Context<'_>,
    current: &Current,
    checked: &mut Checked,
    findings: &mut Findings,
) -> Result<()> {
    let (io, dir) = (context.io, context.dir);
    let state = &current.contents.state;
    let committed = state.committed_generation.unwrap_or(0);
    for generation in Listing::read(io, dir)?.key_files() {
        if generation > committed {
            continue;
        }
        let path = names::keys(dir, generation);
        (context.progress)(&path);
        match idempotency::check(io, dir, state.store_uuid, generation) {
            Ok(keys) => checked.keys += keys as u64,
            // Its keys were forgotten meanwhile.
            Err(error) if super::is_missing(&error) => {}
            Err(error) => findings.error(&path, error, None),
        }
    }
    Ok(())
}
