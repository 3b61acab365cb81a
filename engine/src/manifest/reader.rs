//! Reads a manifest: snapshot, edits, and how it ends.

use super::body::{self, ENCRYPTED};
use super::chain::{Link, Links};
use super::edit::{EDIT_VERSION, Edit};
use super::format::{
    EDIT_HEADER_BYTES, EditHash, EditHeader, FILE_HEADER_BYTES, FileHeader, PAGE, edit_bytes,
};
use super::state::ManifestState;
use crate::crypt::{self, KeyId, Purpose};
use crate::error::{Corruption, Error, Result};
use crate::io::{File, Io, Storage};
use crate::limits::MANIFEST_EDIT_BYTES_MAX;
use std::cell::Cell;
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
    /// The key that the snapshot is encrypted under, if it is.
    pub(crate) key: Option<KeyId>,
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
pub(super) struct Frame {
    pub(super) header: EditHeader,
    pub(super) body: Vec<u8>,
}

/// Reads a manifest. `each` sees every edit, the snapshot first, with its offset in the file.
///
/// # Errors
/// `Corrupt` names the place; `Unsupported` names both versions; `Io`.
pub(crate) fn read(io: &Io, path: &Path, each: impl FnMut(u64, &Edit)) -> Result<Contents> {
    let file = io.storage.open(path).map_err(|e| Error::io("open", path, e))?;
    read_file(&*io.storage, file, path, each)
}

/// The same of a file that is open, be it for reading or for writing too.
pub(super) fn read_file(
    storage: &dyn Storage,
    file: Arc<dyn File>,
    path: &Path,
    mut each: impl FnMut(u64, &Edit),
) -> Result<Contents> {
    let len = file.len().map_err(|e| Error::io("read", path, e))?;
    let mut page = vec![0; len.min(FILE_HEADER_BYTES) as usize];
    file.read_exact_at(&mut page, 0).map_err(|e| Error::io("read", path, e))?;
    let header = FileHeader::decode(&page, path)?;
    let seed = header.seed();

    let store = header.store_uuid;
    let reader = Reader::new(storage, (&*file, path, len), seed, store);
    let Some(first) = reader.frame(1, FILE_HEADER_BYTES)? else {
        // M2: it was synced before the manifest got its name.
        return Err(reader.corrupt(FILE_HEADER_BYTES, "a snapshot", "damage").into());
    };
    let previous = first.header.previous;
    let mut links = vec![Link::of(&first.header, &first.body)];
    let mut hash = links[0].hash(&previous);
    let edit = reader.edit(&first, FILE_HEADER_BYTES)?;
    let key = match first.header.version & ENCRYPTED {
        0 => None,
        _ => crypt::key_of(Purpose::Edit, &first.body).ok(),
    };
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
    Ok(Contents { header, state, hash, links, edits, key, torn, file, len, edits_start, end, last })
}

/// A manifest whose header was read.
pub(super) struct Reader<'a> {
    /// Has the keys.
    storage: &'a dyn Storage,
    file: &'a dyn File,
    path: &'a Path,
    len: u64,
    seed: u32,
    store: [u8; 16],
    /// Whether an encrypted edit was read: behind it none is plain.
    encrypted: Cell<bool>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        storage: &'a dyn Storage,
        (file, path, len): (&'a dyn File, &'a Path, u64),
        seed: u32,
        store: [u8; 16],
    ) -> Self {
        Self { storage, file, path, len, seed, store, encrypted: Cell::new(false) }
    }

    /// The edit of this number at `at`, if its checksums are right.
    pub(super) fn frame(&self, number: u64, at: u64) -> Result<Option<Frame>> {
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

    /// The header of an edit at `at`, if its checksum is right.
    pub(super) fn header(&self, at: u64) -> Result<Option<EditHeader>> {
        if self.len.saturating_sub(at) < EDIT_HEADER_BYTES as u64 {
            return Ok(None);
        }
        let mut head = [0; EDIT_HEADER_BYTES];
        self.read(&mut head, at)?;
        Ok(EditHeader::decode(&head, self.seed))
    }

    /// The edit of a frame.
    pub(super) fn edit(&self, frame: &Frame, at: u64) -> Result<Edit> {
        let body_at = at + EDIT_HEADER_BYTES as u64;
        let is_encrypted = frame.header.version & ENCRYPTED != 0;
        if self.encrypted.get() && !is_encrypted {
            return Err(self.corrupt(at, "an encrypted edit, as before it", "a plain one").into());
        }
        let (version, body) = body::plain(self.storage, &self.store, &frame.header, &frame.body)
            .map_err(|refusal| refusal.at(body_at).into_error(self.path))?;
        let kind = frame.header.kind;
        let Some(edit) = Edit::decode(kind, version, &body) else {
            return Err(Error::unsupported(format!(
                "{} holds an edit of kind {kind} version {version}; this program knows kinds 1 to \
                 7 of versions up to {EDIT_VERSION}",
                self.path.display()
            )));
        };
        let edit = edit.map_err(|what| self.corrupt(at, "an edit", &what))?;
        self.encrypted.set(is_encrypted);
        Ok(edit)
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
