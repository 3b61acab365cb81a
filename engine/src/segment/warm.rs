//! What searches read of a file before they see an event: its directory, the heads of its indexes, and its
//! sentence lists. It is brought into the cache before anyone asks, or the first search of each file would
//! read it.

use super::cache::{BlockCache, sections_bytes};
use super::reader::SegmentFile;
use crate::error::Result;
use crate::io::may_break;
use crate::manifest::FileMeta;

impl SegmentFile {
    /// Brings it into the cache, of sections that are live, until it takes so many bytes; returns how many
    /// it takes. `None` if `goes_on` has ended it, which it asks before each section.
    ///
    /// # Errors
    /// What is damaged, or can't be read. Whoever needs it finds it again.
    pub(crate) fn warm(
        &self,
        meta: &FileMeta,
        bytes_max: usize,
        cache: &BlockCache,
        goes_on: impl Fn() -> bool,
    ) -> Result<Option<usize>> {
        let sections = self.sections(cache)?;
        let mut bytes = sections_bytes(&sections);
        for section in sections.iter() {
            let Some(first) = section.blocks.first() else { continue };
            if meta.section(first.offset).is_none() {
                continue;
            }
            if !goes_on() {
                return Ok(None);
            }
            if bytes >= bytes_max {
                break;
            }
            bytes += self.index(section, cache)?.map_or(0, |index| index.heap_bytes());
            if let Some(list) = self.list(first, cache) {
                bytes += list.heap_bytes();
                list.get()?;
            }
            may_break();
        }
        Ok(Some(bytes))
    }
}
