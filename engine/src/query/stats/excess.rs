//! What becomes of a table that has more groups than there may be: the greatest are kept, with exact
//! figures, and the events of all others are counted together.
//!
//! The table is made once more. While it is made for the first time, the number of groups is found to be
//! above the limit; from there on, groups are only weighed ([`Weights`]). The second time each group has
//! a rank, which is the most that it can have, and those of the highest ranks are kept.
//!
//! - `E1` The rank of a group depends on the events alone, and no two groups have the same one. A group
//!   that is among the highest of all is among the highest of any part: no part ever drops it. So what
//!   is kept, and each of its figures, does not depend on who scans what.
//! - `E2` What a part drops is in its group [`OTHER`], and what has a rank that any part dropped is
//!   dropped at the end: a row has all events of its group, and those of all rows and of `other` are
//!   all events that match.
//! - `E3` No group that was dropped has more events than [`Groups::floor`] says: its rank is not above
//!   that, and [`Weights`] never tell too few.

use super::distinct::{Detail, VALUE_BYTES};
use super::figure::Figure;
use super::groups::{COLUMN_BYTES, Group, Groups};
use super::weights::Weights;
use crate::error::{Error, Result};
use crate::pool::Pool;
use std::cmp::Ordering;
use std::sync::{Arc, OnceLock};
use xxhash_rust::xxh3::xxh3_64;

/// The place of the group of all that was dropped.
pub(super) const OTHER: u32 = 0;

/// The bounds of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Groups at most.
    pub(super) groups_max: usize,
    /// What their values and figures take at most.
    pub(super) bytes_max: usize,
    /// Values that are remembered to count different ones, of all figures.
    pub(super) distinct_max: usize,
}

impl Bounds {
    /// Those of what is small already.
    pub(super) fn none() -> Self {
        let most = usize::MAX / 8;
        Self { groups_max: most, bytes_max: most, distinct_max: most }
    }
}

/// The bounds of a table, and what its parts share once there are more groups.
#[derive(Debug)]
pub(super) struct Excess {
    pool: Arc<Pool>,
    pub(super) bounds: Bounds,
    /// Whether a group is kept or dropped with all its time buckets.
    whole_values: bool,
    weights: OnceLock<Weights>,
}

/// What is done with groups.
#[derive(Debug)]
pub(super) enum Mode {
    /// All are kept.
    All,
    /// They are weighed: no figure is computed.
    Weigh,
    /// Those are kept whose rank is above the floor, if there is one yet.
    Greatest(Option<Floor>),
}

/// The highest rank that was dropped.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Floor {
    most: u64,
    hash: u64,
    key: Box<[u8]>,
}

/// The most events that a group can have, then its hash and its key, so that no two are equal.
type Rank<'a> = (u64, u64, &'a [u8]);

impl Floor {
    fn rank(&self) -> Rank<'_> {
        (self.most, self.hash, &self.key)
    }
}

impl Excess {
    /// Without more groups than there may be, as yet.
    pub(super) fn new(pool: &Arc<Pool>, bounds: Bounds, whole_values: bool) -> Self {
        let (pool, weights) = (Arc::clone(pool), OnceLock::new());
        Self { pool, bounds, whole_values, weights }
    }

    /// Whether a part had more groups than there may be.
    pub(super) fn is_there(&self) -> bool {
        self.weights.get().is_some()
    }

    fn weights(&self) -> Result<&Weights> {
        if self.weights.get().is_none() {
            // Another part may be faster: then these are not needed.
            drop(self.weights.set(Weights::new(&self.pool, self.bounds.groups_max)?));
        }
        Ok(self.weights.get().expect("they were set"))
    }

    /// The part of a group's key that tells its rank: the bucket stands first.
    fn ranked<'k>(&self, key: &'k [u8]) -> &'k [u8] {
        if self.whole_values { &key[size_of::<i64>()..] } else { key }
    }

    fn rank<'k>(&self, key: &'k [u8]) -> Result<Rank<'k>> {
        let key = self.ranked(key);
        let hash = xxh3_64(key);
        Ok((self.weights()?.most(hash), hash, key))
    }
}

impl Groups {
    /// Keeps to the bounds. To be called between tables: it moves groups.
    pub(super) fn bound(&mut self) -> Result<()> {
        let Bounds { groups_max, bytes_max, .. } = self.excess.bounds;
        let exceed = |part: usize| {
            self.groups.len() > groups_max + groups_max / part
                || self.bytes + self.distinct_values * VALUE_BYTES > bytes_max + bytes_max / part
        };
        match self.mode {
            // What sums take depends on the order of their numbers (`E1`): they do not weigh.
            Mode::All if exceed(usize::MAX) && self.exceeds_bounds() => self.weigh()?,
            Mode::Weigh if exceed(usize::MAX) => self.weigh()?,
            // A look at each group is worth while once there are a few more.
            Mode::Greatest(_) if exceed(4) => self.keep_greatest()?,
            _ => {}
        }
        self.reserve()
    }

    fn exceeds_bounds(&self) -> bool {
        let weight = || self.groups.iter().map(Group::weight).sum::<usize>();
        let Bounds { groups_max, bytes_max, .. } = self.excess.bounds;
        self.groups.len() > groups_max || weight() > bytes_max
    }

    /// Weighs all groups, and forgets them; from here on no figure is computed.
    pub(super) fn weigh(&mut self) -> Result<()> {
        let excess = Arc::clone(&self.excess);
        let weights = excess.weights()?;
        for (key, place) in self.places.drain() {
            weights.add(xxh3_64(excess.ranked(&key)), self.groups[place as usize].count);
        }
        self.groups.clear();
        self.functions.clear();
        (self.bytes, self.distinct_values) = (0, 0);
        self.memory.shrink_to(0);
        self.mode = Mode::Weigh;
        Ok(())
    }

    /// Whether a group whose key is written was dropped, or would be.
    pub(super) fn is_dropped(&self) -> Result<bool> {
        match &self.mode {
            Mode::Greatest(Some(floor)) => Ok(self.excess.rank(&self.key)? <= floor.rank()),
            _ => Ok(false),
        }
    }

    /// No group that was dropped has more events.
    pub(super) fn floor(&self) -> Option<u64> {
        match &self.mode {
            Mode::Greatest(Some(floor)) => Some(floor.most),
            _ => None,
        }
    }

    /// Drops what is not among the greatest groups, as many as there may be.
    pub(super) fn keep_greatest(&mut self) -> Result<()> {
        let excess = Arc::clone(&self.excess);
        let Mode::Greatest(floor) = &mut self.mode else { return Ok(()) };
        let mut ranks: Vec<(Rank<'_>, u32)> = Vec::with_capacity(self.places.len());
        for (key, place) in &self.places {
            ranks.push((excess.rank(key)?, *place));
        }
        ranks.sort_unstable_by(|(a, _), (b, _)| b.cmp(a));
        let (mut groups, mut bytes) = (0, 0);
        let first_beyond = ranks.iter().find(|(_, place)| {
            groups += 1;
            bytes += self.groups[*place as usize].weight();
            groups > excess.bounds.groups_max || bytes > excess.bounds.bytes_max
        });
        let beyond = first_beyond.map(|((most, hash, key), _)| Floor {
            most: *most,
            hash: *hash,
            key: (*key).into(),
        });
        *floor = floor.take().max(beyond);
        let Some(floor) = floor else { return Ok(()) };
        let mut is_dropped = vec![false; self.groups.len()];
        for (rank, place) in &ranks {
            is_dropped[*place as usize] = rank.cmp(&floor.rank()) != Ordering::Greater;
        }
        self.drop_groups(&is_dropped);
        Ok(())
    }

    /// The floor of another part holds for this one, too.
    pub(super) fn raise_floor(&mut self, other: Mode) {
        if let (Mode::Greatest(mine), Mode::Greatest(other)) = (&mut self.mode, other) {
            *mine = mine.take().max(other);
        }
    }

    fn drop_groups(&mut self, is_dropped: &[bool]) {
        let groups = std::mem::take(&mut self.groups);
        let mut moved = vec![None; groups.len()];
        for (place, group) in groups.into_iter().enumerate() {
            if is_dropped[place] {
                self.groups[OTHER as usize].take_in(group, self.detail);
            } else {
                moved[place] = Some(self.groups.len() as u32);
                self.groups.push(group);
            }
        }
        self.places.retain(|_, place| match moved[*place as usize] {
            Some(new) => {
                *place = new;
                true
            }
            None => false,
        });
        (self.bytes, self.distinct_values) = self
            .groups
            .iter()
            .map(|group| group.takes(self.detail))
            .fold((0, 0), |(bytes, distinct), (more, others)| (bytes + more, distinct + others));
    }

    /// Takes out the group of all that was dropped, if anything was.
    ///
    /// # Errors
    /// `Invalid` if nothing else is left: a value alone has more buckets than there may be.
    pub(super) fn take_other(&mut self) -> Result<Option<Group>> {
        let Mode::Greatest(_) = self.mode else { return Ok(None) };
        self.keep_greatest()?;
        let other = self.groups.remove(OTHER as usize);
        self.places.clear();
        if self.groups.is_empty() && other.count > 0 {
            return Err(Error::invalid(format!(
                "one group alone takes more than there may be: {} groups, {} MiB; narrow the query, or use \
                 a longer interval",
                self.excess.bounds.groups_max,
                self.excess.bounds.bytes_max >> 20
            )));
        }
        Ok((other.count > 0).then_some(other))
    }
}

impl Group {
    /// Adds the events of another group to these.
    pub(super) fn take_in(&mut self, other: Self, detail: Detail) {
        self.count += other.count;
        for (mine, figure) in self.figures.iter_mut().zip(other.figures) {
            mine.merge(figure, detail);
        }
    }

    /// What its columns take: their texts are there twice, in the key and in the group.
    pub(super) fn columns(&self) -> usize {
        let texts: usize = self.values.iter().flatten().map(|(_, text)| text.len()).sum();
        2 * texts + self.values.len() * COLUMN_BYTES
    }

    /// What it takes beside its place, and the values that its figures remember.
    pub(super) fn takes(&self, detail: Detail) -> (usize, usize) {
        let figures = self.figures.iter().map(|figure| figure.takes(detail));
        figures.fold((self.columns(), 0), |(bytes, distinct), (more, others)| {
            (bytes + more, distinct + others)
        })
    }

    /// The same, with what they would remember in the least detail, and without what depends on the
    /// order of events.
    fn weight(&self) -> usize {
        self.columns() + self.figures.iter().map(Figure::weight).sum::<usize>()
    }
}
