//! What to compact next: from what the manifest says alone, without I/O.

use crate::limits::CompactionLimits;
use crate::manifest::{FileId, FileMeta, SectionMeta};
use crate::partition::PartitionKey;
use crate::timestamp::{Day, NS_PER_DAY, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the planner looks at.
#[derive(Debug)]
pub(crate) struct Situation<'a> {
    /// The live files.
    pub(crate) files: &'a [Arc<FileMeta>],
    /// Partitions that are left alone: a source of theirs is damaged.
    pub(crate) blocked: &'a BTreeSet<PartitionKey>,
    pub(crate) now: Timestamp,
    pub(crate) limits: &'a CompactionLimits,
    /// Whether everything counts as old: nothing stays in level-0 files.
    pub(crate) ignore_ages: bool,
}

/// One output, and the sections that it takes the place of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Job {
    /// Whether the output is a pack; otherwise it is a segment.
    pub(crate) is_pack: bool,
    /// How often the bytes of the output will have been written.
    pub(crate) writes: u8,
    /// Files, and the offsets of their sections, rising.
    pub(crate) sections: BTreeMap<FileId, Vec<u64>>,
    /// The bytes of these sections.
    pub(crate) bytes: u64,
    /// Their blocks: the output has about as many.
    pub(crate) blocks: u64,
}

/// Sections that are due on one day go together, so that their file can go whole. The day on which
/// a class is due is a fixed number of days after the partition day: until there are rules, class
/// and day stand for it.
type Due<'a> = (&'a str, Day);

fn due(partition: &PartitionKey) -> Due<'_> {
    (&partition.class, partition.day)
}

/// A level-0 file is sparse when less than one in so many of its bytes is live.
const SPARSE_SHARE: u64 = 2;

/// The level-0 sections of one partition, in sequence order.
#[derive(Debug, Default)]
struct Young<'a> {
    sections: Vec<(&'a FileMeta, &'a SectionMeta)>,
    bytes: u64,
    blocks: u64,
}

/// The next job, the most urgent first: partitions that are large within one generation, level-0
/// files that are too old, partitions with enough for a segment, files that are mostly given up,
/// closed days, merges.
pub(crate) fn next_job(situation: &Situation<'_>) -> Option<Job> {
    let planner = Planner::new(situation);
    planner
        .urgent()
        .or_else(|| planner.overdue())
        .or_else(|| planner.large())
        .or_else(|| planner.sparse())
        .or_else(|| planner.closed())
        .or_else(|| planner.merged_segments())
        .or_else(|| planner.merged_packs())
}

struct Planner<'a> {
    situation: &'a Situation<'a>,
    young: BTreeMap<&'a PartitionKey, Young<'a>>,
    last_generation: u64,
}

impl<'a> Planner<'a> {
    fn new(situation: &'a Situation<'a>) -> Self {
        let mut young: BTreeMap<_, Young<'a>> = BTreeMap::new();
        let mut last_generation = 0;
        for file in situation.files.iter().filter(|file| file.id.is_level_zero()) {
            last_generation = last_generation.max(file.id.number());
            for section in &file.sections {
                if !situation.blocked.contains(&section.partition) {
                    let young = young.entry(&section.partition).or_default();
                    young.sections.push((file, section));
                    young.bytes = young.bytes.saturating_add(section.len);
                    young.blocks = young.blocks.saturating_add(section.blocks.into());
                }
            }
        }
        for young in young.values_mut() {
            young.sections.sort_unstable_by_key(|(_, section)| section.min_seq);
        }
        Self { situation, young, last_generation }
    }

    fn limits(&self) -> &CompactionLimits {
        self.situation.limits
    }

    fn blocks_max(&self) -> u64 {
        self.limits().blocks_max as u64
    }

    /// A partition that has enough for a segment in one generation.
    fn urgent(&self) -> Option<Job> {
        let is_large = |(_, section): &(_, &SectionMeta)| section.len >= self.limits().urgent_bytes;
        let young = self.young.values().find(|young| young.sections.iter().any(is_large))?;
        Some(self.segment(young))
    }

    /// What is in a level-0 file that is too old.
    fn overdue(&self) -> Option<Job> {
        let age_max = ms(self.limits().level_zero_age_ms_max).cast_unsigned();
        // Of one from the future, for clocks are set back, nobody knows the age.
        let is_old = |(file, _): &(&FileMeta, _)| {
            self.situation.ignore_ages || self.situation.now.0.abs_diff(file.created) >= age_max
        };
        let mut overdue = self.young.iter().filter(|(_, young)| young.sections.iter().any(is_old));
        let (partition, young) = overdue.next()?;
        if !self.is_small(young) {
            return Some(self.segment(young));
        }
        // All that is due together, so that packs are few: what is not too old yet would be soon.
        Some(self.pack(due(partition)))
    }

    /// The partition that has most, if that is enough for a segment.
    fn large(&self) -> Option<Job> {
        let young = self.young.values().max_by_key(|young| young.bytes)?;
        (young.bytes >= self.limits().segment_bytes_min).then(|| self.segment(young))
    }

    /// What is left in a level-0 file whose other sections have moved to segments: the space of all
    /// of them is free only when the file goes.
    fn sparse(&self) -> Option<Job> {
        let files = self.situation.files.iter().filter(|file| file.id.is_level_zero());
        let mut sparse = files.filter(|file| live_bytes(file) < file.len / SPARSE_SHARE);
        let left = sparse.find_map(|file| {
            let partitions = file.sections.iter().map(|section| &section.partition);
            partitions.into_iter().find_map(|partition| self.young.get_key_value(partition))
        });
        let (partition, young) = left?;
        match self.is_small(young) {
            true => Some(self.pack(due(partition))),
            false => Some(self.segment(young)),
        }
    }

    /// A partition whose day has been over for a while, and into which nothing came lately.
    fn closed(&self) -> Option<Job> {
        let packed: BTreeSet<Due<'_>> = self.packs().filter_map(group_of).collect();
        let mut waiting: BTreeMap<Due<'_>, u64> = BTreeMap::new();
        for (partition, young) in self.young.iter().filter(|(_, young)| self.is_small(young)) {
            let bytes = waiting.entry(due(partition)).or_default();
            *bytes = bytes.saturating_add(young.bytes);
        }
        for (partition, young) in &self.young {
            if !self.is_closed(partition) || !self.is_quiet(young) {
                continue;
            }
            if !self.is_small(young) {
                return Some(self.segment(young));
            }
            // The first pack at once; for the few that come late one is enough when they are too
            // old, or many.
            let group = due(partition);
            let is_much = waiting.get(&group) >= Some(&self.limits().packed_bytes_max);
            if !packed.contains(&group) || is_much {
                return Some(self.pack(group));
            }
        }
        None
    }

    /// Whether a partition is too small for a segment of its own.
    fn is_small(&self, young: &Young<'_>) -> bool {
        young.bytes < self.limits().packed_bytes_max
    }

    fn is_closed(&self, partition: &PartitionKey) -> bool {
        let end = (i64::from(partition.day.0) + 1).saturating_mul(NS_PER_DAY);
        end.saturating_add(ms(self.limits().day_closed_after_ms)) < self.situation.now.0
    }

    /// Whether nothing came in the last generation, or that was long ago.
    fn is_quiet(&self, young: &Young<'_>) -> bool {
        young.sections.last().is_none_or(|(file, _)| {
            let age = self.situation.now.0.saturating_sub(file.created);
            file.id.number() < self.last_generation || age >= ms(self.limits().day_closed_after_ms)
        })
    }

    /// The oldest level-0 sections of a partition, as many as a segment takes.
    fn segment(&self, young: &Young<'_>) -> Job {
        let mut job = Job::new(false, 2);
        for (file, section) in &young.sections {
            let most = (self.limits().segment_bytes_max, self.blocks_max());
            if !job.takes((section.len, section.blocks.into()), most) {
                break;
            }
            job.add(file.id, section);
        }
        job
    }

    /// The partitions of a group that are too small for a segment.
    fn group<'s>(
        &'s self,
        group: Due<'s>,
    ) -> impl Iterator<Item = (&'s &'a PartitionKey, &'s Young<'a>)> {
        self.young
            .iter()
            .filter(move |(partition, young)| due(partition) == group && self.is_small(young))
    }

    /// All level-0 sections of a group's small partitions, as many as a pack takes: a partition's
    /// together, so that its sections in packs follow each other in sequence.
    fn pack(&self, group: Due<'_>) -> Job {
        let mut job = Job::new(true, 2);
        for (_, young) in self.group(group) {
            let most = (self.limits().pack_bytes_max, self.blocks_max());
            if !job.takes((young.bytes, young.blocks), most) {
                break;
            }
            for (file, section) in &young.sections {
                job.add(file.id, section);
            }
        }
        job
    }

    /// Segments of one partition that follow each other and were written equally often.
    fn merged_segments(&self) -> Option<Job> {
        let mut segments: BTreeMap<&PartitionKey, Vec<&FileMeta>> = BTreeMap::new();
        for file in self.situation.files {
            if let (FileId::Segment(_), [section, ..]) = (file.id, &*file.sections) {
                segments.entry(&section.partition).or_default().push(file);
            }
        }
        let bytes_max = self.limits().segment_bytes_max;
        segments.into_values().find_map(|files| self.merge(files, false, bytes_max))
    }

    /// Packs of one due day that follow each other and were written equally often.
    fn merged_packs(&self) -> Option<Job> {
        let mut packs: BTreeMap<Due<'_>, Vec<&FileMeta>> = BTreeMap::new();
        for file in self.packs() {
            if let Some(group) = group_of(file) {
                packs.entry(group).or_default().push(file);
            }
        }
        let bytes_max = self.limits().pack_bytes_max;
        packs.into_values().find_map(|files| self.merge(files, true, bytes_max))
    }

    fn packs(&self) -> impl Iterator<Item = &'a FileMeta> {
        let files = self.situation.files.iter();
        files.filter(|file| matches!(file.id, FileId::Pack(_))).map(|file| &**file)
    }

    /// Merges the first stretch that is long enough, as much of it as an output takes.
    fn merge(&self, mut files: Vec<&FileMeta>, is_pack: bool, bytes_max: u64) -> Option<Job> {
        let limits = self.limits();
        let blocked = |file: &FileMeta| {
            file.sections.iter().any(|s| self.situation.blocked.contains(&s.partition))
        };
        files.sort_unstable_by_key(|file| (file.seqs.end, file.id.number()));
        let stretches = files.chunk_by(|a, b| a.writes == b.writes && !blocked(a) && !blocked(b));
        for stretch in stretches.filter(|stretch| stretch[0].writes < limits.writes_max) {
            let mut rest = stretch;
            while rest.len() >= limits.fan_in {
                let (mut bytes, mut blocks) = (0u64, 0u64);
                let fits = |file: &&&FileMeta| {
                    bytes = bytes.saturating_add(live_bytes(file));
                    blocks = blocks.saturating_add(live_blocks(file));
                    bytes <= bytes_max && blocks <= self.blocks_max()
                };
                let count = rest.iter().take_while(fits).count();
                if count >= limits.fan_in {
                    let mut job = Job::new(is_pack, stretch[0].writes + 1);
                    for file in &rest[..count] {
                        file.sections.iter().for_each(|section| job.add(file.id, section));
                    }
                    return Some(job);
                }
                rest = &rest[1..];
            }
        }
        None
    }
}

/// What the sections of a pack are due with.
fn group_of(file: &FileMeta) -> Option<Due<'_>> {
    file.sections.first().map(|section| due(&section.partition))
}

fn live_bytes(file: &FileMeta) -> u64 {
    file.sections.iter().fold(0, |bytes, section| bytes.saturating_add(section.len))
}

fn live_blocks(file: &FileMeta) -> u64 {
    file.sections.iter().map(|section| u64::from(section.blocks)).sum()
}

fn ms(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX).saturating_mul(1_000_000)
}

impl Job {
    /// Writes a file again as it is; it counts as not written again, so that merges stay as planned.
    pub(crate) fn again(file: &FileMeta) -> Self {
        let mut job = Self::new(matches!(file.id, FileId::Pack(_)), file.writes);
        file.sections.iter().for_each(|section| job.add(file.id, section));
        job
    }

    fn new(is_pack: bool, writes: u8) -> Self {
        Self { is_pack, writes, sections: BTreeMap::new(), bytes: 0, blocks: 0 }
    }

    /// The bytes that the output has at most: an index may be larger than the filters that it takes
    /// the place of, and there is the directory.
    pub(crate) fn output_bytes_max(&self) -> u64 {
        let directory = self.blocks.saturating_mul(128).saturating_add(64 << 10);
        self.bytes.saturating_add(self.bytes / 8).saturating_add(directory)
    }

    /// Whether so many more bytes and blocks are within these bounds. The first always are.
    fn takes(&self, more: (u64, u64), most: (u64, u64)) -> bool {
        self.sections.is_empty()
            || (self.bytes.saturating_add(more.0) <= most.0
                && self.blocks.saturating_add(more.1) <= most.1)
    }

    fn add(&mut self, file: FileId, section: &SectionMeta) {
        let offsets = self.sections.entry(file).or_default();
        let place = offsets.partition_point(|offset| *offset < section.offset);
        offsets.insert(place, section.offset);
        self.bytes = self.bytes.saturating_add(section.len);
        self.blocks = self.blocks.saturating_add(section.blocks.into());
    }
}
