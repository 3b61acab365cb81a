//! The dump at the end of `docs/format/block.md` is a block of this version, byte for byte. If this
//! test fails, blocks that are already stored would be read differently: a new version is needed,
//! not a new dump. Only the name of the rest column is a zstd frame there: should another version of
//! zstd compress it otherwise, the dump still has to decode, and may then be replaced.

use super::{Block, Source, decode, encode};
use crate::batch::{RowColumn, Rows};
use crate::event::{Kind, Value};

const PAGE: &str = include_str!("../../../docs/format/block.md");

/// The rows that the page names.
fn sample() -> Rows {
    let column = |name: &str, values: &[(u32, Kind, &str)]| {
        let mut column = RowColumn::new(name.into());
        for (row, kind, text) in values {
            column.push(*row, Value { kind: *kind, text: text.as_bytes() });
        }
        if column.len() == 4 {
            column.rows = None;
        }
        column
    };
    let long_name = "long.".repeat(52);
    Rows {
        base_seq: 100,
        seq_offsets: vec![0, 1, 2, 5],
        timestamps: [0, 1, 3, 2].map(|ms| 1_750_000_000_000_000_000 + ms * 1_000_000).to_vec(),
        levels: vec![3, 3, 5, 3],
        columns: vec![
            column("host", &[0, 1, 2, 3].map(|row| (row, Kind::String, "a"))),
            column(
                "id",
                &[(0, Kind::String, "00112233445566ff"), (1, Kind::String, "0123456789abcdef")],
            ),
            column(&long_name, &[(2, Kind::Null, "null")]),
            column(
                "message",
                &[
                    (0, Kind::String, "up"),
                    (1, Kind::String, "get /"),
                    (2, Kind::String, "lost\0"),
                    (3, Kind::String, "down"),
                ],
            ),
            column(
                "size",
                &[(0, Kind::Number, "512"), (1, Kind::Number, "1024"), (3, Kind::Number, "-512")],
            ),
            column(
                "took",
                &[
                    (0, Kind::Number, "0.25"),
                    (1, Kind::Number, "12"),
                    (2, Kind::Number, "3.5"),
                    (3, Kind::Number, "7"),
                ],
            ),
            column(
                "via",
                &[
                    (0, Kind::String, "cache"),
                    (1, Kind::String, "origin"),
                    (2, Kind::String, "cache"),
                    (3, Kind::String, "origin"),
                ],
            ),
        ],
    }
}

fn dump_of(bytes: &[u8]) -> String {
    let line = |(at, bytes): (usize, &[u8])| {
        let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{:04x}  {}\n", at * 16, hex.join(" "))
    };
    bytes.chunks(16).enumerate().map(line).collect()
}

#[test]
fn the_page_shows_a_block() {
    let page_dump = PAGE.rsplit("```hex\n").next().and_then(|rest| rest.split("```").next());
    let page_dump = page_dump.expect("the page ends in a dump");
    let encoded = encode(&sample(), b"filter");
    assert_eq!(dump_of(&encoded.bytes), page_dump);

    let digits = page_dump.lines().flat_map(|line| line.split_whitespace().skip(1));
    let bytes: Vec<u8> = digits.map(|pair| u8::from_str_radix(pair, 16).expect("hex")).collect();
    let block = Block::open(Source::Memory(bytes.into()), &encoded.meta).expect("a block");
    let mut sorted = sample();
    sorted.columns.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(decode(&block).expect("a block"), sorted);
    assert_eq!(block.filter(|bytes| Ok(bytes.to_vec())).expect("a block"), b"filter");
    let tags: Vec<u8> = block.columns().iter().map(|column| column.encoding).collect();
    assert_eq!(tags, [1, 5, 6, 3, 4, 2], "every encoding is in the dump");
}
