//! Level-0 files, segments and packs: which of their sections are damaged.

use super::aside::Aside;
use super::{DROPPED, Damage, Loss};
use crate::block::{self, Block, Source};
use crate::error::{Corruption, Error, ErrorKind, Result};
use crate::io::{File, Io};
use crate::manifest::{FileMeta, ManifestState, SectionMeta};
use crate::query::{RowsTable, Table as _};
use crate::segment::{self, BlockPlace, Section};
use crate::timestamp::Timestamp;
use std::path::Path;
use std::sync::Arc;

/// A file with damaged sections.
pub(super) struct DamagedFile {
    /// The first damage.
    pub(super) error: Error,
    meta: Arc<FileMeta>,
    /// The damaged sections, and what the file's own directory says of them, if it can be read.
    sections: Vec<(SectionMeta, Option<Section>)>,
}

/// Reads every block of a file's live sections. `None` if all is what was written.
pub(super) fn examine(
    io: &Io,
    dir: &Path,
    state: &ManifestState,
    meta: &Arc<FileMeta>,
) -> Result<Option<DamagedFile>> {
    let path = meta.id.path(dir);
    let all = |error: Error| {
        let sections = meta.sections.iter().map(|section| (section.clone(), None)).collect();
        Ok(Some(DamagedFile { error, meta: Arc::clone(meta), sections }))
    };
    let (file, sections) = match open(io, &path, state, meta) {
        Err(error) if error.kind() == ErrorKind::Corrupt || segment::is_missing(&error) => {
            return all(error);
        }
        opened => opened?,
    };
    let mut damaged: Option<DamagedFile> = None;
    for live in &meta.sections {
        let starts = |section: &&Section| {
            section.blocks.first().is_some_and(|block| block.offset == live.offset)
        };
        let section = sections.iter().find(starts);
        let Err(error) = check(&file, &path, live, section) else { continue };
        if error.kind() != ErrorKind::Corrupt {
            return Err(error);
        }
        let damaged = damaged.get_or_insert_with(|| DamagedFile {
            error,
            meta: Arc::clone(meta),
            sections: Vec::new(),
        });
        damaged.sections.push((live.clone(), section.cloned()));
    }
    Ok(damaged)
}

fn open(
    io: &Io,
    path: &Path,
    state: &ManifestState,
    meta: &FileMeta,
) -> Result<(Arc<dyn File>, Vec<Section>)> {
    let file = segment::open(&*io.storage, path, meta.len)?;
    let directory = segment::read_directory(&*file, path)?;
    let header = directory.header;
    let seqs = (meta.seqs.start, meta.seqs.end);
    if (header.store, header.id, header.seqs) == (state.store_uuid, meta.id, seqs) {
        return Ok((file, directory.sections));
    }
    Err(Corruption {
        file: path.to_owned(),
        offset: 0,
        what: "segment",
        expected: format!("{} of this store, events {:?}", meta.id, meta.seqs),
        found: format!("{} of store {:02x?}, events {:?}", header.id, header.store, header.seqs),
    }
    .into())
}

fn check(
    file: &Arc<dyn File>,
    path: &Path,
    live: &SectionMeta,
    section: Option<&Section>,
) -> Result<()> {
    let other = |found: String| -> Result<()> {
        let expected = format!("{}, {} events", live.partition, live.rows);
        let (file, offset) = (path.to_owned(), live.offset);
        Err(Corruption { file, offset, what: "section", expected, found }.into())
    };
    let Some(section) = section else { return other("no section".to_owned()) };
    let mut rows = 0;
    for place in &section.blocks {
        rows += read_block(file, path, place)?.rows() as u64;
    }
    if rows == live.rows && section.key == live.partition {
        return Ok(());
    }
    other(format!("{}, {rows} events", section.key))
}

fn open_block(file: &Arc<dyn File>, path: &Path, place: &BlockPlace) -> Result<Block> {
    let source = Source::File { file: Arc::clone(file), path: path.into(), offset: place.offset };
    Block::open(source, &place.meta)
}

/// Reads and verifies a block with all its columns.
fn read_block(file: &Arc<dyn File>, path: &Path, place: &BlockPlace) -> Result<Block> {
    let block = open_block(file, path, place)?;
    block::decode(&block)?;
    Ok(block)
}

impl DamagedFile {
    /// The offsets that name the damaged sections.
    pub(super) fn offsets(&self) -> Vec<u64> {
        self.sections.iter().map(|(live, _)| live.offset).collect()
    }

    /// Copies the file, if there is one, and every event of the damaged sections that can still be
    /// read. Returns how many.
    pub(super) fn set_aside(
        &self,
        aside: &mut Aside<'_>,
        io: &Io,
        dir: &Path,
        incarnation: u16,
    ) -> Result<u64> {
        let path = self.meta.id.path(dir);
        aside.copy(&path)?;
        let places = self.sections.iter().filter_map(|(_, section)| section.as_ref());
        let mut places = places.flat_map(|section| &section.blocks).peekable();
        if places.peek().is_none() {
            return Ok(0);
        }
        let file = io.storage.open(&path).map_err(|e| Error::io("open", &path, e))?;
        let mut readable = 0;
        for place in places {
            let rows = match open_block(&file, &path, place).and_then(|b| block::decode(&b)) {
                Err(error) if error.kind() == ErrorKind::Corrupt => continue,
                rows => rows?,
            };
            let all: Vec<usize> = (0..rows.len()).collect();
            let mut lines = Vec::new();
            for event in RowsTable::new(&rows, 0..rows.len()).fetch(&all, incarnation)? {
                event.write_line(&mut lines);
            }
            readable += all.len() as u64;
            aside.event_lines(&lines)?;
        }
        Ok(readable)
    }

    pub(super) fn into_damage(self, readable: u64) -> Damage {
        let loss = |(live, _): (SectionMeta, _)| Loss {
            partition: Some(live.partition.to_string()),
            events: Some(live.rows),
            seqs: (live.min_seq, Some(live.max_seq)),
            times: Some((Timestamp(live.min_ts), Timestamp(live.max_ts))),
        };
        let lost = self.sections.into_iter().map(loss).collect();
        Damage { error: self.error, lost, readable, remedy: DROPPED }
    }
}
