//! Directories of files, opened blocks, their filters and what queries have found out of sealed blocks,
//! bounded by the bytes that they take.

use super::format::{BlockPlace, Section};
use crate::block::{
    Block, Decoded, Numbered, Outline, Pairs, SentenceTable, SharedSentences, Summaries, ValueSums,
    ValueTable,
};
use crate::index::{Filter, IndexCounts, SegmentIndex};
use crate::manifest::{FileId, Run};
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use std::sync::Arc;

/// Of the cache, what was decoded for pages has this part: it is large, and would drive out what tables keep.
const PAGES_SHARE: u64 = 4;
/// Of the cache, what was decoded of one block may take this part.
const DECODED_SHARE: usize = 32;
/// What has grown by less than this part is not counted anew.
const GROWN_SHARE: usize = 16;

/// A piece of a file. No name is ever given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) file: FileId,
    /// Where it begins.
    pub(crate) offset: u64,
    /// Whether what was opened of it reads the archive: who has the local copy open must not.
    pub(crate) is_evicted: bool,
}

impl Key {
    /// The footer: it is read once, wherever the file is.
    fn sections(file: FileId) -> (Self, Part) {
        (Self { file, offset: 0, is_evicted: false }, Part::Sections)
    }
}

/// Directories, opened blocks and filters of all files of a store.
#[derive(Debug)]
pub(crate) struct BlockCache {
    entries: Cache<(Key, Part), Entry, ByBytes>,
    /// What was decoded of blocks to take rows of them, with the bytes that it took when it was put there.
    pages: Cache<Key, (Arc<Decoded>, usize), ByBytes>,
    sentences: SentenceTable,
    values: ValueTable,
    /// What is kept of one block at most.
    decoded_bytes_max: usize,
    index_counts: IndexCounts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Part {
    Sections,
    Block,
    Filter,
    Index,
    List,
    /// Of a block's column.
    Outline(u16),
    Numbered(u16),
    /// Of the columns with the sentences and with the values.
    Pairs(u16, u16),
    /// Of the columns with the values, if there is one, and with the numbers.
    Summaries(Option<u16>, u16),
    /// Of the blocks from one on that are counted together, by the hash of the name of the field.
    ValueSums(u64),
}

impl Part {
    fn summaries((by, numbers): (Option<usize>, usize)) -> Self {
        Self::Summaries(by.map(|by| by as u16), numbers as u16)
    }
}

#[derive(Debug, Clone)]
enum Entry {
    Sections(Arc<Vec<Section>>),
    Block(Arc<Block>),
    Filter(Arc<Filter>),
    Index(Arc<SegmentIndex>),
    List(Arc<SharedSentences>),
    Outline(Arc<Outline>),
    /// `None`: its values hardly come again.
    Numbered(Option<Arc<Numbered>>),
    Pairs(Arc<Pairs>),
    Summaries(Arc<Summaries>),
    ValueSums(Arc<ValueSums>),
}

#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<(Key, Part), Entry> for ByBytes {
    fn weight(&self, _: &(Key, Part), entry: &Entry) -> u64 {
        match entry {
            Entry::Sections(sections) => sections_bytes(sections) as u64,
            Entry::Block(block) => block.heap_bytes() as u64,
            Entry::Filter(filter) => filter.heap_bytes() as u64,
            Entry::Index(index) => index.heap_bytes() as u64,
            Entry::List(list) => list.heap_bytes() as u64,
            Entry::Outline(outline) => outline.heap_bytes() as u64,
            Entry::Numbered(numbered) => {
                numbered.as_ref().map_or(size_of::<Entry>(), |numbered| numbered.heap_bytes())
                    as u64
            }
            Entry::Pairs(pairs) => pairs.heap_bytes() as u64,
            Entry::Summaries(summaries) => summaries.heap_bytes() as u64,
            Entry::ValueSums(sums) => sums.heap_bytes() as u64,
        }
    }
}

impl Weighter<Key, (Arc<Decoded>, usize)> for ByBytes {
    fn weight(&self, _: &Key, (_, bytes): &(Arc<Decoded>, usize)) -> u64 {
        *bytes as u64
    }
}

/// A cache of at most this many bytes, in entries of about so many.
fn bounded<K, V>(bytes_max: u64, typical_bytes: u64) -> Cache<K, V, ByBytes>
where
    K: Eq + std::hash::Hash,
    V: Clone,
    ByBytes: Weighter<K, V>,
{
    /// No entry is kept that is larger than its part, and an index can take many MiB. Without
    /// this there are four parts for each core.
    const PARTS: usize = 2;
    let entries = usize::try_from(bytes_max / typical_bytes).unwrap_or(usize::MAX);
    let options = OptionsBuilder::new()
        .estimated_items_capacity(entries.max(16))
        .weight_capacity(bytes_max)
        .shards(PARTS)
        .build()
        .expect("both capacities are set");
    let (hasher, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
    Cache::with_options(options, ByBytes, hasher, lifecycle)
}

impl BlockCache {
    /// A cache of at most this many bytes.
    pub(crate) fn new(bytes_max: u64) -> Self {
        let of_pages = bytes_max / PAGES_SHARE;
        let (entries, pages) =
            (bounded(bytes_max - of_pages, 8 << 10), bounded(of_pages, 256 << 10));
        let (sentences, values) = (SentenceTable::default(), ValueTable::default());
        let decoded_bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX) / DECODED_SHARE;
        Self {
            entries,
            pages,
            sentences,
            values,
            decoded_bytes_max,
            index_counts: IndexCounts::default(),
        }
    }

    /// The sentences of the store's blocks, with a bound of their own.
    pub(crate) fn sentences(&self) -> &SentenceTable {
        &self.sentences
    }

    /// The numbered values of the store's blocks, with a bound of their own.
    pub(crate) fn values(&self) -> &ValueTable {
        &self.values
    }

    pub(crate) fn sections(&self, file: FileId) -> Option<Arc<Vec<Section>>> {
        match self.entries.get(&Key::sections(file))? {
            Entry::Sections(sections) => Some(sections),
            _ => unreachable!("the key says which part it is"),
        }
    }

    pub(crate) fn block(&self, key: Key) -> Option<Arc<Block>> {
        match self.entries.get(&(key, Part::Block))? {
            Entry::Block(block) => Some(block),
            _ => unreachable!("the key says which part it is"),
        }
    }

    pub(crate) fn filter(&self, key: Key) -> Option<Arc<Filter>> {
        match self.entries.get(&(key, Part::Filter))? {
            Entry::Filter(filter) => Some(filter),
            _ => unreachable!("the key says which part it is"),
        }
    }

    pub(crate) fn index(&self, key: Key) -> Option<Arc<SegmentIndex>> {
        match self.entries.get(&(key, Part::Index))? {
            Entry::Index(index) => Some(index),
            _ => unreachable!("the key says which part it is"),
        }
    }

    pub(crate) fn list(&self, key: Key) -> Option<Arc<SharedSentences>> {
        match self.entries.get(&(key, Part::List))? {
            Entry::List(list) => Some(list),
            _ => unreachable!("the key says which part it is"),
        }
    }

    pub(crate) fn outline(&self, key: Key, column: usize) -> Option<Arc<Outline>> {
        match self.entries.get(&(key, Part::Outline(column as u16)))? {
            Entry::Outline(outline) => Some(outline),
            _ => unreachable!("the key says which part it is"),
        }
    }

    /// The numbers of a column, or that it gets none.
    pub(crate) fn numbered(&self, key: Key, column: usize) -> Option<Option<Arc<Numbered>>> {
        match self.entries.get(&(key, Part::Numbered(column as u16)))? {
            Entry::Numbered(numbered) => Some(numbered),
            _ => unreachable!("the key says which part it is"),
        }
    }

    pub(crate) fn pairs(&self, key: Key, columns: (usize, usize)) -> Option<Arc<Pairs>> {
        match self.entries.get(&(key, Part::Pairs(columns.0 as u16, columns.1 as u16)))? {
            Entry::Pairs(pairs) => Some(pairs),
            _ => unreachable!("the key says which part it is"),
        }
    }

    pub(crate) fn summaries(
        &self,
        key: Key,
        columns: (Option<usize>, usize),
    ) -> Option<Arc<Summaries>> {
        match self.entries.get(&(key, Part::summaries(columns)))? {
            Entry::Summaries(summaries) => Some(summaries),
            _ => unreachable!("the key says which part it is"),
        }
    }

    /// The counts by the values of a field of the blocks from this one on that are counted together. The field
    /// is known by a hash of its name.
    pub(crate) fn value_sums(&self, first: Key, name_hash: u64) -> Option<Arc<ValueSums>> {
        match self.entries.get(&(first, Part::ValueSums(name_hash)))? {
            Entry::ValueSums(sums) => Some(sums),
            _ => unreachable!("the key says which part it is"),
        }
    }

    /// What was decoded of a block, to take rows of it.
    pub(crate) fn decoded(&self, key: Key) -> Option<Arc<Decoded>> {
        Some(self.pages.get(&key)?.0)
    }

    /// Lets go of all that is of files which the manifest has given up: a mapped index would keep
    /// the bytes of its file on the disk. What a reader puts back is bounded by the cache.
    pub(crate) fn forget(&self, is_gone: impl Fn(FileId) -> bool) {
        self.entries.retain(|(key, _), _| !is_gone(key.file));
        self.pages.retain(|key, _| !is_gone(key.file));
    }

    /// What is counted of the indexes.
    pub(crate) fn index_counts(&self) -> &IndexCounts {
        &self.index_counts
    }

    pub(crate) fn put_sections(&self, file: FileId, sections: &Arc<Vec<Section>>) {
        self.entries.insert(Key::sections(file), Entry::Sections(Arc::clone(sections)));
    }

    pub(crate) fn put_block(&self, key: Key, block: &Arc<Block>) {
        self.entries.insert((key, Part::Block), Entry::Block(Arc::clone(block)));
    }

    pub(crate) fn put_filter(&self, key: Key, filter: &Arc<Filter>) {
        self.entries.insert((key, Part::Filter), Entry::Filter(Arc::clone(filter)));
    }

    pub(crate) fn put_list(&self, key: Key, list: &Arc<SharedSentences>) {
        self.entries.insert((key, Part::List), Entry::List(Arc::clone(list)));
    }

    pub(crate) fn put_outline(&self, key: Key, column: usize, outline: &Arc<Outline>) {
        let part = Part::Outline(column as u16);
        self.entries.insert((key, part), Entry::Outline(Arc::clone(outline)));
    }

    pub(crate) fn put_numbered(&self, key: Key, column: usize, numbered: Option<&Arc<Numbered>>) {
        let part = Part::Numbered(column as u16);
        self.entries.insert((key, part), Entry::Numbered(numbered.cloned()));
    }

    pub(crate) fn put_pairs(&self, key: Key, columns: (usize, usize), pairs: &Arc<Pairs>) {
        let part = Part::Pairs(columns.0 as u16, columns.1 as u16);
        self.entries.insert((key, part), Entry::Pairs(Arc::clone(pairs)));
    }

    pub(crate) fn put_summaries(
        &self,
        key: Key,
        columns: (Option<usize>, usize),
        summaries: &Arc<Summaries>,
    ) {
        let entry = Entry::Summaries(Arc::clone(summaries));
        self.entries.insert((key, Part::summaries(columns)), entry);
    }

    /// How many counts of several blocks are kept.
    #[cfg(test)]
    pub(crate) fn value_sums_kept(&self) -> usize {
        self.entries.iter().filter(|(key, _)| matches!(key.1, Part::ValueSums(_))).count()
    }

    pub(crate) fn put_value_sums(&self, first: Key, name_hash: u64, sums: &Arc<ValueSums>) {
        self.entries
            .insert((first, Part::ValueSums(name_hash)), Entry::ValueSums(Arc::clone(sums)));
    }

    /// Keeps what was decoded of a block, or counts it anew if it has grown. What is in the archive only is kept
    /// on the disk instead.
    pub(crate) fn put_decoded(&self, key: Key, decoded: &Arc<Decoded>) {
        let bytes = decoded.heap_bytes();
        if key.is_evicted || bytes <= decoded.charged() + decoded.charged() / GROWN_SHARE {
            return;
        }
        decoded.charge(bytes);
        if bytes > self.decoded_bytes_max {
            self.pages.remove(&key);
        } else {
            self.pages.insert(key, (Arc::clone(decoded), bytes));
        }
    }

    pub(crate) fn put_index(&self, key: Key, index: &Arc<SegmentIndex>) {
        self.entries.insert((key, Part::Index), Entry::Index(Arc::clone(index)));
    }
}

/// What a directory takes in memory.
pub(super) fn sections_bytes(sections: &[Section]) -> usize {
    let section = |section: &Section| {
        size_of::<Section>()
            + section.blocks.len() * size_of::<BlockPlace>()
            + section.runs.len() * size_of::<Run>()
    };
    sections.iter().map(section).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Range64;
    use crate::partition::PartitionKey;
    use crate::timestamp::Day;

    /// The cache was in four parts a core: with 16 cores, an index of more than 2 MiB was opened
    /// anew by every query.
    #[test]
    fn an_entry_may_take_a_third_of_the_cache() {
        const MIB: u64 = 1 << 20;
        for bytes_max in [3 * MIB, 24 * MIB, 128 * MIB] {
            let cache = BlockCache::new(bytes_max);
            let seqs = Range64 { start: 1, end: 2 };
            let run = Run { generation: 1, seqs, rows: 1, digest: None };
            let count = bytes_max as usize / 3 / size_of::<Run>();
            let key = PartitionKey { tenant: "t".into(), class: "c".into(), day: Day(1) };
            let section = Section {
                key,
                blocks: Vec::new(),
                runs: vec![run; count],
                list: None,
                index: None,
            };
            cache.put_sections(FileId::Segment(7), &Arc::new(vec![section]));
            assert!(cache.sections(FileId::Segment(7)).is_some(), "{bytes_max}");
        }
    }
}
