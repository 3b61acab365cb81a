//! Writes what is sound in damaged files to new ones: full blocks are copied, as compaction does.

use super::blocks::FoundSection;
use super::files::FoundFile;
use super::resolve::Rewrite;
use crate::compact::{self, Failure, Input, Part, Place};
use crate::crypt;
use crate::error::{Error, Result};
use crate::io::{File, Io};
use crate::limits::Limits;
use crate::manifest::{FileId, FileMeta, ManifestState, Run};
use crate::pool::{Consumer, Pool};
use crate::segment::{BlockCache, Handles, SegmentFile};
use std::path::Path;
use std::sync::Arc;

/// Writes the files that take the place of damaged ones, and adds them to the state. They count once a
/// manifest says so.
pub(super) fn write_all(
    io: &Io,
    dir: &Path,
    limits: &Limits,
    files: &[FoundFile],
    rewrites: &[Rewrite],
    state: &mut ManifestState,
) -> Result<()> {
    let cache = BlockCache::new(limits.cache_bytes_max);
    let pool = Pool::new(limits.memory_bytes_max);
    let handles = Arc::new(Handles::new(Arc::clone(&io.storage), limits.files_open_max));
    for rewrite in rewrites {
        let found = &files[rewrite.file];
        let path = found.meta.id.path(dir);
        let source = Arc::new(SegmentFile::new(&handles, &path, state.store_uuid, &found.meta));
        let file = crypt::open_file(&*io.storage, &path);
        let file = file.map_err(|e| Error::io("open", &path, e))?;
        let parts = || parts(rewrite, found, &source, &file, &path);
        let (store, incarnation, number) = (state.store_uuid, state.incarnation, state.next_file);
        let place =
            Place { io, dir, limits, cache: &cache, store, incarnation, number, indexes: true };
        let is_pack = !matches!(found.meta.id, FileId::Segment(_));
        let times = found.meta.writes.saturating_add(1);
        let base = compact::memory_base(limits);
        let mut memory = pool.reserve(Consumer::Compaction, base).map_err(Error::from)?;
        let mut write = |place: &Place<'_>| {
            memory.shrink_to(base);
            let parts = parts().map_err(Failure::Output)?;
            compact::rewrite(place, (is_pack, times), parts, &mut memory, &mut || Ok(()))
        };
        let written = match write(&place) {
            Err(Failure::Index(_)) => write(&Place { indexes: false, ..place }),
            written => written,
        };
        let meta: FileMeta = written.map_err(|failure| match failure {
            Failure::Stopped(error)
            | Failure::Source(_, error)
            | Failure::Index(error)
            | Failure::Output(error) => error,
        })?;
        state.next_file += 1;
        state.files.insert(meta.id, Arc::new(meta));
    }
    Ok(())
}

/// The sections of the new file.
fn parts(
    rewrite: &Rewrite,
    found: &FoundFile,
    source: &Arc<SegmentFile>,
    file: &Arc<dyn File>,
    path: &Path,
) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    for (at, runs) in &rewrite.sections {
        let section = &found.sections[*at];
        let inputs = inputs(section, runs, source);
        let left = runs.iter().map(|run| left_of(section, *run, file, path));
        let partition = section.meta.partition.clone();
        parts.push(Part { partition, inputs, runs: left.collect::<Result<_>>()? });
    }
    parts.sort_unstable_by(|a, b| a.partition.cmp(&b.partition));
    Ok(parts)
}

fn inputs(section: &FoundSection, runs: &[usize], source: &Arc<SegmentFile>) -> Vec<Input> {
    let seqs = section.seqs_of(runs);
    let is_all = runs.len() == section.meta.runs.len();
    let touches = |min: u64, max: u64| seqs.iter().any(|seqs| seqs.start <= max && min < seqs.end);
    let blocks = section.blocks.iter();
    let blocks = blocks.filter(|block| touches(block.place.meta.min_seq, block.place.meta.max_seq));
    let input = |block: &super::blocks::FoundBlock| Input {
        file: Arc::clone(source),
        place: block.place.clone(),
        takes: (!is_all || !block.is_whole).then(|| Arc::clone(&seqs)),
    };
    blocks.map(input).collect()
}

/// What is left of a run: its count and its digest are those of the events that are.
fn left_of(section: &FoundSection, at: usize, file: &Arc<dyn File>, path: &Path) -> Result<Run> {
    let (run, kept) = (&section.meta.runs[at], section.kept[at]);
    if kept == run.rows || run.digest.is_none() {
        return Ok(Run { rows: kept, ..run.clone() });
    }
    let digest = Some(section.digest(file, path, run)?);
    Ok(Run { rows: kept, digest, ..run.clone() })
}
