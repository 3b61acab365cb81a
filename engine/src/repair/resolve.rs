//! Decides which file gives each run, and what the manifest has to say then.
//!
//! A run is the unit: the events of one partition in one generation. Every file that ever held it holds
//! all of it, in the same form, so that any one of them that is whole will do, and two of them would
//! double its events. What a merge has left behind, or has written without its edit, is found this way,
//! and so are sections that moved from a file that is still there for its others.

use super::Loss;
use super::blocks::FoundSection;
use super::evidence::Evidence;
use super::files::FoundFile;
use crate::manifest::{FileId, FileMeta, ManifestState, Range64, Run, SectionMeta, Tombstone};
use crate::partition::PartitionKey;
use crate::segment::BlockPlace;
use crate::timestamp::{Day, Timestamp};
use crate::wal::Beginning;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a store becomes.
#[derive(Debug)]
pub(super) struct Resolution {
    /// Its state, but for the files that are written anew.
    pub(super) state: ManifestState,
    pub(super) rewrites: Vec<Rewrite>,
    /// What is lost, and the file that had it last; `None` if nobody knows.
    pub(super) losses: Vec<(Option<FileId>, Loss)>,
}

/// What is taken from a file that can't stay as it is.
#[derive(Debug)]
pub(super) struct Rewrite {
    /// The file, by its place.
    pub(super) file: usize,
    /// Sections, by their place, and of each the places of its runs that are taken.
    pub(super) sections: BTreeMap<usize, Vec<usize>>,
}

/// A run of a partition.
type Key = (PartitionKey, u64);

/// Where a run is: file, section, run.
type Place = (usize, usize, usize);

/// Where a run was last, as manifests say.
type Named<'a> = BTreeMap<Key, (FileId, &'a SectionMeta, &'a Run)>;

/// The partition of events of which only the numbers are known.
const NOBODY_KNOWS: &str = "?";

pub(super) struct Resolver<'a> {
    pub(super) evidence: &'a Evidence,
    pub(super) files: &'a [FoundFile],
    /// Whether files of generations count that no manifest has.
    pub(super) adopts: bool,
    /// Where the log begins that the files have to reach, if that is not known from the manifest.
    pub(super) log: Option<Beginning>,
}

impl Resolver<'_> {
    pub(super) fn resolve(&self) -> Resolution {
        let mut named = self.named();
        let mut state = self.evidence.state.clone();
        state.files.clear();
        let before = state.tombstones.len();
        self.add_dropped(&mut state);
        for gone in &state.tombstones[before..] {
            keys_of(&gone.section).for_each(|key| {
                named.remove(&key);
            });
        }
        let gone: BTreeSet<Key> =
            state.tombstones.iter().flat_map(|t| keys_of(&t.section)).collect();
        let givers = self.givers(&named, &gone);
        let rewrites = self.place_files(&givers, &mut state);
        let files = &state.files;
        state.evicted.retain(|file| files.contains_key(file));
        let mut losses = Vec::new();
        self.add_lost(&named, &givers, &mut state, &mut losses);
        self.add_numbers(&givers, &mut state);
        if self.evidence.damage.is_some() || self.adopts {
            self.add_gaps(&givers, &mut state, &mut losses);
        }
        if !rewrites.is_empty() || state != self.evidence.state {
            // What is written anew must not take the place of what nobody names.
            let there = self.files.iter().map(|file| file.meta.id).filter(|id| !id.is_level_zero());
            let next = there.map(|id| id.number().saturating_add(1)).max();
            state.next_file = state.next_file.max(next.unwrap_or(1));
        }
        Resolution { state, rewrites, losses }
    }

    /// Every run in a section that a manifest names.
    fn named(&self) -> Named<'_> {
        let mut named = BTreeMap::new();
        for file in self.evidence.files.values() {
            for section in &file.sections {
                if self.dropped(file.id, section.offset).is_none() {
                    let runs = keys_of(section).zip(&section.runs);
                    named.extend(runs.map(|(key, run)| (key, (file.id, section, run))));
                }
            }
        }
        named
    }

    /// Why a section was dropped by an edit behind the damage.
    fn dropped(&self, file: FileId, offset: u64) -> Option<&str> {
        let is_it = |(id, offsets, _): &&(FileId, Vec<u64>, String)| {
            *id == file && offsets.contains(&offset)
        };
        self.evidence.dropped.iter().find(is_it).map(|(.., reason)| &**reason)
    }

    /// Tombstones for what edits behind the damage dropped.
    fn add_dropped(&self, state: &mut ManifestState) {
        let known = self.evidence.files.values().map(|file| (file.id, &file.sections[..]));
        let mut seen = BTreeSet::new();
        let found = self.files.iter().map(|file| (file.meta.id, &file.meta.sections[..]));
        for (file, sections) in known.chain(found) {
            for section in sections {
                let Some(reason) = self.dropped(file, section.offset) else { continue };
                if seen.insert((file, section.offset)) {
                    let (section, reason) = (section.clone(), reason.to_owned());
                    state.tombstones.push(Tombstone { file, section, reason });
                }
            }
        }
    }

    /// The best place of each run.
    fn givers(&self, named: &Named<'_>, gone: &BTreeSet<Key>) -> BTreeMap<Key, Place> {
        let mut givers: BTreeMap<Key, Place> = BTreeMap::new();
        for (file_at, file) in self.files.iter().enumerate() {
            for (section_at, section) in file.sections.iter().enumerate() {
                for (run_at, key) in keys_of(&section.meta).enumerate() {
                    let place = (file_at, section_at, run_at);
                    if !self.counts(place, &key, named, gone) {
                        continue;
                    }
                    let best = givers.entry(key).or_insert(place);
                    if self.rank(place) > self.rank(*best) {
                        *best = place;
                    }
                }
            }
        }
        givers
    }

    /// Whether a run may be taken from there at all.
    fn counts(&self, place: Place, key: &Key, named: &Named<'_>, gone: &BTreeSet<Key>) -> bool {
        let (section, run) = (self.section(place), self.run(place));
        if section.kept[place.2] == 0 {
            return false;
        }
        match named.get(key) {
            // What is left of a run that lost events before is not the whole of it.
            Some((.., last)) => last.seqs == run.seqs && run.rows <= last.rows,
            None if gone.contains(key) => false,
            None if self.evidence.damage.is_some() => true,
            // A flush without its edit.
            None => {
                let state = &self.evidence.state;
                let is_next = Some(key.1) > state.committed_generation;
                self.adopts && is_next && run.seqs.start == state.next_seq
            }
        }
    }

    /// More events first; then what a sound manifest names; then a file that can stay as it is; then what a
    /// merge wrote rather than what it read.
    fn rank(&self, place: Place) -> (u64, bool, bool, usize, FileId) {
        let (file, section) = (&self.files[place.0], self.section(place));
        let live = &self.evidence.state.files;
        // What is in the archive only can't be written anew from there.
        let is_evicted = self.evidence.state.evicted.contains(&file.meta.id);
        let is_live = self.evidence.damage.is_none()
            && live
                .get(&file.meta.id)
                .is_some_and(|live| live.section(section.meta.offset).is_some());
        (
            section.kept[place.2],
            is_live || is_evicted,
            file.error.is_none(),
            section.meta.runs.len(),
            file.meta.id,
        )
    }

    fn section(&self, place: Place) -> &FoundSection {
        &self.files[place.0].sections[place.1]
    }

    fn run(&self, place: Place) -> &Run {
        &self.section(place).meta.runs[place.2]
    }

    /// Leaves sections of sound files where they are if all of their runs are taken from them; all others
    /// are written anew.
    fn place_files(
        &self,
        givers: &BTreeMap<Key, Place>,
        state: &mut ManifestState,
    ) -> Vec<Rewrite> {
        let mut used: BTreeMap<usize, BTreeMap<usize, Vec<usize>>> = BTreeMap::new();
        for (file, section, run) in givers.values() {
            used.entry(*file).or_default().entry(*section).or_default().push(*run);
        }
        let mut rewrites = Vec::new();
        for (at, mut sections) in used {
            sections.values_mut().for_each(|runs| runs.sort_unstable());
            let file = &self.files[at];
            let stays = |section: usize, runs: &[usize]| {
                file.error.is_none() && runs.len() == file.sections[section].meta.runs.len()
            };
            let kept = sections.iter().filter(|(section, runs)| stays(**section, runs));
            let kept: Vec<_> = kept.map(|(at, _)| file.sections[*at].meta.clone()).collect();
            sections.retain(|section, runs| !stays(*section, runs));
            if !kept.is_empty() {
                let meta = FileMeta { sections: kept, ..file.meta.clone() };
                state.files.insert(meta.id, Arc::new(meta));
            }
            if !sections.is_empty() {
                rewrites.push(Rewrite { file: at, sections });
            }
        }
        rewrites
    }

    /// Tombstones for what is in no file any more: with the digest of the run as it was.
    fn add_lost(
        &self,
        named: &Named<'_>,
        givers: &BTreeMap<Key, Place>,
        state: &mut ManifestState,
        losses: &mut Vec<(Option<FileId>, Loss)>,
    ) {
        let mut all = named.clone();
        for (key, place) in givers {
            let file = self.files[place.0].meta.id;
            all.entry(key.clone()).or_insert((file, &self.section(*place).meta, self.run(*place)));
        }
        let mut lost: BTreeMap<(FileId, u64), (&SectionMeta, Vec<Run>)> = BTreeMap::new();
        for (key, (file, section, run)) in all {
            let kept = givers.get(&key).map_or(0, |place| self.section(*place).kept[place.2]);
            let rows = run.rows.saturating_sub(kept);
            if rows > 0 {
                let lost = lost.entry((file, section.offset)).or_insert((section, Vec::new()));
                // What a purge left of it is not what is there any more, and is proven no longer.
                let sealed = state.scars.remove(&key).map(|scar| scar.digest);
                lost.1.push(Run { rows, digest: sealed.or(run.digest), ..run.clone() });
            }
        }
        for ((file, _), (section, mut runs)) in lost {
            runs.sort_unstable();
            let rows = runs.iter().map(|run| run.rows).sum();
            let ends = (
                runs.first().map_or(0, |run| run.seqs.start).max(section.min_seq),
                runs.last().map_or(0, |run| run.seqs.end.saturating_sub(1)).min(section.max_seq),
            );
            let partition = section.partition.to_string();
            let found = self.found(file, section.offset);
            let exact = found.map(|found| lost_blocks(found, &partition)).unwrap_or_default();
            if exact.iter().filter_map(|loss| loss.events).sum::<u64>() == rows {
                losses.extend(exact.into_iter().map(|loss| (Some(file), loss)));
            } else {
                // Without a directory, what is lost is behind the last block that is not.
                let end = found.and_then(|found| found.blocks.last());
                let from = end.map_or(0, |last| last.place.meta.max_seq + 1);
                let from = if from <= ends.1 { from.max(ends.0) } else { ends.0 };
                let (events, seqs) = (Some(rows), (from, Some(ends.1)));
                let times = Some((Timestamp(section.min_ts), Timestamp(section.max_ts)));
                losses.push((Some(file), Loss { partition: Some(partition), events, seqs, times }));
            }
            let (min_seq, max_seq) = ends;
            let section = SectionMeta { rows, runs, min_seq, max_seq, ..section.clone() };
            let reason = "set aside by a repair: damaged or missing".to_owned();
            state.tombstones.push(Tombstone { file, section, reason });
        }
    }

    fn found(&self, file: FileId, offset: u64) -> Option<&FoundSection> {
        let file = self.files.iter().find(|found| found.meta.id == file)?;
        file.sections.iter().find(|section| section.meta.offset == offset)
    }

    /// What comes next: behind everything that is there or was.
    fn add_numbers(&self, givers: &BTreeMap<Key, Place>, state: &mut ManifestState) {
        let runs = givers.values().map(|place| self.run(*place));
        let gone = state.tombstones.iter().flat_map(|gone| &gone.section.runs);
        let last = runs.chain(gone).map(|run| (run.generation, run.seqs.end));
        let last = last.reduce(|a, b| (a.0.max(b.0), a.1.max(b.1))).unwrap_or((0, 1));
        let mut committed = state.committed_generation.unwrap_or(0).max(last.0);
        state.next_seq = state.next_seq.max(last.1);
        if let Some(log) = self.log.filter(|log| log.generation > committed + 1) {
            // Of the generations between no file is left.
            committed = log.generation - 1;
            state.next_seq = state.next_seq.max(log.first_seq.unwrap_or(1));
        }
        state.committed_generation = Some(committed).filter(|committed| *committed > 0);
    }

    /// Tombstones for events that must have been there, for their numbers were given, and of which
    /// nobody knows more.
    fn add_gaps(
        &self,
        givers: &BTreeMap<Key, Place>,
        state: &mut ManifestState,
        losses: &mut Vec<(Option<FileId>, Loss)>,
    ) {
        let mut generations: BTreeMap<u64, (Range64, u64)> = BTreeMap::new();
        let kept =
            givers.values().map(|place| (self.run(*place), self.section(*place).kept[place.2]));
        let gone = state.tombstones.iter().flat_map(|gone| &gone.section.runs);
        for (run, rows) in kept.chain(gone.map(|run| (run, run.rows))) {
            let sum = generations.entry(run.generation).or_insert((run.seqs, 0));
            sum.1 = sum.1.saturating_add(rows);
        }
        let mut gaps = Vec::new();
        let mut end = 1;
        for (generation, (seqs, rows)) in generations {
            if seqs.start > end {
                let between = Range64 { start: end, end: seqs.start };
                gaps.push((generation.saturating_sub(1), between, between.len()));
            }
            gaps.push((generation, seqs, seqs.len().saturating_sub(rows)));
            end = seqs.end;
        }
        let tail = Range64 { start: end, end: state.next_seq };
        gaps.push((state.committed_generation.unwrap_or(0), tail, tail.len()));
        for (generation, seqs, rows) in gaps.into_iter().filter(|(.., rows)| *rows > 0) {
            losses.push((
                None,
                Loss {
                    partition: None,
                    events: Some(rows),
                    seqs: (seqs.start, Some(seqs.end - 1)),
                    times: None,
                },
            ));
            state.tombstones.push(unknown(generation, seqs, rows));
        }
    }
}

/// Each stretch of damaged blocks, with what the directory of their file says of them.
fn lost_blocks(found: &FoundSection, partition: &str) -> Vec<Loss> {
    let sound = |seq: u64| found.blocks.partition_point(|block| block.place.meta.max_seq < seq);
    let stretches = found.lost.chunk_by(|a, b| sound(a.meta.min_seq) == sound(b.meta.min_seq));
    let loss = |stretch: &[BlockPlace]| {
        let metas = || stretch.iter().map(|place| &place.meta);
        Some(Loss {
            partition: Some(partition.to_owned()),
            events: Some(metas().map(|meta| u64::from(meta.rows)).sum()),
            seqs: (metas().map(|meta| meta.min_seq).min()?, metas().map(|meta| meta.max_seq).max()),
            times: metas()
                .map(|meta| (Timestamp(meta.min_ts), Timestamp(meta.max_ts)))
                .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))),
        })
    };
    stretches.filter_map(loss).collect()
}

/// Events of which only the numbers are known.
pub(super) fn unknown(generation: u64, seqs: Range64, rows: u64) -> Tombstone {
    let (tenant, class) = (NOBODY_KNOWS.into(), NOBODY_KNOWS.into());
    let section = SectionMeta {
        partition: PartitionKey { tenant, class, day: Day(0) },
        offset: 0,
        len: 0,
        blocks: 0,
        rows,
        min_ts: 0,
        max_ts: 0,
        min_seq: seqs.start,
        max_seq: seqs.end.saturating_sub(1),
        levels: 0,
        raw_bytes: 0,
        runs: vec![Run { generation, seqs, rows, digest: None }],
    };
    let reason = "told by a repair: lost, or dropped before".to_owned();
    Tombstone { file: FileId::LevelZero(generation), section, reason }
}

fn keys_of(section: &SectionMeta) -> impl Iterator<Item = Key> {
    section.runs.iter().map(|run| (section.partition.clone(), run.generation))
}
