//! Bodies without end for who sends for a while: copies that are other data each, of the days behind the
//! workload's.

use super::calendar::{self, DATE};
use super::copies::{self, COPIES_MAX, Copies};
use super::places::Places;
use crate::Result;
use crate::send::Body;
use bytes::BytesMut;
use std::cell::Cell;

/// Copies of a day: as many as nobody sends in a minute, so that no day is full of few.
const PER_DAY: u64 = 1_000;
/// Days that a date is looked for in.
const DAYS_MAX: u64 = 100_000;

/// Copies of some bodies, one behind the other.
#[derive(Debug)]
pub(crate) struct Supply {
    copies: Copies,
    next: Cell<u64>,
}

impl Supply {
    /// Copies have rare words of their own, too.
    ///
    /// # Errors
    /// A line that is none of the workload's.
    pub(crate) fn new<'a>(bodies: &[Body], rare: impl Iterator<Item = &'a str>) -> Result<Self> {
        let places = Places::find(bodies, rare.filter(|word| copies::can_be_rare(word)))?;
        let first = places.bases.first().ok_or("no events")?;
        let at = first.lines.first().ok_or("no events")?.date_at as usize;
        let date = &first.bytes[at..at + DATE];
        let day = (0..DAYS_MAX).find(|day| calendar::date(*day).as_bytes() == date);
        let first_day = day.ok_or("the workload's date is none")? + 1;
        let copies = Copies { places, copies: COPIES_MAX, per_day: PER_DAY, first_day };
        Ok(Self { copies, next: Cell::default() })
    }

    /// Another body.
    pub(crate) fn next(&self) -> Body {
        let bases = &self.copies.places.bases;
        let next = self.next.replace(self.next.get() + 1);
        let (copy, number) = (next / bases.len() as u64, (next % bases.len() as u64) as usize);
        let mut bytes = BytesMut::new();
        self.copies.make(copy, number, &mut bytes);
        Body { events: bases[number].lines.len() as u64, bytes: bytes.freeze() }
    }
}
