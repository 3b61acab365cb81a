//! The dictionary of words: a tantivy index with one document a frame, kept in an index part.
//!
//! Only the words' postings are in it: nothing is stored, no positions, no norms. tantivy notices
//! neither damaged bytes nor its own surprise at them, so that no byte reaches it unverified, and
//! no panic gets out of it.
//!
//! - `W1` A document is a frame: number `block * FRAMES_PER_BLOCK + row / FRAME_ROWS_MAX`.
//! - `W2` The same frames give the same bytes: tantivy's random segment id is not kept.

use super::pages::Pages;
use crate::error::{Error, Result};
use parking_lot::Mutex;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use tantivy::directory::error::{DeleteError, OpenReadError, OpenWriteError};
use tantivy::directory::{Directory, FileHandle, OwnedBytes, WatchCallback, WatchHandle, WritePtr};
use tantivy::index::InvertedIndexReader;
use tantivy::schema::IndexRecordOption;
use tantivy::{DocSet, HasLen, Index, SegmentReader, TERMINATED};

/// The field that has the words, and their tokenizer.
pub(super) const FIELD: &str = "words";
pub(super) const META: &str = "meta.json";

/// Runs `work`, which calls tantivy, and makes an error of its panic.
pub(super) fn guarded<T>(what: &Path, work: impl FnOnce() -> tantivy::Result<T>) -> Result<T> {
    let done = catch_unwind(AssertUnwindSafe(work));
    let done = done.map_err(|_| io::Error::other("tantivy panicked"));
    done.and_then(|done| done.map_err(io::Error::other))
        .map_err(|e| Error::io("use the words of", what, e))
}

/// The name of one of tantivy's files without the segment's id.
pub(super) fn name_of(path: &Path) -> &str {
    let part = if path == Path::new(META) { path.file_name() } else { path.extension() };
    part.and_then(|name| name.to_str()).unwrap_or_default()
}

/// An open dictionary.
pub(super) struct WordIndex {
    inverted: Arc<InvertedIndexReader>,
    files: Arc<Files>,
    path: Arc<Path>,
    frames: u32,
}

impl fmt::Debug for WordIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WordIndex").field("frames", &self.frames).finish_non_exhaustive()
    }
}

impl WordIndex {
    /// Opens the dictionary of a section of so many frames.
    ///
    /// # Errors
    /// Bytes that are damaged, or that tantivy does not like.
    pub(super) fn open(files: &Arc<Files>, frames: u32) -> Result<Self> {
        let path = Arc::clone(&files.pages.bytes().path);
        let inverted = guarded(&path, || {
            let index = Index::open(FilesDirectory(Arc::clone(files)))?;
            let field = index.schema().get_field(FIELD)?;
            let segments = index.searchable_segments()?;
            let [segment] = &segments[..] else {
                return Err(tantivy::TantivyError::SystemError("not one segment".to_owned()));
            };
            if segment.meta().max_doc() != frames {
                let message = format!("{} frames, not {frames}", segment.meta().max_doc());
                return Err(tantivy::TantivyError::SystemError(message));
            }
            SegmentReader::open(segment)?.inverted_index(field)
        });
        let inverted = inverted.map_err(|error| files.why(error))?;
        Ok(Self { inverted, files: Arc::clone(files), path, frames })
    }

    /// Gives the frames that hold a word, by its key, to `found`.
    pub(super) fn look_up(&self, key: &[u8], found: impl FnMut(u32)) -> Result<()> {
        let found = guarded(&self.path, || match self.inverted.terms().get(key)? {
            Some(info) => self.postings(&info, found),
            None => Ok(()),
        });
        found.map_err(|error| self.files.why(error))
    }

    /// How many words there are.
    pub(super) fn words(&self) -> usize {
        self.inverted.terms().num_terms()
    }

    fn postings(
        &self,
        info: &tantivy::postings::TermInfo,
        mut found: impl FnMut(u32),
    ) -> tantivy::Result<()> {
        let basic = IndexRecordOption::Basic;
        let mut postings = self.inverted.read_postings_from_terminfo(info, basic)?;
        let mut frame = postings.doc();
        while frame != TERMINATED {
            if frame >= self.frames {
                return Err(tantivy::TantivyError::SystemError(format!("frame {frame}")));
            }
            found(frame);
            frame = postings.advance();
        }
        Ok(())
    }
}

/// tantivy's files in an index part.
#[derive(Debug)]
pub(super) struct Files {
    pages: Pages,
    /// Names, and where each file lies in the pages.
    files: Vec<(String, std::ops::Range<usize>)>,
    /// Why a page could not be read last: tantivy does not hand on errors whole.
    failed: Mutex<Option<Error>>,
}

impl Files {
    /// Files of these lengths, one behind the other in the pages.
    pub(super) fn new(pages: Pages, files: Vec<(String, usize)>) -> Self {
        let mut at = 0;
        let place = |(name, len): (String, usize)| {
            let start = at;
            at += len;
            (name, start..at)
        };
        Self { files: files.into_iter().map(place).collect(), pages, failed: Mutex::new(None) }
    }

    pub(super) fn pages(&self) -> &Pages {
        &self.pages
    }

    /// Why something failed that reads the files.
    fn why(&self, error: Error) -> Error {
        self.failed.lock().take().unwrap_or(error)
    }

    /// The names and lengths of the files.
    pub(super) fn lens(&self) -> impl Iterator<Item = (&str, usize)> {
        self.files.iter().map(|(name, range)| (&**name, range.len()))
    }

    /// A copy of these bytes of the pages, verified.
    fn read(&self, range: std::ops::Range<usize>) -> io::Result<Vec<u8>> {
        let page_bytes = super::pages::PAGE_BYTES;
        self.pages.will_need(range.start / page_bytes..range.end.div_ceil(page_bytes));
        let mut copy = Vec::with_capacity(range.len());
        let mut at = range.start;
        while at < range.end {
            let (page, from) = (at / page_bytes, at % page_bytes);
            let taken = self.pages.with(page, |bytes, _| {
                let end = bytes.len().min(from + (range.end - at));
                let part = bytes.get(from..end).unwrap_or_default();
                copy.extend_from_slice(part);
                part.len()
            });
            let taken = taken.map_err(|error| {
                *self.failed.lock() = Some(error.clone());
                io::Error::other(error)
            });
            match taken? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                taken => at += taken,
            }
        }
        Ok(copy)
    }
}

/// The files as tantivy sees them: it can read what it asks for, and nothing else.
#[derive(Debug, Clone)]
struct FilesDirectory(Arc<Files>);

/// One of the files. What is read of it is copied: the dictionary itself once, postings as needed.
#[derive(Debug)]
struct Handle {
    files: Arc<Files>,
    range: std::ops::Range<usize>,
}

impl HasLen for Handle {
    fn len(&self) -> usize {
        self.range.len()
    }
}

impl FileHandle for Handle {
    fn read_bytes(&self, range: std::ops::Range<usize>) -> io::Result<OwnedBytes> {
        if range.start > range.end || range.end > self.range.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let start = self.range.start;
        let bytes = self.files.read(start + range.start..start + range.end)?;
        Ok(OwnedBytes::new(bytes))
    }
}

impl FilesDirectory {
    fn handle(&self, path: &Path) -> Result<Handle, OpenReadError> {
        let name = name_of(path);
        let range = self.0.files.iter().find(|file| file.0 == name).map(|file| file.1.clone());
        match range {
            Some(range) => Ok(Handle { files: Arc::clone(&self.0), range }),
            None => Err(OpenReadError::FileDoesNotExist(path.to_owned())),
        }
    }
}

impl Directory for FilesDirectory {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        Ok(Arc::new(self.handle(path)?))
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        Ok(self.handle(path).is_ok())
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        let handle = self.handle(path)?;
        let read = self.0.read(handle.range);
        read.map_err(|e| OpenReadError::wrap_io_error(e, path.to_owned()))
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        Err(DeleteError::FileDoesNotExist(path.to_owned()))
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        Err(OpenWriteError::wrap_io_error(read_only(), path.to_owned()))
    }

    fn atomic_write(&self, _: &Path, _: &[u8]) -> io::Result<()> {
        Err(read_only())
    }

    fn sync_directory(&self) -> io::Result<()> {
        Err(read_only())
    }

    fn watch(&self, _: WatchCallback) -> tantivy::Result<WatchHandle> {
        Ok(WatchHandle::empty())
    }
}

fn read_only() -> io::Error {
    io::ErrorKind::ReadOnlyFilesystem.into()
}
