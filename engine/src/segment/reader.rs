//! Reads a file of sections: its directory, its blocks and their filters through the cache.

use super::cache::{BlockCache, Key};
use super::format::{
    self, BlockPlace, HEADER_LEN, Header, INDEX_KIND, INDEX_VERSION, Section, TRAILER_LEN, Trailer,
};
use super::handles::{Handles, LazyFile};
use crate::block::{self, Block, SharedSentences, Source};
use crate::codec::region::read_region;
use crate::cold::{self, ColdFile};
use crate::crypt::{Input, KeyId};
use crate::error::{Corruption, Error, ErrorKind, Result};
use crate::index::{Filter, Kept, SectionHits, SegmentIndex, Term};
use crate::io::{File, check_may_wait};
use crate::manifest::{FileId, FileMeta};
use crate::names;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

/// A file that the manifest names, or that a snapshot still reads.
#[derive(Debug)]
pub(crate) struct SegmentFile {
    path: Arc<Path>,
    /// As it is stored, here or in the archive.
    stored: Arc<LazyFile>,
    /// What the format sees of it.
    file: Arc<Input>,
    handles: Arc<Handles>,
    /// The store that it is of, and what the manifest says of it.
    store: [u8; 16],
    id: FileId,
    len: u64,
    seqs: (u64, u64),
    /// Whether the manifest has given it up, here: it is removed with its last reader.
    is_replaced: AtomicBool,
}

/// The head of an index has at least so many bytes, if the index has.
const INDEX_HEAD_BYTES: u64 = 1 << 10;

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
        Self::with(handles, path, store, meta, None)
    }

    /// The same of a file that is in the archive only: who has it open as a local one reads that. Panics for
    /// a file without a hash, which no edit says that of.
    pub(crate) fn evicted(
        handles: &Arc<Handles>,
        path: &Path,
        store: [u8; 16],
        meta: &FileMeta,
    ) -> Self {
        let blake3 = meta.checksum.expect("what leaves the disk has a hash");
        let name = names::in_store(&meta.id.path(Path::new("")));
        let cold = ColdFile { store, name, len: meta.len, blake3 };
        Self::with(handles, path, store, meta, Some(cold))
    }

    fn with(
        handles: &Arc<Handles>,
        path: &Path,
        store: [u8; 16],
        meta: &FileMeta,
        cold: Option<ColdFile>,
    ) -> Self {
        let path = Arc::from(path);
        let stored = Arc::new(handles.file(&path, cold));
        let file = Arc::new(Input::new(Arc::clone(&stored) as Arc<dyn File>, handles.keys()));
        Self {
            stored,
            file,
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

    /// Lets the file go with its last reader: the edit is durable that replaced all of it, or says that it
    /// is in the archive only.
    pub(crate) fn remove_when_unused(&self) {
        self.is_replaced.store(true, Relaxed);
    }

    /// Whether its bytes are in the archive only.
    pub(crate) fn is_evicted(&self) -> bool {
        self.stored.is_evicted()
    }

    /// Knows its key from another of the same bytes: the archive is far.
    pub(crate) fn take_key_of(&self, other: &Self) {
        if self.handles.keys().is_some() {
            self.file.take_key_of(&other.file);
        }
    }

    /// What the archive knows it by, if its bytes are there only.
    pub(crate) fn cold(&self) -> Option<&ColdFile> {
        self.stored.cold()
    }

    /// Where what the directory begins with is stored. Nothing if it is known.
    pub(crate) fn ends(&self, cache: &BlockCache) -> Vec<Range<u64>> {
        if cache.sections(self.id).is_some() {
            return Vec::new();
        }
        let trailer = self.len.saturating_sub(TRAILER_LEN as u64);
        [0..HEADER_LEN as u64, trailer..self.len].map(|range| self.file.stored(range)).into()
    }

    /// Where the head of a section's index is stored, or where it begins. Nothing if there is none, or it is
    /// known.
    pub(crate) fn index_head(&self, section: &Section, cache: &BlockCache) -> Option<Range<u64>> {
        let place = section.index.as_ref()?;
        if self.known_index(section, cache).is_some() {
            return None;
        }
        Some(self.file.stored(place.offset..place.offset + place.len.min(INDEX_HEAD_BYTES)))
    }

    /// Where pages of a section's index are stored.
    pub(crate) fn index_pages(&self, section: &Section, pages: &[Range<usize>]) -> Vec<Range<u64>> {
        let Some(place) = &section.index else { return Vec::new() };
        let at = |at: usize| place.offset.saturating_add(at as u64);
        pages.iter().map(|page| self.file.stored(at(page.start)..at(page.end))).collect()
    }

    /// Lets go what is kept on the disk of a file that is in the archive only; what is read of it after this is
    /// let go with its last reader.
    pub(crate) fn forget_cold(&self) {
        self.stored.forget_cold();
    }

    /// The bytes of a block, as they stand in the file.
    pub(crate) fn block_bytes(&self, place: &BlockPlace) -> Result<Vec<u8>> {
        let read = || {
            let mut bytes = vec![0; place.meta.len as usize];
            self.read(&*self.file, &mut bytes, place.offset, "block")?;
            Ok(bytes)
        };
        if !self.is_evicted() {
            return read();
        }
        // Who verifies it has no way to fetch it anew.
        cold::verified(&*self.file, || {
            let bytes = read()?;
            block::verify(&bytes.as_slice().into(), &place.meta, place.offset, &self.path)?;
            Ok(bytes)
        })
    }

    /// Fills `bytes` from `offset` of the file as it is stored.
    pub(crate) fn read_stored(&self, bytes: &mut [u8], offset: u64) -> Result<()> {
        self.read(&*self.stored, bytes, offset, "segment")
    }

    /// The key that the file is encrypted under, if it is.
    pub(crate) fn key_id(&self) -> Result<Option<KeyId>> {
        self.file.key_id().map_err(|e| Error::io("read", &self.path, e))
    }

    fn read(
        &self,
        file: &dyn File,
        bytes: &mut [u8],
        offset: u64,
        what: &'static str,
    ) -> Result<()> {
        file.read_exact_at(bytes, offset).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => Corruption {
                file: self.path.to_path_buf(),
                offset,
                what,
                expected: format!("{} bytes", bytes.len()),
                found: "the end of the file".to_owned(),
            }
            .into(),
            _ => Error::io("read", &self.path, e),
        })
    }

    /// The sections and their blocks, live or not.
    pub(crate) fn sections(&self, cache: &BlockCache) -> Result<Arc<Vec<Section>>> {
        check_may_wait();
        if let Some(sections) = cache.sections(self.id) {
            return Ok(sections);
        }
        let sections = Arc::new(cold::verified(&*self.file, || self.read_sections())?);
        cache.put_sections(self.id, &sections);
        Ok(sections)
    }

    /// What is opened here reads this file, and not the one of the same name that is elsewhere.
    pub(crate) fn key(&self, offset: u64) -> Key {
        Key { file: self.id, offset, is_evicted: self.is_evicted() }
    }

    /// A block of the file.
    pub(crate) fn block(&self, place: &BlockPlace, cache: &BlockCache) -> Result<Arc<Block>> {
        check_may_wait();
        let key = self.key(place.offset);
        // What could not be read where it was mapped may be read now.
        if let Some(block) = cache.block(key).filter(|block| block.is_intact()) {
            return Ok(block);
        }
        let file = Arc::clone(&self.file) as Arc<dyn File>;
        let source = Source::File { file, path: Arc::clone(&self.path), offset: place.offset };
        let block = Block::open(source, &place.meta)?.with_list(self.list(place, cache));
        let block = Arc::new(block);
        cache.put_block(key, &block);
        Ok(block)
    }

    /// The list of the section that a block of the file is of, if it has one.
    pub(crate) fn list(
        &self,
        place: &BlockPlace,
        cache: &BlockCache,
    ) -> Option<Arc<SharedSentences>> {
        let place = place.list?;
        let key = self.key(place.offset);
        if let Some(list) = cache.list(key) {
            return Some(list);
        }
        let file = Arc::clone(&self.file) as Arc<dyn File>;
        let list = Arc::new(SharedSentences::new(file, Arc::clone(&self.path), place));
        cache.put_list(key, &list);
        Some(list)
    }

    /// The filter of a block of the file.
    pub(crate) fn filter(&self, place: &BlockPlace, cache: &BlockCache) -> Result<Arc<Filter>> {
        check_may_wait();
        let key = self.key(place.offset);
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

    /// The index of a section, if it is open.
    pub(crate) fn known_index(
        &self,
        section: &Section,
        cache: &BlockCache,
    ) -> Option<Arc<SegmentIndex>> {
        cache.index(self.key(section.index.as_ref()?.offset))
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
        let key = self.key(place.offset);
        if let Some(index) = cache.index(key) {
            return Ok(Some(index));
        }
        let (path, counts) = (&self.path, cache.index_counts());
        // The directory has checked that it lies in the file.
        let range = place.offset..place.offset + place.len;
        // What can't be mapped is read page by page: here, because all of it would be decrypted first.
        let is_read = self.is_evicted() || self.file.is_decrypted();
        let kept: Kept = match (is_read, usize::try_from(place.len)) {
            (true, Ok(len)) => {
                let file = Arc::clone(&self.file) as Arc<dyn File>;
                Kept::There { file, start: place.offset, len }
            }
            _ => self.file.region(range).map_err(|e| Error::io("read", path, e))?.into(),
        };
        let open =
            || SegmentIndex::open(kept.clone(), section.blocks.len(), path, place.offset, counts);
        let index = cold::verified(&*self.file, open);
        let index = match index {
            // The contract of the index: damage costs time, not answers.
            Err(error) if error.kind() == ErrorKind::Corrupt => SegmentIndex::damaged(counts),
            index => index?,
        };
        let index = Arc::new(index);
        cache.put_index(key, &index);
        Ok(Some(index))
    }

    /// What the index of a section, if it has one, says of these terms.
    pub(crate) fn look_up<'a>(
        &self,
        section: &Section,
        terms: impl IntoIterator<Item = &'a Term>,
        cache: &BlockCache,
    ) -> Result<Option<SectionHits>> {
        let Some(index) = self.index(section, cache)? else { return Ok(None) };
        let hits = index.look_up(terms)?;
        if let (Some(grown), Some(place)) = (index.grown(), &section.index) {
            cache.put_index(self.key(place.offset), &Arc::new(grown));
        }
        Ok(Some(hits))
    }

    fn read_sections(&self) -> Result<Vec<Section>> {
        let path = &*self.path;
        self.stored.check().map_err(|error| missing(error, path, self.len))?;
        check_len(&*self.stored, path, self.len)?;
        let directory = read_directory(&*self.file, path)?;
        let Header { store, id, seqs, .. } = directory.header;
        if (store, id, seqs) != (self.store, self.id, self.seqs) {
            let describe =
                |id: FileId, seqs: (u64, u64)| format!("{id}, events {:?}", seqs.0..seqs.1);
            return Err(Corruption {
                file: path.to_owned(),
                offset: 0,
                what: "segment",
                expected: format!("{} of this store", describe(self.id, self.seqs)),
                found: format!("{} of store {store:02x?}", describe(id, seqs)),
            }
            .into());
        }
        Ok(directory.sections)
    }
}

impl Drop for SegmentFile {
    fn drop(&mut self) {
        if !*self.is_replaced.get_mut() {
            return;
        }
        // What is in the archive only may have readers who have the local copy open, the last of whom
        // removes it.
        if self.is_evicted() {
            // `C3`
            self.forget_cold();
        } else {
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
