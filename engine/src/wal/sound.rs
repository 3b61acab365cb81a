//! What can be read of a log whatever is damaged in it. Only a repair asks.

use super::examine::only_damage;
use super::format::{FILE_HEADER_BYTES, FileHeader, GROUP_HEADER_BYTES, GroupHeader, seed};
use super::reader::{Group, WalFile};
use super::recover::survey;
use crate::batch::Batch;
use crate::error::{Error, ErrorKind, Result};
use crate::io::Io;
use crate::limits::WAL_ALIGN;
use crate::names::{self, WalFileId};
use std::path::Path;

/// Where a log begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beginning {
    /// The store that it is of.
    pub(crate) store: [u8; 16],
    /// Its first generation.
    pub(crate) generation: u64,
    /// The number of its first event, if that is told before any damage.
    pub(crate) first_seq: Option<u64>,
}

/// Where the log of the generations after `committed` begins: its first file whose header is sound.
///
/// # Errors
/// `Unsupported`, `Io`.
pub(crate) fn beginning(io: &Io, dir: &Path, committed: u64) -> Result<Option<Beginning>> {
    let mut found: Option<Beginning> = None;
    for id in files(io, dir, committed)? {
        let path = names::wal(dir, id);
        let file = match WalFile::open_read_only(io, path.clone()) {
            Ok(file) => file,
            Err(error) => {
                only_damage(error)?;
                continue;
            }
        };
        let (store, generation) = (file.header.store_uuid, id.generation);
        let begun = found.get_or_insert(Beginning { store, generation, first_seq: None });
        let mut at = FILE_HEADER_BYTES;
        while let Some(group) = sound_group(&file, at)? {
            if group.header.records > 0 {
                begun.first_seq = group.first_seq(&path).ok();
                return Ok(found);
            }
            at = group.end();
        }
        if file.has_group_after(0, at)? {
            break;
        }
    }
    Ok(found)
}

/// Calls `each` with every batch of the generations after `committed` that is in a sound group, in order,
/// with its generation and the number of its first event: `next_seq` or a later one. Numbers may be
/// missing between them.
///
/// # Errors
/// `Unsupported`, `Io`; what `each` returns.
pub(crate) fn each_sound(
    io: &Io,
    dir: &Path,
    store: &[u8; 16],
    committed: u64,
    next_seq: u64,
    mut each: impl FnMut(u64, u64, Batch) -> Result<()>,
) -> Result<()> {
    let first_seq = next_seq;
    let mut next_seq = next_seq;
    for id in files(io, dir, committed)? {
        let path = names::wal(dir, id);
        let Some(file) = open(io, dir, id, store)? else { continue };
        let mut at = FILE_HEADER_BYTES;
        while at < file.bytes() {
            let Some(group) = sound_group(&file, at)? else {
                at += WAL_ALIGN as u64;
                continue;
            };
            at = group.end();
            let seq = group.first_seq(&path).unwrap_or(0);
            // Groups that two files have count once. Rows are numbered by 32 bits from their first.
            let is_next = seq >= next_seq && seq - first_seq < u64::from(u32::MAX) / 2;
            if group.header.records == 0 || !is_next {
                continue;
            }
            let mut seq = seq;
            let mut failed = None;
            let replayed = group.replay(&path, &mut seq, |batch| {
                let (first, end) = (next_seq.max(first_of(&batch)), batch.len() as u64);
                next_seq = first.saturating_add(end);
                each(id.generation, first, batch).inspect_err(|error| failed = Some(error.clone()))
            });
            match (replayed, failed) {
                (_, Some(error)) => return Err(error),
                // Records of a group that are no batches: those before them count.
                (Err(error), None) => drop(only_damage(error)?),
                (Ok(()), None) => {}
            }
        }
    }
    Ok(())
}

/// The group at a place; one that does not decrypt is none.
fn sound_group(file: &WalFile, at: u64) -> Result<Option<Group>> {
    match file.group_at(at) {
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(None),
        group => group,
    }
}

fn first_of(batch: &Batch) -> u64 {
    batch.parts().iter().map(|part| part.rows.base_seq).min().unwrap_or(0)
}

fn files(io: &Io, dir: &Path, committed: u64) -> Result<Vec<WalFileId>> {
    let wal_dir = names::wal_dir(dir);
    match io.storage.list(&wal_dir) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => drop(listed.map_err(|e| Error::io("list", &wal_dir, e))?),
    }
    Ok(survey(io, dir, committed.saturating_add(1))?.live)
}

/// A file of the store, also if its header is damaged: each group names the life of its file, and its
/// checksum holds for that alone.
fn open(io: &Io, dir: &Path, id: WalFileId, store: &[u8; 16]) -> Result<Option<WalFile>> {
    let path = names::wal(dir, id);
    match WalFile::open_read_only(io, path.clone()) {
        Ok(file) if file.header.store_uuid == *store => return Ok(Some(file)),
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == ErrorKind::Corrupt => {}
        Err(error) => return Err(error),
    }
    let file = io.storage.open(&path).map_err(|e| Error::io("open", &path, e))?;
    let mut head = [0; GROUP_HEADER_BYTES];
    if file.read_exact_at(&mut head, FILE_HEADER_BYTES).is_err() {
        return Ok(None);
    }
    let wal_id = u64::from_le_bytes(head[8..16].try_into().expect("eight bytes"));
    let Some(first) = GroupHeader::decode(&head, seed(store, wal_id), wal_id) else {
        return Ok(None);
    };
    let (store_uuid, first_group, synced_through) = (*store, first.number, first.number);
    let header = FileHeader {
        store_uuid,
        wal_id,
        id,
        first_group,
        synced_through,
        pages: 0,
        encrypted: true,
    };
    WalFile::with_header(io, file, path, header).map(Some)
}
