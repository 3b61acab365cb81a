//! The numbers of values that blocks share.

use super::*;
use crate::block::column::Encoding;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Of each row that has a value, and of no other.
    #[test]
    fn numbers_stand_for_the_values_of_rows(rows in any_rows()) {
        let block = open(&encode(&rows, b""));
        let table = ValueTable::default();
        for (index, entry) in block.columns().iter().enumerate() {
            let field = table.of_field(&entry.name);
            let wanted = rows.column(&entry.name).expect("it has values");
            let column = block.column(index).expect("sound");
            let numbered = match Numbering::of(&field, &column, block.rows()).expect("sound") {
                Numbering::Rows(numbered) => numbered,
                Numbering::Unique => {
                    prop_assert!(column.listed().is_none());
                    continue;
                }
                Numbering::NoRoom => panic!("there is room for so few"),
            };
            for row in 0..rows.len() {
                let number = numbered.rows().get(row);
                prop_assert!(number <= numbered.greatest());
                let known = field.known();
                let value = (number > 0).then(|| known.value(number));
                prop_assert_eq!(value, wanted.get(row as u32));
            }
        }
    }
}

/// Numbering them would take as much memory as they do, for nothing.
#[test]
fn values_that_hardly_come_again_get_no_numbers() {
    let count = 4_000;
    let times: Vec<_> = (0..count).map(|row| (0, row as i64, 3)).collect();
    let again = |row: usize| xxhash_rust::xxh3::xxh3_64(&row.to_le_bytes()) as usize % 3_000;
    let unique = |row: usize| row;
    for (user_of, wanted) in [(&unique as &dyn Fn(usize) -> usize, false), (&again, true)] {
        let user = |row: usize| format!("user u{:05}", user_of(row)).into_bytes();
        let cells = (0..count).map(|row| Some((Kind::String, user(row)))).collect();
        let rows = rows_of(9, times.clone(), vec![("user".to_owned(), cells)]);
        let block = open(&encode(&rows, b""));
        assert!(block.columns()[0].is_templates());
        let column = block.column(0).expect("sound");
        let field = ValueTable::default().of_field("user");
        let numbering = Numbering::of(&field, &column, count).expect("sound");
        assert_eq!(matches!(numbering, Numbering::Rows(_)), wanted);
        assert_eq!(field.known().len() > 0, wanted);
    }
}

/// Some of so many users, in most rows. Of many they are packed.
fn users(seed: u32, count: u32, of: u32) -> Rows {
    let times = (0..count).map(|row| (0, row.into(), 3)).collect();
    let user = |row: u32| {
        let mixed = (row + seed).wrapping_mul(0x9e37_79b9);
        let number = (mixed ^ mixed >> 15).wrapping_mul(0x85eb_ca6b) >> 16;
        let number = number % of;
        (!row.is_multiple_of(7)).then(|| (Kind::String, format!("u{number:05}").into_bytes()))
    };
    rows_of(1, times, vec![("user".into(), (0..count).map(user).collect())])
}

#[test]
fn packed_users_have_the_numbers_that_listed_ones_have() {
    let field = ValueTable::default().of_field("user");
    let mut encodings = Vec::new();
    let blocks = [(1, 400, 20), (5_000, 1_500, 1_500), (9_000, 300, 30), (20_000, 1_800, 2_000)];
    for (seed, count, of) in blocks {
        let rows = users(seed, count, of);
        let block = open(&encode(&rows, b""));
        encodings.push(block.columns()[0].encoding);
        let column = block.column(0).expect("sound");
        let numbering = Numbering::of(&field, &column, block.rows()).expect("sound");
        let Numbering::Rows(numbered) = numbering else { panic!("{numbering:?}") };
        let (known, wanted) = (field.known(), rows.column("user").expect("there are some"));
        for row in 0..count {
            let number = numbered.rows().get(row as usize);
            assert!(number <= numbered.greatest());
            let value = (number > 0).then(|| known.value(number));
            assert_eq!(value, wanted.get(row));
        }
        let known: std::collections::HashSet<_> =
            (1..=known.len() as u32).map(|number| known.value(number).text).collect();
        assert_eq!(known.len(), field.known().len(), "each once");
    }
    let packed = Encoding::PackedTemplates as u8;
    assert_eq!(
        encodings.iter().filter(|encoding| **encoding == packed).count(),
        2,
        "{encodings:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whether they are read as text or by their digits.
    #[test]
    fn damaged_packed_users_are_the_same_either_way(
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        seed in 0u32..99,
    ) {
        let rows = users(seed, 1_500, 1_024);
        let encoded = encode(&rows, b"");
        let block = open(&encoded);
        let entry = &block.columns()[0];
        prop_assert_eq!(entry.encoding, Encoding::PackedTemplates as u8);
        let mut bytes = vec![entry.encoding];
        bytes.extend((rows.len() as u16 - 1).to_le_bytes());
        bytes.extend((entry.values as u16).to_le_bytes());
        let mut payload = encoded.bytes[entry.part.range()].to_vec();
        for (at, bits) in &hits {
            let at = at.index(payload.len());
            payload[at] ^= bits;
        }
        bytes.extend(payload);
        fuzz::decode_any(&bytes);
    }
}
