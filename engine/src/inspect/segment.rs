//! Level-0 files, segments and packs.

use super::Output;
use crate::block::{self, Block, ColumnData, SentenceTable, SharedSentences, Source};
use crate::crypt;
use crate::error::{Error, Result};
use crate::index::{IndexCounts, SegmentIndex};
use crate::io::{File, Io};
use crate::query::{BlockTable, EventTable as _, OpenedBlock, Table as _};
use crate::segment::{BlockPlace, INDEX_KIND, INDEX_VERSION, IndexPlace, Section, read_directory};
use crate::timestamp::Timestamp;
use std::path::Path;
use std::sync::Arc;

pub(super) fn inspect(io: &Io, path: &Path, dump: bool, out: &mut Output<'_>) -> Result<()> {
    let file = crypt::open_file(&*io.storage, path).map_err(|e| Error::io("open", path, e))?;
    let directory = read_directory(&*file, path)?;
    let header = directory.header;
    let rows = |blocks: &[BlockPlace]| blocks.iter().map(|b| u64::from(b.meta.rows)).sum::<u64>();
    let events: u64 = directory.sections.iter().map(|section| rows(&section.blocks)).sum();
    let store = hex(&header.store);
    out.line(format!(
        "{}: {events} events, {} bytes, {:.1} an event",
        header.id,
        directory.len,
        directory.len as f64 / events.max(1) as f64,
    ))?;
    out.line(format!("store {store}, incarnation {}", header.incarnation))?;
    let last = header.seqs.1.saturating_sub(1);
    out.line(format!("sequence numbers {} to {last}", header.seqs.0))?;
    out.line(format!("field names: {}", directory.names.join(" ").escape_debug()))?;
    for section in &directory.sections {
        out.line("")?;
        out.line(format!(
            "section {}: {} events in {} blocks, of {} runs",
            section.key,
            rows(&section.blocks),
            section.blocks.len(),
            section.runs.len()
        ))?;
        for run in &section.runs {
            let digest = run.digest.map_or("none".to_owned(), |digest| hex(&digest));
            let (generation, events) = (run.generation, run.rows);
            out.line(format!("  run of generation {generation}: {events} events, {digest}"))?;
        }
        if let Some(place) = section.index {
            show_index(&file, path, section, place, out)?;
        }
        let list = section.list.map(|place| {
            (place, Arc::new(SharedSentences::new(Arc::clone(&file), path.into(), place)))
        });
        if let Some((place, list)) = &list {
            list.verify()?;
            let sentences = list.get()?.len();
            let bytes = place.len;
            out.line(format!("  list of {sentences} sentences, {bytes} bytes, twice"))?;
        }
        let list = list.map(|(_, list)| list);
        for place in &section.blocks {
            let block = open(&file, path, place)?.with_list(list.clone());
            show_block(&block, place, out)?;
            // Reads every column: what is shown has been verified.
            let rows = block::decode(&block)?;
            assert_eq!(rows.len(), block.rows(), "a decoded block has its rows");
            if dump {
                let sentences = SentenceTable::default();
                let opened = OpenedBlock::new(Arc::new(block));
                let table = BlockTable::new(&opened, &sentences);
                let rows: Vec<usize> = (0..table.rows()).collect();
                out.events(&table.fetch(&rows, header.incarnation)?)?;
            }
        }
    }
    Ok(())
}

fn open(file: &Arc<dyn File>, path: &Path, place: &BlockPlace) -> Result<Block> {
    let source = Source::File { file: Arc::clone(file), path: path.into(), offset: place.offset };
    Block::open(source, &place.meta)
}

/// Verifies the index of a section and shows what it is made of.
fn show_index(
    file: &Arc<dyn File>,
    path: &Path,
    section: &Section,
    place: IndexPlace,
    out: &mut Output<'_>,
) -> Result<()> {
    let IndexPlace { offset, len, kind, version, .. } = place;
    if (kind, version) != (INDEX_KIND, INDEX_VERSION) {
        return out.line(format!("  index of kind {kind} version {version}: {len} bytes"));
    }
    let region = file.region(offset..offset + len).map_err(|e| Error::io("read", path, e))?;
    region.will_need(&(0..region.len()));
    let (path, counts) = (path.into(), IndexCounts::default());
    let index = SegmentIndex::open(region, section.blocks.len(), &path, offset, &counts)?;
    out.line(format!("  index of {} words, {len} bytes:", index.verify()?))?;
    for (name, bytes) in index.sizes() {
        out.line(format!("    {name:<24} {bytes:>9} bytes"))?;
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn show_block(block: &Block, place: &BlockPlace, out: &mut Output<'_>) -> Result<()> {
    let meta = block.meta();
    out.line(format!(
        "  block at {}: {} rows, {} bytes of {} raw, {} to {}",
        place.offset,
        meta.rows,
        meta.len,
        meta.raw_bytes,
        Timestamp(meta.min_ts),
        Timestamp(meta.max_ts)
    ))?;
    let rows = f64::from(meta.rows);
    let mut line = |name: &str, encoding: &str, values: u32, len: u32| {
        let each = f64::from(len) / rows;
        out.line(format!(
            "    {name:<24} {encoding:<10} {values:>6} values {len:>9} bytes {each:>7.2} a row"
        ))
    };
    for (name, len) in block.other_parts() {
        if len > 0 {
            line(name, "", meta.rows, len)?;
        }
    }
    let mut templates = Vec::new();
    for (index, column) in block.columns().iter().enumerate() {
        let name = column.name.replace('\0', " repeated ").escape_debug().to_string();
        line(&name, column.encoding_name(), column.values, column.len())?;
        if let ColumnData::Templates(data) = block.column(index)?.data() {
            let sizes = data.sizes().map(|(what, bytes)| format!("{what} {bytes}"));
            let sentences = data.counts().len();
            templates.push(format!("    {name}: {sentences} sentences; {}", sizes.join(", ")));
        }
    }
    templates.into_iter().try_for_each(|line| out.line(line))
}
