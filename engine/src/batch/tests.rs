use super::*;
use crate::event::{Kind, Level, Value};
use crate::limits::Limits;
use crate::timestamp::Timestamp;
use proptest::prelude::*;

#[derive(Debug, Clone)]
struct Sample {
    level: Level,
    fields: Vec<(String, String)>,
}

fn samples() -> impl Strategy<Value = Vec<Sample>> {
    let fields = prop::collection::vec(("[a-d]", "[a-z]{0,6}"), 0..6);
    let sample = (prop::sample::select(Level::ALL.to_vec()), fields)
        .prop_map(|(level, fields)| Sample { level, fields });
    prop::collection::vec(sample, 0..40)
}

fn build(samples: &[Sample]) -> Batch {
    let mut builder = BatchBuilder::new(&Limits::default(), Timestamp(1_700_000_000_000_000_000));
    for (index, sample) in samples.iter().enumerate() {
        let mut event = builder.event();
        event.level = sample.level;
        event.timestamp = Timestamp(event.timestamp.0 + index as i64);
        for (name, value) in &sample.fields {
            event.field(name, Kind::String, value.as_bytes());
        }
        event.finish().expect("small");
    }
    builder.build()
}

fn fields_of(rows: &Rows, row: u32) -> Vec<(String, String)> {
    let mut fields: Vec<_> = rows
        .columns
        .iter()
        .filter_map(|column| {
            let Value { text, .. } = column.get(row)?;
            Some((column.name.to_string(), String::from_utf8(text.to_vec()).unwrap()))
        })
        .collect();
    fields.sort();
    fields
}

fn wanted(sample: &Sample) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for (name, value) in &sample.fields {
        let same = |(other, _): &&(String, String)| crate::field::without_ordinal(other) == name;
        let ordinal = fields.iter().filter(same).count();
        fields.push((crate::field::with_ordinal(name, ordinal), value.clone()));
    }
    fields.sort();
    fields
}

proptest! {
    #[test]
    fn every_event_is_filed_once_with_all_its_fields(samples in samples()) {
        let batch = build(&samples);
        batch.check_invariants();
        prop_assert_eq!(batch.len(), samples.len());
        for part in batch.parts() {
            for row in 0..part.rows.len() {
                let sample = &samples[part.rows.seq_offsets[row] as usize];
                prop_assert_eq!(part.rows.level(row), sample.level);
                prop_assert_eq!(&*part.key.class, sample.level.name());
                prop_assert_eq!(fields_of(&part.rows, row as u32), wanted(sample));
            }
        }
    }

    #[test]
    fn gathering_slices_gives_the_rows_back(samples in samples(), cut in 0usize..40) {
        let mut batch = build(&samples);
        batch.number(1_000);
        for part in batch.parts() {
            let cut = cut.min(part.rows.len());
            let (low, high) = (gather([(&part.rows, 0..cut)]), gather([(&part.rows, cut..part.rows.len())]));
            low.check_invariants();
            high.check_invariants();
            let whole = gather([(&low, 0..low.len()), (&high, 0..high.len())]);
            whole.check_invariants();
            prop_assert_eq!(whole.len(), part.rows.len());
            for row in 0..whole.len() {
                prop_assert_eq!(whole.seq(row), part.rows.seq(row));
                prop_assert_eq!(whole.timestamps[row], part.rows.timestamps[row]);
                prop_assert_eq!(fields_of(&whole, row as u32), fields_of(&part.rows, row as u32));
            }
        }
    }
}

/// As [`build`], but that every second event is pushed by its shape where it has one.
fn build_by_shape(samples: &[Sample]) -> Batch {
    let mut builder = BatchBuilder::new(&Limits::default(), Timestamp(1_700_000_000_000_000_000));
    for (index, sample) in samples.iter().enumerate() {
        // What is expected changes nothing.
        builder.expect(index, samples.len());
        let names: Vec<_> = sample.fields.iter().map(|(name, _)| name.as_str()).collect();
        let timestamp = Timestamp(1_700_000_000_000_000_000 + index as i64);
        if let Some(shape) = builder.shape(&names).filter(|_| index % 2 == 0) {
            let values = sample.fields.iter();
            let values =
                values.map(|(_, text)| Value { kind: Kind::String, text: text.as_bytes() });
            // The first is of the time of arrival.
            let timestamp = (index > 0).then_some(timestamp);
            builder.push(shape, timestamp, sample.level, values).expect("small");
            continue;
        }
        let mut event = builder.event();
        event.level = sample.level;
        event.timestamp = timestamp;
        for (name, value) in &sample.fields {
            event.field(name, Kind::String, value.as_bytes());
        }
        event.finish().expect("small");
    }
    builder.build()
}

proptest! {
    #[test]
    fn an_event_that_is_pushed_by_its_shape_is_the_same(samples in samples()) {
        prop_assert_eq!(build_by_shape(&samples), build(&samples));
    }
}

#[test]
fn a_shape_has_no_name_twice_and_events_over_the_limit_leave_nothing() {
    let mut builder = BatchBuilder::new(&Limits::tiny(), Timestamp(0));
    assert_eq!(builder.shape(&["a", "b", "a"]), None);
    let shape = builder.shape(&["a"]).expect("distinct");
    assert_eq!(builder.shape(&["a"]), Some(shape));
    let large = vec![b'x'; Limits::tiny().event_bytes_max];
    let values = [Value { kind: Kind::String, text: large.as_slice() }].into_iter();
    let error = builder.push(shape, None, Level::Info, values).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Invalid);
    assert_eq!(builder.build(), Batch::default());
}

#[test]
fn an_event_over_the_limit_leaves_nothing() {
    let mut builder = BatchBuilder::new(&Limits::tiny(), Timestamp(0));
    let mut event = builder.event();
    event.field("message", Kind::String, &vec![b'x'; Limits::tiny().event_bytes_max + 1]);
    assert_eq!(event.finish().unwrap_err().kind(), crate::ErrorKind::Invalid);
    let _abandoned = builder.event();
    assert!(builder.is_empty());
    assert_eq!(builder.build(), Batch::default());
}

/// Each field was compared with all before it, each event with all days before it: a body of the
/// allowed size kept a thread busy for minutes.
#[test]
fn many_fields_and_many_days_take_linear_time() {
    const MANY: usize = 40_000;
    let mut builder = BatchBuilder::new(&Limits::default(), Timestamp(1_700_000_000_000_000_000));
    let mut event = builder.event();
    for index in 0..MANY {
        event.field(&format!("f{index}"), Kind::Number, b"1");
        event.field("same", Kind::Number, b"2");
    }
    event.finish().expect("small");
    for day in 0..MANY as i64 {
        let mut event = builder.event();
        event.timestamp = Timestamp(event.timestamp.0 - day % 8_000 * 86_400_000_000_000);
        event.level = Level::ALL[day as usize % 6];
        event.finish().expect("small");
    }
    let batch = builder.build();
    batch.check_invariants();
    assert_eq!(batch.len(), MANY + 1);
    let first = &batch.parts[0].rows;
    assert_eq!(first.columns.len(), 2 * MANY);
    assert!(first.column(&crate::field::with_ordinal("same", MANY - 1)).is_some());
}
