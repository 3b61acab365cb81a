use super::*;
use crate::error::Error;
use crate::limits::STATS_BYTES_MAX;
use crate::query::stats::excess::Bounds;
use crate::value::Sketch;

fn groups(function: Function) -> Groups {
    let pool = Pool::new(1 << 30);
    let (groups_max, distinct_max) = (100_000, 1_000_000);
    let bounds = Bounds { groups_max, bytes_max: STATS_BYTES_MAX, distinct_max };
    let excess = Arc::new(Excess::new(&pool, bounds, false));
    Groups::new(&[Aggregate { function, field: "f".into() }], &pool, &excess, false).unwrap()
}

fn key(text: &[u8]) -> Vec<Option<OwnedValue>> {
    vec![Some((Kind::String, text.to_vec()))]
}

/// A value is told as it stands in the first source that has it. A thread that had taken source 4 went on with what
/// another had just found of source 5, and the kind of that was told.
#[test]
fn a_value_is_that_of_the_first_source_whichever_comes_first() {
    for order in [[4, 5], [5, 4]] {
        let mut all = groups(Function::Count);
        for source in order {
            let kind = if source == 4 { Kind::Number } else { Kind::String };
            all.begin_source(source).unwrap();
            let values = [Some((kind, b"12".to_vec()))];
            let place = all.find(0, values.iter().map(Option::as_ref)).unwrap();
            all.count(place as usize, 1);
        }
        let rows = all.into_rows(None, None, &mut || Ok(())).unwrap().rows;
        assert_eq!((rows.len(), rows[0].count), (1, 2), "{order:?}");
        assert_eq!(rows[0].group, [Some((Kind::Number, b"12".to_vec()))], "{order:?}");
    }
}

/// The number of groups was bounded, not what each of them takes.
#[test]
fn percentiles_and_long_values_are_bounded() {
    let mut groups_by_number = groups(Function::Percentile(950_000));
    for group in 0..1_000 {
        let group = groups_by_number.find(group, key(b"a").iter().map(Option::as_ref)).unwrap();
        for exponent in -150..150 {
            groups_by_number.add_number(group as usize, 0, 2f64.powi(exponent));
        }
    }
    groups_by_number.bound().unwrap();
    assert!(groups_by_number.are_weighed());

    let mut groups_by_text = groups(Function::Sum);
    let text = vec![b'x'; 1 << 20];
    for group in 0..100 {
        groups_by_text.find(group, key(&text).iter().map(Option::as_ref)).unwrap();
    }
    groups_by_text.bound().unwrap();
    assert!(!groups_by_text.are_weighed());
    for group in 100..129 {
        groups_by_text.find(group, key(&text).iter().map(Option::as_ref)).unwrap();
    }
    groups_by_text.bound().unwrap();
    assert!(groups_by_text.are_weighed());
}

/// What a group has besides its texts was counted as 128 bytes, whatever its columns.
#[test]
fn groups_count_their_columns_and_figures() {
    let takes = |columns: usize, functions: &[Function]| {
        let mut all = groups(Function::Count);
        all.functions = functions.to_vec();
        let empty: Vec<_> = vec![Some((Kind::String, Vec::new())); columns];
        for group in 0..1_000 {
            let place = all.find(group, empty.iter().map(Option::as_ref)).unwrap();
            for figure in 0..functions.len() {
                all.add_number(place as usize, figure, 1.0);
            }
        }
        all.bound().unwrap();
        assert!(all.memory.bytes() >= all.takes());
        all.takes() / 1_000
    };
    let none = takes(0, &[]);
    let value = size_of::<Option<OwnedValue>>();
    assert!(takes(16, &[]) >= none + 16 * (value + size_of::<u64>()));
    let sketches = takes(0, &[Function::Percentile(500_000); 32]);
    assert!(sketches >= none + 32 * (size_of::<Figure>() + size_of::<Sketch>() + 1_024));
}

/// Merging two large tables looked at nothing until it was done.
#[test]
fn a_merge_ends_when_the_query_does() {
    let filled = || {
        let mut all = groups(Function::Sum);
        for bucket in 0..3 * ITEM_GROUPS as i64 {
            all.find(bucket, std::iter::empty()).unwrap();
        }
        all
    };
    let mut items = 0;
    let mut before = || {
        items += 1;
        if items == 2 { Err(Error::cancelled("gone")) } else { Ok(()) }
    };
    let error = filled().merge(filled(), &mut before).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Cancelled);
    assert_eq!(items, 2);
}
