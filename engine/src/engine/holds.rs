//! Legal holds on an open store: made, released, and what they cover.
//!
//! - `P1` a hold is durable before anybody is told of it, and from then on no drop goes past it: both
//!   are edits, made under the manifest's lock.
//! - `P2` a hold names a class and a tenant that there are: one that is misspelt would hold nothing, and
//!   nobody would know before its events are gone.

use super::Engine;
use super::drops::Held;
use super::retention::change;
use super::state::Shared;
use crate::error::{Error, ErrorKind, Result};
use crate::partition::DEFAULT_TENANT;
use crate::query::{name_warnings, nearest, parse};
use crate::retention::{Amount, Change, Hold, HoldCover, HoldRequest, HoldScope, ReleasedHold};
use crate::scan::Control;
use std::collections::BTreeSet;

/// Names that a refusal lists at most.
const LISTED_MAX: usize = 40;

impl Engine {
    /// Holds something, from when this returns until the hold is released.
    ///
    /// # Errors
    /// `Invalid` for one that makes no sense, of a class or a tenant that there is not, or too many;
    /// `Full`, `Io`, `Closed`.
    pub fn hold(&self, request: HoldRequest) -> Result<Hold> {
        request.check_shape().map_err(Error::invalid)?;
        request.check().map_err(|error| Error::invalid(error.to_string()))?;
        check_known(&self.shared, &request.scope)?;
        let now = self.shared.io.clock.now();
        match change(&self.shared, |ledger| Ok(Change::Hold(ledger.hold(request, now))))? {
            Change::Hold(hold) => Ok(hold),
            change => unreachable!("{change:?} is no hold"),
        }
    }

    /// What a hold holds as of now, found as a drop finds it: what can't be read is held. By a query every
    /// section of its class, tenant and days is looked up.
    ///
    /// # Errors
    /// `Deadline`, `Cancelled`: it is not known, and held all the same.
    pub fn hold_cover(&self, hold: &Hold, control: &Control) -> Result<HoldCover> {
        let (shared, held) = (&self.shared, Held::new(hold));
        let (snapshot, began) = (shared.snapshot(), shared.scans.now());
        let bounds = || {
            let control = control.after(shared.scans.now().saturating_sub(began));
            // A section that its index rules out is done without a look at the time.
            shared.scans.interrupt(&control).check().map(|()| control)
        };
        let mut cover = HoldCover::default();
        for file in snapshot.files.iter() {
            for section in &file.meta.sections {
                if hold.scope.covers(&section.partition)
                    && or_held(held.holds_within(shared, file, section, &bounds()?))?
                {
                    cover.stored.add(Amount::of(section));
                }
            }
        }
        for (place, (partition, rows)) in snapshot.memtables.iter().enumerate() {
            let part = || snapshot.of_memtable(place);
            if hold.scope.covers(partition)
                && or_held(held.finds(shared, partition, part, &bounds()?))?
            {
                cover.in_memory += rows.rows();
            }
        }
        Ok(cover)
    }

    /// What may surprise whoever made a hold by a query, for people: fields that no stored event has.
    pub fn hold_warnings(&self, hold: &Hold) -> Vec<String> {
        let filter = hold.scope.query.as_ref().and_then(|query| parse(query).ok());
        filter
            .map(|filter| name_warnings(&self.shared.snapshot(), &filter, &[]))
            .unwrap_or_default()
    }

    /// Ends a hold, on the word of somebody; `None` if there is none of this number.
    ///
    /// # Errors
    /// `Invalid` if nobody says so, or in too many words; `Full`, `Io`, `Closed`.
    pub fn release_hold(
        &self,
        id: u64,
        by: &str,
        reason: Option<&str>,
    ) -> Result<Option<ReleasedHold>> {
        if by.trim().is_empty() {
            return Err(Error::invalid("say who releases the hold"));
        }
        let (by, reason) = (by.to_owned(), reason.map(str::to_owned));
        let at = self.shared.io.clock.now();
        let mut hold = None;
        let released = change(&self.shared, |ledger| {
            hold = ledger.holds.get(&id).cloned();
            Ok(Change::Release { id, by: by.clone(), reason: reason.clone(), at })
        });
        match (released, hold) {
            (Ok(_), hold) => Ok(hold.map(|hold| ReleasedHold { hold, by, reason, at })),
            (Err(error), None) if error.kind() == ErrorKind::Invalid => Ok(None),
            (Err(error), _) => Err(error),
        }
    }

    /// The last holds that ended, a thousand at most, in the order in which they did.
    pub fn released_holds(&self) -> Vec<ReleasedHold> {
        self.shared.manifest().state().retention.released.iter().cloned().collect()
    }

    /// What is held, by number.
    pub fn holds(&self) -> Vec<Hold> {
        self.shared.manifest().state().retention.holds.values().cloned().collect()
    }
}

/// What was found of events; they are held if they can't be read.
fn or_held(found: Result<bool>) -> Result<bool> {
    match found {
        Err(error) if !matches!(error.kind(), ErrorKind::Deadline | ErrorKind::Cancelled) => {
            Ok(true)
        }
        found => found,
    }
}

/// `P2`
fn check_known(shared: &Shared, scope: &HoldScope) -> Result<()> {
    if scope.class.is_none() && scope.tenant.is_none() {
        return Ok(());
    }
    let snapshot = shared.snapshot();
    let sections = snapshot.files.iter().flat_map(|file| &file.meta.sections);
    let stored = sections.map(|section| &section.partition);
    let partitions = stored.chain(snapshot.memtables.iter().map(|(partition, _)| partition));
    let names = partitions.map(|partition| (&*partition.class, &*partition.tenant));
    let (mut classes, mut tenants): (BTreeSet<&str>, BTreeSet<&str>) = names.unzip();
    classes.extend(shared.retention.class_names());
    tenants.insert(DEFAULT_TENANT);
    is_one_of("class", scope.class.as_deref(), &classes)?;
    is_one_of("tenant", scope.tenant.as_deref(), &tenants)
}

fn is_one_of(what: &str, wanted: Option<&str>, known: &BTreeSet<&str>) -> Result<()> {
    let Some(wanted) = wanted.filter(|wanted| !known.contains(wanted)) else { return Ok(()) };
    let in_another_case = known.iter().find(|name| name.eq_ignore_ascii_case(wanted)).copied();
    let meant = in_another_case.or_else(|| nearest(wanted, known.iter().copied()));
    let meant = meant.map(|name| format!("; did you mean {name:?}?")).unwrap_or_default();
    let listed: Vec<&str> = known.iter().copied().take(LISTED_MAX).collect();
    let more = known.len() - listed.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Err(Error::invalid(format!(
        "there is no {what} {wanted:?}, so nothing would be held{meant}; known are {}{more}",
        listed.join(", ")
    )))
}
