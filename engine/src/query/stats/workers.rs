//! The sources of a table, scanned by one thread or by several.
//!
//! - `I1` the rows are the same, whoever scans what: counts add up, sums are exact
//!   ([`super::sum`]), and a group's value is that of its first source.
//! - `I2` there are at most as many partial tables as turns at a time.

use super::groups::Groups;
use super::{Found, Part, Pass};
use crate::error::Result;
use crate::query::request::Scanned;
use crate::query::search::{ALONE_OPENED_MAX, ALONE_VISITED_MAX};
use crate::query::table::Source;
use crate::scan::{Items, Scan};
use parking_lot::Mutex;
use std::sync::Arc;

/// The sources from `first` on, which several threads scan.
struct ManySources {
    pass: Pass,
    sources: Vec<Source>,
    first: usize,
    /// Tables that nobody works at.
    parts: Mutex<Vec<Found>>,
}

/// Scans all sources.
pub(super) fn run(scan: &mut Scan<'_>, pass: Pass, sources: Vec<Source>) -> Result<Found> {
    let mut part = Part { found: Found::new(&pass)?, pass: &pass };
    let mut next = 0;
    while let Some(source) = sources.get(next) {
        let Scanned { blocks, .. } = part.found.scanned;
        let alone = blocks < ALONE_OPENED_MAX && (next as u64) < ALONE_VISITED_MAX;
        if !alone && pass.shared.scans.slots() > 1 && next + 1 < sources.len() {
            break;
        }
        scan.item()?;
        part.scan(next, source)?;
        next += 1;
    }
    let found = part.found;
    let count = sources.len() - next;
    if count == 0 {
        return Ok(found);
    }
    let parts = Mutex::new(vec![found]);
    let many = Arc::new(ManySources { pass, sources, first: next, parts });
    scan.run_all(Arc::clone(&many) as _, count)?;
    let mut parts = std::mem::take(&mut *many.parts.lock()).into_iter();
    let first = parts.next().expect("what was found before is there");
    parts.try_fold(first, Found::merge)
}

impl Found {
    fn new(pass: &Pass) -> Result<Self> {
        let groups = Groups::new(&pass.request.aggregates, &pass.shared.pool)?;
        Ok(Self { groups, scanned: Scanned::default() })
    }

    fn merge(mut self, other: Self) -> Result<Self> {
        self.scanned += other.scanned;
        self.groups.merge(other.groups)?;
        Ok(self)
    }
}

impl Items for ManySources {
    fn run(&self, item: usize) -> Result<()> {
        let number = self.first + item;
        let found = self.parts.lock().pop();
        let found = found.map_or_else(|| Found::new(&self.pass), Ok)?;
        let mut part = Part { pass: &self.pass, found };
        part.scan(number, &self.sources[number])?;
        self.parts.lock().push(part.found);
        Ok(())
    }
}
