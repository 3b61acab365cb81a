//! Writes a level-0 file: durable under its final name when [`write`] returns, live only once the
//! manifest names it.

use super::format::{self, BlockPlace, Header, Section, Trailer};
use crate::block::BlockMeta;
use crate::error::{Error, Result};
use crate::io::{File, Io};
use crate::manifest::{FileMeta, SectionMeta};
use crate::names;
use crate::partition::PartitionKey;
use std::path::Path;
use std::sync::Arc;

/// The finished blocks of one partition, in sequence order.
#[derive(Debug)]
pub(crate) struct SectionBlocks {
    pub(crate) key: PartitionKey,
    pub(crate) blocks: Vec<(BlockMeta, Arc<[u8]>)>,
    /// The digest of its rows (see [`crate::proof`]).
    pub(crate) run_digest: Option<[u8; 32]>,
}

/// Writes the sections of a generation as one file in the store at `dir`.
///
/// # Errors
/// `Full` or `Io`; what was written is then no file of the store.
pub(crate) fn write(
    io: &Io,
    dir: &Path,
    header: &Header,
    sections: &[SectionBlocks],
    column_names: impl IntoIterator<Item = String>,
) -> Result<FileMeta> {
    let path = names::level_zero(dir, header.generation);
    let temporary = names::temporary(&path);
    // Left by a flush that failed or was cut off.
    match io.storage.remove(&temporary) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::io("remove", &temporary, e));
        }
        _ => {}
    }
    let file = io.storage.create(&temporary).map_err(|e| Error::io("create", &temporary, e))?;
    let mut out = Output { file: &*file, path: &temporary, len: 0, hasher: blake3::Hasher::new() };
    out.put(&header.encode())?;
    let mut directory = Vec::with_capacity(sections.len());
    for section in sections {
        let mut blocks = Vec::with_capacity(section.blocks.len());
        for (meta, bytes) in &section.blocks {
            assert_eq!(meta.len as usize, bytes.len(), "a block is as long as its meta says");
            blocks.push(BlockPlace { offset: out.len, meta: *meta });
            out.put(bytes)?;
        }
        directory.push(Section { key: section.key.clone(), blocks });
    }
    let column_names = FileMeta::pick_columns(column_names);
    let footer = format::encode_footer(&directory, &column_names);
    let trailer = Trailer {
        footer_offset: out.len,
        footer_len: footer.len() as u64,
        footer_crc: crc32fast::hash(&footer),
    };
    out.put(&footer)?;
    out.put(&trailer.encode())?;
    let (len, checksum) = (out.len, out.hasher.finalize());
    file.sync_data().map_err(|e| Error::io("sync", &temporary, e))?;
    io.storage.rename(&temporary, &path).map_err(|e| Error::io("rename", &temporary, e))?;
    let segments = names::segments_dir(dir);
    io.storage.sync_dir(&segments).map_err(|e| Error::io("sync", &segments, e))?;
    Ok(FileMeta {
        generation: header.generation,
        len,
        seqs: header.seqs.0..header.seqs.1,
        checksum: Some(*checksum.as_bytes()),
        sections: directory
            .iter()
            .zip(sections)
            .map(|(placed, blocks)| section_meta(placed, blocks.run_digest))
            .collect(),
        columns: column_names,
    })
}

struct Output<'a> {
    file: &'a dyn File,
    path: &'a Path,
    len: u64,
    hasher: blake3::Hasher,
}

impl Output<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all_at(bytes, self.len).map_err(|e| Error::io("write", self.path, e))?;
        self.hasher.update(bytes);
        self.len += bytes.len() as u64;
        Ok(())
    }
}

fn section_meta(section: &Section, run_digest: Option<[u8; 32]>) -> SectionMeta {
    let metas = || section.blocks.iter().map(|block| &block.meta);
    let first = section.blocks.first().expect("a section has blocks");
    let last = section.blocks.last().expect("a section has blocks");
    SectionMeta {
        partition: section.key.clone(),
        offset: first.offset,
        len: last.offset + u64::from(last.meta.len) - first.offset,
        blocks: section.blocks.len() as u32,
        rows: metas().map(|meta| u64::from(meta.rows)).sum(),
        min_ts: metas().map(|meta| meta.min_ts).min().expect("a section has blocks"),
        max_ts: metas().map(|meta| meta.max_ts).max().expect("a section has blocks"),
        min_seq: first.meta.min_seq,
        max_seq: last.meta.max_seq,
        levels: metas().fold(0, |levels, meta| levels | meta.levels),
        raw_bytes: metas().map(|meta| meta.raw_bytes).sum(),
        run_digest,
    }
}
