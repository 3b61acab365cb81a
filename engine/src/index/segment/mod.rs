//! The index of a section, built once when it is compacted: which frames of which blocks may hold
//! a term. `docs/format/segment-index.md` has the bytes.
//!
//! Words are in a dictionary (tantivy) that names frames, all other terms in a map of hashes that
//! names blocks, and so are words of texts with sentences and of hexadecimal ids: such columns are not
//! searched by frames. Which terms can be words follows from their shape alone.
//!
//! - `S1` A term of a row names the row's frame: nothing that was added is left out.
//! - `S2` What is damaged, unknown, or makes tantivy fail stands for "every frame", and is counted.

mod builder;
mod check;
mod elias_fano;
mod format;
#[cfg(any(test, feature = "testing"))]
mod fuzzing;
#[cfg(test)]
mod golden;
mod hits;
mod ids;
mod pages;
mod recent;
mod rows;
mod sentences;
#[cfg(test)]
mod tests;
mod vocabulary;
mod words;
mod words_write;

pub(crate) use builder::{BlockTerms, SegmentIndexBuilder};
pub(crate) use check::SectionCheck;
#[cfg(feature = "testing")]
pub(crate) use fuzzing::fuzz;
pub(crate) use hits::{BlockIndex, EVERY_FRAME, FrameMask, SectionHits};
pub(crate) use pages::Kept;

use super::term::Term;
use crate::codec::slice::Slice;
use crate::error::{Error, ErrorKind, Result};
use format::{FRAMES_PER_BLOCK, Head};
use hits::SectionFrames;
use pages::{Bytes, Pages};
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use words::{Files, WordIndex};

/// Blocks of a section with an index at most.
pub(crate) const SECTION_BLOCKS_MAX: u32 = ids::BLOCKS_MAX;

/// The index of a section.
#[derive(Debug)]
pub(crate) struct SegmentIndex {
    /// `None` if there is nothing to ask.
    parts: Option<Arc<Parts>>,
    counts: IndexCounts,
    /// Whether its bytes are with those of the dictionary of words, which is opened when a word is first
    /// asked for. What an entry of a cache weighs must not change while it is one.
    counts_words: bool,
}

/// What is counted of indexes.
#[derive(Debug, Clone, Default)]
pub(crate) struct IndexCounts(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    faults: AtomicU64,
    new_pages: AtomicU64,
}

#[derive(Debug)]
struct Parts {
    blocks: u32,
    bytes: Bytes,
    words_start: usize,
    files: Arc<Files>,
    /// Opened when a word is first asked for; `None` if that fails.
    words: OnceLock<Option<WordIndex>>,
    hash_bits: u8,
    /// Whether words may be among the ids.
    ids_have_words: bool,
    /// The first hash of each page of ids.
    firsts: Box<[u64]>,
    ids: Pages,
}

/// Whether it is no fault of the index: the archive can't be read, or the query that reads it is over.
fn is_of_archive(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Away | ErrorKind::Deadline | ErrorKind::Cancelled)
}

impl IndexCounts {
    /// How many lookups took an index as absent because of damage.
    pub(crate) fn faults(&self) -> u64 {
        self.0.faults.load(Ordering::Relaxed)
    }

    /// How many pages were touched for the first time.
    pub(crate) fn new_pages(&self) -> u64 {
        self.0.new_pages.load(Ordering::Relaxed)
    }

    fn add_fault(&self) {
        self.0.faults.fetch_add(1, Ordering::Relaxed);
    }

    fn add_new_page(&self) {
        self.0.new_pages.fetch_add(1, Ordering::Relaxed);
    }
}

impl SegmentIndex {
    /// The index of a section of so many blocks, which all of `kept` is; it begins at `offset` of the
    /// file. One of an unknown version rules nothing out. Only its head is read.
    ///
    /// # Errors
    /// `Corrupt` if the head is damaged or of another section, `Io`.
    pub(crate) fn open(
        kept: impl Into<Kept>,
        blocks: usize,
        path: &Arc<Path>,
        offset: u64,
        counts: &IndexCounts,
    ) -> Result<Self> {
        let kept = kept.into();
        let bytes = Bytes { kept, path: Arc::clone(path), offset, counts: counts.clone() };
        let len = bytes.kept.len();
        let header = 0..len.min(format::HEADER_LEN);
        let head = 0..bytes.read(header, |header| format::head_len(header, len))?;
        bytes.kept.will_need(&head);
        let head = bytes.read(head, |bytes| format::decode(bytes, len, offset, path))??;
        let Some(head) = head else {
            return Ok(Self::of(None, counts));
        };
        if head.blocks as usize != blocks {
            let (expected, found) = (format!("{blocks} blocks"), head.blocks.to_string());
            return Err(bytes.corrupt("segment index", 0, expected, found).into());
        }
        Ok(Self::of(Some(Parts::new(head, bytes)), counts))
    }

    fn of(parts: Option<Parts>, counts: &IndexCounts) -> Self {
        Self { parts: parts.map(Arc::new), counts: counts.clone(), counts_words: false }
    }

    /// The same index, to be kept in its place, if it takes more than [`SegmentIndex::heap_bytes`] says.
    pub(crate) fn grown(&self) -> Option<Self> {
        let parts = self.parts.as_ref().filter(|parts| !self.counts_words && parts.has_words())?;
        let (parts, counts) = (Some(Arc::clone(parts)), self.counts.clone());
        Some(Self { parts, counts, counts_words: true })
    }

    /// In place of an index that does not open: it rules nothing out. The damage is counted.
    pub(crate) fn damaged(counts: &IndexCounts) -> Self {
        counts.add_fault();
        Self::of(None, counts)
    }

    /// What is known of these terms.
    ///
    /// # Errors
    /// Those of an archive that can't be read, and of a query that ends while it is.
    pub(crate) fn look_up<'a>(
        &self,
        terms: impl IntoIterator<Item = &'a Term>,
    ) -> Result<SectionHits> {
        let Some(parts) = &self.parts else { return Ok(SectionHits::default()) };
        let mut hits = std::collections::HashMap::new();
        for term in terms {
            if !hits.contains_key(term) {
                let frames = match parts.frames(term) {
                    Err(error) if is_of_archive(&error) => return Err(error),
                    frames => frames.unwrap_or_else(|_| {
                        self.counts.add_fault();
                        SectionFrames::Every
                    }),
                };
                hits.insert(term.clone(), frames);
            }
        }
        Ok(SectionHits::new(hits))
    }

    /// Lets the system read ahead what is read for these terms.
    pub(crate) fn will_need<'a>(&self, terms: impl IntoIterator<Item = &'a Term>) {
        let Some(parts) = &self.parts else { return };
        for term in terms.into_iter().filter(|term| parts.ids_may_have(term)) {
            let page = parts.page_of(parts.hash(term));
            parts.ids.will_need(page..page + 1);
        }
    }

    /// The pages of ids that are read for these terms.
    pub(crate) fn pages_of<'a>(
        &self,
        terms: impl IntoIterator<Item = &'a Term>,
    ) -> Vec<Range<usize>> {
        let Some(parts) = &self.parts else { return Vec::new() };
        let ids = terms.into_iter().filter(|term| parts.ids_may_have(term));
        let pages: BTreeSet<usize> = ids.map(|term| parts.page_of(parts.hash(term))).collect();
        pages.into_iter().filter_map(|page| parts.ids.place(page)).collect()
    }

    /// The bytes that it takes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        let Some(parts) = &self.parts else { return size_of::<Self>() };
        // Of tantivy's files an open dictionary has a copy of the most part.
        let words: usize = match self.counts_words {
            true => parts.files.lens().map(|(_, len)| len).sum(),
            false => 0,
        };
        let kept = match &parts.bytes.kept {
            Kept::Here(region) => region.heap_bytes(),
            Kept::There { .. } => 0,
        };
        let pages = parts.ids.heap_bytes() + parts.files.pages().heap_bytes();
        size_of::<Self>() + size_of::<Parts>() + pages + size_of_val(&*parts.firsts) + kept + words
    }

    /// The bytes of its parts, by name.
    pub(crate) fn sizes(&self) -> Vec<(String, usize)> {
        let Some(parts) = &self.parts else { return Vec::new() };
        let mut sizes = vec![("head".to_owned(), parts.words_start)];
        sizes.extend(parts.files.lens().map(|(name, len)| (format!("words {name}"), len)));
        let words: usize = parts.files.lens().map(|(_, len)| len).sum();
        let ids = parts.bytes.kept.len() - parts.words_start - words;
        sizes.push((format!("ids in {} pages", parts.ids.len()), ids));
        sizes
    }

    /// Verifies every page. Returns the number of words.
    ///
    /// # Errors
    /// `Corrupt`, `Io`.
    pub(crate) fn verify(&self) -> Result<usize> {
        let Some(parts) = &self.parts else { return Ok(0) };
        parts.files.pages().verify()?;
        parts.ids.verify()?;
        Ok(WordIndex::open(&parts.files, parts.frame_count())?.words())
    }
}

impl Parts {
    fn new(head: Head, bytes: Bytes) -> Self {
        let len = head.words.len();
        let word_pages = head.word_crcs.iter().enumerate().map(|(page, crc)| {
            let start = page * pages::PAGE_BYTES;
            (len.saturating_sub(start).min(pages::PAGE_BYTES), *crc)
        });
        let word_pages = Pages::new(bytes.clone(), "word index", head.words.start, word_pages);
        let id_pages = head.id_pages.iter().map(|page| (page.len, page.crc));
        Self {
            blocks: head.blocks,
            words_start: head.words.start,
            files: Arc::new(Files::new(word_pages, head.files)),
            words: OnceLock::new(),
            hash_bits: head.hash_bits,
            ids_have_words: head.ids_have_words,
            firsts: head.id_pages.iter().map(|page| page.first).collect(),
            ids: Pages::new(bytes.clone(), "id map", head.ids_start, id_pages),
            bytes,
        }
    }

    fn frame_count(&self) -> u32 {
        self.blocks * FRAMES_PER_BLOCK as u32
    }

    fn frames(&self, term: &Term) -> Result<SectionFrames> {
        let mut masks = vec![0; self.blocks as usize].into_boxed_slice();
        if let Some(key) = term.word_key() {
            let Some(words) = self.words()? else {
                let found = "none that opens";
                return Err(self.bytes.corrupt("word index", 0, "a dictionary", found).into());
            };
            words.look_up(key, |frame| {
                let frame = frame as usize;
                masks[frame / FRAMES_PER_BLOCK] |= 1 << (frame % FRAMES_PER_BLOCK);
            })?;
        }
        if self.ids_may_have(term) {
            self.blocks_of(term, |block| masks[block as usize] = EVERY_FRAME)?;
        }
        Ok(SectionFrames::Of(masks))
    }

    /// Whether the id map is to be asked for a term.
    fn ids_may_have(&self, term: &Term) -> bool {
        self.ids_have_words || term.word_key().is_none()
    }

    /// Whether the words have been opened.
    fn has_words(&self) -> bool {
        self.words.get().is_some_and(Option::is_some)
    }

    /// The words, `None` if they are damaged. That they can't be read now is not kept.
    fn words(&self) -> Result<Option<&WordIndex>> {
        if let Some(words) = self.words.get() {
            return Ok(words.as_ref());
        }
        let words = match WordIndex::open(&self.files, self.frame_count()) {
            Err(error) if is_of_archive(&error) => return Err(error),
            words => words.ok(),
        };
        Ok(self.words.get_or_init(|| words).as_ref())
    }

    /// What the id map knows a term by.
    fn hash(&self, term: &Term) -> u64 {
        term.hash() >> (u64::BITS - u32::from(self.hash_bits))
    }

    /// The page of the id map on which a hash would be.
    fn page_of(&self, hash: u64) -> usize {
        // The first page begins at hash 0.
        self.firsts.partition_point(|first| *first <= hash).saturating_sub(1)
    }

    fn blocks_of(&self, term: &Term, found: impl FnMut(u32)) -> Result<()> {
        let hash = self.hash(term);
        let page = self.page_of(hash);
        let end = self.firsts.get(page + 1).copied().unwrap_or(1 << self.hash_bits);
        let hashes = self.firsts[page]..end;
        let offset = self.bytes.offset;
        let look_up = |bytes: &[u8], start: usize| {
            let at = offset.saturating_add(start as u64);
            let page = Slice::new(bytes, at, "id map", &self.bytes.path);
            ids::look_up(page, hash, &hashes, self.blocks, found)
        };
        Ok(self.ids.with(page, look_up)??)
    }
}
