//! The budget of the disk: what a store may take of it, whatever else is free.
//!
//! - `B1` what counts is the log, what is cached of the archive, and all live sections on this disk: what
//!   was dropped does not, although a file goes only with its last section, and sparse ones are rewritten
//!   first. What is cached goes before anything else does, then local copies of what the archive has.
//! - `B2` nothing is dropped before it is due unless whoever runs the store said so (`evict`), and then
//!   the least that is enough: the class that is kept shortest first, of it the oldest day.
//! - `B3` what is kept for ever, held, or needed by the archive is never dropped for want of room.

use super::drops::{self, Held};
use super::evict::{self, LeftDisk};
use super::state::Shared;
use crate::error::Result;
use crate::limits::DiskBudget;
use crate::retention::{Amount, Keep, RetentionRun, RunKind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// What goes to make room has this reason in its tombstone.
const BUDGET: &str = "budget";
/// Once the budget is passed, so much of it is made free, as a part: not section after section.
const FREED_SHARE: u64 = 20;

/// What the store takes of its budget, and the budget; `None` if it has none.
pub(super) fn taken(shared: &Shared) -> Option<(u64, u64)> {
    let (taken, budget) = taken_uncached(shared)?;
    Some((taken.saturating_add(shared.handles.cold_bytes()), budget))
}

/// The same without what is cached, which can go at any moment.
fn taken_uncached(shared: &Shared) -> Option<(u64, u64)> {
    let budget = match shared.limits.disk_budget? {
        DiskBudget::Bytes(bytes) => bytes,
        // A disk that does not tell its size has no part of it to give.
        DiskBudget::Percent(percent) => {
            let total = shared.io.storage.space(&shared.dir).ok()?.total;
            let part = (u128::from(total) * u128::from(percent) / 100) as u64;
            // Less than the log alone may take would let everything go for its sake.
            part.max(shared.limits.wal_bytes_max.saturating_mul(2))
        }
    };
    let files = Arc::clone(&shared.state().files);
    let local = files.iter().filter(|file| !file.file.is_evicted());
    let sections = local.flat_map(|file| &file.meta.sections);
    let stored = sections.fold(0u64, |sum, section| sum.saturating_add(section.len));
    let log = shared.counters.wal_bytes.load(Relaxed);
    Some((stored.saturating_add(log), budget))
}

/// Why no event is accepted, if the budget is why.
pub(super) fn refusal(shared: &Shared) -> Option<String> {
    let (taken, budget) = taken(shared).filter(|(taken, budget)| taken > budget)?;
    let can_drop =
        shared.limits.evict || shared.handles.cold_bytes() > 0 || evict::can_make_room(shared);
    if can_drop && !shared.retention.is_exhausted.load(Relaxed) {
        return None;
    }
    Some(format!(
        "the store takes {} MiB, and its budget (disk.budget) is {} MiB: give it more, keep less, or let \
         it drop what is least worth keeping (disk.evict)",
        taken >> 20,
        budget >> 20
    ))
}

/// Lets local copies go if the budget is passed.
pub(super) fn make_room(shared: &Shared) -> Result<LeftDisk> {
    let Some((taken, budget)) = taken(shared).filter(|(taken, budget)| taken > budget) else {
        return Ok(LeftDisk::default());
    };
    let excess = excess(taken, budget);
    // What was fetched can be fetched again.
    let freed = shared.handles.free_cold(excess);
    evict::make_room(shared, excess.saturating_sub(freed))
}

/// What has to go once the budget is passed.
fn excess(taken: u64, budget: u64) -> u64 {
    taken - (budget - budget / FREED_SHARE)
}

/// Drops what has to go if the budget is passed.
fn evict(shared: &Arc<Shared>) -> Result<RetentionRun> {
    let is_over = taken(shared).is_some_and(|(taken, budget)| taken > budget);
    let run = match shared.limits.evict && is_over {
        true => drops::until_current(shared, BUDGET, || plan(shared))?,
        false => RetentionRun::default(),
    };
    // What a query has cached meanwhile gives way the next time: nothing has to be refused for its sake.
    let is_over = taken_uncached(shared).is_some_and(|(taken, budget)| taken > budget);
    shared.retention.is_exhausted.store(is_over, Relaxed);
    Ok(run)
}

/// What has to go.
fn plan(shared: &Arc<Shared>) -> Result<drops::Plan> {
    let holds = shared.manifest().state().retention.holds.clone();
    let mut plan = drops::Plan::of_holds(&holds);
    let Some((taken, budget)) = taken(shared).filter(|(taken, budget)| taken > budget) else {
        return Ok(plan);
    };
    let mut excess = excess(taken, budget);
    let held = Held::all(&holds);
    let files = Arc::clone(&shared.state().files);
    let mut worth = Vec::new();
    // What is in the archive only takes nothing here.
    for file in files.iter().filter(|file| !file.file.is_evicted()) {
        for section in &file.meta.sections {
            let partition = &section.partition;
            let rule = shared.retention.rule(&partition.class);
            let Some(Keep::For(keep)) = rule.map(|rule| rule.keep) else { continue };
            let order = (keep, partition.day, &partition.tenant, &partition.class, section.min_seq);
            worth.push((order, file, section));
        }
    }
    worth.sort_unstable_by_key(|(order, _, _)| *order);
    for (_, file, section) in worth {
        if excess == 0 {
            break;
        }
        let stays = drops::pinned(shared, (file, section), &held, RunKind::Scheduled);
        if stays.is_none() {
            excess = excess.saturating_sub(section.len);
        }
        let due = shared.retention.due(&section.partition).unwrap_or_default();
        plan.add(file, section, due, stays);
    }
    drops::check_stopped(shared)?;
    Ok(plan)
}

impl super::Engine {
    /// Drops what is least worth keeping if the store takes more than its budget and may do so. Local
    /// copies of what the archive has go first. What was
    /// dropped stands in the days of the run; `due` says when it would have been due.
    ///
    /// # Errors
    /// `Full`, `Io`, `Closed`: what was dropped before stays dropped.
    pub fn evict(&self) -> Result<RetentionRun> {
        let _running = self.shared.retention.running.lock();
        self.shared.state().check_open()?;
        make_room(&self.shared)?;
        if self.give_up_log()? {
            return Ok(RetentionRun::default());
        }
        let run = evict(&self.shared)?;
        if run.dropped() != Amount::default() {
            self.compactions.wake();
        }
        Ok(run)
    }

    /// Flushes if what is in the log passes the budget: as sections it takes far less, and nothing that
    /// is stored goes for its sake (`B2`). Returns whether it has: how much that gives up is known a moment
    /// later. If that was not enough, the next time something goes.
    fn give_up_log(&self) -> Result<bool> {
        let gave_up = self.shared.retention.gave_up_log.swap(false, Relaxed);
        let Some((taken, budget)) = taken(&self.shared).filter(|(taken, budget)| taken > budget)
        else {
            return Ok(false);
        };
        let log = self.shared.counters.wal_bytes.load(Relaxed);
        let is_worth_it =
            log > excess(taken, budget) / 2 && !self.shared.snapshot().memtables.is_empty();
        let gives_up = self.shared.limits.evict && is_worth_it && !gave_up;
        if gives_up {
            self.flush()?;
            self.shared.retention.gave_up_log.store(true, Relaxed);
        }
        Ok(gives_up)
    }

    /// The bytes that the store takes of its budget, and the budget; `None` without one.
    pub fn disk_budget(&self) -> Option<(u64, u64)> {
        taken(&self.shared)
    }
}
