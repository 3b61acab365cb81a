//! What the manifest knows of a file: its name, its live sections, the runs in them.

use crate::limits::{
    FILE_COLUMN_NAME_BYTES_MAX, FILE_COLUMN_NAMES_BYTES_MAX, FILE_COLUMN_NAMES_MAX,
};
use crate::names;
use crate::partition::PartitionKey;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What names a file. Segments and packs are numbered together, by one counter of the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum FileId {
    /// What one flush wrote, by the last generation in it.
    LevelZero(u64),
    /// Events of one partition, by number.
    Segment(u64),
    /// Small sections of many partitions that are due together, by number.
    Pack(u64),
}

/// A file: what a flush or a compaction wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileMeta {
    /// Its name.
    pub(crate) id: FileId,
    /// Its length in bytes.
    pub(crate) len: u64,
    /// A level-0 file: the sequence numbers of its generations, whether live or dropped. Others:
    /// from the lowest to behind the highest of any section.
    pub(crate) seqs: Range<u64>,
    /// When it was written, in nanoseconds since the epoch.
    pub(crate) created: i64,
    /// How often its bytes were written since the log, the writing of this file included.
    pub(crate) writes: u8,
    /// BLAKE3 of the whole file.
    pub(crate) checksum: Option<[u8; 32]>,
    /// Its live sections, in order of their offset.
    pub(crate) sections: Vec<SectionMeta>,
    /// The column names in it as people type them, rising (see [`FileMeta::pick_columns`]).
    pub(crate) columns: Vec<String>,
}

/// The blocks of one partition in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SectionMeta {
    /// The partition.
    pub(crate) partition: PartitionKey,
    /// Where the section begins in the file; what it is named by within its file.
    pub(crate) offset: u64,
    /// Its length in bytes, with its index part.
    pub(crate) len: u64,
    /// The number of blocks.
    pub(crate) blocks: u32,
    /// The number of events.
    pub(crate) rows: u64,
    /// The earliest timestamp, in nanoseconds since the epoch.
    pub(crate) min_ts: i64,
    /// The latest timestamp.
    pub(crate) max_ts: i64,
    /// The lowest sequence number.
    pub(crate) min_seq: u64,
    /// The highest sequence number.
    pub(crate) max_seq: u64,
    /// The levels in it: bit `1 << code`.
    pub(crate) levels: u8,
    /// The bytes of its events in memory.
    pub(crate) raw_bytes: u64,
    /// The runs in it, by generation: one in a level-0 file.
    pub(crate) runs: Vec<Run>,
}

/// The events of one partition in one generation. Runs outlive the files that they are in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Run {
    /// The generation; after a recovery the last of several.
    pub(crate) generation: u64,
    /// The sequence numbers of that generation, of all its partitions.
    pub(crate) seqs: Range64,
    /// The number of events of this partition among them.
    pub(crate) rows: u64,
    /// The digest of the events, once they have one.
    pub(crate) digest: Option<[u8; 32]>,
}

/// A range of sequence numbers, comparable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Range64 {
    /// The first.
    pub(crate) start: u64,
    /// The one behind the last.
    pub(crate) end: u64,
}

/// A section that is gone, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tombstone {
    /// The file that it was in.
    pub(crate) file: FileId,
    /// The section.
    pub(crate) section: SectionMeta,
    /// Why it was dropped, for people.
    pub(crate) reason: String,
}

impl FileId {
    /// Where the file is, in the store at `dir`.
    pub(crate) fn path(self, dir: &Path) -> PathBuf {
        match self {
            Self::LevelZero(generation) => names::level_zero(dir, generation),
            Self::Segment(number) => names::segment(dir, number),
            Self::Pack(number) => names::pack(dir, number),
        }
    }

    /// The generation or the number.
    pub(crate) fn number(self) -> u64 {
        match self {
            Self::LevelZero(number) | Self::Segment(number) | Self::Pack(number) => number,
        }
    }

    /// Whether a flush wrote it.
    pub(crate) fn is_level_zero(self) -> bool {
        matches!(self, Self::LevelZero(_))
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LevelZero(generation) => write!(f, "level-0 file of generation {generation}"),
            Self::Segment(number) => write!(f, "segment {number}"),
            Self::Pack(number) => write!(f, "pack {number}"),
        }
    }
}

impl From<Range<u64>> for Range64 {
    fn from(range: Range<u64>) -> Self {
        Self { start: range.start, end: range.end }
    }
}

impl Range64 {
    /// How many numbers there are; none if the range is reversed.
    pub(crate) fn len(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Whether the number is one of them.
    pub(crate) fn contains(self, seq: u64) -> bool {
        (self.start..self.end).contains(&seq)
    }
}

impl FileMeta {
    /// The names of `all`, rising, that a file keeps in the manifest.
    pub(crate) fn pick_columns(all: impl IntoIterator<Item = String>) -> Vec<String> {
        let mut bytes = 0;
        all.into_iter()
            .filter(|name| name.len() <= FILE_COLUMN_NAME_BYTES_MAX)
            .take(FILE_COLUMN_NAMES_MAX)
            .take_while(|name| {
                bytes += name.len();
                bytes <= FILE_COLUMN_NAMES_BYTES_MAX
            })
            .collect()
    }

    /// Whether the file may have a column of this name.
    pub(crate) fn may_have_column(&self, name: &str) -> bool {
        self.columns.binary_search_by(|column| (**column).cmp(name)).is_ok()
            || name.len() > FILE_COLUMN_NAME_BYTES_MAX
            || !self.has_all_columns()
    }

    /// Whether the names of all columns are known, but for those that are too long.
    pub(crate) fn has_all_columns(&self) -> bool {
        let bytes: usize = self.columns.iter().map(String::len).sum();
        self.columns.len() < FILE_COLUMN_NAMES_MAX
            && bytes <= FILE_COLUMN_NAMES_BYTES_MAX - FILE_COLUMN_NAME_BYTES_MAX
    }

    /// The live section at this offset.
    pub(crate) fn section(&self, offset: u64) -> Option<&SectionMeta> {
        let index = self.sections.binary_search_by_key(&offset, |section| section.offset).ok()?;
        self.sections.get(index)
    }

    /// Whether the entry is sound by itself.
    pub(crate) fn check(&self) -> Result<(), String> {
        let wrong = |what: String| Err(format!("{}: {what}", self.id));
        if self.id.number() == 0 || self.seqs.start == 0 || self.seqs.is_empty() {
            return wrong(format!("events {:?}", self.seqs));
        }
        if self.sections.is_empty() || self.columns.len() > FILE_COLUMN_NAMES_MAX {
            let (sections, columns) = (self.sections.len(), self.columns.len());
            return wrong(format!("{sections} sections, {columns} columns"));
        }
        if (self.writes == 1) != self.id.is_level_zero() || self.writes == 0 {
            return wrong(format!("written {} times", self.writes));
        }
        let mut end = 0;
        for section in &self.sections {
            let SectionMeta { offset, len, .. } = section;
            let section_end = offset.checked_add(*len).filter(|end| *end <= self.len);
            let Some(section_end) = section_end.filter(|_| *offset >= end) else {
                return wrong(format!("a section at {offset} of {len} bytes behind {end}"));
            };
            end = section_end;
            section.check(&self.seqs).or_else(wrong)?;
            self.check_kind(section).or_else(wrong)?;
        }
        Ok(())
    }

    /// What holds for the sections of this kind of file only.
    fn check_kind(&self, section: &SectionMeta) -> Result<(), String> {
        let holds = match self.id {
            FileId::LevelZero(generation) => {
                let run = |run: &Run| (run.generation, run.seqs);
                let expected = (generation, Range64::from(self.seqs.clone()));
                section.runs.len() == 1 && section.runs.iter().all(|found| run(found) == expected)
            }
            FileId::Segment(_) => {
                self.sections.first().is_some_and(|first| first.partition == section.partition)
            }
            FileId::Pack(_) => true,
        };
        if holds { Ok(()) } else { Err(format!("a section of {} in it", section.partition)) }
    }
}

impl SectionMeta {
    /// Whether the section is sound by itself, in a file of these sequence numbers.
    pub(crate) fn check(&self, seqs: &Range<u64>) -> Result<(), String> {
        let Self { rows, blocks, min_seq, max_seq, min_ts, max_ts, .. } = self;
        let inside = seqs.contains(min_seq) && seqs.contains(max_seq) && min_seq <= max_seq;
        if *rows == 0 || *blocks == 0 || u64::from(*blocks) > *rows || min_ts > max_ts || !inside {
            return Err(format!(
                "a section of {rows} events in {blocks} blocks, sequence numbers {min_seq} to \
                 {max_seq}, times {min_ts} to {max_ts}"
            ));
        }
        if *rows - 1 > max_seq - min_seq {
            return Err(format!("{rows} events of numbers {min_seq} to {max_seq}"));
        }
        self.check_runs()
    }

    /// Runs rise, and their events are those of the section.
    fn check_runs(&self) -> Result<(), String> {
        let runs = &self.runs;
        let rise = |a: &Run, b: &Run| a.generation < b.generation && a.seqs.end <= b.seqs.start;
        let sound = |run: &Run| {
            run.generation > 0 && run.seqs.start > 0 && (1..=run.seqs.len()).contains(&run.rows)
        };
        let rows = runs.iter().map(|run| u128::from(run.rows)).sum::<u128>();
        let ends = runs.first().zip(runs.last()).is_some_and(|(first, last)| {
            first.seqs.contains(self.min_seq) && last.seqs.contains(self.max_seq)
        });
        if runs.is_sorted_by(rise)
            && runs.iter().all(sound)
            && rows == u128::from(self.rows)
            && ends
        {
            return Ok(());
        }
        Err(format!("{} events in {} runs of {}", self.rows, runs.len(), self.partition))
    }
}
