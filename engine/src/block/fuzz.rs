//! Decodes any bytes as a block and as the encodings behind its checksums, for the fuzz target and
//! the property tests. Finding nothing wrong is the only result.

use super::column::{Column, ColumnData, Rest};
use super::format::BlockMeta;
use super::list::{SentenceList, SentenceListBuilder};
use super::part::{Part, PartBytes, Shape};
use super::reader::{Block, Source, decode};
use crate::codec::slice::Slice;
use crate::error::{Error, Result};
use crate::event::Kind;
use std::path::Path;
use std::sync::Arc;

/// What one input may make the decoder allocate.
const RAW_BYTES_MAX: usize = 1 << 20;

/// Reads `bytes` as a whole block, as a sentence list, then as one part whose checksum holds:
/// `tag u8 (0: the rest column)  rows u16  values u16  payload`.
pub(crate) fn decode_any(bytes: &[u8]) {
    let _ = whole(bytes);
    let _ = SentenceList::decode(&mut Slice::new(bytes, 0, "fuzz input", Path::new("")));
    let mut slice = Slice::new(bytes, 0, "fuzz input", Path::new(""));
    let head = (slice.u8(), slice.u16(), slice.u16());
    if let (Ok(tag), Ok(rows), Ok(values)) = head {
        let rows = usize::from(rows % 8_192) + 1;
        let shape = Shape { rows, values: usize::from(values).min(rows), raw_max: RAW_BYTES_MAX };
        let part = || Part {
            bytes: PartBytes::File(crate::io::FileBytes::Read(bytes[slice.position()..].to_vec())),
            offset: 0,
            file: Arc::from(Path::new("")),
            what: "fuzzed part",
        };
        let _ = part_of(part, tag, shape);
    }
}

fn whole(bytes: &[u8]) -> Result<()> {
    let mut slice = Slice::new(bytes, 0, "fuzz input", Path::new(""));
    slice.take(8)?;
    let meta = BlockMeta::decode(&mut slice)?;
    let _ = super::verify(&bytes.into(), &meta, 0, Path::new(""));
    let block = Block::open(Source::Memory(bytes.into()), &meta)?;
    let _ = super::share(bytes, &block, &[], &mut SentenceListBuilder::default());
    block.filter(|_| Ok(()))?;
    if meta.raw_bytes <= RAW_BYTES_MAX as u64 {
        decode(&block)?.check_invariants();
    }
    Ok(())
}

/// What the column of a part may name.
fn some_list() -> Arc<SentenceList> {
    let mut list = SentenceListBuilder::default();
    let sentences: [&[u8]; 5] = [b"up", b"id \x01", b"conn \x01 of \x01 closed", b"\x01", b""];
    list.numbers_of(&sentences).expect("a few");
    let bytes = list.finish().expect("it has some").bytes;
    let mut slice = Slice::new(&bytes, 0, "sentence list", Path::new(""));
    Arc::new(SentenceList::decode(&mut slice).expect("just written"))
}

fn part_of(part: impl Fn() -> Part, tag: u8, shape: Shape) -> Result<()> {
    if tag == 0 {
        let rest = Rest::decode(part(), shape)?;
        rest.for_each(|row, name, _| assert!(row < shape.rows && name < rest.names().len()))?;
        return rest.row(shape.rows / 2, |_, _| {});
    }
    if shape.values == 0 {
        // The header has refused such a column.
        return Ok(());
    }
    // Values where they stand, before anything else is unpacked.
    let single = |index: usize| {
        let mut scratch = Vec::new();
        let column = Column::decode(part(), tag, shape, Some(some_list()))?;
        let value = column.value(index, &mut scratch)?;
        Ok::<_, Error>((value.kind, value.text.to_vec()))
    };
    let picked = [0, shape.values / 2, shape.values - 1].map(|index| (index, single(index)));
    let column = Column::decode(part(), tag, shape, Some(some_list()))?;
    // Values by what their digits say, if they are such.
    let records = match column.data() {
        ColumnData::Templates(templates) => templates.records_of_only_slot().ok().flatten(),
        _ => None,
    };
    let (mut values, mut text_bytes) = (0, 0);
    let read = column.for_each(|row, value| {
        assert!(row < shape.rows);
        for (_, single) in picked.iter().filter(|(index, _)| *index == values) {
            // What is wrong elsewhere in the column may make the whole an error.
            let (kind, text) = single.as_ref().expect("what is read with others is read alone");
            assert_eq!((*kind, &**text), (value.kind, value.text));
        }
        if let Some(records) = &records {
            let (number, digits) = (records.numbers()[values], records.digits());
            let text = [records.prefix(), format!("{number:0digits$}").as_bytes()].concat();
            assert_eq!((Kind::String, &*text), (value.kind, value.text));
        }
        values += 1;
        text_bytes += value.text.len() as u64;
    });
    let walked = super::terms::text_bytes(&column);
    assert_eq!(read.is_ok(), walked.is_ok(), "X2");
    read?;
    assert_eq!((values, walked?), (shape.values, text_bytes));
    if let ColumnData::Templates(templates) = column.data() {
        let mut values = 0;
        for code in 0..templates.counts().len() as u16 {
            templates.for_each_of(code, |_, _| values += 1)?;
        }
        templates.for_each_raw(|_, _| values += 1)?;
        assert_eq!(values, shape.values);
    }
    column.get(shape.rows / 2, &mut Vec::new()).map(|_| ())
}
