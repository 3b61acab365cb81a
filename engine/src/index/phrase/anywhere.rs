//! The search for a phrase in any case with a regular expression: in much text the fastest, but to make it takes
//! as long as to search a megabyte without.

use regex::bytes::{Regex, RegexBuilder};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What is searched without the expression before it is made.
const QUICK_BYTES_MAX: usize = 1 << 20;

/// The expression of a phrase, made once it pays.
#[derive(Debug, Default)]
pub(super) struct Anywhere {
    regex: OnceLock<Option<Regex>>,
    /// Bytes that were searched without it.
    searched: AtomicUsize,
}

impl Clone for Anywhere {
    fn clone(&self) -> Self {
        let searched = AtomicUsize::new(self.searched.load(Relaxed));
        Self { regex: self.regex.clone(), searched }
    }
}

impl Anywhere {
    /// Whether it does not pay yet.
    pub(super) fn is_quick(&self) -> bool {
        self.searched.load(Relaxed) < QUICK_BYTES_MAX
    }

    /// So many bytes more were searched without it.
    pub(super) fn searched(&self, bytes: usize) {
        self.searched.fetch_add(bytes, Relaxed);
    }

    /// Where the phrase first stands.
    pub(super) fn find(&self, phrase: &[u8], texts: &[u8]) -> Option<usize> {
        let regex = self.regex.get_or_init(|| {
            let literal = regex::escape(std::str::from_utf8(phrase).ok()?);
            RegexBuilder::new(&literal).case_insensitive(true).build().ok()
        });
        match regex {
            Some(regex) => regex.find(texts).map(|found| found.start()),
            // Too long for a regular expression: everything is worth a closer look.
            None => (!texts.is_empty()).then_some(0),
        }
    }
}
