//! What can go wrong, told by what the caller can do about it.

use crate::cold::{ColdAway, end_of_query};
use crate::crypt::Refusal;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The result of every fallible engine call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the caller can do about an [`Error`]. A new kind only if a caller would act differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request is wrong: fix it, do not retry it.
    Invalid,
    /// Too much at once: retry later.
    Busy,
    /// No space on the disk: free some, then retry.
    Full,
    /// Written by a version that this one does not know.
    Unsupported,
    /// Stored bytes are not what was written.
    Corrupt,
    /// The operating system refused a file operation.
    Io,
    /// The store accepts nothing more until it is opened again.
    Closed,
    /// The query took longer than it was given: narrow it, or give it more time.
    Deadline,
    /// The query was cancelled: nobody waits for its answer.
    Cancelled,
    /// The query would take more memory than one may: narrow it.
    Memory,
    /// The archive has it, and can't give it now: retry later, or go without.
    Away,
    /// It is encrypted under a key that was not given: give it. Or it is plain, and may not be.
    Locked,
}

/// An error of the engine: its kind, a message for people, and the cause if there is one.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    place: Option<Range<usize>>,
    corruption: Option<Box<Corruption>>,
    source: Option<io::Error>,
}

/// Where stored bytes differ from what was written. Made where the bytes are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corruption {
    /// The damaged file; empty for bytes that are only in memory.
    pub file: PathBuf,
    /// Byte offset in the file of the structure that is damaged.
    pub offset: u64,
    /// The structure, for example `wal group`.
    pub what: &'static str,
    /// What had to be there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: damaged {} at offset {}: expected {}, found {}",
            self.file.display(),
            self.what,
            self.offset,
            self.expected,
            self.found
        )
    }
}

impl Error {
    fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), place: None, corruption: None, source: None }
    }

    /// The request is wrong.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// Retry later.
    pub fn busy(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Busy, message)
    }

    /// Free space first.
    pub fn full(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Full, message)
    }

    /// Written by another version; `message` names both.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// The store is closed; `reason` says why.
    pub fn closed(reason: impl Into<String>) -> Self {
        Self::new(ErrorKind::Closed, reason)
    }

    /// The query took too long.
    pub fn deadline(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Deadline, message)
    }

    /// The query was cancelled.
    pub fn cancelled(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Cancelled, message)
    }

    /// The query would take too much memory; `message` names the limit.
    pub fn memory(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Memory, message)
    }

    /// It is encrypted under a key that was not given; `message` names it.
    pub(crate) fn locked(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Locked, message)
    }

    /// A file operation failed. No space and quota become [`ErrorKind::Full`], an archive that can't be
    /// reached [`ErrorKind::Away`]; what can't be decrypted [`ErrorKind::Locked`] or, if it is damaged,
    /// [`ErrorKind::Corrupt`]; the end of a query that waited for it stays what it is.
    pub fn io(action: &str, path: &Path, source: io::Error) -> Self {
        if let Some(end) = end_of_query(&source) {
            return end.clone();
        }
        if let Some(refusal) = Refusal::of(&source) {
            return refusal.clone().into_error(path);
        }
        let kind = match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Full,
            _ if ColdAway::is_cause(&source) => ErrorKind::Away,
            _ => ErrorKind::Io,
        };
        let message = format!("cannot {action} {}: {source}", path.display());
        Self { kind, message, place: None, corruption: None, source: Some(source) }
    }

    /// A sync failed: what of it is on the disk is unknown, and no later sync will tell. No space
    /// and quota are [`ErrorKind::Full`], for a caller that begins anew with another file; all else
    /// closes the store.
    pub(crate) fn sync(path: &Path, source: io::Error) -> Self {
        let error = Self::io("sync", path, source);
        match error.kind {
            ErrorKind::Full => error,
            _ => Self::closed(format!("the store is closed until it is opened again: {error}")),
        }
    }

    /// What the caller can do.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What is wrong, without its place.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The part of a query's text that is wrong, in bytes, if it is one.
    pub fn place(&self) -> Option<&Range<usize>> {
        self.place.as_ref()
    }

    /// The same of a part of the query's text.
    pub(crate) fn at(mut self, place: Range<usize>) -> Self {
        self.place = Some(place);
        self
    }

    /// The same in other words.
    pub(crate) fn with_message(mut self, message: String) -> Self {
        self.message = message;
        self
    }

    /// The damage, if the kind is [`ErrorKind::Corrupt`].
    pub fn corruption(&self) -> Option<&Corruption> {
        self.corruption.as_deref()
    }
}

impl From<Corruption> for Error {
    fn from(corruption: Corruption) -> Self {
        Self {
            kind: ErrorKind::Corrupt,
            message: corruption.to_string(),
            place: None,
            corruption: Some(Box::new(corruption)),
            source: None,
        }
    }
}

impl Clone for Error {
    /// The waiters of one group all get the same answer. The cause is kept by kind and text.
    fn clone(&self) -> Self {
        Self {
            kind: self.kind,
            message: self.message.clone(),
            place: self.place.clone(),
            corruption: self.corruption.clone(),
            source: self.source.as_ref().map(|e| io::Error::new(e.kind(), e.to_string())),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            None => f.write_str(&self.message),
            Some(place) => write!(f, "{} (at byte {})", self.message, place.start),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|e| e as _)
    }
}
