//! What every row of a block has: its timestamp, its sequence number and its level. All rows' are unpacked
//! once somebody asks for them, those of single rows where they stand.

use super::column::integer::Integers;
use super::format::BlockMeta;
use super::part::Part;
use crate::codec::places::Places;
use crate::error::{Corruption, Result};
use crate::event::Level;
use std::sync::{Arc, OnceLock};

/// The timestamps of a block, in nanoseconds.
#[derive(Debug)]
pub(crate) struct RowTimes {
    numbers: Integers,
    min: i64,
    max: i64,
    /// Whether the least and the greatest are those of the header.
    checked: OnceLock<()>,
}

/// The sequence numbers of a block, which rise strictly.
#[derive(Debug)]
pub(crate) struct RowSeqs {
    offsets: Integers,
    min: u64,
    max: u64,
    all: OnceLock<Vec<u64>>,
}

/// The levels of a block's rows.
#[derive(Debug)]
pub(crate) enum Levels {
    /// All rows have this one.
    Constant(Level),
    /// One a row.
    PerRow(RowLevels),
}

/// A level for each row.
#[derive(Debug)]
pub(crate) struct RowLevels {
    part: Arc<Part>,
    places: Places,
    /// Those of the header.
    bits: u8,
    all: OnceLock<Vec<Level>>,
}

/// The numbers of a part that has nothing else.
fn read(part: Part, meta: &BlockMeta) -> Result<Integers, Corruption> {
    let part = Arc::new(part);
    let mut slice = part.slice();
    let numbers = Integers::read(&part, &mut slice, meta.rows as usize)?;
    slice.finish()?;
    Ok(numbers)
}

impl RowTimes {
    pub(super) fn read(part: Part, meta: &BlockMeta) -> Result<Self, Corruption> {
        let (numbers, checked) = (read(part, meta)?, OnceLock::new());
        Ok(Self { numbers, min: meta.min_ts, max: meta.max_ts, checked })
    }

    /// One a row.
    ///
    /// # Errors
    /// They are not those of the header.
    pub(crate) fn all(&self) -> Result<&[i64], Corruption> {
        let all = self.numbers.all();
        if self.checked.get().is_none() {
            let (min, max) = (all.iter().min(), all.iter().max());
            if (min, max) != (Some(&self.min), Some(&self.max)) {
                return Err(self.unlike_the_header(format!("{min:?} to {max:?}")));
            }
            self.checked.get_or_init(|| ());
        }
        Ok(all)
    }

    /// That of a row; panics past the last.
    ///
    /// # Errors
    /// The header has none like it.
    pub(crate) fn at(&self, row: usize) -> Result<i64, Corruption> {
        match self.numbers.get(row) {
            time if (self.min..=self.max).contains(&time) => Ok(time),
            time => Err(self.unlike_the_header(time.to_string())),
        }
    }

    fn unlike_the_header(&self, found: String) -> Corruption {
        self.numbers.part().slice().corrupt(format!("{} to {}", self.min, self.max), found)
    }

    /// The bytes that they take in memory now.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.numbers.heap_bytes()
    }
}

impl RowSeqs {
    pub(super) fn read(part: Part, meta: &BlockMeta) -> Result<Self, Corruption> {
        let (offsets, all) = (read(part, meta)?, OnceLock::new());
        Ok(Self { offsets, min: meta.min_seq, max: meta.max_seq, all })
    }

    /// One a row, rising.
    ///
    /// # Errors
    /// They don't rise from the first to the last of the header.
    pub(crate) fn all(&self) -> Result<&[u64], Corruption> {
        if let Some(all) = self.all.get() {
            return Ok(all);
        }
        let first = self.offsets.get(0);
        let all: Vec<u64> =
            self.offsets.all().iter().map(|offset| self.seq(first, *offset)).collect();
        if !all.is_sorted_by(|a, b| a < b) || all.last() != Some(&self.max) {
            return Err(self.unlike_the_header(format!("{:?} at the end", all.last())));
        }
        Ok(self.all.get_or_init(|| all))
    }

    /// That of a row; panics past the last.
    ///
    /// # Errors
    /// The header has none like it.
    pub(crate) fn at(&self, row: usize) -> Result<u64, Corruption> {
        if let Some(all) = self.all.get() {
            return Ok(all[row]);
        }
        match self.seq(self.offsets.get(0), self.offsets.get(row)) {
            seq if (self.min..=self.max).contains(&seq) => Ok(seq),
            seq => Err(self.unlike_the_header(seq.to_string())),
        }
    }

    fn seq(&self, first: i64, offset: i64) -> u64 {
        self.min.wrapping_add(offset.wrapping_sub(first) as u64)
    }

    fn unlike_the_header(&self, found: String) -> Corruption {
        let expected = format!("{} rising to {}", self.min, self.max);
        self.offsets.part().slice().corrupt(expected, found)
    }

    /// The bytes that they take in memory now.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.offsets.heap_bytes() + self.all.get().map_or(0, |all| size_of_val(&**all))
    }
}

impl Levels {
    /// The level of a row; panics past the last row if there are several levels.
    ///
    /// # Errors
    /// The header has none like it.
    pub(crate) fn at(&self, row: usize) -> Result<Level, Corruption> {
        match self {
            Self::Constant(level) => Ok(*level),
            Self::PerRow(levels) => levels.at(row),
        }
    }

    /// The code of each of so many rows.
    pub(crate) fn codes(&self, rows: usize) -> Result<Vec<u8>, Corruption> {
        match self {
            Self::Constant(level) => Ok(vec![*level as u8; rows]),
            Self::PerRow(levels) => Ok(levels.all()?.iter().map(|level| *level as u8).collect()),
        }
    }

    /// The bytes that they take in memory now.
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Constant(_) => 0,
            Self::PerRow(levels) => {
                let all = levels.all.get().map_or(0, |all| size_of_val(&**all));
                levels.part.bytes.heap_bytes() + levels.places.heap_bytes() + all
            }
        }
    }
}

impl RowLevels {
    pub(super) fn read(part: Part, meta: &BlockMeta) -> Result<Self, Corruption> {
        let part = Arc::new(part);
        let mut slice = part.slice();
        let places = Places::read(&mut slice, meta.rows as usize)?;
        slice.finish()?;
        Ok(Self { part, places, bits: meta.levels, all: OnceLock::new() })
    }

    /// One a row.
    ///
    /// # Errors
    /// They are not all of the header's.
    pub(crate) fn all(&self) -> Result<&[Level], Corruption> {
        if let Some(all) = self.all.get() {
            return Ok(all);
        }
        let mut all = Vec::with_capacity(self.places.len());
        self.places.for_each(&self.part.bytes, |codes| {
            all.extend(codes.iter().map_while(|code| self.level(*code)));
        });
        if all.len() != self.places.len() {
            return Err(self.unlike_the_header());
        }
        Ok(self.all.get_or_init(|| all))
    }

    fn at(&self, row: usize) -> Result<Level, Corruption> {
        if let Some(all) = self.all.get() {
            return Ok(all[row]);
        }
        let level = self.level(self.places.get(&self.part.bytes, row));
        level.ok_or_else(|| self.unlike_the_header())
    }

    fn level(&self, code: u64) -> Option<Level> {
        let code = u8::try_from(code).ok().filter(|code| *code < 8)?;
        Level::from_code(code).filter(|_| self.bits & 1 << code != 0)
    }

    fn unlike_the_header(&self) -> Corruption {
        self.part.slice().corrupt(format!("levels of {:#b}", self.bits), "others")
    }
}
