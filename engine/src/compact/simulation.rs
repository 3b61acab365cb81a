//! Weeks of a store, on paper: what flushes and jobs leave as the manifest would list it.

use super::plan::{Job, Situation, next_job};
use crate::limits::CompactionLimits;
use crate::manifest::{FileId, FileMeta, Run, SectionMeta};
use crate::partition::PartitionKey;
use crate::timestamp::{Day, NS_PER_DAY, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const CLASSES: usize = 18;

/// A store whose files are entries only.
struct Store {
    files: BTreeMap<FileId, Arc<FileMeta>>,
    limits: CompactionLimits,
    now: i64,
    next_file: u64,
    generation: u64,
    next_seq: u64,
    bytes_flushed: u64,
    bytes_compacted: u64,
    rows: u64,
    chance: u64,
}

impl Store {
    fn new(seed: u64) -> Self {
        Self {
            files: BTreeMap::new(),
            limits: CompactionLimits::default(),
            now: 20_000 * NS_PER_DAY,
            next_file: 1,
            generation: 0,
            next_seq: 1,
            bytes_flushed: 0,
            bytes_compacted: 0,
            rows: 0,
            chance: seed,
        }
    }

    /// A number below `below`: a linear congruential step, its upper half.
    fn below(&mut self, below: u64) -> u64 {
        self.chance =
            self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.chance >> 33) % below
    }

    /// One generation: each tenant's share falls with its number, each class's too; one event in
    /// twenty is of one of the days before.
    fn flush(&mut self, tenants: u64, bytes: u64) {
        let today = Timestamp(self.now).day().0;
        let mut sections: BTreeMap<PartitionKey, u64> = BTreeMap::new();
        for tenant in 0..tenants {
            for class in 0..CLASSES as u64 {
                let share = bytes / (tenant + 1) / (class + 1) / 12;
                let len = share / 2 + self.below(share.max(1));
                let late = len / 20;
                let day = today - 1 - self.below(3).min(self.below(3)) as i32;
                for (day, len) in [(today, len - late), (day, late)] {
                    if len >= 40 {
                        *sections.entry(key(tenant, class, day)).or_default() += len;
                    }
                }
            }
        }
        self.generation += 1;
        let seqs =
            self.next_seq..self.next_seq + sections.values().map(|len| len / 40).sum::<u64>();
        let mut seq = self.next_seq;
        let sections = sections.into_iter().map(|(partition, len)| {
            let rows = len / 40;
            let run =
                Run { generation: self.generation, seqs: seqs.clone().into(), rows, digest: None };
            seq += rows;
            section(partition, len, vec![run], (seq - rows, seq - 1))
        });
        let sections = sections.collect();
        self.next_seq = seqs.end;
        self.rows += seqs.end - seqs.start;
        let file = self.file(FileId::LevelZero(self.generation), 1, sections);
        self.bytes_flushed += file.len;
    }

    fn file(&mut self, id: FileId, writes: u8, sections: Vec<SectionMeta>) -> Arc<FileMeta> {
        let mut offset = 64;
        let mut sections = sections;
        for section in &mut sections {
            section.offset = offset;
            offset += section.len;
        }
        let seqs = sections.iter().map(|s| s.min_seq).min().unwrap()
            ..sections.iter().map(|s| s.max_seq).max().unwrap() + 1;
        let file = Arc::new(FileMeta {
            id,
            len: offset,
            seqs,
            created: self.now,
            writes,
            checksum: None,
            sections,
            columns: Vec::new(),
        });
        self.files.insert(id, Arc::clone(&file));
        file
    }

    /// Does all there is to do. Returns how many jobs that were.
    fn compact(&mut self) -> u64 {
        for jobs in 0.. {
            let files: Vec<_> = self.files.values().cloned().collect();
            let job = next_job(&Situation {
                files: &files,
                blocked: &BTreeSet::new(),
                now: Timestamp(self.now),
                limits: &self.limits,
                ignore_ages: false,
            });
            match job {
                Some(job) => self.run(&job),
                None => return jobs,
            }
        }
        unreachable!("jobs end")
    }

    fn run(&mut self, job: &Job) {
        let mut merged: BTreeMap<PartitionKey, Vec<SectionMeta>> = BTreeMap::new();
        for (id, offsets) in &job.sections {
            let file = Arc::make_mut(self.files.get_mut(id).expect("a live file"));
            assert!(file.writes < job.writes, "{id} was written {} times", file.writes);
            let gone = file.sections.extract_if(.., |s| offsets.contains(&s.offset));
            for section in gone {
                merged.entry(section.partition.clone()).or_default().push(section);
            }
            if file.sections.is_empty() {
                self.files.remove(id);
            }
        }
        assert!(job.is_pack || merged.len() == 1, "a segment has one partition");
        let sections = merged.into_iter().map(|(partition, mut gone)| {
            gone.sort_unstable_by_key(|section| section.min_seq);
            let apart = |a: &SectionMeta, b: &SectionMeta| a.max_seq < b.min_seq;
            assert!(gone.is_sorted_by(apart), "sections of {partition} overlap");
            let len = gone.iter().map(|section| section.len).sum();
            let runs = gone.iter().flat_map(|section| section.runs.clone()).collect();
            section(partition, len, runs, (gone[0].min_seq, gone[gone.len() - 1].max_seq))
        });
        let sections: Vec<_> = sections.collect();
        let id = match job.is_pack {
            true => FileId::Pack(self.next_file),
            false => FileId::Segment(self.next_file),
        };
        self.next_file += 1;
        let file = self.file(id, job.writes, sections);
        assert_eq!(file.len - 64, job.bytes, "a job knows its bytes");
        assert!(file.writes <= 4 && file.len <= self.limits.segment_bytes_max + 64);
        self.bytes_compacted += file.len;
    }

    fn check(&self) {
        let sections = || self.files.values().flat_map(|file| &file.sections);
        let rows: u64 = sections().flat_map(|s| &s.runs).map(|run| run.rows).sum();
        assert_eq!(rows, self.rows, "no event is lost or doubled");
        for file in self.files.values().filter(|file| file.id.is_level_zero()) {
            assert!(self.now - file.created < NS_PER_DAY, "{} is too old", file.id);
        }
    }

    fn write_amplification(&self) -> f64 {
        (self.bytes_flushed + self.bytes_compacted) as f64 / self.bytes_flushed as f64
    }
}

fn key(tenant: u64, class: u64, day: i32) -> PartitionKey {
    PartitionKey {
        tenant: format!("t{tenant}").into(),
        class: format!("c{class}").into(),
        day: Day(day),
    }
}

fn section(partition: PartitionKey, len: u64, runs: Vec<Run>, seqs: (u64, u64)) -> SectionMeta {
    SectionMeta {
        partition,
        offset: 0,
        len,
        blocks: 1,
        rows: runs.iter().map(|run| run.rows).sum(),
        min_ts: 0,
        max_ts: 0,
        min_seq: seqs.0,
        max_seq: seqs.1,
        levels: 8,
        raw_bytes: len,
        runs,
    }
}

/// Runs these many days; returns the most files there ever were after compacting.
fn live(store: &mut Store, days: i64, generations: i64, tenants: u64, bytes: u64) -> usize {
    let mut files_max = 0;
    for _ in 0..days * generations {
        store.now += NS_PER_DAY / generations;
        store.flush(tenants, bytes / generations as u64);
        store.compact();
        store.check();
        files_max = files_max.max(store.files.len());
    }
    files_max
}

/// 12,600 partitions and their late events. What has 4 MiB of its own is a file of its own: here a
/// hundred a day.
#[test]
fn two_weeks_of_fifty_tenants_are_few_files_written_few_times() {
    let mut store = Store::new(1);
    let files_max = live(&mut store, 14, 4, 50, 1 << 30);
    let amplification = store.write_amplification();
    let sections: usize = store.files.values().map(|file| file.sections.len()).sum();
    println!(
        "{files_max} files at most, {} at the end, {sections} sections, {amplification:.2} written",
        store.files.len()
    );
    assert!(files_max < 3_000, "{files_max} files");
    assert!(amplification <= 4.0, "{amplification}");
}

#[test]
fn any_life_writes_each_byte_four_times_at_most() {
    for seed in 1..6 {
        let mut store = Store::new(seed);
        for _ in 0..120 {
            let (tenants, scale) = (1 + store.below(4), store.below(12));
            store.now += store.below(NS_PER_DAY as u64 / 2) as i64;
            // From kilobytes to gigabytes in one generation.
            let bytes = 1 << (16 + scale);
            store.flush(tenants, bytes);
            store.compact();
            store.check();
        }
        assert!(store.write_amplification() <= 4.0, "{}", store.write_amplification());
    }
}
