//! Files of sections as bytes: header, footer, trailer. No I/O. See `docs/format/segment.md`.

use crate::block::{BlockMeta, ListPlace};
use crate::codec::slice::Slice;
use crate::codec::varint;
use crate::crypt;
use crate::error::{Corruption, Error, Result};
use crate::manifest::{FileId, Range64, Run};
use crate::partition::PartitionKey;
use crate::timestamp::Day;

use std::path::Path;

/// What a file begins and ends with.
pub(crate) const MAGIC: [u8; 8] = *b"LSSEG\0\0\x01";
/// The version that is written.
pub(crate) const VERSION: u16 = 3;
/// Level-0 files without runs; still read.
pub(super) const VERSION_1: u16 = 1;
/// Sections without sentence lists; still read.
pub(super) const VERSION_2: u16 = 2;
/// The header: everything that identifies the file.
pub(crate) const HEADER_LEN: usize = 64;
/// The trailer: where the footer is.
pub(crate) const TRAILER_LEN: usize = 32;
/// A footer is refused above this, so that a foreign length can't make us allocate.
const FOOTER_BYTES_MAX: u64 = 1 << 30;
/// Feature bits that this version knows. A file with others was written by a later one.
const FEATURES: u32 = 0;

/// The start of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) store: [u8; 16],
    pub(crate) incarnation: u16,
    pub(crate) id: FileId,
    /// First sequence number, and the one after the last.
    pub(crate) seqs: (u64, u64),
}

/// The blocks of one partition in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) key: PartitionKey,
    pub(crate) blocks: Vec<BlockPlace>,
    /// The runs in it, by generation; none in a file of version 1.
    pub(crate) runs: Vec<Run>,
    /// The sentences that its blocks share: a copy behind the blocks, the other at its end.
    pub(crate) list: Option<ListPlace>,
    /// Its index part, behind the blocks and the first copy of the list.
    pub(crate) index: Option<IndexPlace>,
}

/// The kind of index part that this version writes and reads: `docs/format/segment-index.md`.
pub(crate) const INDEX_KIND: u16 = 1;
/// Its version.
pub(crate) const INDEX_VERSION: u16 = 1;

/// What indexes a whole section, as bytes that this module doesn't look into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IndexPlace {
    pub(crate) offset: u64,
    pub(crate) len: u64,
    /// CRC-32 of the bytes.
    pub(crate) crc: u32,
    /// Which kind of index, and which version of it. A reader goes without those it doesn't know.
    pub(crate) kind: u16,
    pub(crate) version: u16,
}

/// A block and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BlockPlace {
    pub(crate) offset: u64,
    pub(crate) meta: BlockMeta,
    /// The list of its section.
    pub(crate) list: Option<ListPlace>,
}

/// Where a file's footer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub(crate) footer_offset: u64,
    pub(crate) footer_len: u64,
    pub(crate) footer_crc: u32,
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; HEADER_LEN] {
        self.encode_version(VERSION)
    }

    pub(super) fn encode_version(&self, version: u16) -> [u8; HEADER_LEN] {
        let mut bytes = Vec::with_capacity(HEADER_LEN);
        bytes.extend(MAGIC);
        bytes.extend(version.to_le_bytes());
        bytes.extend(self.incarnation.to_le_bytes());
        bytes.extend(FEATURES.to_le_bytes());
        bytes.extend(self.store);
        bytes.extend(self.id.number().to_le_bytes());
        bytes.extend(self.seqs.0.to_le_bytes());
        bytes.extend(self.seqs.1.to_le_bytes());
        bytes.push(match self.id {
            FileId::LevelZero(_) => 0,
            FileId::Segment(_) => 1,
            FileId::Pack(_) => 2,
        });
        bytes.resize(HEADER_LEN - 4, 0);
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes.try_into().expect("padded to HEADER_LEN")
    }

    /// The header and the version of the file.
    pub(crate) fn decode(bytes: &[u8; HEADER_LEN], file: &Path) -> Result<(Self, u16)> {
        let mut slice = Slice::new(bytes, 0, "segment header", file);
        crypt::refuse_encrypted(bytes, file)?;
        expect_magic(&mut slice)?;
        let (body, crc) = bytes.split_at(HEADER_LEN - 4);
        check_crc(&slice, crc32fast::hash(body), crc)?;
        let version = known_version(&mut slice, file)?;
        let incarnation = slice.u16()?;
        let features = slice.u32()?;
        if features & !FEATURES != 0 {
            return Err(Error::unsupported(format!(
                "{}: uses features {features:#x}, this version knows {FEATURES:#x}",
                file.display()
            )));
        }
        let mut store = [0; 16];
        store.copy_from_slice(slice.take(16)?);
        let number = slice.u64()?;
        let seqs = (slice.u64()?, slice.u64()?);
        let id = match slice.clone().u8()? {
            _ if version == VERSION_1 => FileId::LevelZero(number),
            0 => FileId::LevelZero(number),
            1 => FileId::Segment(number),
            2 => FileId::Pack(number),
            kind => return Err(slice.corrupt("a kind of file up to 2", kind.to_string()).into()),
        };
        Ok((Self { store, incarnation, id, seqs }, version))
    }
}

impl Trailer {
    pub(crate) fn encode(&self) -> [u8; TRAILER_LEN] {
        let mut bytes = Vec::with_capacity(TRAILER_LEN);
        bytes.extend(self.footer_offset.to_le_bytes());
        bytes.extend(self.footer_len.to_le_bytes());
        bytes.extend(self.footer_crc.to_le_bytes());
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes.extend(MAGIC);
        bytes.try_into().expect("the fields add up to TRAILER_LEN")
    }

    /// The trailer of a file of `file_len` bytes; `bytes` are its last ones.
    pub(crate) fn decode(
        bytes: &[u8; TRAILER_LEN],
        file_len: u64,
        file: &Path,
    ) -> Result<Self, Corruption> {
        let at = file_len.saturating_sub(TRAILER_LEN as u64);
        let mut slice = Slice::new(bytes, at, "segment trailer", file);
        let footer_offset = slice.u64()?;
        let footer_len = slice.u64()?;
        let footer_crc = slice.u32()?;
        check_crc(&slice, crc32fast::hash(&bytes[..20]), slice.clone().take(4)?)?;
        slice.take(4)?;
        expect_magic(&mut slice)?;
        let end = footer_offset.checked_add(footer_len);
        if footer_len > FOOTER_BYTES_MAX || end != Some(at) {
            let found = format!("{footer_len} bytes at {footer_offset}");
            return Err(slice.corrupt(format!("a footer that ends at {at}"), found));
        }
        Ok(Self { footer_offset, footer_len, footer_crc })
    }
}

/// The footer: a directory of the sections and their blocks.
pub(crate) fn encode_footer(sections: &[Section], names: &[String]) -> Vec<u8> {
    let mut out = Vec::new();
    varint::encode(sections.len() as u64, &mut out);
    for section in sections {
        varint::encode_bytes(section.key.tenant.as_bytes(), &mut out);
        varint::encode_bytes(section.key.class.as_bytes(), &mut out);
        out.extend(section.key.day.0.to_le_bytes());
        varint::encode(section.blocks.len() as u64, &mut out);
        for block in &section.blocks {
            out.extend(block.offset.to_le_bytes());
            block.meta.encode(&mut out);
        }
        varint::encode(section.runs.len() as u64, &mut out);
        section.runs.iter().for_each(|run| encode_run(run, &mut out));
        out.push(u8::from(section.index.is_some()));
        if let Some(index) = &section.index {
            out.extend(index.offset.to_le_bytes());
            out.extend(index.len.to_le_bytes());
            out.extend(index.crc.to_le_bytes());
            out.extend(index.kind.to_le_bytes());
            out.extend(index.version.to_le_bytes());
        }
        out.push(u8::from(section.list.is_some()));
        if let Some(list) = &section.list {
            out.extend(list.offset.to_le_bytes());
            out.extend(list.copy.to_le_bytes());
            out.extend(list.len.to_le_bytes());
            out.extend(list.memory.to_le_bytes());
        }
    }
    varint::encode(names.len() as u64, &mut out);
    for name in names {
        varint::encode_bytes(name.as_bytes(), &mut out);
    }
    out
}

fn encode_run(run: &Run, out: &mut Vec<u8>) {
    varint::encode(run.generation, out);
    varint::encode(run.seqs.start, out);
    varint::encode(run.seqs.end, out);
    varint::encode(run.rows, out);
    out.push(u8::from(run.digest.is_some()));
    out.extend(run.digest.iter().flatten());
}

fn decode_run(slice: &mut Slice<'_>) -> Result<Run, Corruption> {
    let generation = slice.varint()?;
    let seqs = Range64 { start: slice.varint()?, end: slice.varint()? };
    let rows = slice.varint()?;
    let digest = match flag(slice)? {
        true => Some(slice.take(32)?.try_into().expect("32 bytes were taken")),
        false => None,
    };
    Ok(Run { generation, seqs, rows, digest })
}

fn flag(slice: &mut Slice<'_>) -> Result<bool, Corruption> {
    match slice.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(slice.corrupt("a flag of 0 or 1", other.to_string())),
    }
}

/// The sections and column names of a footer, in a file of this version, whose CRC is `crc` as its trailer says.
pub(crate) fn decode_footer(
    bytes: &[u8],
    trailer: &Trailer,
    version: u16,
    file: &Path,
) -> Result<(Vec<Section>, Vec<String>), Corruption> {
    let mut slice = Slice::new(bytes, trailer.footer_offset, "segment footer", file);
    check_crc(&slice, crc32fast::hash(bytes), &trailer.footer_crc.to_le_bytes())?;
    let count = slice.varint_max(bytes.len())?;
    let mut sections = Vec::new();
    for _ in 0..count {
        sections.push(decode_section(&mut slice, trailer, version)?);
    }
    let count = slice.varint_max(bytes.len())?;
    let mut names = Vec::new();
    for _ in 0..count {
        names.push(slice.str()?.to_owned());
    }
    slice.finish()?;
    Ok((sections, names))
}

fn decode_section(
    slice: &mut Slice<'_>,
    trailer: &Trailer,
    file_version: u16,
) -> Result<Section, Corruption> {
    let tenant = slice.str()?.into();
    let class = slice.str()?.into();
    let day = Day(slice.u32()?.cast_signed());
    let count = slice.varint_max(slice.remaining())?;
    let mut blocks = Vec::new();
    for _ in 0..count {
        let offset = slice.u64()?;
        let meta = BlockMeta::decode(slice)?;
        check_place(slice, trailer, offset, u64::from(meta.len))?;
        blocks.push(BlockPlace { offset, meta, list: None });
    }
    let key = PartitionKey { tenant, class, day };
    let mut section = Section { key, blocks, runs: Vec::new(), list: None, index: None };
    if file_version == VERSION_1 {
        return Ok(section);
    }
    let count = slice.varint_max(slice.remaining())?;
    for _ in 0..count {
        section.runs.push(decode_run(slice)?);
    }
    if flag(slice)? {
        let (offset, len, crc) = (slice.u64()?, slice.u64()?, slice.u32()?);
        check_place(slice, trailer, offset, len)?;
        let (kind, version) = (slice.u16()?, slice.u16()?);
        section.index = Some(IndexPlace { offset, len, crc, kind, version });
    }
    if file_version == VERSION_2 {
        return Ok(section);
    }
    if flag(slice)? {
        let (offset, copy) = (slice.u64()?, slice.u64()?);
        let (len, memory) = (slice.u32()?, slice.u32()?);
        check_place(slice, trailer, offset, u64::from(len))?;
        check_place(slice, trailer, copy, u64::from(len))?;
        let place = ListPlace { offset, copy, len, memory };
        section.list = Some(place);
        section.blocks.iter_mut().for_each(|block| block.list = Some(place));
    }
    Ok(section)
}

fn check_place(
    slice: &Slice<'_>,
    trailer: &Trailer,
    offset: u64,
    len: u64,
) -> Result<(), Corruption> {
    let end = offset.checked_add(len);
    if offset >= HEADER_LEN as u64 && end.is_some_and(|end| end <= trailer.footer_offset) {
        return Ok(());
    }
    Err(slice.corrupt("a place between header and footer", format!("{len} bytes at {offset}")))
}

fn expect_magic(slice: &mut Slice<'_>) -> Result<(), Corruption> {
    let found = slice.clone().take(MAGIC.len())?;
    if found != MAGIC {
        return Err(slice.corrupt(format!("magic {MAGIC:02x?}"), format!("{found:02x?}")));
    }
    slice.take(MAGIC.len()).map(drop)
}

fn known_version(slice: &mut Slice<'_>, file: &Path) -> Result<u16> {
    match slice.u16()? {
        version @ (VERSION_1 | VERSION_2 | VERSION) => Ok(version),
        found => Err(Error::unsupported(format!(
            "{}: segment version {found}, this version reads up to {VERSION}",
            file.display()
        ))),
    }
}

fn check_crc(slice: &Slice<'_>, computed: u32, stored: &[u8]) -> Result<(), Corruption> {
    if stored == computed.to_le_bytes() {
        return Ok(());
    }
    Err(slice.corrupt(format!("CRC {:02x?}", computed.to_le_bytes()), format!("{stored:02x?}")))
}
