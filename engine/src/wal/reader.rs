//! Reads one file of the log: its header, the group at a place, and whether groups stand behind.

use super::format::{
    BATCH_VERSION, FILE_HEADER_BYTES, FileHeader, GROUP_HEADER_BYTES, GroupHeader,
    KEYED_BATCH_VERSION, RECORD_BATCH, RecordHeader, group_bytes,
};
use super::record;
use crate::batch::Batch;
use crate::codec::slice::Slice;
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
        walked.end += group_bytes(group.body.len()) as u64;
    }
    Ok(walked)
}

/// A group whose checksums are right.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) header: GroupHeader,
    pub(super) body: Vec<u8>,
    /// Where it begins.
    pub(super) at: u64,
}

impl WalFile {
    /// Opens a file, for writing too, and checks its header.
    pub(super) fn open(io: &Io, path: PathBuf) -> Result<Self> {
        let file = io.storage.open_for_write(&path).map_err(|e| Error::io("open", &path, e))?;
        Self::new(file, path)
    }

    /// Opens a file for reading alone, and checks its header.
    pub(super) fn open_read_only(io: &Io, path: PathBuf) -> Result<Self> {
        let file = io.storage.open(&path).map_err(|e| Error::io("open", &path, e))?;
        Self::new(file, path)
    }

    /// Checks the header of a file that is open.
    fn new(file: Arc<dyn File>, path: PathBuf) -> Result<Self> {
        let len = file.len().map_err(|e| Error::io("read", &path, e))?;
        let mut page = vec![0; len.min(FILE_HEADER_BYTES) as usize];
        file.read_exact_at(&mut page, 0).map_err(|e| Error::io("read", &path, e))?;
        let header = FileHeader::decode(&page, &path)?;
        let seed = header.seed();
        Ok(Self { file, path, header, len, seed })
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
    pub(super) fn group_at(&self, at: u64) -> Result<Option<Group>> {
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
        Ok(header.fits(&body, self.seed).then_some(Group { header, body, at }))
    }

    /// Whether a group with a number above `number` begins at `from` or behind it.
    pub(super) fn has_group_after(&self, number: u64, from: u64) -> Result<bool> {
        let mut buffer = vec![0; SCAN_BYTES];
        let mut at = from;
        while at < self.len {
            let len = SCAN_BYTES.min(usize::try_from(self.len - at).unwrap_or(SCAN_BYTES));
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
            let known = [BATCH_VERSION, KEYED_BATCH_VERSION].contains(&header.version);
            if header.kind != RECORD_BATCH || !known {
                return Err(Error::unsupported(format!(
                    "{} holds a record of kind {} version {}; this program knows kind \
                     {RECORD_BATCH} versions {BATCH_VERSION} and {KEYED_BATCH_VERSION}",
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
        self.at + super::format::group_bytes(self.body.len()) as u64
    }
}

/// The error for a place where a group has to begin.
pub(super) fn refuse(file: &Path, offset: u64, expected: String, found: &str) -> Error {
    let found = found.to_owned();
    Corruption { file: file.to_owned(), offset, what: "wal group", expected, found }.into()
}
