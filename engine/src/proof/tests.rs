use super::canon::{CanonRows, CanonWriter};
use super::{Runs, digest_of_section};
use crate::batch::{Batch, BatchBuilder, Rows, gather};
use crate::block::{self, Block, Source};
use crate::codec::dump;
use crate::error::Result;
use crate::event::{Kind, Level};
use crate::limits::Limits;
use crate::partition::PartitionKey;
use crate::timestamp::{Day, Timestamp};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;

const PAGE: &str = include_str!("../../../docs/format/run-digest.md");
const NOW: Timestamp = Timestamp(1_700_000_000_000_000_000);

fn key() -> PartitionKey {
    PartitionKey { tenant: "acme".into(), class: "info".into(), day: Day(19_675) }
}

/// An event of a test: timestamp, name to kind and lexeme.
type Sample = (i64, BTreeMap<String, (Kind, Vec<u8>)>);

fn batch_of(samples: &[Sample], first: u64) -> Batch {
    let mut builder = BatchBuilder::new(&Limits::default(), NOW);
    for (shift, fields) in samples {
        let mut event = builder.event();
        event.level = Level::Info;
        event.timestamp = Timestamp(NOW.0 + shift);
        for (name, (kind, text)) in fields {
            event.field(name, *kind, text);
        }
        event.finish().unwrap();
    }
    let mut batch = builder.build();
    batch.number(first);
    batch
}

fn rows_of(samples: &[Sample], first: u64) -> Rows {
    let batch = batch_of(samples, first);
    let [part] = batch.parts() else { panic!("one level of one day") };
    part.rows.clone()
}

/// The two events of the format page.
fn example() -> Rows {
    let text = |kind, text: &str| (kind, text.as_bytes().to_vec());
    let first = [
        ("message", text(Kind::String, "paid")),
        ("amount", text(Kind::Number, "12.50")),
        ("user.id", text(Kind::String, "")),
    ];
    let second =
        [("message", text(Kind::String, &"é".repeat(70))), ("ok", text(Kind::Bool, "true"))];
    let owned = |fields: &[(&str, (Kind, Vec<u8>))]| {
        fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    };
    rows_of(&[(0, owned(&first)), (-1_500, owned(&second))], 41)
}

/// Everything that is hashed of rows that fit a page.
fn page_bytes(rows: &Rows) -> Vec<u8> {
    let mut bytes = Vec::new();
    let canon = CanonRows::new(rows);
    CanonWriter::default().write(b"LSPAGE\0\x01", &canon, 0..rows.len(), &mut |piece: &[u8]| {
        bytes.extend_from_slice(piece);
    });
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// If this fails, no digest that was ever stored can be found again: `canon_v1` is frozen.
#[test]
fn the_bytes_of_the_format_page_are_what_is_hashed() {
    let bytes = page_bytes(&example());
    assert!(dump::from_page(PAGE) == bytes, "hashed now:\n{}", dump::to_text(&bytes));
    let page = hex(blake3::hash(&bytes).as_bytes());
    assert_eq!(page, "1e2a0f743f9ee8455f2ff69a00d5b6648639ef2af831cf4499ad9a48fed0bcca");
    let run = hex(&digest_of_section(&key(), 7, [Ok((example(), 0..2))]).unwrap());
    assert_eq!(run, "26c5dd02b8e04a1957b6480f87622e2605622eb8818e549c47e5a1767ceee416");
    assert!(PAGE.contains(&page) && PAGE.contains(&run), "page {page}, run {run}");
}

/// The digest as the format page says it, event by event.
fn plain_digest(samples: &[Sample], first: u64, generation: u64) -> [u8; 32] {
    fn varint(mut value: usize, out: &mut Vec<u8>) {
        while value > 127 {
            out.push((value % 128) as u8 + 128);
            value /= 128;
        }
        out.push(value as u8);
    }
    let mut run = b"LSRUN\0\0\x01\x04acme\x04info".to_vec();
    run.extend(19_675i32.to_le_bytes());
    run.extend(generation.to_le_bytes());
    run.extend((samples.len() as u64).to_le_bytes());
    for (number, page) in samples.chunks(64).enumerate() {
        let mut bytes = b"LSPAGE\0\x01".to_vec();
        for (index, (shift, fields)) in page.iter().enumerate() {
            bytes.extend((first + (number * 64 + index) as u64).to_le_bytes());
            bytes.extend((NOW.0 + shift).to_le_bytes());
            bytes.push(3);
            bytes.extend((fields.len() as u32).to_le_bytes());
            for (name, (kind, text)) in fields {
                varint(name.len(), &mut bytes);
                bytes.extend(name.as_bytes());
                bytes.push(*kind as u8);
                varint(text.len(), &mut bytes);
                bytes.extend(text);
            }
        }
        run.extend(blake3::hash(&bytes).as_bytes());
    }
    *blake3::hash(&run).as_bytes()
}

fn samples() -> impl Strategy<Value = Vec<Sample>> {
    let kind = prop::sample::select(vec![Kind::String, Kind::Number, Kind::Json, Kind::Null]);
    let name = prop_oneof![8 => "[a-f]{1,2}", 1 => "[a-c]{28,34}", 1 => "é{0,70}z"];
    let text = prop_oneof![
        6 => prop::collection::vec(any::<u8>(), 0..12),
        2 => prop::collection::vec(any::<u8>(), 28..36),
        1 => prop::collection::vec(any::<u8>(), 120..300),
    ];
    let fields = prop::collection::btree_map(name, (kind, text), 0..8);
    prop::collection::vec((-5_000i64..5_000, fields), 1..300)
}

/// Cuts `0..len` at random places.
fn cuts(len: usize, places: &[prop::sample::Index]) -> Vec<Range<usize>> {
    let mut ends: Vec<_> = places.iter().map(|place| place.index(len)).chain([0, len]).collect();
    ends.sort_unstable();
    ends.dedup();
    ends.windows(2).map(|pair| pair[0]..pair[1]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Batches, blocks and encodings leave no trace in the digest.
    #[test]
    fn the_digest_is_that_of_the_events(
        samples in samples(),
        first in 1u64..1 << 40,
        batches: [prop::sample::Index; 4],
        blocks: [prop::sample::Index; 3],
        merged: [prop::sample::Index; 2],
    ) {
        let expected = plain_digest(&samples, first, 9);
        let parts = cuts(samples.len(), &batches);
        let parts = parts.into_iter().map(|cut| rows_of(&samples[cut.clone()], first + cut.start as u64));
        let parts: Vec<_> = parts.collect();
        let all = gather(parts.iter().map(|rows| (rows, 0..rows.len())));

        let mut runs = Runs::default();
        let mut stored = Vec::new();
        for cut in cuts(all.len(), &blocks) {
            let rows = gather([(&all, cut)]);
            runs.push(&key(), &rows);
            stored.push(block::encode(&rows, b""));
        }
        prop_assert_eq!(runs.finish(9)[&key()], expected);
        prop_assert!(runs.finish(9).is_empty());

        let decoded: Vec<Rows> = stored
            .iter()
            .map(|encoded| {
                let source = Source::Memory(encoded.bytes.as_slice().into());
                block::decode(&Block::open(source, &encoded.meta).unwrap()).unwrap()
            })
            .collect();
        let whole = decoded.iter().map(|rows| Ok((rows.clone(), 0..rows.len())));
        prop_assert_eq!(digest_of_section(&key(), 9, whole).unwrap(), expected);
        // A run that begins and ends within the blocks of a merged section.
        let slices = cuts(all.len(), &merged).into_iter().map(|cut| Ok((all.clone(), cut)));
        prop_assert_eq!(digest_of_section(&key(), 9, slices).unwrap(), expected);
    }

    /// Whatever is altered, the digest is another one.
    #[test]
    fn every_change_changes_the_digest(mut samples in samples(), at: prop::sample::Index) {
        let digest = |samples: &[Sample], first, key: &PartitionKey, generation| -> Result<_> {
            let rows = rows_of(samples, first);
            let range = 0..rows.len();
            digest_of_section(key, generation, [Ok((rows, range))])
        };
        let before = digest(&samples, 5, &key(), 9).unwrap();
        prop_assert_ne!(digest(&samples, 6, &key(), 9).unwrap(), before);
        prop_assert_ne!(digest(&samples, 5, &key(), 8).unwrap(), before);
        let other = PartitionKey { tenant: "acmei".into(), class: "nfo".into(), ..key() };
        prop_assert_ne!(digest(&samples, 5, &other, 9).unwrap(), before);
        let at = at.index(samples.len());
        let mut altered = samples.clone();
        altered[at].0 += 1;
        prop_assert_ne!(digest(&altered, 5, &key(), 9).unwrap(), before);
        altered = samples.clone();
        match altered[at].1.values_mut().next() {
            Some((kind, _)) => *kind = if *kind == Kind::Bool { Kind::Null } else { Kind::Bool },
            None => drop(altered[at].1.insert("new".to_owned(), (Kind::Null, Vec::new()))),
        }
        prop_assert_ne!(digest(&altered, 5, &key(), 9).unwrap(), before);
        samples.pop();
        if !samples.is_empty() {
            prop_assert_ne!(digest(&samples, 5, &key(), 9).unwrap(), before);
        }
    }
}

/// A page buffer that passes its bound is passed on in pieces, and the digest is the same.
#[test]
fn huge_events_are_hashed_in_pieces() {
    let value = (Kind::String, vec![b'x'; 200 << 10]);
    let sample = (0, BTreeMap::from([("message".to_owned(), value)]));
    let samples = vec![sample; 5];
    let rows = rows_of(&samples, 1);
    let mut pieces = 0;
    CanonWriter::default().write(b"", &CanonRows::new(&rows), 0..5, &mut |_: &[u8]| pieces += 1);
    assert_eq!(pieces, 5, "two of them are too long for one piece");
    let digest = digest_of_section(&key(), 2, [Ok((rows, 0..5))]).unwrap();
    assert_eq!(digest, plain_digest(&samples, 1, 2));
}
