//! Reads a level-0 file: its directory, its blocks and their filters through the cache.

use super::cache::BlockCache;
use super::format::{self, BlockPlace, HEADER_LEN, Header, Section, TRAILER_LEN, Trailer};
use super::handles::{Handles, LazyFile};
use crate::block::{Block, Source};
use crate::codec::region::read_region;
use crate::error::{Corruption, Error, ErrorKind, Result};
use crate::index::Filter;
use crate::io::File;
use crate::manifest::FileMeta;
use std::path::Path;
use std::sync::Arc;

/// A level-0 file that the manifest names.
#[derive(Debug)]
pub(crate) struct SegmentFile {
    path: Arc<Path>,
    file: Arc<LazyFile>,
    /// The store that it is of, and what the manifest says of it.
    store: [u8; 16],
    meta: Arc<FileMeta>,
}

/// What the directory of a file says.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) header: Header,
    pub(crate) len: u64,
    pub(crate) sections: Vec<Section>,
    pub(crate) names: Vec<String>,
}

impl SegmentFile {
    /// The file that an entry of the manifest of `store` is about; nothing is read yet.
    pub(crate) fn new(
        handles: &Arc<Handles>,
        path: &Path,
        store: [u8; 16],
        meta: Arc<FileMeta>,
    ) -> Self {
        let path = Arc::from(path);
        Self { file: Arc::new(handles.file(&path)), path, store, meta }
    }

    /// The sections and their blocks.
    pub(crate) fn sections(&self, cache: &BlockCache) -> Result<Arc<Vec<Section>>> {
        if let Some(sections) = cache.sections(self.meta.generation) {
            return Ok(sections);
        }
        let sections = Arc::new(self.read_sections()?);
        cache.put_sections(self.meta.generation, &sections);
        Ok(sections)
    }

    /// A block of the file.
    pub(crate) fn block(&self, place: &BlockPlace, cache: &BlockCache) -> Result<Arc<Block>> {
        let key = (self.meta.generation, place.offset);
        if let Some(block) = cache.block(key) {
            return Ok(block);
        }
        let file = Arc::clone(&self.file) as Arc<dyn File>;
        let source = Source::File { file, path: Arc::clone(&self.path), offset: place.offset };
        let block = Arc::new(Block::open(source, &place.meta)?);
        cache.put_block(key, &block);
        Ok(block)
    }

    /// The filter of a block of the file.
    pub(crate) fn filter(&self, place: &BlockPlace, cache: &BlockCache) -> Result<Arc<Filter>> {
        let key = (self.meta.generation, place.offset);
        if let Some(filter) = cache.filter(key) {
            return Ok(filter);
        }
        let filter = match super::filter_of(&*self.block(place, cache)?, &self.path) {
            // The contract of the index: damage costs time, not answers.
            Err(error) if error.kind() == ErrorKind::Corrupt => Filter::Everything,
            filter => filter?,
        };
        let filter = Arc::new(filter);
        cache.put_filter(key, &filter);
        Ok(filter)
    }

    fn read_sections(&self) -> Result<Vec<Section>> {
        self.file.check()?;
        let path = &*self.path;
        let directory = read_directory(&*self.file, path)?;
        let Header { store, generation, seqs, .. } = directory.header;
        let FileMeta { generation: wanted, seqs: wanted_seqs, len, .. } = &*self.meta;
        if store != self.store
            || generation != *wanted
            || (seqs.0..seqs.1) != *wanted_seqs
            || directory.len != *len
        {
            return Err(Corruption {
                file: path.to_owned(),
                offset: 0,
                what: "segment",
                expected: format!(
                    "generation {wanted}, events {wanted_seqs:?}, {len} bytes of this store"
                ),
                found: format!(
                    "generation {generation}, events {:?}, {} bytes of store {store:02x?}",
                    seqs.0..seqs.1,
                    directory.len
                ),
            }
            .into());
        }
        Ok(directory.sections)
    }
}

/// Reads and verifies header, trailer and footer of a file.
pub(crate) fn read_directory(file: &dyn File, path: &Path) -> Result<Directory> {
    let len = file.len().map_err(|e| Error::io("read", path, e))?;
    if len < (HEADER_LEN + TRAILER_LEN) as u64 {
        return Err(Corruption {
            file: path.to_owned(),
            offset: 0,
            what: "segment",
            expected: format!("at least {} bytes", HEADER_LEN + TRAILER_LEN),
            found: len.to_string(),
        }
        .into());
    }
    let read = |buf: &mut [u8], at: u64| {
        file.read_exact_at(buf, at).map_err(|e| Error::io("read", path, e))
    };
    let mut bytes = [0; HEADER_LEN];
    read(&mut bytes, 0)?;
    let header = Header::decode(&bytes, path)?;
    let mut bytes = [0; TRAILER_LEN];
    read(&mut bytes, len - TRAILER_LEN as u64)?;
    let trailer = Trailer::decode(&bytes, len, path)?;
    // The trailer has checked that the footer lies in the file.
    let range = trailer.footer_offset..trailer.footer_offset + trailer.footer_len;
    let (sections, names) = read_region(file, path, range, "segment footer", |footer| {
        Ok(format::decode_footer(footer, &trailer, path)?)
    })?;
    Ok(Directory { header, len, sections, names })
}
