//! The bytes of a file of keys (`docs/format/keys.md`): a header, chunks of entries, and a chunk that
//! tells how many there are. Each has its checksum, so that damage costs what comes after it only.

use super::record::Entry;
use crate::codec::crc::crc32;
use crate::codec::slice::Slice;
use crate::error::{Corruption, Error, Result};
use std::path::Path;

const MAGIC: [u8; 8] = *b"LSKEYS\0\x01";
const VERSION: u16 = 2;
/// Magic, version, features, store, generation, clock, checksum.
const HEADER_BYTES: usize = 8 + 2 + 2 + 16 + 8 + 8 + CRC_BYTES;
const CRC_BYTES: usize = 4;
const WHAT: &str = "file of keys";

/// What could be read of a file.
#[derive(Debug)]
pub(crate) struct KeysFile {
    pub(crate) entries: Vec<Entry>,
    /// The time by which keys age when the file was written; version 1 does not tell.
    pub(crate) clock_ms: Option<i64>,
    /// What is wrong: the entries behind it are lost.
    pub(crate) damage: Option<Corruption>,
}

/// The bytes before the first chunk.
pub(super) fn header(store: [u8; 16], generation: u64, clock_ms: i64) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&0u16.to_le_bytes());
    out.extend_from_slice(&store);
    out.extend_from_slice(&generation.to_le_bytes());
    out.extend_from_slice(&clock_ms.to_le_bytes());
    let crc = crc32(0, &[&out]);
    out.extend_from_slice(&crc.to_le_bytes());
    out
}

/// A chunk of entries, at least one.
pub(super) fn chunk(entries: &[Entry]) -> Vec<u8> {
    assert!(!entries.is_empty(), "a chunk without entries is the last");
    let mut body = Vec::new();
    entries.iter().for_each(|entry| entry.encode(&mut body));
    framed(entries.len(), &body)
}

/// The chunk behind all others: how many entries they have.
pub(super) fn end(total: u64) -> Vec<u8> {
    framed(0, &total.to_le_bytes())
}

/// A chunk of these bytes.
pub(super) fn framed(count: usize, body: &[u8]) -> Vec<u8> {
    let fits = |n: usize| u32::try_from(n).expect("a chunk is small").to_le_bytes();
    let mut out = Vec::with_capacity(8 + body.len() + CRC_BYTES);
    out.extend_from_slice(&fits(count));
    out.extend_from_slice(&fits(body.len()));
    out.extend_from_slice(body);
    let crc = crc32(0, &[&out]);
    out.extend_from_slice(&crc.to_le_bytes());
    out
}

/// What a file of this generation holds, of this store if one is given.
///
/// # Errors
/// `Corrupt` if nothing can be read of it, `Unsupported` for a later version.
pub(super) fn decode(
    bytes: &[u8],
    store: Option<[u8; 16]>,
    generation: u64,
    path: &Path,
) -> Result<KeysFile> {
    let start = Slice::new(bytes, 0, WHAT, path);
    let mut slice = start.clone();
    let magic = slice.take(MAGIC.len())?;
    if magic != MAGIC {
        return Err(start.corrupt(format!("{MAGIC:02x?}"), format!("{magic:02x?}")).into());
    }
    let (version, features) = (slice.u16()?, slice.u16()?);
    let (of_store, of_generation) = (slice.take(16)?, slice.u64()?);
    if version == 1 {
        check_crc(&start, bytes)?;
    } else {
        check_crc(&start, start.clone().take(HEADER_BYTES)?)?;
    }
    if version == 0 || version > VERSION || features != 0 {
        return Err(Error::unsupported(format!(
            "{}: file of keys of version {version} with features {features:#x}; this program reads \
             up to version {VERSION} without any. Without the file its keys are forgotten",
            path.display()
        )));
    }
    if store.is_some_and(|store| of_store != store) || of_generation != generation {
        let expected = format!("generation {generation} of this store");
        let found = format!("generation {of_generation} of store {of_store:02x?}");
        return Err(start.corrupt(expected, found).into());
    }
    if version == 1 {
        return Ok(decode_v1(bytes, slice.position(), path)?);
    }
    let clock_ms = Some(slice.i64()?);
    slice.u32()?;
    let mut entries = Vec::new();
    let damage = decode_chunks(&mut slice, path, &mut entries).err();
    Ok(KeysFile { entries, clock_ms, damage })
}

/// The four bytes at the end are the checksum of those before.
fn check_crc(at: &Slice<'_>, bytes: &[u8]) -> Result<(), Corruption> {
    let (body, crc) =
        bytes.split_at_checked(bytes.len().saturating_sub(CRC_BYTES)).unwrap_or_default();
    let computed = crc32(0, &[body]).to_le_bytes();
    if crc == computed {
        return Ok(());
    }
    Err(at.corrupt(format!("CRC {computed:02x?}"), format!("{crc:02x?}")))
}

/// Reads up to the last chunk; what is before any damage is in `entries` also after an error.
fn decode_chunks(
    slice: &mut Slice<'_>,
    path: &Path,
    entries: &mut Vec<Entry>,
) -> Result<(), Corruption> {
    loop {
        let start = slice.clone();
        let mut head = slice.clone();
        let (count, len) = (head.u32()?, head.u32()?);
        let framed = usize::try_from(len).ok().and_then(|len| len.checked_add(8 + CRC_BYTES));
        let Some(framed) = framed else {
            return Err(start.corrupt("the length of a chunk", len.to_string()));
        };
        check_crc(&start, slice.take(framed)?)?;
        let base = head.position() as u64;
        let mut body = Slice::new(head.take(framed - 8 - CRC_BYTES)?, base, WHAT, path);
        if count == 0 {
            let total = body.u64()?;
            if total != entries.len() as u64 {
                return Err(start.corrupt(format!("{} entries", entries.len()), total.to_string()));
            }
            body.finish()?;
            return slice.finish();
        }
        for _ in 0..count {
            entries.push(Entry::decode(&mut body)?);
        }
        body.finish()?;
    }
}

/// Version 1: the number of entries, the entries, and one checksum for all, which is right.
fn decode_v1(bytes: &[u8], at: usize, path: &Path) -> Result<KeysFile, Corruption> {
    let body = bytes.get(at..bytes.len().saturating_sub(CRC_BYTES)).unwrap_or_default();
    let mut slice = Slice::new(body, at as u64, WHAT, path);
    let count = slice.u32()?;
    let mut entries = Vec::new();
    for _ in 0..count {
        entries.push(Entry::decode(&mut slice)?);
    }
    slice.finish()?;
    Ok(KeysFile { entries, clock_ms: None, damage: None })
}
