//! Why stored bytes were not decrypted.

use super::KeyId;
use crate::error::{Corruption, Error};
use std::fmt;
use std::io;
use std::path::Path;

/// Why stored bytes were not decrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The key that they need was not given.
    NoKey(KeyId),
    /// What was given under this name is another key.
    OtherKey(KeyId),
    /// They are plain, and only encrypted ones are read.
    Plain,
    /// They were written by a later version.
    Unknown(String),
    /// They are not what was written.
    Damaged {
        /// Where, in the stored bytes.
        offset: u64,
        /// What had to be there.
        expected: &'static str,
    },
}

impl Refusal {
    /// Damage at `offset`.
    pub(super) fn damaged(offset: u64, expected: &'static str) -> Self {
        Self::Damaged { offset, expected }
    }

    /// The same of bytes that begin at `base` of their file.
    pub(crate) fn at(self, base: u64) -> Self {
        match self {
            Self::Damaged { offset, expected } => {
                Self::Damaged { offset: base.saturating_add(offset), expected }
            }
            other => other,
        }
    }

    /// The error of the file that the bytes are in.
    pub(crate) fn into_error(self, file: &Path) -> Error {
        match self {
            Self::NoKey(_) | Self::OtherKey(_) | Self::Plain => {
                Error::locked(format!("{}: {self}", file.display()))
            }
            Self::Unknown(_) => Error::unsupported(format!("{}: {self}", file.display())),
            Self::Damaged { offset, expected } => Corruption {
                file: file.to_owned(),
                offset,
                what: "encrypted bytes",
                expected: expected.to_owned(),
                found: "other bytes".to_owned(),
            }
            .into(),
        }
    }

    /// The refusal that is behind an error of reading.
    pub(crate) fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref().and_then(|cause| cause.downcast_ref())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKey(id) => write!(
                f,
                "encrypted under key \"{id}\", which was not given: add it to the file that \
                 encryption.key_file names, or to LOGSTRATA_ENCRYPTION_KEY"
            ),
            Self::OtherKey(id) => write!(
                f,
                "encrypted under another key \"{id}\" than the one given by that name: give the one \
                 that it was written with"
            ),
            Self::Plain => f.write_str(
                "plain, and encryption.require is set: it is from before there were keys, or from \
                 somebody who has none; if the former, unset encryption.require until GET \
                 /api/v1/admin/encryption tells of nothing that is plain",
            ),
            Self::Unknown(what) => f.write_str(what),
            Self::Damaged { offset, expected } => {
                write!(f, "encrypted bytes at {offset} are not {expected}")
            }
        }
    }
}

impl std::error::Error for Refusal {}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> Self {
        Self::other(refusal)
    }
}
