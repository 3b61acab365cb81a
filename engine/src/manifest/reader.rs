//! Reads a manifest: snapshot, edits, and how it ends.

use super::chain::{Link, Links};
use super::edit::{EDIT_VERSION, Edit};
use super::format::{
    EDIT_HEADER_BYTES, EditHash, EditHeader, FILE_HEADER_BYTES, FileHeader, PAGE, edit_bytes,
};
use super::state::ManifestState;
use crate::error::{Corruption, Error, Result};
use crate::io::{File, Io};
use crate::limits::MANIFEST_EDIT_BYTES_MAX;
use std::path::Path;
use std::sync::Arc;

/// A manifest as it stands in its file.
#[derive(Debug)]
pub(crate) struct Contents {
    /// What it says of itself.
    pub(crate) header: FileHeader,
    /// The state after the last edit.
    pub(crate) state: ManifestState,
    /// The hash of the last edit.
    pub(crate) hash: EditHash,
    /// The links of its edits.
    pub(crate) links: Links,
    /// The number of edits, the snapshot among them.
    pub(crate) edits: u64,
    /// Whether the last edit was cut off. It was never acknowledged.
    pub(crate) torn: bool,
    pub(super) file: Arc<dyn File>,
    pub(super) len: u64,
    /// Where the second edit begins.
    pub(super) edits_start: u64,
    /// Where the next edit goes.
    pub(super) end: u64,
    /// The last edit as it stands in the file, and its place.
    pub(super) last: (Vec<u8>, u64),
}

/// An edit whose checksums are right.
struct Frame {
    header: EditHeader,
    body: Vec<u8>,
}

/// Reads a manifest. `each` sees every edit, the snapshot first, with its offset in the file.
///
/// # Errors
/// `Corrupt` names the place; `Unsupported` names both versions; `Io`.
pub(crate) fn read(io: &Io, path: &Path, each: impl FnMut(u64, &Edit)) -> Result<Contents> {
    let file = io.storage.open(path).map_err(|e| Error::io("open", path, e))?;
    read_file(file, path, each)
}

/// The same of a file that is open, be it for reading or for writing too.
pub(super) fn read_file(
    file: Arc<dyn File>,
    path: &Path,
    mut each: impl FnMut(u64, &Edit),
) -> Result<Contents> {
    let len = file.len().map_err(|e| Error::io("read", path, e))?;
    let mut page = vec![0; len.min(FILE_HEADER_BYTES) as usize];
    file.read_exact_at(&mut page, 0).map_err(|e| Error::io("read", path, e))?;
    let header = FileHeader::decode(&page, path)?;
    let seed = header.seed();

    let mut reader = Reader { file: &*file, path, len, seed };
    let Some(first) = reader.frame(1, FILE_HEADER_BYTES)? else {
        // M2: it was synced before the manifest got its name.
        return Err(reader.corrupt(FILE_HEADER_BYTES, "a snapshot", "damage").into());
    };
    let previous = first.header.previous;
    let mut links = vec![Link::of(&first.header, &first.body)];
    let mut hash = links[0].hash(&previous);
    let edit = reader.edit(&first, FILE_HEADER_BYTES)?;
    each(FILE_HEADER_BYTES, &edit);
    let Edit::Snapshot(mut state) = edit else {
        return Err(reader.corrupt(FILE_HEADER_BYTES, "a snapshot", "another edit").into());
    };
    if state.store_uuid != header.store_uuid {
        return Err(reader.corrupt(FILE_HEADER_BYTES, "this store", "another one's state").into());
    }

    let edits_start = FILE_HEADER_BYTES + edit_bytes(first.body.len()) as u64;
    let (mut at, mut last_at, mut number, mut last) = (edits_start, FILE_HEADER_BYTES, 2, first);
    while let Some(frame) = reader.frame(number, at)? {
        if frame.header.previous != hash {
            return Err(reader.corrupt(at, "the hash of the edit before", "another").into());
        }
        let edit = reader.edit(&frame, at)?;
        state.check_edit(&edit).map_err(|what| reader.corrupt(at, "an edit that fits", &what))?;
        each(at, &edit);
        state.apply(edit);
        let link = Link::of(&frame.header, &frame.body);
        hash = link.hash(&hash);
        links.push(link);
        last_at = at;
        at += edit_bytes(frame.body.len()) as u64;
        number += 1;
        last = frame;
    }
    if reader.has_edit_after(number, at)? {
        return Err(reader.corrupt(at, "an edit", "damage before later edits").into());
    }
    let torn = reader.has_edit_after(number - 1, at)?;
    let last = (last.header.frame(&last.body, seed), last_at);
    let (edits, end) = (number - 1, at);
    let links = Links { manifest: header.number, previous, links };
    Ok(Contents { header, state, hash, links, edits, torn, file, len, edits_start, end, last })
}

struct Reader<'a> {
    file: &'a dyn File,
    path: &'a Path,
    len: u64,
    seed: u32,
}

impl Reader<'_> {
    /// The edit of this number at `at`, if its checksums are right.
    fn frame(&mut self, number: u64, at: u64) -> Result<Option<Frame>> {
        let header = self.header(at)?;
        let Some(header) = header.filter(|header| header.number == number) else {
            return Ok(None);
        };
        let room = self.len.saturating_sub(at).saturating_sub(EDIT_HEADER_BYTES as u64);
        let body_len = u64::from(header.body_len);
        if body_len > room || body_len > MANIFEST_EDIT_BYTES_MAX as u64 {
            return Ok(None);
        }
        let mut body = vec![0; header.body_len as usize];
        self.read(&mut body, at + EDIT_HEADER_BYTES as u64)?;
        Ok(header.fits(&body, self.seed).then_some(Frame { header, body }))
    }

    fn header(&self, at: u64) -> Result<Option<EditHeader>> {
        if self.len.saturating_sub(at) < EDIT_HEADER_BYTES as u64 {
            return Ok(None);
        }
        let mut head = [0; EDIT_HEADER_BYTES];
        self.read(&mut head, at)?;
        Ok(EditHeader::decode(&head, self.seed))
    }

    fn edit(&self, frame: &Frame, at: u64) -> Result<Edit> {
        let EditHeader { kind, version, .. } = frame.header;
        let Some(edit) = Edit::decode(kind, version, &frame.body) else {
            return Err(Error::unsupported(format!(
                "{} holds an edit of kind {kind} version {version}; this program knows kinds 1 to \
                 4 of versions up to {EDIT_VERSION}",
                self.path.display()
            )));
        };
        Ok(edit.map_err(|what| self.corrupt(at, "an edit", &what))?)
    }

    /// Whether an edit with a number above `number` begins at `at` or behind it.
    fn has_edit_after(&self, number: u64, mut at: u64) -> Result<bool> {
        while at < self.len {
            if self.header(at)?.is_some_and(|header| header.number > number) {
                return Ok(true);
            }
            at += PAGE as u64;
        }
        Ok(false)
    }

    fn read(&self, buffer: &mut [u8], at: u64) -> Result<()> {
        self.file.read_exact_at(buffer, at).map_err(|e| Error::io("read", self.path, e))
    }

    fn corrupt(&self, offset: u64, expected: &str, found: &str) -> Corruption {
        Corruption {
            file: self.path.to_owned(),
            offset,
            what: "manifest edit",
            expected: expected.to_owned(),
            found: found.to_owned(),
        }
    }
}
