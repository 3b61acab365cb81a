//! Finds the damage for which a log is refused, and cuts the log off before it.

use super::format::{FILE_HEADER_BYTES, FileHeader, GroupHeader, pages_of};
use super::reader::WalFile;
use super::recover::{Replay, check_header, check_names, copy_groups, survey};
use crate::codec::crc::crc32;
use crate::error::{Error, ErrorKind, Result};
use crate::io::Io;
use crate::limits::WAL_ALIGN;
use crate::names::{self, WalFileId};
use std::path::{Path, PathBuf};

/// Where a file with one group without records ends.
const FIRST_GROUP_END: u64 = FILE_HEADER_BYTES + WAL_ALIGN as u64;

/// Why a log is refused, and what of it can be kept.
#[derive(Debug)]
pub(crate) struct LogDamage {
    /// What recovery says.
    pub(crate) error: Error,
    /// The number of the first event that is lost.
    pub(crate) first_lost: u64,
    /// The files that are to be copied before the log is cut: the one with the damage, and all
    /// behind it.
    pub(crate) files: Vec<PathBuf>,
    cut: Cut,
    behind: Vec<WalFileId>,
}

/// How the log ends before its damage.
#[derive(Debug)]
enum Cut {
    /// In this file, at this offset, with a group of this number next.
    In(WalFile, u64, u64),
    /// Behind a file that is whole.
    BehindAFile,
    /// There is no file to begin with: an empty one of this generation is needed.
    Before(u64),
}

/// Reads the log as recovery does, and changes nothing. `None` if it is sound.
///
/// # Errors
/// `Unsupported`: a later version has to be asked; `Io`.
pub(crate) fn examine(
    io: &Io,
    dir: &Path,
    store_uuid: &[u8; 16],
    committed_generation: Option<u64>,
    next_seq: u64,
) -> Result<Option<LogDamage>> {
    let first = committed_generation.map_or(1, |last| last + 1);
    let live = survey(io, dir, first)?.live;
    let mut refusal = check_names(dir, &live, first, committed_generation.is_some()).err();
    let mut kept = live.len();
    while check_names(dir, &live[..kept], first, false).is_err() {
        kept -= 1;
    }
    let mut files = Vec::with_capacity(kept);
    let mut is_cut_off = false;
    for id in &live[..kept] {
        let opened = WalFile::open_read_only(io, names::wal(dir, *id));
        let checked = opened.and_then(|file| {
            check_header(&file, *id, store_uuid)?;
            Ok(file)
        });
        match checked {
            Ok(file) => {
                let whole = file.check_len();
                files.push(file);
                if let Err(error) = whole {
                    (refusal, is_cut_off) = (Some(error), true);
                    break;
                }
            }
            Err(error) => {
                refusal = Some(only_damage(error)?);
                break;
            }
        }
    }
    let mut replay = Replay::new(&files, first, next_seq);
    for (index, file) in files.iter().enumerate() {
        let next = files.get(index + 1).map(|file| file.header.first_group);
        let replayed = replay.file(file, next, &mut |_, _| Ok(()));
        // Of a file that was cut off, what is left is kept.
        let ends = is_cut_off && index + 1 == files.len();
        if ends || replayed.is_err() {
            let error = match replayed {
                Err(error) => only_damage(error)?,
                Ok(_) => refusal.take().expect("the file is shorter than it was"),
            };
            let (at, next_group) = (replay.at, replay.next_group);
            let file = files.swap_remove(index);
            let path = file.path.clone();
            let behind = live[index + 1..].to_vec();
            let cut = Cut::In(file, at, next_group);
            return Ok(Some(damage(dir, error, replay.next_seq, Some(path), cut, behind)));
        }
    }
    let Some(error) = refusal else { return Ok(None) };
    let behind = live[files.len()..].to_vec();
    let cut = if files.is_empty() { Cut::Before(first) } else { Cut::BehindAFile };
    Ok(Some(damage(dir, error, replay.next_seq, None, cut, behind)))
}

pub(super) fn only_damage(error: Error) -> Result<Error> {
    if error.kind() == ErrorKind::Corrupt { Ok(error) } else { Err(error) }
}

fn damage(
    dir: &Path,
    error: Error,
    first_lost: u64,
    damaged: Option<PathBuf>,
    cut: Cut,
    behind: Vec<WalFileId>,
) -> LogDamage {
    let files = damaged.into_iter().chain(behind.iter().map(|id| names::wal(dir, *id))).collect();
    LogDamage { error, first_lost, files, cut, behind }
}

impl LogDamage {
    /// Ends the log before the damage: all [`LogDamage::files`] have been copied. What is cut off
    /// anywhere can be examined and cut again.
    pub(crate) fn cut(&self, io: &Io, dir: &Path, store_uuid: [u8; 16]) -> Result<()> {
        match &self.cut {
            Cut::In(file, at, next_group) => {
                let wal_id = io.entropy.next_u64();
                // A file has one group at least.
                let synced_through = (next_group - 1).max(file.header.first_group);
                let kept = (*at > FILE_HEADER_BYTES).then_some((file, *at));
                let pages = pages_of(kept.map_or(FIRST_GROUP_END, |(_, end)| end));
                let header = FileHeader { wal_id, synced_through, pages, ..file.header };
                write(io, dir, &header, kept)?;
            }
            Cut::BehindAFile => {}
            Cut::Before(generation) => {
                let id = write_empty(io, dir, &store_uuid, *generation)?;
                return self.remove(io, dir, Some(id));
            }
        }
        self.remove(io, dir, None)
    }

    /// The last one first, so that the rest follow each other.
    fn remove(&self, io: &Io, dir: &Path, but: Option<WalFileId>) -> Result<()> {
        for id in self.behind.iter().rev().filter(|id| Some(**id) != but) {
            let path = names::wal(dir, *id);
            io.storage.remove(&path).map_err(|e| Error::io("remove", &path, e))?;
        }
        let wal_dir = names::wal_dir(dir);
        io.storage.sync_dir(&wal_dir).map_err(|e| Error::io("sync", &wal_dir, e))
    }
}

/// Writes the first file of a generation, with one group that has no records, replacing what has its
/// name.
///
/// # Errors
/// `Full`, `Io`.
pub(crate) fn write_empty(
    io: &Io,
    dir: &Path,
    store_uuid: &[u8; 16],
    generation: u64,
) -> Result<WalFileId> {
    let id = WalFileId { generation, index: 0 };
    // Stale groups can't be taken for its own: their checksums are seeded by its id.
    let wal_id = io.entropy.next_u64();
    let (first_group, synced_through, store_uuid) = (1, 1, *store_uuid);
    let pages = pages_of(FIRST_GROUP_END);
    let encrypted = false;
    let header =
        FileHeader { store_uuid, wal_id, id, first_group, synced_through, pages, encrypted };
    write(io, dir, &header, None)?;
    Ok(id)
}

/// Writes a file of the log under its name, replacing what has it: with the groups of another file, or
/// with one group that has no records.
fn write(io: &Io, dir: &Path, header: &FileHeader, from: Option<(&WalFile, u64)>) -> Result<()> {
    let path = names::wal(dir, header.id);
    let temporary = names::temporary(&path);
    match io.storage.remove(&temporary) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::io("remove", &temporary, e));
        }
        _ => {}
    }
    let file = io.storage.create(&temporary).map_err(|e| Error::io("create", &temporary, e))?;
    match from {
        Some((from, end)) => copy_groups((&*file, &temporary), from, header, end)?,
        None => {
            let seed = header.seed();
            let empty = GroupHeader {
                wal_id: header.wal_id,
                number: header.first_group,
                synced_through: header.first_group.saturating_sub(1),
                records: 0,
                body_len: 0,
                body_crc: crc32(seed, &[]),
                encrypted: false,
            };
            let mut bytes = header.encode();
            bytes.extend_from_slice(&empty.encode(seed));
            bytes.resize(FIRST_GROUP_END as usize, 0);
            let written = file.write_all_at(&bytes, 0);
            written.map_err(|e| Error::io("write", &temporary, e))?;
        }
    }
    file.sync_data().map_err(|e| Error::io("sync", &temporary, e))?;
    io.storage.rename(&temporary, &path).map_err(|e| Error::io("rename", &temporary, e))?;
    let wal_dir = names::wal_dir(dir);
    io.storage.sync_dir(&wal_dir).map_err(|e| Error::io("sync", &wal_dir, e))
}
