//! The proof of a run that purges took events out of: the pages that lost none are found again from
//! the events, for the others the digests of before and after stand in the manifest.

use super::canon::{CanonRows, CanonWriter};
use super::digest::{PAGE_DOMAIN, PAGE_ROWS, digest_of_pages};
use crate::batch::Rows;
use crate::manifest::{Range64, RunKey, Scar, ScarredPage};
use std::collections::BTreeMap;
use std::ops::Range;

/// The digests of pages, by number.
type PageDigests = BTreeMap<u64, [u8; 32]>;

/// The positions of the events of a run of which some are gone, as they pass by.
#[derive(Debug)]
pub(crate) struct Positions {
    /// Positions without an event that have not been passed, the last first.
    gone: Vec<Range64>,
    next: u64,
}

impl Positions {
    /// Those that are left when these go, which rise.
    pub(crate) fn without(gone: &[Range64]) -> Self {
        let mut positions = Self { gone: gone.iter().rev().copied().collect(), next: 0 };
        positions.pass(0);
        positions
    }

    /// The position of the next event, in the run as it was sealed.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// So many events pass by; at most as many as [`Positions::together`] says.
    pub(crate) fn pass(&mut self, events: u64) {
        self.next += events;
        while let Some(gone) = self.gone.pop_if(|gone| gone.start <= self.next) {
            self.next = self.next.max(gone.end);
        }
    }

    /// How many of the next events follow each other without a gap, if there are so many.
    fn together(&self) -> u64 {
        self.gone.last().map_or(u64::MAX, |gone| gone.start - self.next)
    }
}

/// The digests of the pages of a run of which some events are gone, as the others pass by.
#[derive(Debug)]
pub(crate) struct Pages {
    positions: Positions,
    open: Option<(u64, blake3::Hasher)>,
    digests: PageDigests,
    writer: CanonWriter,
}

impl Pages {
    /// Those of a run without the events at these positions, which rise.
    pub(crate) fn without(gone: &[Range64]) -> Self {
        let (positions, writer) = (Positions::without(gone), CanonWriter::default());
        Self { positions, open: None, digests: BTreeMap::new(), writer }
    }

    /// The next events, in the order of their numbers.
    pub(crate) fn push(&mut self, rows: &Rows, range: Range<usize>) {
        let canon = CanonRows::new(rows);
        let mut at = range.start;
        while at < range.end {
            let number = self.positions.next() / PAGE_ROWS as u64;
            let in_page = self.positions.next() % PAGE_ROWS as u64;
            // At most 64: it fits.
            let room = self.positions.together().min(PAGE_ROWS as u64 - in_page) as usize;
            let end = range.end.min(at + room);
            if self.open.as_ref().is_none_or(|(open, _)| *open != number) {
                self.close();
                let mut hasher = blake3::Hasher::new();
                hasher.update(&PAGE_DOMAIN);
                self.open = Some((number, hasher));
            }
            let (_, page) = self.open.as_mut().expect("just opened");
            self.writer.write(&[], &canon, at..end, &mut |bytes: &[u8]| {
                page.update(bytes);
            });
            self.positions.pass((end - at) as u64);
            at = end;
        }
    }

    /// The digests of the pages that have an event, by number.
    pub(crate) fn finish(mut self) -> PageDigests {
        self.close();
        self.digests
    }

    fn close(&mut self) {
        if let Some((number, page)) = self.open.take() {
            self.digests.insert(number, *page.finalize().as_bytes());
        }
    }
}

/// The scar of a run that was sealed with `rows` events and `digest`, and from now on is without those at
/// the positions `gone`: `before` and `after` are its pages then and now, `old` is its scar till now.
pub(crate) fn scar_of(
    (rows, digest): (u64, [u8; 32]),
    gone: Vec<Range64>,
    (before, after): (&PageDigests, &PageDigests),
    old: Option<&Scar>,
) -> Scar {
    let scarred = old.into_iter().flat_map(|old| &old.pages);
    let mut pages: PageDigests = scarred.map(|page| (page.number, page.before)).collect();
    for (number, page) in before {
        if after.get(number) != Some(page) {
            pages.entry(*number).or_insert(*page);
        }
    }
    let page =
        |(number, before)| ScarredPage { number, before, after: after.get(&number).copied() };
    Scar { rows, digest, gone, pages: pages.into_iter().map(page).collect() }
}

/// The digest that a run was sealed with, from the pages of what is left of it and its scar.
///
/// # Errors
/// Which page is not what the purge left, for people.
pub(crate) fn healed(
    (partition, generation): &RunKey,
    scar: &Scar,
    mut pages: PageDigests,
) -> Result<[u8; 32], String> {
    for page in &scar.pages {
        if pages.get(&page.number).copied() != page.after {
            return Err(format!("page {} is not what the purge left of it", page.number));
        }
        pages.insert(page.number, page.before);
    }
    let count = scar.rows.div_ceil(PAGE_ROWS as u64);
    let whole = pages.len() as u64 == count && pages.keys().zip(0..).all(|(page, at)| *page == at);
    if !whole {
        return Err(format!("{} pages of {count}", pages.len()));
    }
    let pages: Vec<[u8; 32]> = pages.into_values().collect();
    Ok(digest_of_pages(partition, *generation, scar.rows, &pages))
}
