//! Reads a file of sections: its directory, its blocks and their filters through the cache.

use super::cache::BlockCache;
use super::format::{
    self, BlockPlace, HEADER_LEN, Header, INDEX_KIND, INDEX_VERSION, Section, TRAILER_LEN, Trailer,
};
use super::handles::{Handles, LazyFile};
use crate::block::{Block, Source};
use crate::codec::region::read_region;
use crate::error::{Corruption, Error, ErrorKind, Result};
use crate::index::{Filter, SegmentIndex};
use crate::io::{File, Storage, check_may_wait};
use crate::manifest::{FileId, FileMeta};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

/// A file that the manifest names, or that a snapshot still reads.
#[derive(Debug)]
pub(crate) struct SegmentFile {
    path: Arc<Path>,
    file: Arc<LazyFile>,
    handles: Arc<Handles>,
    /// The store that it is of, and what the manifest says of it.
    store: [u8; 16],
    id: FileId,
    len: u64,
    seqs: (u64, u64),
    /// Whether the manifest has given it up: it is removed with its last reader.
    is_replaced: AtomicBool,
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
        meta: &FileMeta,
    ) -> Self {
        let path = Arc::from(path);
        Self {
            file: Arc::new(handles.file(&path)),
            path,
            handles: Arc::clone(handles),
            store,
            id: meta.id,
            len: meta.len,
            seqs: (meta.seqs.start, meta.seqs.end),
            is_replaced: AtomicBool::new(false),
        }
    }

    /// Where the file is, for errors.
    pub(crate) fn path(&self) -> &Arc<Path> {
        &self.path
    }

    /// Lets the file go with its last reader: the edit that replaced all of it is durable.
    pub(crate) fn remove_when_unused(&self) {
        self.is_replaced.store(true, Relaxed);
    }

    /// The bytes of a block, as they stand in the file.
    pub(crate) fn block_bytes(&self, place: &BlockPlace) -> Result<Vec<u8>> {
        let mut bytes = vec![0; place.meta.len as usize];
        match self.file.read_exact_at(&mut bytes, place.offset) {
            Ok(()) => Ok(bytes),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Err(Corruption {
                file: self.path.to_path_buf(),
                offset: place.offset,
                what: "block",
                expected: format!("{} bytes", place.meta.len),
                found: "the end of the file".to_owned(),
            }
            .into()),
            Err(e) => Err(Error::io("read", &self.path, e)),
        }
    }

    /// The sections and their blocks, live or not.
    pub(crate) fn sections(&self, cache: &BlockCache) -> Result<Arc<Vec<Section>>> {
        check_may_wait();
        if let Some(sections) = cache.sections(self.id) {
            return Ok(sections);
        }
        let sections = Arc::new(self.read_sections()?);
        cache.put_sections(self.id, &sections);
        Ok(sections)
    }

    /// A block of the file.
    pub(crate) fn block(&self, place: &BlockPlace, cache: &BlockCache) -> Result<Arc<Block>> {
        check_may_wait();
        let key = (self.id, place.offset);
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
        check_may_wait();
        let key = (self.id, place.offset);
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

    /// The index of a section of the file, if it has one.
    pub(crate) fn index(
        &self,
        section: &Section,
        cache: &BlockCache,
    ) -> Result<Option<Arc<SegmentIndex>>> {
        check_may_wait();
        let Some(place) = &section.index else { return Ok(None) };
        if (place.kind, place.version) != (INDEX_KIND, INDEX_VERSION) {
            return Ok(None);
        }
        let key = (self.id, place.offset);
        if let Some(index) = cache.index(key) {
            return Ok(Some(index));
        }
        let (path, faults) = (&self.path, cache.index_faults());
        // The directory has checked that it lies in the file.
        let range = place.offset..place.offset + place.len;
        let region = self.file.region(range).map_err(|e| Error::io("read", path, e))?;
        let index = SegmentIndex::open(region, section.blocks.len(), path, place.offset, faults);
        let index = match index {
            // The contract of the index: damage costs time, not answers.
            Err(error) if error.kind() == ErrorKind::Corrupt => SegmentIndex::damaged(faults),
            index => index?,
        };
        let index = Arc::new(index);
        cache.put_index(key, &index);
        Ok(Some(index))
    }

    fn read_sections(&self) -> Result<Vec<Section>> {
        let path = &*self.path;
        self.file.check().map_err(|error| missing(error, path, self.len))?;
        check_len(&*self.file, path, self.len)?;
        let directory = read_directory(&*self.file, path)?;
        let Header { store, id, seqs, .. } = directory.header;
        if (store, id, seqs, directory.len) != (self.store, self.id, self.seqs, self.len) {
            let describe = |id: FileId, seqs: (u64, u64), len: u64| {
                format!("{id}, events {:?}, {len} bytes", seqs.0..seqs.1)
            };
            return Err(Corruption {
                file: path.to_owned(),
                offset: 0,
                what: "segment",
                expected: format!("{} of this store", describe(self.id, self.seqs, self.len)),
                found: format!("{} of store {store:02x?}", describe(id, seqs, directory.len)),
            }
            .into());
        }
        Ok(directory.sections)
    }
}

impl Drop for SegmentFile {
    fn drop(&mut self) {
        if *self.is_replaced.get_mut() {
            // What stays is removed when the store is opened.
            let _ = self.handles.remove(&self.path);
        }
    }
}

/// What to say of a file of so many bytes that is not there. It may be there again later: the error
/// stays one of the operating system.
fn missing(error: Error, path: &Path, len: u64) -> Error {
    if !is_missing(&error) {
        return error;
    }
    let (file, expected) = (path.to_owned(), format!("a file of {len} bytes"));
    let found = "no file".to_owned();
    let what = Corruption { file, offset: 0, what: "segment", expected, found };
    error.with_message(what.to_string())
}

/// Whether a file is not there.
pub(crate) fn is_missing(error: &Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref());
    cause.is_some_and(|cause: &io::Error| cause.kind() == io::ErrorKind::NotFound)
}

/// Opens a file of which the manifest says that it has so many bytes.
pub(crate) fn open(storage: &dyn Storage, path: &Path, len: u64) -> Result<Arc<dyn File>> {
    let opened = storage.open(path).map_err(|e| Error::io("open", path, e));
    let file = opened.map_err(|error| missing(error, path, len))?;
    check_len(&*file, path, len)?;
    Ok(file)
}

/// The length tells best what has become of a file that was cut off.
fn check_len(file: &dyn File, path: &Path, len: u64) -> Result<()> {
    let there = file.len().map_err(|e| Error::io("read", path, e))?;
    if there == len {
        return Ok(());
    }
    Err(Corruption {
        file: path.to_owned(),
        offset: there.min(len),
        what: "segment",
        expected: format!("{len} bytes"),
        found: format!("{there}"),
    }
    .into())
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
    let (header, version) = Header::decode(&bytes, path)?;
    let mut bytes = [0; TRAILER_LEN];
    read(&mut bytes, len - TRAILER_LEN as u64)?;
    let trailer = Trailer::decode(&bytes, len, path)?;
    // The trailer has checked that the footer lies in the file.
    let range = trailer.footer_offset..trailer.footer_offset + trailer.footer_len;
    let (sections, names) = read_region(file, path, range, "segment footer", |footer| {
        Ok(format::decode_footer(footer, &trailer, version, path)?)
    })?;
    Ok(Directory { header, len, sections, names })
}
