//! Reads one file of the log: its header, the group at a place, and whether groups stand behind.

use super::format::{
    BATCH_VERSION, COLUMNS_VERSION, FILE_HEADER_BYTES, FileHeader, GROUP_HEADER_BYTES, GroupHeader,
    RECORD_BATCH, RecordHeader, group_bytes,
};
use super::record;
use crate::batch::Batch;
use crate::codec::slice::Slice;
use crate::crypt::{self, KeyId, Keyring, Purpose};
use crate::error::{Corruption, Error, Result};
use crate::io::{File, Io};
use crate::limits::WAL_ALIGN;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A search for groups reads this much at once.
const SCAN_BYTES: usize = 1 << 20;

/// A file of the log, open for reading.
#[derive(Debug)]
pub(super) struct WalFile {
    pub(super) file: Arc<dyn File>,
    pub(super) path: PathBuf,
    pub(super) header: FileHeader,
    len: u64,
    seed: u32,
    keys: Option<Arc<Keyring>>,
}

/// What a walk through a file has met.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Walked {
    /// Groups that are whole.
    pub(crate) groups: u64,
    /// Where the last of them ends.
    pub(crate) end: u64,
    /// The length of the file.
    pub(crate) len: u64,
}

/// Shows every group of a file, by its number and without a batch, and then each of its batches.
/// Ends at the first place without a group. For tools: nothing is judged.
///
/// # Errors
/// `Corrupt`, `Unsupported`, `Io`.
pub(crate) fn walk(
    io: &Io,
    path: &Path,
    mut each: impl FnMut(u64, Option<&Batch>),
) -> Result<Walked> {
    let file = WalFile::open_read_only(io, path.to_owned())?;
    let mut walked = Walked { groups: 0, end: FILE_HEADER_BYTES, len: file.len };
    while let Some(group) = file.group_at(walked.end)? {
        let number = group.header.number;
        each(number, None);
        let mut next_seq = group.first_seq(path)?;
        group.replay(path, &mut next_seq, |batch| {
            each(number, Some(&batch));
            Ok(())
        })?;
        walked.groups += 1;
        walked.end = group.end();
    }
    Ok(walked)
}

/// A group whose checksums are right.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) header: GroupHeader,
    /// The key that it is encrypted under, if it is.
    pub(super) key: Option<KeyId>,
    /// The records, decrypted.
    body: Vec<u8>,
    /// Where it begins.
    pub(super) at: u64,
}

impl WalFile {
    /// Opens a file, for writing too, and checks its header.
    pub(super) fn open(io: &Io, path: PathBuf) -> Result<Self> {
        let file = io.storage.open_for_write(&path).map_err(|e| Error::io("open", &path, e))?;
        Self::new(io, file, path)
    }

    /// Opens a file for reading alone, and checks its header.
    pub(super) fn open_read_only(io: &Io, path: PathBuf) -> Result<Self> {
        let file = io.storage.open(&path).map_err(|e| Error::io("open", &path, e))?;
        Self::new(io, file, path)
    }

    /// Checks the header of a file that is open.
    fn new(io: &Io, file: Arc<dyn File>, path: PathBuf) -> Result<Self> {
        let len = file.len().map_err(|e| Error::io("read", &path, e))?;
        let mut page = vec![0; len.min(FILE_HEADER_BYTES) as usize];
        file.read_exact_at(&mut page, 0).map_err(|e| Error::io("read", &path, e))?;
        let header = FileHeader::decode(&page, &path)?;
        Self::with_header(io, file, path, header)
    }

    /// A file that is open, with this header.
    pub(super) fn with_header(
        io: &Io,
        file: Arc<dyn File>,
        path: PathBuf,
        header: FileHeader,
    ) -> Result<Self> {
        let len = file.len().map_err(|e| Error::io("read", &path, e))?;
        let seed = header.seed();
        let keys = io.storage.keys().cloned();
        Ok(Self { file, path, header, len, seed, keys })
    }

    /// A file is never shorter than it was when it got its name.
    pub(super) fn check_len(&self) -> Result<()> {
        let named_with = u64::from(self.header.pages) * WAL_ALIGN as u64;
        if self.len >= named_with {
            return Ok(());
        }
        let (file, offset, what) = (self.path.clone(), self.len, "wal file");
        let (expected, found) = (format!("{named_with} bytes"), self.len.to_string());
        Err(Corruption { file, offset, what, expected, found }.into())
    }

    /// The group that begins at `at`, if its checksums are right. Its number may be any.
    ///
    /// # Errors
    /// `Corrupt` if it is encrypted and not what was encrypted: no tear leaves a group whose checksums are
    /// right. `Locked` without its key, `Unsupported`, `Io`.
    pub(super) fn group_at(&self, at: u64) -> Result<Option<Group>> {
        let Some((header, stored)) = self.stored_group_at(at)? else { return Ok(None) };
        let keys = self.keys.as_deref();
        let key = header.encrypted.then(|| crypt::key_of(Purpose::Group, &stored).ok()).flatten();
        let body = match header.encrypted {
            true => {
                let place = place(&self.header.store_uuid, header.number);
                crypt::open(keys, (Purpose::Group, &place), &stored)
            }
            // Without records there is nothing to encrypt.
            false if header.records == 0 => Ok(stored),
            false => keys.map_or(Ok(()), Keyring::admit_plain).map(|()| stored),
        };
        let base = at + GROUP_HEADER_BYTES as u64;
        let body = body.map_err(|refusal| refusal.at(base).into_error(&self.path))?;
        Ok(Some(Group { header, key, body, at }))
    }

    /// The same, its body as it is stored.
    pub(super) fn stored_group_at(&self, at: u64) -> Result<Option<(GroupHeader, Vec<u8>)>> {
        let Some(room) = self.len.checked_sub(at).filter(|room| *room >= GROUP_HEADER_BYTES as u64)
        else {
            return Ok(None);
        };
        let mut head = [0; GROUP_HEADER_BYTES];
        self.read(&mut head, at)?;
        let Some(header) = GroupHeader::decode(&head, self.seed, self.header.wal_id) else {
            return Ok(None);
        };
        if u64::from(header.body_len) > room - GROUP_HEADER_BYTES as u64 {
            return Ok(None);
        }
        let mut body = vec![0; header.body_len as usize];
        self.read(&mut body, at + GROUP_HEADER_BYTES as u64)?;
        Ok(header.fits(&body, self.seed).then_some((header, body)))
    }

    /// Whether a group with a number above `number` begins at `from` or behind it.
    pub(super) fn has_group_after(&self, number: u64, from: u64) -> Result<bool> {
        let up_to_end = |at| {
            let bytes = usize::try_from(self.len.saturating_sub(at));
            SCAN_BYTES.min(bytes.unwrap_or(SCAN_BYTES))
        };
        let mut buffer = vec![0; up_to_end(from)];
        let mut at = from;
        while at < self.len {
            let len = up_to_end(at);
            let piece = &mut buffer[..len];
            self.read(piece, at)?;
            let found = piece.chunks(WAL_ALIGN).any(|page| {
                let header = GroupHeader::decode(page, self.seed, self.header.wal_id);
                header.is_some_and(|header| header.number > number)
            });
            if found {
                return Ok(true);
            }
            at += len as u64;
        }
        Ok(false)
    }

    /// The length of the file.
    pub(super) fn bytes(&self) -> u64 {
        self.len
    }

    fn read(&self, buffer: &mut [u8], at: u64) -> Result<()> {
        self.file.read_exact_at(buffer, at).map_err(|e| Error::io("read", &self.path, e))
    }
}

impl Group {
    /// The sequence number of the first record; 0 without any.
    pub(super) fn first_seq(&self, file: &Path) -> Result<u64> {
        if self.header.records == 0 {
            return Ok(0);
        }
        let base = self.at + GROUP_HEADER_BYTES as u64;
        let mut body = Slice::new(&self.body, base, "wal record", file);
        Ok(RecordHeader::read(&mut body)?.0.first_seq)
    }

    /// Hands over every batch of the group, numbered. `next_seq` is the number that the first one
    /// must have, and then the one behind the last.
    ///
    /// # Errors
    /// `Corrupt` for records that are not what a writer wrote; `Unsupported` for a kind or version
    /// that this code doesn't know; what `each` returns.
    pub(super) fn replay(
        &self,
        file: &Path,
        next_seq: &mut u64,
        mut each: impl FnMut(Batch) -> Result<()>,
    ) -> Result<()> {
        let base = self.at + GROUP_HEADER_BYTES as u64;
        let mut body = Slice::new(&self.body, base, "wal record", file);
        for _ in 0..self.header.records {
            let start = body.clone();
            let (header, payload) = RecordHeader::read(&mut body)?;
            let known = (BATCH_VERSION..=COLUMNS_VERSION).contains(&header.version);
            if header.kind != RECORD_BATCH || !known {
                return Err(Error::unsupported(format!(
                    "{} holds a record of kind {} version {}; this program knows kind \
                     {RECORD_BATCH} versions {BATCH_VERSION} to {COLUMNS_VERSION}",
                    file.display(),
                    header.kind,
                    header.version
                )));
            }
            if header.first_seq != *next_seq {
                let (expected, found) = (next_seq.to_string(), header.first_seq.to_string());
                return Err(start.corrupt(format!("sequence number {expected}"), found).into());
            }
            let batch = record::decode(&header, payload)
                .map_err(|what| start.corrupt("a batch", what.0))?;
            *next_seq += u64::from(header.rows);
            each(batch)?;
        }
        Ok(body.finish()?)
    }

    /// Where the group behind it begins.
    pub(super) fn end(&self) -> u64 {
        self.at + group_bytes(self.header.body_len as usize) as u64
    }
}

/// What the body of a group is encrypted for: the group of this number, of this store.
pub(super) fn place(store: &[u8; 16], number: u64) -> [u8; 24] {
    let mut place = [0; 24];
    place[..16].copy_from_slice(store);
    place[16..].copy_from_slice(&number.to_le_bytes());
    place
}

/// The error for a place where a group has to begin.
pub(super) fn refuse(file: &Path, offset: u64, expected: String, found: &str) -> Error {
    let found = found.to_owned();
    Corruption { file: file.to_owned(), offset, what: "wal group", expected, found }.into()
}
