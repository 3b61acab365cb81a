//! The numbers of values that blocks share.

use super::*;

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
