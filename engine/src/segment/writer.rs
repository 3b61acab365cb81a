//! Writes a file of sections: durable under its final name when [`Writer::finish`] returns, live
//! only once the manifest names it.

use super::format::{self, BlockPlace, Header, IndexPlace, Section, Trailer};
use crate::block::{BlockMeta, ListPart, ListPlace};
use crate::crypt::Output;
use crate::error::{Error, Result};
use crate::io::Io;
use crate::limits::SYNCED_AFTER;
use crate::manifest::{FileMeta, Run, SectionMeta};
use crate::names;
use crate::partition::PartitionKey;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The finished blocks of one partition, in sequence order.
#[derive(Debug)]
pub(crate) struct SectionBlocks {
    pub(crate) key: PartitionKey,
    pub(crate) blocks: Vec<(BlockMeta, Arc<[u8]>)>,
    /// The digest of the events, if there is one.
    pub(crate) digest: Option<[u8; 32]>,
}

/// The index of a section, for the segment's reader to find again.
#[derive(Debug)]
pub(crate) struct IndexPart {
    pub(crate) kind: u16,
    pub(crate) version: u16,
    pub(crate) bytes: Vec<u8>,
}

/// When and after how many other writings a file is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written {
    /// Now, in nanoseconds since the epoch.
    pub(crate) at: i64,
    /// How often its bytes are written since the log, this time included.
    pub(crate) times: u8,
}

/// Writes the sections of a generation as one file in the store at `dir`.
///
/// # Errors
/// `Full` or `Io`, `Closed` after a failed sync; what was written is then no file of the store.
pub(crate) fn write(
    io: &Io,
    dir: &Path,
    header: &Header,
    sections: &[SectionBlocks],
    column_names: impl IntoIterator<Item = String>,
) -> Result<FileMeta> {
    let mut writer = Writer::begin(io, dir, header)?;
    for section in sections {
        writer.begin_section(section.key.clone());
        for (meta, bytes) in &section.blocks {
            writer.put_block(meta, bytes)?;
        }
        let rows = section.blocks.iter().map(|(meta, _)| u64::from(meta.rows)).sum();
        let seqs = (header.seqs.0..header.seqs.1).into();
        let generation = header.id.number();
        let run = Run { generation, seqs, rows, digest: section.digest };
        writer.end_section(vec![run], None, None)?;
    }
    writer.finish(column_names, Written { at: io.clock.now().0, times: 1 })
}

/// A file that is being written, section by section. One that is not finished is no file of the
/// store: [`Writer::abandon`] gives its space back at once, the next opening does too.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    io: &'a Io,
    dir: &'a Path,
    header: Header,
    temporary: PathBuf,
    output: Output,
    /// How much of it was synced.
    synced: u64,
    sections: Vec<Section>,
    /// The section that is being written.
    open: Option<Section>,
}

impl<'a> Writer<'a> {
    /// Begins the file that the header names.
    ///
    /// # Errors
    /// `Full` or `Io`.
    pub(crate) fn begin(io: &'a Io, dir: &'a Path, header: &Header) -> Result<Self> {
        let temporary = names::temporary(&header.id.path(dir));
        // Left by a flush or a compaction that failed or was cut off.
        match io.storage.remove(&temporary) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("remove", &temporary, e));
            }
            _ => {}
        }
        let file = io.storage.create(&temporary).map_err(|e| Error::io("create", &temporary, e))?;
        let keys = io.storage.keys().map(|keys| &**keys);
        let begun = Output::begin(file, keys, &*io.entropy).and_then(|mut output| {
            output.put(&header.encode())?;
            Ok(output)
        });
        match begun {
            Ok(output) => {
                let (header, sections) = (*header, Vec::new());
                Ok(Self { io, dir, header, temporary, output, synced: 0, sections, open: None })
            }
            Err(error) => {
                // What stays is removed when the store is opened.
                let _ = io.storage.remove(&temporary);
                Err(Error::io("write", &temporary, error))
            }
        }
    }

    /// Begins the section of a partition; the one before has ended.
    pub(crate) fn begin_section(&mut self, key: PartitionKey) {
        let section =
            Section { key, blocks: Vec::new(), runs: Vec::new(), list: None, index: None };
        assert!(self.open.replace(section).is_none(), "one section at a time");
    }

    /// Appends a block, which comes behind all others of its section in sequence.
    ///
    /// # Errors
    /// `Full` or `Io`.
    pub(crate) fn put_block(&mut self, meta: &BlockMeta, bytes: &[u8]) -> Result<()> {
        assert_eq!(meta.len as usize, bytes.len(), "a block is as long as its meta says");
        let offset = self.output.len();
        self.put(bytes)?;
        let section = self.open.as_mut().expect("blocks are of a section");
        let last = section.blocks.last().map(|last| last.meta.max_seq);
        assert!(last.is_none_or(|last| last < meta.min_seq), "blocks rise and don't overlap");
        section.blocks.push(BlockPlace { offset, meta: *meta, list: None });
        Ok(())
    }

    /// Ends the section, which has these runs. `list` has the sentences that its blocks share.
    ///
    /// # Errors
    /// `Full` or `Io`.
    pub(crate) fn end_section(
        &mut self,
        runs: Vec<Run>,
        list: Option<&ListPart>,
        index: Option<IndexPart>,
    ) -> Result<()> {
        let mut section = self.open.take().expect("a section was begun");
        section.runs = runs;
        let offset = self.output.len();
        if let Some(part) = list {
            self.put(&part.bytes)?;
        }
        if let Some(part) = index {
            section.index = Some(IndexPlace {
                offset: self.output.len(),
                len: part.bytes.len() as u64,
                crc: crc32fast::hash(&part.bytes),
                kind: part.kind,
                version: part.version,
            });
            self.put(&part.bytes)?;
        }
        if let Some(part) = list {
            let (copy, len) = (self.output.len(), part.bytes.len() as u32);
            section.list = Some(ListPlace { offset, copy, len, memory: part.memory });
            self.put(&part.bytes)?;
        }
        self.sections.push(section);
        Ok(())
    }

    /// Writes the directory, syncs, and gives the file its name.
    ///
    /// # Errors
    /// `Full` or `Io`, `Closed` after a failed sync; what was written is then no file of the store.
    pub(crate) fn finish(
        mut self,
        column_names: impl IntoIterator<Item = String>,
        written: Written,
    ) -> Result<FileMeta> {
        assert!(self.open.is_none(), "every section has ended");
        let column_names = FileMeta::pick_columns(column_names);
        let footer = format::encode_footer(&self.sections, &column_names);
        let trailer = Trailer {
            footer_offset: self.output.len(),
            footer_len: footer.len() as u64,
            footer_crc: crc32fast::hash(&footer),
        };
        self.put(&footer)?;
        self.put(&trailer.encode())?;
        let storage = &self.io.storage;
        let (temporary, path) = (&self.temporary, self.header.id.path(self.dir));
        self.output.finish().map_err(|e| Error::io("write", temporary, e))?;
        self.output.file().sync_data().map_err(|e| Error::sync(temporary, e))?;
        storage.rename(temporary, &path).map_err(|e| Error::io("rename", temporary, e))?;
        let segments = names::segments_dir(self.dir);
        storage.sync_dir(&segments).map_err(|e| Error::sync(&segments, e))?;
        let sections = self.sections.into_iter().map(section_meta).collect::<Option<_>>();
        Ok(FileMeta {
            id: self.header.id,
            len: self.output.stored(),
            seqs: self.header.seqs.0..self.header.seqs.1,
            created: written.at,
            writes: written.times,
            checksum: Some(self.output.hash()),
            sections: sections.expect("a section has blocks, and all else behind them"),
            columns: column_names,
        })
    }

    /// Gives up the file.
    pub(crate) fn abandon(self) {
        // What stays is removed when the store is opened.
        let _ = self.io.storage.remove(&self.temporary);
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.output.put(bytes).map_err(|e| Error::io("write", &self.temporary, e))?;
        let written = self.output.stored();
        if written - self.synced >= SYNCED_AFTER {
            self.output.file().sync_data().map_err(|e| Error::sync(&self.temporary, e))?;
            self.synced = written;
        }
        Ok(())
    }
}

/// What the manifest says of a section; `None` if it has no block, or an index or a list before its blocks.
pub(crate) fn section_meta(section: Section) -> Option<SectionMeta> {
    let metas = || section.blocks.iter().map(|block| &block.meta);
    let (first, last) = (section.blocks.first()?, section.blocks.last()?);
    let blocks_end = last.offset.checked_add(u64::from(last.meta.len))?;
    let index_end = match section.index {
        Some(index) => index.offset.checked_add(index.len)?,
        None => blocks_end,
    };
    let end = match section.list {
        Some(list) => list.copy.checked_add(u64::from(list.len))?,
        None => index_end,
    };
    Some(SectionMeta {
        offset: first.offset,
        len: end.checked_sub(first.offset)?,
        blocks: u32::try_from(section.blocks.len()).ok()?,
        rows: metas().map(|meta| u64::from(meta.rows)).sum(),
        min_ts: metas().map(|meta| meta.min_ts).min()?,
        max_ts: metas().map(|meta| meta.max_ts).max()?,
        min_seq: first.meta.min_seq,
        max_seq: last.meta.max_seq,
        levels: metas().fold(0, |levels, meta| levels | meta.levels),
        raw_bytes: metas().fold(0, |sum: u64, meta| sum.saturating_add(meta.raw_bytes)),
        partition: section.key,
        runs: section.runs,
    })
}
