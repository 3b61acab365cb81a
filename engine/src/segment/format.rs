//! Level-0 files as bytes: header, footer, trailer. No I/O. See `docs/format/segment.md`.

use crate::block::BlockMeta;
use crate::codec::slice::Slice;
use crate::codec::varint;
use crate::error::{Corruption, Error, Result};
use crate::partition::PartitionKey;
use crate::timestamp::Day;
use std::path::Path;

/// What a file begins and ends with.
pub(crate) const MAGIC: [u8; 8] = *b"LSSEG\0\0\x01";
/// The version that is written.
pub(crate) const VERSION: u16 = 1;
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
    pub(crate) generation: u64,
    /// First sequence number, and the one after the last.
    pub(crate) seqs: (u64, u64),
}

/// The blocks of one partition in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) key: PartitionKey,
    pub(crate) blocks: Vec<BlockPlace>,
}

/// A block and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BlockPlace {
    pub(crate) offset: u64,
    pub(crate) meta: BlockMeta,
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
        let mut bytes = Vec::with_capacity(HEADER_LEN);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(self.incarnation.to_le_bytes());
        bytes.extend(FEATURES.to_le_bytes());
        bytes.extend(self.store);
        bytes.extend(self.generation.to_le_bytes());
        bytes.extend(self.seqs.0.to_le_bytes());
        bytes.extend(self.seqs.1.to_le_bytes());
        bytes.resize(HEADER_LEN - 4, 0);
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes.try_into().expect("padded to HEADER_LEN")
    }

    pub(crate) fn decode(bytes: &[u8; HEADER_LEN], file: &Path) -> Result<Self> {
        let mut slice = Slice::new(bytes, 0, "segment header", file);
        expect_magic(&mut slice)?;
        let (body, crc) = bytes.split_at(HEADER_LEN - 4);
        check_crc(&slice, crc32fast::hash(body), crc)?;
        expect_version(&mut slice, file)?;
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
        let generation = slice.u64()?;
        let seqs = (slice.u64()?, slice.u64()?);
        Ok(Self { store, incarnation, generation, seqs })
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
    }
    varint::encode(names.len() as u64, &mut out);
    for name in names {
        varint::encode_bytes(name.as_bytes(), &mut out);
    }
    out
}

/// The sections and column names of a footer whose CRC is `crc` as its trailer says.
pub(crate) fn decode_footer(
    bytes: &[u8],
    trailer: &Trailer,
    file: &Path,
) -> Result<(Vec<Section>, Vec<String>), Corruption> {
    let mut slice = Slice::new(bytes, trailer.footer_offset, "segment footer", file);
    check_crc(&slice, crc32fast::hash(bytes), &trailer.footer_crc.to_le_bytes())?;
    let count = slice.varint_max(bytes.len())?;
    let mut sections = Vec::new();
    for _ in 0..count {
        sections.push(decode_section(&mut slice, trailer)?);
    }
    let count = slice.varint_max(bytes.len())?;
    let mut names = Vec::new();
    for _ in 0..count {
        names.push(slice.str()?.to_owned());
    }
    slice.finish()?;
    Ok((sections, names))
}

fn decode_section(slice: &mut Slice<'_>, trailer: &Trailer) -> Result<Section, Corruption> {
    let tenant = slice.str()?.into();
    let class = slice.str()?.into();
    let day = Day(slice.u32()?.cast_signed());
    let count = slice.varint_max(slice.remaining())?;
    let mut blocks = Vec::new();
    for _ in 0..count {
        let offset = slice.u64()?;
        let meta = BlockMeta::decode(slice)?;
        let end = offset.checked_add(u64::from(meta.len));
        if offset < HEADER_LEN as u64 || end.is_none_or(|end| end > trailer.footer_offset) {
            let found = format!("{} bytes at {offset}", meta.len);
            return Err(slice.corrupt("a block between header and footer", found));
        }
        blocks.push(BlockPlace { offset, meta });
    }
    Ok(Section { key: PartitionKey { tenant, class, day }, blocks })
}

fn expect_magic(slice: &mut Slice<'_>) -> Result<(), Corruption> {
    let found = slice.clone().take(MAGIC.len())?;
    if found != MAGIC {
        return Err(slice.corrupt(format!("magic {MAGIC:02x?}"), format!("{found:02x?}")));
    }
    slice.take(MAGIC.len()).map(drop)
}

fn expect_version(slice: &mut Slice<'_>, file: &Path) -> Result<()> {
    match slice.u16()? {
        VERSION => Ok(()),
        found => Err(Error::unsupported(format!(
            "{}: segment version {found}, this version reads {VERSION}",
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
