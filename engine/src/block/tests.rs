mod numbers;

use super::*;
use crate::batch::{RowColumn, Rows};
use crate::event::{Kind, Value};
use crate::io::{MemoryStorage, Storage};
use crate::limits::{BLOCK_COLUMNS_MAX, FRAME_ROWS_MAX};
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;

type Cell = Option<(Kind, Vec<u8>)>;

fn kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![Kind::String, Kind::Number, Kind::Bool, Kind::Null, Kind::Json])
}

fn lexeme() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "-?(0|[1-9][0-9]{0,4})(\\.[0-9]{1,3})?".prop_map(String::into_bytes),
        1 => "[-+]?[0-9]{0,22}(\\.[0-9]{0,12})?(e[0-9]{1,3})?".prop_map(String::into_bytes),
        2 => "[a-z ]{0,20}".prop_map(String::into_bytes),
        2 => "[0-9a-f]{16}|[0-9a-f]{32}|[0-9A-F]{16}|[0-9a-g]{32}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ]
}

/// How the values of a column look: encodings differ, what comes back must not.
fn cells(rows: usize) -> BoxedStrategy<Vec<Cell>> {
    let text = |pattern: &'static str, kind| {
        pattern.prop_map(move |text: String| (kind, text.into_bytes())).boxed()
    };
    let value = prop_oneof![
        Just(vec![Just((Kind::String, b"eu-west-1".to_vec())).boxed()]),
        Just(vec![text("GET|PUT|POST", Kind::String)]),
        Just(vec![text("-?(0|[1-9][0-9]{0,18})", Kind::Number)]),
        Just(vec![text("[1-5][0-9][0-9]", Kind::String)]),
        Just(vec![text("(0|[1-9][0-9]{0,2})\\.[0-9][1-9]", Kind::Number)]),
        Just(vec![text("(0|[1-9])\\.[0-9]{2}", Kind::Number)]),
        Just(vec![text("[0-9]\\.[0-9]", Kind::Number), text("-0|1e5|[0-9]{12}", Kind::Number)]),
        Just(vec![text("[0-9a-f]{16}", Kind::String)]),
        Just(vec![text("[0-9a-f]{2}0{30}", Kind::String)]),
        Just(vec![text("[a-z]{3,9}( [a-z]{3,9}){2,20}", Kind::String)]),
        Just(vec![text("(get|put) /[0-9]{1,3} of u[0-9]{2}: [0-9]{1,6} ms", Kind::String)]),
        Just(vec![text("[a-c]{2} é?[0-9]{1,4}", Kind::String), (kind(), lexeme()).boxed()]),
        Just(vec![(kind(), lexeme()).boxed()]),
    ];
    let shares = prop::sample::select(vec![None, Some(0.9), Some(0.05)]);
    (value, shares)
        .prop_flat_map(move |(values, share)| {
            let many = values[0].clone();
            let few = values.last().expect("at least one").clone();
            let value = prop_oneof![40 => many, 1 => few];
            let cell = match share {
                Some(share) => prop::option::weighted(share, value).boxed(),
                None => value.prop_map(Some).boxed(),
            };
            prop::collection::vec(cell, rows)
        })
        .boxed()
}

fn rows_of(base_seq: u64, times: Vec<(u32, i64, u8)>, columns: Vec<(String, Vec<Cell>)>) -> Rows {
    let mut next = 0;
    let mut rows = Rows { base_seq, ..Rows::default() };
    for (gap, timestamp, level) in times {
        rows.seq_offsets.push(next + gap);
        rows.timestamps.push(timestamp);
        rows.levels.push(level);
        next += gap + 1;
    }
    for (name, cells) in columns {
        let mut column = RowColumn::new(name.into());
        for (row, cell) in cells.iter().take(rows.len()).enumerate() {
            if let Some((kind, text)) = cell {
                column.push(row as u32, Value { kind: *kind, text });
            }
        }
        if column.len() == rows.len() {
            column.rows = None;
        }
        if !column.is_empty() && rows.column(&column.name).is_none() {
            rows.columns.push(column);
        }
    }
    rows.check_invariants();
    rows
}

fn times(rows: usize) -> impl Strategy<Value = Vec<(u32, i64, u8)>> {
    let near = (0i64..5_000).prop_map(|ms| 1_700_000_000_000_000_000 + ms * 1_000_000);
    let time = prop_oneof![20 => near, 1 => any::<i64>()];
    prop::collection::vec((0u32..5, time, 1u8..7), rows)
}

pub(super) fn any_rows() -> impl Strategy<Value = Rows> {
    (1usize..600, 0usize..8).prop_flat_map(|(count, columns)| {
        let column = ("[a-z.\\\\\u{0}é]{0,6}", cells(count));
        let columns = prop::collection::vec(column, columns);
        (any::<u32>(), times(count), columns)
            .prop_map(|(base, times, columns)| rows_of(u64::from(base), times, columns))
    })
}

/// Rows as `decode` gives them.
fn normal(rows: &Rows) -> Rows {
    let mut rows = rows.clone();
    let first = rows.seq_offsets[0];
    rows.base_seq += u64::from(first);
    rows.seq_offsets.iter_mut().for_each(|offset| *offset -= first);
    rows.columns.sort_by(|a, b| a.name.cmp(&b.name));
    rows
}

fn open(encoded: &EncodedBlock) -> Block {
    let source = Source::Memory(encoded.bytes.as_slice().into());
    Block::open(source, &encoded.meta).expect("just encoded")
}

fn round_trip(rows: &Rows) -> Block {
    let block = open(&encode(rows, b"filter"));
    let again = decode(&block).expect("just encoded");
    again.check_invariants();
    assert_eq!(again, normal(rows));
    assert_eq!(block.filter(|bytes| Ok(bytes.to_vec())).expect("just encoded"), b"filter");
    block
}

/// Every cell as single fetches give it, in an order that jumps between frames.
fn assert_fetches(block: &Block, rows: &Rows) {
    let rest = block.rest().expect("just encoded");
    let mut scratch = Vec::new();
    let (times, seqs) = (block.timestamps().expect("sound"), block.seqs().expect("sound"));
    let levels = block.levels().expect("sound");
    for row in (0..rows.len()).rev() {
        assert_eq!(times.at(row).expect("sound"), rows.timestamps[row]);
        assert_eq!(seqs.at(row).expect("sound"), rows.seq(row).0);
        assert_eq!(levels.at(row).expect("sound") as u8, rows.levels[row]);
    }
    for wanted in &rows.columns {
        let column = block.column_index(&wanted.name).map(|at| block.column(at).expect("sound"));
        for row in (0..rows.len()).step_by(3).chain((0..rows.len()).rev().step_by(7)) {
            let value = wanted.get(row as u32);
            if let Some(column) = &column {
                assert_eq!(column.get(row, &mut scratch).expect("sound"), value);
                if row.is_multiple_of(13) {
                    // Of which nothing is unpacked yet.
                    let at = block.column_index(&wanted.name).expect("it has one");
                    let column = block.column(at).expect("sound");
                    assert_eq!(column.get(row, &mut scratch).expect("sound"), value);
                }
                continue;
            }
            let mut found = None;
            let rest = rest.as_ref().expect("a name without a column is in the rest");
            let field = |name: &str, value: Value<'_>| {
                if *name == *wanted.name {
                    found = Some((value.kind, value.text.to_vec()));
                }
            };
            rest.row(row, field).expect("sound");
            assert_eq!(found, value.map(|value| (value.kind, value.text.to_vec())));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_rows_come_back_exactly(rows in any_rows()) {
        let block = round_trip(&rows);
        assert_fetches(&block, &rows);
        for (entry, wanted) in block.columns().iter().zip(&normal(&rows).columns) {
            prop_assert_eq!(&*entry.name, &*wanted.name);
            prop_assert_eq!(entry.values as usize, wanted.len());
            let kinds = wanted.kinds.iter().fold(0, |bits, kind| bits | 1 << kind);
            prop_assert_eq!(entry.kinds, kinds);
        }
    }

    /// What columns are cut for saves work, and changes no term.
    #[test]
    fn a_sealed_block_has_the_filter_of_its_rows(rows in any_rows()) {
        prop_assert_eq!(seal(&rows), encode(&rows, &crate::index::filter_bytes(&rows)));
    }

    /// A range prunes blocks, so every value of the column must lie in it.
    #[test]
    fn ranges_hold_every_number(rows in any_rows()) {
        for entry in open(&encode(&rows, b"")).columns() {
            let Some(range) = entry.numbers else { continue };
            let unit = 10f64.powi(i32::from(range.scale));
            let column = rows.column(&entry.name).expect("it has values");
            for index in 0..column.len() {
                let text = std::str::from_utf8(column.value(index).text).expect("a number");
                let number: f64 = text.parse().expect("a number");
                let slack = number.abs() * 1e-12;
                prop_assert!(range.min as f64 / unit <= number + slack, "{text} {range:?}");
                prop_assert!(range.max as f64 / unit >= number - slack, "{text} {range:?}");
            }
        }
    }

    #[test]
    fn names_without_a_column_are_in_the_rest(
        count in 1usize..12,
        names in 200usize..330,
        share in prop::sample::select(vec![1.0, 0.5, 0.1]),
        seed in prop::collection::vec(prop::option::weighted(0.7, (kind(), lexeme())), 64),
        long in any::<bool>(),
    ) {
        let times = (0..count).map(|row| (0, row as i64, 3)).collect();
        let columns = (0..names).map(|at| {
            let cells = (0..count).map(|row| {
                let wanted = ((row * 31 + at * 17) % 100) as f64 / 100.0 < share;
                seed[(row * 7 + at) % seed.len()].clone().filter(|_| wanted)
            });
            let padding = if long && at % 50 == 0 { 300 } else { 0 };
            (format!("name{at}{}", "x".repeat(padding)), cells.collect())
        });
        let rows = rows_of(9, times, columns.collect());
        let block = round_trip(&rows);
        prop_assert!(block.columns().len() <= BLOCK_COLUMNS_MAX);
        let long = rows.columns.iter().filter(|column| column.name.len() > 255).count();
        let own = (rows.columns.len() - long).min(BLOCK_COLUMNS_MAX);
        prop_assert_eq!(block.columns().len(), own);
        let overflow = block.rest().expect("sound").map_or(0, |rest| rest.names().len());
        prop_assert_eq!(overflow, rows.columns.len() - own);
        assert_fetches(&block, &rows);
    }

    #[test]
    fn bytes_behind_a_right_checksum_never_panic(
        tag in 0u8..10, rows in 1u16..600, values in 0u16..600, payload: Vec<u8>,
    ) {
        let mut bytes = vec![tag];
        bytes.extend(rows.to_le_bytes());
        bytes.extend(values.to_le_bytes());
        bytes.extend(payload);
        fuzz::decode_any(&bytes);
    }

    /// Damage that a checksum can't show because it was damaged alike: error or rows, never a panic.
    #[test]
    fn damaged_columns_never_panic(
        rows in any_rows(), hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let encoded = encode(&rows, b"");
        let block = open(&encoded);
        let parts = block.columns().iter().map(|entry| (entry.encoding, entry.values, entry.part));
        for (tag, values, part) in parts {
            let mut bytes = vec![tag];
            bytes.extend((rows.len() as u16).to_le_bytes());
            bytes.extend((values as u16).to_le_bytes());
            let mut payload = encoded.bytes[part.range()].to_vec();
            for (at, bits) in &hits {
                let at = at.index(payload.len());
                payload[at] ^= bits;
            }
            bytes.extend(payload);
            fuzz::decode_any(&bytes);
        }
    }
}

fn small_rows() -> Rows {
    let text = |text: &str| Some((Kind::String, text.as_bytes().to_vec()));
    let number = |text: &str| Some((Kind::Number, text.as_bytes().to_vec()));
    let columns = vec![
        ("service".into(), vec![text("api"), text("api"), text("api")]),
        ("status".into(), vec![number("200"), None, number("404")]),
        ("took".into(), vec![number("0.5"), number("12"), number("1.25")]),
        ("trace_id".into(), vec![text(&"0a".repeat(16)), text(&"0b".repeat(16)), None]),
        (
            "message".into(),
            vec![text("GET /a"), text("GET /b\0"), Some((Kind::Null, b"null".to_vec()))],
        ),
        ("x".repeat(300), vec![None, text("long name"), None]),
    ];
    rows_of(41, vec![(0, 1_000, 3), (2, 3_000, 4), (0, 2_000, 3)], columns)
}

#[test]
fn a_changed_byte_is_an_error() {
    let rows = small_rows();
    let encoded = encode(&rows, b"filter");
    for at in 0..encoded.bytes.len() {
        for bits in [0x01, 0x80, 0xff] {
            let mut bytes = encoded.bytes.clone();
            bytes[at] ^= bits;
            let opened = Block::open(Source::Memory(bytes.into()), &encoded.meta);
            let read = opened.and_then(|block| {
                block.filter(|_| Ok(()))?;
                decode(&block)
            });
            let error = read.expect_err("every byte is under a checksum");
            assert_eq!(error.kind(), crate::ErrorKind::Corrupt, "byte {at}: {error}");
        }
    }
}

#[test]
fn a_block_in_a_file_reads_like_one_in_memory_and_errors_name_the_place() {
    let rows = small_rows();
    let encoded = encode(&rows, b"filter");
    let storage = MemoryStorage::new();
    let path: Arc<Path> = Arc::from(Path::new("/segments/7"));
    storage.create_dir_all(Path::new("/segments")).expect("in memory");
    let file = storage.create(&path).expect("in memory");
    file.write_all_at(&encoded.bytes, 1_000).expect("in memory");
    let source =
        || Source::File { file: Arc::clone(&file), path: Arc::clone(&path), offset: 1_000 };
    let block = Block::open(source(), &encoded.meta).expect("sound");
    assert_eq!(decode(&block).expect("sound"), normal(&rows));
    assert_fetches(&block, &rows);

    let index = block.column_index("message").expect("a column");
    let offset = 1_000 + u64::from(block.columns()[index].part.offset);
    file.write_all_at(&[0xff], offset).expect("in memory");
    let error = block.column(index).expect_err("damaged");
    let corruption = error.corruption().expect("corrupt");
    assert_eq!((&*corruption.file, corruption.offset), (&*path, offset));
    block.column_index("status").map(|at| block.column(at).expect("sound")).expect("a column");

    let short = BlockMeta { len: encoded.meta.len + 1, ..encoded.meta };
    let error = Block::open(source(), &short).expect_err("the file ends before");
    assert_eq!(error.kind(), crate::ErrorKind::Corrupt);
    let other = BlockMeta { min_seq: encoded.meta.min_seq - 1, ..encoded.meta };
    let error = Block::open(source(), &other).expect_err("another block");
    assert_eq!(error.kind(), crate::ErrorKind::Corrupt);
}

#[test]
fn later_versions_and_encodings_are_named_not_called_damage() {
    let encoded = encode(&small_rows(), b"");
    let header_len = encoded.meta.header_len as usize;
    let reopened = |at: usize, byte: u8| {
        let mut bytes = encoded.bytes.clone();
        bytes[at] = byte;
        let crc = crc32fast::hash(&bytes[..header_len - 4]);
        bytes[header_len - 4..header_len].copy_from_slice(&crc.to_le_bytes());
        Block::open(Source::Memory(bytes.into()), &encoded.meta)
    };
    for at in [4, 6] {
        let error = reopened(at, 9).expect_err("a later version");
        assert_eq!(error.kind(), crate::ErrorKind::Unsupported);
    }
    // The first column's tag.
    let block = reopened(106, 99).expect("the other columns are readable");
    assert_eq!(block.columns()[0].encoding, 99);
    assert_eq!(block.column(0).expect_err("unknown").kind(), crate::ErrorKind::Unsupported);
    block.column(1).expect("sound");
}

#[test]
fn a_forged_constant_is_not_copied_beyond_the_blocks_raw_bytes() {
    let cell = Some((Kind::String, vec![b'x'; 100]));
    let times = (0..100).map(|row| (0, row, 3)).collect();
    let rows = rows_of(0, times, vec![("constant".into(), vec![cell; 100])]);
    let encoded = encode(&rows, b"");
    let meta = BlockMeta { raw_bytes: 5_000, ..encoded.meta };
    let mut head = encoded.bytes[..8].to_vec();
    meta.encode(&mut head);
    let mut bytes = encoded.bytes;
    let header_len = meta.header_len as usize;
    bytes[..head.len()].copy_from_slice(&head);
    let crc = crc32fast::hash(&bytes[..header_len - 4]);
    bytes[header_len - 4..header_len].copy_from_slice(&crc.to_le_bytes());
    let block = Block::open(Source::Memory(bytes.into()), &meta).expect("a sound header");
    let error = decode(&block).expect_err("10,000 bytes of values");
    let found = &error.corruption().expect("corrupt").found;
    assert!(found.ends_with("more: true"), "{found}");
}

#[test]
fn encodings_are_chosen_by_what_the_values_are() {
    let count = 2_000usize;
    let column = |name: &str, value: &dyn Fn(usize) -> (Kind, String)| {
        let cell = |row| Some(value(row)).map(|(kind, text)| (kind, text.into_bytes()));
        (name.to_owned(), (0..count).map(cell).collect::<Vec<Cell>>())
    };
    let mixed = |row: usize| row.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 8;
    let letter = |byte: u8| char::from(b'a' + byte % 26);
    let columns = vec![
        column("constant", &|_| (Kind::String, "node".into())),
        column("dictionary", &|row| (Kind::Number, [200, 404, 500][mixed(row) % 3].to_string())),
        column("integers", &|row| (Kind::String, (mixed(row) % 100_000).to_string())),
        column("decimals", &|row| match row % 50 {
            0 => (Kind::Null, "null".into()),
            _ => (Kind::Number, format!("{}", (mixed(row) % 100_000) as f64 / 100.0)),
        }),
        column("ids", &|row| (Kind::String, format!("{:016x}", mixed(row)))),
        column("repeated_ids", &|row| (Kind::String, format!("{:032x}", mixed(row / 4)))),
        column("text", &|row| {
            (Kind::String, format!("{:?}", mixed(row).to_le_bytes().map(letter)))
        }),
        column("templates", &|row| (Kind::String, format!("user {} logged in", mixed(row)))),
        column("users", &|row| (Kind::String, format!("u{:05}", mixed(row) % 20_000))),
        column("several_lengths", &|row| (Kind::String, format!("u{}", mixed(row) % 20_000))),
    ];
    let times = (0..count).map(|row| (0, row as i64, 3)).collect();
    let rows = rows_of(0, times, columns);
    let block = round_trip(&rows);
    assert_fetches(&block, &rows);
    let tag = |name| block.columns()[block.column_index(name).expect("a column")].encoding;
    let names = ["constant", "dictionary", "integers", "decimals", "ids", "text", "templates"];
    assert_eq!(names.map(tag), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(["users", "several_lengths"].map(tag), [9, 7]);
    let ids = block.column(block.column_index("repeated_ids").expect("a column")).expect("sound");
    assert!(matches!(ids.data(), ColumnData::Ids(Ids { codes: Some(_), width: 16, .. })));
    let text = block.column(block.column_index("text").expect("a column")).expect("sound");
    let ColumnData::Text(text) = text.data() else { panic!("text") };
    assert_eq!(text.frame_count(), count.div_ceil(FRAME_ROWS_MAX));
    let range = block.columns()[block.column_index("dictionary").expect("a column")].numbers;
    assert_eq!(range, Some(NumberRange { min: 200, max: 500, scale: 0 }));
}

#[test]
fn a_value_larger_than_a_frame_has_one_of_its_own() {
    let huge = vec![b'x'; 200_000];
    let cells = vec![
        Some((Kind::String, b"before".to_vec())),
        Some((Kind::String, huge)),
        Some((Kind::Json, b"[1]".to_vec())),
    ];
    let times = vec![(0, 0, 3), (0, 0, 3), (0, 0, 3)];
    let block = round_trip(&rows_of(0, times, vec![("message".into(), cells)]));
    let column = block.column(0).expect("sound");
    let ColumnData::Text(text) = column.data() else { panic!("text") };
    let frames: Vec<_> = (0..text.frame_count()).map(|frame| text.frame_values(frame)).collect();
    assert_eq!(frames, [0..1, 1..2, 2..3]);
}

#[test]
fn a_header_may_not_claim_what_no_block_has() {
    let meta = encode(&small_rows(), b"").meta;
    let read = |meta: &BlockMeta| {
        let mut bytes = Vec::new();
        meta.encode(&mut bytes);
        assert_eq!(bytes.len(), BlockMeta::LEN);
        BlockMeta::decode(&mut crate::codec::slice::Slice::new(&bytes, 0, "meta", Path::new("")))
    };
    assert_eq!(read(&meta), Ok(meta));
    for broken in [
        BlockMeta { rows: 0, ..meta },
        BlockMeta { rows: 8_193, ..meta },
        BlockMeta { header_len: 10, ..meta },
        BlockMeta { header_len: meta.len + 1, ..meta },
        BlockMeta { levels: 0, ..meta },
        BlockMeta { levels: 0x81, ..meta },
        BlockMeta { max_ts: meta.min_ts - 1, ..meta },
        BlockMeta { max_seq: meta.min_seq, ..meta },
        BlockMeta { max_seq: meta.min_seq + (1 << 32), ..meta },
        BlockMeta { raw_bytes: 1 << 31, ..meta },
    ] {
        read(&broken).expect_err("refused");
    }
}
