//! Every bound of the engine in one place, tied together by assertions. Bytes unless said.

use crate::idempotency::Bounds;
use crate::index::SECTION_BLOCKS_MAX;
use crate::pool::{Consumer, Pool};
use crate::retention::Policy;
use crate::scan::slots_of;

/// Rows of a block at most: the unit of pruning and of packed columns.
pub(crate) const BLOCK_ROWS_MAX: usize = 8_192;
/// Columns of a block at most; the rarest names overflow into the `rest` column.
pub(crate) const BLOCK_COLUMNS_MAX: usize = 256;
/// Rows of a text frame at most: the unit that is inflated to fetch one row.
pub(crate) const FRAME_ROWS_MAX: usize = 512;
/// Raw bytes after which a text frame ends.
pub(crate) const FRAME_BYTES_MAX: usize = 64 << 10;
/// Sentences of a column of templates at most; further texts are stored as they are.
pub(crate) const SENTENCES_MAX: usize = 4_096;
/// Their bytes together: all are inflated to read one value.
pub(crate) const SENTENCE_BYTES_MAX: usize = 256 << 10;
/// Sentences of a section's list at most; blocks that bring further ones keep their own.
pub(crate) const SENTENCE_LIST_MAX: usize = 32_768;
/// Their bytes together: all are inflated to read one value.
pub(crate) const SENTENCE_LIST_BYTES_MAX: usize = 1 << 20;
/// Distinct texts without their digits that a record of the log lists for a field; they, and the digits'
/// places, fit the processor's caches.
pub(crate) const BLANKS_MAX: usize = 4_096;
/// The bytes of these, and so what of a record's memory does not grow with its rows.
pub(crate) const BLANK_BYTES_MAX: usize = 512 << 10;
/// An encoded WAL record is refused above this, so that a foreign length can't make us allocate.
pub(crate) const WAL_RECORD_BYTES_MAX: usize = 256 << 20;
/// The alignment of groups in the log, and so the step in which recovery looks for them.
pub(crate) const WAL_ALIGN: usize = 4_096;
/// After so many bytes a file that is written in the background is synced: whoever syncs another file meanwhile
/// waits until the disk has written what was given to it before.
pub(crate) const SYNCED_AFTER: u64 = 4 << 20;
/// An edit of the manifest is refused above this.
pub(crate) const MANIFEST_EDIT_BYTES_MAX: usize = 256 << 20;
/// Column names that the manifest keeps for a file at most.
pub(crate) const FILE_COLUMN_NAMES_MAX: usize = 1_000;
/// Longer column names are not among them.
pub(crate) const FILE_COLUMN_NAME_BYTES_MAX: usize = 255;
/// Their bytes together: a snapshot of the manifest has those of every file, and is bounded.
pub(crate) const FILE_COLUMN_NAMES_BYTES_MAX: usize = 16 << 10;
/// Bytes of a token that are indexed; longer ones are cut alike by writer and planner.
pub(crate) const TOKEN_BYTES_MAX: usize = 64;
/// Terms that a query asks a filter for at most; what needs more is not pruned by them.
pub(crate) const NEED_TERMS_MAX: usize = 1_024;
/// What a thread that makes filters keeps for the next one: blocks of usual events take less by half.
pub(crate) const FILTER_SCRATCH_BYTES_MAX: usize = 8 << 20;
/// What a thread that encodes blocks keeps for the next one, and besides for each of [`SPLITS_KEPT_MAX`] columns: blocks of
/// usual events take less by half.
pub(crate) const BLOCK_SCRATCH_BYTES_MAX: usize = 4 << 20;
/// Columns of texts that are cut, of which a thread keeps the memory for the next ones.
pub(crate) const SPLITS_KEPT_MAX: usize = 2;
/// Partitions of one batch at most: events of further days are filed under the day of arrival.
pub(crate) const BATCH_PARTS_MAX: usize = 512;
/// Classes of retention at most, those of the preset not counted.
pub(crate) const CLASSES_MAX: usize = 64;
/// The name of a class.
pub(crate) const CLASS_NAME_BYTES_MAX: usize = 64;
/// Classes whose rules the manifest keeps at most, those that are gone from the configuration among them.
pub(crate) const CLASSES_KEPT_MAX: usize = 4_096;
/// Legal holds at a time.
pub(crate) const HOLDS_MAX: usize = 1_000;
/// Holds that ended whose end is remembered.
pub(crate) const RELEASED_KEPT_MAX: usize = 1_000;
/// Owner, reason, class and tenant of a hold, each, and who releases it.
pub(crate) const HOLD_TEXT_BYTES_MAX: usize = 1_024;
/// The query of a hold.
pub(crate) const HOLD_QUERY_BYTES_MAX: usize = 4_096;
/// Sections that one edit of the manifest drops at most: others wait while it is written.
pub(crate) const DROPPED_AT_ONCE_MAX: usize = 1_000;
/// Column names that a memtable remembers at most, for warnings of misspelt ones.
pub(crate) const MEMTABLE_NAMES_MAX: usize = 10_000;
/// Groups of a table at most; the events of all others are counted together.
const GROUPS_MAX: usize = 100_000;
const _: () =
    assert!(HISTOGRAM_BUCKETS_MAX * 6 <= GROUPS_MAX, "a histogram has a group for each level");
/// Fields of a result that are told at most.
pub(crate) const FACET_FIELDS_MAX: usize = 1_000;
/// What the fields of a result and their values take, for each thread that counts them.
pub(crate) const FACETS_BYTES_MAX: usize = 32 << 20;
/// Blocks, or slices of rows, that tell which fields there are at most: the newest.
pub(crate) const FIELD_SOURCES_MAX: usize = 512;
/// Fields of a block that are told although several of its columns have their name: each takes a look
/// at every row.
pub(crate) const TWICE_NAMED_MAX: usize = 16;
/// Neighbours of an event on either side at most.
pub(crate) const NEIGHBOURS_MAX: usize = 1_000;
/// Spans of a trace that are told at most.
pub(crate) const SPANS_MAX: usize = 10_000;
/// Services of a span that are told at most.
pub(crate) const SPAN_SERVICES_MAX: usize = 16;
/// The name of a span, its parent's, or a service's; longer ones are left out.
pub(crate) const SPAN_NAME_BYTES_MAX: usize = 256;
/// Buckets of a histogram at most.
pub(crate) const HISTOGRAM_BUCKETS_MAX: usize = 10_000;
/// Values that the `uniq` figures of a table remember before they are estimated: they take 18 MB, for
/// each thread that counts them.
const DISTINCT_VALUES_MAX: usize = 1_000_000;
/// What the groups and figures of one `stats` request take.
pub(crate) const STATS_BYTES_MAX: usize = 256 << 20;
/// Rows of one page of a search at most.
pub(crate) const PAGE_ROWS_MAX: usize = 10_000;
/// A page of a search ends before its events take more, or an eighth of what queries can always have;
/// one event alone may.
pub(crate) const PAGE_BYTES_MAX: usize = 16 << 20;
/// The same of a page of an export, which a slow reader may hold for hours.
pub(crate) const EXPORT_PAGE_BYTES_MAX: usize = 2 << 20;
/// Raw bytes of the blocks that a page's events are fetched from at once, unless one alone has
/// more, and at most a quarter of what queries can always have: what a page may take for a moment
/// before its own bound ends it.
pub(crate) const FETCH_BYTES_MAX: usize = 128 << 20;
/// Of the cache, what is brought there before anyone asks takes this part at most.
pub(crate) const WARMED_SHARE: u64 = 8;
/// The text of a query.
pub(crate) const QUERY_BYTES_MAX: usize = 64 << 10;
/// Keys of batches that are remembered at most, of those that senders gave.
const KEYS_MAX: usize = 1_000_000;
/// For each so many bytes of memory one key is remembered: it takes 170 of them at most, with its
/// share of the keys made of bodies and of answers.
const KEY_MEMORY_SHARE: usize = 1 << 10;
/// The name of a field in a query; a group repeats it for each of its terms.
pub(crate) const QUERY_NAME_BYTES_MAX: usize = 1_024;
/// Terms of a query at most.
pub(crate) const QUERY_TERMS_MAX: usize = 1_024;
/// Parentheses of a query nest at most this deep: it bounds the stack.
pub(crate) const QUERY_DEPTH_MAX: usize = 64;
/// Stages of a query at most.
pub(crate) const QUERY_STAGES_MAX: usize = 32;
/// Fields, figures, groups or keys of one stage at most.
pub(crate) const QUERY_NAMES_MAX: usize = 64;
/// Regular expressions of a query at most, those of `extract` included.
pub(crate) const QUERY_REGEXES_MAX: usize = 32;
/// A compiled regular expression.
pub(crate) const REGEX_BYTES_MAX: usize = 1 << 20;
/// What the first regular expression of a query may remember of the states that it meets, on each thread
/// and in each direction. The `n`-th has an `n`-th of it, so that all of them have four times as much.
pub(crate) const REGEX_DFA_BYTES_MAX: usize = 2 << 20;

/// The bounds that differ between a real store and a test that wants to see them reached.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Rows of a block at most, up to `BLOCK_ROWS_MAX`.
    pub block_rows_max: usize,
    /// Raw bytes after which a block is closed.
    pub block_bytes_max: usize,
    /// One event, names and lexemes together.
    pub event_bytes_max: usize,
    /// What one request may hold after decompression.
    pub body_bytes_max: usize,
    /// A group takes no further record beyond this; one record alone may exceed it.
    pub group_bytes_max: usize,
    /// The size at which a WAL file is succeeded by the next.
    pub wal_file_bytes: u64,
    /// An idle log gets a group without records after this time, in milliseconds, so that damage to
    /// the last acknowledged group can be told from a tear.
    pub idle_group_after_ms: u64,
    /// WAL bytes at which a generation is cut.
    pub generation_bytes_max: u64,
    /// Age at which a generation that is not empty is cut, in milliseconds.
    pub generation_age_ms_max: u64,
    /// All WAL files together; appends wait for the flush beyond this.
    pub wal_bytes_max: u64,
    /// Bytes of edits after which a new manifest begins; room for twice as many is made ahead.
    pub manifest_bytes_max: u64,
    /// Memory of the active memtables at which a generation is cut.
    pub memtable_bytes_max: usize,
    /// Batches waiting for the log; beyond this an append is refused as busy.
    pub queue_bytes_max: usize,
    /// Raw rows that left their tail and wait to be made into blocks; appends wait beyond this.
    pub unsealed_bytes_max: usize,
    /// Level-0 files that are open at a time.
    pub files_open_max: usize,
    /// Partitions of the active memtable at which a generation is cut.
    pub partitions_open_max: usize,
    /// Keys of batches that are remembered, of those that senders gave.
    pub keys_max: usize,
    /// The same of those made of bodies.
    pub body_keys_max: usize,
    /// Bytes of answers kept with the keys of either kind; beyond it the oldest keys go.
    pub key_answer_bytes_max: usize,
    /// Directories and filters of files kept in memory.
    pub cache_bytes_max: u64,
    /// Anonymous memory of the store: the cache, and the pool that all else shares.
    pub memory_bytes_max: usize,
    /// What one query reserves at a time.
    pub query_bytes_max: usize,
    /// Blocks that are scanned at a time.
    pub scans_max: usize,
    /// Groups of a table; the events of all others are counted together.
    pub groups_max: usize,
    /// Values that the `uniq` figures of a table remember; the number of more is estimated.
    pub distinct_max: usize,
    /// Free bytes of the disk below which appends are refused as full; `None` for
    /// [`Limits::disk_reserve`]'s own rule.
    pub disk_reserve_bytes: Option<u64>,
    /// What the store may take of the disk; appends are refused as full beyond this.
    pub disk_budget: Option<DiskBudget>,
    /// Whether it drops what is least worth keeping instead, before that is due.
    pub evict: bool,
    /// What compaction does when.
    pub compaction: CompactionLimits,
    /// How long each kind of event is kept.
    pub retention: Policy,
}

/// What a store may take of its disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskBudget {
    /// So many bytes.
    Bytes(u64),
    /// This part of the disk, in percent.
    Percent(u8),
}

/// The bounds of compaction. Bytes unless said.
#[derive(Debug, Clone)]
pub struct CompactionLimits {
    /// Whether compaction runs by itself; otherwise only when it is asked to.
    pub is_automatic: bool,
    /// A partition whose level-0 sections have this much gets a segment.
    pub segment_bytes_min: u64,
    /// A partition with this much in one generation gets its segment before all others.
    pub urgent_bytes: u64,
    /// A segment, unless one section alone has more.
    pub segment_bytes_max: u64,
    /// A partition with less than this in level-0 files when its day has closed goes into a pack.
    pub packed_bytes_max: u64,
    /// A pack.
    pub pack_bytes_max: u64,
    /// Blocks of an output, unless one section alone has more, and of a section that has an index.
    pub blocks_max: usize,
    /// Files of one partition, or of one due day, that are merged into one at least.
    pub fan_in: usize,
    /// How often a byte is written after the log at most, its level-0 file included.
    pub writes_max: u8,
    /// How long a day has been over before it counts as closed, in milliseconds.
    pub day_closed_after_ms: u64,
    /// How old a level-0 file gets at most, in milliseconds.
    pub level_zero_age_ms_max: u64,
}

impl Default for Limits {
    /// Those of a store that may take 1 GiB of memory.
    fn default() -> Self {
        Self::for_memory(1 << 30)
    }
}

impl Limits {
    /// The bounds of a store that may take this much anonymous memory, of which ingest has 40%:
    /// twice a full memtable that is cut, one that is flushed, the queue, and bodies.
    pub fn for_memory(bytes: usize) -> Self {
        const MIB: usize = 1 << 20;
        let whole = |bytes: usize| bytes / MIB * MIB;
        let cache = whole((bytes / 8).clamp(MIB, 128 * MIB));
        let ingest = Pool::guaranteed(Consumer::Ingest, bytes.saturating_sub(cache));
        let keys_max = (bytes / KEY_MEMORY_SHARE).min(KEYS_MAX);
        Self {
            block_rows_max: BLOCK_ROWS_MAX,
            block_bytes_max: 4 << 20,
            event_bytes_max: 4 << 20,
            body_bytes_max: whole((ingest / 5).clamp(4 * MIB, 64 * MIB)),
            group_bytes_max: 8 << 20,
            wal_file_bytes: 64 << 20,
            idle_group_after_ms: 100,
            generation_bytes_max: 256 << 20,
            generation_age_ms_max: 5 * 60 * 1_000,
            wal_bytes_max: 1 << 30,
            manifest_bytes_max: 1 << 20,
            memtable_bytes_max: whole((ingest / 5).clamp(4 * MIB, 128 * MIB)),
            queue_bytes_max: whole((ingest / 8).clamp(3 * MIB, 128 * MIB)),
            unsealed_bytes_max: whole((ingest / 8).clamp(3 * MIB, 64 * MIB)),
            files_open_max: 512,
            keys_max,
            body_keys_max: keys_max / 8,
            key_answer_bytes_max: bytes / 64,
            partitions_open_max: 4_096,
            cache_bytes_max: cache as u64,
            memory_bytes_max: bytes,
            // What all queries can always have: one that wants more leaves nothing to others.
            query_bytes_max: Pool::guaranteed(Consumer::Query, bytes.saturating_sub(cache)),
            // Heeds the processor limit of a container, too.
            scans_max: slots_of(std::thread::available_parallelism().map_or(1, usize::from)),
            groups_max: GROUPS_MAX,
            distinct_max: DISTINCT_VALUES_MAX,
            disk_reserve_bytes: None,
            disk_budget: None,
            evict: false,
            compaction: CompactionLimits::for_memory(bytes),
            retention: Policy::default(),
        }
    }

    /// What is remembered of batches with keys.
    pub(crate) fn key_bounds(&self) -> Bounds {
        Bounds {
            keys_max: self.keys_max,
            body_keys_max: self.body_keys_max,
            answer_bytes_max: self.key_answer_bytes_max,
        }
    }

    /// Raw rows that wait to be made into blocks while a store is opened: there is no queue and no body
    /// yet, so they may have what ingest always has beside the memtables. Making blocks takes twice
    /// as long as reading the log, so the more of it can wait, the sooner the store is open.
    pub(crate) fn unsealed_bytes_max_at_open(&self) -> usize {
        let cache = usize::try_from(self.cache_bytes_max).unwrap_or(usize::MAX);
        let pool = self.memory_bytes_max.saturating_sub(cache);
        let memtables = self.memtable_bytes_max.saturating_mul(2);
        let left = Pool::guaranteed(Consumer::Ingest, pool).saturating_sub(memtables);
        left.max(self.unsealed_bytes_max)
    }

    /// What stays free on a disk of `total` bytes for what must not fail: the flush of what was
    /// acknowledged, and deleting. Appends and merges leave it alone. 1 GiB, or the log and two
    /// of the largest files if that is more; but at most a tenth of the disk.
    pub fn disk_reserve(&self, total: u64) -> u64 {
        self.disk_reserve_bytes.unwrap_or_else(|| {
            let files = self.generation_bytes_max.saturating_mul(2);
            let needed = files.saturating_add(self.wal_bytes_max).max(1 << 30);
            needed.min(total / 10)
        })
    }

    /// What stays free of what is cached of the archive: the reserve, and what may be accepted, flushed and
    /// merged before that is told to make way.
    pub(crate) fn cache_reserve(&self, total: u64) -> u64 {
        let reserve = self.disk_reserve(total);
        let memtables = (self.memtable_bytes_max as u64).saturating_mul(2);
        let files = self.wal_file_bytes.saturating_add(self.compaction.segment_bytes_max);
        let margin = memtables.saturating_add(files).min(total / 20);
        reserve.saturating_add(margin)
    }

    /// Bounds so small that rollovers, cuts and blocks happen within a few events. Compaction waits
    /// until it is asked.
    pub fn tiny() -> Self {
        Self {
            block_rows_max: 16,
            block_bytes_max: 4 << 10,
            event_bytes_max: 8 << 10,
            body_bytes_max: 64 << 10,
            group_bytes_max: 8 << 10,
            wal_file_bytes: 32 << 10,
            idle_group_after_ms: 100,
            generation_bytes_max: 128 << 10,
            generation_age_ms_max: 1_000,
            wal_bytes_max: 4 << 20,
            manifest_bytes_max: 16 << 10,
            memtable_bytes_max: 256 << 10,
            queue_bytes_max: 1 << 20,
            unsealed_bytes_max: 1 << 20,
            files_open_max: 4,
            keys_max: 50,
            body_keys_max: 10,
            key_answer_bytes_max: 4 << 10,
            partitions_open_max: 64,
            cache_bytes_max: 1 << 20,
            memory_bytes_max: 128 << 20,
            query_bytes_max: 31 << 20,
            scans_max: 2,
            groups_max: GROUPS_MAX,
            distinct_max: DISTINCT_VALUES_MAX,
            disk_reserve_bytes: None,
            disk_budget: None,
            evict: false,
            compaction: CompactionLimits {
                is_automatic: false,
                segment_bytes_min: 8 << 10,
                urgent_bytes: 64 << 10,
                segment_bytes_max: 256 << 10,
                packed_bytes_max: 4 << 10,
                pack_bytes_max: 64 << 10,
                ..CompactionLimits::default()
            },
            retention: Policy::default(),
        }
    }
}

impl Default for CompactionLimits {
    fn default() -> Self {
        Self {
            is_automatic: true,
            segment_bytes_min: 8 << 20,
            urgent_bytes: 64 << 20,
            segment_bytes_max: 256 << 20,
            packed_bytes_max: 4 << 20,
            pack_bytes_max: 64 << 20,
            blocks_max: SECTION_BLOCKS_MAX as usize / 2,
            fan_in: 8,
            writes_max: 4,
            day_closed_after_ms: 60 * 60 * 1_000,
            level_zero_age_ms_max: 24 * 60 * 60 * 1_000,
        }
    }
}

impl CompactionLimits {
    /// The bounds of a store that may take this much memory: the index of a segment takes 27 MiB and
    /// about 1.4 bytes for each of its bytes, and there must be room for it beside batches and
    /// queries. What finds none has filters instead.
    fn for_memory(bytes: usize) -> Self {
        let default = Self::default();
        let segment_bytes_max = (bytes as u64 / 12).clamp(16 << 20, default.segment_bytes_max);
        let urgent_bytes = default.urgent_bytes.min(segment_bytes_max);
        Self { segment_bytes_max, urgent_bytes, ..default }
    }
}

const _: () = assert!(BLOCK_ROWS_MAX <= u16::MAX as usize + 1, "row numbers of a block fit u16");
const _: () = assert!(SENTENCES_MAX < u16::MAX as usize, "one code means that there is none");
const _: () = assert!(FRAME_ROWS_MAX <= BLOCK_ROWS_MAX);
const _: () = assert!(WAL_ALIGN.is_power_of_two());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_reserve_is_in_proportion() {
        let limits = Limits::default();
        assert_eq!(limits.disk_reserve(1 << 40), (1 << 30) + 2 * (256 << 20));
        assert_eq!(limits.disk_reserve(1 << 30), (1 << 30) / 10);
        assert_eq!(Limits::tiny().disk_reserve(1 << 40), 1 << 30);
        let set = Limits { disk_reserve_bytes: Some(7), ..limits };
        assert_eq!(set.disk_reserve(1 << 40), 7);
    }

    /// Beside batches and queries that take all of their own.
    #[test]
    fn the_largest_segment_has_room_for_its_index() {
        for memory in [256 << 20, 512 << 20, 1 << 30, 4 << 30] {
            let limits = Limits::for_memory(memory);
            let budget = memory - limits.cache_bytes_max as usize;
            let pool = Pool::new(budget);
            let held = [Consumer::Ingest, Consumer::Query]
                .map(|other| pool.reserve(other, Pool::guaranteed(other, budget)));
            let segment = limits.compaction.segment_bytes_max as usize;
            let index = (27 << 20) + segment / 5 * 7;
            let base = crate::compact::memory_base(&limits);
            let lease = pool.reserve(Consumer::Compaction, base + index);
            assert!(lease.is_ok(), "{memory}: {lease:?}");
            drop(held);
        }
    }

    #[test]
    fn limits_fit_into_each_other() {
        for limits in [Limits::default(), Limits::for_memory(0), Limits::tiny()] {
            assert!(limits.block_rows_max <= BLOCK_ROWS_MAX);
            assert!(limits.event_bytes_max <= limits.body_bytes_max);
            // The largest batch, uncompressed and with its headers, is one record.
            assert!(limits.body_bytes_max * 3 <= WAL_RECORD_BYTES_MAX);
            assert!(limits.wal_file_bytes <= limits.generation_bytes_max);
            assert!(limits.generation_bytes_max * 2 <= limits.wal_bytes_max);
            let waiting = limits.unsealed_bytes_max_at_open();
            let compaction = limits.compaction;
            assert!(compaction.packed_bytes_max < compaction.segment_bytes_min);
            assert!(compaction.packed_bytes_max <= compaction.pack_bytes_max);
            assert!(compaction.urgent_bytes <= compaction.segment_bytes_max);
            assert!(compaction.fan_in >= 2 && compaction.writes_max >= 2);
            // Blocks that are made anew can become half as many again.
            assert!(compaction.blocks_max * 3 / 2 <= SECTION_BLOCKS_MAX as usize);
            let memtables = 2 * limits.memtable_bytes_max + limits.memtable_bytes_max;
            let ingest = {
                let cache = limits.cache_bytes_max as usize;
                Pool::guaranteed(Consumer::Ingest, limits.memory_bytes_max.saturating_sub(cache))
            };
            assert!(memtables + limits.queue_bytes_max <= ingest);
            // What waits while a store is opened, too.
            assert!(waiting >= limits.unsealed_bytes_max);
            assert!(2 * limits.memtable_bytes_max + waiting <= ingest);
        }
    }
}
