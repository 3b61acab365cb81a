//! Which files have bytes of events that are to go.
//!
//! - `T1` a file keeps the bytes of sections that were dropped or have moved elsewhere until its last
//!   section goes. An exact purge is about those too: whatever matches in them makes their file touched.

use super::{Found, Wanted};
use crate::engine::state::{LiveFile, Shared};
use crate::error::{ErrorKind, Result};
use crate::manifest::{FileId, FileMeta, SectionMeta};
use crate::segment::Section;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The files that have events that are to go: in live sections, or in what is left of others. Reads the
/// footer of every file.
pub(super) fn touched_files<'a>(
    shared: &Arc<Shared>,
    files: &'a [LiveFile],
    found: &[Found],
    wanted: &Wanted<'_>,
) -> Result<Vec<&'a LiveFile>> {
    let live: BTreeSet<FileId> = found.iter().map(|found| found.file.meta.id).collect();
    let mut touched = Vec::new();
    for file in files {
        wanted.check_wanted()?;
        if live.contains(&file.meta.id) || has_remains(shared, file, wanted)? {
            touched.push(file);
        }
    }
    Ok(touched)
}

/// `T1`
fn has_remains(shared: &Arc<Shared>, file: &LiveFile, wanted: &Wanted<'_>) -> Result<bool> {
    let sections = file.file.sections(&shared.cache)?;
    for meta in sections.iter().filter_map(meta_of) {
        if file.meta.section(meta.offset).is_some() {
            continue;
        }
        let alone = FileMeta { sections: vec![meta.clone()], ..FileMeta::clone(&file.meta) };
        let alone = LiveFile { meta: Arc::new(alone), file: Arc::clone(&file.file) };
        match wanted.found_in(shared, (&alone, &meta)) {
            Ok(Some(found)) if found.seqs.is_empty() => {}
            Ok(_) => return Ok(true),
            // What can't be read may have such an event, and nobody needs it.
            Err(error) if error.kind() == ErrorKind::Corrupt => return Ok(true),
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// What the manifest said of a section as far as a search needs it.
fn meta_of(section: &Section) -> Option<SectionMeta> {
    let blocks = || section.blocks.iter().map(|block| &block.meta);
    Some(SectionMeta {
        partition: section.key.clone(),
        offset: section.blocks.first()?.offset,
        len: blocks().map(|meta| u64::from(meta.len)).sum(),
        blocks: u32::try_from(section.blocks.len()).ok()?,
        rows: blocks().map(|meta| u64::from(meta.rows)).sum(),
        min_ts: blocks().map(|meta| meta.min_ts).min()?,
        max_ts: blocks().map(|meta| meta.max_ts).max()?,
        min_seq: blocks().map(|meta| meta.min_seq).min()?,
        max_seq: blocks().map(|meta| meta.max_seq).max()?,
        levels: blocks().fold(0, |levels, meta| levels | meta.levels),
        raw_bytes: 0,
        runs: section.runs.clone(),
    })
}
