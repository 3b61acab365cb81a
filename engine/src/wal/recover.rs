//! Opens the log of a store: replays what the manifest does not have yet, copies the last file,
//! and hands over a log that is ready for the next group.
//!
//! Nothing is changed before everything is read: a store that is refused stays as it was.

use super::format::{FileHeader, GROUP_HEADER_BYTES, GroupHeader, group_bytes, pages_of, seed};
use super::reader::{Group, WalFile, refuse};
use super::spares::{Spares, ZEROS};
use super::verdict::{Found, Next, Verdict, decide};
use super::writer::{Current, LiveFile, Wal};
use crate::batch::Batch;
use crate::codec::crc::crc32;
use crate::crypt::KeyId;
use crate::error::{Error, ErrorKind, Result};
use crate::io::{File, Io};
use crate::limits::Limits;
use crate::names::{self, Name, WalFileId};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A log that is open, and what was found in it.
#[derive(Debug)]
pub(crate) struct Recovered {
    /// The log, ready for the next group.
    pub(crate) wal: Wal,
    /// What was found.
    pub(crate) report: Report,
}

/// What recovery found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Files that were replayed.
    pub(crate) files: u64,
    /// Groups, with those that have no record.
    pub(crate) groups: u64,
    /// Records, each a batch.
    pub(crate) batches: u64,
    /// Events.
    pub(crate) events: u64,
    /// The keys that its groups are encrypted under, and whether there are plain ones.
    pub(crate) keys: BTreeSet<Option<KeyId>>,
    /// Bytes of records as they are in the log.
    pub(crate) bytes: u64,
    /// The file and the place where a group was cut off that was never acknowledged; `None` also
    /// if nothing is left of one.
    pub(crate) torn: Option<(PathBuf, u64)>,
}

/// The files in the log's directory.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) live: Vec<WalFileId>,
    /// Files of generations that the manifest has.
    stale: Vec<WalFileId>,
    free: Vec<u64>,
    temporary: Vec<PathBuf>,
}

/// The position of the replay.
#[derive(Debug)]
pub(super) struct Replay {
    pub(super) next_group: u64,
    pub(super) next_seq: u64,
    /// Where the group at hand begins.
    pub(super) at: u64,
    generation: u64,
    generation_bytes: u64,
    last_group_empty: bool,
    pub(super) report: Report,
}

/// Opens the log of the store in `dir`. `each` gets every batch of the generations after
/// `committed_generation`, numbered and in order, with its generation; the first event of the
/// first must have `next_seq`. All of them are durable when this returns `Ok` (`W6`).
///
/// # Errors
/// `Corrupt` names the file and the place if acknowledged events are damaged or missing;
/// `Unsupported`; `Full` and `Io`; what `each` returns.
pub(crate) fn recover(
    io: &Io,
    dir: &Path,
    limits: &Limits,
    store_uuid: [u8; 16],
    committed_generation: Option<u64>,
    next_seq: u64,
    mut each: impl FnMut(u64, Batch) -> Result<()>,
) -> Result<Recovered> {
    let wal_dir = names::wal_dir(dir);
    io.storage.create_dir_all(&wal_dir).map_err(|e| Error::io("create", &wal_dir, e))?;
    io.storage.sync_dir(dir).map_err(|e| Error::io("sync", dir, e))?;
    let first_generation = committed_generation.map_or(1, |last| last + 1);
    let survey = survey(io, dir, first_generation)?;
    check_names(dir, &survey.live, first_generation, committed_generation.is_some())?;
    let open = |path| WalFile::open(io, path);
    let files = open_files(dir, &survey.live, &store_uuid, open)?;
    let mut replay = Replay::new(&files, first_generation, next_seq);
    let ends = replay.files(&files, &mut each)?;

    let spares = clear(io, dir, limits, survey)?;
    let mut wal = Wal::empty(io, dir, limits, store_uuid, spares, replay.next_seq);
    wal.next_group = replay.next_group;
    match files.split_last() {
        None => wal.start_first_file(first_generation)?,
        Some((last, before)) => {
            for (file, end) in before.iter().zip(&ends) {
                // A process that was killed may have left names and bytes that are not synced.
                file.file.sync_data().map_err(|e| Error::io("sync", &file.path, e))?;
                let (id, bytes, end) = (file.header.id, file.bytes().max(*end), *end);
                wal.live.push(LiveFile { id, bytes, end });
            }
            let end = ends.last().copied().unwrap_or_default();
            let is_encrypted = io.storage.keys().is_some();
            match copy_last(&mut wal, last, end) {
                // Where there are keys now, nothing more is written in plain bytes.
                Err(error)
                    if error.kind() == ErrorKind::Full
                        && (last.header.encrypted || !is_encrypted) =>
                {
                    renew_last(&mut wal, last, end)?
                }
                copied => copied?,
            }
            if is_encrypted {
                wal.plain_through = last.header.id.generation;
            }
            wal.generation_bytes = replay.generation_bytes;
            wal.last_group_empty = replay.last_group_empty;
        }
    }
    Ok(Recovered { wal, report: replay.report })
}

pub(super) fn survey(io: &Io, dir: &Path, first_generation: u64) -> Result<Survey> {
    let wal_dir = names::wal_dir(dir);
    let mut survey = Survey::default();
    for text in io.storage.list(&wal_dir).map_err(|e| Error::io("list", &wal_dir, e))? {
        match Name::parse(&text) {
            Some(Name::Wal(id)) if id.generation < first_generation => survey.stale.push(id),
            Some(Name::Wal(id)) => survey.live.push(id),
            Some(Name::FreeWal(number)) => survey.free.push(number),
            Some(Name::Temporary) => survey.temporary.push(wal_dir.join(text)),
            Some(_) | None => {}
        }
    }
    survey.live.sort_unstable();
    survey.free.sort_unstable();
    Ok(survey)
}

/// Files must follow each other from the first generation's first on. Without a flush there may
/// be none: the store was just created.
pub(super) fn check_names(
    dir: &Path,
    live: &[WalFileId],
    first: u64,
    must_exist: bool,
) -> Result<()> {
    let missing = |id: WalFileId, found: String| -> Result<()> {
        Err(refuse(&names::wal(dir, id), 0, "this file".to_owned(), &found))
    };
    let mut expected = WalFileId { generation: first, index: 0 };
    if live.is_empty() && must_exist {
        return missing(expected, "none of its generation or a later one".to_owned());
    }
    for id in live {
        // A generation has one file at least, and may end behind any.
        if id.generation > expected.generation && expected.index > 0 {
            expected = WalFileId { generation: expected.generation + 1, index: 0 };
        }
        if *id != expected {
            return missing(expected, format!("{} next", names::wal(dir, *id).display()));
        }
        let Some(index) = id.index.checked_add(1) else {
            return missing(*id, "a file number out of range".to_owned());
        };
        expected.index = index;
    }
    Ok(())
}

pub(super) fn open_files(
    dir: &Path,
    live: &[WalFileId],
    store_uuid: &[u8; 16],
    open: impl Fn(PathBuf) -> Result<WalFile>,
) -> Result<Vec<WalFile>> {
    let mut files = Vec::with_capacity(live.len());
    for id in live {
        let file = open(names::wal(dir, *id))?;
        check_header(&file, *id, store_uuid)?;
        file.check_len()?;
        files.push(file);
    }
    Ok(files)
}

/// A file has to be of this store, and what its name says.
pub(super) fn check_header(file: &WalFile, id: WalFileId, store_uuid: &[u8; 16]) -> Result<()> {
    let header = file.header;
    if header.store_uuid == *store_uuid && header.id == id {
        return Ok(());
    }
    let found = format!("one of store {:02x?}, {:?}", header.store_uuid, header.id);
    let expected = format!("a file of store {store_uuid:02x?}, {id:?}");
    Err(refuse(&file.path, 0, expected, &found))
}

impl Replay {
    /// Before the first group of the files, which begin with this generation and event.
    pub(super) fn new(files: &[WalFile], generation: u64, next_seq: u64) -> Self {
        Self {
            next_group: files.first().map_or(1, |file| file.header.first_group),
            next_seq,
            at: 0,
            generation,
            generation_bytes: 0,
            last_group_empty: true,
            report: Report::default(),
        }
    }

    /// Replays all files; returns where each ends.
    pub(super) fn files(
        &mut self,
        files: &[WalFile],
        each: &mut impl FnMut(u64, Batch) -> Result<()>,
    ) -> Result<Vec<u64>> {
        let mut ends = Vec::with_capacity(files.len());
        for (index, file) in files.iter().enumerate() {
            let next = files.get(index + 1).map(|file| file.header.first_group);
            ends.push(self.file(file, next, each)?);
        }
        Ok(ends)
    }

    /// Replays a file up to its end, which is returned. `next` is the first group of the file
    /// behind it.
    pub(super) fn file(
        &mut self,
        file: &WalFile,
        next: Option<u64>,
        each: &mut impl FnMut(u64, Batch) -> Result<()>,
    ) -> Result<u64> {
        self.report.files += 1;
        if file.header.id.generation != self.generation {
            self.generation = file.header.id.generation;
            self.generation_bytes = 0;
        }
        let mut at = super::format::FILE_HEADER_BYTES;
        loop {
            let number = self.next_group;
            self.at = at;
            let group = file.group_at(at)?.filter(|group| group.header.number == number);
            let found = if group.is_some() { Found::Intact } else { Found::Bad };
            let synced = file.header.synced_through >= number
                || (group.is_none() && file.has_group_after(number, at)?);
            let next = match next.map(|first| first.cmp(&number)) {
                None => Next::None,
                Some(Ordering::Greater) => Next::After,
                Some(Ordering::Equal) => Next::Here,
                Some(Ordering::Less) => Next::Before,
            };
            match (decide(found, next, synced), group) {
                (Verdict::Keep, Some(group)) => {
                    self.group(file, &group, each)?;
                    at = group.end();
                }
                (Verdict::Keep, None) => unreachable!("only intact groups are kept"),
                (Verdict::Cut, _) => {
                    if next == Next::None && file.has_group_after(number - 1, at)? {
                        self.report.torn = Some((file.path.clone(), at));
                    }
                    return Ok(at);
                }
                (Verdict::Refuse(why), _) => {
                    return Err(refuse(&file.path, at, format!("group {number}"), why));
                }
            }
        }
    }

    fn group(
        &mut self,
        file: &WalFile,
        group: &Group,
        each: &mut impl FnMut(u64, Batch) -> Result<()>,
    ) -> Result<()> {
        let generation = self.generation;
        let first_seq = self.next_seq;
        let replayed =
            group.replay(&file.path, &mut self.next_seq, |batch| each(generation, batch));
        if let Err(error) = replayed {
            self.next_seq = first_seq;
            return Err(error);
        }
        self.next_group += 1;
        self.last_group_empty = group.header.records == 0;
        self.generation_bytes += u64::from(group.header.body_len);
        self.report.groups += 1;
        if group.header.records > 0 {
            self.report.keys.insert(group.key);
        }
        self.report.batches += u64::from(group.header.records);
        self.report.events += self.next_seq - first_seq;
        self.report.bytes += u64::from(group.header.body_len);
        Ok(())
    }
}

/// Copies the groups of the last file, up to `end`, to a new life of it, and goes on there. The
/// old file is not trusted: if a sync of it failed, the kernel may count lost pages as clean.
fn copy_last(wal: &mut Wal, last: &WalFile, end: u64) -> Result<()> {
    let id = last.header.id;
    let wal_id = wal.io.entropy.next_u64();
    let taken = wal.spares.take(end)?;
    let bytes = taken.bytes;
    let (synced_through, pages) = (wal.next_group - 1, pages_of(bytes.max(end)));
    let encrypted = last.header.encrypted || wal.io.storage.keys().is_some();
    let header = FileHeader { wal_id, synced_through, pages, encrypted, ..last.header };
    if let Err(error) = copy_groups((&*taken.file, &taken.path), last, &header, end) {
        wal.spares.put_back(taken);
        return Err(error);
    }
    let (file, path) = wal.name_file(taken, id)?;
    wal.live.push(LiveFile { id, bytes: bytes.max(end), end });
    let seed = seed(&wal.store_uuid, wal_id);
    wal.current = Some(Current { file, path, wal_id, seed, at: end });
    Ok(())
}

/// Goes on in the last file when there is no room for another: what it has up to `end` is written once
/// more where it is, so that a sync makes it durable whatever the kernel counts as clean, and what is
/// behind becomes zeros: a group there would be taken for one that follows what is written next. A crash
/// on the way leaves a file that is read as this one was.
fn renew_last(wal: &mut Wal, last: &WalFile, end: u64) -> Result<()> {
    let path = last.path.clone();
    let file = wal.io.storage.open_for_write(&path).map_err(|e| Error::io("open", &path, e))?;
    let len = file.len().map_err(|e| Error::io("read", &path, e))?.max(end);
    let mut piece = vec![0; ZEROS];
    let mut at = 0;
    while at < len {
        let bytes = &mut piece[..ZEROS.min((len - at) as usize)];
        let known = end.saturating_sub(at).min(bytes.len() as u64) as usize;
        file.read_exact_at(&mut bytes[..known], at).map_err(|e| Error::io("read", &path, e))?;
        bytes[known..].fill(0);
        file.write_all_at(bytes, at).map_err(|e| Error::io("write", &path, e))?;
        at += bytes.len() as u64;
    }
    file.sync_data().map_err(|e| Error::io("sync", &path, e))?;
    let FileHeader { wal_id, id, .. } = last.header;
    wal.live.push(LiveFile { id, bytes: len, end });
    wal.current = Some(Current { file, path, wal_id, seed: last.header.seed(), at: end });
    Ok(())
}

/// Writes a file of this header with the groups of another up to `end`.
pub(super) fn copy_groups(
    (to, path): (&dyn File, &Path),
    from: &WalFile,
    header: &FileHeader,
    end: u64,
) -> Result<()> {
    let write =
        |bytes: &[u8], at| to.write_all_at(bytes, at).map_err(|e| Error::io("write", path, e));
    write(&header.encode(), 0)?;
    let mut at = super::format::FILE_HEADER_BYTES;
    while at < end {
        let Some((group, body)) = from.stored_group_at(at)? else {
            return Err(refuse(&from.path, at, "the group read before".to_owned(), "another"));
        };
        let seed = header.seed();
        let new = GroupHeader { wal_id: header.wal_id, body_crc: crc32(seed, &[&body]), ..group };
        let mut bytes = vec![0; group_bytes(body.len())];
        bytes[..GROUP_HEADER_BYTES].copy_from_slice(&new.encode(seed));
        bytes[GROUP_HEADER_BYTES..][..body.len()].copy_from_slice(&body);
        write(&bytes, at)?;
        at += bytes.len() as u64;
    }
    Ok(())
}

/// Removes what an earlier process left half done, recycles files of generations that the manifest
/// has (a flush was cut short before it gave them up), and makes sure that a file waits.
fn clear(io: &Io, dir: &Path, limits: &Limits, survey: Survey) -> Result<Spares> {
    for path in &survey.temporary {
        io.storage.remove(path).map_err(|e| Error::io("remove", path, e))?;
    }
    let spares = Spares::new(io, dir, limits.wal_file_bytes, &survey.free)?;
    let mut recycled = Vec::new();
    for id in &survey.stale {
        let path = names::wal(dir, *id);
        if io.storage.keys().is_some() {
            spares.remove(&path)?;
            continue;
        }
        let file = io.storage.open(&path).map_err(|e| Error::io("open", &path, e))?;
        let bytes = file.len().map_err(|e| Error::io("read", &path, e))?;
        recycled.extend(spares.recycle(&path, bytes)?);
    }
    let wal_dir = names::wal_dir(dir);
    io.storage.sync_dir(&wal_dir).map_err(|e| Error::io("sync", &wal_dir, e))?;
    spares.add(recycled);
    match spares.refill() {
        // A full disk must not keep the store closed: the next file grows then.
        Err(error) if error.kind() != ErrorKind::Full => Err(error),
        _ => Ok(spares),
    }
}
