//! Reads a log as recovery does, and changes nothing.

use super::reader::WalFile;
use super::recover::{Replay, Report, check_names, open_files, survey};
use crate::error::{Error, Result};
use crate::io::Io;
use crate::names;
use std::io::ErrorKind as IoErrorKind;
use std::path::Path;

/// What is wrong with a log.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The first damage.
    pub(crate) error: Error,
    /// The first event that it may concern.
    pub(crate) next_seq: u64,
}

/// Judges the log of the store in `dir` by the table of recovery: what [`super::recover`] would
/// refuse is refused, what it would read is decoded.
///
/// # Errors
/// Those of [`super::recover`].
pub(crate) fn check(
    io: &Io,
    dir: &Path,
    store_uuid: &[u8; 16],
    committed_generation: Option<u64>,
    next_seq: u64,
) -> Result<Report, Failure> {
    let begins = |error| Failure { error, next_seq };
    let first_generation = committed_generation.map_or(1, |last| last.saturating_add(1));
    let files = match io.storage.list(&names::wal_dir(dir)) {
        Err(e) if e.kind() == IoErrorKind::NotFound => Vec::new(),
        _ => survey(io, dir, first_generation).map_err(begins)?.live,
    };
    check_names(dir, &files, first_generation, committed_generation.is_some()).map_err(begins)?;
    let open = |path| WalFile::open_read_only(io, path);
    let files = open_files(dir, &files, store_uuid, open).map_err(begins)?;
    let mut replay = Replay::new(&files, first_generation, next_seq);
    let read = replay.files(&files, &mut |_, _| Ok(()));
    match read {
        Ok(_) => Ok(replay.report),
        Err(error) => Err(Failure { error, next_seq: replay.next_seq }),
    }
}
