//! How far a page reads ahead: a page that is full after a few files fetches little in vain, and one that has to look
//! into all of them waits for many at a time.

use super::{Part, Search};
use crate::engine::LiveFile;
use crate::manifest::FileId;
use crate::query::table::{AHEAD_MAX, NewPages, read_ahead};
use std::cmp::Reverse;
use std::collections::HashSet;

/// What was read ahead so far.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// Files that were, also if it failed.
    files: HashSet<FileId>,
    /// How many the next time: of those here, and of those in the archive.
    next: [usize; 2],
    new_pages: NewPages,
}

impl Search<'_> {
    /// Before a file is opened: reads it and those that come after it ahead, twice as many each time.
    pub(super) fn read_ahead(&mut self, file: &LiveFile) {
        let is_evicted = file.file.is_evicted();
        if self.window.files.contains(&file.meta.id)
            || !is_evicted && !self.window.new_pages.are_read(self.shared)
        {
            return;
        }
        let next = &mut self.window.next[usize::from(is_evicted)];
        let count = (*next).clamp(if is_evicted { 1 } else { 2 }, AHEAD_MAX);
        *next = count * 2;
        let mut files = vec![file];
        if count > 1 {
            let mut queued: Vec<_> = self.queue.iter().copied().collect();
            queued.sort_unstable_by_key(|part| Reverse(*part));
            let queued = queued.into_iter().filter_map(|(_, index)| match &self.parts[index] {
                Part::File(file) if file.file.is_evicted() == is_evicted => Some(file),
                _ => None,
            });
            let known = &self.window.files;
            files.extend(queued.filter(|file| !known.contains(&file.meta.id)).take(count - 1));
        }
        let (range, _) = self.bounds();
        read_ahead(self.shared, &files, range, Some(&self.pass.plan));
        let ids: Vec<FileId> = files.iter().map(|file| file.meta.id).collect();
        self.window.files.extend(ids);
    }
}
