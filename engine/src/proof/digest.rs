//! Digests of pages and runs.

use super::canon::{CanonRows, CanonWriter};
use crate::batch::Rows;
use crate::codec::varint;
use crate::io;
use crate::partition::PartitionKey;
use std::collections::HashMap;
use std::ops::Range;

/// Rows of a page; the last page of a run may have fewer.
pub(super) const PAGE_ROWS: usize = 64;
/// What is hashed before the events of a page.
pub(super) const PAGE_DOMAIN: [u8; 8] = *b"LSPAGE\0\x01";
/// What is hashed before everything else of a run.
const RUN_DOMAIN: [u8; 8] = *b"LSRUN\0\0\x01";

/// The digests of the runs that are being sealed.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    runs: HashMap<PartitionKey, RunDigest>,
    writer: CanonWriter,
}

/// The digest of a run, found again from its rows.
#[derive(Debug, Default)]
pub(crate) struct Recomputed {
    run: RunDigest,
    writer: CanonWriter,
}

impl Recomputed {
    /// The next rows of the run, in sequence order: those of a block that are its.
    pub(crate) fn push(&mut self, rows: &Rows, range: Range<usize>) {
        self.run.push(&mut self.writer, rows, range);
    }

    /// How many rows there were since the last run ended.
    pub(crate) fn rows(&self) -> u64 {
        self.run.rows
    }

    /// The digest of the run of `key` in `generation`. Begins anew.
    pub(crate) fn finish(&mut self, key: &PartitionKey, generation: u64) -> [u8; 32] {
        std::mem::take(&mut self.run).finish(key, generation)
    }
}

/// The digest of a run, as far as its rows are known.
#[derive(Debug, Default)]
struct RunDigest {
    rows: u64,
    /// The digests of full pages.
    pages: Vec<[u8; 32]>,
    /// The page that is not full yet, unless it has no row.
    open: Option<Box<blake3::Hasher>>,
}

impl Runs {
    /// The next rows of a partition, in sequence order. Pages don't end where blocks do.
    pub(crate) fn push(&mut self, key: &PartitionKey, rows: &Rows) {
        if !self.runs.contains_key(key) {
            self.runs.insert(key.clone(), RunDigest::default());
        }
        let run = self.runs.get_mut(key).expect("just inserted");
        run.push(&mut self.writer, rows, 0..rows.len());
    }

    /// The digests of all runs, which are those of `generation`. Begins anew.
    pub(crate) fn finish(&mut self, generation: u64) -> HashMap<PartitionKey, [u8; 32]> {
        let digest = |(key, run): (PartitionKey, RunDigest)| {
            let digest = run.finish(&key, generation);
            (key, digest)
        };
        std::mem::take(&mut self.runs).into_iter().map(digest).collect()
    }
}

impl RunDigest {
    fn push(&mut self, writer: &mut CanonWriter, rows: &Rows, range: Range<usize>) {
        let canon = CanonRows::new(rows);
        let mut at = range.start;
        while at < range.end {
            let in_page = (self.rows % PAGE_ROWS as u64) as usize;
            let end = range.end.min(at + PAGE_ROWS - in_page);
            // Hashed with the first rows at once: BLAKE3 is fast on long pieces that begin at 0.
            let before: &[u8] = if self.open.is_none() { &PAGE_DOMAIN } else { &[] };
            let page = self.open.get_or_insert_default();
            writer.write(before, &canon, at..end, &mut |bytes: &[u8]| {
                page.update(bytes);
            });
            io::may_break();
            self.rows += (end - at) as u64;
            if self.rows.is_multiple_of(PAGE_ROWS as u64) {
                self.close_page();
            }
            at = end;
        }
    }

    fn close_page(&mut self) {
        let page = self.open.take();
        self.pages.extend(page.map(|page| *page.finalize().as_bytes()));
    }

    fn finish(mut self, key: &PartitionKey, generation: u64) -> [u8; 32] {
        self.close_page();
        digest_of_pages(key, generation, self.rows, &self.pages)
    }
}

/// The digest of a run of so many rows, of which the digests of all pages are known.
pub(super) fn digest_of_pages(
    key: &PartitionKey,
    generation: u64,
    rows: u64,
    pages: &[[u8; 32]],
) -> [u8; 32] {
    let mut head = RUN_DOMAIN.to_vec();
    varint::encode_bytes(key.tenant.as_bytes(), &mut head);
    varint::encode_bytes(key.class.as_bytes(), &mut head);
    head.extend(key.day.0.to_le_bytes());
    head.extend(generation.to_le_bytes());
    head.extend(rows.to_le_bytes());
    let mut hasher = blake3::Hasher::new();
    hasher.update(&head);
    hasher.update(pages.as_flattened());
    *hasher.finalize().as_bytes()
}

/// The digest of a run that is in these parts of blocks, as one call.
#[cfg(test)]
pub(crate) fn digest_of_section(
    key: &PartitionKey,
    generation: u64,
    rows: impl IntoIterator<Item = crate::error::Result<(Rows, Range<usize>)>>,
) -> crate::error::Result<[u8; 32]> {
    let mut run = Recomputed::default();
    for rows in rows {
        let (rows, range) = rows?;
        run.push(&rows, range);
    }
    Ok(run.finish(key, generation))
}
