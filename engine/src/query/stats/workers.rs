//! The sources of a table, scanned by one thread or by several.
//!
//! - `I1` the rows are the same, whoever scans what: counts add up, sums are exact
//!   ([`super::sum`]), and a group's value is that of its first source. Also if there are more groups
//!   than there may be ([`super::excess`]).
//! - `I2` there are at most as many partial tables as turns at a time.
//! - `I3` what is left out because it is damaged is left out as a whole.

use super::groups::{Before, Groups};
use super::stretches::Item;
use super::{Found, Part, Pass};
use crate::error::{Error, Result};
use crate::query::request::Scanned;
use crate::query::search::{ALONE_OPENED_MAX, ALONE_VISITED_MAX};
use crate::query::table::Source;
use crate::scan::{Items, Scan};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// The items from `first` on, which several threads scan.
struct ManyItems {
    pass: Arc<Pass>,
    sources: Arc<Vec<Source>>,
    items: Vec<Item>,
    round: Round,
    first: usize,
    /// Tables that nobody works at.
    parts: Mutex<Vec<Found>>,
    /// Items that are done with.
    done: AtomicUsize,
}

/// Why the sources are scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Round {
    /// For all groups, or to weigh them if there are more than there may be.
    First,
    /// For the greatest of those that were weighed.
    Greatest,
}

/// Scans all sources, or as many as the query's bounds are enough for, if that is tolerated. Groups that
/// are weighed are of all sources: of those that were not looked at nothing would be known.
pub(super) fn run(
    scan: &mut Scan<'_>,
    pass: &Arc<Pass>,
    (sources, items): (&Arc<Vec<Source>>, Vec<Item>),
    round: Round,
) -> Result<Found> {
    let mut part = Part { found: Found::new(pass, round)?, pass };
    let mut next = 0;
    // Without those of stretches that are known.
    let mut opened = 0;
    while let Some(item) = items.get(next) {
        let alone = opened < ALONE_OPENED_MAX && (next as u64) < ALONE_VISITED_MAX;
        if !alone && pass.shared.scans.slots() > 1 && next + 1 < items.len() {
            break;
        }
        let Scanned { blocks, .. } = part.found.scanned;
        match scan.item().and_then(|()| part.scan_item(item, sources, round)) {
            Ok(()) => {
                next += 1;
                if let Item::Source(_) = item {
                    opened += part.found.scanned.blocks - blocks;
                }
            }
            // Figures of nothing are no answer.
            Err(error) if next == 0 => return Err(error),
            Err(error) => {
                pass.excuse(error, round)?;
                scan.wind_up();
                part.found.settle(pass.request.top)?;
                return Ok(part.found);
            }
        }
    }
    let mut found = part.found;
    let count = items.len() - next;
    if count == 0 {
        scan.wind_up();
        found.settle(pass.request.top)?;
        return Ok(found);
    }
    let (parts, done) = (Mutex::new(vec![found]), AtomicUsize::new(next));
    let (pass, sources) = (Arc::clone(pass), Arc::clone(sources));
    let many = Arc::new(ManyItems { pass, sources, items, round, first: next, parts, done });
    let mut stopped = None;
    if let Err(error) = scan.run_all(Arc::clone(&many) as _, count) {
        if many.done.load(Relaxed) == 0 {
            return Err(error);
        }
        many.pass.excuse(error.clone(), round)?;
        stopped = Some(error);
    }
    scan.wind_up();
    let mut parts = std::mem::take(&mut *many.parts.lock()).into_iter();
    let first = parts.next().expect("what was found before is there");
    let mut found = parts.try_fold(first, |all, part| all.merge(part, &mut || scan.item()))?;
    found.settle(many.pass.request.top)?;
    match stopped.filter(|_| found.groups.are_weighed()) {
        Some(error) => Err(error),
        None => Ok(found),
    }
}

impl Pass {
    /// Goes on after an error, with what was found so far, if that is tolerated and of any use.
    fn excuse(&self, error: Error, round: Round) -> Result<()> {
        match round {
            Round::First if self.excess.is_there() => Err(error),
            _ => self.excuses.excuse(error),
        }
    }
}

impl Found {
    pub(super) fn new(pass: &Pass, round: Round) -> Result<Self> {
        let greatest = round == Round::Greatest;
        let (aggregates, pool) = (&pass.request.aggregates, &pass.pool);
        let groups = Groups::new(aggregates, pool, &pass.excess, greatest)?;
        Ok(Self { groups, tally: None, scanned: Scanned::default() })
    }

    /// Makes groups of what was tallied; of the `top` highest counts at least, if no more is wanted.
    pub(super) fn settle(&mut self, top: Option<usize>) -> Result<()> {
        match self.tally.take() {
            Some(tally) => tally.settle(&mut self.groups, top),
            None => Ok(()),
        }
    }

    fn merge(mut self, mut other: Self, before: Before<'_>) -> Result<Self> {
        self.scanned += other.scanned;
        match (&mut self.tally, other.tally.take()) {
            (Some(mine), Some(theirs)) if mine.is_same(&theirs) => mine.merge(theirs),
            (None, theirs) => self.tally = theirs,
            (Some(_), theirs) => {
                other.tally = theirs;
                other.settle(None)?;
            }
        }
        self.groups.merge(other.groups, before)?;
        Ok(self)
    }
}

impl Items for ManyItems {
    fn run(&self, item: usize) -> Result<()> {
        let found = self.parts.lock().pop();
        let found = found.map_or_else(|| Found::new(&self.pass, self.round), Ok)?;
        let mut part = Part { pass: &self.pass, found };
        let done = part.scan_item(&self.items[self.first + item], &self.sources, self.round);
        self.parts.lock().push(part.found);
        self.done.fetch_add(usize::from(done.is_ok()), Relaxed);
        done
    }
}

impl Part<'_> {
    /// Takes in an item.
    fn scan_item(&mut self, item: &Item, sources: &[Source], round: Round) -> Result<()> {
        match item {
            Item::Source(number) => {
                let done = self.scan_or_skip(*number, &sources[*number], round);
                let is_sound = matches!(done, Ok(true));
                self.pass.stretches.end(&self.pass.shared, *number, is_sound);
                done.map(drop)
            }
            Item::Stretch(range, sums) => {
                if self.take_stretch(range, sums, sources)? {
                    return Ok(());
                }
                let mut numbers = range.clone();
                numbers.try_for_each(|number| {
                    self.scan_or_skip(number, &sources[number], round).map(drop)
                })
            }
        }
    }

    /// Takes in a source, and tells so; nothing of it, if it is damaged and that is tolerated.
    fn scan_or_skip(&mut self, number: usize, source: &Source, round: Round) -> Result<bool> {
        if !self.pass.excuses.skip_damage() {
            return self.scan(number, source).map(|()| true);
        }
        let mut apart = Part { pass: self.pass, found: Found::new(self.pass, round)? };
        let done = apart.scan(number, source);
        self.found.scanned += apart.found.scanned;
        match self.pass.excuses.piece(done)? {
            Some(()) => {
                apart.found.settle(None)?;
                self.found.groups.merge(apart.found.groups, &mut || Ok(()))?;
                Ok(true)
            }
            None => Ok(false),
        }
    }
}
