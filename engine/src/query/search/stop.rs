//! Where a page ends that its time or its memory was not enough for.
//!
//! - `S1` parts are scanned by the best rank that their events can have, and what is not scanned is
//!   queued: so every event that ranks above all that is queued is known. Only such events are on the
//!   page, and the next page begins below them: no event is missing or there twice.
//! - `S2` a page gets further than the one before it, or is an error: who asks for page after page comes
//!   to the end.

use super::rank::{Rank, arrival_rank, before};
use super::{Order, Search};
use crate::error::{Error, Result};

impl Search<'_> {
    /// The best rank that an event can have that is not scanned; `None` if everything is.
    pub(super) fn frontier(&self) -> Option<Rank> {
        let (best, _) = *self.queue.peek()?;
        let range = self.pass.range_left();
        // A part may be wider than what is wanted of it.
        let top = match self.pass.order {
            Order::NewestFirst => range.to.map(|to| to.0.saturating_sub(1)),
            Order::OldestFirst => range.from.map(|from| !from.0),
            Order::Arrival => Some(arrival_rank(self.pass.seqs_left().0)),
        };
        let best = top.map_or(best, |top| best.min((top, u64::MAX)));
        let best = self.pass.below.map_or(best, |below| best.min(before(below)));
        Some(match self.pass.order {
            Order::NewestFirst | Order::OldestFirst => best,
            // Ranks of arrival have one number: less of the other would be no progress (`S2`).
            Order::Arrival => (best.0, 0),
        })
    }

    /// Ends the scan, which began at `start`, because of an error. Returns the rank above which
    /// everything is known.
    ///
    /// # Errors
    /// The error itself, if it is not tolerated, or the scan got nowhere.
    pub(super) fn stop(&mut self, start: Option<Rank>, error: Error) -> Result<Rank> {
        match (self.frontier(), start) {
            (Some(frontier), Some(start)) if frontier < start => {
                self.excuses.excuse(error)?;
                self.scan.wind_up();
                Ok(frontier)
            }
            _ => Err(error),
        }
    }

    /// What the next page ranks below, if everything above the frontier is known.
    pub(super) fn behind(&self, frontier: Rank) -> Rank {
        match (self.pass.order, frontier.1.checked_add(1)) {
            (Order::NewestFirst | Order::OldestFirst, Some(next)) => (frontier.0, next),
            // Ranks of arrival have one number.
            _ => (frontier.0.saturating_add(1), 0),
        }
    }
}
