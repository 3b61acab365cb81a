//! What a user of the engine sets.

use crate::append::Rules;
use crate::io::Io;
use crate::limits::Limits;
use std::path::PathBuf;

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// The store's directory; created if needed.
    pub dir: PathBuf,
    /// The bounds.
    pub limits: Limits,
    /// What is replaced in events before they reach the disk; all rules unless told otherwise.
    pub redaction: Rules,
    /// Disk, clock and chance.
    pub io: Io,
}

impl Options {
    /// The store in `dir`, with default bounds, on the real disk.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            limits: Limits::default(),
            redaction: Rules::default(),
            io: Io::system(),
        }
    }
}
