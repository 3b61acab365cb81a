//! Sections and their blocks: which of them are what was written, and what is in them.

use crate::block::{self, Block, BlockMeta, ListPlace, SharedSentences, Source};
use crate::codec::slice::Slice;
use crate::error::{Corruption, Error, ErrorKind, Result};
use crate::io::File;
use crate::manifest::{Range64, Run, SectionMeta};
use crate::proof::Recomputed;
use crate::segment::BlockPlace;
use std::path::Path;
use std::sync::Arc;

/// Magic, version, feature bits of a block, and its meta.
const BLOCK_META_END: usize = 64;

/// A section, as far as it can be read.
#[derive(Debug)]
pub(super) struct FoundSection {
    pub(super) meta: SectionMeta,
    /// The sound blocks.
    pub(super) blocks: Vec<FoundBlock>,
    /// The others, as far as there is a directory.
    pub(super) lost: Vec<BlockPlace>,
    /// How many events of each run are in them, in the order of `meta.runs`.
    pub(super) kept: Vec<u64>,
}

/// A block whose rows can be read.
#[derive(Debug)]
pub(super) struct FoundBlock {
    pub(super) place: BlockPlace,
    /// Whether all of its checksums are right; its filter may be damaged.
    pub(super) is_whole: bool,
}

impl FoundSection {
    /// A section of which nothing was read yet.
    pub(super) fn nothing(meta: SectionMeta) -> Self {
        let kept = vec![0; meta.runs.len()];
        Self { meta, blocks: Vec::new(), lost: Vec::new(), kept }
    }

    /// A section that is whole, elsewhere.
    pub(super) fn whole(meta: SectionMeta) -> Self {
        let kept = meta.runs.iter().map(|run| run.rows).collect();
        Self { meta, blocks: Vec::new(), lost: Vec::new(), kept }
    }

    /// Takes a block whose rows can be read. Returns what is wrong with the rest of it.
    pub(super) fn block(
        &mut self,
        file: &Arc<dyn File>,
        path: &Arc<Path>,
        place: &BlockPlace,
        list: Option<&Arc<SharedSentences>>,
    ) -> Result<Option<Error>> {
        let mut bytes = vec![0; place.meta.len as usize];
        match file.read_exact_at(&mut bytes, place.offset) {
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
                let expected = format!("{} bytes", place.meta.len);
                let end = "the end of the file";
                return Err(corrupt(path, place.offset, "block", &expected, end).into());
            }
            read => read.map_err(|e| Error::io("read", path, e))?,
        }
        let bytes: Arc<[u8]> = bytes.into();
        let placed = |error: Error| error.placed(path, place.offset);
        let block = Block::open(Source::Memory(Arc::clone(&bytes)), &place.meta);
        let block = block.map(|block| block.with_list(list.cloned()));
        let rows = block.and_then(|block| block::decode(&block)).map_err(placed)?;
        let seqs = (0..rows.len()).map(|row| rows.seq(row).0);
        let mut counts = vec![0; self.kept.len()];
        let mut behind = self.blocks.last().map_or(0, |last| last.place.meta.max_seq + 1);
        for seq in seqs {
            let run = self.meta.runs.partition_point(|run| run.seqs.end <= seq);
            let is_in = self.meta.runs.get(run).is_some_and(|run| run.seqs.contains(seq));
            if !is_in || seq < behind {
                let found = format!("sequence number {seq}");
                let expected = "events of the section's runs, in order";
                return Err(corrupt(path, place.offset, "block", expected, &found).into());
            }
            counts[run] += 1;
            behind = seq + 1;
        }
        self.kept.iter_mut().zip(counts).for_each(|(kept, count)| *kept += count);
        let rest = match block::verify(&bytes, &place.meta, place.offset, path) {
            Ok(_) => None,
            Err(error) if error.kind() == ErrorKind::Corrupt => Some(error),
            Err(error) => return Err(error),
        };
        self.blocks.push(FoundBlock { place: place.clone(), is_whole: rest.is_none() });
        Ok(rest)
    }

    /// The digest of what is left of a run: of its events in the sound blocks.
    pub(super) fn digest(&self, file: &Arc<dyn File>, path: &Path, run: &Run) -> Result<[u8; 32]> {
        let mut digest = Recomputed::default();
        let path = Arc::from(path);
        let list = list_of(self.blocks.first().map(|block| &block.place), file, &path);
        for FoundBlock { place, .. } in &self.blocks {
            let BlockMeta { min_seq, max_seq, .. } = place.meta;
            if max_seq < run.seqs.start || min_seq >= run.seqs.end {
                continue;
            }
            let (file, path) = (Arc::clone(file), Arc::clone(&path));
            let source = Source::File { file, path, offset: place.offset };
            let block = Block::open(source, &place.meta)?.with_list(list.clone());
            let rows = block::decode(&block)?;
            let before =
                |seq: u64| (0..rows.len()).take_while(|row| rows.seq(*row).0 < seq).count();
            digest.push(&rows, before(run.seqs.start)..before(run.seqs.end));
        }
        Ok(digest.finish(&self.meta.partition, run.generation))
    }

    /// The sequence numbers of some of its runs.
    pub(super) fn seqs_of(&self, runs: &[usize]) -> Arc<[Range64]> {
        runs.iter().filter_map(|run| Some(self.meta.runs.get(*run)?.seqs)).collect()
    }
}

/// The blocks of a section whose file has no directory any more: they follow each other, and each says
/// how long it is. Ends at the first whose header is damaged.
pub(super) fn walk(
    file: &Arc<dyn File>,
    path: &Arc<Path>,
    section: &SectionMeta,
) -> Vec<BlockPlace> {
    let mut places = Vec::new();
    let mut offset = section.offset;
    while places.len() < section.blocks as usize {
        let mut head = [0; BLOCK_META_END];
        if file.read_exact_at(&mut head, offset).is_err() {
            break;
        }
        let mut slice = Slice::new(&head, offset, "block", path);
        let meta = slice.take(8).and_then(|_| BlockMeta::decode(&mut slice));
        let Ok(meta) = meta else { break };
        let (file, path) = (Arc::clone(file), Arc::clone(path));
        if Block::open(Source::File { file, path, offset }, &meta).is_err() {
            break;
        }
        places.push(BlockPlace { offset, meta, list: None });
        offset = offset.saturating_add(u64::from(meta.len));
    }
    let blocks_end = (places.len() == section.blocks as usize).then_some(offset);
    let end = section.offset.saturating_add(section.len);
    let list = ListPlace::find(&**file, path, blocks_end, end);
    places.iter_mut().for_each(|place| place.list = list);
    places
}

/// The sentence list of the section that a block is of.
pub(super) fn list_of(
    block: Option<&BlockPlace>,
    file: &Arc<dyn File>,
    path: &Arc<Path>,
) -> Option<Arc<SharedSentences>> {
    let place = block?.list?;
    Some(Arc::new(SharedSentences::new(Arc::clone(file), Arc::clone(path), place)))
}

pub(super) fn corrupt(
    path: &Path,
    offset: u64,
    what: &'static str,
    expected: &str,
    found: &str,
) -> Corruption {
    let (file, expected, found) = (path.to_owned(), expected.to_owned(), found.to_owned());
    Corruption { file, offset, what, expected, found }
}
