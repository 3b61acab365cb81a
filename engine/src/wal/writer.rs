//! Writes groups: one write, one sync. Starts files and generations, retires old ones.

use super::format::{
    FILE_HEADER_BYTES, FileHeader, GROUP_HEADER_BYTES, GroupHeader, group_bytes, pages_of, seed,
};
use super::reader::place;
use super::record::EncodedRecord;
use super::spares::{Spares, Taken, ZEROS};
use crate::codec::crc::crc32;
use crate::crypt::{Purpose, Sealed};
use crate::error::{Error, ErrorKind, Result};
use crate::io::{File, Io};
use crate::limits::{Limits, WAL_ALIGN};
use crate::names::{self, WalFileId};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The log, open for appending. One thread drives it.
#[derive(Debug)]
pub(crate) struct Wal {
    pub(super) io: Io,
    pub(super) dir: PathBuf,
    pub(super) store_uuid: [u8; 16],
    pub(super) file_bytes: u64,
    pub(super) spares: Arc<Spares>,
    /// Every file that is not retired, oldest first. The last one is `current`.
    pub(super) live: Vec<LiveFile>,
    pub(super) current: Option<Current>,
    pub(super) next_group: u64,
    pub(super) next_seq: u64,
    /// Bytes of records in the current generation.
    pub(super) generation_bytes: u64,
    pub(super) last_group_empty: bool,
    /// Why nothing more may be written (`W4`).
    pub(super) closed: Option<String>,
    /// Up to this generation there may be files that were written before the store had keys. With keys
    /// none of them becomes another file of the log, where plain groups would outlive their own.
    pub(super) plain_through: u64,
    /// The group under construction, behind room for a file's header.
    buffer: Vec<u8>,
}

/// A file of the log that is not retired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LiveFile {
    pub(super) id: WalFileId,
    pub(super) bytes: u64,
    /// Behind its last group; of the current file [`Current::at`] is.
    pub(super) end: u64,
}

/// The file that groups are appended to.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) file: Arc<dyn File>,
    pub(super) path: PathBuf,
    pub(super) wal_id: u64,
    pub(super) seed: u32,
    /// Where the next group begins.
    pub(super) at: u64,
}

/// What the group in the buffer holds.
#[derive(Debug, Clone, Copy)]
struct Group {
    records: u32,
    rows: u64,
    body_len: usize,
    encrypted: bool,
}

/// Where a group begins in the buffer.
const GROUP_AT: usize = FILE_HEADER_BYTES as usize;
const BODY_AT: usize = GROUP_AT + GROUP_HEADER_BYTES;

impl Wal {
    /// A log without files.
    pub(super) fn empty(
        io: &Io,
        dir: &Path,
        limits: &Limits,
        store_uuid: [u8; 16],
        spares: Spares,
        next_seq: u64,
    ) -> Self {
        Self {
            io: io.clone(),
            dir: dir.to_owned(),
            store_uuid,
            file_bytes: limits.wal_file_bytes,
            spares: Arc::new(spares),
            live: Vec::new(),
            current: None,
            next_group: 1,
            next_seq,
            generation_bytes: 0,
            last_group_empty: true,
            closed: None,
            plain_through: 0,
            buffer: Vec::new(),
        }
    }

    /// Writes and syncs the records as one group; each comes with its first sequence number, which
    /// continues the one before, the first from [`Wal::next_seq`]. What returns `Ok` is durable.
    ///
    /// # Errors
    /// `Full` or `Io` if it could not be written: nothing of the group is kept, and its sequence
    /// numbers are free again. `Closed` after a failed sync, from then on for ever: whether the
    /// group is kept is known when the store is opened again.
    pub(crate) fn append_group<'a>(
        &mut self,
        records: impl IntoIterator<Item = (&'a EncodedRecord, u64)>,
    ) -> Result<()> {
        self.check_open()?;
        let group = self.fill_buffer(records);
        let id = self.live.last().expect("an open log has a file").id;
        let at = self.current.as_ref().expect("an open log has a file").at;
        if at + group_bytes(group.body_len) as u64 <= self.file_bytes {
            self.write_group(group)
        } else {
            let index = id.index.checked_add(1).expect("fewer than 2^32 files in a generation");
            self.start_file(WalFileId { index, ..id }, group)
        }
    }

    /// Writes a group without records, unless the last one has none. It shows that the group
    /// before it was synced: damage there can then be told from a tear.
    ///
    /// # Errors
    /// As [`Wal::append_group`].
    pub(crate) fn append_empty_group(&mut self) -> Result<()> {
        self.check_open()?;
        if self.last_group_empty { Ok(()) } else { self.append_group([]) }
    }

    /// Whether the last group has records, and so would gain from [`Wal::append_empty_group`].
    pub(crate) fn needs_successor(&self) -> bool {
        !self.last_group_empty
    }

    /// Ends the current generation and starts the next, with a file of its own. Returns the
    /// generation that ended.
    ///
    /// # Errors
    /// As [`Wal::append_group`]; after `Full` the generation goes on.
    pub(crate) fn cut(&mut self) -> Result<u64> {
        self.check_open()?;
        let ended = self.generation();
        let group = self.fill_buffer([]);
        self.start_file(WalFileId { generation: ended + 1, index: 0 }, group)?;
        self.generation_bytes = 0;
        Ok(ended)
    }

    /// Gives up the files of every generation up to `generation`, which must have ended and whose
    /// flush the manifest must have committed.
    ///
    /// # Errors
    /// `Io`: the files that are left are tried again at the next call. `Closed`.
    pub(crate) fn retire(&mut self, generation: u64) -> Result<()> {
        self.check_open()?;
        assert!(generation < self.generation(), "the current generation is needed");
        let mut recycled = Vec::new();
        let mut outcome = Ok(());
        while let Some(file) = self.live.first().filter(|file| file.id.generation <= generation) {
            let path = names::wal(&self.dir, file.id);
            let freed = match file.id.generation <= self.plain_through {
                true => self.spares.remove(&path).map(|()| None),
                false => self.spares.recycle(&path, file.bytes),
            };
            match freed {
                Ok(number) => recycled.extend(number),
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
            self.live.remove(0);
        }
        self.sync_dir()?;
        self.spares.add(recycled);
        outcome
    }

    /// Removes what is left of groups up to a generation: the files that wait, and what stands behind the
    /// last group of each file, which may have been one of theirs. `false` if one of them is not retired.
    ///
    /// # Errors
    /// `Io`: something is left, and nothing is lost. `Closed` after a failed sync.
    pub(crate) fn scrub(&mut self, generation: u64) -> Result<bool> {
        self.check_open()?;
        if self.live.first().is_some_and(|file| file.id.generation <= generation) {
            return Ok(false);
        }
        self.spares.discard()?;
        self.sync_dir()?;
        let (last, before) = self.live.split_last().expect("an open log has a file");
        let mut outcome = Ok(());
        for live in before {
            let path = names::wal(&self.dir, live.id);
            let opened = self.io.storage.open_for_write(&path);
            let opened = opened.map_err(|e| Error::io("open", &path, e));
            outcome = opened.and_then(|file| zero(&*file, &path, live.end..live.bytes));
            if outcome.is_err() {
                break;
            }
        }
        let current = self.current.as_ref().expect("an open log has a file");
        outcome
            .and_then(|()| zero(&*current.file, &current.path, current.at..last.bytes))
            .map_err(|error| match error.kind() {
                ErrorKind::Closed => self.close(error),
                _ => error,
            })?;
        Ok(true)
    }

    /// The number of the current generation.
    pub(crate) fn generation(&self) -> u64 {
        self.live.last().expect("an open log has a file").id.generation
    }

    /// The first sequence number of the next record.
    pub(crate) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Bytes of records in the current generation.
    pub(crate) fn generation_bytes(&self) -> u64 {
        self.generation_bytes
    }

    /// Bytes of all files that are not retired.
    pub(crate) fn bytes(&self) -> u64 {
        self.live.iter().map(|file| file.bytes).sum()
    }

    /// The files that wait. A background thread keeps them coming with [`Spares::refill`].
    pub(crate) fn spares(&self) -> &Arc<Spares> {
        &self.spares
    }

    /// Why nothing more can be written, if so.
    pub(crate) fn closed(&self) -> Option<&str> {
        self.closed.as_deref()
    }

    fn check_open(&self) -> Result<()> {
        match &self.closed {
            None => Ok(()),
            Some(reason) => Err(Error::closed(reason.clone())),
        }
    }

    /// Closes the log: what is on the disk is unknown.
    fn close(&mut self, error: Error) -> Error {
        let reason = format!("the log is closed until the store is opened again: {error}");
        self.closed = Some(reason.clone());
        Error::closed(reason)
    }

    fn sync_dir(&mut self) -> Result<()> {
        let dir = names::wal_dir(&self.dir);
        let synced = self.io.storage.sync_dir(&dir);
        synced.map_err(|e| self.close(Error::io("sync", &dir, e)))
    }

    fn fill_buffer<'a>(
        &mut self,
        records: impl IntoIterator<Item = (&'a EncodedRecord, u64)>,
    ) -> Group {
        let mut group = Group { records: 0, rows: 0, body_len: 0, encrypted: false };
        self.buffer.clear();
        self.buffer.resize(BODY_AT, 0);
        let keys = self.io.storage.keys();
        let message = keys.map(|keys| (keys, Sealed::begin(&mut self.buffer)));
        for (record, first_seq) in records {
            assert_eq!(first_seq, self.next_seq + group.rows, "W3");
            record.write(first_seq, &mut self.buffer);
            group.records += 1;
            group.rows += u64::from(record.rows());
        }
        match message {
            // There is nothing to hide, and it has to fit in one page.
            Some(_) if group.records == 0 => self.buffer.truncate(BODY_AT),
            Some((keys, message)) => {
                let place = place(&self.store_uuid, self.next_group);
                let entropy = &*self.io.entropy;
                message.finish(keys, entropy, (Purpose::Group, &place), &mut self.buffer);
                group.encrypted = true;
            }
            None => {}
        }
        group.body_len = self.buffer.len() - BODY_AT;
        self.buffer.resize(GROUP_AT + group_bytes(group.body_len), 0);
        group
    }

    fn stamp(&mut self, group: Group, wal_id: u64, seed: u32) {
        let body = &self.buffer[BODY_AT..BODY_AT + group.body_len];
        let header = GroupHeader {
            wal_id,
            number: self.next_group,
            synced_through: self.next_group - 1,
            records: group.records,
            body_len: u32::try_from(group.body_len).expect("a group is far below 4 GiB"),
            body_crc: crc32(seed, &[body]),
            encrypted: group.encrypted,
        };
        self.buffer[GROUP_AT..BODY_AT].copy_from_slice(&header.encode(seed));
    }

    /// Writes the group in the buffer to the current file.
    fn write_group(&mut self, group: Group) -> Result<()> {
        let mut current = self.current.take().expect("an open log has a file");
        self.stamp(group, current.wal_id, current.seed);
        let bytes = &self.buffer[GROUP_AT..];
        let written = current.file.write_all_at(bytes, current.at);
        let result = match written {
            Ok(()) => current.file.sync_data().map_err(|e| {
                let error = Error::io("sync", &current.path, e);
                self.close(error)
            }),
            Err(e) => Err(self.void_group(&current, Error::io("write", &current.path, e))),
        };
        if result.is_ok() {
            current.at += bytes_len(group);
            self.wrote(group, current.at);
        }
        self.current = Some(current);
        result
    }

    /// Makes sure that a group that was refused is not found by recovery: only its padding may be
    /// missing.
    fn void_group(&mut self, current: &Current, error: Error) -> Error {
        let voided = current
            .file
            .len()
            .and_then(|len| match len > current.at {
                true => current.file.write_all_at(&[0; GROUP_HEADER_BYTES], current.at),
                false => Ok(()),
            })
            .and_then(|()| current.file.sync_data());
        match voided {
            Ok(()) => error,
            Err(e) => self.close(Error::io("wipe a refused group of", &current.path, e)),
        }
    }

    /// Starts the log of a new store, with a group without records.
    pub(super) fn start_first_file(&mut self, generation: u64) -> Result<()> {
        let group = self.fill_buffer([]);
        self.start_file(WalFileId { generation, index: 0 }, group)
    }

    /// Writes the group in the buffer to a new file, behind the file's header. The file gets its
    /// name when both are synced (`W2`).
    fn start_file(&mut self, id: WalFileId, group: Group) -> Result<()> {
        let wal_id = self.io.entropy.next_u64();
        let taken = self.spares.take(self.buffer.len() as u64)?;
        let header = FileHeader {
            store_uuid: self.store_uuid,
            wal_id,
            id,
            first_group: self.next_group,
            synced_through: self.next_group,
            pages: pages_of(taken.bytes.max(self.buffer.len() as u64)),
            encrypted: self.io.storage.keys().is_some(),
        };
        self.buffer[..GROUP_AT].copy_from_slice(&header.encode());
        self.stamp(group, wal_id, header.seed());
        if let Err(e) = taken.file.write_all_at(&self.buffer, 0) {
            let error = Error::io("write", &taken.path, e);
            self.spares.put_back(taken);
            return Err(error);
        }
        let bytes = taken.bytes;
        let (file, path) = self.name_file(taken, id)?;
        if let (Some(before), Some(current)) = (self.live.last_mut(), &self.current) {
            before.end = current.at;
        }
        self.live.push(LiveFile { id, bytes, end: self.buffer.len() as u64 });
        let (seed, at) = (seed(&self.store_uuid, wal_id), self.buffer.len() as u64);
        self.current = Some(Current { file, path, wal_id, seed, at });
        self.wrote(group, at);
        Ok(())
    }

    /// Syncs a file that is written and gives it its name, replacing what has it.
    pub(super) fn name_file(
        &mut self,
        taken: Taken,
        id: WalFileId,
    ) -> Result<(Arc<dyn File>, PathBuf)> {
        if let Err(e) = taken.file.sync_data() {
            return Err(self.close(Error::io("sync", &taken.path, e)));
        }
        let path = names::wal(&self.dir, id);
        if let Err(e) = self.io.storage.rename(&taken.path, &path) {
            let error = Error::io("rename", &taken.path, e);
            if error.kind() != ErrorKind::Full {
                // Whether it has its new name is unknown.
                return Err(self.close(error));
            }
            self.spares.put_back(taken);
            return Err(error);
        }
        self.sync_dir()?;
        Ok((taken.file, path))
    }

    fn wrote(&mut self, group: Group, end: u64) {
        self.next_group += 1;
        self.next_seq += group.rows;
        self.generation_bytes += group.body_len as u64;
        self.last_group_empty = group.records == 0;
        let file = self.live.last_mut().expect("an open log has a file");
        file.bytes = file.bytes.max(end);
    }
}

/// Writes zeros, and syncs them. `Closed` if the sync failed: what is on the disk is unknown then.
fn zero(file: &dyn File, path: &Path, range: Range<u64>) -> Result<()> {
    let zeros = vec![0; ZEROS];
    let mut at = range.start;
    while at < range.end {
        let len = usize::try_from(range.end - at).map_or(ZEROS, |rest| rest.min(ZEROS));
        let written = file.write_all_at(&zeros[..len], at);
        written.map_err(|e| Error::io("clear", path, e))?;
        at += len as u64;
    }
    file.sync_data().map_err(|e| Error::closed(Error::io("sync", path, e).to_string()))
}

fn bytes_len(group: Group) -> u64 {
    group_bytes(group.body_len) as u64
}

const _: () = assert!(GROUP_AT.is_multiple_of(WAL_ALIGN));
