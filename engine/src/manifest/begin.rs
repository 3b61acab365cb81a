//! Begins a manifest: a snapshot, and room for the edits to come.

use super::body;
use super::chain::{self, Link, Links};
use super::edit::Edit;
use super::format::{EditHash, EditHeader, FILE_HEADER_BYTES, FileHeader, PAGE};
use super::state::ManifestState;
use super::writer::Current;
use crate::codec::crc::crc32;
use crate::error::{Error, ErrorKind, Result};
use crate::io::{File, Io};
use crate::limits::MANIFEST_EDIT_BYTES_MAX;
use crate::names::{self, MANIFEST_NUMBER_MAX};
use std::io::ErrorKind as IoErrorKind;
use std::path::Path;

/// What is written must be readable.
pub(super) fn check_size(bytes: usize) -> Result<()> {
    if bytes <= MANIFEST_EDIT_BYTES_MAX {
        return Ok(());
    }
    let most = MANIFEST_EDIT_BYTES_MAX;
    Err(Error::invalid(format!(
        "an edit of the manifest has {bytes} bytes, at most {most} can be read"
    )))
}

/// Why a manifest was not begun.
pub(super) struct Failure {
    pub(super) error: Error,
    /// Whether it is unknown what is on the disk.
    pub(super) fatal: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, fatal: false }
    }
}

/// Bytes of edits after which a new manifest begins: as many as its snapshot has, so that a large
/// state is not written again for every few edits.
pub(super) fn edits_bytes_max(edits_start: u64, edits_bytes_min: u64) -> u64 {
    edits_bytes_min.max(edits_start.saturating_sub(FILE_HEADER_BYTES))
}

/// Where a manifest begins.
pub(super) struct Start<'a> {
    /// Its number.
    pub(super) number: u64,
    /// The hash of the edit before its first.
    pub(super) previous: EditHash,
    /// The links of the manifest that it takes the place of.
    pub(super) ended: Option<&'a Links>,
}

impl Start<'_> {
    /// The first manifest of a store.
    pub(super) const FIRST: Self = Self { number: 1, previous: [0; 32], ended: None };
}

/// Writes a manifest with a snapshot of `state` and zeros for the edits to come, `first_bytes` of
/// them at least, and for some more (`M4`); gives it its name once that is synced (`M2`), and the
/// links of the manifest that it takes the place of are, too (`L1`).
pub(super) fn begin(
    io: &Io,
    dir: &Path,
    state: &ManifestState,
    start: &Start<'_>,
    edits_bytes_min: u64,
    first_bytes: u64,
) -> Result<(Current, EditHash), Failure> {
    let Start { number, previous, ended } = *start;
    if number > MANIFEST_NUMBER_MAX {
        return Err(Error::unsupported("all numbers of manifests are used up").into());
    }
    let header =
        FileHeader { store_uuid: state.store_uuid, manifest_id: io.entropy.next_u64(), number };
    let (kind, plain) = Edit::Snapshot(state.clone()).encode();
    check_size(body::stored_len(io, plain.len()))?;
    let (version, body) = body::store(io, &state.store_uuid, kind, &previous, plain);
    let snapshot = edit_header(&header, (kind, version), 1, previous, &body);
    let path = names::manifest(dir, number);
    let temporary = names::temporary(&path);
    match io.storage.remove(&temporary) {
        Err(e) if e.kind() != IoErrorKind::NotFound => {
            return Err(Error::io("remove", &temporary, e).into());
        }
        _ => {}
    }
    let file = io.storage.create(&temporary).map_err(|e| Error::io("create", &temporary, e))?;
    let mut bytes = header.encode();
    bytes.extend(snapshot.frame(&body, header.seed()));
    let edits_start = bytes.len() as u64;
    let edits_bytes_max = edits_bytes_max(edits_start, edits_bytes_min);
    let room = first_bytes.max(edits_bytes_max + edits_bytes_min);
    let len = edits_start + room.next_multiple_of(PAGE as u64);
    if let Err(e) = fill(&*file, &bytes, len) {
        let _ = io.storage.remove(&temporary);
        return Err(Error::io("write", &temporary, e).into());
    }
    let fatal = |error| Failure { error, fatal: true };
    file.sync_data().map_err(|e| fatal(Error::io("sync", &temporary, e)))?;
    if let Some(ended) = ended {
        chain::write(io, dir, &state.store_uuid, ended).inspect_err(|_| {
            let _ = io.storage.remove(&temporary);
        })?;
    }
    io.storage.rename(&temporary, &path).map_err(|e| {
        let error = Error::io("rename", &temporary, e);
        Failure { fatal: error.kind() != ErrorKind::Full, error }
    })?;
    io.storage.sync_dir(dir).map_err(|e| fatal(Error::io("sync", dir, e)))?;
    let links = Links { manifest: number, previous, links: vec![Link::of(&snapshot, &body)] };
    let (hash, at, next) = (links.last(), edits_start, 2);
    let key = io.storage.keys().map(|keys| keys.active());
    let current =
        Current { file, path, header, len, edits_start, edits_bytes_max, at, next, links, key };
    Ok((current, hash))
}

fn fill(file: &dyn File, bytes: &[u8], len: u64) -> std::io::Result<()> {
    file.write_all_at(bytes, 0)?;
    let zeros = vec![0; 1 << 20];
    let mut at = bytes.len() as u64;
    while at < len {
        let piece = zeros.len().min(usize::try_from(len - at).unwrap_or(usize::MAX));
        file.write_all_at(&zeros[..piece], at)?;
        at += piece as u64;
    }
    Ok(())
}

pub(super) fn edit_header(
    file: &FileHeader,
    (kind, version): (u16, u16),
    number: u64,
    previous: EditHash,
    body: &[u8],
) -> EditHeader {
    EditHeader {
        kind,
        version,
        number,
        body_len: u32::try_from(body.len()).expect("an edit is far below 4 GiB"),
        body_crc: crc32(file.seed(), &[body]),
        previous,
    }
}
