//! A block for a section with an index and a sentence list: without its filter, and with its sentences
//! in the list. All else is the same bytes.

use super::SentenceListBuilder;
use crate::block::column::{Column, ColumnData, Encoding, Templates};
use crate::block::format::{BlockMeta, Header, PartEntry};
use crate::block::reader::Block;
use crate::block::writer::EncodedBlock;
use crate::codec::slice::Slice;
use crate::error::Result;
use std::path::Path;

/// Shorter lists of sentences stay in the column: their readers need no other bytes.
const SHARED_BYTES_MIN: usize = 128;

/// The block of these bytes with nothing of its own that its section has for all. Its sentences go
/// to `list`, as long as they fit and come again; those of a block that shares them with another
/// section always do, or are its own again. `templates` are its columns of templates, by index, as far as
/// somebody has them already.
///
/// # Errors
/// Corrupt or unsupported if the header or a column of templates can't be read.
pub(crate) fn share(
    bytes: &[u8],
    block: &Block,
    templates: &[Option<Column>],
    list: &mut SentenceListBuilder,
) -> Result<EncodedBlock> {
    let meta = block.meta();
    let head = bytes.get(..meta.header_len as usize).unwrap_or(bytes);
    let mut header = Header::decode(head, 0, Path::new(""))?;
    // With room for the header, which stays as long.
    let mut shared = Vec::with_capacity(bytes.len());
    shared.resize(head.len(), 0);
    let fixed = [header.timestamps, header.seqs, header.levels];
    let copy = |part: PartEntry, body: &mut Vec<u8>| {
        let range = part.offset as usize..part.offset as usize + part.len as usize;
        match bytes.get(range) {
            Some(bytes) => {
                body.extend_from_slice(bytes);
                Ok(())
            }
            None => {
                let slice = Slice::new(bytes, 0, "block", Path::new(""));
                Err(slice.corrupt(format!("{} bytes", meta.len), bytes.len().to_string()))
            }
        }
    };
    fixed.iter().try_for_each(|part| copy(*part, &mut shared))?;
    for (index, entry) in header.columns.iter_mut().enumerate() {
        // The sentence of a packed column is its only one, and stays.
        let may_share = entry.is_templates() && entry.encoding != Encoding::PackedTemplates as u8;
        let read;
        let column = match templates.get(index).and_then(Option::as_ref) {
            _ if !may_share => None,
            None => {
                read = block.column(index)?;
                Some(&read)
            }
            known => known,
        };
        let templates = match column.map(Column::data) {
            Some(ColumnData::Templates(templates)) => Some(templates),
            _ => None,
        };
        let changed = templates.map(|templates| rewritten(templates, list)).transpose()?.flatten();
        let Some((encoding, part)) = changed else {
            copy(entry.part, &mut shared)?;
            continue;
        };
        entry.encoding = encoding as u8;
        entry.part = PartEntry { offset: 0, len: part.len() as u32, crc: crc32fast::hash(&part) };
        shared.extend_from_slice(&part);
    }
    copy(header.rest, &mut shared)?;
    header.filter = PartEntry { offset: 0, len: 0, crc: crc32fast::hash(&[]) };
    header.meta = BlockMeta { len: shared.len() as u32, ..*meta };
    assert_eq!(header.place(), Some(header.meta.len), "H2");
    shared[..head.len()].copy_from_slice(&header.encode());
    Ok(EncodedBlock { bytes: shared, meta: header.meta })
}

/// The column with its sentences where they belong; `None` if they are there.
fn rewritten(
    templates: &Templates,
    list: &mut SentenceListBuilder,
) -> Result<Option<(Encoding, Vec<u8>)>> {
    if !templates.is_shared() && templates.listing_len() < SHARED_BYTES_MIN {
        return Ok(None);
    }
    let sentences = templates.rising_sentences()?;
    Ok(match list.numbers_of(&sentences) {
        Some(numbers) => Some((Encoding::SharedTemplates, templates.with_numbers(&numbers))),
        None if templates.is_shared() => {
            Some((Encoding::Templates, templates.with_own(&sentences)))
        }
        None => None,
    })
}
