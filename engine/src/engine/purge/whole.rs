//! Purges of whole sections: drops, of what no rule of retention says is due.

use super::{Found, Plan, Wanted, gone_already};
use crate::engine::drops::{self, Held, Stays, held_by};
use crate::engine::state::Shared;
use crate::error::Result;
use crate::limits::DROPPED_AT_ONCE_MAX;
use crate::retention::Amount;
use std::sync::Arc;
use std::sync::mpsc::channel;

/// Drops the sections that a plan has whole. `false` if nothing has gone and what holds there are has
/// changed: there has to be another plan. Once something has gone, what is held meanwhile stays, and the
/// plan says so; nothing goes that the plan did not have.
pub(super) fn drop_whole(
    shared: &Arc<Shared>,
    plan: &mut Plan,
    wanted: &Wanted<'_>,
) -> Result<bool> {
    let reason = wanted.rule.reason();
    let (remover, files) = channel();
    let mut whole: Vec<Found> = std::mem::take(&mut plan.found);
    whole.retain(|found| found.gone.is_none());
    let mut some_went = false;
    for sections in whole.chunks(DROPPED_AT_ONCE_MAX) {
        let mut sections: Vec<&Found> = sections.iter().collect();
        loop {
            let mut drops = drops::Plan::of_holds(&plan.holds);
            for found in &sections {
                let due = shared.retention.due(&found.section.partition).unwrap_or_default();
                drops.add(&found.file, &found.section, due, None::<Stays>);
            }
            let dropped = drops::drop_planned(shared, &drops, &reason, &remover);
            let (_, is_current) = dropped.map_err(|error| match some_went {
                true => gone_already(error, "a part of the events is gone"),
                false => error,
            })?;
            if is_current {
                break;
            }
            if !some_went {
                return Ok(false);
            }
            keep_held(shared, wanted, plan, &mut sections)
                .map_err(|error| gone_already(error, "a part of the events is gone"))?;
        }
        some_went = true;
    }
    drop((remover, files));
    Ok(true)
}

/// Leaves out what is held by now, or is not there any more.
fn keep_held(
    shared: &Arc<Shared>,
    wanted: &Wanted<'_>,
    plan: &mut Plan,
    sections: &mut Vec<&Found>,
) -> Result<()> {
    plan.holds = shared.manifest().state().retention.holds.clone();
    let live = Arc::clone(&shared.state().files);
    let held = Held::all(&plan.holds);
    let run = &mut plan.run;
    sections.retain(|found| {
        let is_live = live.iter().any(|file| {
            file.meta.id == found.file.meta.id && file.meta.section(found.section.offset).is_some()
        });
        let by = held_by(shared, (&found.file, &found.section), &held);
        if is_live && by.is_empty() {
            return true;
        }
        let amount = Amount { sections: 1, events: found.events, bytes: found.section.len };
        run.stays(&found.section.partition, amount, is_live.then_some(by));
        false
    });
    wanted.check_wanted()
}
