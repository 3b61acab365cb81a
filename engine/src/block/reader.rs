//! An opened block: its header in memory, its columns read and verified when they are asked for.

use super::column::presence::Presence;
use super::column::{Column, Rest};
use super::format::{BlockMeta, ColumnEntry, Header, PartEntry, check_crc};
use super::list::SharedSentences;
use super::numbering::FieldValues;
use super::part::{Part, PartBytes, Shape};
use super::rows::{Levels, RowLevels, RowSeqs, RowTimes};
use super::sentences::Outline;
use crate::batch::{RowColumn, Rows};
use crate::codec::region::read_region;
use crate::codec::slice::Slice;
use crate::cold;
use crate::error::{Corruption, Error, Result};
use crate::event::{Level, Value};
use crate::io::{File, FileBytes, LOST, RegionBytes};
use parking_lot::Mutex;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

/// What errors call the filter.
const FILTER: &str = "block filter";

/// Where a block's bytes are.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// In memory: exactly the block.
    Memory(Arc<[u8]>),
    /// In a file.
    File {
        /// The file.
        file: Arc<dyn File>,
        /// Its path, for errors.
        path: Arc<Path>,
        /// Where the block begins.
        offset: u64,
    },
}

/// What queries have found out of columns, by the index of the column.
#[derive(Debug, Default)]
struct Findings {
    outlines: Vec<(usize, Arc<Outline>)>,
    /// Values that all of a column's are among.
    among: Vec<(usize, Weak<FieldValues>)>,
}

/// A block whose header has been verified.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    source: Source,
    /// The list of its section, if that has one.
    shared: Option<Arc<SharedSentences>>,
    header: Arc<Header>,
    findings: Arc<Mutex<Findings>>,
    /// What its parts were mapped by, each once.
    mapped: Arc<Mutex<Vec<RegionBytes>>>,
}

impl Block {
    /// Reads and verifies the header of the block that `meta` describes.
    ///
    /// # Errors
    /// Corrupt if the header is damaged or is not that of `meta`; unsupported if its version is
    /// unknown.
    pub(crate) fn open(source: Source, meta: &BlockMeta) -> Result<Self> {
        source.check_len(meta.len)?;
        if let Some(expected) = meta.fault() {
            return Err(source.not_the_block(expected.to_owned(), format!("{meta:?}")));
        }
        let header = source.verified(|| {
            let bytes = source.read(0, meta.header_len)?;
            let header = Header::decode(&bytes, source.offset(), source.path());
            if let PartBytes::File(FileBytes::Mapped(bytes, _)) = &bytes
                && !bytes.is_intact()
            {
                return Err(source.lost(meta.header_len));
            }
            let header = header?;
            if header.meta != *meta {
                return Err(source.not_the_block(format!("{meta:?}"), format!("{:?}", header.meta)));
            }
            Ok(header)
        })?;
        Ok(Self {
            source,
            shared: None,
            header: Arc::new(header),
            findings: Arc::default(),
            mapped: Arc::default(),
        })
    }

    /// The block in a section with this list.
    pub(crate) fn with_list(self, shared: Option<Arc<SharedSentences>>) -> Self {
        Self { shared, ..self }
    }

    /// The number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.header.meta.rows as usize
    }

    /// What the directory keeps of the block.
    pub(crate) fn meta(&self) -> &BlockMeta {
        &self.header.meta
    }

    /// The header.
    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    /// The outline of a column of templates that was kept last.
    pub(crate) fn outline(&self, index: usize) -> Option<Arc<Outline>> {
        let findings = self.findings.lock();
        findings
            .outlines
            .iter()
            .find(|(column, _)| *column == index)
            .map(|(_, kept)| Arc::clone(kept))
    }

    /// Keeps the outline of a column as long as the block.
    pub(crate) fn keep_outline(&self, index: usize, outline: &Arc<Outline>) {
        let mut findings = self.findings.lock();
        findings.outlines.retain(|(column, _)| *column != index);
        findings.outlines.push((index, Arc::clone(outline)));
    }

    /// Whether all values of a column are known to be among these.
    pub(crate) fn is_among(&self, index: usize, values: &Arc<FieldValues>) -> bool {
        let findings = self.findings.lock();
        let mut among = findings.among.iter().filter(|(column, _)| *column == index);
        among.any(|(_, known)| std::ptr::eq(known.as_ptr(), Arc::as_ptr(values)))
    }

    /// Remembers that all values of a column are among these.
    pub(crate) fn set_among(&self, index: usize, values: &Arc<FieldValues>) {
        let mut findings = self.findings.lock();
        findings.among.retain(|(column, _)| *column != index);
        findings.among.push((index, Arc::downgrade(values)));
    }

    /// The bytes that the header takes in memory, without outlines.
    pub(crate) fn heap_bytes(&self) -> usize {
        let column = |column: &ColumnEntry| {
            let among = size_of::<(usize, Weak<FieldValues>)>();
            size_of::<ColumnEntry>() + column.name.len() + among
        };
        size_of::<Header>() + self.columns().iter().map(column).sum::<usize>()
    }

    /// What a block has besides its columns, with its bytes.
    pub(crate) fn other_parts(&self) -> [(&'static str, u32); 6] {
        let Header { timestamps, seqs, levels, rest, filter, .. } = &*self.header;
        [
            ("(header)", self.meta().header_len),
            ("(timestamps)", timestamps.len),
            ("(sequence numbers)", seqs.len),
            ("(levels)", levels.len),
            ("(rest)", rest.len),
            ("(filter)", filter.len),
        ]
    }

    /// The columns, by name.
    pub(crate) fn columns(&self) -> &[ColumnEntry] {
        &self.header.columns
    }

    /// The index of the column of this name, if it has one of its own.
    #[cfg(test)]
    pub(crate) fn column_index(&self, name: &str) -> Option<usize> {
        self.columns().binary_search_by(|column| (*column.name).cmp(name)).ok()
    }

    /// Runs `work` on the index bytes that the block was given, verified.
    pub(crate) fn filter<T>(&self, work: impl Fn(&[u8]) -> Result<T>) -> Result<T> {
        let entry = self.header.filter;
        let at = self.source.offset().saturating_add(u64::from(entry.offset));
        let work = |bytes: &[u8]| {
            check_crc(&Slice::new(bytes, at, FILTER, self.source.path()), bytes, entry.crc)?;
            work(bytes)
        };
        self.source.verified(|| match &self.source {
            Source::Memory(_) => work(&self.source.read(entry.offset, entry.len)?),
            Source::File { file, path, .. } => {
                let range = at..at.saturating_add(u64::from(entry.len));
                read_region(&**file, path, range, FILTER, work)
            }
        })
    }

    /// Whether it has a filter of its own, and not its section an index for all.
    pub(crate) fn has_filter(&self) -> bool {
        self.header.filter.len > 0
    }

    /// The timestamp of each row.
    pub(crate) fn timestamps(&self) -> Result<RowTimes> {
        let part = self.part(self.header.timestamps, "block timestamps")?;
        Ok(RowTimes::read(part, self.meta())?)
    }

    /// The sequence number of each row.
    pub(crate) fn seqs(&self) -> Result<RowSeqs> {
        let part = self.part(self.header.seqs, "block sequence numbers")?;
        Ok(RowSeqs::read(part, self.meta())?)
    }

    /// The level of each row.
    pub(crate) fn levels(&self) -> Result<Levels> {
        let bits = self.meta().levels;
        if bits.count_ones() == 1
            && let Some(level) = Level::from_code(bits.trailing_zeros() as u8)
        {
            return Ok(Levels::Constant(level));
        }
        let part = self.part(self.header.levels, "block levels")?;
        Ok(Levels::PerRow(RowLevels::read(part, self.meta())?))
    }

    /// Most of its columns will be read: it is one piece of its file.
    pub(crate) fn will_need(&self) {
        if let Source::File { file, offset, .. } = &self.source {
            file.will_need(*offset..offset.saturating_add(u64::from(self.meta().len)));
        }
    }

    /// Whether every byte of its parts that was read so far was the file's. Once it isn't, it never is again.
    pub(crate) fn is_intact(&self) -> bool {
        self.mapped.lock().iter().all(RegionBytes::is_intact)
    }

    /// A file that is shorter than it was may end in a page of the block: that one is no fault.
    fn mistrust_if_cut(&self) {
        let Source::File { file, offset, .. } = &self.source else { return };
        let mapped = self.mapped.lock();
        let end = offset.saturating_add(u64::from(self.meta().len));
        // One that is gone by now was not cut.
        if !mapped.is_empty() && file.len().is_ok_and(|len| len < end) {
            mapped.iter().for_each(RegionBytes::mistrust);
        }
    }

    /// Runs `work`, which reads columns of the block or what was decoded of them.
    ///
    /// # Errors
    /// Those of `work`; corrupt if bytes that are mapped could not be read meanwhile, or ever before: what `work`
    /// returned, kept or panicked with is then worth nothing.
    pub(crate) fn read<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let done = catch_unwind(AssertUnwindSafe(work));
        self.mistrust_if_cut();
        if !self.is_intact() {
            return Err(self.source.lost(self.meta().len));
        }
        done.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// Reads and verifies a column of [`Block::columns`]; panics past the last.
    ///
    /// # Errors
    /// Corrupt if it is damaged; unsupported if its encoding is unknown; IO.
    pub(crate) fn column(&self, index: usize) -> Result<Column> {
        let entry = &self.columns()[index];
        let part = self.part(entry.part, "block column")?;
        let shared = self.shared.as_ref().filter(|_| entry.is_shared());
        let list = shared.map(|shared| shared.get()).transpose()?;
        Column::decode(part, entry.encoding, self.shape(entry.values as usize), list)
    }

    /// Reads and verifies the fields that have no column of their own, if there are any.
    pub(crate) fn rest(&self) -> Result<Option<Rest>> {
        if self.header.rest.len == 0 {
            return Ok(None);
        }
        let part = self.part(self.header.rest, "block rest column")?;
        Rest::decode(part, self.shape(0)).map(Some)
    }

    /// Holds the whole of what was decoded against the header: whether all names differ, the raw bytes,
    /// and whether they are not even all.
    pub(super) fn check_raw_bytes(
        &self,
        names_differ: bool,
        raw_bytes: u64,
        are_more: bool,
    ) -> Result<()> {
        let meta = self.meta();
        if names_differ && !are_more && raw_bytes == meta.raw_bytes {
            return Ok(());
        }
        let expected = format!("distinct names, {} raw bytes", meta.raw_bytes);
        let found =
            format!("names distinct: {names_differ}, {raw_bytes} raw bytes, more: {are_more}");
        Err(self.source.not_the_block(expected, found))
    }

    fn shape(&self, values: usize) -> Shape {
        Shape { rows: self.rows(), values, raw_max: self.meta().raw_bytes as usize }
    }

    fn part(&self, entry: PartEntry, what: &'static str) -> Result<Part> {
        self.source.verified(|| {
            let bytes = self.source.read(entry.offset, entry.len)?;
            let offset = self.source.offset() + u64::from(entry.offset);
            let part = Part { bytes, offset, file: self.source.shared_path(), what };
            if let PartBytes::File(FileBytes::Mapped(bytes, _)) = &part.bytes {
                let mut mapped = self.mapped.lock();
                if !mapped.iter().any(|known| known.is(bytes)) {
                    mapped.push(bytes.clone());
                }
            }
            check_crc(&part.slice(), &part.bytes, entry.crc)?;
            Ok(part)
        })
    }
}

/// Everything in a block: the exact inverse of [`super::encode`], except that columns come sorted
/// by name, a column with a value in every row lists no rows, and sequence numbers count from the
/// first.
pub(crate) fn decode(block: &Block) -> Result<Rows> {
    let meta = block.meta();
    let seqs = block.seqs()?;
    let mut rows = Rows {
        base_seq: meta.min_seq,
        // They rise to a number that the header keeps within 2^32 of the first.
        seq_offsets: seqs.all()?.iter().map(|seq| (seq - meta.min_seq) as u32).collect(),
        timestamps: block.timestamps()?.all()?.to_vec(),
        levels: block.levels()?.codes(block.rows())?,
        columns: Vec::with_capacity(block.columns().len()),
    };
    let mut budget = Budget { left: meta.raw_bytes, exceeded: false };
    for (index, entry) in block.columns().iter().enumerate() {
        let column = block.column(index)?;
        let mut out = RowColumn::new((&*entry.name).into());
        column.for_each(|row, value| budget.push(&mut out, row, value))?;
        if matches!(column.presence(), Presence::All { .. }) {
            out.rows = None;
        }
        rows.columns.push(out);
    }
    if let Some(rest) = block.rest()? {
        append_rest(&mut rows, &rest, &mut budget)?;
    }
    let names_rise = rows.columns.is_sorted_by(|a, b| a.name < b.name);
    block.check_raw_bytes(names_rise, rows.raw_bytes() as u64, budget.exceeded)?;
    Ok(rows)
}

/// What may still be copied: a constant or a dictionary in a forged block could stand for far more
/// bytes than the block has.
struct Budget {
    left: u64,
    exceeded: bool,
}

impl Budget {
    fn push(&mut self, column: &mut RowColumn, row: usize, value: Value<'_>) {
        match self.left.checked_sub(value.text.len() as u64) {
            Some(left) if !self.exceeded => {
                self.left = left;
                column.push(row as u32, value);
            }
            _ => self.exceeded = true,
        }
    }
}

fn append_rest(rows: &mut Rows, rest: &Rest, budget: &mut Budget) -> Result<()> {
    let first = rows.columns.len();
    let names = rest.names().iter();
    rows.columns.extend(names.map(|name| RowColumn::new((&**name).into())));
    rest.for_each(|row, name, value| budget.push(&mut rows.columns[first + name], row, value))?;
    rows.columns.retain(|column| !column.is_empty());
    for column in &mut rows.columns[first..] {
        if column.len() == rows.timestamps.len() {
            column.rows = None;
        }
    }
    rows.columns.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(())
}

impl Source {
    fn path(&self) -> &Path {
        match self {
            Self::Memory(_) => Path::new(""),
            Self::File { path, .. } => path,
        }
    }

    fn shared_path(&self) -> Arc<Path> {
        match self {
            Self::Memory(_) => Arc::from(Path::new("")),
            Self::File { path, .. } => Arc::clone(path),
        }
    }

    fn offset(&self) -> u64 {
        match self {
            Self::Memory(_) => 0,
            Self::File { offset, .. } => *offset,
        }
    }

    /// Reads and verifies something of the block (`C4` of [`crate::cold`]).
    fn verified<T>(&self, read: impl FnMut() -> Result<T>) -> Result<T> {
        match self {
            Self::Memory(_) => {
                let mut read = read;
                read()
            }
            Self::File { file, .. } => cold::verified(&**file, read),
        }
    }

    /// Nothing is allocated for a block that is not there.
    fn check_len(&self, len: u32) -> Result<()> {
        let there = match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { file, path, offset } => {
                file.len().map_err(|e| Error::io("read", path, e))?.saturating_sub(*offset)
            }
        };
        if u64::from(len) <= there { Ok(()) } else { Err(self.truncated(0, len, there)) }
    }

    /// The block as a whole is not what it should be.
    fn not_the_block(&self, expected: String, found: String) -> Error {
        let file = PathBuf::from(self.path());
        Corruption { file, offset: self.offset(), what: "block", expected, found }.into()
    }

    /// So many bytes of the block were mapped, and some of them could not be read.
    fn lost(&self, len: u32) -> Error {
        let (file, offset) = (PathBuf::from(self.path()), self.offset());
        let (expected, found) = (format!("{len} bytes"), LOST.to_owned());
        Corruption { file, offset, what: "block", expected, found }.into()
    }

    fn truncated(&self, at: u32, len: u32, there: u64) -> Error {
        Corruption {
            file: PathBuf::from(self.path()),
            offset: self.offset().saturating_add(u64::from(at)),
            what: "block",
            expected: format!("{len} bytes"),
            found: format!("{there}, then the end"),
        }
        .into()
    }

    /// The bytes of a range of the block, which the header has placed within it.
    fn read(&self, at: u32, len: u32) -> Result<PartBytes> {
        match self {
            Self::Memory(bytes) => {
                let range = at as usize..at as usize + len as usize;
                Ok(PartBytes::Shared(Arc::clone(bytes), range))
            }
            Self::File { file, path, offset } => {
                match file.bytes_at(len as usize, offset.saturating_add(u64::from(at))) {
                    Ok(bytes) => Ok(PartBytes::File(bytes)),
                    Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                        Err(self.truncated(at, len, 0))
                    }
                    Err(e) => Err(Error::io("read", path, e)),
                }
            }
        }
    }
}
